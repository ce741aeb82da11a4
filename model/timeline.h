// model/timeline.h - simulated time: one clock for hardware and software, and timers that fire in order.
//
// Software on the simulated host runs outside the SystemC kernel and moves time with advance(); hardware that acts by
// itself asks for a timer. Time is measured from the last reset(), because SystemC's own time cannot go back.
// When no SystemC activity is pending, advance() does not enter the SystemC kernel at all: that is the hot path.
// A timer callback runs inside the SystemC kernel (SC_METHOD), so it must never run host software; it posts work.
#pragma once

#include <cstdint>
#include <vector>

#include <systemc>

#include "base/inspect.h"
#include "base/types.h"

namespace dartboard::model {

class Timeline;

/// Something that wants to run at a point in simulated time. Cancels itself when destroyed.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer();
  /// Called once, at the time asked for. May schedule again.
  virtual void expire() = 0;
  bool scheduled() const { return timeline_ != nullptr; }

 private:
  friend class Timeline;
  Timeline* timeline_ = nullptr;
  uint64_t deadline_ns_ = 0;
  uint64_t order_ = 0;       ///< breaks ties by scheduling order, so equal deadlines are deterministic
  size_t heap_index_ = 0;
};

class Timeline final : public sc_core::sc_module {
 public:
  /// Sets SystemC's time resolution to 1 ns if nobody has fixed it yet.
  explicit Timeline(sc_core::sc_module_name name);
  ~Timeline() override;

  /// Nanoseconds since the last reset().
  TimeNs now() const { return TimeNs(now_ns_); }

  /// Moves time forward and runs every timer that falls due on the way, in (deadline, scheduling order).
  /// Called from inside a timer callback it only adds to the caller's time (no nesting of the SystemC kernel); timers
  /// that it passes run when the callback has returned. `ns` is below 2^63.
  void advance(uint64_t ns) {
    if (now_ns_ + ns < next_deadline_ns_) [[likely]] {
      now_ns_ += ns;
    } else {
      advance_slow(ns);
    }
  }

  /// Runs `timer` after `delay_ns`. Rescheduling moves it. Inside a callback the least delay is 1 ns, so that a timer
  /// which schedules itself cannot stop time.
  void schedule(Timer& timer, uint64_t delay_ns);
  void cancel(Timer& timer);

  /// Makes advance() enter the SystemC kernel each time (RTL endpoints with their own clock need it).
  void set_native_activity(bool active);

  /// A duration as SystemC's type, whatever the process's time resolution is.
  sc_core::sc_time to_sc_time(uint64_t ns) const { return sc_core::sc_time::from_value(ns * ticks_per_ns_); }

  /// The next timer's distance in ns, or UINT64_MAX when nothing is scheduled.
  uint64_t next_timer_in_ns() const;

  /// Back to time 0 with no timers.
  void reset();
  void inspect(InspectNode& node) const;

 private:
  void advance_slow(uint64_t ns);
  void enter_kernel(uint64_t stop_ns);
  void run_due();                       // SC_METHOD
  void update_next_deadline();
  uint64_t ticks_now() const;           // SystemC's time in ticks
  // Binary heap by (deadline, order); each timer knows its place, so cancelling is O(log n).
  static bool before(const Timer& a, const Timer& b);
  void place(size_t index, Timer* timer);
  void sift_up(size_t index);
  void sift_down(size_t index);
  void remove(Timer& timer);

  uint64_t now_ns_ = 0;
  uint64_t next_deadline_ns_ = UINT64_MAX;
  uint64_t order_ = 0;
  bool native_activity_ = false;
  bool in_kernel_ = false;
  uint64_t ticks_per_ns_ = 1;
  uint64_t start_ticks_ = 0;            // SystemC's time at the last reset()
  std::vector<Timer*> heap_;
  sc_core::sc_event due_;
};

}  // namespace dartboard::model
