// dext/driver/interrupts.cpp - the device's vectors as bits in a page that the client shares.
//
// A vector sets its pending bit if the client enabled it (else it is dropped) and completes the waiting call, if any.
// The page's words are read and written by the client at the same time: atomics.
#include "dext/driver/driver_state.h"

namespace {

/// MSI-X table size, else 1 << MMC of MSI, else 1 (PCIe 6.0 s7.7.2.2, s7.7.1.2).
uint32_t VectorsOfDevice(IOPCIDevice* pci, bool* is_msix) {
  uint64_t capability = 0;
  uint16_t control = 0;
  *is_msix = pci->FindPCICapability(kIOPCICapabilityIDMSIX, 0, &capability) == kIOReturnSuccess;
  if (*is_msix) {
    pci->ConfigurationRead16(capability + 2, &control);
    return (control & 0x7ffu) + 1;
  }
  if (pci->FindPCICapability(kIOPCICapabilityIDMSI, 0, &capability) == kIOReturnSuccess) {
    pci->ConfigurationRead16(capability + 2, &control);
    return 1u << ((control >> 1) & 7);
  }
  return 1;
}

/// One vector: source, action that knows its number, handler. On failure nothing is left.
kern_return_t RegisterVector(VFIOUserPCIUserClient* client, uint32_t vector) {
  Interrupts& interrupts = client->ivars->interrupts;
  IOInterruptDispatchSource* source = nullptr;
  kern_return_t result = IOInterruptDispatchSource::Create(client->ivars->pci, vector, interrupts.queue, &source);
  if (result != kIOReturnSuccess) return result;
  OSAction* action = nullptr;
  result = client->CreateActionInterruptOccurred(sizeof(uint32_t), &action);
  if (result == kIOReturnSuccess) {
    *static_cast<uint32_t*>(action->GetReference()) = vector;
    result = source->SetHandler(action);
  }
  if (result == kIOReturnSuccess) result = source->SetEnable(true);
  OSSafeReleaseNULL(action);  // the source keeps it
  if (result != kIOReturnSuccess) {
    source->Cancel(^{
      source->release();
    });
    return result;
  }
  interrupts.sources[vector] = source;
  return kIOReturnSuccess;
}

void CompleteWaiting(VFIOUserPCIUserClient* client) {
  OSAction* waiting = __atomic_exchange_n(&client->ivars->interrupts.waiting, nullptr, __ATOMIC_ACQ_REL);
  if (waiting == nullptr) return;
  client->AsyncCompletion(waiting, kIOReturnSuccess, nullptr, 0);
  waiting->release();
}

}  // namespace

kern_return_t SetupInterrupts(VFIOUserPCIUserClient* client) {
  Interrupts& interrupts = client->ivars->interrupts;
  IOPCIDevice* pci = client->ivars->pci;
  if (client->ivars->driver->ivars->claims == 0) return kIOReturnNotOpen;
  if (interrupts.count != 0) return kIOReturnStillOpen;

  kern_return_t result = IODispatchQueue::Create("VFIOUserPCIInterrupts", 0, 0, &interrupts.queue);
  IOAddressSegment range = {};
  if (result == kIOReturnSuccess) {
    result = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, kDartboardIRQPageBytes, kDartboardIRQPageBytes,
                                              &interrupts.page);
  }
  if (result == kIOReturnSuccess) result = interrupts.page->GetAddressRange(&range);
  if (result != kIOReturnSuccess) {
    TeardownInterrupts(client);
    return result;
  }
  auto* page = reinterpret_cast<volatile uint64_t*>(range.address);
  interrupts.pending = page + kDartboardIRQPendingOffset / sizeof(uint64_t);
  interrupts.enabled = page + kDartboardIRQEnableOffset / sizeof(uint64_t);
  for (uint32_t i = 0; i < kVectorWords; ++i) {
    __atomic_store_n(&interrupts.enabled[i], UINT64_MAX, __ATOMIC_RELEASE);
  }

  bool is_msix = false;
  uint32_t requested = VectorsOfDevice(pci, &is_msix);
  if (requested > kDartboardVectorsMax) requested = kDartboardVectorsMax;
  result = pci->ConfigureInterrupts(is_msix ? kIOInterruptTypePCIMessagedX : kIOInterruptTypePCIMessaged, 1, requested);
  if (result != kIOReturnSuccess && (is_msix || requested > 1)) {
    requested = 1;
    result = pci->ConfigureInterrupts(kIOInterruptTypePCIMessaged, 1, 1);
  }
  if (result != kIOReturnSuccess) VFIO_LOG("ConfigureInterrupts failed: %#x", result);

  // The kernel may have fewer vectors than the device: the first index without one ends it.
  uint32_t registered = 0;
  while (registered < requested && RegisterVector(client, registered) == kIOReturnSuccess) ++registered;
  interrupts.count = registered;
  if (registered != 0) return kIOReturnSuccess;
  TeardownInterrupts(client);
  return result != kIOReturnSuccess ? result : kIOReturnNotFound;
}

