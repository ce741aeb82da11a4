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
  explicit Timeline(sc_core::sc_module_name name);

  /// Nanoseconds since the last reset().
  TimeNs now() const { return TimeNs(now_ns_); }

  /// Moves time forward and runs every timer that falls due on the way, in (deadline, scheduling order).
  /// Called from inside a timer callback it only adds to the caller's time (no nesting of the SystemC kernel).
  void advance(uint64_t ns) {
    if (now_ns_ + ns < next_deadline_ns_) [[likely]] {
      now_ns_ += ns;
    } else {
      advance_slow(ns);
    }
  }

  /// Runs `timer` after `delay_ns`. Rescheduling moves it.
  void schedule(Timer& timer, uint64_t delay_ns);
  void cancel(Timer& timer);

  /// Makes advance() enter the SystemC kernel each time (RTL endpoints with their own clock need it).
  void set_native_activity(bool active);

  /// The next timer's distance in ns, or UINT64_MAX when nothing is scheduled.
  uint64_t next_timer_in_ns() const;

  /// Back to time 0 with no timers.
  void reset();
  void inspect(InspectNode& node) const;

 private:
  void advance_slow(uint64_t ns);
  void run_due();                       // SC_METHOD
  uint64_t now_ns_ = 0;
  uint64_t next_deadline_ns_ = UINT64_MAX;
  uint64_t order_ = 0;
  bool native_activity_ = false;
  bool in_kernel_ = false;
  std::vector<Timer*> heap_;
  sc_core::sc_event due_;
};

}  // namespace dartboard::model
