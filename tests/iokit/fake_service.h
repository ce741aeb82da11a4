// tests/iokit/fake_service.h - a driver whose user client does what a test says.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/macos/registry.h"
#include "sim/macos/user_client.h"

namespace dartboard::iokit {

class FakeService;

class FakeClient final : public macos::UserClient {
 public:
  explicit FakeClient(FakeService& service) : service_(&service) {}
  io_return::Code external_method(uint32_t selector, macos::MethodCall& call) override;
  io_return::Code client_memory_for_type(uint32_t type, uint32_t* options,
                                         macos::Ref<macos::MemoryObject>* memory) override;
  void client_close() override;
  bool alive() const override;
  macos::Service& service() override;

 private:
  macos::Ref<FakeService> service_;
};

/// Everything a test wants to decide or know.
class FakeService final : public macos::Service {
 public:
  using Service::Service;
  io_return::Code new_user_client(uint32_t type, macos::Ref<macos::UserClient>* client) override;
  void property_read(std::string_view key) override { read.emplace_back(key); }

  std::function<io_return::Code(uint32_t selector, macos::MethodCall&)> method;
  std::function<io_return::Code(uint32_t type, uint32_t* options, macos::Ref<macos::MemoryObject>*)> memory;
  io_return::Code open_code = io_return::kSuccess;
  uint32_t opened_type = 0;
  int opens = 0, closes = 0, methods = 0, memory_asked = 0;
  std::vector<std::string> read;   ///< properties that somebody asked for by name
};

inline macos::Ref<macos::MemoryObject> make_buffer(uint64_t bytes) {
  return macos::MemoryObject::buffer(bytes, 0, macos::MemoryDirection::kInOut);
}

}  // namespace dartboard::iokit
