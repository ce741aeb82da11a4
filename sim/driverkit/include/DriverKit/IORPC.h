// DriverKit/IORPC.h - how a message travels inside this process, and what generated code needs of the runtime.
//
// On a Mac a message is marshalled into a Mach message. Here caller and implementation share an address space, so a
// message is a number and a pointer to its arguments. Only a one-way message that has to wait for its queue is copied.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#include <IOKit/IOReturn.h>

class OSMetaClassBase;
class OSAction;

/// What is the same for every message of one method.
struct IORPCMethod {
  const char* name;                  ///< "IOService::Start"
  const char* queue;                 ///< QUEUENAME, or null for "Default"
  void* (*keep)(const void* args);   ///< one-way methods: a copy that outlives the sender, else null
  void (*drop)(void* kept);
};

struct IORPC {
  uint64_t msgid;
  void* args;                        ///< the method's _Msg struct
  const IORPCMethod* method;
};

typedef kern_return_t (*OSDispatchMethod)(OSMetaClassBase* self, const IORPC rpc);

namespace dartboard_iig {

/// Delivers a message on the queue it belongs to.
kern_return_t send(OSMetaClassBase* object, const IORPC& rpc);
/// Delivers a message to an action's target, under the number the action was made for.
kern_return_t send_to_action(OSAction* action, OSMetaClassBase* sender, IORPC rpc);
/// Reports a call that the simulated kernel does not implement.
void unimplemented(const char* method);
void retain(const void* object);
void release(const void* object);

/// One argument of a kept message: a value.
template <class T>
struct Kept {
  T value;
  void keep(T v, uint32_t) { value = v; }
  T get() const { return value; }
};

/// An array argument: at most N elements, a character array up to its terminator, null stays null.
template <class T, size_t N>
struct Kept<T[N]> {
  std::remove_const_t<T> storage[N];
  bool present;
  void keep(T* v, uint32_t count) {
    present = v != nullptr;
    if (!present) return;
    if constexpr (sizeof(T) == 1) {
      const size_t length = strnlen(reinterpret_cast<const char*>(v), N - 1);
      memcpy(storage, v, length);
      storage[length] = 0;
    } else {
      for (size_t i = 0; i < N && i < count; ++i) storage[i] = v[i];
    }
  }
  T* get() { return present ? storage : nullptr; }
};

/// An object argument: retained while the message waits.
template <class T>
struct KeptObject {
  T value = nullptr;
  ~KeptObject() { if (value != nullptr) release(value); }
  void keep(T v, uint32_t) {
    value = v;
    if (value != nullptr) retain(value);
  }
  T get() const { return value; }
};

}  // namespace dartboard_iig
