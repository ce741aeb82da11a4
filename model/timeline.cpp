// model/timeline.cpp - the timer heap, and the one place that runs the SystemC kernel.
#include "model/timeline.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <fmt/format.h>

namespace dartboard::model {

namespace {

/// The resolution can be set once, before any other use of sc_time. A process whose main() chose one keeps it; SystemC
/// has no way to ask and says so by throwing.
void set_time_resolution() {
  static bool tried = false;
  if (std::exchange(tried, true)) return;
  try {
    sc_core::sc_set_time_resolution(1, sc_core::SC_NS);
  } catch (const sc_core::sc_report&) {
  }
}

constexpr uint64_t kNoDeadline = UINT64_MAX;
constexpr unsigned kDeltasMax = 10'000;  // at one point in time

uint64_t saturating_add(uint64_t a, uint64_t b) {
  return a > kNoDeadline - 1 - b ? kNoDeadline - 1 : a + b;
}

}  // namespace

Timer::~Timer() {
  if (timeline_ != nullptr) timeline_->cancel(*this);
}

#if IEEE_1666_SYSTEMC < 202301L
SC_HAS_PROCESS(Timeline);   // obsolete since IEEE 1666-2023
#endif
Timeline::Timeline(sc_core::sc_module_name module_name) : sc_module(module_name) {
  set_time_resolution();
  ticks_per_ns_ = std::max<uint64_t>(1, sc_core::sc_time(1, sc_core::SC_NS).value());
  start_ticks_ = ticks_now();
  SC_METHOD(run_due);
  sensitive << due_;
  dont_initialize();
}

Timeline::~Timeline() {
  for (Timer* timer : heap_) timer->timeline_ = nullptr;
}

uint64_t Timeline::ticks_now() const {
  return sc_core::sc_time_stamp().value();
}

void Timeline::schedule(Timer& timer, uint64_t delay_ns) {
  if (timer.timeline_ != nullptr) timer.timeline_->cancel(timer);
  if (in_kernel_) {
    // A process of its own clock (native activity) runs ahead of now_ns_; its delay counts from the kernel's time.
    now_ns_ = std::max(now_ns_, (ticks_now() - start_ticks_) / ticks_per_ns_);
    delay_ns = std::max<uint64_t>(delay_ns, 1);
  }
  timer.timeline_ = this;
  timer.deadline_ns_ = saturating_add(now_ns_, delay_ns);
  timer.order_ = order_++;
  heap_.push_back(&timer);
  timer.heap_index_ = heap_.size() - 1;
  sift_up(timer.heap_index_);
  update_next_deadline();
  if (in_kernel_ && heap_.front() == &timer) {
    due_.notify(sc_core::sc_time::from_value(delay_ns * ticks_per_ns_));
  }
}

void Timeline::cancel(Timer& timer) {
  if (timer.timeline_ == nullptr) return;
  assert(timer.timeline_ == this);
  remove(timer);
  update_next_deadline();
}

void Timeline::set_native_activity(bool active) {
  native_activity_ = active;
  update_next_deadline();
}

uint64_t Timeline::next_timer_in_ns() const {
  if (heap_.empty()) return UINT64_MAX;
  const uint64_t deadline = heap_.front()->deadline_ns_;
  return deadline > now_ns_ ? deadline - now_ns_ : 0;
}

void Timeline::reset() {
  assert(!in_kernel_);
  for (Timer* timer : heap_) timer->timeline_ = nullptr;
  heap_.clear();
  due_.cancel();
  now_ns_ = 0;
  order_ = 0;
  start_ticks_ = ticks_now();
  update_next_deadline();
}

void Timeline::advance_slow(uint64_t ns) {
  if (in_kernel_) {
    now_ns_ = saturating_add(now_ns_, ns);
    return;
  }
  const uint64_t target = saturating_add(now_ns_, ns);
  for (;;) {
    const bool timer_due = !heap_.empty() && heap_.front()->deadline_ns_ <= target;
    if (!timer_due) break;
    enter_kernel(std::max(heap_.front()->deadline_ns_, now_ns_));
  }
  if (native_activity_) enter_kernel(std::max(target, now_ns_));
  now_ns_ = std::max(now_ns_, target);
}

/// Runs the kernel up to and including `stop_ns` of our time. SystemC's own time lags behind because the hot path does
/// not move it.
void Timeline::enter_kernel(uint64_t stop_ns) {
  in_kernel_ = true;
  due_.cancel();
  const bool timer_due = !heap_.empty() && heap_.front()->deadline_ns_ <= stop_ns;
  const uint64_t stop_ticks = start_ticks_ + stop_ns * ticks_per_ns_;
  const uint64_t ticks = ticks_now();
  if (stop_ticks > ticks) {
    const sc_core::sc_time distance = sc_core::sc_time::from_value(stop_ticks - ticks);
    if (timer_due) due_.notify(distance);
    sc_core::sc_start(distance);
  } else if (timer_due) {
    now_ns_ = std::max(now_ns_, stop_ns);
    due_.notify(sc_core::SC_ZERO_TIME);
  }
  // sc_start(t) triggers what is due at t but leaves it to the next call to run (IEEE 1666-2011 s4.3.4.2). The bound
  // ends a combinational loop in somebody's native model.
  for (unsigned delta = 0; delta < kDeltasMax && sc_core::sc_pending_activity_at_current_time(); ++delta) {
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  }
  now_ns_ = std::max(now_ns_, stop_ns);
  run_due();  // nothing, unless the bound was hit: time must go on
  in_kernel_ = false;
  update_next_deadline();
}

void Timeline::run_due() {
  now_ns_ = std::max(now_ns_, (ticks_now() - start_ticks_) / ticks_per_ns_);
  while (!heap_.empty() && heap_.front()->deadline_ns_ <= now_ns_) {
    Timer* timer = heap_.front();
    remove(*timer);
    timer->expire();
  }
  update_next_deadline();
}

void Timeline::update_next_deadline() {
  if (native_activity_) {
    next_deadline_ns_ = 0;
  } else {
    next_deadline_ns_ = heap_.empty() ? kNoDeadline : heap_.front()->deadline_ns_;
  }
}

bool Timeline::before(const Timer& a, const Timer& b) {
  return a.deadline_ns_ != b.deadline_ns_ ? a.deadline_ns_ < b.deadline_ns_ : a.order_ < b.order_;
}

void Timeline::place(size_t index, Timer* timer) {
  heap_[index] = timer;
  timer->heap_index_ = index;
}

void Timeline::sift_up(size_t index) {
  Timer* timer = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (!before(*timer, *heap_[parent])) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, timer);
}

void Timeline::sift_down(size_t index) {
  Timer* timer = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(*heap_[child + 1], *heap_[child])) ++child;
    if (!before(*heap_[child], *timer)) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, timer);
}

void Timeline::remove(Timer& timer) {
  const size_t index = timer.heap_index_;
  Timer* last = heap_.back();
  heap_.pop_back();
  timer.timeline_ = nullptr;
  if (last == &timer) return;
  place(index, last);
  sift_up(index);
  sift_down(last->heap_index_);
}

void Timeline::inspect(InspectNode& node) const {
  node.child("now", fmt::format("{} ns", now_ns_), "since the last reset");
  node.child("timers", fmt::format("{}", heap_.size()), "scheduled");
  if (!heap_.empty()) node.child("next timer", fmt::format("in {} ns", next_timer_in_ns()));
  node.child("native activity", native_activity_ ? "on" : "off", "on: every advance enters the SystemC kernel");
}

}  // namespace dartboard::model
