// sim/driverkit/memory.cpp - memory descriptors, buffers and maps over the kernel's memory objects.
//
// Rules: xnu IOUserServer.cpp, IOMemoryDescriptor.cpp. Device, dext and client see the same
// bytes. Device memory that is registers has no bytes: it maps to a range that faults, as a guard page would, and the
// dext uses IOPCIDevice's calls.
#include "sim/driverkit/memory.h"

#include <new>
#include <utility>
#include <vector>

#include <DriverKit/IOBufferMemoryDescriptor.h>

#include "base/types.h"
#include "model/fault.h"
#include "sim/driverkit/internal.h"
#include "sim/macos/pci_nub.h"

using namespace dartboard::driverkit;  // NOLINT: implements Apple's global names
using dartboard::in_range;
using dartboard::macos::MemoryDirection;
using dartboard::macos::MemoryObject;
using dartboard::macos::Ref;

namespace {

void reclaim_descriptor(OSMetaClassBase* object) {
  delete std::exchange(static_cast<IOMemoryDescriptor*>(object)->IOMemoryDescriptor::ivars, nullptr);
}
void reclaim_map(OSMetaClassBase* object) {
  IOMemoryMap_IVars* iv = std::exchange(static_cast<IOMemoryMap*>(object)->ivars, nullptr);
  if (iv == nullptr) return;
  if (iv->reserved != nullptr) release_address_range(iv->reserved, iv->reserved_bytes);
  delete iv;
}
[[maybe_unused]] const bool reclaim_set = (gIOMemoryDescriptorMetaClassObject.reclaim = reclaim_descriptor,
                                           gIOMemoryMapMetaClassObject.reclaim = reclaim_map, true);

constexpr uint64_t kDirectionBits = kIOMemoryDirectionInOut;

/// The byte at `offset` if [offset, offset+length) is contiguous in this process, else null.
std::byte* contiguous(const MemoryObject& object, uint64_t offset, uint64_t length) {
  uint64_t skip = offset;
  std::byte* base = nullptr;
  std::byte* expected = nullptr;
  uint64_t have = 0;
  for (const MemoryObject::Range& range : object.ranges()) {
    if (skip >= range.length) {
      skip -= range.length;
      continue;
    }
    std::byte* start = range.base + skip;
    if (base == nullptr) {
      base = start;
    } else if (start != expected) {
      return nullptr;
    }
    have += range.length - skip;
    expected = range.base + range.length;
    skip = 0;
    if (have >= length) return base;
  }
  return nullptr;
}

template <class C>
C* make(Ref<MemoryObject> object) {
  C* descriptor = OSTypeAlloc(C);
  descriptor->IOMemoryDescriptor::ivars = new IOMemoryDescriptor_IVars{std::move(object)};
  descriptor->init();
  return descriptor;
}

}  // namespace

namespace dartboard::driverkit {

IOMemoryDescriptor* make_descriptor(Ref<MemoryObject> object) {
  return object ? make<IOMemoryDescriptor>(std::move(object)) : nullptr;
}

}  // namespace dartboard::driverkit

// --- IOMemoryDescriptor ---------------------------------------------------------------------------------------------

bool IOMemoryDescriptor::init() {
  return OSObject::init();
}
void IOMemoryDescriptor::free() {
  reclaim_descriptor(this);
  OSObject::free();
}

kern_return_t IOMemoryDescriptor::GetLength(uint64_t* returnLength) {
  if (returnLength == nullptr) return kIOReturnBadArgument;
  *returnLength = ivars->object->length();
  return kIOReturnSuccess;
}

kern_return_t IOMemoryDescriptor::_CopyState_Impl(_IOMDPrivateState* state) {
  if (state == nullptr) return kIOReturnBadArgument;
  state->length = ivars->object->length();
  state->options = static_cast<uint64_t>(ivars->object->direction());
  return kIOReturnSuccess;
}

