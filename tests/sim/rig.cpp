// tests/sim/rig.cpp - building and cold-starting the test machine.
#include "rig.h"

#include <fmt/format.h>

#include "model/config_space.h"

namespace dartboard::sim_test {
namespace {

constexpr unsigned kRoots = 2;

}  // namespace

Rig::Rig() : timeline("timeline"), memory(4 * kGiB) {
  std::vector<model::RootComplex*> pointers;
  for (unsigned i = 0; i < kRoots; ++i) {
    roots.push_back(std::make_unique<model::RootComplex>(fmt::format("root{}", i).c_str(), i, timeline, memory));
    pointers.push_back(roots.back().get());
  }
  kernel = std::make_unique<macos::Kernel>(timeline, memory, tape, hash, pointers);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
}

Rig& Rig::get() {
  static Rig* const rig = new Rig();  // SystemC's context outlives static destruction
  return *rig;
}

void Rig::power_on(const sim::Profile& profile, std::vector<model::PcieDevice*> devices, uint64_t seed) {
  power_off();
  devices.resize(kRoots, nullptr);
  for (unsigned i = 0; i < kRoots; ++i) {
    roots[i]->configure(i < profile.ports.size() ? profile.ports[i].root : model::RootComplexConfig{}, nullptr,
                        kernel->platform());
    roots[i]->plug(devices[i]);
  }
  timeline.reset();
  for (auto& root : roots) root->reset();
  memory.reset();
  tape.start_seeded(seed);
  hash.reset();
  kernel->make_current();
  kernel->boot(profile);
}

void Rig::power_off() {
  kernel->shutdown();
  for (auto& root : roots) root->plug(nullptr);
}

sim::Profile test_profile() {
  sim::Profile profile;
  profile.name = "test";
  profile.timings.flr_ns = 100 * kNsPerMs;
  profile.timings.flr_poll_ns = 2 * kNsPerMs;
  profile.timings.hot_reset_hold_ns = 100 * kNsPerMs;
  profile.timings.hot_reset_link_ns = 100 * kNsPerMs;
  for (const char* name : {"pcic0-bridge", "pcic1-bridge"}) {
    sim::PortProfile port;
    port.name = name;
    port.root.dart.va_width = 42;
    port.mmio32_base = 0x0010'0000;
    port.mmio32_bytes = 0x3ff0'0000;
    port.pref_base = 0x4'0000'0000;
    port.pref_bytes = 0x8000'0000;
    port.tunnelled = true;
    profile.ports.push_back(port);
  }
  return profile;
}

ClientMemory::ClientMemory(uint64_t bytes, uint64_t skew) : storage_(bytes + skew + kPage) {
  aligned_ = reinterpret_cast<std::byte*>(round_up(reinterpret_cast<uintptr_t>(storage_.data()), kPage)) + skew;
}

macos::Ref<macos::MemoryObject> ClientMemory::object(uint64_t bytes, macos::MemoryDirection direction) {
  return macos::MemoryObject::from_client({{aligned_, bytes}}, direction, false);
}

void RigTest::TearDown() {
  Rig::get().power_off();
}

void RigTest::boot(const sim::Profile& profile, const model::TestEndpointOptions& options, uint64_t seed) {
  Rig::get().power_off();
  device_ = std::make_unique<model::TestEndpoint>(options);
  Rig::get().power_on(profile, {device_.get()}, seed);
  ASSERT_NE(kernel().nub(0), nullptr);
}

void RigTest::claim() {
  ASSERT_EQ(nub().open(kClient), io_return::kSuccess);
  nub().config_write(kClient, model::cfg::kCommand, 2, model::cfg::kCommandMemory | model::cfg::kCommandBusMaster);
}

uint32_t RigTest::reg(uint32_t offset) {
  uint64_t value = 0;
  EXPECT_EQ(nub().memory_read(kClient, 0, offset, 4, &value), io_return::kSuccess);
  return static_cast<uint32_t>(value);
}

void RigTest::set_reg(uint32_t offset, uint32_t value) {
  EXPECT_EQ(nub().memory_write(kClient, 0, offset, 4, value), io_return::kSuccess);
}

void RigTest::start_device_write(Iova iova, uint32_t bytes) {
  namespace r = model::test_register;
  set_reg(r::kControl, r::kControlImmediate);
  set_reg(r::kDmaPattern, 0xa5a5'a5a5);
  set_reg(r::kDmaDestination, static_cast<uint32_t>(iova.value));
  set_reg(r::kDmaDestination + 4, static_cast<uint32_t>(iova.value >> 32));
  set_reg(r::kDmaLength, bytes);
  set_reg(r::kDmaCommand, static_cast<uint32_t>(model::TestDmaCommand::kFillHost));
}

bool RigTest::device_writes(Iova iova, uint32_t bytes) {
  start_device_write(iova, bytes);
  return reg(model::test_register::kDmaError) == static_cast<uint32_t>(model::TestDmaError::kNone);
}

}  // namespace dartboard::sim_test
