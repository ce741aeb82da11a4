// sim/driverkit/user_client.cpp - IOUserClient and its kernel side.
//
// Rules: xnu IOUserServer.cpp IOUserUserClient::externalMethod, IOUserClient.cpp.
// scalar_method is on the way of every access a guest makes: a queue entry and a virtual call.
#include "sim/driverkit/user_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <DriverKit/OSCollections.h>

#include "model/fault.h"
#include "sim/driverkit/action.h"
#include "sim/driverkit/memory.h"
#include "sim/driverkit/service.h"
#include "sim/macos/kernel.h"

namespace dartboard::driverkit {

DextUserClient::DextUserClient(DextService& service, IOUserClient* object) : service_(&service), object_(object) {
  variables(object).connection = this;
  arguments_.version = kIOUserClientMethodArgumentsCurrentVersion;
}

DextUserClient::~DextUserClient() {
  if (object_ != nullptr) finish();
}

macos::Service& DextUserClient::service() {
  return *service_;
}

io_return::Code DextUserClient::start() {
  refresh_queue();
  const kern_return_t result = object_->Start(variables(object_).provider);
  if (result == kIOReturnSuccess) {
    refresh_queue();
    return io_return::kSuccess;
  }
  ++process.stats.start_failures;
  finish();
  return to_code(result);
}

void DextUserClient::refresh_queue() {
  queue_ = service_queue(object_, IOUserClientQueueNameExternalMethod);
}

/// The object leaves the machine; whoever still holds it (an action) may do so.
void DextUserClient::finish() {
  IOUserClient* object = std::exchange(object_, nullptr);
  queue_ = nullptr;
  if (macos::RegistryEntry* entry = variables(object).entry.get()) entry->detach_from_parent();
  detach(object);
  object->release();
}

io_return::Code DextUserClient::scalar_method(uint32_t selector, const uint64_t* input, uint32_t input_count,
                                              uint64_t* output, uint32_t* output_count) {
  // A queue with something to run first, or that is running (a deadlock), takes the long way too.
  IODispatchQueue* const queue = queue_;
  if (!alive() || in_call_ || model::faults_installed() || !queue->ivars->work.idle()) [[unlikely]] {
    return UserClient::scalar_method(selector, input, input_count, output, output_count);
  }
  macos::WorkQueue& work = queue->ivars->work;
  work.enter_idle();
  IODispatchQueue* const previous = std::exchange(process.current_queue, queue);
  in_call_ = true;
  arguments_.selector = selector;
  arguments_.scalarInput = input;
  arguments_.scalarInputCount = input_count;
  arguments_.scalarOutput = output;
  arguments_.scalarOutputCount = *output_count;
  const kern_return_t result = object_->ExternalMethod(selector, &arguments_, nullptr, nullptr, nullptr);
  in_call_ = false;
  process.current_queue = previous;
  work.leave();
  if (arguments_.scalarOutputCount < *output_count) *output_count = arguments_.scalarOutputCount;
  if (arguments_.structureOutput != nullptr) [[unlikely]] {
    // The client left no room for a structure.
    OSSafeReleaseNULL(arguments_.structureOutput);
    return io_return::kBadArgument;
  }
  return to_code(result);
}

io_return::Code DextUserClient::external_method(uint32_t selector, macos::MethodCall& call) {
  if (!alive()) return io_return::kOffline;
  if (call.scalar_input_count > macos::kScalarsMax || call.scalar_output_count > macos::kScalarsMax) {
    return io_return::kBadArgument;
  }
  io_return::Code struck = io_return::kSuccess;
  if (model::faults_installed() && strike(selector, call, &struck)) [[unlikely]] return struck;
  OnQueueScope scope(queue_);
  if (!scope.entered()) return to_code(deadlock("ExternalMethod", queue_));
  if (call.structure_input_bytes > macos::kInbandBytesMax) return io_return::kBadArgument;

  IOUserClientMethodArguments arguments{};
  arguments.version = kIOUserClientMethodArgumentsCurrentVersion;
  arguments.selector = selector;
  arguments.scalarInput = call.scalar_input;
  arguments.scalarInputCount = call.scalar_input_count;
  arguments.scalarOutput = call.scalar_output;
  arguments.scalarOutputCount = call.scalar_output_count;
  if (call.structure_input != nullptr && call.structure_input_bytes != 0) {
    arguments.structureInput = OSData::withBytes(call.structure_input, call.structure_input_bytes);
  }
  arguments.structureInputDescriptor =
      make_descriptor(macos::Ref<macos::MemoryObject>(call.structure_input_descriptor));
  arguments.structureOutputDescriptor =
      make_descriptor(macos::Ref<macos::MemoryObject>(call.structure_output_descriptor));
  arguments.structureOutputMaximumSize =
      call.structure_output_bytes == macos::kVariableOutputSize ? kIOUserClientVariableStructureSize
      : call.structure_output_descriptor != nullptr             ? call.structure_output_descriptor->length()
                                                                : call.structure_output_bytes;
  if (call.completion != nullptr) arguments.completion = make_completion_action(call.completion);

  const kern_return_t result = object_->ExternalMethod(selector, &arguments, nullptr, nullptr, nullptr);

  call.scalar_output_count = std::min(arguments.scalarOutputCount, call.scalar_output_count);
  const io_return::Code structure = finish_structure_output(call, arguments);
  OSSafeReleaseNULL(arguments.completion);
  OSSafeReleaseNULL(arguments.structureInput);
  OSSafeReleaseNULL(arguments.structureInputDescriptor);
  OSSafeReleaseNULL(arguments.structureOutputDescriptor);
  return result != kIOReturnSuccess ? to_code(result) : structure;
}

/// What can happen to the driver's process at a call. True: the call is over, with `code`. The key is the selector.
bool DextUserClient::strike(uint32_t selector, macos::MethodCall& call, io_return::Code* code) {
  using model::FaultKind;
  constexpr uint64_t kSlowNs = 100'000'000, kHangNs = 30'000'000'000;
  // mach/mig_errors.h MIG_SERVER_DIED: what the caller of a server that dies is told.
  constexpr io_return::Code kServerDied = 0xfffffecc;
  const macos::Ref<DextUserClient> keep(this);
  model::Timeline& timeline = macos::Kernel::current()->timeline();
  if (model::fault(FaultKind::kDextSlow, selector)) {
    timeline.advance(model::fault_amount(FaultKind::kDextSlow, kSlowNs));
  }
  if (model::fault(FaultKind::kDextHang, selector)) {
    // A Mac's caller waits for ever; whoever bounds the wait gives up here.
    timeline.advance(model::fault_amount(FaultKind::kDextHang, kHangNs));
    *code = io_return::kTimeout;
    return true;
  }
  if (model::fault(FaultKind::kDextQuota, selector)) {
    *code = io_return::kNoResources;
    return true;
  }
  if (model::fault(FaultKind::kDextVersionSkew, selector)) {
    // Another version has other counts: it finds too many or too few.
    *code = io_return::kBadArgument;
    call.scalar_output_count = 0;
    return true;
  }
  auto& service = static_cast<DextService&>(*service_);
  if (model::fault(FaultKind::kDextCrash, selector)) {
    service.crash();
    *code = kServerDied;
    return true;
  }
  if (model::fault(FaultKind::kDextRestarted, selector)) {
    // The new driver is up before the old client's call comes back.
    service.crash();
    macos::Kernel::current()->executor().run_until_idle();
    *code = kServerDied;
    return true;
  }
  if (model::fault(FaultKind::kDextTerminated, selector)) service.terminate_later();
  return false;
}

io_return::Code DextUserClient::finish_structure_output(macos::MethodCall& call,
                                                        IOUserClientMethodArguments& arguments) {
  if (arguments.structureOutput == nullptr) {
    if (call.structure_output_descriptor == nullptr) call.structure_output_bytes = 0;
    return io_return::kSuccess;
  }
  io_return::Code code = io_return::kSuccess;
  const size_t bytes = arguments.structureOutput->getLength();
  const size_t room =
      call.structure_output_bytes == macos::kVariableOutputSize ? macos::kInbandBytesMax : call.structure_output_bytes;
  if (bytes > room || call.structure_output == nullptr) {
    code = io_return::kBadArgument;
  } else {
    std::memcpy(call.structure_output, arguments.structureOutput->getBytesNoCopy(), bytes);
    call.structure_output_bytes = bytes;
  }
  OSSafeReleaseNULL(arguments.structureOutput);  // the framework's, since the dext returned it
  return code;
}

io_return::Code DextUserClient::client_memory_for_type(uint32_t type, uint32_t* options,
                                                       macos::Ref<macos::MemoryObject>* memory) {
  if (object_ == nullptr || terminated_) return io_return::kOffline;
  uint64_t dext_options = 0;
  IOMemoryDescriptor* descriptor = nullptr;
  const kern_return_t result = object_->CopyClientMemoryForType(type, &dext_options, &descriptor);
  if (result != kIOReturnSuccess) {
    // A descriptor beside an error is the dext's mistake; it stays the dext's.
    return to_code(result);
  }
  if (descriptor == nullptr) return io_return::kNoMemory;
  *options = static_cast<uint32_t>(dext_options);
  *memory = descriptor->IOMemoryDescriptor::ivars->object;
  descriptor->release();  // Copy: the reference was ours
  return io_return::kSuccess;
}

void DextUserClient::client_close() {
  if (object_ == nullptr || closing_) return;
  const macos::Ref<DextUserClient> keep(this);
  if (queue_->ivars->work.running()) {
    // Closed from inside one of its own calls: on a Mac another thread would wait for the call to end.
    macos::Kernel::current()->work().post([keep] { keep->client_close(); });
    return;
  }
  closing_ = true;
  static_cast<DextService&>(*service_).forget(this);
  if (!terminated_) stop(object_, variables(object_).provider);
  if (object_ != nullptr) finish();
}

void DextUserClient::note_copy_on_write() {
  if (std::exchange(copy_on_write_noted_, true)) return;
  report(LogLevel::kWarning,
         "CreateMemoryDescriptorFromClient without kIOMemoryDisableCopyOnWrite for memory that is to be written: the "
         "client sees the device's writes, but not what is written through a mapping of the descriptor");
}

void DextUserClient::service_terminated() {
  if (object_ == nullptr || terminated_) return;
  terminated_ = true;
  if (!closing_) stop(object_, variables(object_).provider);
  if (object_ != nullptr && !closing_) finish();
}

}  // namespace dartboard::driverkit

