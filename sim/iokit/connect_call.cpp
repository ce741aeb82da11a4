// sim/iokit/connect_call.cpp - IOConnectCall*: external methods, synchronous and asynchronous.
//
// What the MIG stubs and is_io_connect_method (xnu IOUserClient.cpp) do together: at most 16 scalars, structures up to
// 4096 bytes in band and larger ones as descriptors, scalar outputs zeroed for the driver, and nothing written back to
// the client when the call fails (a failed MIG reply carries the code alone).
#include <IOKit/IOKitLib.h>
#include <mach/message.h>
#include <mach/mig_errors.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "model/fault.h"
#include "model/timeline.h"
#include "sim/iokit/context.h"
#include "sim/iokit/reserved_memory.h"
#include "sim/macos/power.h"

namespace dartboard::iokit {
namespace {

using macos::kInbandBytesMax;
using macos::kScalarsMax;
using macos::kVariableOutputSize;
using macos::MemoryObject;
using macos::MethodCall;

constexpr size_t kVariableOutputBytesMax = 1 * kMiB;   // room given to a driver that answers with any size

kern_return_t to_kern_return(io_return::Code code) { return static_cast<kern_return_t>(code); }

/// The books of one call.
inline void note(Context& context, uint32_t selector, io_return::Code code) {
  macos::CallStats& stats = context.calls();
  ++stats.by_selector[std::min(selector, macos::kSelectorsCounted - 1)];
  const uint64_t now = context.timeline().now().value;
  if (code == io_return::kSuccess && selector <= UINT8_MAX) [[likely]] {
    context.hash().add(now, sim::TraceKind::kUserCall, static_cast<uint8_t>(selector));
  } else {
    if (code != io_return::kSuccess) ++stats.failed;
    context.hash().add(now, sim::TraceKind::kUserCall, 0, uint64_t{selector} << 32 | code);
  }
}

/// The trip into the kernel: time, the call itself, the books.
io_return::Code invoke(Context& context, ConnectionObject& connection, uint32_t selector, MethodCall& call) {
  context.timeline().advance(connection.call_ns);
  const io_return::Code code = connection.client->external_method(selector, call);
  note(context, selector, code);
  return code;
}

/// Scalar results in the kernel's reply, and their way back to the client.
class ScalarReply {
 public:
  ScalarReply(uint64_t* output, uint32_t* count)
      : output_(output), count_(count), room_(count != nullptr ? std::min(*count, kScalarsMax) : 0) {
    values_[0] = 0;   // most calls return one value; the rest is not worth a call to memset for it
    if (room_ > 1) std::memset(&values_[1], 0, (room_ - 1) * sizeof values_[0]);
  }
  bool storable() const { return room_ == 0 || output_ != nullptr; }
  void prepare(MethodCall& call) {
    call.scalar_output = values_.data();
    call.scalar_output_count = room_;
  }
  kern_return_t give(const MethodCall& call) {
    const uint32_t written = call.scalar_output_count;
    const uint32_t given = std::min(written, room_);
    if (given != 0) output_[0] = values_[0];
    if (given > 1) std::memcpy(&output_[1], &values_[1], (given - 1) * sizeof values_[0]);
    if (count_ != nullptr) *count_ = written;
    return written <= room_ ? KERN_SUCCESS : MIG_ARRAY_TOO_LARGE;
  }

 private:
  uint64_t* output_;
  uint32_t* count_;
  uint32_t room_;
  std::array<uint64_t, kScalarsMax> values_;   // only the first room_ are ever read or written
};

/// A structure argument or result, in band or as a descriptor.
struct StructureArguments {
  macos::Ref<MemoryObject> input, output;
  uint64_t variable = 0;   ///< pages for a result of any size
  size_t room = 0;

  ~StructureArguments() {
    if (variable != 0) free_pages(variable, kVariableOutputBytesMax);
  }

