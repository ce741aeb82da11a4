// sim/driverkit/fiber.h - a call stack that can be left in the middle and entered again.
//
// On a Mac a dext may put a thread to sleep inside a kernel call for as long as it likes (IOPCIDevice::SetProperties
// with "pci-get-dart-error" waits for a fault). Here everything is one thread, and what could end such a wait is
// further up the same stack. So the work that dexts dispatch to queues runs on stacks of its own, and a call that has
// to wait leaves its stack until it is woken. Who runs when is still the executor's decision alone.
#pragma once

#include <ucontext.h>

#include <cstddef>

namespace dartboard::driverkit {

class Fiber {
 public:
  using Entry = void (*)(void* argument);

  /// A fiber that is not in use, new or used before. Give it back with recycle().
  static Fiber* take();
  /// `fiber` finished, or whoever it belonged to is gone: what is left on its stack is forgotten, not unwound.
  static void recycle(Fiber* fiber);
  /// Fibers that were taken and not given back.
  static size_t in_use();
  /// The fiber that the caller runs on, or null.
  static Fiber* current();

  /// Runs entry(argument) until it returns or suspends. True: it returned.
  bool start(Entry entry, void* argument);
  /// Goes on after suspend(). True: the entry returned.
  bool resume();
  /// Back to whoever called start() or resume(). Only on the current fiber.
  void suspend();

  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

 private:
  Fiber();
  ~Fiber() = default;  // fibers live as long as the process
  static void body(unsigned high, unsigned low);
  bool enter();

  ucontext_t own_{}, caller_{};
  char* stack_ = nullptr;
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  Fiber* outer_ = nullptr;
  Fiber* next_idle_ = nullptr;
  bool finished_ = false;
  // What the sanitizers need to follow; unused without them.
  void* tsan_own_ = nullptr;
  void* tsan_caller_ = nullptr;
  void* fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  size_t caller_bytes_ = 0;
};

}  // namespace dartboard::driverkit