using namespace dartboard::driverkit;  // NOLINT: implements Apple's global names

bool IOUserClient::init() {
  return IOService::init();
}
void IOUserClient::free() {
  IOService::free();
}

kern_return_t IOUserClient::ExternalMethod(uint64_t, IOUserClientMethodArguments* arguments,
                                           const IOUserClientMethodDispatch* dispatch, OSObject* target,
                                           void* reference) {
  if (dispatch == nullptr) return kIOReturnUnsupported;
  constexpr uint32_t kAny = kIOUserClientVariableStructureSize;
  const auto differs = [](uint32_t wanted, uint64_t got) { return wanted != kAny && wanted != got; };
  const auto structure_bytes = [](const OSData* data, IOMemoryDescriptor* descriptor) {
    uint64_t length = data != nullptr ? data->getLength() : 0;
    if (descriptor != nullptr) descriptor->GetLength(&length);
    return length;
  };
  if (differs(dispatch->checkCompletionExists, arguments->completion != nullptr ? 1 : 0) ||
      differs(dispatch->checkScalarInputCount, arguments->scalarInputCount) ||
      differs(dispatch->checkStructureInputSize,
              structure_bytes(arguments->structureInput, arguments->structureInputDescriptor)) ||
      differs(dispatch->checkScalarOutputCount, arguments->scalarOutputCount) ||
      differs(dispatch->checkStructureOutputSize, arguments->structureOutputMaximumSize)) {
    return kIOReturnBadArgument;
  }
  if (dispatch->function == nullptr) return to_kern(dartboard::io_return::kNoCompletion);
  return dispatch->function(target, reference, arguments);
}

