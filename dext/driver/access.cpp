// dext/driver/access.cpp - configuration space and reset: one call of IOPCIDevice each.
#include "dext/driver/driver_state.h"

kern_return_t ConfigRead(IOPCIDevice* pci, uint64_t offset, uint64_t width, uint64_t* value) {
  switch (width) {
    case 1: {
      uint8_t data = 0xff;
      pci->ConfigurationRead8(offset, &data);
      *value = data;
      return kIOReturnSuccess;
    }
    case 2: {
      uint16_t data = 0xffff;
      pci->ConfigurationRead16(offset, &data);
      *value = data;
      return kIOReturnSuccess;
    }
    case 4: {
      // The BAR registers hold what the host assigned, with low bits that do not describe the BAR: give the type alone.
      if (offset >= kIOPCIConfigurationOffsetBaseAddress0 && offset <= kIOPCIConfigurationOffsetBaseAddress5 &&
          (offset & 3) == 0) {
        const uint8_t bar = static_cast<uint8_t>((offset - kIOPCIConfigurationOffsetBaseAddress0) / 4);
        uint8_t index = 0, type = 0;
        uint64_t size = 0;
        *value = pci->GetBARInfo(bar, &index, &size, &type) == kIOReturnSuccess && size != 0 ? type : 0;
        return kIOReturnSuccess;
      }
      uint32_t data = 0xffffffff;
      pci->ConfigurationRead32(offset, &data);
      *value = data;
      return kIOReturnSuccess;
    }
    default: return kIOReturnBadArgument;
  }
}

kern_return_t ConfigWrite(IOPCIDevice* pci, uint64_t offset, uint64_t width, uint64_t value) {
  switch (width) {
    case 1: pci->ConfigurationWrite8(offset, static_cast<uint8_t>(value)); return kIOReturnSuccess;
    case 2: pci->ConfigurationWrite16(offset, static_cast<uint16_t>(value)); return kIOReturnSuccess;
    case 4: pci->ConfigurationWrite32(offset, static_cast<uint32_t>(value)); return kIOReturnSuccess;
    default: return kIOReturnBadArgument;
  }
}

namespace {

/// A device that did not come back reads as all-ones; Reset does not tell (IOPCIBridge.cpp, _restoreDeviceState).
kern_return_t ResetAndLook(IOPCIDevice* pci, IOOptionBits type) {
  const kern_return_t result = pci->Reset(type, kIOPCIDeviceResetOptionNone);
  if (result != kIOReturnSuccess) return result;
  uint16_t vendor = 0xffff;
  pci->ConfigurationRead16(kIOPCIConfigurationOffsetVendorID, &vendor);
  return vendor != 0xffff ? kIOReturnSuccess : kIOReturnNotResponding;
}

}  // namespace

kern_return_t ResetDevice(IOPCIDevice* pci) {
  const kern_return_t result = ResetAndLook(pci, kIOPCIDeviceResetTypeFunctionReset);
  if (result == kIOReturnSuccess) return result;
  return ResetAndLook(pci, kIOPCIDeviceResetTypeHotReset);
}
