// dext/driver/dma_regions.cpp - client memory that the device reaches: register, unregister, probe.
//
// A region is cut into chunks of at most 1.5 GiB, because the mapper of a Mac has about that much; each must come back
// as one full-length segment, or nothing of the region stays.
#include <DriverKit/IOMemoryMap.h>

#include "dext/driver/driver_state.h"

namespace {

constexpr uint64_t kPageBytes = IOVMPageSize;

/// Frees commands that failed to prepare, now that there may be room. Cheap when there are none.
void HealPoisoned(DMARegions& regions) {
  for (uint32_t i = regions.poisoned_count; i-- > 0;) {
    DMAChunk& pair = regions.poisoned[i];
    uint64_t length = 0;
    pair.memory->GetLength(&length);
    if (length > kPageBytes) length = kPageBytes;
    uint64_t flags = 0;
    uint32_t count = 32;
    IOAddressSegment segments[32];
    if (pair.command->PrepareForDMA(kIODMACommandPrepareForDMANoOptions, pair.memory, 0, length, &flags, &count,
                                    segments) != kIOReturnSuccess) {
      continue;
    }
    pair.command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
    OSSafeReleaseNULL(pair.command);
    OSSafeReleaseNULL(pair.memory);
    pair = regions.poisoned[--regions.poisoned_count];
  }
}

void KeepPoisoned(DMARegions& regions, IOMemoryDescriptor* memory, IODMACommand* command) {
  if (regions.poisoned_count == kPoisonedMax) HealPoisoned(regions);
  if (regions.poisoned_count == kPoisonedMax) {
    VFIO_LOG("too many failed DMA preparations to keep; their descriptors stay with the kernel");
    command->release();
    memory->release();
    return;
  }
  regions.poisoned[regions.poisoned_count++] = {memory, command};
  HealPoisoned(regions);
}

void ReleaseChunk(DMARegions& regions, DMAChunk& chunk) {
  if (chunk.command != nullptr) {
    const kern_return_t result = chunk.command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
    if (result != kIOReturnSuccess) {
      ++regions.complete_failures;
      VFIO_LOG("CompleteDMA failed: %#x", result);
    }
  }
  OSSafeReleaseNULL(chunk.command);
  OSSafeReleaseNULL(chunk.memory);
}

void ReleaseChunks(DMARegions& regions, DMAChunk* chunks, uint32_t count) {
  while (count-- > 0) ReleaseChunk(regions, chunks[count]);
}

/// One chunk: [address, address+size) of the client's memory. On failure nothing of it is left.
kern_return_t MakeChunk(VFIOUserPCIUserClient* client, uint64_t address, uint64_t size, DMAChunk* chunk,
                        uint64_t* bus_address) {
  DMARegions& regions = client->ivars->regions;
  const IOAddressSegment segment = {address, size};
  kern_return_t result = client->CreateMemoryDescriptorFromClient(kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite,
                                                                  1, &segment, &chunk->memory);
  if (result != kIOReturnSuccess) return result;
  IODMACommand* poisoned = nullptr;
  result = PrepareSingleSegment(client->ivars->pci, chunk->memory, size, &chunk->command, &poisoned, bus_address);
  if (result == kIOReturnSuccess) return result;
  if (poisoned != nullptr) {
    KeepPoisoned(regions, chunk->memory, poisoned);
    chunk->memory = nullptr;
  }
  OSSafeReleaseNULL(chunk->memory);
  return result;
}

void ReleaseRegion(VFIOUserPCIUserClient* client, DMARegion* region) {
  DMARegions& regions = client->ivars->regions;
  regions.bytes -= region->size;
  ReleaseChunks(regions, Chunks(region), region->chunk_count);
  if (region->many != nullptr) IOSafeDeleteNULL(region->many, DMAChunk, region->chunk_count);
}

}  // namespace

kern_return_t PrepareSingleSegment(IOPCIDevice* pci, IOMemoryDescriptor* memory, uint64_t length,
                                   IODMACommand** command, IODMACommand** poisoned, uint64_t* address) {
  *command = nullptr;
  IODMACommandSpecification specification = {};
  specification.options = kIODMACommandSpecificationNoOptions;
  specification.maxAddressBits = 64;
  IODMACommand* made = nullptr;
  kern_return_t result = IODMACommand::Create(pci, kIODMACommandCreateNoOptions, &specification, &made);
  if (result != kIOReturnSuccess) return result;
  uint64_t flags = 0;
  uint32_t count = 32;  // always the whole array: see IODMACommand.iig's generated code
  IOAddressSegment segments[32];
  result = made->PrepareForDMA(kIODMACommandPrepareForDMANoOptions, memory, 0, length, &flags, &count, segments);
  if (result != kIOReturnSuccess) {
    *poisoned = made;
    return result;
  }
  if (count != 1 || segments[0].length != length) {
    made->CompleteDMA(kIODMACommandCompleteDMANoOptions);
    made->release();
    return kIOReturnNotAligned;
  }
  *command = made;
  *address = segments[0].address;
  return kIOReturnSuccess;
}

