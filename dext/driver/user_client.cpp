// dext/driver/user_client.cpp - the connection: start and stop, the table of methods, memory to map.
#include "dext/driver/driver_state.h"
#include "dext/driver/mmio.h"

namespace {

using Client = VFIOUserPCIUserClient;
using Arguments = IOUserClientMethodArguments;

struct Method {
  kern_return_t (*call)(Client* client, const uint64_t* in, uint64_t* out, Arguments* arguments);
  uint32_t inputs;   ///< exactly
  uint32_t outputs;  ///< at least; that many are written
};

kern_return_t CallGetIdentity(Client* client, const uint64_t*, uint64_t* out, Arguments*) {
  const DeviceIdentity& identity = client->ivars->driver->ivars->identity;
  out[0] = identity.bus;
  out[1] = identity.device;
  out[2] = identity.function;
  out[3] = identity.vendor_id;
  out[4] = identity.device_id;
  out[5] = identity.class_code;
  return kIOReturnSuccess;
}

kern_return_t CallClaim(Client* client, const uint64_t*, uint64_t*, Arguments*) {
  if (client->ivars->claimed) return kIOReturnSuccess;
  const kern_return_t result = client->ivars->driver->Claim();
  client->ivars->claimed = result == kIOReturnSuccess;
  return result;
}

kern_return_t CallTerminate(Client* client, const uint64_t*, uint64_t*, Arguments*) {
  return client->ivars->driver->Terminate(0);
}

kern_return_t CallAllocateDMABuffer(Client* client, const uint64_t* in, uint64_t* out, Arguments*) {
  const kern_return_t result = AllocateDMABuffer(client, in[0], in[1]);
  if (result != kIOReturnSuccess) return result;
  const DMABuffer& buffer = client->ivars->buffer;
  out[0] = buffer.size;
  out[1] = buffer.flags;
  out[2] = buffer.segment_count;
  out[3] = buffer.first.address;
  out[4] = buffer.first.length;
  out[5] = client->ivars->driver->ivars->identity.class_code;
  return kIOReturnSuccess;
}

kern_return_t CallFreeDMABuffer(Client* client, const uint64_t*, uint64_t*, Arguments*) {
  FreeDMABuffer(client);
  return kIOReturnSuccess;
}

kern_return_t CallRegisterDMARegion(Client* client, const uint64_t* in, uint64_t* out, Arguments*) {
  IOAddressSegment first = {};
  const kern_return_t result = RegisterDMARegion(client, in[0], in[1], in[2], &first);
  if (result != kIOReturnSuccess) return result;
  out[0] = 1;
  out[1] = first.address;
  out[2] = first.length;
  return kIOReturnSuccess;
}

kern_return_t CallUnregisterDMARegion(Client* client, const uint64_t* in, uint64_t*, Arguments*) {
  return UnregisterDMARegion(client, in[0]);
}

kern_return_t CallProbeDMARegion(Client* client, const uint64_t* in, uint64_t* out, Arguments*) {
  return ProbeDMARegion(client, in[0], in[1], &out[0]);
}

kern_return_t CallConfigRead(Client* client, const uint64_t* in, uint64_t* out, Arguments*) {
  return ConfigRead(client->ivars->pci, in[0], in[1], &out[0]);
}

kern_return_t CallConfigWrite(Client* client, const uint64_t* in, uint64_t*, Arguments*) {
  return ConfigWrite(client->ivars->pci, in[0], in[1], in[2]);
}

kern_return_t CallGetBARInfo(Client* client, const uint64_t* in, uint64_t* out, Arguments*) {
  if (in[0] >= kBarCount) return kIOReturnBadArgument;
  uint8_t index = 0, type = 0;
  uint64_t size = 0;
  const kern_return_t result = client->ivars->pci->GetBARInfo(static_cast<uint8_t>(in[0]), &index, &size, &type);
  if (result != kIOReturnSuccess) return result;
  out[0] = index;
  out[1] = size;
  out[2] = type;
  return kIOReturnSuccess;
}

kern_return_t CallMMIORead(Client* client, const uint64_t* in, uint64_t* out, Arguments*) {
  return MMIORead(client->ivars->pci, in[0], in[1], in[2], &out[0]);
}

kern_return_t CallMMIOWrite(Client* client, const uint64_t* in, uint64_t*, Arguments*) {
  return MMIOWrite(client->ivars->pci, in[0], in[1], in[2], in[3]);
}

kern_return_t CallSetupInterrupts(Client* client, const uint64_t*, uint64_t* out, Arguments*) {
  const kern_return_t result = SetupInterrupts(client);
  if (result == kIOReturnSuccess) out[0] = client->ivars->interrupts.count;
  return result;
}

kern_return_t CallCheckInterrupt(Client* client, const uint64_t*, uint64_t* out, Arguments*) {
  return CheckInterrupts(client, out);
}

kern_return_t CallWaitInterrupt(Client* client, const uint64_t*, uint64_t*, Arguments* arguments) {
  return WaitInterrupt(client, arguments->completion);
}

kern_return_t CallSetIRQMask(Client* client, const uint64_t* in, uint64_t*, Arguments*) {
  return SetInterruptMask(client, in);
}

kern_return_t CallResetDevice(Client* client, const uint64_t*, uint64_t*, Arguments*) {
  if (client->ivars->driver->ivars->claims == 0) return kIOReturnNotOpen;
  return ResetDevice(client->ivars->pci);
}

// By selector (dext/abi.h).
constexpr Method kMethods[kSelectorCount] = {
    /* kSelectorGetIdentity         */ {CallGetIdentity, 0, 6},
    /* kSelectorClaim               */ {CallClaim, 0, 0},
    /* kSelectorTerminate           */ {CallTerminate, 0, 0},
    /* kSelectorAllocateDMABuffer   */ {CallAllocateDMABuffer, 2, 6},
    /* kSelectorFreeDMABuffer       */ {CallFreeDMABuffer, 0, 0},
    /* kSelectorRegisterDMARegion   */ {CallRegisterDMARegion, 3, 3},
    /* kSelectorUnregisterDMARegion */ {CallUnregisterDMARegion, 1, 0},
    /* kSelectorProbeDMARegion      */ {CallProbeDMARegion, 2, 1},
    /* kSelectorConfigRead          */ {CallConfigRead, 2, 1},
    /* kSelectorConfigWrite         */ {CallConfigWrite, 3, 0},
    /* kSelectorGetBARInfo          */ {CallGetBARInfo, 1, 3},
    /* kSelectorMMIORead            */ {CallMMIORead, 3, 1},
    /* kSelectorMMIOWrite           */ {CallMMIOWrite, 4, 0},
    /* kSelectorSetupInterrupts     */ {CallSetupInterrupts, 0, 1},
    /* kSelectorCheckInterrupt      */ {CallCheckInterrupt, 0, 4},
    /* kSelectorWaitInterrupt       */ {CallWaitInterrupt, 0, 0},
    /* kSelectorSetIRQMask          */ {CallSetIRQMask, 4, 0},
    /* kSelectorResetDevice         */ {CallResetDevice, 0, 0},
};

}  // namespace

