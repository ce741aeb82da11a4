// dext/driver/driver_state.h - what the service and its clients hold. Zeroed memory is their initial state.
#pragma once

#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IODMACommand.h>
#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/IOLib.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "VFIOUserPCIDriver.h"
#include "VFIOUserPCIUserClient.h"
#include "dext/abi.h"
#include "dext/driver/dma_regions.h"
#include "dext/driver/log.h"

inline constexpr uint32_t kBarCount = 6;
inline constexpr uint32_t kVectorWords = kDartboardVectorsMax / 64;

struct VFIOUserPCIDriver_IVars {
  IOPCIDevice* pci;  ///< the provider
  DeviceIdentity identity;
  uint32_t claims;                      ///< clients that claimed; the device is open while there are any
  IOMemoryDescriptor* bars[kBarCount];  ///< retained; shared with clients that did not claim
};

/// The one DMA buffer of a client.
struct DMABuffer {
  IOBufferMemoryDescriptor* memory;  ///< null: none
  IODMACommand* command;
  uint64_t size;
  uint64_t flags;
  uint32_t segment_count;
  IOAddressSegment first;
};

struct Interrupts {
  IODispatchQueue* queue;
  IOBufferMemoryDescriptor* page;
  volatile uint64_t* pending;  ///< in the page: set by the dext, cleared by the client
  volatile uint64_t* enabled;  ///< in the page: written by the client or by SetIRQMask
  uint32_t count;              ///< vectors registered; 0: not set up
  OSAction* waiting;           ///< WaitInterrupt's completion, retained
  IOInterruptDispatchSource* sources[kDartboardVectorsMax];
};

struct VFIOUserPCIUserClient_IVars {
  VFIOUserPCIDriver* driver;  ///< the provider; outlives its clients
  IOPCIDevice* pci;
  bool claimed;
  DMABuffer buffer;
  DMARegions regions;
  Interrupts interrupts;
};

// The rooms of the user client. Each returns a kIOReturn code.

kern_return_t AllocateDMABuffer(VFIOUserPCIUserClient* client, uint64_t size, uint64_t alignment);
void FreeDMABuffer(VFIOUserPCIUserClient* client);
/// Makes `memory` reachable for the device as one segment of `length` bytes, or leaves nothing behind.
/// NotAligned: the mapper gave more than one segment or a shorter one.
kern_return_t PrepareSingleSegment(IOPCIDevice* pci, IOMemoryDescriptor* memory, uint64_t length,
                                   IODMACommand** command, IODMACommand** poisoned, uint64_t* address);

kern_return_t RegisterDMARegion(VFIOUserPCIUserClient* client, uint64_t key, uint64_t address, uint64_t size,
                                IOAddressSegment* first);
kern_return_t UnregisterDMARegion(VFIOUserPCIUserClient* client, uint64_t key);
kern_return_t ProbeDMARegion(VFIOUserPCIUserClient* client, uint64_t key, uint64_t offset, uint64_t* word);
void ReleaseAllDMARegions(VFIOUserPCIUserClient* client);

kern_return_t SetupInterrupts(VFIOUserPCIUserClient* client);
kern_return_t CheckInterrupts(VFIOUserPCIUserClient* client, uint64_t* words);
kern_return_t WaitInterrupt(VFIOUserPCIUserClient* client, OSAction* completion);
kern_return_t SetInterruptMask(VFIOUserPCIUserClient* client, const uint64_t* words);
void TeardownInterrupts(VFIOUserPCIUserClient* client);

kern_return_t ConfigRead(IOPCIDevice* pci, uint64_t offset, uint64_t width, uint64_t* value);
kern_return_t ConfigWrite(IOPCIDevice* pci, uint64_t offset, uint64_t width, uint64_t value);
kern_return_t ResetDevice(IOPCIDevice* pci);
