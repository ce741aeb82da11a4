// traces/replay_rebase.h - a recording's bus addresses, replaced by those that the mapper chooses here.
//
// What counts as an address: a value inside a range that the recording shows was handed out (kDmaMap) and not given
// back. Where such values are looked for, and what is done with them:
//   address    an 8-byte aligned 64-bit word of a write: the address, 4-byte aligned                      rewritten
//   page       the same word, bit 0 set: page address in bits 47:12, flags around it (page-table entry)   rewritten
//   pair       two requests in a row that write 4 bytes each to neighbouring 4-byte places, low and high
//              half in either order: the address, 4-byte aligned                                          rewritten
//   packet     a 64-bit address in host memory, at a place that is 4-byte but not 8-byte aligned: command
//              packets are rows of 32-bit words                                                           rewritten
//   unaligned  the same elsewhere                                                                         reported
//   half       a 4-byte write that alone is an address, or one shifted right by 8 or 12                   reported
// What is only reported may as well be data. What was rewritten is remembered with its place, so that a read of it is
// compared with the new bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "traces/event.h"

namespace dartboard::traces {

enum class AddressForm : uint8_t { kAddress, kPage, kPair, kPacket, kUnaligned, kHalf };
inline constexpr unsigned kAddressFormCount = 6;
std::string_view to_string(AddressForm form);
/// Whether a place of this form is rewritten, or only reported.
constexpr bool is_rewritten(AddressForm form) {
  return form <= AddressForm::kPacket;
}

struct RebasedPlace {
  uint64_t request = 0;
  EventKind kind = EventKind::kMmioWrite;
  uint32_t target = 0;
  uint64_t offset = 0;  ///< of the value in the BAR, the memory or configuration space
  uint64_t old_value = 0, new_value = 0;
  AddressForm form = AddressForm::kAddress;
};
inline constexpr size_t kRebasedPlacesKept = 50;

struct RebaseReport {
  uint64_t ranges = 0;  ///< handed out
  uint64_t places[kAddressFormCount] = {};
  std::vector<RebasedPlace> first;  ///< rewritten, at most kRebasedPlacesKept
  std::vector<RebasedPlace> first_reported;
  uint64_t reads_rebased = 0;  ///< reads that returned rewritten bytes
  uint64_t rewritten() const { return places[0] + places[1] + places[2] + places[3]; }
  uint64_t reported() const { return places[4] + places[5]; }
};

class Rebaser {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  /// Page i of `handle` was at recorded[i] and is at here[i].
  void handed_out(uint32_t handle, std::span<const uint64_t> recorded, std::span<const uint64_t> here);
  void given_back(uint32_t handle);

  /// Where the byte at a recorded bus address is here, and how many bytes follow it there.
  std::optional<std::pair<uint64_t, uint64_t>> place_of(uint64_t recorded) const;

  /// Rewrites the bytes of a write in place. `previous` and `next` are the requests around it (null: none); they must
  /// be whole. Returns how many places changed.
  uint64_t rewrite(const Event& event, const Event* previous, const Event* next, std::span<std::byte> bytes);
  /// A write whose bytes hold no address: what was rewritten there before is gone.
  void overwritten(const Event& event, uint64_t length);

  /// What a read of `expected` should return here. True when that differs; `expected` is changed.
  bool rebase_read(EventKind kind, uint32_t target, uint64_t offset, std::span<std::byte> expected);

  RebaseReport& report() { return report_; }

 private:
  struct Range {
    uint64_t bytes = 0, here = 0;
    uint32_t handle = 0;
  };
  struct Touched {
    uint64_t old_value = 0, new_value = 0;
    uint8_t bytes = 0;
  };
  using Space = std::pair<EventKind, uint32_t>;  // of the write

  const Range* find(uint64_t recorded, uint64_t* start) const;
  bool pair_with(const Event& event, const Event& other, uint32_t value, uint32_t* out) const;
  void touch(const Event& event, uint64_t at, uint8_t bytes, uint64_t old_value, uint64_t new_value, AddressForm form);
  void only_report(const Event& event, uint64_t at, uint64_t value, uint64_t would_be, AddressForm form);

  std::map<uint64_t, Range> ranges_;  // by recorded address
  std::map<Space, std::map<uint64_t, Touched>> touched_;
  uint64_t least_ = UINT64_MAX, most_ = 0;  // all recorded addresses lie between
  RebaseReport report_;
};

}  // namespace dartboard::traces
