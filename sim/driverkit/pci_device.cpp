// sim/driverkit/pci_device.cpp - IOPCIDevice over the kernel's nub.
//
// Rules: IOPCIFamily PCIDriverKit/IOPCIDevice.cpp and IOPCIDevice.cpp. Accesses belong to the
// session that Open made; without one, reads are all-ones and writes are dropped. MemoryReadN and MemoryWriteN are on
// the way of every trapped guest access, so they go straight to the nub.
#include "sim/driverkit/pci_device.h"

#include <cstring>
#include <utility>

#include <DriverKit/OSCollections.h>

#include "sim/driverkit/internal.h"
#include "sim/driverkit/memory.h"
#include "sim/driverkit/queue.h"
#include "sim/driverkit/service.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_nub_word.h"

using namespace dartboard::driverkit;  // NOLINT: implements Apple's global names
using dartboard::macos::BarInfo;
using dartboard::macos::PciNub;
using dartboard::macos::Property;

namespace {

void reclaim_device(OSMetaClassBase* object) {
  delete std::exchange(static_cast<IOPCIDevice*>(object)->ivars, nullptr);
}
[[maybe_unused]] const bool reclaim_set = (gIOPCIDeviceMetaClassObject.reclaim = reclaim_device, true);

// Past the end the Mac's dext runs into the guard page and dies; here the run goes on and says so.
[[gnu::noinline]] void report_refused(dartboard::io_return::Code code, const char* what, size_t bytes, uint8_t index) {
  if (code != dartboard::io_return::kOverrun) return;
  report(LogLevel::kWarning, "%s%zu past the end of memory index %u: a dext on a Mac would crash", what, 8 * bytes,
         index);
}

template <class T>
void read_memory(const IOPCIDevice_IVars& iv, uint8_t index, uint64_t offset, T* data) {
  const dartboard::io_return::Code code = iv.nub->read_word(iv.owner, index, offset, data);
  if (code != dartboard::io_return::kSuccess) [[unlikely]] {
    *data = static_cast<T>(~T{0});
    report_refused(code, "MemoryRead", sizeof(T), index);
  }
}

template <class T>
void write_memory(const IOPCIDevice_IVars& iv, uint8_t index, uint64_t offset, T data) {
  const dartboard::io_return::Code code = iv.nub->write_word(iv.owner, index, offset, data);
  if (code != dartboard::io_return::kSuccess) [[unlikely]]
    report_refused(code, "MemoryWrite", sizeof(T), index);
}

/// The data is in the nub's property. Any value of the key will do, and whoever has the device open.
kern_return_t wait_for_dart_error(const IOPCIDevice_IVars& iv) {
  PciNub* const nub = iv.nub;  // iv may be gone when the wait ends
  if (nub->kernel().panicked()) return kIOReturnNotResponding;
  if (!nub->is_open()) return kIOReturnNotOpen;
  if (nub->dart_events().pending()) return kIOReturnSuccess;
  return wait_in_kernel(
      "IOPCIDevice::SetProperties(pci-get-dart-error)", dartboard::macos::Ref<dartboard::macos::KernelObject>(nub),
      [nub](std::function<void()> wake) { nub->dart_events().wait(std::move(wake)); },
      [nub] { return to_kern(nub->dart_events().result()); });
}

uint64_t session_of(IOService* client) {
  return client != nullptr ? variables(client).session_id : 0;
}

}  // namespace

namespace dartboard::driverkit {

IOPCIDevice* make_pci_device(PciNub& nub) {
  IOPCIDevice* device = OSTypeAlloc(IOPCIDevice);
  device->init();
  device->ivars->nub = &nub;
  attach(device, nullptr, macos::Ref<macos::RegistryEntry>(&nub), &nub);
  return device;
}

}  // namespace dartboard::driverkit

bool IOPCIDevice::init() {
  ivars = new IOPCIDevice_IVars();
  return IOService::init();
}

void IOPCIDevice::free() {
  if (ivars != nullptr && ivars->owner != 0) ivars->nub->close(ivars->owner);
  reclaim_device(this);
  IOService::free();
}

// --- sessions -------------------------------------------------------------------------------------------------------

kern_return_t IOPCIDevice::Open(IOService* forClient, IOOptionBits options) {
  return _ManageSession(forClient, true, options);
}

void IOPCIDevice::Close(IOService* forClient, IOOptionBits options) {
  _ManageSession(forClient, false, options);
}

kern_return_t IOPCIDevice::_ManageSession_Impl(IOService* forClient, bool openClient, IOOptionBits) {
  const uint64_t session = session_of(forClient);
  if (session == 0) return kIOReturnBadArgument;
  if (openClient) {
    const dartboard::io_return::Code code = ivars->nub->open(session);
    if (code == dartboard::io_return::kSuccess) ivars->owner = session;
    return to_kern(code);
  }
  if (!ivars->nub->is_open_by(session)) return kIOReturnNotOpen;  // only the opener closes
  ivars->nub->close(session);
  if (ivars->owner == session) ivars->owner = 0;
  return kIOReturnSuccess;
}