kern_return_t RegisterDMARegion(VFIOUserPCIUserClient* client, uint64_t key, uint64_t address, uint64_t size,
                                IOAddressSegment* first) {
  DMARegions& regions = client->ivars->regions;
  if (client->ivars->driver->ivars->claims == 0) return kIOReturnNotOpen;
  if (size == 0 || address == 0 || address + size < address) return kIOReturnBadArgument;
  if (FindRegion(regions, key) != nullptr) return kIOReturnStillOpen;
  if (regions.count >= kDartboardDMARegionsMax) return kIOReturnNoSpace;
  const uint64_t needed = (size - 1) / kDartboardDMAChunkBytes + 1;
  if (needed > kDartboardDMAChunksMax) return kIOReturnNoSpace;
  const uint32_t chunk_count = static_cast<uint32_t>(needed);

  DMAChunk one = {};
  DMAChunk* many = nullptr;
  if (chunk_count > 1) {
    many = IONewZero(DMAChunk, chunk_count);
    if (many == nullptr) return kIOReturnNoMemory;
  }
  DMAChunk* chunks = chunk_count > 1 ? many : &one;
  uint64_t first_address = 0;
  kern_return_t result = kIOReturnSuccess;
  uint32_t made = 0;
  for (; made < chunk_count; ++made) {
    const uint64_t offset = made * kDartboardDMAChunkBytes;
    const uint64_t left = size - offset;
    uint64_t bus_address = 0;
    result = MakeChunk(client, address + offset, left < kDartboardDMAChunkBytes ? left : kDartboardDMAChunkBytes,
                       &chunks[made], &bus_address);
    if (result != kIOReturnSuccess) break;
    if (made == 0) first_address = bus_address;
  }
  DMARegion* region = result == kIOReturnSuccess ? InsertRegion(regions, key) : nullptr;
  if (region == nullptr) {
    if (result == kIOReturnSuccess) result = kIOReturnNoMemory;
    ReleaseChunks(regions, chunks, made);
    IOSafeDeleteNULL(many, DMAChunk, chunk_count);
    VFIO_LOG("region %#llx of %llu bytes refused: %#x (%u regions, %llu bytes mapped)",
             static_cast<unsigned long long>(key), static_cast<unsigned long long>(size), result, regions.count,
             static_cast<unsigned long long>(regions.bytes));
    return result;
  }
  region->size = size;
  region->first_address = first_address;
  region->chunk_count = chunk_count;
  region->one = one;
  region->many = many;
  regions.bytes += size;
  if (regions.bytes > regions.bytes_peak) regions.bytes_peak = regions.bytes;
  if (regions.count > regions.count_peak) regions.count_peak = regions.count;
  first->address = first_address;
  first->length = size < kDartboardDMAChunkBytes ? size : kDartboardDMAChunkBytes;
  return kIOReturnSuccess;
}

kern_return_t UnregisterDMARegion(VFIOUserPCIUserClient* client, uint64_t key) {
  DMARegions& regions = client->ivars->regions;
  DMARegion* region = FindRegion(regions, key);
  if (region == nullptr) return kIOReturnNotFound;
  ReleaseRegion(client, region);
  EraseRegion(regions, region);
  if (regions.poisoned_count != 0) HealPoisoned(regions);
  return kIOReturnSuccess;
}

kern_return_t ProbeDMARegion(VFIOUserPCIUserClient* client, uint64_t key, uint64_t offset, uint64_t* word) {
  DMARegion* region = FindRegion(client->ivars->regions, key);
  if (region == nullptr) return kIOReturnNotFound;
  if (offset > region->size || region->size - offset < sizeof(uint64_t)) return kIOReturnOverrun;
  const uint64_t in_chunk = offset % kDartboardDMAChunkBytes;
  // A word across two chunks is in no single mapping.
  if (kDartboardDMAChunkBytes - in_chunk < sizeof(uint64_t)) return kIOReturnNotFound;
  IOMemoryMap* map = nullptr;
  const kern_return_t result =
      Chunks(region)[offset / kDartboardDMAChunkBytes].memory->CreateMapping(0, 0, 0, 0, 0, &map);
  if (result != kIOReturnSuccess) return result;
  uint64_t read = 0;
  memcpy(&read, reinterpret_cast<const void*>(map->GetAddress() + in_chunk), sizeof read);
  *word = read;
  OSSafeReleaseNULL(map);
  return kIOReturnSuccess;
}

void ReleaseAllDMARegions(VFIOUserPCIUserClient* client) {
  DMARegions& regions = client->ivars->regions;
  for (uint32_t i = 0; i < regions.places_used; ++i) {
    if (regions.places[i].chunk_count != 0) ReleaseRegion(client, &regions.places[i]);
  }
  FreeRegionTable(regions);
  HealPoisoned(regions);
  while (regions.poisoned_count != 0) {
    DMAChunk& pair = regions.poisoned[--regions.poisoned_count];
    OSSafeReleaseNULL(pair.command);
    OSSafeReleaseNULL(pair.memory);
  }
}
