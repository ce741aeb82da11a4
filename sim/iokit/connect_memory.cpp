// sim/iokit/connect_memory.cpp - IOConnectMapMemory64 and its inverse; what the client sees of its own mappings.
//
// Source of the rules: xnu IOUserClient.cpp, mapClientMemory64 and is_io_connect_unmap_memory_from_task: every failure
// to map is kIOReturnBadArgument, the driver's code is lost; unmapping asks the driver for the descriptor again and
// finds the map by it, so a driver that makes a new one each time cannot be unmapped.
#include <IOKit/IOKitLib.h>
#include <mach/mach_vm.h>

#include <algorithm>

#include "model/timeline.h"
#include "model/fault.h"
#include "sim/iokit/context.h"
#include "sim/iokit/reserved_memory.h"
#include "sim/macos/pci_nub.h"

namespace dartboard::iokit {
namespace {

using macos::MemoryKind;
using macos::MemoryObject;

constexpr uint32_t kOptionReadOnly = 1;   // kIOUserClientMemoryReadOnly, the driver's word

/// One address range for the whole descriptor, or 0. Scattered descriptors would need the host to alias pages; they
/// are refused, as the mapping would be.
uint64_t contiguous_base(const MemoryObject& memory) {
  const std::vector<MemoryObject::Range>& ranges = memory.ranges();
  if (ranges.empty()) return 0;
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i - 1].base + ranges[i - 1].length != ranges[i].base) return 0;
  }
  return reinterpret_cast<uint64_t>(ranges.front().base);
}

bool place(const MemoryObject& memory, ClientMap* map) {
  map->length = memory.length();
  if (map->length == 0) return false;
  if (memory.copy_on_write()) {
    // Any map of such memory has pages of its own, in the client as in the dext (IOMemoryDescriptor.cpp, mapRef): what is
    // written through it is not seen by DMA, nor at the client's own address of the memory.
    map->copy = memory.copy_for_mapping(0, map->length);
    map->address = map->copy ? reinterpret_cast<uint64_t>(map->copy->ranges().front().base) : 0;
    return map->address != 0;
  }
  if (memory.kind() != MemoryKind::kDevice) {
    map->address = contiguous_base(memory);
    return map->address != 0;
  }
  if (memory.nub() != nullptr) {
    const model::DirectMemory direct = memory.nub()->direct_memory(memory.memory_index());
    if (direct && direct.length >= map->length) {
      map->address = reinterpret_cast<uint64_t>(direct.base);
      return true;
    }
  }
  // Registers: a load or store cannot become a TLP here, so it must not look as if it did.
  map->address = reserve(map->length);
  map->reserved = map->address != 0;
  return map->reserved;
}

vm_prot_t protection(const ClientMap& map) {
  if (map.reserved) return VM_PROT_NONE;
  return map.read_only ? VM_PROT_READ : VM_PROT_READ | VM_PROT_WRITE;
}

/// The mapping of any connection that ends above `address` and starts lowest.
const ClientMap* map_at_or_above(uint64_t address) {
  const ClientMap* best = nullptr;
  Context::instance().handles().for_each(PortKind::kConnection, [&](PortObject& object) {
    for (const ClientMap& map : static_cast<ConnectionObject&>(object).maps) {
      if (map.address + map.length <= address) continue;
      if (best == nullptr || map.address < best->address) best = &map;
    }
  });
  return best;
}

}  // namespace
}  // namespace dartboard::iokit

using namespace dartboard::iokit;   // NOLINT: the C API below is this file's public face

