// dext/client/discovery.cpp - see discovery.h.
#include "dext/client/discovery.h"

#include <CoreFoundation/CoreFoundation.h>
#include <mach/mach.h>

#include <array>

#include <fmt/format.h>

#include "base/format.h"
#include "dext/abi.h"
#include "dext/client/codes.h"

namespace dartboard::dext {
namespace {

constexpr unsigned kAncestorsMax = 64;  // depth of the registry walked for the root

/// {IOProviderClass: IOUserService, IOPropertyMatch: {IOUserClass: VFIOUserPCIDriver}}; consumed by the matching call.
CFMutableDictionaryRef driver_matching() {
  CFMutableDictionaryRef matching = IOServiceMatching("IOUserService");
  if (matching == nullptr) return nullptr;
  const void* keys[] = {CFSTR("IOUserClass")};
  const void* values[] = {CFSTR(kDartboardDextClassName)};
  CFDictionaryRef properties = CFDictionaryCreate(kCFAllocatorDefault, keys, values, 1, &kCFTypeDictionaryKeyCallBacks,
                                                  &kCFTypeDictionaryValueCallBacks);
  if (properties != nullptr) {
    CFDictionarySetValue(matching, CFSTR("IOPropertyMatch"), properties);
    CFRelease(properties);
  }
  return matching;
}

/// Registry name of the topmost IOPCIDevice above the service: the root complex. Bus numbers repeat across them.
std::string root_name(io_service_t service) {
  std::string name;
  io_registry_entry_t first = IO_OBJECT_NULL;
  if (IORegistryEntryGetParentEntry(service, kIOServicePlane, &first) != KERN_SUCCESS) return name;
  IoObject entry(first);
  for (unsigned depth = 0; entry && depth < kAncestorsMax; ++depth) {
    if (IOObjectConformsTo(entry.get(), "IOPCIDevice")) {
      io_name_t text = {};
      if (IORegistryEntryGetName(entry.get(), text) == KERN_SUCCESS) name = text;
    }
    io_registry_entry_t parent = IO_OBJECT_NULL;
    if (IORegistryEntryGetParentEntry(entry.get(), kIOServicePlane, &parent) != KERN_SUCCESS) break;
    entry = IoObject(parent);
  }
  return name;
}

io_return::Code identify(io_service_t service, FoundDevice* device) {
  io_connect_t connect = IO_OBJECT_NULL;
  const kern_return_t opened = IOServiceOpen(service, mach_task_self(), 0, &connect);
  if (opened != KERN_SUCCESS) return static_cast<io_return::Code>(opened);
  device->connection = IoConnection(connect);
  return get_identity(connect, &device->listing.identity);
}

}  // namespace

io_return::Code get_identity(io_connect_t connect, Identity* identity) {
  std::array<uint64_t, 6> out{};
  uint32_t count = out.size();
  const kern_return_t code = IOConnectCallScalarMethod(connect, kSelectorGetIdentity, nullptr, 0, out.data(), &count);
  if (code != KERN_SUCCESS) return static_cast<io_return::Code>(code);
  if (count < out.size()) return io_return::kUnderrun;
  identity->bus = static_cast<uint8_t>(out[0]);
  identity->device = static_cast<uint8_t>(out[1]);
  identity->function = static_cast<uint8_t>(out[2]);
  identity->vendor_id = static_cast<uint16_t>(out[3]);
  identity->device_id = static_cast<uint16_t>(out[4]);
  identity->class_code = static_cast<uint32_t>(out[5] & 0xffffff);
  return io_return::kSuccess;
}

std::string device_text(const DeviceListing& listing) {
  const Identity& id = listing.identity;
  return compiled_text(FMT_COMPILE("{}/{:02x}:{:02x}.{} ({:04x}:{:04x})"), listing.root.empty() ? "?" : listing.root,
                       id.bus, id.device, id.function, id.vendor_id, id.device_id);
}

Result<std::vector<FoundDevice>> find_devices() {
  io_iterator_t found = IO_OBJECT_NULL;
  const kern_return_t code = IOServiceGetMatchingServices(kIOMainPortDefault, driver_matching(), &found);
  if (code != KERN_SUCCESS) {
    return tl::unexpected(
        describe(static_cast<io_return::Code>(code), "IOServiceGetMatchingServices", kDartboardDextClassName));
  }
  const IoObject iterator(found);
  std::vector<FoundDevice> devices;
  while (true) {
    IoObject service(IOIteratorNext(iterator.get()));
    if (!service) break;
    FoundDevice device;
    const io_return::Code refusal = identify(service.get(), &device);
    if (refusal == io_return::kNotPermitted || refusal == io_return::kNotPrivileged) {
      return tl::unexpected(describe(refusal, "IOServiceOpen", kDartboardDextClassName));
    }
    if (refusal != io_return::kSuccess) continue;
    device.listing.root = root_name(service.get());
    if (IORegistryEntryGetRegistryEntryID(service.get(), &device.listing.registry_id) != KERN_SUCCESS) continue;
    device.service = std::move(service);
    devices.push_back(std::move(device));
  }
  return devices;
}

Result<std::vector<DeviceListing>> list_devices() {
  Result<std::vector<FoundDevice>> devices = find_devices();
  if (!devices) return tl::unexpected(devices.error());
  std::vector<DeviceListing> listings;
  for (const FoundDevice& device : *devices) listings.push_back(device.listing);
  return listings;
}

}  // namespace dartboard::dext
