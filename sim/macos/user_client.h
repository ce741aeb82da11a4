// sim/macos/user_client.h - what the kernel knows of a user client: the calls that IOKit makes on it.
//
// sim/iokit calls this from the client's side; sim/driverkit implements it by calling the dext. Codes are kIOReturn
// values or Mach codes. Source: xnu IOUserClient.cpp, IOUserServer.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/io_return.h"
#include "sim/macos/memory_object.h"
#include "sim/macos/object.h"

namespace dartboard::macos {

class Service;

inline constexpr uint32_t kScalarsMax = 16;          ///< kIOUserClientScalarArrayCountMax
inline constexpr size_t kInbandBytesMax = 4096;      ///< io_struct_inband_t; larger travels as a descriptor
inline constexpr size_t kVariableOutputSize = static_cast<size_t>(-3);

/// Where an asynchronous call's completion goes. Implemented by sim/iokit's notification port.
class AsyncTarget : public KernelObject {
 public:
  /// Queues the callback's message; `arguments` are copied. At most 16.
  virtual void complete(io_return::Code status, const uint64_t* arguments, uint32_t count) = 0;
};

/// One external method call. In-band structures have pointer + size; larger ones a descriptor.
struct MethodCall {
  const uint64_t* scalar_input = nullptr;
  uint32_t scalar_input_count = 0;
  const void* structure_input = nullptr;
  size_t structure_input_bytes = 0;
  MemoryObject* structure_input_descriptor = nullptr;
  uint64_t* scalar_output = nullptr;          ///< zeroed by the caller
  uint32_t scalar_output_count = 0;           ///< in: room; out: written
  void* structure_output = nullptr;
  size_t structure_output_bytes = 0;          ///< in: room (kVariableOutputSize: any); out: written
  MemoryObject* structure_output_descriptor = nullptr;
  AsyncTarget* completion = nullptr;          ///< asynchronous calls only
};

class UserClient : public KernelObject {
 public:
  /// kIOReturnOffline once the client is not alive().
  virtual io_return::Code external_method(uint32_t selector, MethodCall& call) = 0;
  /// The same for scalars alone, the way of every register access. Counts are at most kScalarsMax; `*output_count` is
  /// the room in `output` before the call and what was written after it.
  virtual io_return::Code scalar_method(uint32_t selector, const uint64_t* input, uint32_t input_count,
                                        uint64_t* output, uint32_t* output_count);
  /// The descriptor to map for `type`. options bit 0: read-only.
  virtual io_return::Code client_memory_for_type(uint32_t type, uint32_t* options, Ref<MemoryObject>* memory) = 0;
  /// IOServiceClose or death of the client's task: the dext's Stop runs; the object takes no calls afterwards.
  virtual void client_close() = 0;
  /// False once the service was terminated.
  virtual bool alive() const = 0;
  virtual Service& service() = 0;
};

}  // namespace dartboard::macos
