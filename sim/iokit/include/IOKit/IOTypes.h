// IOKit/IOTypes.h - types and memory options shared by IOKit clients. Values: xnu iokit/IOKit/IOTypes.h.
#pragma once

#include <IOKit/IOReturn.h>
#include <mach/mach_types.h>
#include <stdint.h>

typedef uint8_t UInt8;
typedef uint16_t UInt16;
typedef uint32_t UInt32;
typedef uint64_t UInt64;
typedef int32_t SInt32;
typedef int64_t SInt64;

typedef UInt32 IOOptionBits;
typedef UInt32 IOItemCount;
typedef UInt32 IOByteCount32;
typedef UInt64 IOByteCount64;
typedef uintptr_t IOVirtualAddress;

typedef mach_port_t io_object_t;
typedef io_object_t io_connect_t;
typedef io_object_t io_enumerator_t;
typedef io_object_t io_iterator_t;
typedef io_object_t io_registry_entry_t;
typedef io_object_t io_service_t;
typedef io_object_t uext_object_t;
#define IO_OBJECT_NULL ((io_object_t)0)

typedef char io_name_t[128];
typedef char io_string_t[512];
typedef char io_struct_inband_t[4096];
typedef uint64_t io_user_scalar_t;
typedef uint64_t io_user_reference_t;
typedef io_user_scalar_t io_scalar_inband64_t[16];
typedef io_user_reference_t io_async_ref64_t[8];

enum {
  kIODefaultCache = 0,
  kIOInhibitCache = 1,
  kIOWriteThruCache = 2,
  kIOCopybackCache = 3,
  kIOWriteCombineCache = 4,
  kIOCopybackInnerCache = 5,
  kIOPostedWrite = 6,
  kIORealTimeCache = 7
};

enum {
  kIOMapAnywhere = 0x00000001,
  kIOMapCacheMask = 0x00000f00,
  kIOMapCacheShift = 8,
  kIOMapDefaultCache = kIODefaultCache << kIOMapCacheShift,
  kIOMapInhibitCache = kIOInhibitCache << kIOMapCacheShift,
  kIOMapWriteThruCache = kIOWriteThruCache << kIOMapCacheShift,
  kIOMapCopybackCache = kIOCopybackCache << kIOMapCacheShift,
  kIOMapWriteCombineCache = kIOWriteCombineCache << kIOMapCacheShift,
  kIOMapCopybackInnerCache = kIOCopybackInnerCache << kIOMapCacheShift,
  kIOMapPostedWrite = kIOPostedWrite << kIOMapCacheShift,
  kIOMapRealTimeCache = kIORealTimeCache << kIOMapCacheShift,
  kIOMapReadOnly = 0x00001000,
  kIOMapStatic = 0x01000000,
  kIOMapReference = 0x02000000,
  kIOMapUnique = 0x04000000,
  kIOMapPrefault = 0x10000000
};
