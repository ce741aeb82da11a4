// sim/driverkit/sources.cpp - IOInterruptDispatchSource and IOTimerDispatchSource.
//
// Rules: xnu IOUserServer.cpp IOInterruptDispatchSource. Interrupts that arrive before the
// queue runs are one call with their count; while disabled they are not remembered; one source for each index. Cancel
// is asynchronous: its handler may release the source.
#include <Block.h>

#include <utility>

#include <DriverKit/IOInterruptDispatchSource.h>
#include <DriverKit/IOLib.h>
#include <DriverKit/IOTimerDispatchSource.h>

#include "sim/driverkit/action.h"
#include "sim/driverkit/pci_device.h"
#include "sim/driverkit/queue.h"
#include "sim/macos/kernel.h"

using namespace dartboard::driverkit;  // NOLINT: implements Apple's global names

/// What both kinds of source share.
struct IODispatchSource_IVars {
  IODispatchQueue* queue = nullptr;  ///< retained
  OSAction* action = nullptr;        ///< retained
  bool enabled = true;
  bool cancelled = false;
};

/// Registered with the nub; posts itself to the source's queue.
struct IOInterruptDispatchSource_IVars final : dartboard::macos::InterruptHandler, WorkItem {
  explicit IOInterruptDispatchSource_IVars(IOInterruptDispatchSource* s) : source(s) {}
  IOInterruptDispatchSource* source;
  dartboard::macos::Ref<dartboard::macos::PciNub> nub;
  uint32_t index = 0;
  uint64_t count = 0;  ///< since the last delivery
  uint64_t time_ns = 0;
  bool posted = false;

  void on_interrupt(uint32_t, uint64_t when_ns) override {
    const IODispatchSource_IVars& common = *source->IODispatchSource::ivars;
    if (!common.enabled || common.cancelled) return;
    ++count;
    time_ns = when_ns;
    if (posted) return;
    posted = true;
    source->retain();
    post(common.queue, this);
  }
  void run() override;
  void drop() override {
    posted = false;
    source->release();
  }
};

struct IOTimerDispatchSource_IVars final : dartboard::model::Timer, WorkItem {
  explicit IOTimerDispatchSource_IVars(IOTimerDispatchSource* s) : source(s) {}
  IOTimerDispatchSource* source;
  bool due = false;
  bool posted = false;

  void expire() override {
    const IODispatchSource_IVars& common = *source->IODispatchSource::ivars;
    due = true;
    if (!common.enabled || common.cancelled || posted) return;
    posted = true;
    source->retain();
    post(common.queue, this);
  }
  void run() override;
  void drop() override {
    posted = false;
    source->release();
  }
};

namespace {

/// A cancel or enable handler on the source's queue, after which the source may go.
struct HandlerItem final : WorkItem {
  HandlerItem(OSObject* s, IODispatchSourceCancelHandler h) : source(s), handler(Block_copy(h)) { source->retain(); }
  OSObject* source;
  IODispatchSourceCancelHandler handler;
  void run() override {
    handler();
    drop();
  }
  void drop() override {
    Block_release(handler);
    source->release();
    delete this;
  }
};

void call_later(IODispatchSource* source, IODispatchSourceCancelHandler handler) {
  if (handler != nullptr) post(source->IODispatchSource::ivars->queue, new HandlerItem(source, handler));
}

void reclaim_source(OSMetaClassBase* object) {
  delete std::exchange(static_cast<IODispatchSource*>(object)->IODispatchSource::ivars, nullptr);
}
void reclaim_interrupt_source(OSMetaClassBase* object) {
  auto* iv = std::exchange(static_cast<IOInterruptDispatchSource*>(object)->ivars, nullptr);
  if (iv == nullptr) return;
  if (iv->nub) iv->nub->unregister_interrupt(iv->index, iv);
  delete iv;
}
void reclaim_timer_source(OSMetaClassBase* object) {
  delete std::exchange(static_cast<IOTimerDispatchSource*>(object)->ivars, nullptr);  // ~Timer cancels
}
[[maybe_unused]] const bool reclaim_set = (gIODispatchSourceMetaClassObject.reclaim = reclaim_source,
                                           gIOInterruptDispatchSourceMetaClassObject.reclaim = reclaim_interrupt_source,
                                           gIOTimerDispatchSourceMetaClassObject.reclaim = reclaim_timer_source, true);

void set_queue(IODispatchSource* source, IODispatchQueue* queue) {
  queue->retain();
  source->IODispatchSource::ivars->queue = queue;
}

kern_return_t set_action(IODispatchSource_IVars& common, OSAction* action) {
  if (action != nullptr) action->retain();
  OSAction* old = std::exchange(common.action, action);
  OSSafeReleaseNULL(old);
  return kIOReturnSuccess;
}

}  // namespace

