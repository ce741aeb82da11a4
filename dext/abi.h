// dext/abi.h - the user-client ABI of VFIOUserPCIDriver: selectors, memory types, limits.
//
// Shared by the driver (dext/driver) and its client (dext/client); no other room speaks it. C so that both sides and
// foreign clients can include it. Facts: github scottjg/qemu-vfio-apple, contrib/apple-vfio (names and numbers).
#pragma once

#include <stdint.h>

#define kDartboardDextClassName "VFIOUserPCIDriver"

enum DartboardSelector {
  kSelectorGetIdentity = 0,         /* out 6: bus, device, function, vendor id, device id, class code */
  kSelectorClaim = 1,
  kSelectorTerminate = 2,
  kSelectorAllocateDMABuffer = 3,   /* in 2: size, alignment; out 6: size, flags, segments, address, length, class code */
  kSelectorFreeDMABuffer = 4,
  kSelectorRegisterDMARegion = 5,   /* in 3: key, client virtual address, size; out 3: segments, address, length */
  kSelectorUnregisterDMARegion = 6, /* in 1: key */
  kSelectorProbeDMARegion = 7,      /* in 2: key, offset; out 1: 64-bit word */
  kSelectorConfigRead = 8,          /* in 2: offset, width; out 1: value */
  kSelectorConfigWrite = 9,         /* in 3: offset, width, value */
  kSelectorGetBARInfo = 10,         /* in 1: BAR; out 3: memory index, size, type */
  kSelectorMMIORead = 11,           /* in 3: memory index, offset, width; out 1: value */
  kSelectorMMIOWrite = 12,          /* in 4: memory index, offset, width, value */
  kSelectorSetupInterrupts = 13,    /* out 1: vectors */
  kSelectorCheckInterrupt = 14,     /* out 4: 256 pending bits, read and cleared */
  kSelectorWaitInterrupt = 15,      /* asynchronous */
  kSelectorSetIRQMask = 16,         /* in 4: 256 enable bits */
  kSelectorResetDevice = 17,
  kSelectorCount = 18
};

enum DartboardMemoryType {
  kMemoryTypeDMABuffer = 0,
  kMemoryTypeBAR0 = 1,              /* BARn is kMemoryTypeBAR0 + n */
  kMemoryTypeIRQPage = 7,
  kMemoryTypeCount = 8
};

#define kDartboardDMABufferBytesMax   (1536ull << 20)
#define kDartboardDMAChunkBytes       (1536ull << 20)
#define kDartboardDMAChunksMax        128u
#define kDartboardDMARegionsMax       65536u
#define kDartboardVectorsMax          256u
#define kDartboardIRQPageBytes        16384u
#define kDartboardIRQPendingOffset    0x00u   /* 4 x 64 bits, set by the dext, cleared by the client */
#define kDartboardIRQEnableOffset     0x20u   /* 4 x 64 bits, written by the client */
#define kDartboardMultimediaClass     0x04u   /* PCI base class the driver refuses */
