// sim/macos/executor.cpp - the deterministic executor: oldest item first, one at a time.
#include "sim/macos/executor.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "model/fault.h"

namespace dartboard::macos {

WorkQueue::WorkQueue(Executor& executor, std::string name) : executor_(executor), name_(std::move(name)) {
  executor_.queues_.push_back(this);
}

WorkQueue::~WorkQueue() {
  clear();
  if (destroyed_ != nullptr) *destroyed_ = true;
  std::erase(executor_.queues_, this);
}

void WorkQueue::post(std::function<void()> work) {
  if (next_ != 0 && items_.size() == items_.capacity()) {   // room at the front before more at the back
    items_.erase(items_.begin(), items_.begin() + static_cast<ptrdiff_t>(std::exchange(next_, 0)));
  }
  items_.push_back({executor_.order_++, std::move(work)});
  ++executor_.pending_;
}

void WorkQueue::go_on(std::function<void()> rest) {
  Item item{executor_.order_++, std::move(rest)};
  if (next_ != 0) {
    items_[--next_] = std::move(item);
  } else {
    items_.insert(items_.begin(), std::move(item));
  }
  ++executor_.pending_;
  held_ = running_ = false;
}

void WorkQueue::clear() {
  // Swapped out first: destroying an item may release an object that posts or clears again.
  std::vector<Item> dropped;
  dropped.swap(items_);
  executor_.pending_ -= dropped.size() - std::exchange(next_, 0);
}

bool WorkQueue::run_one() {
  std::function<void()> work = std::move(items_[next_++].work);
  if (next_ == items_.size()) {
    items_.clear();
    next_ = 0;
  }
  --executor_.pending_;
  ++executor_.items_run_;
  // A sleeping item lets go of its queue, so an item can run inside another one of the same queue; each needs to know.
  bool destroyed = false;
  bool* const outer = std::exchange(destroyed_, &destroyed);
  running_ = true;
  Executor& executor = executor_;  // outlives the queue
  ++executor.depth_;
  work();
  --executor.depth_;
  work = nullptr;  // the last reference to what the item held goes while the queue still counts as running
  if (destroyed) {
    if (outer != nullptr) *outer = true;
    return false;
  }
  running_ = held_;
  destroyed_ = outer;
  return true;
}

void WorkQueue::drain() {
  const uint64_t now = executor_.order_;
  while (!empty() && !held_ && items_[next_].order < now) {
    if (!run_one()) return;
  }
}

WorkQueue* Executor::oldest() const {
  WorkQueue* best = nullptr;
  for (WorkQueue* queue : queues_) {
    if (queue->running_ || queue->empty()) continue;
    if (best == nullptr || queue->first_order() < best->first_order()) best = queue;
  }
  return best;
}

/// The runnable queue whose first item was posted last: a thread that overtakes the others.
WorkQueue* Executor::youngest() const {
  WorkQueue* best = nullptr;
  for (WorkQueue* queue : queues_) {
    if (queue->running_ || queue->empty()) continue;
    if (best == nullptr || queue->first_order() > best->first_order()) best = queue;
  }
  return best;
}

bool Executor::run_until_idle(size_t items_max) {
  for (size_t done = 0; pending_ != 0; ++done) {
    WorkQueue* const first = oldest();
    if (first == nullptr) return true;  // what is left waits for queues further up the stack
    WorkQueue* const queue = model::fault(model::FaultKind::kTimeSwizzle, queues_.size()) ? youngest() : first;
    if (done == items_max) return false;
    queue->run_one();
  }
  return true;
}

void Executor::reset() {
  for (size_t i = 0; i < queues_.size(); ++i) queues_[i]->clear();
  order_ = 0;
  items_run_ = 0;
}

void Executor::inspect(InspectNode& node) const {
  node.child("pending", fmt::format("{}", pending_), "items posted and not run");
  node.child("run", fmt::format("{}", items_run_), "items run since power-on");
  InspectNode& queues = node.child("queues");
  for (const WorkQueue* queue : queues_) {
    queues.child(queue->name(), queue->running() ? "running" : "idle",
                 fmt::format("{} items", queue->items_.size() - queue->next_));
  }
}

}  // namespace dartboard::macos
