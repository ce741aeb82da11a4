// backend/dma/guest_memory.h - the guest's RAM as the host sees it: ranges of guest physical addresses with memory behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace dartboard::backend::dma {

struct RamRange {
  Gpa gpa;
  uint64_t bytes = 0;
  std::byte* base = nullptr;
};

class GuestMemory {
 public:
  /// Adds a range. kBadArgument: no bytes, no memory, it wraps, or it overlaps a range that is there (kBusy).
  Result<void> add(const RamRange& range);
  /// Takes away the range that begins at `gpa`. kNotFound: none does.
  Result<void> remove(Gpa gpa);

  /// Where [gpa, gpa+bytes) lies in this process; null if any byte of it is not in one and the same range.
  std::byte* at(Gpa gpa, uint64_t bytes) const {
    const RamRange* range = find(gpa);
    if (range == nullptr || bytes > range->bytes - (gpa - range->gpa)) return nullptr;
    return range->base + (gpa - range->gpa);
  }

  /// Copies out of or into guest memory, across neighbouring ranges. False, and nothing written, if a byte is not RAM.
  bool read(Gpa gpa, std::span<std::byte> data) const;
  bool write(Gpa gpa, std::span<const std::byte> data) const;
  /// Whether every byte of [gpa, gpa+bytes) is RAM, in one range or in neighbouring ones.
  bool covers(Gpa gpa, uint64_t bytes) const;

  /// By ascending address.
  std::span<const RamRange> ranges() const { return ranges_; }
  uint64_t bytes() const;

 private:
  /// On the path of every mapping. A guest has a handful of ranges, which a walk finds sooner than a search does.
  const RamRange* find(Gpa gpa) const {
    if (many_) return search(gpa);
    for (const RamRange& range : ranges_) {
      if (gpa - range.gpa < range.bytes) return &range;
    }
    return nullptr;
  }
  const RamRange* search(Gpa gpa) const;


  std::vector<RamRange> ranges_;
  bool many_ = false;   ///< so many that a search is quicker
};

}  // namespace dartboard::backend::dma