void IOUserClient::AsyncCompletion_Impl(OSAction*, IOReturn, const uint64_t*, uint32_t) {
  report(LogLevel::kWarning, "AsyncCompletion: the action was not made for an asynchronous call");
}

void IOUserClient::KernelCompletion_Impl(OSAction* action, IOReturn status, const uint64_t* data, uint32_t count) {
  AsyncCompletion(action, status, data, count);
}

kern_return_t IOUserClient::CopyClientMemoryForType_Impl(uint64_t, uint64_t*, IOMemoryDescriptor**) {
  return kIOReturnUnsupported;
}

kern_return_t IOUserClient::CopyClientEntitlements_Impl(OSDictionary**) {
  return kIOReturnUnsupported;
}

kern_return_t IOUserClient::CreateMemoryDescriptorFromClient_Impl(uint64_t options, uint32_t segmentsCount,
                                                                  const IOAddressSegment* segments,
                                                                  IOMemoryDescriptor** memory) {
  if (memory == nullptr || segments == nullptr || segmentsCount > 32) return kIOReturnBadArgument;
  *memory = nullptr;
  const DextUserClient* connection = IOService::ivars->connection;
  if (connection == nullptr || !connection->alive()) return kIOReturnNotReady;  // the client's task is gone
  std::vector<dartboard::macos::MemoryObject::Range> ranges;
  ranges.reserve(segmentsCount);
  for (uint32_t i = 0; i < segmentsCount; ++i) {
    ranges.push_back({reinterpret_cast<std::byte*>(segments[i].address), segments[i].length});
  }
  // Copy-on-write is the default (IOUserServer.cpp, CreateMemoryDescriptorFromClient). It concerns mappings alone: DMA
  // works on the client's pages either way, which is why drivers that leave kIOMemoryDisableCopyOnWrite out still see
  // the device's writes. Memory that is to be written is reported, because a write through a mapping stays unseen.
  const auto direction = static_cast<dartboard::macos::MemoryDirection>(options & kIOMemoryDirectionInOut);
  const bool copy_on_write = (options & kIOMemoryDisableCopyOnWrite) == 0;
  if (copy_on_write && (options & kIOMemoryDirectionIn) != 0) IOService::ivars->connection->note_copy_on_write();
  *memory = make_descriptor(dartboard::macos::MemoryObject::from_client(std::move(ranges), direction, copy_on_write));
  return *memory != nullptr ? kIOReturnSuccess : kIOReturnNoMemory;
}
