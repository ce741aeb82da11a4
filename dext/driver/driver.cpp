// dext/driver/driver.cpp - the service: start and stop, who it is, claims.
//
// The first claim opens the device and turns on Memory Space and Bus Master; the last claimant's close closes it. The
// service itself is the opener, so that no client has to outlive another.
#include <DriverKit/IOKitKeys.h>
#include <DriverKit/OSCollections.h>

#include "dext/driver/driver_state.h"

namespace {

/// A little-endian number of the nub; 0 if it has none of that name.
uint32_t NumberOf(IOPCIDevice* pci, const char* name) {
  OSContainer* property = nullptr;
  if (pci->SearchProperty(name, kIOServicePlane, 0, &property) != kIOReturnSuccess) return 0;
  uint32_t value = 0;
  if (const OSData* data = OSDynamicCast(OSData, property)) {
    const auto* bytes = static_cast<const uint8_t*>(data->getBytesNoCopy());
    for (size_t i = data->getLength() < 4 ? data->getLength() : 4; i-- > 0;) value = (value << 8) | bytes[i];
  }
  OSSafeReleaseNULL(property);
  return value;
}

/// From the nub's properties: configuration space reads as all-ones until the device is open.
kern_return_t ReadIdentity(IOPCIDevice* pci, DeviceIdentity* identity) {
  const kern_return_t result = pci->GetBusDeviceFunction(&identity->bus, &identity->device, &identity->function);
  if (result != kIOReturnSuccess) return result;
  identity->vendor_id = static_cast<uint16_t>(NumberOf(pci, "vendor-id"));
  identity->device_id = static_cast<uint16_t>(NumberOf(pci, "device-id"));
  identity->class_code = NumberOf(pci, "class-code") & 0xffffff;
  return kIOReturnSuccess;
}

void ForgetBARs(VFIOUserPCIDriver_IVars* ivars) {
  for (IOMemoryDescriptor*& bar : ivars->bars) OSSafeReleaseNULL(bar);
}

}  // namespace

kern_return_t IMPL(VFIOUserPCIDriver, Start) {
  kern_return_t result = Start(provider, SUPERDISPATCH);
  if (result != kIOReturnSuccess) return result;
  IOPCIDevice* pci = OSDynamicCast(IOPCIDevice, provider);
  if (pci == nullptr) return kIOReturnUnsupported;
  ivars = IONewZero(VFIOUserPCIDriver_IVars, 1);
  if (ivars == nullptr) return kIOReturnNoMemory;
  ivars->pci = pci;
  result = ReadIdentity(pci, &ivars->identity);
  if (result != kIOReturnSuccess) return result;
  // The audio function of a graphics card is not passed through; holding it would keep the card busy for nothing.
  if (ivars->identity.class_code >> 16 == kDartboardMultimediaClass) return kIOReturnUnsupported;
  return RegisterService();
}

kern_return_t IMPL(VFIOUserPCIDriver, Stop) {
  if (ivars != nullptr) {
    if (ivars->claims != 0) ivars->pci->Close(this, 0);
    ivars->claims = 0;
    ForgetBARs(ivars);
  }
  return Stop(provider, SUPERDISPATCH);
}

void VFIOUserPCIDriver::free() {
  if (ivars != nullptr) ForgetBARs(ivars);
  IOSafeDeleteNULL(ivars, VFIOUserPCIDriver_IVars, 1);
  super::free();
}

kern_return_t IMPL(VFIOUserPCIDriver, NewUserClient) {
  if (type != 0) return kIOReturnUnsupported;
  IOService* service = nullptr;
  const kern_return_t result = Create(this, "VFIOUserPCIUserClientProperties", &service);
  if (result != kIOReturnSuccess) return result;
  *userClient = OSDynamicCast(IOUserClient, service);
  if (*userClient != nullptr) return kIOReturnSuccess;
  OSSafeReleaseNULL(service);
  return kIOReturnError;
}

kern_return_t VFIOUserPCIDriver::Claim() {
  if (ivars->claims == 0) {
    const kern_return_t result = ivars->pci->Open(this, 0);
    if (result != kIOReturnSuccess) {
      VFIO_LOG("Open failed: %#x", result);
      return result;
    }
    uint16_t command = 0;
    ivars->pci->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
    const uint16_t wanted = command | kIOPCICommandMemorySpace | kIOPCICommandBusMaster;
    if (wanted != command) ivars->pci->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand, wanted);
  }
  ++ivars->claims;
  return kIOReturnSuccess;
}

void VFIOUserPCIDriver::Unclaim() {
  if (ivars->claims == 0 || --ivars->claims != 0) return;
  ForgetBARs(ivars);
  ivars->pci->Close(this, 0);
}

bool VFIOUserPCIDriver::StopBusMaster() {
  uint16_t command = 0xffff;
  ivars->pci->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
  if (command == 0xffff || (command & kIOPCICommandBusMaster) == 0) return false;  // gone, or off already
  ivars->pci->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand,
                                   static_cast<uint16_t>(command & ~kIOPCICommandBusMaster));
  return true;
}

void VFIOUserPCIDriver::ResumeBusMaster() {
  if (ivars->claims == 0) return;
  uint16_t command = 0xffff;
  ivars->pci->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
  if (command == 0xffff) return;
  ivars->pci->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand,
                                   static_cast<uint16_t>(command | kIOPCICommandBusMaster));
}

kern_return_t VFIOUserPCIDriver::CopyBAR(uint8_t bar, IOMemoryDescriptor** memory) {
  if (bar >= kBarCount) return kIOReturnBadArgument;
  if (ivars->bars[bar] == nullptr) {
    uint8_t index = 0, type = 0;
    uint64_t size = 0;
    kern_return_t result = ivars->pci->GetBARInfo(bar, &index, &size, &type);
    if (result != kIOReturnSuccess) return result;
    result = ivars->pci->_CopyDeviceMemoryWithIndex(index, &ivars->bars[bar], this);
    if (result != kIOReturnSuccess) return result;
  }
  ivars->bars[bar]->retain();
  *memory = ivars->bars[bar];
  return kIOReturnSuccess;
}
