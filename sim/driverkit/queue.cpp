// sim/driverkit/queue.cpp - IODispatchQueue: blocks and functions in order, sleeping and waking, messages to objects.
//
// Rules: a message is delivered on the queue named for it, else on the object's "Default"
// queue; a method that the kernel implements is called at once; LOCALONLY methods never come here. One-way messages to
// another queue are posted. A two-way message to a queue that waits for the sender is a deadlock on a Mac.
#include "sim/driverkit/queue.h"

#include <Block.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include <DriverKit/IODispatchSource.h>
#include <DriverKit/IOLib.h>
#include <DriverKit/IOService.h>
#include <DriverKit/IOUserClient.h>

#include "model/timeline.h"
#include "sim/driverkit/action.h"
#include "sim/driverkit/fiber.h"
#include "sim/driverkit/service.h"
#include "sim/macos/kernel.h"

namespace dartboard::driverkit {
namespace {

struct BlockItem final : WorkItem {
  explicit BlockItem(IODispatchBlock b) : block(Block_copy(b)) {}
  IODispatchBlock block;
  void run() override {
    block();
    drop();
  }
  void drop() override {
    Block_release(block);
    delete this;
  }
  bool may_wait() const override { return true; }
};

struct FunctionItem final : WorkItem {
  FunctionItem(void* c, IODispatchFunction f) : context(c), function(f) {}
  void* context;
  IODispatchFunction function;
  void run() override {
    function(context);
    delete this;
  }
  void drop() override { delete this; }
  bool may_wait() const override { return true; }
};

/// A one-way message that waits for its queue.
struct MessageItem final : WorkItem {
  MessageItem(OSMetaClassBase* o, const IORPC& r) : object(o), rpc(r) {
    object->retain();
    rpc.args = r.method->keep(r.args);
  }
  OSMetaClassBase* object;
  IORPC rpc;
  void run() override {
    object->Dispatch(rpc);
    drop();
  }
  void drop() override {
    rpc.method->drop(rpc.args);
    object->release();
    delete this;
  }
};

constexpr uint64_t kHeldWaitNsMax = 60 * kNsPerS;  // of a wait that holds its caller's stack

}  // namespace

/// Lives on the heap while its item does.
struct Running {
  Fiber* fiber;
  IODispatchQueue* queue;  // that it came from
  WorkItem* item;
  IODispatchQueue* innermost;                    // process.current_queue while it waits
  unsigned depth = 0;                            // of the executor when it was entered: deeper is somebody else's item
  std::shared_ptr<Running*> wakeable = nullptr;  // what whoever wakes it holds; null inside: woken, or forgotten
  macos::Ref<macos::KernelObject> keep = nullptr;
};

namespace {

Running* g_running = nullptr;  // whose stack this is

/// Runs it, from the start or on from where it waits, until it ends or waits (again).
void run_on_fiber(Running* running, bool from_start) {
  Running* const outer = std::exchange(g_running, running);
  IODispatchQueue* const previous = std::exchange(process.current_queue, running->innermost);
  running->depth = macos::Kernel::current()->executor().depth();
  const bool ended = from_start
                         ? running->fiber->start([](void* item) { static_cast<WorkItem*>(item)->run(); }, running->item)
                         : running->fiber->resume();
  g_running = outer;
  process.current_queue = previous;
  if (!ended) {
    running->queue->ivars->work.hold();
    return;
  }
  Fiber::recycle(running->fiber);
  IODispatchQueue* const queue = running->queue;
  delete running;
  queue->release();
}

void go_on(IODispatchQueue* queue) {
  if (Running* const waiting = std::exchange(queue->ivars->waiting, nullptr)) run_on_fiber(waiting, false);
}

/// Ends a wait. Several may hold one.
struct Waker {
  std::shared_ptr<Running*> wakeable;
  void operator()() const {
    Running* const waiting = std::exchange(*wakeable, nullptr);
    if (waiting == nullptr) return;
    IODispatchQueue* const queue = waiting->queue;
    queue->ivars->work.go_on([queue] { go_on(queue); });
  }
};

/// The process is gone: an item that waits is forgotten in the middle.
void forget_waiting(IODispatchQueue_IVars* iv) {
  Running* const waiting = std::exchange(iv->waiting, nullptr);
  if (waiting == nullptr) return;
  *waiting->wakeable = nullptr;
  Fiber::recycle(waiting->fiber);
  waiting->item->drop();
  delete waiting;
}

void run_first(IODispatchQueue* queue) {
  IODispatchQueue_IVars* iv = queue->ivars;
  WorkItem* item = iv->first;
  if (item == nullptr) return;  // cancelled in between
  iv->first = item->next;
  if (iv->first == nullptr) iv->last = nullptr;
  if (item->may_wait()) {
    run_on_fiber(new Running{Fiber::take(), queue, item, queue}, true);
    return;
  }
  IODispatchQueue* const previous = std::exchange(process.current_queue, queue);
  item->run();
  process.current_queue = previous;
  queue->release();
}

void drop_all(IODispatchQueue_IVars* iv) {
  WorkItem* item = std::exchange(iv->first, nullptr);
  iv->last = nullptr;
  while (item != nullptr) {
    WorkItem* const next = item->next;
    item->drop();
    item = next;
  }
}

/// Where a message to `object` runs, or null: at once, by the caller.
IODispatchQueue* queue_for(OSMetaClassBase* object, uint64_t msgid) {
  const OSMetaClass* meta = object->getMetaClass();
  if (meta->isKernel()) return nullptr;
  const OSMetaClass::Served* served = meta->findServed(msgid);
  if (served == nullptr) return nullptr;
  IOService* service = OSDynamicCast(IOService, object);
  return service != nullptr ? service_queue(service, served->queue) : nullptr;
}

}  // namespace

void post(IODispatchQueue* queue, WorkItem* item) {
  IODispatchQueue_IVars* iv = queue->ivars;
  if (iv->cancelled) {
    item->drop();
    return;
  }
  item->next = nullptr;
  (iv->last != nullptr ? iv->last->next : iv->first) = item;
  iv->last = item;
  queue->retain();
  iv->work.post([queue] { run_first(queue); });
}

void sleep_ns(uint64_t ns) {
  macos::Kernel* kernel = macos::Kernel::current();
  if (kernel == nullptr) return;
  kernel->timeline().advance(ns);
  if (kernel->executor().pending() && !kernel->executor().run_until_idle()) {
    report(LogLevel::kError, "work keeps posting work: a livelock on a Mac");
  }
}

kern_return_t wait_in_kernel(const char* what, macos::Ref<macos::KernelObject> keep,
                             const std::function<void(std::function<void()> wake)>& arm,
                             const std::function<kern_return_t()>& answer) {
  macos::Kernel* const kernel = macos::Kernel::current();
  if (kernel == nullptr) return kIOReturnNotReady;
  if (g_running != nullptr && g_running->depth == kernel->executor().depth()) {
    Running* const self = g_running;
    self->keep = std::move(keep);
    self->wakeable = std::make_shared<Running*>(self);
    arm(Waker{self->wakeable});
    self->queue->ivars->waiting = self;
    self->innermost = process.current_queue;
    self->fiber->suspend();
    const kern_return_t result = answer();
    self->keep.reset();
    return result;
  }
  const auto woken = std::make_shared<bool>(false);
  arm([woken] { *woken = true; });
  const uint64_t end_ns = kernel->timeline().now().value + kHeldWaitNsMax;
  while (!*woken) {
    if (kernel->panicked()) return kIOReturnNotResponding;
    if (kernel->executor().runnable()) {
      if (kernel->executor().run_until_idle()) continue;
    } else if (kernel->timeline().next_timer_in_ns() != UINT64_MAX && kernel->timeline().now().value < end_ns) {
      kernel->timeline().advance(kernel->timeline().next_timer_in_ns());
      continue;
    }
    ++process.stats.deadlocks;
    report(LogLevel::kError, "%s: nothing can end this wait while its caller is kept waiting; a Mac would hang here",
           what);
    return kIOReturnCannotLock;
  }
  return answer();
}

kern_return_t deadlock(const char* what, IODispatchQueue* queue) {
  ++process.stats.deadlocks;
  report(LogLevel::kError, "%s: queue \"%s\" is waiting for this call itself; a Mac would hang here", what,
         queue->ivars->work.name().c_str());
  return kIOReturnCannotLock;
}

}  // namespace dartboard::driverkit