  io_return::Code set_input(MethodCall& call, const void* data, size_t size) {
    if (size != 0 && data == nullptr) return io_return::kBadArgument;
    if (size <= kInbandBytesMax) {
      call.structure_input = data;
      call.structure_input_bytes = size;
      return io_return::kSuccess;
    }
    // The client's pages, copied when somebody writes to them (IOUserClient.cpp: kIODirectionOut |
    // kIOMemoryMapCopyOnWrite).
    input = client_memory(const_cast<void*>(data), size, macos::MemoryDirection::kOut, true);
    call.structure_input_descriptor = input.get();
    return input ? io_return::kSuccess : io_return::kVMError;
  }

  io_return::Code set_output(MethodCall& call, void* data, const size_t* size) {
    if (size == nullptr) return io_return::kSuccess;
    room = *size;
    if (room != 0 && data == nullptr) return io_return::kBadArgument;
    call.structure_output_bytes = room;
    if (room == kVariableOutputSize) {
      variable = allocate_pages(kVariableOutputBytesMax);
      if (variable == 0) return io_return::kNoMemory;
      call.structure_output = reinterpret_cast<void*>(variable);
    } else if (room <= kInbandBytesMax) {
      call.structure_output = data;
    } else {
      if (room > UINT32_MAX) return io_return::kIPCError;
      output = client_memory(data, room, macos::MemoryDirection::kIn, false);
      if (!output) return io_return::kVMError;
      call.structure_output_descriptor = output.get();
    }
    return io_return::kSuccess;
  }

  /// After a successful call: the written size, and for a variable result new pages that the client must free.
  kern_return_t give(const MethodCall& call, void* data, size_t* size) {
    if (size == nullptr) return KERN_SUCCESS;
    const size_t written = call.structure_output_bytes;
    if (room != kVariableOutputSize) {
      *size = written;
      return written <= room ? KERN_SUCCESS : MIG_ARRAY_TOO_LARGE;
    }
    // A driver that wrote nothing leaves the request itself in the count.
    const bool empty = written == 0 || written > kVariableOutputBytesMax;
    uint64_t pages = 0;
    if (!empty) {
      pages = allocate_pages(written);
      if (pages == 0) return KERN_RESOURCE_SHORTAGE;
      std::memcpy(reinterpret_cast<void*>(pages), reinterpret_cast<void*>(variable), written);
    }
    *static_cast<void**>(data) = reinterpret_cast<void*>(pages);
    *size = empty ? 0 : written;
    return KERN_SUCCESS;
  }

  /// After a failed one: only the variable result is written, as nothing.
  void give_failure(void* data, size_t* size) const {
    if (size == nullptr || room != kVariableOutputSize || data == nullptr) return;
    *static_cast<void**>(data) = nullptr;
    *size = 0;
  }

 private:
  static macos::Ref<MemoryObject> client_memory(void* data, size_t size, macos::MemoryDirection direction, bool cow) {
    if (reinterpret_cast<uintptr_t>(data) + size < reinterpret_cast<uintptr_t>(data)) return nullptr;
    return MemoryObject::from_client({{static_cast<std::byte*>(data), size}}, direction, cow);
  }
};

/// The kernel's end of an asynchronous call: turns the completion into a message on the wake port.
class AsyncCompletion final : public macos::AsyncTarget {
 public:
  AsyncCompletion(PortName port, uint64_t callback, uint64_t refcon)
      : port_(port), callback_(callback), refcon_(refcon) {}
  void complete(io_return::Code status, const uint64_t* arguments, uint32_t count) override {
    auto* const right = Context::instance().handles().find<ReceiveRight>(port_, PortKind::kReceive);
    if (right == nullptr) return;   // the client destroyed the port
    Message message;
    message.type = MessageType::kAsync;
    message.callback = callback_;
    message.refcon = refcon_;
    message.code = status;
    message.argument_count = arguments != nullptr ? std::min(count, kAsyncArgumentsMax) : 0;
    std::copy_n(arguments, message.argument_count, message.arguments.begin());
    right->post(std::move(message));
  }