extern "C" {

kern_return_t IOConnectMapMemory64(io_connect_t connect, uint32_t memoryType, task_port_t intoTask,
                                   mach_vm_address_t* atAddress, mach_vm_size_t* ofSize, IOOptionBits options) {
  Context& context = Context::instance();
  dartboard::io_return::Code code;
  ConnectionObject* const connection = find_connection(context, connect, &code);
  if (connection == nullptr) return static_cast<kern_return_t>(code);
  if (intoTask != kTaskSelf || atAddress == nullptr || ofSize == nullptr) return kIOReturnBadArgument;
  // A fixed address cannot be honoured: the bytes are where the device or the driver has them.
  if ((options & kIOMapAnywhere) == 0) return kIOReturnBadArgument;
  context.timeline().advance(connection->call_ns);
  ++context.calls().memory_maps;
  uint32_t driver_options = 0;
  dartboard::macos::Ref<MemoryObject> memory;
  code = connection->client->client_memory_for_type(memoryType, &driver_options, &memory);
  if (code != dartboard::io_return::kSuccess || !memory) return kIOReturnBadArgument;
  const auto known = std::find_if(connection->maps.begin(), connection->maps.end(),
                                  [&](const ClientMap& map) { return map.memory == memory; });
  if (known != connection->maps.end()) {   // the same descriptor shares its map (IOMemoryDescriptor::makeMapping)
    *atAddress = known->address;
    *ofSize = known->length;
    return KERN_SUCCESS;
  }
  ClientMap map;
  map.memory = memory;
  map.read_only = (driver_options & kOptionReadOnly) != 0 || (options & kIOMapReadOnly) != 0;
  if (dartboard::model::fault(dartboard::model::FaultKind::kResourceMapFails, memoryType)) return kIOReturnBadArgument;
  if (!place(*memory, &map)) return kIOReturnBadArgument;
  *atAddress = map.address;
  *ofSize = map.length;
  connection->maps.push_back(std::move(map));
  return KERN_SUCCESS;
}

kern_return_t IOConnectMapMemory(io_connect_t connect, uint32_t memoryType, task_port_t intoTask,
                                 mach_vm_address_t* atAddress, mach_vm_size_t* ofSize, IOOptionBits options) {
  return IOConnectMapMemory64(connect, memoryType, intoTask, atAddress, ofSize, options);
}

kern_return_t IOConnectUnmapMemory64(io_connect_t connect, uint32_t memoryType, task_port_t fromTask,
                                     mach_vm_address_t atAddress) {
  Context& context = Context::instance();
  dartboard::io_return::Code code;
  ConnectionObject* const connection = find_connection(context, connect, &code);
  if (connection == nullptr) return static_cast<kern_return_t>(code);
  if (fromTask != kTaskSelf) return kIOReturnBadArgument;
  context.timeline().advance(connection->call_ns);
  uint32_t driver_options = 0;
  dartboard::macos::Ref<MemoryObject> memory;
  code = connection->client->client_memory_for_type(memoryType, &driver_options, &memory);
  if (code != dartboard::io_return::kSuccess) return static_cast<kern_return_t>(code);
  const auto map = std::find_if(connection->maps.begin(), connection->maps.end(), [&](const ClientMap& candidate) {
    return memory && candidate.memory == memory && candidate.address == atAddress;
  });
  if (map == connection->maps.end()) return kIOReturnBadArgument;
  if (map->reserved) release_reserved(map->address, map->length);
  connection->maps.erase(map);
  return KERN_SUCCESS;
}

kern_return_t IOConnectUnmapMemory(io_connect_t connect, uint32_t memoryType, task_port_t fromTask,
                                   mach_vm_address_t atAddress) {
  return IOConnectUnmapMemory64(connect, memoryType, fromTask, atAddress);
}

kern_return_t mach_vm_region(vm_map_read_t target_task, mach_vm_address_t* address, mach_vm_size_t* size,
                             vm_region_flavor_t flavor, vm_region_info_t info, mach_msg_type_number_t* infoCnt,
                             mach_port_t* object_name) {
  if (target_task != kTaskSelf || flavor != VM_REGION_BASIC_INFO_64) return KERN_INVALID_ARGUMENT;
  if (address == nullptr || size == nullptr || info == nullptr || infoCnt == nullptr) return KERN_INVALID_ARGUMENT;
  if (*infoCnt < VM_REGION_BASIC_INFO_COUNT_64) return KERN_INVALID_ARGUMENT;
  const ClientMap* const map = map_at_or_above(*address);
  if (map == nullptr) return KERN_INVALID_ADDRESS;
  auto* const basic = reinterpret_cast<vm_region_basic_info_64_t>(info);
  *basic = {};
  basic->protection = protection(*map);
  basic->max_protection = basic->protection;
  basic->shared = TRUE;
  *address = map->address;
  *size = map->length;
  *infoCnt = VM_REGION_BASIC_INFO_COUNT_64;
  if (object_name != nullptr) *object_name = MACH_PORT_NULL;
  return KERN_SUCCESS;
}

kern_return_t mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size) {
  if (target != kTaskSelf) return KERN_INVALID_ARGUMENT;
  if (size == 0) return KERN_SUCCESS;
  return free_pages(address, size) ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}

kern_return_t vm_deallocate(vm_map_t target_task, vm_address_t address, vm_size_t size) {
  return mach_vm_deallocate(target_task, address, size);
}

}  // extern "C"
