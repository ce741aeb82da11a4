// sim/driverkit/object.cpp - classes by name, reference counts, and the list of every object of the process.
#include <cstdlib>
#include <cstring>
#include <new>

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/OSMetaClass.h>
#include <DriverKit/OSObject.h>

#include "sim/driverkit/internal.h"

using dartboard::driverkit::LogLevel;
using dartboard::driverkit::report;

/// Doubly linked through the objects, newest first.
struct OSMetaClassLiveList {
  OSMetaClassBase* head = nullptr;
  uint64_t count = 0;

  void add(OSMetaClassBase* object) {
    object->live_next_ = head;
    if (head != nullptr) head->live_previous_ = object;
    head = object;
    ++count;
  }
  void remove(OSMetaClassBase* object) {
    (object->live_previous_ != nullptr ? object->live_previous_->live_next_ : head) = object->live_next_;
    if (object->live_next_ != nullptr) object->live_next_->live_previous_ = object->live_previous_;
    --count;
  }
  void reclaim(OSMetaClassBase* object) {
    for (const OSMetaClass* c = object->getMetaClass(); c != nullptr; c = c->getSuperClass()) {
      if (c->reclaim != nullptr) c->reclaim(object);
    }
    delete object;
  }
};

namespace {

OSMetaClassLiveList live;
const OSMetaClass* classes = nullptr;  // filled before main by the registrations

}  // namespace

namespace dartboard::driverkit {

uint64_t live_objects() {
  return live.count;
}
void make_immortal(OSMetaClassBase* object) {
  live.remove(object);
}

uint64_t reclaim_all_objects() {
  uint64_t count = 0;
  while (live.head != nullptr) {
    if (count < 5) report(LogLevel::kWarning, "a %s was never released", live.head->getMetaClass()->getClassName());
    live.reclaim(live.head);
    ++count;
  }
  return count;
}

}  // namespace dartboard::driverkit

OSMetaClassRegistration::OSMetaClassRegistration(OSMetaClass* metaclass) {
  metaclass->next_ = classes;
  classes = metaclass;
}

const OSMetaClass* OSMetaClass::withName(const char* name) {
  for (const OSMetaClass* c = classes; c != nullptr; c = c->next_) {
    if (std::strcmp(c->name_, name) == 0) return c;
  }
  return nullptr;
}

OSMetaClassBase::OSMetaClassBase() {
  live.add(this);
}
OSMetaClassBase::~OSMetaClassBase() {
  live.remove(this);
}

void* OSMetaClassBase::operator new(size_t bytes) {
  void* memory = std::calloc(1, bytes);
  if (memory == nullptr) {
    report(LogLevel::kError, "out of memory for an object of %zu bytes", bytes);
    std::abort();  // as operator new without exceptions does
  }
  return memory;
}
void OSMetaClassBase::operator delete(void* memory) {
  std::free(memory);
}

kern_return_t OSMetaClassBase::Dispatch(const IORPC rpc) {
  return _Dispatch(this, rpc);
}

kern_return_t OSMetaClassBase::_Dispatch(OSMetaClassBase* object, const IORPC rpc) {
  report(LogLevel::kWarning, "%s does not understand message %s", object->getMetaClass()->getClassName(),
         rpc.method != nullptr ? rpc.method->name : "of an action");
  return kIOReturnBadMessageID;
}

void OSMetaClassBase::retain() const {
  ++references_;
}

void OSMetaClassBase::release() const {
  if (references_ == 0) {
    report(LogLevel::kError, "a %s was released while it was being freed", getMetaClass()->getClassName());
    return;
  }
  if (--references_ == 0) const_cast<OSMetaClassBase*>(this)->free();
}

void OSMetaClassBase::free() {
  delete this;
}

bool OSMetaClassBase::isEqualTo(const OSMetaClassBase* other) const {
  return this == other;
}

OSMetaClassBase* OSMetaClassBase::requiredMetaCast(const OSMetaClassBase* object, const OSMetaClass* to) {
  OSMetaClassBase* const cast = safeMetaCast(object, to);
  if (cast == nullptr) {
    report(LogLevel::kError, "OSRequiredCast: a %s is not a %s",
           object != nullptr ? object->getMetaClass()->getClassName() : "null", to->getClassName());
  }
  return cast;
}

bool OSObject::init() {
  return true;
}
void OSObject::free() {
  OSMetaClassBase::free();
}

namespace dartboard_iig {

void unimplemented(const char* method) {
  ++dartboard::driverkit::process.stats.unimplemented;
  report(LogLevel::kError, "%s is not implemented by the simulated kernel: Unsupported", method);
}

void retain(const void* object) {
  static_cast<const OSMetaClassBase*>(object)->retain();
}
void release(const void* object) {
  static_cast<const OSMetaClassBase*>(object)->release();
}

}  // namespace dartboard_iig