 private:
  PortName port_;
  uint64_t callback_, refcon_;
};

/// Everything an external method call can carry.
struct FullCall {
  const uint64_t* input;
  uint32_t input_count;
  const void* input_structure;
  size_t input_structure_bytes;
  uint64_t* output;
  uint32_t* output_count;
  void* output_structure;
  size_t* output_structure_bytes;
};

/// What can happen to the calling program at a call. The key is the selector.
void strike_client(Context& context, uint32_t selector) {
  using model::FaultKind;
  constexpr uint64_t kPauseNs = 1'000'000'000, kJitterNs = 10'000;
  if (model::fault(FaultKind::kTimeJitter, selector)) {
    context.timeline().advance(model::fault_amount(FaultKind::kTimeJitter, kJitterNs));
  }
  if (model::fault(FaultKind::kClientPaused, selector)) {
    context.timeline().advance(model::fault_amount(FaultKind::kClientPaused, kPauseNs));
  }
  macos::Kernel* const kernel = context.kernel();
  if (kernel != nullptr && model::fault(FaultKind::kResetPowerTimeout, selector)) macos::power_change_times_out(*kernel);
  if (kernel != nullptr && model::fault(FaultKind::kResetSleepWake, selector)) macos::sleep_and_wake(*kernel);
  if (model::fault(FaultKind::kClientKilled, selector)) context.kill_client();
}

kern_return_t call_full(mach_port_t name, uint32_t selector, const FullCall& full, macos::AsyncTarget* completion) {
  if (full.input_count > kScalarsMax) return MIG_ARRAY_TOO_LARGE;
  Context& context = Context::instance();
  if (model::faults_installed()) [[unlikely]] strike_client(context, selector);
  io_return::Code code;
  ConnectionObject* const connection = find_connection(context, name, &code);
  if (connection == nullptr) return to_kern_return(code);
  if (full.input_count != 0 && full.input == nullptr) return kIOReturnBadArgument;
  MethodCall call;
  call.scalar_input = full.input;
  call.scalar_input_count = full.input_count;
  call.completion = completion;
  ScalarReply scalars(full.output, full.output_count);
  if (!scalars.storable()) return kIOReturnBadArgument;
  scalars.prepare(call);
  StructureArguments structures;
  code = structures.set_input(call, full.input_structure, full.input_structure_bytes);
  if (code == io_return::kSuccess) {
    code = structures.set_output(call, full.output_structure, full.output_structure_bytes);
  }
  if (code != io_return::kSuccess) return to_kern_return(code);
  code = invoke(context, *connection, selector, call);
  if (code != io_return::kSuccess) {
    structures.give_failure(full.output_structure, full.output_structure_bytes);
    return to_kern_return(code);
  }
  const kern_return_t structure_result = structures.give(call, full.output_structure, full.output_structure_bytes);
  const kern_return_t scalar_result = scalars.give(call);
  return structure_result != KERN_SUCCESS ? structure_result : scalar_result;
}

kern_return_t call_async(mach_port_t name, uint32_t selector, mach_port_t wake_port, const uint64_t* reference,
                         uint32_t reference_count, const FullCall& full) {
  if (reference_count > kOSAsyncRef64Count) return MIG_ARRAY_TOO_LARGE;
  if (reference_count == 0 || reference == nullptr) return kIOReturnBadArgument;
  HandleTable& handles = Context::instance().handles();
  if (wake_port != MACH_PORT_NULL && handles.kind(wake_port) != PortKind::kReceive) return MACH_SEND_INVALID_RIGHT;
  const auto at = [&](uint32_t index) { return index < reference_count ? reference[index] : 0; };
  const auto completion = macos::make_object<AsyncCompletion>(wake_port, at(kIOAsyncCalloutFuncIndex),
                                                              at(kIOAsyncCalloutRefconIndex));
  return call_full(name, selector, full, completion.get());
}

}  // namespace
}  // namespace dartboard::iokit

