// tests/support/world.h - the whole stack on a test endpoint: machine, dext, client, backend.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "backend/passthrough_device.h"
#include "model/endpoint/test.h"
#include "sim/machine.h"

namespace dartboard::support {

/// A powered-on machine with a test endpoint in its first slot and the device opened through every layer.
class World {
 public:
  /// `ports_max`: how many of the profile's ports this machine has.
  explicit World(std::string_view profile_name, const model::TestEndpointOptions& options = {}, size_t ports_max = 4);
  ~World();

  /// Power-on reset of everything (services, hardware, host memory, time), then the device is opened again.
  /// The device is closed before the reset, as a client's exit would.
  void restart(uint64_t seed);

  sim::Machine& machine() { return machine_; }
  model::TestEndpoint& endpoint() { return endpoint_; }
  backend::PassthroughDevice& device() { return *device_; }
  sim::Profile& profile() { return profile_; }
  void close() { device_.reset(); }
  void ensure_open() {
    if (device_ == nullptr) open();
  }

  /// What a guest driver does first: memory decode and bus master on. After open and after each reset.
  void enable();

  uint32_t read32(uint64_t offset);                    ///< BAR0 register
  void write32(uint64_t offset, uint32_t value);
  void write64(uint64_t offset, uint64_t value);

 private:
  void power_on();
  void open();
  sim::Machine& machine_;
  sim::Profile profile_;
  model::TestEndpoint endpoint_;
  std::unique_ptr<backend::PassthroughDevice> device_;
};

}  // namespace dartboard::support
