// traces/import/recovered_device.h - what a log of accesses shows of the device itself: identity, BARs, configuration
// space, MSI-X. For importers of every format.
//
// The size of a BAR, best first: what the recording tool says it is (bar_size), what the driver's sizing shows (all
// ones written, then read: PCIe 6.0 s7.5.1.2.1), where it was mapped (bar_mapped), and else the smallest power of two
// that holds the highest access, which is noted as assumed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/device_description.h"

namespace dartboard::traces {

class RecoveredDevice {
 public:
  static constexpr unsigned kBars = 6;

  void config_read(uint64_t offset, unsigned length, uint32_t value);
  void config_write(uint64_t offset, unsigned length, uint32_t value);
  /// A read whose width is only known now; the rest of config_read() was done.
  void config_read_was_wider(uint64_t offset, unsigned length, uint32_t value) { config_.learn(offset, length, value); }
  /// A reset: the device no longer decodes memory.
  void reset() { command_ = 0; }

  /// An access that lies below 2^63.
  void bar_access(unsigned bar, uint64_t offset, uint64_t length) {
    Bar& b = bars_[bar];
    b.accessed = true;
    if (offset + length > b.highest_end) b.highest_end = offset + length;
    if ((command_ & kMemorySpace) == 0) decoded_without_command_ = true;
  }
  /// What the tool that recorded says; 0: the device does not have it.
  void bar_size(unsigned bar, uint64_t size);
  bool has_bar_size(unsigned bar) const { return bars_[bar].told.has_value(); }
  void bar_mapped(unsigned bar, uint64_t address, uint64_t size);
  void bar_unmapped(unsigned bar);
  void msix_table(unsigned bar, uint64_t offset, uint32_t entries);

  /// Where a BAR lies in the machine's memory or I/O space, as far as shown; size 0 when it is not.
  struct Range {
    uint64_t address = 0, size = 0;
  };
  Range range(unsigned bar) const;
  /// Changes whenever a range() may have.
  uint64_t ranges_version() const { return ranges_version_; }

  const ConfigImage& config() const { return config_; }
  bool is_io(unsigned bar) const {
    return config_.known(bar_register(bar)) && (config_.at(bar_register(bar)) & 1) != 0;
  }

  /// All of it. Sentences about what is assumed are appended to `notes`.
  DeviceDescription describe(std::string name, std::vector<std::string>* notes) const;

 private:
  static constexpr uint16_t kMemorySpace = 1 << 1;  // s7.5.1.1.3, Command
  static constexpr uint64_t bar_register(unsigned bar) { return 0x10 + 4 * uint64_t{bar}; }

  struct Bar {
    std::optional<uint64_t> told;         // by bar_size()
    std::optional<uint32_t> sizing_mask;  // read back after all ones
    bool all_ones_written = false;
    uint32_t base = 0;  // last address written to the register, with its flag bits
    uint64_t mapped_address = 0, mapped_size = 0;
    bool mapped = false;  // by bar_mapped(), now
    bool accessed = false;
    uint64_t highest_end = 0;
  };
  struct Size {
    uint64_t bytes = 0;  // 0: absent
    bool assumed = false;
  };
  bool is_64bit(unsigned bar) const;
  bool is_upper_half(unsigned bar) const { return bar > 0 && is_64bit(bar - 1); }
  std::optional<uint64_t> sized(unsigned bar) const;  // by sizing; 0: not implemented
  Size size(unsigned bar) const;
  void describe_bars(DeviceDescription* d, std::vector<std::string>* notes) const;
  void describe_msix(DeviceDescription* d, std::vector<std::string>* notes) const;

  ConfigImage config_;
  std::array<Bar, kBars> bars_;
  MsixDescription told_msix_;  // entries 0: not told
  uint16_t command_ = 0;
  bool decoded_without_command_ = false;
  uint64_t ranges_version_ = 0;
};

}  // namespace dartboard::traces