kern_return_t IOMemoryDescriptor::CreateMapping_Impl(uint64_t options, uint64_t, uint64_t offset, uint64_t length,
                                                     uint64_t, IOMemoryMap** map) {
  if (map == nullptr) return kIOReturnBadArgument;
  *map = nullptr;
  const uint64_t cache = options & 0xff00;
  if (cache != 0 && cache != kIOMemoryMapCacheModeInhibit && cache != kIOMemoryMapCacheModeWriteThru &&
      cache != kIOMemoryMapCacheModeCopyback && cache != kIOMemoryMapCacheModeRealTime) {
    return kIOReturnBadArgument;
  }
  if ((options & kIOMemoryMapFixedAddress) != 0)
    return kIOReturnError;  // no address of this process is the dext's to choose
  const Ref<MemoryObject>& object = ivars->object;
  if (offset > object->length()) return kIOReturnError;
  if (length == 0) length = object->length() - offset;
  if (length == 0 || !in_range(offset, length, object->length())) return kIOReturnError;
  if (dartboard::model::fault(dartboard::model::FaultKind::kResourceMapFails, length)) return kIOReturnError;

  auto* iv = new IOMemoryMap_IVars();
  iv->object = object;
  iv->length = length;
  iv->offset = offset;
  std::byte* base = nullptr;
  if (object->kind() == dartboard::macos::MemoryKind::kDevice) {
    const dartboard::model::DirectMemory direct = object->nub()->direct_memory(object->memory_index());
    const uint64_t start = object->device_offset() + offset;
    if (direct && in_range(start, length, direct.length)) {
      base = direct.base + start;
    } else {
      iv->reserved = reserve_address_range(length);
      iv->reserved_bytes = length;
      base = static_cast<std::byte*>(iv->reserved);
    }
  } else if (object->copy_on_write()) {
    // The map has pages of its own; the object stays what DMA works on.
    iv->object = object->copy_for_mapping(offset, length);
    if (iv->object) base = iv->object->ranges().front().base;
  } else {
    base = contiguous(*object, offset, length);
    if (base == nullptr)
      report(LogLevel::kWarning, "CreateMapping: scattered client memory cannot be mapped as one range");
  }
  if (base == nullptr) {
    delete iv;
    return kIOReturnError;
  }
  iv->address = reinterpret_cast<uintptr_t>(base);
  *map = OSTypeAlloc(IOMemoryMap);
  (*map)->ivars = iv;
  (*map)->init();
  return kIOReturnSuccess;
}

kern_return_t IOMemoryDescriptor::CreateSubMemoryDescriptor_Impl(uint64_t options, uint64_t offset, uint64_t length,
                                                                 IOMemoryDescriptor* ofDescriptor,
                                                                 IOMemoryDescriptor** memory) {
  if (memory == nullptr) return kIOReturnBadArgument;
  *memory = nullptr;
  if (ofDescriptor == nullptr || (options & ~kDirectionBits) != 0) return kIOReturnBadArgument;
  if (!in_range(offset, length, ofDescriptor->ivars->object->length())) return kIOReturnBadArgument;
  *memory = make_descriptor(
      MemoryObject::sub(ofDescriptor->ivars->object, offset, length, static_cast<MemoryDirection>(options)));
  return *memory != nullptr ? kIOReturnSuccess : kIOReturnNoMemory;
}

kern_return_t IOMemoryDescriptor::CreateWithMemoryDescriptors_Impl(uint64_t options, uint32_t count,
                                                                   IOMemoryDescriptor* const* descriptors,
                                                                   IOMemoryDescriptor** memory) {
  if (memory == nullptr) return kIOReturnBadArgument;
  *memory = nullptr;
  if (descriptors == nullptr || count == 0 || count > 32 || (options & ~kDirectionBits) != 0)
    return kIOReturnBadArgument;
  std::vector<Ref<MemoryObject>> parts;
  for (uint32_t i = 0; i < count; ++i) {
    if (descriptors[i] == nullptr) return kIOReturnBadArgument;
    parts.push_back(descriptors[i]->ivars->object);
  }
  *memory = make_descriptor(MemoryObject::concatenation(parts, static_cast<MemoryDirection>(options)));
  return *memory != nullptr ? kIOReturnSuccess : kIOReturnNoMemory;
}

// --- IOBufferMemoryDescriptor ---------------------------------------------------------------------------------------

kern_return_t IOBufferMemoryDescriptor::Create_Impl(uint64_t options, uint64_t capacity, uint64_t alignment,
                                                    IOBufferMemoryDescriptor** memory) {
  if (memory == nullptr) return kIOReturnBadArgument;
  *memory = nullptr;
  if ((options & ~kDirectionBits) != 0) return kIOReturnBadArgument;
  Ref<MemoryObject> object = MemoryObject::buffer(capacity, alignment, static_cast<MemoryDirection>(options));
  if (!object) return kIOReturnNoMemory;
  *memory = make<IOBufferMemoryDescriptor>(std::move(object));
  return kIOReturnSuccess;
}

bool IOBufferMemoryDescriptor::init() {
  return IOMemoryDescriptor::init();
}
void IOBufferMemoryDescriptor::free() {
  IOMemoryDescriptor::free();
}

kern_return_t IOBufferMemoryDescriptor::GetAddressRange(IOAddressSegment* range) {
  if (range == nullptr) return kIOReturnBadArgument;
  const MemoryObject& object = *IOMemoryDescriptor::ivars->object;
  range->address = reinterpret_cast<uintptr_t>(object.ranges()[0].base);
  range->length = object.length();
  return kIOReturnSuccess;
}

kern_return_t IOBufferMemoryDescriptor::SetLength_Impl(uint64_t length) {
  return to_kern(IOMemoryDescriptor::ivars->object->set_length(length));
}

// --- IOMemoryMap ----------------------------------------------------------------------------------------------------

bool IOMemoryMap::init() {
  return OSObject::init();
}
void IOMemoryMap::free() {
  reclaim_map(this);
  OSObject::free();
}
uint64_t IOMemoryMap::GetAddress() {
  return ivars->address;
}
uint64_t IOMemoryMap::GetLength() {
  return ivars->length;
}
uint64_t IOMemoryMap::GetOffset() {
  return ivars->offset;
}
