// backend/bar_regions.h - the device's BARs as a guest reaches them: by pointer where they are memory, else by calls.
//
// Guest accesses are not gated by the guest's Command: the backend forwards, and the hardware answers (a function
// with memory decode off answers Unsupported Request, which reads all-ones). Gating here would be a second, different
// answer, and a device that decodes regardless of Command would stop working. What must not happen is a CPU access
// to a mapping of a device that is gone: on Apple silicon that is a host panic, so a gone device is answered here.
//
// The MSI-X table and PBA are macOS's: the pages around them are never in a direct area, and accesses to them go to
// the shadow.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/config_virtualisation.h"
#include "backend/msix_shadow.h"
#include "backend/passthrough_device.h"
#include "base/inspect.h"

namespace dartboard::backend {

inline constexpr unsigned kBarCount = 6;

class BarRegions {
 public:
  BarRegions(dext::Client& client, MsixShadow& msix, const std::atomic<bool>& gone)
      : client_(client), msix_(msix), gone_(gone) {}

  /// Asks the dext for each BAR; what is absent or cannot be offered keeps size 0 and a note. No mapping yet.
  Result<void> open();
  bool present(unsigned bar) const { return bars_[bar].info.size != 0; }
  const dext::BarInfo& bar_info(unsigned bar) const { return bars_[bar].info; }

  /// Makes `layout` the shadow's: false, with a sentence, if table or PBA do not lie in memory BARs of this device.
  bool place_msix(const MsixLayout& layout, std::string* why_not);

  /// Maps what can be reached by pointer, around the MSI-X holes. A BAR that cannot be mapped is reached by calls.
  Result<void> map(uint64_t page_bytes);

  RegionInfo region_info(unsigned bar) const;

  /// Guest access, any offset and length. A gone device reads all-ones and swallows writes.
  // Inline by force: an access is a dozen calls deep, and a processor predicts the returns of about as many.
  [[gnu::always_inline]] Result<void> read(unsigned bar, uint64_t offset, std::span<std::byte> data) {
    const Bar& b = bars_[bar];
    const uint64_t length = data.size();
    // One naturally aligned word is nearly all there is: inside the first (usually the only) direct area, or a
    // register.
    if ((length == 4 || length == 8) && (offset & (length - 1)) == 0 && !gone_.load(std::memory_order_relaxed)) {
      if (in_direct(b, offset, length)) {
        const std::byte* at = b.fast_base + (offset - b.fast_offset);
        if (length == 4) {
          const uint32_t value = *reinterpret_cast<const volatile uint32_t*>(at);
          std::memcpy(data.data(), &value, 4);
        } else {
          const uint64_t value = *reinterpret_cast<const volatile uint64_t*>(at);
          std::memcpy(data.data(), &value, 8);
        }
        return {};
      }
      if (b.calls_only && in_range(offset, length, b.info.size)) return read_word(bar, offset, data);
    }
    return read_pieces(bar, offset, data);
  }
  [[gnu::always_inline]] Result<void> write(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
    const Bar& b = bars_[bar];
    const uint64_t length = data.size();
    if ((length == 4 || length == 8) && (offset & (length - 1)) == 0 && !gone_.load(std::memory_order_relaxed)) {
      if (in_direct(b, offset, length)) {
        std::byte* at = b.fast_base + (offset - b.fast_offset);
        if (length == 4) {
          uint32_t value;
          std::memcpy(&value, data.data(), 4);
          *reinterpret_cast<volatile uint32_t*>(at) = value;
        } else {
          uint64_t value;
          std::memcpy(&value, data.data(), 8);
          *reinterpret_cast<volatile uint64_t*>(at) = value;
        }
        return {};
      }
      if (b.calls_only && in_range(offset, length, b.info.size)) return write_word(bar, offset, data);
    }
    return write_pieces(bar, offset, data);
  }

  void inspect(InspectNode& node) const;

 private:
  struct Bar {
    // Hot: one cache line.
    std::byte* fast_base = nullptr;
    uint64_t fast_offset = 0, fast_bytes = 0;
    dext::BarInfo info;
    bool calls_only = true;  ///< no direct area, no MSI-X shadow: every access is a call
    // Cold.
    std::vector<DirectArea> direct;
    std::string note;
  };
  enum class Backing : uint8_t { kDirect, kCalls, kMsixTable, kMsixPba };
  struct Piece {
    Backing backing;
    uint64_t bytes;              ///< from the asked offset
    std::byte* base = nullptr;   ///< kDirect: the asked byte
    uint64_t shadow_offset = 0;  ///< kMsixTable, kMsixPba
  };

  static bool in_direct(const Bar& b, uint64_t offset, uint64_t length) {
    return offset - b.fast_offset < b.fast_bytes && length <= b.fast_bytes - (offset - b.fast_offset);
  }
  Result<void> read_word(unsigned bar, uint64_t offset, std::span<std::byte> data);
  Result<void> write_word(unsigned bar, uint64_t offset, std::span<const std::byte> data);
  Result<void> read_pieces(unsigned bar, uint64_t offset, std::span<std::byte> data);
  Result<void> write_pieces(unsigned bar, uint64_t offset, std::span<const std::byte> data);
  Result<void> read_failed(unsigned bar, uint64_t offset, std::span<std::byte> rest, io_return::Code code);
  io_return::Code read_calls(const Bar& b, uint64_t offset, std::span<std::byte> data, uint64_t* done);
  io_return::Code write_calls(const Bar& b, uint64_t offset, std::span<const std::byte> data, uint64_t* done);
  Result<void> call_failed(const char* doing, unsigned bar, uint64_t offset, io_return::Code code) const;
  Result<void> check(unsigned bar, uint64_t offset, uint64_t length) const;
  Piece piece_at(unsigned bar, uint64_t offset, uint64_t length) const;
  std::vector<std::pair<uint64_t, uint64_t>> holes(unsigned bar, uint64_t page_bytes) const;

  dext::Client& client_;
  MsixShadow& msix_;
  const std::atomic<bool>& gone_;
  std::array<Bar, kBarCount> bars_;
  std::optional<MsixLayout> layout_;
};

}  // namespace dartboard::backend
