// IOKit/IOTypes.h - the basic types of IOKit, shared by DriverKit sources and IOKit clients.
// Names and values are facts of xnu iokit/IOKit/IOTypes.h; the declarations are ours.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <IOKit/IOReturn.h>

typedef uint32_t IOOptionBits;
typedef int32_t IOFixed;
typedef uint32_t IOVersion;
typedef uint32_t IOItemCount;
typedef uint32_t IOCacheMode;
typedef uint32_t IOByteCount32;
typedef uint64_t IOByteCount64;
typedef IOByteCount64 IOByteCount;
typedef uintptr_t IOVirtualAddress;
typedef uint64_t IOPhysicalAddress64;
typedef uint64_t IOPhysicalAddress;
typedef uint64_t IOPhysicalLength;

/* Mapping options: where, and the cache mode in bits 8..15. */
enum {
  kIODefaultCache = 0,
  kIOInhibitCache = 1,
  kIOWriteThruCache = 2,
  kIOCopybackCache = 3,
  kIOWriteCombineCache = 4,
  kIOCopybackInnerCache = 5,
  kIOPostedWrite = 6,
  kIORealTimeCache = 7,
};

enum {
  kIOMapAnywhere = 0x00000001,
  kIOMapCacheMask = 0x0000ff00,
  kIOMapCacheShift = 8,
  kIOMapDefaultCache = kIODefaultCache << kIOMapCacheShift,
  kIOMapInhibitCache = kIOInhibitCache << kIOMapCacheShift,
  kIOMapWriteThruCache = kIOWriteThruCache << kIOMapCacheShift,
  kIOMapCopybackCache = kIOCopybackCache << kIOMapCacheShift,
  kIOMapWriteCombineCache = kIOWriteCombineCache << kIOMapCacheShift,
  kIOMapCopybackInnerCache = kIOCopybackInnerCache << kIOMapCacheShift,
  kIOMapPostedWrite = kIOPostedWrite << kIOMapCacheShift,
  kIOMapRealTimeCache = kIORealTimeCache << kIOMapCacheShift,
  kIOMapUserOptionsMask = 0x00000fff,
  kIOMapReadOnly = 0x00001000,
  kIOMapStatic = 0x01000000,
  kIOMapReference = 0x02000000,
  kIOMapUnique = 0x04000000,
};

typedef uint8_t UInt8;
typedef uint16_t UInt16;
typedef uint32_t UInt32;
typedef uint64_t UInt64;
typedef int8_t SInt8;
typedef int16_t SInt16;
typedef int32_t SInt32;
typedef int64_t SInt64;
