// sim/driverkit/memory.h - what memory descriptors and maps hold.
#pragma once

#include <cstdint>

#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOMemoryMap.h>

#include "sim/macos/memory_object.h"

struct IOMemoryDescriptor_IVars {
  dartboard::macos::Ref<dartboard::macos::MemoryObject> object;
};

struct IOMemoryMap_IVars {
  dartboard::macos::Ref<dartboard::macos::MemoryObject> object;  ///< kept alive by the map
  uint64_t address = 0;
  uint64_t length = 0;
  uint64_t offset = 0;
  void* reserved = nullptr;  ///< address range without memory, given back with the map
  uint64_t reserved_bytes = 0;
};

namespace dartboard::driverkit {

/// A descriptor for the kernel's object, or null for null. One reference, the caller's.
IOMemoryDescriptor* make_descriptor(macos::Ref<macos::MemoryObject> object);

/// An address range that faults when it is touched; null: none to be had. Platform file: address_range.cpp.
void* reserve_address_range(uint64_t bytes);
void release_address_range(void* base, uint64_t bytes);

}  // namespace dartboard::driverkit
