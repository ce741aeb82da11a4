// sim/driverkit/queue.h - IODispatchQueue on the simulated kernel's executor, and how messages enter a queue.
#pragma once

#include <cstdint>
#include <functional>

#include <DriverKit/IODispatchQueue.h>

#include "sim/driverkit/internal.h"
#include "sim/macos/executor.h"
#include "sim/macos/object.h"

namespace dartboard::driverkit {

/// One thing to do on a queue. Runs or is dropped exactly once; frees itself if it has to.
struct WorkItem {
  WorkItem* next = nullptr;
  virtual void run() = 0;
  virtual void drop() = 0;
  /// The dext dispatched it itself: it runs on a stack of its own, so that it can wait in the kernel (fiber.h).
  virtual bool may_wait() const { return false; }

 protected:
  ~WorkItem() = default;
};

/// Somebody asleep on a queue (IODispatchQueue::Sleep), on the stack of the sleeping call.
struct Sleeper {
  void* event;
  bool awake = false;
  Sleeper* next = nullptr;
};

/// A work item in the middle of its run: fiber.h.
struct Running;

}  // namespace dartboard::driverkit

struct IODispatchQueue_IVars {
  IODispatchQueue_IVars(dartboard::macos::Executor& executor, const char* name) : work(executor, name) {}
  dartboard::macos::WorkQueue work;
  dartboard::driverkit::WorkItem* first = nullptr;
  dartboard::driverkit::WorkItem* last = nullptr;
  dartboard::driverkit::Sleeper* sleepers = nullptr;
  dartboard::driverkit::Running* waiting = nullptr;  ///< its item, if that waits in the kernel; the queue is held
  uint64_t options = 0;
  bool cancelled = false;
};

namespace dartboard::driverkit {

/// Appends an item; the queue is kept alive until it ran. On a cancelled queue the item is dropped.
void post(IODispatchQueue* queue, WorkItem* item);

/// Being on a queue: enters it now, leaves it at the end of the scope.
class OnQueueScope {
 public:
  /// entered() is false if that would deadlock. A queue that is already current is simply used.
  explicit OnQueueScope(IODispatchQueue* queue) : previous_(process.current_queue) {
    if (queue == previous_) {
      entered_ = true;
      return;
    }
    if (!queue->ivars->work.enter()) return;
    queue_ = queue;
    process.current_queue = queue;
    entered_ = true;
  }
  ~OnQueueScope() {
    if (queue_ == nullptr) return;
    process.current_queue = previous_;
    queue_->ivars->work.leave();
  }
  OnQueueScope(const OnQueueScope&) = delete;
  OnQueueScope& operator=(const OnQueueScope&) = delete;
  bool entered() const { return entered_; }

 private:
  IODispatchQueue* queue_ = nullptr;  // entered by this scope
  IODispatchQueue* previous_;
  bool entered_ = false;
};

/// The call that is running waits in the kernel, and its queues with it, until somebody calls the function that `arm` is
/// handed (from anywhere, once or more often; not before arm returns). Then it returns what `answer` says.
/// Work that a dext dispatched leaves its stack. A synchronous call and a message keep their caller's, so meanwhile the
/// rest of the machine runs and time goes by; kIOReturnCannotLock if nothing is left that could end the wait (counted as
/// a deadlock: a Mac would hang), kIOReturnNotResponding if the machine panicked.
/// `keep` lives until the answer is given. Nothing else on the way may own anything: a stack can be forgotten.
kern_return_t wait_in_kernel(const char* what, macos::Ref<macos::KernelObject> keep,
                             const std::function<void(std::function<void()> wake)>& arm,
                             const std::function<kern_return_t()>& answer);

/// The simulated time moves by `ns` while whoever is not blocked by the caller runs.
void sleep_ns(uint64_t ns);

inline constexpr uint64_t kTickNumerator = 125, kTickDenominator = 3;  // ns a mach tick: 24 MHz
constexpr uint64_t ticks_from_ns(uint64_t ns) {
  return ns / kTickNumerator * kTickDenominator + ns % kTickNumerator * kTickDenominator / kTickNumerator;
}
constexpr uint64_t ns_from_ticks(uint64_t ticks) {
  return ticks > UINT64_MAX / kTickNumerator ? UINT64_MAX / kTickDenominator
                                             : ticks * kTickNumerator / kTickDenominator;
}

}  // namespace dartboard::driverkit
