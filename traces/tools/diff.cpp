// traces/tools/diff.cpp - see diff.h.
#include "traces/tools/diff.h"

#include <algorithm>

namespace dartboard::traces {

namespace {

/// One side of a comparison: its events as items, some of them held.
class Side {
 public:
  Side(EventReader& reader, const DiffItemOptions& options) : reader_(reader), maker_(options) {}

  /// Holds at least `count` items unless the trace has no more.
  Result<void> hold(size_t count) {
    while (!ends_ && held().size() < count) {
      if (head_ >= held().size()) {  // else moving what is held would cost more than it frees
        items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
      }
      const auto more = reader_.next(&batch_);
      if (!more) return tl::unexpected(more.error());
      ends_ = !*more;
      if (ends_) break;
      for (const Event& event : batch_.events) items_.push_back(maker_.make(read_++, event, batch_.reply_of(event)));
    }
    return {};
  }
  std::span<const DiffItem> held() const { return std::span<const DiffItem>(items_).subspan(head_); }
  void take(size_t count) { head_ += count; }
  bool ends() const { return ends_; }
  uint64_t read() const { return read_; }
  bool complete() const { return maker_.complete(); }

 private:
  EventReader& reader_;
  DiffItemMaker maker_;
  EventBatch batch_;
  std::vector<DiffItem> items_;
  size_t head_ = 0;
  uint64_t read_ = 0;
  bool ends_ = false;
};

}  // namespace

std::string_view to_string(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kChanged: return "changed";
    case DifferenceKind::kDeleted: return "deleted";
    case DifferenceKind::kInserted: return "inserted";
    case DifferenceKind::kMoved: return "moved";
    case DifferenceKind::kCount: return "count";
  }
  return "changed";
}

Result<DiffSummary> diff(EventReader& a_reader, EventReader& b_reader, const DiffOptions& options,
                         const std::function<void(const Difference&)>& found,
                         const std::function<void(uint64_t)>& progress) {
  DiffSummary summary;
  Side a(a_reader, options.items), b(b_reader, options.items);
  Aligner aligner;
  DifferenceCollector collector(options.move_distance_max, [&](const Difference& difference) {
    const auto kind = static_cast<unsigned>(difference.kind);
    ++summary.differences[kind];
    summary.events[kind] += std::max(difference.a_count, difference.b_count);
    found(difference);
  });
  for (;;) {
    // While both agree, a batch at a time is enough.
    for (Side* side : {&a, &b}) {
      if (auto held = side->hold(1); !held) return tl::unexpected(held.error());
    }
    const auto front_a = a.held(), front_b = b.held();
    const size_t both = std::min(front_a.size(), front_b.size());
    size_t agree = 0;
    while (agree < both && front_a[agree].same(front_b[agree])) ++agree;
    if (agree != 0) collector.keep(front_a[agree - 1], front_b[agree - 1]);
    summary.same += agree;
    a.take(agree);
    b.take(agree);
    if (progress) progress(a.read() + b.read());
    if (agree == both && both != 0) continue;
    for (Side* side : {&a, &b}) {
      if (side->held().size() >= options.window_events / 2) continue;
      if (auto held = side->hold(options.window_events); !held) return tl::unexpected(held.error());
    }
    auto left_a = a.held(), left_b = b.held();
    if (left_a.empty() && left_b.empty()) break;
    left_a = left_a.first(std::min(left_a.size(), options.window_events));
    left_b = left_b.first(std::min(left_b.size(), options.window_events));
    const bool a_ends = a.ends() && left_a.size() == a.held().size();
    const bool b_ends = b.ends() && left_b.size() == b.held().size();
    size_t i = 0, j = 0;
    for (const EditOp op : aligner.align(left_a, left_b, a_ends, b_ends)) {
      switch (op) {
        case EditOp::kKeep:
          collector.keep(left_a[i++], left_b[j++]);
          ++summary.same;
          break;
        case EditOp::kChange: collector.change(left_a[i++], left_b[j++]); break;
        case EditOp::kDelete: collector.remove(left_a[i++]); break;
        case EditOp::kInsert: collector.insert(left_b[j++]); break;
      }
    }
    a.take(i);
    b.take(j);
  }
  collector.finish();
  summary.a_events = a.read();
  summary.b_events = b.read();
  summary.mappings_complete = a.complete() && b.complete();
  return summary;
}

