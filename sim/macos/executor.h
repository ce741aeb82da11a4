// sim/macos/executor.h - who runs when: named serial queues under one deterministic executor.
//
// On a Mac a dext's queues are threads. Here there is one thread: work items run one at a time, a queue's items in
// order, queues in the order their oldest item was posted. A synchronous call into a queue first runs what was posted
// before it. Nothing depends on the wall clock or on pointers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/inspect.h"

namespace dartboard::macos {

class Executor;

/// A serial queue. Items run one after the other; `running()` is true inside one, and while one is held in the middle.
class WorkQueue {
 public:
  WorkQueue(Executor& executor, std::string name);
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// Appends an item; it runs when the executor gets to it.
  void post(std::function<void()> work);

  /// Enters the queue now: earlier items run first, then the caller may do its work between enter() and leave().
  /// False: the queue is already running further up the stack. On a Mac that is a deadlock; the caller reports it.
  /// The uncontended path costs a few instructions: it is on the way of every user-client call.
  bool enter() {
    if (running_) [[unlikely]] return false;
    if (!empty()) [[unlikely]] {
      drain();
      if (held_) return false;
    }
    running_ = true;
    return true;
  }
  /// enter() when idle() says that there is nothing to run first and nobody inside.
  void enter_idle() { running_ = true; }
  void leave() { running_ = false; }

  /// From inside an item that is about to return unfinished: the queue stays running until go_on().
  void hold() { held_ = true; }
  /// Ends hold(): `rest` is what the held item still has to do. It runs before everything else that the queue has.
  void go_on(std::function<void()> rest);

  bool running() const { return running_; }
  bool idle() const { return empty() && !running_; }
  const std::string& name() const { return name_; }
  /// Drops everything not yet run.
  void clear();

 private:
  friend class Executor;
  struct Item { uint64_t order; std::function<void()> work; };
  uint64_t first_order() const { return items_[next_].order; }
  bool empty() const { return items_.empty(); }   // whoever takes the last one clears
  void drain();     // everything posted before now
  bool run_one();   // false: the item destroyed this queue
  Executor& executor_;
  std::string name_;
  std::vector<Item> items_;   // from next_ on; most queues never hold one, so nothing is allocated for them
  size_t next_ = 0;
  bool running_ = false;
  bool held_ = false;
  bool* destroyed_ = nullptr;   // set while an item runs: where to note that it destroyed the queue
};

class Executor {
 public:
  /// Runs posted work until every queue that is not blocked further up the stack is empty.
  /// Bounded: gives up after `items_max` items and returns false (livelock; the caller reports it).
  bool run_until_idle(size_t items_max = 1'000'000);
  bool pending() const { return pending_ != 0; }
  /// There is work, and it does not wait for a queue further up the stack: run_until_idle() would run something.
  bool runnable() const { return pending_ != 0 && oldest() != nullptr; }
  /// Items that are running now, one inside the other.
  unsigned depth() const { return depth_; }
  /// Drops all work that has not run. Queues stay.
  void reset();
  void inspect(InspectNode& node) const;

 private:
  friend class WorkQueue;
  WorkQueue* oldest() const;         // the runnable queue whose first item was posted first
  WorkQueue* youngest() const;       // ... last
  std::vector<WorkQueue*> queues_;   // in creation order
  uint64_t order_ = 0;
  size_t pending_ = 0;
  unsigned depth_ = 0;
  uint64_t items_run_ = 0;
};

}  // namespace dartboard::macos
