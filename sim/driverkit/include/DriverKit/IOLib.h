// DriverKit/IOLib.h - memory, time, locks and logging for dexts.
// Names and signatures are facts of Apple's <DriverKit/IOLib.h>; declarations and implementation are ours.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <DriverKit/IOReturn.h>
#include <DriverKit/IOTypes.h>
#include <mach/mach_time.h>
#include <os/log.h>

#if __has_include(<Block.h>)
#include <Block.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

void* IOMalloc(size_t length);
void* IOMallocZero(size_t length);
/// Accepts memory from IOMalloc and from operator new. No destructor runs.
void IOFree(void* address, size_t length);

void IOSleep(uint64_t milliseconds);
void IODelay(uint64_t microseconds);
int IOLog(const char* format, ...) __attribute__((format(printf, 1, 2)));
int IOLogv(const char* format, va_list arguments);

typedef struct IOLock IOLock;
IOLock* IOLockAlloc(void);
void IOLockFree(IOLock* lock);
void IOLockLock(IOLock* lock);
bool IOLockTryLock(IOLock* lock);
void IOLockUnlock(IOLock* lock);
void IOLockAssert(IOLock* lock, int type);

typedef struct IORecursiveLock IORecursiveLock;
IORecursiveLock* IORecursiveLockAlloc(void);
void IORecursiveLockFree(IORecursiveLock* lock);
void IORecursiveLockLock(IORecursiveLock* lock);
bool IORecursiveLockTryLock(IORecursiveLock* lock);
void IORecursiveLockUnlock(IORecursiveLock* lock);
bool IORecursiveLockHaveLock(const IORecursiveLock* lock);

typedef struct IORWLock IORWLock;
IORWLock* IORWLockAlloc(void);
void IORWLockFree(IORWLock* lock);
void IORWLockRead(IORWLock* lock);
void IORWLockWrite(IORWLock* lock);
void IORWLockUnlock(IORWLock* lock);

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 38)
size_t strlcpy(char* destination, const char* source, size_t size);
#endif

#ifdef __cplusplus
}
#endif

#define kIOLockAssertOwned 0x1
#define kIOLockAssertNotOwned 0x2

#define IONew(type, count) (static_cast<type*>(IOMalloc(sizeof(type) * (count))))
#define IONewZero(type, count) (static_cast<type*>(IOMallocZero(sizeof(type) * (count))))
#define IODelete(pointer, type, count) IOFree((pointer), sizeof(type) * (count))
#define IOSafeDeleteNULL(pointer, type, count)            \
  do {                                                    \
    if ((pointer) != nullptr) {                           \
      IOFree((pointer), sizeof(type) * (count));          \
      (pointer) = nullptr;                                \
    }                                                     \
  } while (0)
#define IOMallocType(type) IONewZero(type, 1)
#define IOFreeType(pointer, type) IOFree((pointer), sizeof(type))
#define IOMallocTyped(type, count) IONewZero(type, count)
