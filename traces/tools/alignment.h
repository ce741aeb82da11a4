// traces/tools/alignment.h - aligns the fronts of two sequences of events with the fewest edits, in bounded time.
//
// An edit is an event more, an event less, or one of the same shape with another outcome. The search goes outwards in
// the number of edits (E. Ukkonen, "Algorithms for approximate string matching", 1985, with substitution only between
// events of one shape) and stops where both sides agree again for kResyncEvents. Where that takes too many edits, a
// piece that stands once on each side is looked for, and everything before it is taken as replaced.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "traces/tools/diff_item.h"

namespace dartboard::traces {

enum class EditOp : uint8_t { kKeep, kChange, kDelete, kInsert };

inline constexpr uint32_t kResyncEvents = 32;
inline constexpr uint32_t kEditsMax = 256;  ///< of one search
inline constexpr uint32_t kAnchorEvents = 24;

class Aligner {
 public:
  /// Edits that take a prefix of `a` into a prefix of `b`; at least one of them unless both are empty. `a_ends`,
  /// `b_ends`: nothing follows the sequence.
  std::span<const EditOp> align(std::span<const DiffItem> a, std::span<const DiffItem> b, bool a_ends, bool b_ends);

 private:
  struct Reached {
    int32_t x = 0, k = 0;
    uint32_t edits = 0;
    bool good = false;  // agrees again, or is at an end
  };
  /// Breadth-first in edits from the front; `exact`: only the far corner is good.
  Reached search(std::span<const DiffItem> a, std::span<const DiffItem> b, bool a_ends, bool b_ends, bool exact);
  int32_t step(std::span<const DiffItem> a, std::span<const DiffItem> b, uint32_t edits, int32_t k, EditOp* op,
               bool* stayed) const;
  void trace_back(std::span<const DiffItem> a, std::span<const DiffItem> b, Reached to);
  bool find_anchor(std::span<const DiffItem> a, std::span<const DiffItem> b, bool shapes_only, size_t* i, size_t* j);

  std::vector<std::vector<int32_t>> rows_;  // rows_[d][k + d]: furthest place in a on diagonal k with d edits; -1: none
  std::vector<EditOp> ops_;
  uint64_t no_anchor_for_ = 0;  // events to go before one is looked for again
};

}  // namespace dartboard::traces
