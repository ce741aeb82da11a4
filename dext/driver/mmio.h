// dext/driver/mmio.h - one access to device memory. Inline: this is on the way of every register that a guest touches.
#pragma once

#include <DriverKit/IOLib.h>
#include <PCIDriverKit/PCIDriverKit.h>

/// Reads `width` (1, 2, 4, 8) bytes of the BAR with memory index `index`. kIOReturnBadArgument: no such width or index.
/// What IOPCIDevice cannot read is all-ones.
inline kern_return_t MMIORead(IOPCIDevice* pci, uint64_t index, uint64_t offset, uint64_t width, uint64_t* value) {
  if (index > UINT8_MAX) return kIOReturnBadArgument;
  const uint8_t memory = static_cast<uint8_t>(index);
  if (width == 4) [[likely]] {
    uint32_t data = 0xffffffff;
    pci->MemoryRead32(memory, offset, &data);
    *value = data;
    return kIOReturnSuccess;
  }
  switch (width) {
    case 8: {
      uint64_t data = UINT64_MAX;
      pci->MemoryRead64(memory, offset, &data);
      *value = data;
      return kIOReturnSuccess;
    }
    case 2: {
      uint16_t data = 0xffff;
      pci->MemoryRead16(memory, offset, &data);
      *value = data;
      return kIOReturnSuccess;
    }
    case 1: {
      uint8_t data = 0xff;
      pci->MemoryRead8(memory, offset, &data);
      *value = data;
      return kIOReturnSuccess;
    }
    default: return kIOReturnBadArgument;
  }
}

/// Writes the low `width` bytes of `value`; same rules.
inline kern_return_t MMIOWrite(IOPCIDevice* pci, uint64_t index, uint64_t offset, uint64_t width, uint64_t value) {
  if (index > UINT8_MAX) return kIOReturnBadArgument;
  const uint8_t memory = static_cast<uint8_t>(index);
  if (width == 4) [[likely]] {
    pci->MemoryWrite32(memory, offset, static_cast<uint32_t>(value));
    return kIOReturnSuccess;
  }
  switch (width) {
    case 8: pci->MemoryWrite64(memory, offset, value); return kIOReturnSuccess;
    case 2: pci->MemoryWrite16(memory, offset, static_cast<uint16_t>(value)); return kIOReturnSuccess;
    case 1: pci->MemoryWrite8(memory, offset, static_cast<uint8_t>(value)); return kIOReturnSuccess;
    default: return kIOReturnBadArgument;
  }
}