using namespace dartboard::driverkit;  // NOLINT: the rest of the file implements Apple's global names

namespace dartboard_iig {

kern_return_t send(OSMetaClassBase* object, const IORPC& rpc) {
  IODispatchQueue* queue = queue_for(object, rpc.msgid);
  if (queue == nullptr || queue == process.current_queue) return object->Dispatch(rpc);
  if (rpc.method != nullptr && rpc.method->keep != nullptr) {
    post(queue, new MessageItem(object, rpc));
    return kIOReturnSuccess;
  }
  OnQueueScope scope(queue);
  if (!scope.entered()) return deadlock(rpc.method != nullptr ? rpc.method->name : "message", queue);
  return object->Dispatch(rpc);
}

kern_return_t send_to_action(OSAction* action, OSMetaClassBase* sender, IORPC rpc) {
  if (action == nullptr) return kIOReturnBadArgument;
  OSAction_IVars* iv = action->ivars;
  if (iv->cancelled) return kIOReturnAborted;
  if (iv->completion) {
    const auto* message = static_cast<const IOUserClient_AsyncCompletion_Msg*>(rpc.args);
    const uint32_t count =
        message->a2 == nullptr ? 0 : std::min<uint32_t>(message->a3, kIOUserClientAsyncArgumentsCountMax);
    iv->completion->complete(to_code(message->a1), message->a2, count);
    return kIOReturnSuccess;
  }
  if (iv->target == nullptr) return kIOReturnNotAttached;
  rpc.msgid = iv->target_msgid;
  // A source delivers on its own queue, which is running now.
  if (sender->getMetaClass()->derivesFrom(OSTypeID(IODispatchSource))) return iv->target->Dispatch(rpc);
  return send(iv->target, rpc);
}

}  // namespace dartboard_iig