kern_return_t CheckInterrupts(VFIOUserPCIUserClient* client, uint64_t* words) {
  Interrupts& interrupts = client->ivars->interrupts;
  if (interrupts.count == 0) return kIOReturnNotReady;
  for (uint32_t i = 0; i < kVectorWords; ++i) {
    words[i] = __atomic_exchange_n(&interrupts.pending[i], 0, __ATOMIC_ACQ_REL);
  }
  return kIOReturnSuccess;
}

kern_return_t WaitInterrupt(VFIOUserPCIUserClient* client, OSAction* completion) {
  Interrupts& interrupts = client->ivars->interrupts;
  if (completion == nullptr) return kIOReturnBadArgument;
  if (interrupts.count == 0) return kIOReturnNotReady;
  completion->retain();
  OSAction* replaced = __atomic_exchange_n(&interrupts.waiting, completion, __ATOMIC_ACQ_REL);
  OSSafeReleaseNULL(replaced);
  // What became pending before the call would otherwise never complete it.
  for (uint32_t i = 0; i < kVectorWords; ++i) {
    if (__atomic_load_n(&interrupts.pending[i], __ATOMIC_ACQUIRE) != 0) {
      CompleteWaiting(client);
      break;
    }
  }
  return kIOReturnSuccess;
}

kern_return_t SetInterruptMask(VFIOUserPCIUserClient* client, const uint64_t* words) {
  Interrupts& interrupts = client->ivars->interrupts;
  if (interrupts.count == 0) return kIOReturnNotReady;
  for (uint32_t i = 0; i < kVectorWords; ++i) __atomic_store_n(&interrupts.enabled[i], words[i], __ATOMIC_RELEASE);
  return kIOReturnSuccess;
}

void TeardownInterrupts(VFIOUserPCIUserClient* client) {
  Interrupts& interrupts = client->ivars->interrupts;
  for (uint32_t i = 0; i < interrupts.count; ++i) {
    IOInterruptDispatchSource* source = interrupts.sources[i];
    interrupts.sources[i] = nullptr;
    // Asynchronous: the source must live until its queue has seen the cancel.
    if (source != nullptr)
      source->Cancel(^{
        source->release();
      });
  }
  interrupts.count = 0;
  interrupts.pending = interrupts.enabled = nullptr;
  OSSafeReleaseNULL(interrupts.waiting);
  OSSafeReleaseNULL(interrupts.page);
  OSSafeReleaseNULL(interrupts.queue);
}

void IMPL(VFIOUserPCIUserClient, InterruptOccurred) {
  if (ivars == nullptr) return;
  Interrupts& interrupts = ivars->interrupts;
  const uint32_t vector = *static_cast<const uint32_t*>(action->GetReference());
  if (vector >= interrupts.count) return;
  (void)count;  // several interrupts of one vector are one bit
  (void)time;
  const uint64_t bit = 1ull << (vector % 64);
  if ((__atomic_load_n(&interrupts.enabled[vector / 64], __ATOMIC_ACQUIRE) & bit) == 0) return;
  __atomic_fetch_or(&interrupts.pending[vector / 64], bit, __ATOMIC_RELEASE);
  CompleteWaiting(this);
}
