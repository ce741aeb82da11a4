// model/extent_allocator.h - which units of an address range are taken: constant-time allocate and release.
//
// Two-level segregated fit: free extents hang in bins by size class (8 classes an octave), a bitmap finds the first bin
// that fits, and tags at both ends of an extent merge neighbours. The tags are a lazily populated table, so neither
// building nor resetting costs anything in proportion to the range.
#pragma once

#include <array>
#include <cstdint>

#include "base/types.h"

namespace dartboard::model {

class ExtentAllocator {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kUnitsMax = (1u << 30) - 1;

  /// Manages [0, units). At most kUnitsMax.
  explicit ExtentAllocator(uint32_t units);
  ~ExtentAllocator();
  ExtentAllocator(const ExtentAllocator&) = delete;
  ExtentAllocator& operator=(const ExtentAllocator&) = delete;

  /// First unit of `count` consecutive free ones at a multiple of `align` (power of two), or kNone. The extent
  /// remembers `mark`.
  uint32_t allocate(uint32_t count, uint32_t align, bool mark);
  /// `first` is what allocate() returned.
  void release(uint32_t first);

  /// Of the live extent that starts at `first`.
  uint32_t length(uint32_t first) const { return tags_[first].length; }
  bool mark(uint32_t first) const { return tags_[first].mark; }

  /// Calls visit(first, length, mark) for each live extent, in address order. Costs the number of extents.
  template <class Visit>
  void for_each_live(Visit visit) const {
    for (uint32_t at = 0; at < units_; at += tags_[at].length) {
      if (tags_[at].used) visit(at, uint32_t{tags_[at].length}, tags_[at].mark);
    }
  }

  uint32_t units() const { return units_; }
  uint32_t live_units() const { return live_units_; }
  uint32_t live_extents() const { return live_extents_; }

  /// Everything free.
  void reset();

 private:
  // Of an extent's tags only the first unit's (all fields) and the last unit's (`back`) mean anything.
  struct Tag {
    uint32_t length : 30;
    uint32_t used : 1;
    uint32_t mark : 1;
    uint32_t previous;        // free list; kNil at its ends
    uint32_t next;
    uint32_t back;            // first unit of the extent that ends here
  };
  static constexpr uint32_t kNil = UINT32_MAX;
  static constexpr unsigned kBins = 256;

  static unsigned bin_of(uint32_t length);
  static uint32_t round_up_to_bin(uint32_t length);
  unsigned first_bin_from(unsigned bin) const;
  void set_extent(uint32_t first, uint32_t length, bool used, bool mark);
  void insert(uint32_t first, uint32_t length);
  void remove(uint32_t first);

  uint32_t units_ = 0;
  uint32_t live_units_ = 0;
  uint32_t live_extents_ = 0;
  Tag* tags_ = nullptr;
  std::array<uint32_t, kBins> heads_{};
  std::array<uint64_t, kBins / 64> bins_used_{};
};

}  // namespace dartboard::model
