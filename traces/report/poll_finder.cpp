// traces/report/poll_finder.cpp - see poll_finder.h.
#include "traces/report/poll_finder.h"

namespace dartboard::traces {

static_assert(PollFinder::kPeriodMax * PollFinder::kRoundsMin <= 16, "the history must hold what makes a loop");

void PollFinder::read(const Read& read) {
  if (period_ != 0) {
    if (read.same_place(back(period_))) {
      ++reads_;
      history_[count_++ % history_.size()] = read;
      return;
    }
    end_loop();
  }
  history_[count_++ % history_.size()] = read;
  for (unsigned period = 1; period <= kPeriodMax; ++period) {
    if (!repeats(period)) continue;
    period_ = period;
    reads_ = period * kRoundsMin;
    for (unsigned i = 0; i < period; ++i) round_[i] = back(reads_ - i);
    return;
  }
}

bool PollFinder::repeats(unsigned period) const {
  const uint64_t needed = period * kRoundsMin;
  if (count_ < needed) return false;
  for (uint64_t n = 1; n + period <= needed; ++n) {
    if (!back(n).same_place(back(n + period))) return false;
  }
  return true;
}

void PollFinder::other() {
  if (period_ != 0) end_loop();
  count_ = 0;
}

void PollFinder::end_loop() {
  const Read last = back(1);
  found_({std::span(round_).first(period_), reads_, last, last.value != back(1 + period_).value});
  period_ = 0;
  count_ = 0;  // a read belongs to one loop
}

}  // namespace dartboard::traces
