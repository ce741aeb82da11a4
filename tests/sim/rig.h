// tests/sim/rig.h - a small machine for the tests of sim/macos: two root complexes, real model, kernel; built once.
#pragma once

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/types.h"
#include "model/endpoint/test.h"
#include "model/host_memory.h"
#include "model/root_complex.h"
#include "model/timeline.h"
#include "sim/core/tape.h"
#include "sim/core/trace_hash.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_nub.h"
#include "sim/macos/root_context.h"
#include "sim/profile.h"

namespace dartboard::sim_test {

inline constexpr uint64_t kClient = 0x1'0000'0042;  // some service's registry id
inline constexpr uint64_t kPage = 16 * kKiB;

/// The modules of this process. Tests go through RigTest.
class Rig {
 public:
  static Rig& get();
  /// Cold start with a device in each of the first slots (null: empty).
  void power_on(const sim::Profile& profile, std::vector<model::PcieDevice*> devices, uint64_t seed = 1);
  void power_off();

  model::Timeline timeline;
  model::HostMemory memory;
  sim::Tape tape;
  sim::TraceHash hash;
  std::vector<std::unique_ptr<model::RootComplex>> roots;
  std::unique_ptr<macos::Kernel> kernel;

 private:
  Rig();
};

/// Two Thunderbolt-like ports with the window and pages of an M4; latencies 0, so that tests see their own times.
sim::Profile test_profile();

/// Page-aligned memory of this process, like a client's.
class ClientMemory {
 public:
  explicit ClientMemory(uint64_t bytes, uint64_t skew = 0);
  std::byte* data() { return aligned_; }
  macos::Ref<macos::MemoryObject> object(uint64_t bytes,
                                         macos::MemoryDirection direction = macos::MemoryDirection::kInOut);

 private:
  std::vector<std::byte> storage_;
  std::byte* aligned_;
};

/// A powered machine with one test endpoint in slot 0.
class RigTest : public testing::Test {
 protected:
  void TearDown() override;
  /// Boots with `profile` and a test endpoint made from `options`.
  void boot(const sim::Profile& profile, const model::TestEndpointOptions& options = {}, uint64_t seed = 1);
  void boot(const model::TestEndpointOptions& options = {}) { boot(test_profile(), options); }

  macos::Kernel& kernel() { return *Rig::get().kernel; }
  macos::PciNub& nub() { return *kernel().nub(0); }
  macos::Mapper& mapper() { return kernel().mapper(0); }
  model::TestEndpoint& device() { return *device_; }
  uint64_t now_ns() { return kernel().timeline().now().value; }

  /// Opens the device and sets Memory Space and Bus Master, as a dext's claim does.
  void claim();
  uint32_t reg(uint32_t offset);
  void set_reg(uint32_t offset, uint32_t value);
  /// Makes the device write `bytes` of 0xa5 to `iova`.
  void start_device_write(Iova iova, uint32_t bytes);
  /// The same, and asks how it went. True: the DMA succeeded.
  bool device_writes(Iova iova, uint32_t bytes);

  std::unique_ptr<model::TestEndpoint> device_;
};

}  // namespace dartboard::sim_test