kern_return_t IMPL(VFIOUserPCIUserClient, Start) {
  const kern_return_t result = Start(provider, SUPERDISPATCH);
  if (result != kIOReturnSuccess) return result;
  VFIOUserPCIDriver* driver = OSDynamicCast(VFIOUserPCIDriver, provider);
  if (driver == nullptr) return kIOReturnUnsupported;
  ivars = IONewZero(VFIOUserPCIUserClient_IVars, 1);
  if (ivars == nullptr) return kIOReturnNoMemory;
  ivars->driver = driver;
  ivars->pci = driver->ivars->pci;
  return kIOReturnSuccess;
}

kern_return_t IMPL(VFIOUserPCIUserClient, Stop) {
  if (ivars != nullptr && ivars->driver != nullptr) {
    TeardownInterrupts(this);
    // A device that still does DMA into memory that is no longer mapped takes the Mac down: quiet first, then unmap.
    const bool mapped = ivars->regions.count != 0 || ivars->buffer.memory != nullptr;
    const bool was_master = mapped && ivars->driver->StopBusMaster();
    FreeDMABuffer(this);
    ReleaseAllDMARegions(this);
    if (ivars->claimed) ivars->driver->Unclaim();
    if (was_master) ivars->driver->ResumeBusMaster();  // others may still use the device
    ivars->claimed = false;
    ivars->driver = nullptr;
  }
  return Stop(provider, SUPERDISPATCH);
}

void VFIOUserPCIUserClient::free() {
  IOSafeDeleteNULL(ivars, VFIOUserPCIUserClient_IVars, 1);
  super::free();
}

kern_return_t VFIOUserPCIUserClient::ExternalMethod(uint64_t selector, IOUserClientMethodArguments* arguments,
                                                    const IOUserClientMethodDispatch*, OSObject*, void*) {
  if (selector >= kSelectorCount) return kIOReturnUnsupported;
  if (ivars == nullptr || ivars->driver == nullptr) return kIOReturnNotAttached;
  const Method& method = kMethods[selector];
  if (arguments->scalarInputCount != method.inputs || arguments->scalarOutputCount < method.outputs) {
    return kIOReturnBadArgument;
  }
  const kern_return_t result = method.call(this, arguments->scalarInput, arguments->scalarOutput, arguments);
  arguments->scalarOutputCount = result == kIOReturnSuccess ? method.outputs : 0;
  return result;
}

kern_return_t IMPL(VFIOUserPCIUserClient, CopyClientMemoryForType) {
  if (memory == nullptr || options == nullptr) return kIOReturnBadArgument;
  if (ivars == nullptr || ivars->driver == nullptr) return kIOReturnNotAttached;
  *options = 0;
  if (type >= kMemoryTypeBAR0 && type < kMemoryTypeBAR0 + kBarCount) {
    return ivars->driver->CopyBAR(static_cast<uint8_t>(type - kMemoryTypeBAR0), memory);
  }
  IOBufferMemoryDescriptor* buffer = nullptr;
  switch (type) {
    case kMemoryTypeDMABuffer: buffer = ivars->buffer.memory; break;
    case kMemoryTypeIRQPage: buffer = ivars->interrupts.page; break;
    default: return kIOReturnUnsupported;
  }
  if (buffer == nullptr) return kIOReturnNotReady;
  buffer->retain();
  *memory = buffer;
  return kIOReturnSuccess;
}
