// traces/import/mmiotrace_devices.h - the devices of an mmiotrace: those that its PCIDEV lines list, one without
// identity for maps of other memory, and which BAR of which an address is in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "traces/device_description.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

/// One PCIDEV line.
struct MmiotraceListing {
  static constexpr unsigned kSlots = 7;  ///< six BARs and the ROM
  static constexpr uint64_t kFlagIo = 0x1, kFlag64Bit = 0x4, kFlagPrefetchable = 0x8, kFlagBits = 0xf;

  uint8_t bus = 0, devfn = 0;
  uint16_t vendor_id = 0, device_id = 0;
  std::array<uint64_t, kSlots> starts{};   ///< addresses, with flag bits
  std::array<uint64_t, kSlots> lengths{};  ///< bytes; 0: there is none. Each ends below 2^64.
  std::string driver;
};

class MmiotraceDevices {
 public:
  static constexpr unsigned kRomSlot = 6;
  static constexpr size_t kListedMax = 4096;

  /// Where in which device an address is.
  struct Place {
    uint16_t device = 0;  ///< index in TraceInfo::devices
    unsigned slot = 0;
    uint64_t offset = 0, start = 0, size = 0;  ///< in the BAR or ROM, and of it
  };

  /// `info` gets the devices, each with the first of its events, and notes; it outlives this.
  explicit MmiotraceDevices(TraceInfo* info) : info_(*info) {}
  MmiotraceDevices(const MmiotraceDevices&) = delete;
  MmiotraceDevices& operator=(const MmiotraceDevices&) = delete;

  /// False: kListedMax are listed already.
  bool list(MmiotraceListing listing);
  /// A map of addresses that find() does not know: a BAR of the device without identity. False: it cannot be one.
  bool make_bar(uint64_t address, uint64_t length);
  /// Whose bytes [address, address + width) are.
  std::optional<Place> find(uint64_t address, uint64_t width) {
    if (last_ == ranges_.end() || address < last_->first || address - last_->first >= last_->second.size) {
      auto after = ranges_.upper_bound(address);
      if (after == ranges_.begin()) return std::nullopt;
      last_ = std::prev(after);
    }
    const auto& [start, range] = *last_;
    if (!in_range(address - start, width, range.size)) return std::nullopt;
    const uint16_t device = range.listed == kNobody ? *nobody_ : device_of(range.listed);
    return Place{device, range.slot, address - start, start, range.size};
  }
  /// After the last line: the trace has a device.
  void end();
  /// Adds to the notes, up to a limit.
  void note(std::string sentence);

 private:
  struct Listed {
    MmiotraceListing line;
    std::array<BarDescription, kRomSlot> bars;
    std::optional<uint16_t> device;  // its number, once one of its lines came
  };
  /// Addresses of a BAR or ROM.
  struct Range {
    uint64_t size = 0;
    size_t listed = 0;  // index in listed_; kNobody: of the device without identity
    unsigned slot = 0;
  };
  static constexpr size_t kNobody = SIZE_MAX;

  void add_slot(unsigned slot, Listed* listed);
  /// False: it overlaps another.
  bool add_range(uint64_t start, Range range);
  /// Number of a device that a PCIDEV line listed.
  uint16_t device_of(size_t index) {
    const std::optional<uint16_t>& device = listed_[index].device;
    return device ? *device : describe(&listed_[index]);
  }
  /// Adds it to the trace.
  uint16_t describe(Listed* listed);

  TraceInfo& info_;
  std::vector<Listed> listed_;
  std::map<uint64_t, Range> ranges_;  // by first address; none overlap
  std::map<uint64_t, Range>::iterator last_ = ranges_.end();
  std::optional<uint16_t> nobody_;  // the device without identity
  unsigned nobodys_bars_ = 0;
};

}  // namespace dartboard::traces
