// backend/devicetree/gpa_range.h - ranges of guest memory, and sets of them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.h"

namespace dartboard::devicetree {

/// [start, start+bytes) of guest memory.
struct GpaRange {
  Gpa start;
  uint64_t bytes = 0;
  Gpa end() const { return start + bytes; }
  friend bool operator==(const GpaRange&, const GpaRange&) = default;
};

/// True if two ranges of one address space share a byte. Ranges that run past 2^64 are taken up to there.
constexpr bool ranges_overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
  return a_bytes != 0 && b_bytes != 0 && (a < b ? b - a < a_bytes : a - b < b_bytes);
}

/// True if [start, start+bytes) is empty, or its end is no address: 2^64 or more.
constexpr bool is_empty_or_wraps(uint64_t start, uint64_t bytes) {
  return bytes == 0 || bytes > ~start;
}

/// Guest memory as sorted ranges that neither touch nor overlap.
class GpaSet {
 public:
  GpaSet() = default;
  /// `ranges` in any order, overlapping or not; none may be empty or wrap.
  explicit GpaSet(std::vector<GpaRange> ranges);

  const std::vector<GpaRange>& ranges() const { return ranges_; }
  bool contains(GpaRange range) const;
  /// The first range that shares an address with [start, start+bytes), taken as numbers of whatever space.
  std::optional<GpaRange> overlap(uint64_t start, uint64_t bytes) const;
  /// This set without `range`.
  GpaSet without(GpaRange range) const;

 private:
  std::vector<GpaRange> ranges_;
};

}  // namespace dartboard::devicetree