// --- IODispatchSource -----------------------------------------------------------------------------------------------

bool IODispatchSource::init() {
  ivars = new IODispatchSource_IVars();
  return OSObject::init();
}

void IODispatchSource::free() {
  if (ivars != nullptr) {
    OSAction* action = ivars->action;
    IODispatchQueue* queue = ivars->queue;
    reclaim_source(this);
    OSSafeReleaseNULL(action);
    OSSafeReleaseNULL(queue);
  }
  OSObject::free();
}

kern_return_t IODispatchSource::SetEnable_Impl(bool enable) {
  return SetEnableWithCompletion(enable, nullptr);
}

// --- IOInterruptDispatchSource --------------------------------------------------------------------------------------

kern_return_t IOInterruptDispatchSource::Create_Impl(IOService* provider, uint32_t index, IODispatchQueue* queue,
                                                     IOInterruptDispatchSource** source) {
  if (source == nullptr || queue == nullptr) return kIOReturnBadArgument;
  *source = nullptr;
  IOPCIDevice* device = OSDynamicCast(IOPCIDevice, provider);
  if (device == nullptr) return kIOReturnBadArgument;
  IOInterruptDispatchSource* created = OSTypeAlloc(IOInterruptDispatchSource);
  created->init();
  set_queue(created, queue);
  auto* iv = created->ivars = new IOInterruptDispatchSource_IVars(created);
  iv->index = index & kIOInterruptDispatchSourceIndexMask;
  const dartboard::io_return::Code code = device->ivars->nub->register_interrupt(iv->index, iv);
  if (code != dartboard::io_return::kSuccess) {
    created->release();
    return to_kern(code);
  }
  iv->nub = dartboard::macos::Ref<dartboard::macos::PciNub>(device->ivars->nub);
  *source = created;
  return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::GetInterruptType_Impl(IOService* provider, uint32_t index,
                                                               uint64_t* interruptType) {
  IOPCIDevice* device = OSDynamicCast(IOPCIDevice, provider);
  if (device == nullptr || interruptType == nullptr) return kIOReturnBadArgument;
  if ((index & kIOInterruptDispatchSourceIndexMask) >= device->ivars->nub->interrupt_count()) {
    return to_kern(dartboard::io_return::kNoInterrupt);
  }
  *interruptType = device->ivars->nub->interrupt_type();
  return kIOReturnSuccess;
}

bool IOInterruptDispatchSource::init() {
  return IODispatchSource::init();
}
void IOInterruptDispatchSource::free() {
  reclaim_interrupt_source(this);
  IODispatchSource::free();
}

kern_return_t IOInterruptDispatchSource::SetHandler_Impl(OSAction* action) {
  return set_action(*IODispatchSource::ivars, action);
}

kern_return_t IOInterruptDispatchSource::SetEnableWithCompletion_Impl(bool enable,
                                                                      IODispatchSourceCancelHandler handler) {
  if (IODispatchSource::ivars->cancelled) return kIOReturnUnsupported;
  IODispatchSource::ivars->enabled = enable;
  call_later(this, handler);
  return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::Cancel_Impl(IODispatchSourceCancelHandler handler) {
  if (!IODispatchSource::ivars->cancelled) {
    IODispatchSource::ivars->cancelled = true;
    ivars->nub->unregister_interrupt(ivars->index, ivars);
    ivars->nub.reset();
    ivars->count = 0;
  }
  call_later(this, handler);
  return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::GetLastInterrupt_Impl(uint64_t* count, uint64_t* time) {
  if (count == nullptr || time == nullptr) return kIOReturnBadArgument;
  *count = ivars->count;  // undelivered ones
  *time = ticks_from_ns(ivars->time_ns);
  return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::CheckForWork_Impl(bool) {
  return kIOReturnSuccess;
}

void IOInterruptDispatchSource_IVars::run() {
  posted = false;
  const IODispatchSource_IVars& common = *source->IODispatchSource::ivars;
  const uint64_t delivered = std::exchange(count, 0);
  if (!common.cancelled && common.enabled && delivered != 0 && common.action != nullptr) {
    OSAction* action = common.action;  // the handler may replace it
    action->retain();
    source->InterruptOccurred(action, delivered, ticks_from_ns(time_ns));
    action->release();
  }
  source->release();
}

// --- IOTimerDispatchSource ------------------------------------------------------------------------------------------

kern_return_t IOTimerDispatchSource::Create_Impl(IODispatchQueue* queue, IOTimerDispatchSource** source) {
  if (source == nullptr || queue == nullptr) return kIOReturnBadArgument;
  IOTimerDispatchSource* created = OSTypeAlloc(IOTimerDispatchSource);
  created->init();
  set_queue(created, queue);
  created->ivars = new IOTimerDispatchSource_IVars(created);
  *source = created;
  return kIOReturnSuccess;
}

bool IOTimerDispatchSource::init() {
  return IODispatchSource::init();
}
void IOTimerDispatchSource::free() {
  reclaim_timer_source(this);
  IODispatchSource::free();
}

kern_return_t IOTimerDispatchSource::SetHandler_Impl(OSAction* action) {
  return set_action(*IODispatchSource::ivars, action);
}

kern_return_t IOTimerDispatchSource::WakeAtTime_Impl(uint64_t options, uint64_t deadline, uint64_t) {
  if (IODispatchSource::ivars->cancelled) return kIOReturnUnsupported;
  dartboard::macos::Kernel* kernel = dartboard::macos::Kernel::current();
  if (kernel == nullptr) return kIOReturnNotReady;
  const bool ticks = options == kIOTimerClockMachAbsoluteTime || options == kIOTimerClockMachContinuousTime;
  if (!ticks && options != kIOTimerClockUptimeRaw && options != kIOTimerClockMonotonicRaw) return kIOReturnBadArgument;
  const uint64_t when_ns = ticks ? ns_from_ticks(deadline) : deadline;
  const uint64_t now_ns = kernel->timeline().now().value;
  ivars->due = false;
  kernel->timeline().schedule(*ivars, when_ns > now_ns ? when_ns - now_ns : 0);
  return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::SetEnableWithCompletion_Impl(bool enable, IODispatchSourceCancelHandler handler) {
  IODispatchSource_IVars& common = *IODispatchSource::ivars;
  if (common.cancelled) return kIOReturnUnsupported;
  const bool again = enable && !common.enabled && ivars->due && !ivars->posted;
  common.enabled = enable;
  if (again) ivars->expire();  // it fell due while disabled
  call_later(this, handler);
  return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::Cancel_Impl(IODispatchSourceCancelHandler handler) {
  IODispatchSource::ivars->cancelled = true;
  if (dartboard::macos::Kernel* kernel = dartboard::macos::Kernel::current()) kernel->timeline().cancel(*ivars);
  call_later(this, handler);
  return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::CheckForWork_Impl(bool) {
  return kIOReturnSuccess;
}

void IOTimerDispatchSource_IVars::run() {
  posted = false;
  const IODispatchSource_IVars& common = *source->IODispatchSource::ivars;
  if (due && common.enabled && !common.cancelled && common.action != nullptr) {
    due = false;
    OSAction* action = common.action;
    action->retain();
    source->TimerOccurred(action, mach_absolute_time());
    action->release();
  }
  source->release();
}
