// sim/driverkit/dma.cpp - IODMACommand over the kernel's DMA command.
#include <utility>

#include <DriverKit/IODMACommand.h>
#include <DriverKit/IOService.h>

#include "sim/driverkit/internal.h"
#include "sim/driverkit/memory.h"
#include "sim/driverkit/pci_device.h"
#include "sim/macos/dma_command.h"

struct IODMACommand_IVars {
  dartboard::macos::Ref<dartboard::macos::DmaCommand> command;
  IOMemoryDescriptor* memory = nullptr;  ///< what is prepared, retained, for GetPreparation
};

using namespace dartboard::driverkit;  // NOLINT: implements Apple's global names
using dartboard::macos::DmaCommand;
using dartboard::macos::DmaSegment;
using dartboard::macos::Ref;

static_assert(sizeof(DmaSegment) == sizeof(IOAddressSegment) && dartboard::macos::kDmaSegmentsMax == 32);

namespace {
void reclaim_command(OSMetaClassBase* object) {
  delete std::exchange(static_cast<IODMACommand*>(object)->ivars, nullptr);
}
[[maybe_unused]] const bool reclaim_set = (gIODMACommandMetaClassObject.reclaim = reclaim_command, true);
}  // namespace

kern_return_t IODMACommand::Create_Impl(IOService* device, uint64_t options,
                                        const IODMACommandSpecification* specification, IODMACommand** command) {
  if (command == nullptr) return kIOReturnBadArgument;
  *command = nullptr;
  IOPCIDevice* pci = OSDynamicCast(IOPCIDevice, device);
  if (pci == nullptr || specification == nullptr) return kIOReturnBadArgument;
  Ref<DmaCommand> made;
  const dartboard::io_return::Code code =
      DmaCommand::create(*pci->ivars->nub, options, specification->maxAddressBits, &made);
  if (code != dartboard::io_return::kSuccess) return to_kern(code);
  IODMACommand* created = OSTypeAlloc(IODMACommand);
  created->ivars = new IODMACommand_IVars{std::move(made)};
  created->init();
  *command = created;
  return kIOReturnSuccess;
}

bool IODMACommand::init() {
  return OSObject::init();
}

void IODMACommand::free() {
  IOMemoryDescriptor* memory = ivars != nullptr ? ivars->memory : nullptr;
  reclaim_command(this);  // an active command completes itself
  OSSafeReleaseNULL(memory);
  OSObject::free();
}

kern_return_t IODMACommand::PrepareForDMA_Impl(uint64_t options, IOMemoryDescriptor* memory, uint64_t offset,
                                               uint64_t length, uint64_t* flags, uint32_t* segmentsCount,
                                               IOAddressSegment* segments) {
  if (memory == nullptr || segmentsCount == nullptr || segments == nullptr) return kIOReturnBadArgument;
  // The generated code on a Mac always has room for 32 and hands over what fits the caller.
  DmaSegment found[32];
  uint32_t count = *segmentsCount < 32 ? *segmentsCount : 32;
  uint64_t direction = 0;
  const dartboard::io_return::Code code = ivars->command->prepare(options, memory->IOMemoryDescriptor::ivars->object,
                                                                  offset, length, &direction, &count, found);
  if (code != dartboard::io_return::kSuccess) return to_kern(code);
  if (flags != nullptr) *flags = direction;
  *segmentsCount = count;
  for (uint32_t i = 0; i < count; ++i) segments[i] = {found[i].address, found[i].length};
  memory->retain();
  IOMemoryDescriptor* previous = std::exchange(ivars->memory, memory);
  OSSafeReleaseNULL(previous);
  return kIOReturnSuccess;
}

kern_return_t IODMACommand::CompleteDMA_Impl(uint64_t options) {
  const dartboard::io_return::Code code = ivars->command->complete(options);
  if (code == dartboard::io_return::kSuccess) OSSafeReleaseNULL(ivars->memory);
  return to_kern(code);
}

kern_return_t IODMACommand::GetPreparation_Impl(uint64_t* offset, uint64_t* length, IOMemoryDescriptor** memory) {
  if (offset == nullptr || length == nullptr || memory == nullptr) return kIOReturnBadArgument;
  Ref<dartboard::macos::MemoryObject> object;
  const dartboard::io_return::Code code = ivars->command->preparation(offset, length, &object);
  if (code != dartboard::io_return::kSuccess) return to_kern(code);
  *memory = ivars->memory;
  if (*memory != nullptr) (*memory)->retain();
  return kIOReturnSuccess;
}

kern_return_t IODMACommand::PerformOperation_Impl(uint64_t options, uint64_t dmaOffset, uint64_t length,
                                                  uint64_t dataOffset, IOMemoryDescriptor* data) {
  return to_kern(ivars->command->perform(options, dmaOffset, length, dataOffset,
                                         data != nullptr ? data->IOMemoryDescriptor::ivars->object.get() : nullptr));
}
