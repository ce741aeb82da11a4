// traces/tools/diff.h - what differs between two traces of any length: values, order, counts, events that only one has.
//
// Both are read side by side. Where they part, at most `window_events` of each are held and aligned
// (traces/tools/alignment.h). An event that is missing on one side and turns up nearby is one that moved; an event that
// repeats the one before it, more often on one side, is a count that changed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "traces/event_stream.h"
#include "traces/tools/alignment.h"
#include "traces/tools/diff_item.h"

namespace dartboard::traces {

enum class DifferenceKind : uint8_t {
  kChanged,   ///< the same access with another value, payload or status: one event on each side
  kDeleted,   ///< only A has these events
  kInserted,  ///< only B has these events
  kMoved,     ///< both have these events, elsewhere
  kCount,     ///< one side repeats an event more often
};
inline constexpr unsigned kDifferenceKindCount = 5;
std::string_view to_string(DifferenceKind kind);

/// Events of A [a_first, a_first + a_count) and of B. Where a count is 0, `first` is where they would be.
struct Difference {
  DifferenceKind kind = DifferenceKind::kChanged;
  uint64_t a_first = 0, a_count = 0;
  uint64_t b_first = 0, b_count = 0;
  DiffItem a, b;  ///< the first event of each; only where the count is not 0
};

struct DiffOptions {
  DiffItemOptions items;
  size_t window_events = 65'536;       ///< held of each side where they part
  uint64_t move_distance_max = 4'096;  ///< events between where one was and where it is
};

struct DiffSummary {
  uint64_t a_events = 0, b_events = 0;
  uint64_t same = 0;  ///< that agree in place and outcome
  uint64_t differences[kDifferenceKindCount] = {};
  uint64_t events[kDifferenceKindCount] = {};  ///< in them
  bool mappings_complete = true;               ///< false: --rebase could not follow all mappings

  uint64_t total() const {
    uint64_t sum = 0;
    for (const uint64_t count : differences) sum += count;
    return sum;
  }
};

/// Reads both to their ends. `found` is called for every difference, in order of A (of B, where A has nothing).
/// `progress`, if any, is called now and then with the events read of both.
Result<DiffSummary> diff(EventReader& a, EventReader& b, const DiffOptions& options,
                         const std::function<void(const Difference&)>& found,
                         const std::function<void(uint64_t)>& progress = {});

/// Turns single edits into differences: finds moves and counts, and joins what belongs together.
class DifferenceCollector {
 public:
  DifferenceCollector(uint64_t move_distance_max, std::function<void(const Difference&)> found)
      : move_distance_max_(move_distance_max), found_(std::move(found)) {}

  void keep(const DiffItem& a, const DiffItem& b);
  void change(const DiffItem& a, const DiffItem& b);
  void remove(const DiffItem& a);  ///< A has it, B has not
  void insert(const DiffItem& b);
  void finish();

 private:
  static constexpr size_t kPendingMax = 1 << 15;
  using Places = std::multimap<uint64_t, uint64_t>;  // identity to number in pending_, oldest first
  void edit(const DiffItem& item, bool in_a);
  bool pair_up(const DiffItem& item, bool in_a);
  void let_go(bool all);
  void emit(const Difference& difference);
  static void forget(Places* places, uint64_t identity, uint64_t number);

  const uint64_t move_distance_max_;
  const std::function<void(const Difference&)> found_;
  std::deque<Difference> pending_;
  uint64_t first_pending_ = 0;  // number of pending_[0]
  Places deleted_, inserted_;   // that wait for their other half
  DiffItem last_a_, last_b_;    // passed on each side
  bool has_last_a_ = false, has_last_b_ = false;
  bool lone_a_ = false, lone_b_ = false;  // the last of a side was deleted, inserted or moved
  uint64_t next_a_ = 0, next_b_ = 0;
  Difference open_;
  bool has_open_ = false;
};

}  // namespace dartboard::traces
