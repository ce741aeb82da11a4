// sim/iokit/object.cpp - IOObject*, IOIterator*, mach_port_*: names, their references, and walking iterators.
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <cstring>
#include <string_view>

#include "base/io_return.h"
#include "sim/iokit/context.h"
#include "sim/iokit/core_foundation/cf_object.h"
#include "sim/iokit/iterator_object.h"

namespace dartboard::iokit {
namespace {

constexpr kern_return_t kKernInvalidValue = 18;

/// Names count only while the machine they came from is on.
HandleTable& handles() {
  Context& context = Context::instance();
  context.kernel();
  return context.handles();
}

IteratorObject* iterator(PortName name) { return handles().find<IteratorObject>(name, PortKind::kIterator); }

/// The kernel class an object shows (IOObjectGetClass); empty if the name means nothing.
std::string_view class_name(PortName name) {
  HandleTable& table = handles();
  switch (table.kind(name)) {
    case PortKind::kEntry: return table.find<EntryObject>(name, PortKind::kEntry)->entry->class_name();
    case PortKind::kConnection: return "IOUserUserClient";
    case PortKind::kIterator: return "IOUserIterator";
    case PortKind::kNotification: return "IOServiceMessageUserNotification";
    default: return {};
  }
}

}  // namespace
}  // namespace dartboard::iokit

using namespace dartboard::iokit;   // NOLINT: the C API below is this file's public face

