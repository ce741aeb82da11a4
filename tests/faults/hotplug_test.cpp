// tests/faults/hotplug_test.cpp - the cable is pulled in the middle of something, and something is plugged in again:
// what a program with the device open sees on every layer.
#include <IOKit/IOKitLib.h>
#include <IOKit/IOMessage.h>

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "dext/client/discovery.h"
#include "sim/driverkit/runtime.h"
#include "sim/faults/plan.h"
#include "sim/macos/root_context.h"
#include "tests/faults/workload.h"

namespace dartboard::faults_test {
namespace {

using backend::IrqAction;
using backend::IrqKind;
using backend::Region;
using K = sim::FaultKind;
namespace reg = model::test_register;

constexpr uint64_t kKey = 1;

/// Another program that asked to be told about the service.
class Witness {
 public:
  Witness() {
    auto found = dext::find_devices();
    EXPECT_TRUE(found && found->size() == 1);
    if (!found || found->empty()) return;
    device_ = std::move(found->front());
    port_ = IONotificationPortCreate(kIOMainPortDefault);
    queue_ = dispatch_queue_create("witness", DISPATCH_QUEUE_SERIAL);
    IONotificationPortSetDispatchQueue(port_, queue_);
    const auto hear = [](void* self, io_service_t, uint32_t type, void*) {
      static_cast<Witness*>(self)->messages.push_back(type);
    };
    EXPECT_EQ(IOServiceAddInterestNotification(port_, device_.service.get(), kIOGeneralInterest, hear, this, &interest_),
              KERN_SUCCESS);
  }
  ~Witness() {
    if (interest_ != IO_OBJECT_NULL) IOObjectRelease(interest_);
    if (port_ != nullptr) IONotificationPortDestroy(port_);
    if (queue_ != nullptr) dispatch_release(queue_);
  }
  uint64_t registry_id() const { return device_.listing.registry_id; }
  std::vector<uint32_t> messages;

 private:
  dext::FoundDevice device_;
  IONotificationPortRef port_ = nullptr;
  dispatch_queue_t queue_ = nullptr;
  io_object_t interest_ = IO_OBJECT_NULL;
};

/// A machine with an open device that has memory mapped, interrupts on and a register written.
class HotPlug : public testing::Test {
 protected:
  static model::TestEndpointOptions options(bool flr) {
    model::TestEndpointOptions o;
    o.flr = flr;
    return o;
  }
  void start(bool flr = true, const char* profile = "m4pro-tb5") {
    world = std::make_unique<support::World>(profile, options(flr), 1);
    const auto mapping = world->device().dma_map(kKey, Workload::memory(), Workload::kBytes);
    ASSERT_TRUE(mapping) << mapping.error().sentence;
    iova = mapping->iova;
    const std::array<backend::IrqSink, 2> sinks = {[this](uint32_t) { ++interrupts; }, [this](uint32_t) { ++interrupts; }};
    ASSERT_TRUE(world->device().set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 2, sinks));
    world->write32(reg::kScratch, 0x1234);
    ASSERT_EQ(world->read32(reg::kScratch), 0x1234u);
    world->forgive_hardware(true);
    plan = std::make_unique<sim::FaultPlan>(world->machine().tape(), world->machine().hash(), world->machine().timeline());
  }
  void TearDown() override {
    plan.reset();
    world.reset();
  }
  void strike(K kind) {
    sim::FaultRule rule;
    rule.kind = kind;
    plan->set_rules({rule});
    plan->install();
  }
  uint64_t config(backend::PassthroughDevice& device, unsigned width = 4) {
    uint64_t value = 0;
    EXPECT_TRUE(device.read(Region::kConfig, 0, std::as_writable_bytes(std::span(&value, 1)).first(width)));
    return value;
  }
  sim::Machine& machine() { return world->machine(); }