kern_return_t IODispatchQueue::Create_Impl(const char* name, uint64_t options, uint64_t, IODispatchQueue** queue) {
  if (queue == nullptr || name == nullptr) return kIOReturnBadArgument;
  *queue = nullptr;
  dartboard::macos::Kernel* kernel = dartboard::macos::Kernel::current();
  if (kernel == nullptr) return kIOReturnNotReady;
  IODispatchQueue* created = OSTypeAlloc(IODispatchQueue);
  const std::string bounded(name, strnlen(name, sizeof(IODispatchQueueName) - 1));
  created->ivars = new IODispatchQueue_IVars(kernel->executor(), bounded.c_str());
  created->ivars->options = options;
  if (!created->init()) {
    created->release();
    return kIOReturnNoMemory;
  }
  *queue = created;
  return kIOReturnSuccess;
}

bool IODispatchQueue::init() {
  return OSObject::init();
}

namespace {
void reclaim_queue(OSMetaClassBase* object) {
  auto* queue = static_cast<IODispatchQueue*>(object);
  IODispatchQueue_IVars* iv = std::exchange(queue->ivars, nullptr);
  if (iv == nullptr) return;
  forget_waiting(iv);
  drop_all(iv);
  if (process.current_queue == queue) process.current_queue = nullptr;
  delete iv;
}
[[maybe_unused]] const bool reclaim_set = (gIODispatchQueueMetaClassObject.reclaim = reclaim_queue, true);
}  // namespace

void IODispatchQueue::free() {
  reclaim_queue(this);
  OSObject::free();
}

bool IODispatchQueue::OnQueue() {
  return process.current_queue == this;
}
const char* IODispatchQueue::GetName() {
  return ivars->work.name().c_str();
}

kern_return_t IODispatchQueue::Cancel(IODispatchQueueCancelHandler handler) {
  if (ivars->cancelled) return kIOReturnSuccess;
  if (handler != nullptr) post(this, new BlockItem(handler));
  ivars->cancelled = true;
  return kIOReturnSuccess;
}