using namespace dartboard::iokit;   // NOLINT: the C API below is this file's public face

extern "C" {

// The hot path: no allocation, and for the one result that nearly all calls have, no array either. What is not usual
// about a call, also a fault that may strike it, goes the long way, which says what is wrong.
kern_return_t IOConnectCallScalarMethod(mach_port_t connection, uint32_t selector, const uint64_t* input,
                                        uint32_t inputCnt, uint64_t* output, uint32_t* outputCnt) {
  uint32_t written = outputCnt != nullptr ? *outputCnt : 0;
  Context& context = Context::instance();
  ConnectionObject* const object = context.handles().find<ConnectionObject>(connection, PortKind::kConnection);
  const bool usual = object != nullptr && !context.panicked() && !dartboard::model::faults_installed() && written <= 1 &&
                     inputCnt <= kScalarsMax && (input != nullptr || inputCnt == 0) &&
                     (output != nullptr || written == 0);
  if (!usual) [[unlikely]] {
    return IOConnectCallMethod(connection, selector, input, inputCnt, nullptr, 0, output, outputCnt, nullptr, nullptr);
  }
  uint64_t value = 0;
  context.timeline().advance(object->call_ns);
  const dartboard::io_return::Code code = object->client->scalar_method(selector, input, inputCnt, &value, &written);
  note(context, selector, code);
  if (code != dartboard::io_return::kSuccess) [[unlikely]] return to_kern_return(code);
  if (outputCnt != nullptr) {
    if (written != 0) *output = value;
    *outputCnt = written;
  }
  return KERN_SUCCESS;
}

kern_return_t IOConnectCallMethod(mach_port_t connection, uint32_t selector, const uint64_t* input, uint32_t inputCnt,
                                  const void* inputStruct, size_t inputStructCnt, uint64_t* output,
                                  uint32_t* outputCnt, void* outputStruct, size_t* outputStructCnt) {
  return call_full(connection, selector,
                   {input, inputCnt, inputStruct, inputStructCnt, output, outputCnt, outputStruct, outputStructCnt},
                   nullptr);
}

kern_return_t IOConnectCallStructMethod(mach_port_t connection, uint32_t selector, const void* inputStruct,
                                        size_t inputStructCnt, void* outputStruct, size_t* outputStructCnt) {
  return IOConnectCallMethod(connection, selector, nullptr, 0, inputStruct, inputStructCnt, nullptr, nullptr,
                             outputStruct, outputStructCnt);
}

kern_return_t IOConnectCallAsyncMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
                                       uint64_t* reference, uint32_t referenceCnt, const uint64_t* input,
                                       uint32_t inputCnt, const void* inputStruct, size_t inputStructCnt,
                                       uint64_t* output, uint32_t* outputCnt, void* outputStruct,
                                       size_t* outputStructCnt) {
  return call_async(connection, selector, wake_port, reference, referenceCnt,
                    {input, inputCnt, inputStruct, inputStructCnt, output, outputCnt, outputStruct, outputStructCnt});
}

kern_return_t IOConnectCallAsyncStructMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
                                             uint64_t* reference, uint32_t referenceCnt, const void* inputStruct,
                                             size_t inputStructCnt, void* outputStruct, size_t* outputStructCnt) {
  return call_async(connection, selector, wake_port, reference, referenceCnt,
                    {nullptr, 0, inputStruct, inputStructCnt, nullptr, nullptr, outputStruct, outputStructCnt});
}

kern_return_t IOConnectCallAsyncScalarMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
                                             uint64_t* reference, uint32_t referenceCnt, const uint64_t* input,
                                             uint32_t inputCnt, uint64_t* output, uint32_t* outputCnt) {
  return call_async(connection, selector, wake_port, reference, referenceCnt,
                    {input, inputCnt, nullptr, 0, output, outputCnt, nullptr, nullptr});
}

}  // extern "C"
