// tests/driverkit/probe/probe.cpp - the probe dext. Implementations in both spellings on purpose.
#include "tests/driverkit/probe/probe_state.h"

#include <DriverKit/DriverKit.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "Probe.h"

ProbeLog probe_log;

struct ProbeService_IVars {
  int number = 7;
  OSSharedPtr<IOService> provider = nullptr;
};

bool ProbeService::init() {
  if (!super::init()) return false;
  ++probe_log.inits;
  probe_log.ivars_null_before_start = ivars == nullptr;
  ivars = new ProbeService_IVars();
  return ivars != nullptr;
}

void ProbeService::free() {
  ++probe_log.frees;
  if (probe_log.service == this) probe_log.service = nullptr;
  IOSafeDeleteNULL(ivars, ProbeService_IVars, 1);
  super::free();
}

kern_return_t IMPL(ProbeService, Start) {
  const kern_return_t result = Start(provider, SUPERDISPATCH);
  if (result != kIOReturnSuccess) return result;
  ++probe_log.starts;
  if (probe_log.start_result != 0) return probe_log.start_result;
  probe_log.service = this;
  ivars->provider = OSSharedPtr(provider, OSRetain);
  SetName("probe");
  return RegisterService();
}

kern_return_t ProbeService::Stop_Impl(IOService* in_provider) {
  ++probe_log.stops;
  ivars->provider.reset();
  if (probe_log.forget_super_stop) return kIOReturnSuccess;
  return Stop(in_provider, SUPERDISPATCH);
}

kern_return_t ProbeService::NewUserClient_Impl(uint32_t type, IOUserClient** client) {
  if (probe_log.refuse_client) return kIOReturnNotPermitted;
  IOService* service = nullptr;
  const kern_return_t result = Create(this, type == 0 ? "ProbeClientProperties" : "NoSuchProperties", &service);
  if (result != kIOReturnSuccess) return result;
  *client = OSDynamicCast(IOUserClient, service);
  return kIOReturnSuccess;
}

kern_return_t IMPL(ProbeService, Sum) {
  *sum = strlen(name);
  for (int i = 0; i < 4; ++i) *sum += first[i] + second[i];
  return kIOReturnSuccess;
}

void ProbeService::Announce_Impl(OSAction*, const char*, const uint64_t*, uint32_t) {}

void IMPL(ProbeService, Announced) {
  (void)action;
  ++probe_log.announced;
  probe_log.announced_count = valuesCount;
  for (uint32_t i = 0; values != nullptr && i < valuesCount && i < 8; ++i) probe_log.announced_values[i] = values[i];
  strlcpy(probe_log.announced_name, name != nullptr ? name : "(null)", sizeof probe_log.announced_name);
}

void ProbeService::TimerFired_Impl(OSAction*, uint64_t time) {
  ++probe_log.timer_fired;
  probe_log.timer_time = time;
}

int ProbeService::Plain(int value) {
  return value + ivars->number;
}
int ProbeService::Plain(const char* text) {
  return static_cast<int>(strlen(text));
}
int ProbeService::Private() {
  return 1;
}

bool ProbeChild::init() {
  return super::init();
}

kern_return_t IMPL(ProbeChild, Sum) {
  const kern_return_t status = Sum(label, a, b, result, SUPERDISPATCH);
  *result += 1000;
  return status;
}

// --- the user client ------------------------------------------------------------------------------------------------

static kern_return_t TableMethod(OSObject* target, void* reference, IOUserClientMethodArguments* arguments) {
  if (target == nullptr || reference == nullptr) return kIOReturnInternalError;
  arguments->scalarOutput[0] = arguments->scalarInput[0] + arguments->scalarInput[1];
  return kIOReturnSuccess;
}

kern_return_t ProbeUserClient::ExternalMethod(uint64_t selector, IOUserClientMethodArguments* arguments,
                                              const IOUserClientMethodDispatch*, OSObject*, void*) {
  constexpr uint32_t kAny = kIOUserClientVariableStructureSize;
  static const IOUserClientMethodDispatch table[] = {{TableMethod, false, 2, 0, 1, kAny}};
  switch (selector) {
    case kProbeTable: return super::ExternalMethod(selector, arguments, &table[0], this, &probe_log);
    case kProbeStructure:
      if (arguments->structureInput == nullptr) return kIOReturnBadArgument;
      arguments->structureOutput = OSData::withData(arguments->structureInput);
      return kIOReturnSuccess;
    case kProbeDeadlock: {
      // A synchronous block on the queue that this call runs on.
      IODispatchQueue* queue = nullptr;
      CopyDispatchQueue(kIOServiceDefaultQueueName, &queue);
      queue->DispatchSync(^{
        ++probe_log.announced;
      });
      OSSafeReleaseNULL(queue);
      return kIOReturnSuccess;
    }
    case kProbeAsync: {
      const uint64_t data[2] = {11, 22};
      AsyncCompletion(arguments->completion, kIOReturnTimeout, data, 2);
      return kIOReturnSuccess;
    }
    case kProbeLeak: OSString::withCString("nobody releases this"); return kIOReturnSuccess;
    case kProbeCopy: {
      const IOAddressSegment segment = {arguments->scalarInput[0], 8};
      IOMemoryDescriptor* memory = nullptr;
      kern_return_t result = CreateMemoryDescriptorFromClient(arguments->scalarInput[1], 1, &segment, &memory);
      if (result != kIOReturnSuccess) return result;
      IOMemoryMap* map = nullptr;
      result = memory->CreateMapping(0, 0, 0, 0, 0, &map);
      if (result == kIOReturnSuccess) *reinterpret_cast<uint64_t*>(map->GetAddress()) = 0x1234;
      OSSafeReleaseNULL(map);
      OSSafeReleaseNULL(memory);
      return result;
    }
    default: return super::ExternalMethod(selector, arguments, nullptr, nullptr, nullptr);
  }
}

kern_return_t IMPL(ProbeUserClient, Stop) {
  return Stop(provider, SUPERDISPATCH);
}

void IMPL(ProbeUserClient, AsyncCompletion) {
  (void)action, (void)status, (void)asyncData, (void)asyncDataCount;
  ++probe_log.own_async_completions;
}