  /// Nothing of what the old device had is left in kernel, DART or driver.
  void expect_everything_given_back() {
    EXPECT_EQ(machine().kernel().mapper(0).stats().mappings, 0u);
    EXPECT_EQ(machine().kernel().mapper(0).stats().mapped_bytes, 0u);
    ASSERT_NE(world->watch(), nullptr);
    (void)world->watch()->violations();
    EXPECT_EQ(world->watch()->dart().live(), 0u);
  }

  /// Every call on a device that is gone has an answer, and none of them is an accident.
  void expect_gone_and_answering() {
    backend::PassthroughDevice& device = world->device();
    device.pump();
    EXPECT_TRUE(device.gone());
    EXPECT_EQ(config(device), 0xffff'ffffu);
    EXPECT_EQ(config(device, 1), 0xffu);
    EXPECT_EQ(world->read32(reg::kId), 0xffff'ffffu);
    uint64_t wide = 0;
    EXPECT_TRUE(device.read(Region::kBar0, 0, std::as_writable_bytes(std::span(&wide, 1))));
    EXPECT_EQ(wide, UINT64_MAX);
    std::array<std::byte, 64> many{};
    EXPECT_TRUE(device.read(Region::kBar2, 0x100, many));
    for (const std::byte byte : many) EXPECT_EQ(byte, std::byte{0xff});
    // Writes are posted into nothing.
    const uint32_t value = 7;
    EXPECT_TRUE(device.write(Region::kConfig, 4, std::as_bytes(std::span(&value, 1))));
    EXPECT_TRUE(device.write(Region::kBar0, reg::kDoorbell, std::as_bytes(std::span(&value, 1))));
    EXPECT_TRUE(device.write(Region::kBar2, 0, std::as_bytes(std::span(&value, 1))));
    // Out of range stays out of range.
    EXPECT_FALSE(device.read(Region::kBar0, 1 << 30, many));
    // What cannot be had any more says why.
    const auto mapped = device.dma_map(kKey + 1, Workload::memory() + Workload::kBytes, Workload::kBytes);
    ASSERT_FALSE(mapped);
    EXPECT_EQ(mapped.error().name, ErrorName::kDeviceGone);
    const auto buffer = device.allocate_dma_buffer(4096, 0);
    ASSERT_FALSE(buffer);
    EXPECT_EQ(buffer.error().name, ErrorName::kDeviceGone);
    const auto reset = device.reset();
    ASSERT_FALSE(reset);
    EXPECT_EQ(reset.error().name, ErrorName::kDeviceGone);
    EXPECT_NE(reset.error().sentence.find("plug it in"), std::string::npos) << reset.error().sentence;
    // What is to be given back is given back.
    EXPECT_TRUE(device.dma_unmap(kKey));
    EXPECT_EQ(device.budget_use().bytes, 0u);
    EXPECT_TRUE(device.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 0, {}));
  }

  std::unique_ptr<support::World> world;
  std::unique_ptr<sim::FaultPlan> plan;
  Iova iova;
  int interrupts = 0;
};

// In the middle of something ------------------------------------------------------------------------------------------

struct Moment {
  const char* name;
  K kind;
  bool hot;
};
constexpr Moment kMoments[] = {
    {"RegisterRead", K::kLinkSurpriseDown, false}, {"ConfigRead", K::kUnplugDuringConfig, false},
    {"Dma", K::kUnplugDuringDma, false},           {"DmaLinkOnly", K::kLinkSurpriseDown, false},
    {"Map", K::kUnplugDuringMap, false},           {"Reset", K::kUnplugDuringReset, true},
};

class PulledDuring : public HotPlug, public testing::WithParamInterface<Moment> {
 protected:
  void act() {
    const std::string_view name = GetParam().name;
    backend::PassthroughDevice& device = world->device();
    if (name == "RegisterRead") {
      EXPECT_EQ(world->read32(reg::kId), 0xffff'ffffu);
    } else if (name == "ConfigRead") {
      EXPECT_EQ(config(device), 0xffff'ffffu);
    } else if (name == "Dma" || name == "DmaLinkOnly") {
      plan->remove();
      world->write32(reg::kDmaDelayNs, 1000);
      world->write64(reg::kDmaDestination, iova.value);
      world->write32(reg::kDmaLength, 4096);
      world->write32(reg::kDmaPattern, 0x5a5a'5a5a);
      world->write32(reg::kDmaCommand, static_cast<uint32_t>(model::TestDmaCommand::kFillHost));
      strike(GetParam().kind);   // only now: the transfer is under way
      machine().timeline().advance(1'000'000);
    } else if (name == "Map") {
      const auto mapped = device.dma_map(kKey + 1, Workload::memory() + Workload::kBytes, Workload::kBytes);
      // The kernel may notice only after the call: then it is a mapping of a device that is gone, and goes like one.
      if (mapped) {
        device.pump();
        EXPECT_TRUE(device.dma_unmap(kKey + 1));
      } else {
        EXPECT_FALSE(mapped.error().sentence.empty());
      }
    } else {
      const auto reset = device.reset();
      ASSERT_FALSE(reset);
      EXPECT_FALSE(reset.error().sentence.empty());
    }
  }
};

TEST_P(PulledDuring, EverythingEndsAndIsGivenBack) {
  start(!GetParam().hot);
  Witness witness;
  const uint64_t terminated_id = witness.registry_id();
  strike(GetParam().kind);
  act();
  EXPECT_EQ(plan->strikes(GetParam().kind), 1u);
  plan->remove();
  machine().kernel().executor().run_until_idle();

  expect_gone_and_answering();
  ASSERT_EQ(witness.messages.size(), 1u);
  EXPECT_EQ(witness.messages[0], kIOMessageServiceIsTerminated);
  EXPECT_EQ(machine().kernel().nub(0), nullptr);
  expect_everything_given_back();
  // The driver was stopped and its process ended: nothing of it is alive, whoever still holds a handle.
  EXPECT_EQ(driverkit::live_objects(), 0u);
  EXPECT_FALSE(machine().kernel().panicked());
  EXPECT_FALSE(world->open_another()) << "there is nothing to open";

  // The same device again is a new service, and the old handle does not reach it.
  world->unplug();
  world->plug();
  auto fresh = world->open_another();
  ASSERT_TRUE(fresh) << fresh.error().sentence;
  const auto listing = dext::list_devices();
  ASSERT_TRUE(listing && listing->size() == 1);
  EXPECT_NE(listing->front().registry_id, terminated_id);
  const uint32_t command = 6;
  ASSERT_TRUE((*fresh)->write(Region::kConfig, 4, std::as_bytes(std::span(&command, 1)).first(2)));
  EXPECT_EQ(config(**fresh), uint32_t{model::kTestDeviceId} << 16 | model::kTestVendorId);
  EXPECT_TRUE(world->device().gone());
  EXPECT_EQ(world->read32(reg::kId), 0xffff'ffffu);
  world->write32(reg::kDoorbell, 9);
  world->write32(reg::kRaise, 0);
  EXPECT_EQ(world->endpoint().registers().peek32(reg::kDoorbellCount), 0u);
  EXPECT_EQ(world->endpoint().registers().peek32(reg::kRaiseCount), 0u);
  EXPECT_EQ(world->endpoint().registers().peek32(reg::kScratch), 0u) << "it came back as from power-on";
  interrupts = 0;
  world->device().pump();
  EXPECT_EQ(interrupts, 0);
  world->close();   // the old one; the new one lives on
  EXPECT_EQ(config(**fresh), uint32_t{model::kTestDeviceId} << 16 | model::kTestVendorId);
  EXPECT_EQ(witness.messages.size(), 1u);
}
INSTANTIATE_TEST_SUITE_P(Moments, PulledDuring, testing::ValuesIn(kMoments),
                         [](const auto& test) { return std::string(test.param.name); });

// Another device ------------------------------------------------------------------------------------------------------

TEST_F(HotPlug, AnotherDeviceInTheSlotIsNotReachedByTheOldHandle) {
  start();
  model::TestEndpointOptions other_options;
  other_options.serial_number = 0x2222;
  other_options.msix_vectors = 4;
  model::TestEndpoint other(other_options);
  strike(K::kUnplugReplugOther);
  ASSERT_TRUE(model::fault(K::kUnplugReplugOther));   // this test is what does it
  plan->remove();
  world->unplug();
  world->plug(&other);

  expect_gone_and_answering();
  EXPECT_EQ(other.registers().peek32(reg::kDoorbellCount), 0u);
  EXPECT_EQ(other.registers().peek32(reg::kScratch), 0u);
  EXPECT_FALSE(other.config().file().peek16(4) & 4) << "nobody opened the new device, so nobody made it bus master";
  auto fresh = world->open_another();
  ASSERT_TRUE(fresh) << fresh.error().sentence;
  EXPECT_EQ((*fresh)->irq_info(IrqKind::kMsix)->count, 4u);
  world->write32(reg::kDoorbell, 9);
  EXPECT_EQ(other.registers().peek32(reg::kDoorbellCount), 0u);
  // Memory that the old device was given is nobody's: the new one cannot reach it.
  EXPECT_EQ(machine().kernel().mapper(0).stats().mappings, 0u);
  fresh->reset();
  world->close();
  world->unplug();   // before `other` goes
}

TEST_F(HotPlug, ComingAndGoingLeavesNothingBehind) {
  start();
  world->close();
  uint64_t objects = 0;
  for (unsigned i = 0; i < 20; ++i) {
    world->unplug();
    EXPECT_EQ(driverkit::live_objects(), 0u) << i;
    world->plug();
    if (i == 0) objects = driverkit::live_objects();
    EXPECT_EQ(driverkit::live_objects(), objects) << i;
    auto device = world->open_another();
    ASSERT_TRUE(device) << i << ": " << device.error().sentence;
    EXPECT_TRUE((*device)->dma_map(kKey, Workload::memory(), Workload::kBytes));
  }
  expect_everything_given_back();
}

TEST_F(HotPlug, AnEmptySlotHasNothingToOpen) {
  start();
  world->close();
  world->unplug();
  const auto none = world->open_another();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().name, ErrorName::kNotFound);
  world->unplug();   // twice is once
  EXPECT_EQ(machine().kernel().nub(0), nullptr);
}

// A CPU that reads a direct mapping of a device that is gone takes a Mac down: one time in so many -----------------------

TEST_F(HotPlug, OneUnplugInSoManyPanicsTheHost) {
  start();
  unsigned panics = 0;
  constexpr uint64_t kRuns = 32;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    world->restart(seed);
    world->forgive_hardware(true);
    plan->set_rules({*sim::parse_fault_rule("unplug-read-panic%4")});
    plan->install();
    world->unplug();
    plan->remove();
    const auto& panic = machine().kernel().panicked();
    EXPECT_EQ(panic.has_value(), plan->strikes(K::kUnplugReadPanic) != 0);
    world->device().pump();
    if (!panic) {
      EXPECT_TRUE(world->device().gone());
      continue;
    }
    ++panics;
    EXPECT_EQ(panic->cause, macos::PanicCause::kStaleBarAccess);
    EXPECT_EQ(world->read32(reg::kId), 0xffff'ffffu);
    const auto mapped = world->device().dma_map(9, Workload::memory(), 4096);
    ASSERT_FALSE(mapped);
    EXPECT_FALSE(mapped.error().sentence.empty());
    EXPECT_FALSE(world->open_another());
  }
  EXPECT_GT(panics, 0u);
  EXPECT_LT(panics, kRuns / 2);
}

}  // namespace
}  // namespace dartboard::faults_test