kern_return_t IOPCIDevice::ClientCrashed_Impl(IOService* client, uint64_t) {
  ivars->nub->client_crashed(session_of(client));
  ivars->owner = 0;
  return kIOReturnSuccess;
}

// --- configuration space --------------------------------------------------------------------------------------------

void IOPCIDevice::ConfigurationRead32(uint64_t offset, uint32_t* readData) {
  *readData = ivars->nub->config_read(ivars->owner, offset, 4);
}
void IOPCIDevice::ConfigurationRead16(uint64_t offset, uint16_t* readData) {
  *readData = static_cast<uint16_t>(ivars->nub->config_read(ivars->owner, offset, 2));
}
void IOPCIDevice::ConfigurationRead8(uint64_t offset, uint8_t* readData) {
  *readData = static_cast<uint8_t>(ivars->nub->config_read(ivars->owner, offset, 1));
}
void IOPCIDevice::ConfigurationWrite32(uint64_t offset, uint32_t data) {
  ivars->nub->config_write(ivars->owner, offset, 4, data);
}
void IOPCIDevice::ConfigurationWrite16(uint64_t offset, uint16_t data) {
  ivars->nub->config_write(ivars->owner, offset, 2, data);
}
void IOPCIDevice::ConfigurationWrite8(uint64_t offset, uint8_t data) {
  ivars->nub->config_write(ivars->owner, offset, 1, data);
}

// --- device memory --------------------------------------------------------------------------------------------------

