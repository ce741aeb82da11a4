// sim/driverkit/iolib.cpp - IOLib: memory, simulated time, locks.
//
// Memory is operator new's: dexts free with IOFree what they made with `new`, and the other way round.
#include <DriverKit/IOLib.h>

#include <cstring>
#include <new>

#include "sim/driverkit/internal.h"
#include "sim/driverkit/queue.h"
#include "sim/macos/kernel.h"

using namespace dartboard::driverkit;  // NOLINT: implements Apple's global names

namespace {

uint64_t now_ns() {
  const dartboard::macos::Kernel* kernel = dartboard::macos::Kernel::current();
  return kernel != nullptr ? const_cast<dartboard::macos::Kernel*>(kernel)->timeline().now().value : 0;
}

/// One thread: a lock that is taken when somebody wants it stays taken for ever.
void lock_deadlock(const char* what) {
  ++process.stats.deadlocks;
  report(LogLevel::kError, "%s: the lock is held by the caller itself; a Mac would hang here", what);
}

}  // namespace

// A dext's lock: who holds it need not be said, there is one thread.
struct IOLock {
  bool held = false;
};
struct IORecursiveLock {
  uint32_t depth = 0;
};
struct IORWLock {
  uint32_t readers = 0;
  bool writer = false;
};

extern "C" {

void* IOMalloc(size_t length) {
  return ::operator new(length, std::nothrow);
}
void* IOMallocZero(size_t length) {
  void* memory = ::operator new(length, std::nothrow);
  if (memory != nullptr) std::memset(memory, 0, length);
  return memory;
}
void IOFree(void* address, size_t) {
  ::operator delete(address);
}

void IOSleep(uint64_t milliseconds) {
  sleep_ns(milliseconds * dartboard::kNsPerMs);
}
void IODelay(uint64_t microseconds) {
  if (dartboard::macos::Kernel* kernel = dartboard::macos::Kernel::current()) {
    kernel->timeline().advance(microseconds * dartboard::kNsPerUs);
  }
}

uint64_t mach_absolute_time(void) {
  return ticks_from_ns(now_ns());
}
uint64_t mach_continuous_time(void) {
  return ticks_from_ns(now_ns());
}
kern_return_t mach_timebase_info(mach_timebase_info_t info) {
  info->numer = static_cast<uint32_t>(kTickNumerator);
  info->denom = static_cast<uint32_t>(kTickDenominator);
  return KERN_SUCCESS;
}

IOLock* IOLockAlloc(void) {
  return new (std::nothrow) IOLock();
}
void IOLockFree(IOLock* lock) {
  delete lock;
}
void IOLockLock(IOLock* lock) {
  if (lock->held) lock_deadlock("IOLockLock");
  lock->held = true;
}
bool IOLockTryLock(IOLock* lock) {
  if (lock->held) return false;
  return lock->held = true;
}
void IOLockUnlock(IOLock* lock) {
  lock->held = false;
}
void IOLockAssert(IOLock* lock, int type) {
  if (lock->held != (type == kIOLockAssertOwned))
    report(LogLevel::kError, "IOLockAssert failed: a dext on a Mac would crash");
}

IORecursiveLock* IORecursiveLockAlloc(void) {
  return new (std::nothrow) IORecursiveLock();
}
void IORecursiveLockFree(IORecursiveLock* lock) {
  delete lock;
}
void IORecursiveLockLock(IORecursiveLock* lock) {
  ++lock->depth;
}
bool IORecursiveLockTryLock(IORecursiveLock* lock) {
  return ++lock->depth != 0;
}
void IORecursiveLockUnlock(IORecursiveLock* lock) {
  if (lock->depth != 0) --lock->depth;
}
bool IORecursiveLockHaveLock(const IORecursiveLock* lock) {
  return lock->depth != 0;
}

IORWLock* IORWLockAlloc(void) {
  return new (std::nothrow) IORWLock();
}
void IORWLockFree(IORWLock* lock) {
  delete lock;
}
void IORWLockRead(IORWLock* lock) {
  if (lock->writer) lock_deadlock("IORWLockRead");
  ++lock->readers;
}
void IORWLockWrite(IORWLock* lock) {
  if (lock->writer || lock->readers != 0) lock_deadlock("IORWLockWrite");
  lock->writer = true;
}
void IORWLockUnlock(IORWLock* lock) {
  if (lock->writer) {
    lock->writer = false;
  } else if (lock->readers != 0) {
    --lock->readers;
  }
}

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 38)
size_t strlcpy(char* destination, const char* source, size_t size) {
  const size_t length = std::strlen(source);
  if (size != 0) {
    const size_t copied = length < size - 1 ? length : size - 1;
    std::memcpy(destination, source, copied);
    destination[copied] = 0;
  }
  return length;
}
#endif

}  // extern "C"
