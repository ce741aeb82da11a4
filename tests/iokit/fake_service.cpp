// tests/iokit/fake_service.cpp - see fake_service.h.
#include "fake_service.h"

namespace dartboard::iokit {

io_return::Code FakeClient::external_method(uint32_t selector, macos::MethodCall& call) {
  if (!alive()) return io_return::kOffline;
  ++service_->methods;
  return service_->method ? service_->method(selector, call) : io_return::kSuccess;
}

io_return::Code FakeClient::client_memory_for_type(uint32_t type, uint32_t* options,
                                                   macos::Ref<macos::MemoryObject>* memory) {
  ++service_->memory_asked;
  return service_->memory ? service_->memory(type, options, memory) : io_return::kUnsupported;
}

void FakeClient::client_close() { ++service_->closes; }
bool FakeClient::alive() const { return !service_->terminated(); }
macos::Service& FakeClient::service() { return *service_; }

io_return::Code FakeService::new_user_client(uint32_t type, macos::Ref<macos::UserClient>* client) {
  if (open_code != io_return::kSuccess) return open_code;
  ++opens;
  opened_type = type;
  *client = macos::make_object<FakeClient>(*this);
  return io_return::kSuccess;
}

}  // namespace dartboard::iokit
