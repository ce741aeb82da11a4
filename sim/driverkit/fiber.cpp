// sim/driverkit/fiber.cpp - stacks from mmap, switched with ucontext; the sanitizers are told of each switch.
#if defined(__APPLE__)
#define _XOPEN_SOURCE 700  // without it Apple's <ucontext.h> hides the functions
#define _DARWIN_C_SOURCE
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
#endif
#include "sim/driverkit/fiber.h"

#include <sys/mman.h>

#include <cassert>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#endif

namespace dartboard::driverkit {
namespace {

// As a Mac gives its secondary threads; pages are backed when they are touched.
constexpr size_t kStackBytes = 512 * 1024;
constexpr size_t kGuardBytes = 64 * 1024;

Fiber* g_current = nullptr;
Fiber* g_idle = nullptr;  // used last, first
size_t g_in_use = 0;

}  // namespace

Fiber::Fiber() {
  void* const memory =
      mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
    std::perror("dartboard: no memory for a call stack");  // as operator new: this process cannot go on
    std::abort();
  }
  stack_ = static_cast<char*>(memory) + kGuardBytes;
}

Fiber* Fiber::take() {
  ++g_in_use;
  if (g_idle == nullptr) return new Fiber();
  return std::exchange(g_idle, g_idle->next_idle_);
}

void Fiber::recycle(Fiber* fiber) {
  assert(fiber != g_current && g_in_use != 0);
  --g_in_use;
#if __has_feature(thread_sanitizer)
  if (fiber->tsan_own_ != nullptr) __tsan_destroy_fiber(std::exchange(fiber->tsan_own_, nullptr));
#endif
#if __has_feature(address_sanitizer)
  __asan_unpoison_memory_region(fiber->stack_, kStackBytes);  // frames that were forgotten
#endif
  fiber->fake_stack_ = nullptr;
  fiber->next_idle_ = std::exchange(g_idle, fiber);
}

size_t Fiber::in_use() {
  return g_in_use;
}

Fiber* Fiber::current() {
  return g_current;
}

void Fiber::body(unsigned high, unsigned low) {
  auto* const self = reinterpret_cast<Fiber*>(uintptr_t{high} << 32 | low);  // makecontext passes ints
#if __has_feature(address_sanitizer)
  __sanitizer_finish_switch_fiber(nullptr, &self->caller_stack_, &self->caller_bytes_);
#endif
  self->entry_(self->argument_);
  self->finished_ = true;
#if __has_feature(address_sanitizer)
  __sanitizer_start_switch_fiber(nullptr, self->caller_stack_, self->caller_bytes_);  // null: never comes back
#endif
#if __has_feature(thread_sanitizer)
  __tsan_switch_to_fiber(self->tsan_caller_, 0);
#endif
  setcontext(&self->caller_);
}

bool Fiber::start(Entry entry, void* argument) {
  entry_ = entry;
  argument_ = argument;
  finished_ = false;
  getcontext(&own_);
  own_.uc_stack.ss_sp = stack_;
  own_.uc_stack.ss_size = kStackBytes;
  own_.uc_link = nullptr;
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&own_, reinterpret_cast<void (*)()>(&Fiber::body), 2, static_cast<unsigned>(self >> 32),
              static_cast<unsigned>(self));
#if __has_feature(thread_sanitizer)
  if (tsan_own_ == nullptr) tsan_own_ = __tsan_create_fiber(0);
#endif
  return enter();
}

bool Fiber::resume() {
  assert(!finished_);
  return enter();
}

bool Fiber::enter() {
  outer_ = std::exchange(g_current, this);
#if __has_feature(address_sanitizer)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, stack_, kStackBytes);
#endif
#if __has_feature(thread_sanitizer)
  tsan_caller_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_own_, 0);
#endif
  swapcontext(&caller_, &own_);
#if __has_feature(address_sanitizer)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  g_current = outer_;
  return finished_;
}

void Fiber::suspend() {
  assert(g_current == this);
#if __has_feature(address_sanitizer)
  __sanitizer_start_switch_fiber(&fake_stack_, caller_stack_, caller_bytes_);
#endif
#if __has_feature(thread_sanitizer)
  __tsan_switch_to_fiber(tsan_caller_, 0);
#endif
  swapcontext(&own_, &caller_);
#if __has_feature(address_sanitizer)
  __sanitizer_finish_switch_fiber(fake_stack_, &caller_stack_, &caller_bytes_);
#endif
}

}  // namespace dartboard::driverkit
