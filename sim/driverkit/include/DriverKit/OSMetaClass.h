// DriverKit/OSMetaClass.h - the root of every DriverKit class: reference count, run-time class, casts.
// Names and signatures are facts of Apple's <DriverKit/OSMetaClass.h>; declarations and implementation are ours.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IORPC.h>
#include <DriverKit/IOReturn.h>
#include <DriverKit/IOTypes.h>
#include <os/availability.h>

// Interface attributes mean nothing to the compiler; the forms with the IIG_ prefix may stay in forward declarations.
#define IIG_KERNEL
#define IIG_NATIVE
#define IIG_LOCAL
#define IIG_LOCALHOST
#define IIG_LOCALONLY
#define IIG_REMOTE
#define IIG_REPLY
#define IIG_INVOKEREPLY
#define IIG_TARGET
#define IIG_SERIALIZABLE
#define IIG_CONCRETE
#define IIG_TYPE(...)
#define IIG_EXTENDS(...)
#define IIG_QUEUENAME(...)

#define DEFN(classname, name) name##_Impl(classname##_##name##_Args)
#define IMPL(classname, name) classname ::DEFN(classname, name)
#define SUPERDISPATCH (static_cast<OSDispatchMethod>(&super::_Dispatch))

class OSObject;
class OSMetaClassBase;

/// The run-time description of a class. Made by generated code, one for each class, before main.
class OSMetaClass {
 public:
  /// A message that a dext's class implements and the queue it is delivered on (null: "Default").
  struct Served {
    uint64_t msgid;
    const char* queue;
  };
  typedef OSMetaClassBase* (*Factory)();

  constexpr OSMetaClass(const char* name, const OSMetaClass* superclass, Factory factory, bool kernel,
                        const Served* served, size_t served_count)
      : name_(name), superclass_(superclass), factory_(factory), served_(served), served_count_(served_count),
        kernel_(kernel) {}

  const char* getClassName() const { return name_; }
  const OSMetaClass* getSuperClass() const { return superclass_; }
  bool derivesFrom(const OSMetaClass* other) const {
    for (const OSMetaClass* c = this; c != nullptr; c = c->superclass_) {
      if (c == other) return true;
    }
    return false;
  }

  /// A zeroed instance with one reference, before init().
  OSMetaClassBase* alloc() const { return factory_(); }
  /// The class of that name, or null.
  static const OSMetaClass* withName(const char* name);

  /// True for classes that the simulated kernel implements.
  bool isKernel() const { return kernel_; }
  /// Where a message is served by a dext's class at or below this one; null: the kernel's side serves it.
  const Served* findServed(uint64_t msgid) const {
    for (const OSMetaClass* c = this; c != nullptr && !c->kernel_; c = c->superclass_) {
      for (size_t i = 0; i < c->served_count_; ++i) {
        if (c->served_[i].msgid == msgid) return &c->served_[i];
      }
    }
    return nullptr;
  }

  /// Frees the instance variables of this class (runtime classes only); null for others.
  void (*reclaim)(OSMetaClassBase* object) = nullptr;

 private:
  friend struct OSMetaClassRegistration;
  const char* name_;
  const OSMetaClass* superclass_;
  Factory factory_;
  const Served* served_;
  size_t served_count_;
  bool kernel_;
  const OSMetaClass* next_ = nullptr;
};

/// Puts a class in the list that withName() searches.
struct OSMetaClassRegistration {
  explicit OSMetaClassRegistration(OSMetaClass* metaclass);
};

class OSMetaClassBase {
 public:
  virtual kern_return_t Dispatch(const IORPC rpc);
  static kern_return_t _Dispatch(OSMetaClassBase* object, const IORPC rpc);

  virtual const OSMetaClass* getMetaClass() const = 0;
  virtual void retain() const;
  virtual void release() const;
  virtual bool isEqualTo(const OSMetaClassBase* other) const;
  virtual void free();

  uint32_t getRetainCount() const { return references_; }

  static OSMetaClassBase* safeMetaCast(const OSMetaClassBase* object, const OSMetaClass* to) {
    if (object == nullptr || !object->getMetaClass()->derivesFrom(to)) return nullptr;
    return const_cast<OSMetaClassBase*>(object);
  }
  /// A cast that must succeed; a wrong class is reported and gives null.
  static OSMetaClassBase* requiredMetaCast(const OSMetaClassBase* object, const OSMetaClass* to);

  static void* operator new(size_t bytes);
  static void operator delete(void* memory);

 protected:
  OSMetaClassBase();
  virtual ~OSMetaClassBase();

 private:
  friend struct OSMetaClassLiveList;
  mutable uint32_t references_ = 1;
  OSMetaClassBase* live_previous_ = nullptr;   ///< every object of the process, so that none outlives it
  OSMetaClassBase* live_next_ = nullptr;
};

#define OSTypeID(type) (type::sGetMetaClass())
#define OSTypeAlloc(type) (static_cast<type*>(OSTypeID(type)->alloc()))
#define OSDynamicCast(type, instance) (static_cast<type*>(OSMetaClassBase::safeMetaCast((instance), OSTypeID(type))))
#define OSRequiredCast(type, instance) \
  (static_cast<type*>(OSMetaClassBase::requiredMetaCast((instance), OSTypeID(type))))

#define OSSafeReleaseNULL(instance) \
  do {                              \
    if ((instance) != nullptr) {    \
      (instance)->release();        \
      (instance) = nullptr;         \
    }                               \
  } while (0)
#define OSSafeRelease(instance)                          \
  do {                                                   \
    if ((instance) != nullptr) (instance)->release();    \
  } while (0)

