// sim/driverkit/user_client.h - the kernel's side of a dext's user client: IOKit calls in, dext calls out.
#pragma once

#include <cstdint>

#include <DriverKit/IOUserClient.h>

#include "sim/driverkit/queue.h"
#include "sim/macos/user_client.h"

namespace dartboard::driverkit {

class DextService;

class DextUserClient final : public macos::UserClient {
 public:
  /// Takes over the reference to `object`, which is attached and not started.
  DextUserClient(DextService& service, IOUserClient* object);

  /// Calls the dext's Start. On failure the object is given up.
  io_return::Code start();

  io_return::Code external_method(uint32_t selector, macos::MethodCall& call) override;
  io_return::Code scalar_method(uint32_t selector, const uint64_t* input, uint32_t input_count, uint64_t* output,
                                uint32_t* output_count) override;
  io_return::Code client_memory_for_type(uint32_t type, uint32_t* options,
                                         macos::Ref<macos::MemoryObject>* memory) override;
  void client_close() override;
  bool alive() const override { return object_ != nullptr && !terminated_; }
  macos::Service& service() override;

  /// The service goes away: the dext's object stops, calls fail from now on.
  void service_terminated();
  /// The dext set a queue; external methods may have moved.
  void refresh_queue();
  IOUserClient* object() const { return object_; }
  /// The dext asked for a client's memory in a way that may be copy-on-write; reported once.
  void note_copy_on_write();

 private:
  ~DextUserClient() override;
  bool strike(uint32_t selector, macos::MethodCall& call, io_return::Code* code);
  io_return::Code finish_structure_output(macos::MethodCall& call, IOUserClientMethodArguments& arguments);
  void finish();

  macos::Ref<macos::Service> service_;
  IOUserClient* object_;
  IODispatchQueue* queue_ = nullptr;  // where ExternalMethod runs; kept alive by the object
  bool terminated_ = false;
  bool closing_ = false;
  bool copy_on_write_noted_ = false;
  bool in_call_ = false;  // a call that sleeps (IODispatchQueue::Sleep) lets others in
  // Reused: the fields that a scalar call does not use stay zero, and zeroing 330 bytes a call is not free.
  IOUserClientMethodArguments arguments_{};
};

}  // namespace dartboard::driverkit