void IODispatchQueue::DispatchAsync(IODispatchBlock block) {
  post(this, new BlockItem(block));
}
void IODispatchQueue::DispatchAsync_f(void* context, IODispatchFunction function) {
  post(this, new FunctionItem(context, function));
}
void IODispatchQueue::DispatchConcurrent(IODispatchBlock block) {
  DispatchAsync(block);
}
void IODispatchQueue::DispatchConcurrent_f(void* context, IODispatchFunction function) {
  DispatchAsync_f(context, function);
}

void IODispatchQueue::DispatchSync(IODispatchBlock block) {
  if (OnQueue() && (ivars->options & kIODispatchQueueReentrant) == 0) {
    deadlock("DispatchSync", this);
    return;
  }
  OnQueueScope scope(this);
  if (!scope.entered()) {
    deadlock("DispatchSync", this);
    return;
  }
  block();
}

void IODispatchQueue::DispatchSync_f(void* context, IODispatchFunction function) {
  DispatchSync(^{
    function(context);
  });
}

kern_return_t IODispatchQueue::RunAction(IODispatchAction action) {
  // Unlike DispatchSync, RunAction on the queue one is on runs at once.
  OnQueueScope scope(this);
  return scope.entered() ? action() : deadlock("RunAction", this);
}

void IODispatchQueue::Log(const char* message, IODispatchLogFunction output) {
  if (output != nullptr) output("%s: queues belong to the executor; see inspect\n", message);
}

kern_return_t IODispatchQueue::SleepWithDeadline(void* event, uint64_t options, uint64_t deadline) {
  dartboard::macos::Kernel* kernel = dartboard::macos::Kernel::current();
  if (kernel == nullptr) return kIOReturnNotReady;
  if (!OnQueue()) return kIOReturnNotPermitted;
  if ((options & kIODispatchQueueSleepReuseEvent) == 0) {
    for (Sleeper* s = ivars->sleepers; s != nullptr; s = s->next) {
      if (s->event == event) return kIOReturnBusy;
    }
  }
  Sleeper self{event, false, ivars->sleepers};
  ivars->sleepers = &self;
  const uint64_t end_ns = deadline == UINT64_MAX ? UINT64_MAX : ns_from_ticks(deadline);
  ivars->work.leave();  // others may use the queue while this call sleeps
  process.current_queue = nullptr;
  kern_return_t result = kIOReturnSuccess;
  while (!self.awake) {
    const uint64_t now = kernel->timeline().now().value;
    if (kernel->executor().runnable()) {
      kernel->executor().run_until_idle();
    } else {
      const uint64_t step = std::min(kernel->timeline().next_timer_in_ns(),
                                     end_ns == UINT64_MAX ? UINT64_MAX : end_ns - std::min(now, end_ns));
      if (now >= end_ns) {
        result = kIOReturnTimeout;
        break;
      }
      if (step == UINT64_MAX) {
        result = deadlock("Sleep without anything that could wake it", this);
        break;
      }
      kernel->timeline().advance(step);
    }
  }
  for (Sleeper** link = &ivars->sleepers; *link != nullptr; link = &(*link)->next) {
    if (*link == &self) {
      *link = self.next;
      break;
    }
  }
  if (!ivars->work.enter()) return deadlock("Sleep", this);
  process.current_queue = this;
  return result;
}

kern_return_t IODispatchQueue::SleepWithTimeout(void* event, uint64_t timeout) {
  const uint64_t now = mach_absolute_time();
  return SleepWithDeadline(event, 0, timeout > UINT64_MAX - now ? UINT64_MAX : now + timeout);
}

kern_return_t IODispatchQueue::Sleep(void* event, uint64_t timeout) {
  return timeout == 0 ? SleepWithDeadline(event, 0, UINT64_MAX) : SleepWithTimeout(event, timeout);
}

kern_return_t IODispatchQueue::Wakeup(void* event) {
  return WakeupWithOptions(event, 0);
}

kern_return_t IODispatchQueue::WakeupWithOptions(void* event, uint64_t options) {
  bool found = false;
  for (Sleeper* s = ivars->sleepers; s != nullptr; s = s->next) {
    if (s->event != event || s->awake) continue;
    s->awake = found = true;
    if ((options & kIODispatchQueueWakeupAll) == 0) break;
  }
  return found ? kIOReturnSuccess : kIOReturnNotFound;
}