void DifferenceCollector::keep(const DiffItem& a, const DiffItem& b) {
  last_a_ = a;
  last_b_ = b;
  has_last_a_ = has_last_b_ = true;
  lone_a_ = lone_b_ = false;
  next_a_ = a.number + 1;
  next_b_ = b.number + 1;
  if (!pending_.empty()) let_go(false);
}

void DifferenceCollector::change(const DiffItem& a, const DiffItem& b) {
  pending_.push_back({DifferenceKind::kChanged, a.number, 1, b.number, 1, a, b});
  keep(a, b);
}

void DifferenceCollector::remove(const DiffItem& a) {
  edit(a, true);
  last_a_ = a;
  has_last_a_ = true;
  next_a_ = a.number + 1;
  let_go(false);
}

void DifferenceCollector::insert(const DiffItem& b) {
  edit(b, false);
  last_b_ = b;
  has_last_b_ = true;
  next_b_ = b.number + 1;
  let_go(false);
}

void DifferenceCollector::edit(const DiffItem& item, bool in_a) {
  // What repeats an event that is itself only on one side belongs to it.
  const bool repeats =
      in_a ? has_last_a_ && !lone_a_ && last_a_.same(item) : has_last_b_ && !lone_b_ && last_b_.same(item);
  (in_a ? lone_a_ : lone_b_) = !repeats;
  Difference difference;
  difference.a_first = in_a ? item.number : next_a_;
  difference.b_first = in_a ? next_b_ : item.number;
  (in_a ? difference.a_count : difference.b_count) = 1;
  (in_a ? difference.a : difference.b) = item;
  difference.kind = repeats ? DifferenceKind::kCount : in_a ? DifferenceKind::kDeleted : DifferenceKind::kInserted;
  if (repeats) {
    pending_.push_back(std::move(difference));
    return;
  }
  if (pair_up(item, in_a)) return;
  (in_a ? deleted_ : inserted_).emplace(item.identity(), first_pending_ + pending_.size());
  pending_.push_back(std::move(difference));
}

bool DifferenceCollector::pair_up(const DiffItem& item, bool in_a) {
  Places& others = in_a ? inserted_ : deleted_;
  const auto found = others.lower_bound(item.identity());
  if (found == others.end() || found->first != item.identity()) return false;
  Difference& other = pending_[found->second - first_pending_];
  others.erase(found);
  other.kind = DifferenceKind::kMoved;
  (in_a ? other.a : other.b) = item;
  (in_a ? other.a_first : other.b_first) = item.number;
  (in_a ? other.a_count : other.b_count) = 1;
  return true;
}

void DifferenceCollector::forget(Places* places, uint64_t identity, uint64_t number) {
  const auto [begin, end] = places->equal_range(identity);
  const auto found = std::find_if(begin, end, [number](const auto& entry) { return entry.second == number; });
  if (found != end) places->erase(found);
}

/// Differences that are too far back to be moves any more.
void DifferenceCollector::let_go(bool all) {
  while (!pending_.empty()) {
    const Difference& front = pending_.front();
    const bool far = next_a_ > front.a_first + move_distance_max_ || next_b_ > front.b_first + move_distance_max_;
    const bool waits = front.kind == DifferenceKind::kDeleted || front.kind == DifferenceKind::kInserted;
    if (!all && waits && !far && pending_.size() <= kPendingMax) return;
    if (front.kind == DifferenceKind::kDeleted) forget(&deleted_, front.a.identity(), first_pending_);
    if (front.kind == DifferenceKind::kInserted) forget(&inserted_, front.b.identity(), first_pending_);
    emit(front);
    pending_.pop_front();
    ++first_pending_;
  }
}

/// Joins events that follow each other into one difference.
void DifferenceCollector::emit(const Difference& next) {
  const bool joins =
      has_open_ && next.kind == open_.kind && next.kind != DifferenceKind::kChanged &&
      next.a_first == open_.a_first + open_.a_count && next.b_first == open_.b_first + open_.b_count &&
      (next.a_count != 0) == (open_.a_count != 0) && (next.b_count != 0) == (open_.b_count != 0) &&
      (next.kind != DifferenceKind::kCount || (next.a_count != 0 ? next.a.same(open_.a) : next.b.same(open_.b)));
  if (joins) {
    open_.a_count += next.a_count;
    open_.b_count += next.b_count;
    return;
  }
  if (has_open_) found_(open_);
  open_ = next;
  has_open_ = true;
}

void DifferenceCollector::finish() {
  let_go(true);
  if (has_open_) found_(open_);
  has_open_ = false;
}

}  // namespace dartboard::traces
