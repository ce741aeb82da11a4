// traces/tools/alignment.cpp - see alignment.h.
#include "traces/tools/alignment.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace dartboard::traces {

namespace {
constexpr int32_t kNone = -1;
constexpr size_t kFirstAnchorWindow = 4096;
}  // namespace

/// The furthest place on diagonal `k` with `edits` edits before events that agree are passed, and the last edit.
/// With as many matches either way, an event more or less is preferred: two of them may be one that moved.
int32_t Aligner::step(std::span<const DiffItem> a, std::span<const DiffItem> b, uint32_t edits, int32_t k, EditOp* op,
                      bool* stayed) const {
  const auto before = [&](int32_t diagonal) {
    const auto d = static_cast<int32_t>(edits) - 1;
    return diagonal < -d || diagonal > d ? kNone : rows_[edits - 1][static_cast<size_t>(diagonal + d)];
  };
  const auto n = static_cast<int32_t>(a.size()), m = static_cast<int32_t>(b.size());
  int32_t best = kNone;
  *stayed = false;
  if (const int32_t x = before(k - 1); x != kNone && x < n) {
    best = x + 1;
    *op = EditOp::kDelete;
  }
  // Of two events that changed places, the one that stands first in A is the one that moved.
  if (const int32_t x = before(k + 1); x != kNone && x >= best && x - k <= m) {
    best = x;
    *op = EditOp::kInsert;
  }
  if (const int32_t x = before(k); x != kNone) {
    const int32_t y = x - k;
    const bool can_change = x < n && y < m && a[static_cast<size_t>(x)].same_shape(b[static_cast<size_t>(y)]);
    if (can_change && x + 1 > best) {
      best = x + 1;
      *op = EditOp::kChange;
    } else if (x > best) {
      best = x;
      *stayed = true;
    }
  }
  return best;
}

Aligner::Reached Aligner::search(std::span<const DiffItem> a, std::span<const DiffItem> b, bool a_ends, bool b_ends,
                                 bool exact) {
  const auto n = static_cast<int32_t>(a.size()), m = static_cast<int32_t>(b.size());
  Reached furthest;
  int64_t furthest_sum = -1;
  if (rows_.size() <= kEditsMax) rows_.resize(kEditsMax + 1);
  for (uint32_t d = 0; d <= kEditsMax; ++d) {
    const auto reach = static_cast<int32_t>(d);
    rows_[d].assign(2 * d + 1, kNone);
    Reached good;
    int64_t good_sum = -1;
    for (int32_t k = -reach; k <= reach; ++k) {
      EditOp op{};
      bool stayed = false;
      int32_t x = d == 0 ? 0 : step(a, b, d, k, &op, &stayed);
      if (x == kNone || x - k < 0 || x - k > m) continue;
      const int32_t from = x;
      const int32_t limit = exact ? n : std::min<int64_t>(n, int64_t{from} + kResyncEvents);
      while (x < limit && x - k < m && a[static_cast<size_t>(x)].same(b[static_cast<size_t>(x - k)])) ++x;
      rows_[d][static_cast<size_t>(k + reach)] = x;
      const int32_t y = x - k;
      const bool corner = x == n && y == m;
      const bool edge = (x == n && !a_ends) || (y == m && !b_ends);
      const bool agrees = x - from >= static_cast<int32_t>(kResyncEvents);
      const int64_t sum = int64_t{x} + y;
      const bool is_good = corner || (!exact && (edge || agrees));
      if (is_good && sum > good_sum) {
        good_sum = sum;
        good = {x, k, d, true};
      }
      if (sum > furthest_sum) {
        furthest_sum = sum;
        furthest = {x, k, d, false};
      }
    }
    if (good.good) return good;
  }
  return furthest;
}

void Aligner::trace_back(std::span<const DiffItem> a, std::span<const DiffItem> b, Reached to) {
  ops_.clear();
  int32_t x = to.x, k = to.k;
  for (uint32_t d = to.edits; d > 0; --d) {
    EditOp op{};
    bool stayed = false;
    const int32_t from = step(a, b, d, k, &op, &stayed);
    for (; x > from; --x) ops_.push_back(EditOp::kKeep);
    if (stayed) continue;
    ops_.push_back(op);
    if (op != EditOp::kInsert) --x;
    if (op == EditOp::kDelete) --k;
    if (op == EditOp::kInsert) ++k;
  }
  for (; x > 0; --x) ops_.push_back(EditOp::kKeep);
  std::reverse(ops_.begin(), ops_.end());
}

