// sim/iokit/dispatch/dispatch.cpp - queues and semaphores on one deterministic thread.
#include <dispatch/dispatch.h>

#include <cstdio>

#include "model/timeline.h"
#include "sim/iokit/context.h"
#include "sim/iokit/dispatch/dispatch_queue.h"
#include "sim/iokit/pump.h"

using dartboard::iokit::Context;
using dartboard::iokit::DispatchScope;
using dartboard::iokit::kNothingDue;
using Kind = dispatch_object_s::Kind;

dispatch_object_s::dispatch_object_s(Kind object_kind, std::string object_label, bool is_serial, bool is_immortal)
    : kind(object_kind), label(std::move(object_label)), serial(is_serial), immortal(is_immortal) {
  if (kind == Kind::kQueue) Context::instance().notifications().add(this);
}

dispatch_object_s::~dispatch_object_s() {
  if (kind == Kind::kQueue) Context::instance().notifications().remove(this);
}

uint64_t dispatch_object_s::next_order(const std::string& mode) const {
  // A run loop delivers for its own sources and the main queue; the other queues have threads of their own.
  (void)mode;
  return items.empty() || !may_run() ? kNothingDue : items.front().order;
}

void dispatch_object_s::run_next() {
  const Item item = items.front();
  items.pop_front();
  {
    const DispatchScope scope(*this);
    item.work(item.context);
  }
  dispatch_release(this);   // each item holds its queue
}

extern "C" {

// Not a queue: only its address counts.
struct dispatch_object_s _dispatch_queue_attr_concurrent(Kind::kAttribute, "concurrent", false, true);

dispatch_queue_t dispatch_queue_create(const char* label, dispatch_queue_attr_t attr) {
  const bool serial = attr != &_dispatch_queue_attr_concurrent;
  return new dispatch_object_s(Kind::kQueue, label != nullptr ? label : "", serial, false);
}

dispatch_queue_t dispatch_get_global_queue(intptr_t, uintptr_t) {
  static auto* const queue = new dispatch_object_s(Kind::kQueue, "com.apple.root.default-qos", false, true);
  return queue;
}

dispatch_queue_t dispatch_get_main_queue(void) {
  static auto* const queue = new dispatch_object_s(Kind::kQueue, "com.apple.main-thread", true, true);
  return queue;
}

const char* dispatch_queue_get_label(dispatch_queue_t queue) { return queue != nullptr ? queue->label.c_str() : ""; }

void dispatch_async_f(dispatch_queue_t queue, void* context, dispatch_function_t work) {
  if (queue == nullptr || queue->kind != Kind::kQueue || work == nullptr) return;
  dispatch_retain(queue);
  queue->items.push_back({Context::instance().notifications().take_order(), context, work});
}

void dispatch_sync_f(dispatch_queue_t queue, void* context, dispatch_function_t work) {
  if (queue == nullptr || queue->kind != Kind::kQueue || work == nullptr) return;
  if (!queue->may_run()) {
    // libdispatch stops the process here (the caller waits for itself). Not running the work is the nearest outcome
    // that does not take the simulator down.
    std::fprintf(stderr, "dispatch_sync on queue '%s' from itself: a deadlock on a Mac; the work was not run\n",
                 queue->label.c_str());
    return;
  }
  dispatch_retain(queue);
  while (queue->serial && queue->next_order({}) != kNothingDue) queue->run_next();
  {
    const DispatchScope scope(*queue);
    work(context);
  }
  dispatch_release(queue);
}

void dispatch_once_f(dispatch_once_t* predicate, void* context, dispatch_function_t function) {
  if (predicate == nullptr || *predicate != 0 || function == nullptr) return;
  *predicate = -1;
  function(context);
}

void dispatch_retain(dispatch_object_t object) {
  if (object != nullptr && !object->immortal) ++object->references;
}

void dispatch_release(dispatch_object_t object) {
  if (object != nullptr && !object->immortal && --object->references == 0) delete object;
}

void dispatch_suspend(dispatch_object_t object) {
  if (object != nullptr && object->kind == Kind::kQueue) ++object->suspensions;
}

void dispatch_resume(dispatch_object_t object) {
  if (object != nullptr && object->suspensions != 0) --object->suspensions;
}

dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta_ns) {
  if (when == DISPATCH_TIME_FOREVER) return when;
  if (when == DISPATCH_TIME_NOW) {
    dartboard::macos::Kernel* const kernel = Context::instance().kernel();
    // Times start at 1 so that an absolute time is never DISPATCH_TIME_NOW.
    when = 1 + (kernel != nullptr ? kernel->timeline().now().value : 0);
  }
  if (delta_ns < 0) {
    const uint64_t back = 0 - static_cast<uint64_t>(delta_ns);
    return back < when ? when - back : 1;
  }
  const uint64_t sum = when + static_cast<uint64_t>(delta_ns);
  return sum < when ? DISPATCH_TIME_FOREVER : sum;
}

dispatch_semaphore_t dispatch_semaphore_create(intptr_t value) {
  if (value < 0) return nullptr;
  auto* semaphore = new dispatch_object_s(Kind::kSemaphore, "semaphore", false, false);
  semaphore->value = value;
  return semaphore;
}

intptr_t dispatch_semaphore_signal(dispatch_semaphore_t dsema) {
  if (dsema != nullptr) ++dsema->value;
  return 0;
}

intptr_t dispatch_semaphore_wait(dispatch_semaphore_t dsema, dispatch_time_t timeout) {
  if (dsema == nullptr) return -1;
  const dispatch_time_t now = dispatch_time(DISPATCH_TIME_NOW, 0);
  uint64_t budget_ns = timeout == DISPATCH_TIME_FOREVER ? UINT64_MAX : (timeout > now ? timeout - now : 0);
  for (uint64_t step = 0; dsema->value == 0; ++step) {
    if (step == dartboard::iokit::kCalloutsMax) return -1;
    dartboard::iokit::run_kernel();
    if (Context::instance().notifications().run_one({})) continue;
    if (!dartboard::iokit::pass_time(&budget_ns)) return -1;
  }
  --dsema->value;
  return 0;
}

}  // extern "C"
