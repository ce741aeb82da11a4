// tests/support/world.h - the whole stack on a test endpoint: machine, dext, client, backend.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "backend/passthrough_device.h"
#include "model/endpoint/test.h"
#include "sim/invariants/watch.h"
#include "sim/machine.h"

namespace dartboard::support {

/// What a world does when a ledger found something (sim/invariants). A test program installs one that makes its test
/// fail; without one the program ends with the sentence.
using ViolationReport = void (*)(const std::string& what);
void on_violation(ViolationReport report);

enum class Ledgers : uint8_t { kOn, kOff };

/// A powered-on machine with a test endpoint in its first slot and the device opened through every layer.
class World {
 public:
  /// `ports_max`: how many of the profile's ports this machine has. With ledgers, every run of this world is watched,
  /// and what they find is reported at its end (restart() or destruction) or by check().
  explicit World(std::string_view profile_name, const model::TestEndpointOptions& options = {}, size_t ports_max = 4,
                 Ledgers ledgers = Ledgers::kOn);
  ~World();

  /// Power-on reset of everything (services, hardware, host memory, time), then the device is opened again.
  /// The device is closed before the reset, as a client's exit would.
  void restart(uint64_t seed);
  /// The same without the last step: nobody has the device open, and opening it may be part of what is tested.
  void restart_closed(uint64_t seed);

  sim::Machine& machine() { return machine_; }
  model::TestEndpoint& endpoint() { return endpoint_; }
  backend::PassthroughDevice& device() { return *device_; }
  sim::Profile& profile() { return profile_; }
  void close() { device_.reset(); }
  void ensure_open() {
    if (device_ == nullptr) open();
  }
  bool is_open() const { return device_ != nullptr; }
  /// Opens the device like any client and enables it. Why not, if it cannot be had.
  Result<void> try_open();
  /// The same for another client: the device belongs to the caller.
  Result<std::unique_ptr<backend::PassthroughDevice>> open_another();

  /// Pulls the device out; puts it, or `other`, in. The kernel's queues run until they are idle.
  void unplug();
  void plug(model::PcieDevice* other = nullptr);

  /// The ledgers; null without them.
  sim::Watch* watch() { return watch_.get(); }
  /// Faults are injected: rules that only hold for hardware that works are not applied (sim/invariants/watch.h).
  void forgive_hardware(bool on);
  /// Reports what the ledgers have found in this run up to now. True: nothing.
  bool check();

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
  std::unique_ptr<sim::Watch> watch_;
  uint64_t reported_ = 0;   ///< violations of this run that were reported
  std::unique_ptr<backend::PassthroughDevice> device_;
};

}  // namespace dartboard::support