extern "C" {

mach_port_t mach_task_self_ = kTaskSelf;

kern_return_t IOObjectRelease(io_object_t object) { return mach_port_deallocate(kTaskSelf, object); }

kern_return_t IOObjectRetain(io_object_t object) {
  return mach_port_mod_refs(kTaskSelf, object, MACH_PORT_RIGHT_SEND, 1);
}

kern_return_t IOObjectGetClass(io_object_t object, io_name_t className) {
  if (className == nullptr) return kIOReturnBadArgument;
  const std::string_view name = class_name(object);
  if (name.empty()) return static_cast<kern_return_t>(wrong_name(object));
  const size_t length = name.copy(className, sizeof(io_name_t) - 1);
  className[length] = 0;
  return KERN_SUCCESS;
}

CFStringRef IOObjectCopyClass(io_object_t object) {
  const std::string_view name = class_name(object);
  return name.empty() ? nullptr : new __CFString(std::string(name));
}

boolean_t IOObjectConformsTo(io_object_t object, const io_name_t className) {
  if (className == nullptr) return FALSE;
  const std::string_view wanted = className;
  if (const auto* entry = Context::instance().entry(object)) return entry->conforms_to(wanted) ? TRUE : FALSE;
  const std::string_view own = class_name(object);
  if (own.empty()) return FALSE;
  const bool connection = handles().kind(object) == PortKind::kConnection;
  const bool ancestor =
      connection && (wanted == "IOUserClient" || wanted == "IOService" || wanted == "IORegistryEntry");
  return own == wanted || ancestor || wanted == "OSObject" ? TRUE : FALSE;
}

boolean_t IOObjectIsEqualTo(io_object_t object, io_object_t anObject) { return object == anObject ? TRUE : FALSE; }

uint32_t IOObjectGetKernelRetainCount(io_object_t object) {
  const dartboard::macos::RegistryEntry* entry = Context::instance().entry(object);
  return entry != nullptr ? entry->references() : 0;
}

uint32_t IOObjectGetUserRetainCount(io_object_t object) { return handles().references(object); }
uint32_t IOObjectGetRetainCount(io_object_t object) { return IOObjectGetKernelRetainCount(object); }

io_object_t IOIteratorNext(io_iterator_t name) {
  IteratorObject* const object = iterator(name);
  if (object == nullptr) return IO_OBJECT_NULL;
  const dartboard::macos::Ref<dartboard::macos::RegistryEntry> entry = object->next();
  return entry ? Context::instance().name_of(*entry) : IO_OBJECT_NULL;
}

void IOIteratorReset(io_iterator_t name) {
  if (IteratorObject* const object = iterator(name)) object->restart();
}

boolean_t IOIteratorIsValid(io_iterator_t name) { return iterator(name) != nullptr ? TRUE : FALSE; }

kern_return_t mach_port_allocate(ipc_space_t task, mach_port_right_t right, mach_port_name_t* name) {
  if (task != kTaskSelf) return KERN_INVALID_TASK;
  if (name == nullptr || right != MACH_PORT_RIGHT_RECEIVE) return kKernInvalidValue;
  *name = handles().insert(new ReceiveRight);
  return *name != kNoPort ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name) {
  if (task != kTaskSelf) return KERN_INVALID_TASK;
  HandleTable& table = handles();
  if (name == kTaskSelf || name == kMainPort) return KERN_SUCCESS;   // references to these are not counted
  if (table.kind(name) == PortKind::kReceive) return KERN_INVALID_RIGHT;
  return table.release(name) ? KERN_SUCCESS : KERN_INVALID_NAME;
}

kern_return_t mach_port_destroy(ipc_space_t task, mach_port_name_t name) {
  if (task != kTaskSelf) return KERN_INVALID_TASK;
  HandleTable& table = handles();
  if (table.kind(name) == PortKind::kFree) return KERN_INVALID_NAME;
  table.remove(name);
  return KERN_SUCCESS;
}

kern_return_t mach_port_mod_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_delta_t delta) {
  if (task != kTaskSelf) return KERN_INVALID_TASK;
  if (right >= MACH_PORT_RIGHT_NUMBER) return kKernInvalidValue;
  if (!MACH_PORT_VALID(name)) {   // the null and dead names are send rights that always exist (mach_port.c)
    const bool send = right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_SEND_ONCE;
    return send ? KERN_SUCCESS : KERN_INVALID_NAME;
  }
  HandleTable& table = handles();
  if (name == kTaskSelf || name == kMainPort) return KERN_SUCCESS;
  const PortKind kind = table.kind(name);
  if (kind == PortKind::kFree) return KERN_INVALID_NAME;
  const bool receive = kind == PortKind::kReceive;
  const bool fits = (right == MACH_PORT_RIGHT_RECEIVE && receive) ||
                    (right == MACH_PORT_RIGHT_DEAD_NAME && kind == PortKind::kDeadName) ||
                    (right == MACH_PORT_RIGHT_SEND && !receive && kind != PortKind::kDeadName);
  if (!fits) return KERN_INVALID_RIGHT;
  if (receive) {
    if (delta == -1) table.remove(name);
    return delta == 0 || delta == -1 ? KERN_SUCCESS : kKernInvalidValue;
  }
  if (delta >= 0) {
    if (delta > 0) table.retain(name, static_cast<uint32_t>(delta));
    return KERN_SUCCESS;
  }
  const uint64_t drop = static_cast<uint64_t>(-static_cast<int64_t>(delta));
  if (drop > table.references(name)) return kKernInvalidValue;
  for (uint64_t i = 0; i < drop; ++i) table.release(name);
  return KERN_SUCCESS;
}

kern_return_t mach_port_get_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_urefs_t* refs) {
  if (task != kTaskSelf) return KERN_INVALID_TASK;
  if (right >= MACH_PORT_RIGHT_NUMBER || refs == nullptr) return kKernInvalidValue;
  HandleTable& table = handles();
  const PortKind kind = table.kind(name);
  if (kind == PortKind::kFree) return KERN_INVALID_NAME;
  const bool dead = kind == PortKind::kDeadName;
  const bool receive = kind == PortKind::kReceive;
  const bool fits = (right == MACH_PORT_RIGHT_DEAD_NAME && dead) || (right == MACH_PORT_RIGHT_RECEIVE && receive) ||
                    (right == MACH_PORT_RIGHT_SEND && !dead && !receive);
  *refs = fits ? table.references(name) : 0;
  return KERN_SUCCESS;
}

char* mach_error_string(mach_error_t error_value) {
  // Apple's are sentences; the names say the same. Static text: the cast is the C signature's.
  return const_cast<char*>(dartboard::io_return::name(static_cast<uint32_t>(error_value)).data());
}

}  // extern "C"