void IOPCIDevice::MemoryRead64(uint8_t i, uint64_t o, uint64_t* d) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryRead32(uint8_t i, uint64_t o, uint32_t* d) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryRead16(uint8_t i, uint64_t o, uint16_t* d) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryRead8(uint8_t i, uint64_t o, uint8_t* d) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryRead64(uint8_t i, uint64_t o, uint64_t* d, IOOptionBits) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryRead32(uint8_t i, uint64_t o, uint32_t* d, IOOptionBits) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryRead16(uint8_t i, uint64_t o, uint16_t* d, IOOptionBits) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryRead8(uint8_t i, uint64_t o, uint8_t* d, IOOptionBits) {
  read_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite64(uint8_t i, uint64_t o, uint64_t d) {
  write_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite32(uint8_t i, uint64_t o, uint32_t d) {
  write_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite16(uint8_t i, uint64_t o, uint16_t d) {
  write_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite8(uint8_t i, uint64_t o, uint8_t d) {
  write_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite64(uint8_t i, uint64_t o, uint64_t d, IOOptionBits) {
  write_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite32(uint8_t i, uint64_t o, uint32_t d, IOOptionBits) {
  write_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite16(uint8_t i, uint64_t o, uint16_t d, IOOptionBits) {
  write_memory(*ivars, i, o, d);
}
void IOPCIDevice::MemoryWrite8(uint8_t i, uint64_t o, uint8_t d, IOOptionBits) {
  write_memory(*ivars, i, o, d);
}

kern_return_t IOPCIDevice::_MemoryAccess_Impl(uint64_t operation, uint64_t offset, uint64_t data, uint64_t* readData,
                                              IOService* forClient, IOOptionBits) {
  const uint64_t session = session_of(forClient);
  if (session == 0 || !ivars->nub->is_open_by(session)) return kIOReturnNotOpen;
  const unsigned width = (operation & kPCIDriverKitMemoryAccessOperation8Bit) != 0    ? 1
                         : (operation & kPCIDriverKitMemoryAccessOperation16Bit) != 0 ? 2
                         : (operation & kPCIDriverKitMemoryAccessOperation32Bit) != 0 ? 4
                         : (operation & kPCIDriverKitMemoryAccessOperation64Bit) != 0 ? 8
                                                                                      : 0;
  const auto index = static_cast<unsigned>(operation & kPCIDriverKitMemoryAccessOperationDeviceMemoryIndexMask);
  if (width == 0) return kIOReturnBadArgument;
  if ((operation & kPCIDriverKitMemoryAccessOperationDeviceRead) != 0) {
    if (readData == nullptr) return kIOReturnBadArgument;
    return to_kern(ivars->nub->memory_read(session, index, offset, width, readData));
  }
  if ((operation & kPCIDriverKitMemoryAccessOperationDeviceWrite) != 0) {
    return to_kern(ivars->nub->memory_write(session, index, offset, width, data));
  }
  if ((operation & kPCIDriverKitMemoryAccessOperationConfigurationRead) != 0 && width <= 4) {
    if (readData == nullptr) return kIOReturnBadArgument;
    *readData = ivars->nub->config_read(session, offset, width);
    return kIOReturnSuccess;
  }
  if ((operation & kPCIDriverKitMemoryAccessOperationConfigurationWrite) != 0 && width <= 4) {
    ivars->nub->config_write(session, offset, width, static_cast<uint32_t>(data));
    return kIOReturnSuccess;
  }
  return kIOReturnUnsupported;  // I/O space: compiled only for x86
}

kern_return_t IOPCIDevice::GetBARInfo_Impl(uint8_t barIndex, uint8_t* memoryIndex, uint64_t* barSize,
                                           uint8_t* barType) {
  BarInfo info{};
  const dartboard::io_return::Code code = ivars->nub->bar_info(barIndex, &info);
  if (code != dartboard::io_return::kSuccess) return to_kern(code);
  if (memoryIndex != nullptr) *memoryIndex = info.memory_index;
  if (barSize != nullptr) *barSize = info.size;
  if (barType != nullptr) *barType = static_cast<uint8_t>(info.type);
  return kIOReturnSuccess;
}

kern_return_t IOPCIDevice::_CopyDeviceMemoryWithIndex_Impl(uint64_t memoryIndex, IOMemoryDescriptor** returnMemory,
                                                           IOService* forClient) {
  if (returnMemory == nullptr) return kIOReturnBadArgument;
  *returnMemory = nullptr;
  dartboard::macos::Ref<dartboard::macos::MemoryObject> object;
  const dartboard::io_return::Code code = ivars->nub->copy_device_memory(session_of(forClient), memoryIndex, &object);
  if (code != dartboard::io_return::kSuccess) return to_kern(code);
  *returnMemory = make_descriptor(std::move(object));
  return kIOReturnSuccess;
}

// --- capabilities, interrupts, reset, power -------------------------------------------------------------------------

kern_return_t IOPCIDevice::FindPCICapability_Impl(uint32_t capabilityID, uint64_t searchOffset, uint64_t* found) {
  if (found == nullptr) return kIOReturnBadArgument;
  return to_kern(ivars->nub->find_capability(capabilityID, searchOffset, found));
}

kern_return_t IOPCIDevice::GetBusDeviceFunction_Impl(uint8_t* bus, uint8_t* device, uint8_t* function) {
  if (bus == nullptr || device == nullptr || function == nullptr) return kIOReturnBadArgument;
  const dartboard::Rid rid = ivars->nub->rid();
  *bus = rid.bus();
  *device = rid.device();
  *function = rid.function();
  return kIOReturnSuccess;
}

kern_return_t IOPCIDevice::ConfigureInterrupts_Impl(uint32_t type, uint32_t required, uint32_t requested,
                                                    IOOptionBits options) {
  return to_kern(ivars->nub->configure_interrupts(type, required, requested, options));
}

kern_return_t IOPCIDevice::Reset_Impl(IOOptionBits type, IOOptionBits options) {
  return to_kern(ivars->nub->reset_device(type, options));
}

kern_return_t IOPCIDevice::SetLinkSpeed_Impl(IOPCILinkSpeed linkSpeed, bool retrain) {
  return to_kern(ivars->nub->set_link_speed(linkSpeed, retrain));
}

kern_return_t IOPCIDevice::GetLinkSpeed_Impl(IOPCILinkSpeed* linkSpeed) {
  if (linkSpeed == nullptr) return kIOReturnBadArgument;
  uint32_t speed = 0;
  const dartboard::io_return::Code code = ivars->nub->link_speed(&speed);
  *linkSpeed = static_cast<IOPCILinkSpeed>(speed);
  return to_kern(code);
}

kern_return_t IOPCIDevice::SaveDeviceState_Impl(IOOptionBits options) {
  return to_kern(ivars->nub->save_state(options));
}
kern_return_t IOPCIDevice::RestoreDeviceState_Impl(IOOptionBits options) {
  return to_kern(ivars->nub->restore_state(options));
}
kern_return_t IOPCIDevice::SetASPMState_Impl(IOOptionBits control) {
  return to_kern(ivars->nub->set_aspm(control & 3));
}
kern_return_t IOPCIDevice::HasPCIPowerManagement_Impl(uint64_t state) {
  return ivars->nub->has_power_management(state) ? kIOReturnSuccess : kIOReturnUnsupported;
}
kern_return_t IOPCIDevice::EnablePCIPowerManagement_Impl(uint64_t state) {
  return to_kern(ivars->nub->enable_power_management(state));
}

kern_return_t IOPCIDevice::SetProperties_Impl(OSDictionary* properties) {
  // IOPCIFamily-726.0.5 takes three power keys, if they are booleans, and the wait for a DART fault, which comes last
  // and decides the answer. Whatever else there is, is not set; nothing to do is BadArgument.
  if (properties == nullptr) return kIOReturnBadArgument;
  kern_return_t result = kIOReturnBadArgument;
  for (const char* key : {"IOPMPCIConfigSpaceVolatile", "IOPMPCISleepLinkDisable", "IOPMPCISleepReset"}) {
    const OSBoolean* const value = OSDynamicCast(OSBoolean, properties->getObject(key));
    if (value == nullptr) continue;
    ivars->nub->properties().insert_or_assign(key, Property{value->getValue()});
    result = kIOReturnSuccess;
  }
  if (properties->getObject("pci-get-dart-error") != nullptr) result = wait_for_dart_error(*ivars);
  return result;
}