bool Aligner::find_anchor(std::span<const DiffItem> a, std::span<const DiffItem> b, bool shapes_only, size_t* i,
                          size_t* j) {
  if (a.size() < kAnchorEvents || b.size() < kAnchorEvents) return false;
  struct Places {
    uint32_t in_a = 0, in_b = 0, count_a = 0, count_b = 0;
  };
  std::unordered_map<uint64_t, Places> pieces;
  const auto walk = [&](std::span<const DiffItem> items, const auto& take) {
    constexpr uint64_t kBase = 0x9e3779b97f4a7c15;  // rolling hash, modulo 2^64
    uint64_t leaving = 1, hash = 0;
    for (uint32_t n = 0; n + 1 < kAnchorEvents; ++n) leaving *= kBase;
    for (uint32_t at = 0; at < items.size(); ++at) {
      const auto id = [&](size_t index) { return shapes_only ? items[index].shape : items[index].identity(); };
      if (at >= kAnchorEvents) hash -= leaving * id(at - kAnchorEvents);
      hash = hash * kBase + id(at);
      if (at + 1 >= kAnchorEvents) take(hash, at + 1 - kAnchorEvents);
    }
  };
  walk(a, [&](uint64_t hash, uint32_t at) {
    Places& places = pieces[hash];
    if (places.count_a++ == 0) places.in_a = at;
  });
  walk(b, [&](uint64_t hash, uint32_t at) {
    const auto found = pieces.find(hash);
    if (found != pieces.end() && found->second.count_b++ == 0) found->second.in_b = at;
  });
  uint64_t best = std::numeric_limits<uint64_t>::max();
  for (const auto& [hash, places] : pieces) {
    if (places.count_a != 1 || places.count_b != 1) continue;
    // Nearest first; of two as near, the one earlier in a: no order of the table decides.
    const uint64_t sum = uint64_t{places.in_a} + places.in_b;
    const uint64_t rank = sum << 32 | places.in_a;
    if (rank >= best) continue;
    best = rank;
    *i = places.in_a;
    *j = places.in_b;
  }
  return best != std::numeric_limits<uint64_t>::max();
}

std::span<const EditOp> Aligner::align(std::span<const DiffItem> a, std::span<const DiffItem> b, bool a_ends,
                                       bool b_ends) {
  ops_.clear();
  if (a.empty() || b.empty()) {
    // What is left of one side when the other has ended.
    if (a.empty() && a_ends) ops_.assign(b.size(), EditOp::kInsert);
    if (b.empty() && b_ends) ops_.assign(a.size(), EditOp::kDelete);
    return ops_;
  }
  const Reached reached = search(a, b, a_ends, b_ends, false);
  trace_back(a, b, reached);
  const uint64_t progress = static_cast<uint64_t>(reached.x) + static_cast<uint64_t>(reached.x - reached.k);
  // As many edits as allowed, and hardly anything agreed: rather look for where the sides meet again.
  const bool lost = !reached.good && progress < 2 * kEditsMax + kEditsMax / 2;
  if (!lost) {
    no_anchor_for_ -= std::min(no_anchor_for_, progress);
    return ops_;
  }
  if (no_anchor_for_ != 0) {
    no_anchor_for_ -= std::min(no_anchor_for_, progress);
    return ops_;
  }
  for (const size_t window : {kFirstAnchorWindow, std::max(a.size(), b.size())}) {
    const auto front_a = a.first(std::min(window, a.size())), front_b = b.first(std::min(window, b.size()));
    for (const bool shapes_only : {false, true}) {
      size_t i = 0, j = 0;
      if (!find_anchor(front_a, front_b, shapes_only, &i, &j)) continue;
      const Reached exact = search(a.first(i), b.first(j), true, true, true);
      if (exact.good) {
        trace_back(a.first(i), b.first(j), exact);
      } else {
        ops_.assign(i, EditOp::kDelete);
        ops_.insert(ops_.end(), j, EditOp::kInsert);
      }
      if (!ops_.empty()) return ops_;
      // The anchor is right here, agreeing in shape only: what the search found stands.
      trace_back(a, b, search(a, b, a_ends, b_ends, false));
      return ops_;
    }
  }
  no_anchor_for_ = std::max(a.size(), b.size()) / 4;
  trace_back(a, b, search(a, b, a_ends, b_ends, false));
  return ops_;
}

}  // namespace dartboard::traces
