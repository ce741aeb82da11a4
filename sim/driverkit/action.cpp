// sim/driverkit/action.cpp - OSAction: creation, reference bytes, cancel, abort.
#include "sim/driverkit/action.h"

#include <Block.h>

#include <cstdlib>
#include <utility>

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/IOService.h>

#include "sim/driverkit/internal.h"
#include "sim/driverkit/service.h"

using namespace dartboard::driverkit;  // NOLINT: implements Apple's global names

namespace {

void reclaim_action(OSMetaClassBase* object) {
  OSAction_IVars* iv = std::exchange(static_cast<OSAction*>(object)->ivars, nullptr);
  if (iv == nullptr) return;
  if (iv->aborted != nullptr) Block_release(iv->aborted);
  std::free(iv->reference);
  delete iv;
}
[[maybe_unused]] const bool reclaim_set = (gOSActionMetaClassObject.reclaim = reclaim_action, true);

OSAction* make_action(OSObject* target, uint64_t target_msgid, uint64_t msgid, size_t reference_bytes) {
  constexpr size_t kReferenceBytesMax = 64 * 1024;  // "size of the reference" is a struct, not a buffer
  if (reference_bytes > kReferenceBytesMax) return nullptr;
  OSAction* action = OSTypeAlloc(OSAction);
  action->ivars = new OSAction_IVars();
  action->ivars->target = target;
  if (target != nullptr) target->retain();
  action->ivars->target_msgid = target_msgid;
  action->ivars->msgid = msgid;
  action->ivars->reference_bytes = reference_bytes;
  if (reference_bytes != 0) action->ivars->reference = std::calloc(1, reference_bytes);
  if (!action->init()) OSSafeReleaseNULL(action);
  return action;
}

}  // namespace

namespace dartboard::driverkit {

OSAction* make_completion_action(macos::AsyncTarget* target) {
  OSAction* action = make_action(nullptr, 0, 0, 0);
  if (action != nullptr) action->ivars->completion = macos::Ref<macos::AsyncTarget>(target);
  return action;
}

}  // namespace dartboard::driverkit

kern_return_t OSAction::Create_Impl(OSObject* target, uint64_t targetmsgid, uint64_t msgid, size_t referenceSize,
                                    OSAction** action) {
  if (action == nullptr || target == nullptr) return kIOReturnBadArgument;
  *action = make_action(target, targetmsgid, msgid, referenceSize);
  return *action != nullptr ? kIOReturnSuccess : kIOReturnNoMemory;
}

kern_return_t OSAction::CreateWithTypeName_Impl(OSObject* target, uint64_t targetmsgid, uint64_t msgid,
                                                size_t referenceSize, OSString*, OSAction** action) {
  // On a Mac the type name selects a generated subclass; here every action is an OSAction.
  return Create(target, targetmsgid, msgid, referenceSize, action);
}

void OSAction::free() {
  OSObject* target = ivars != nullptr ? ivars->target : nullptr;
  reclaim_action(this);
  OSSafeReleaseNULL(target);
  OSObject::free();
}

void* OSAction::GetReference() {
  return ivars->reference;
}

kern_return_t OSAction::Cancel(OSActionCancelHandler handler) {
  ivars->cancelled = true;
  if (handler == nullptr) return kIOReturnSuccess;
  IOService* service = OSDynamicCast(IOService, ivars->target);
  IODispatchQueue* queue = service != nullptr ? service_queue(service, nullptr) : process.current_queue;
  if (queue == nullptr) return kIOReturnNotReady;
  queue->DispatchAsync(handler);
  return kIOReturnSuccess;
}

kern_return_t OSAction::SetAbortedHandler(OSActionAbortedHandler handler) {
  if (ivars->aborted != nullptr) Block_release(ivars->aborted);
  ivars->aborted = nullptr;
  if (handler != nullptr) ivars->aborted = Block_copy(handler);
  return kIOReturnSuccess;
}

void OSAction::Aborted_Impl() {
  ivars->completion.reset();  // the client's asynchronous reference goes without a message
  if (ivars->aborted != nullptr) ivars->aborted();
}
