// dext/driver/dma_buffer.cpp - the client's DMA buffer: memory of the dext, mapped for the device and into the client.
#include "dext/driver/driver_state.h"

kern_return_t AllocateDMABuffer(VFIOUserPCIUserClient* client, uint64_t size, uint64_t alignment) {
  if (client->ivars->driver->ivars->claims == 0) return kIOReturnNotOpen;
  if (size == 0 || size > kDartboardDMABufferBytesMax) return kIOReturnBadArgument;
  FreeDMABuffer(client);

  DMABuffer buffer = {};
  kern_return_t result = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, size,
                                                          alignment != 0 ? alignment : 4096, &buffer.memory);
  if (result != kIOReturnSuccess) return result;
  IODMACommandSpecification specification = {};
  specification.options = kIODMACommandSpecificationNoOptions;
  specification.maxAddressBits = 64;
  result = IODMACommand::Create(client->ivars->pci, kIODMACommandCreateNoOptions, &specification, &buffer.command);
  IOAddressSegment segments[32] = {};
  buffer.segment_count = 32;
  if (result == kIOReturnSuccess) {
    result = buffer.command->PrepareForDMA(kIODMACommandPrepareForDMANoOptions, buffer.memory, 0, size, &buffer.flags,
                                           &buffer.segment_count, segments);
  }
  if (result != kIOReturnSuccess) {
    VFIO_LOG("DMA buffer of %llu bytes refused: %#x", static_cast<unsigned long long>(size), result);
    DMARegions& regions = client->ivars->regions;
    if (buffer.command != nullptr && regions.poisoned_count < kPoisonedMax) {
      regions.poisoned[regions.poisoned_count++] = {buffer.memory, buffer.command};  // freed when there is room
    } else {
      OSSafeReleaseNULL(buffer.command);
      OSSafeReleaseNULL(buffer.memory);
    }
    return result;
  }
  buffer.size = size;
  buffer.first = segments[0];
  client->ivars->buffer = buffer;
  return kIOReturnSuccess;
}

void FreeDMABuffer(VFIOUserPCIUserClient* client) {
  DMABuffer& buffer = client->ivars->buffer;
  if (buffer.command != nullptr) {
    const kern_return_t result = buffer.command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
    if (result != kIOReturnSuccess) VFIO_LOG("CompleteDMA of the buffer failed: %#x", result);
  }
  OSSafeReleaseNULL(buffer.command);
  OSSafeReleaseNULL(buffer.memory);
  buffer = {};
}
