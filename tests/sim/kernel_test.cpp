// tests/sim/kernel_test.cpp - boot and shutdown, hot plug, panics and faults by policy, the same hash every time.
#include "sim/macos/kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/config_space.h"
#include "rig.h"

namespace dartboard::macos {
namespace {

using sim_test::ClientMemory;
using sim_test::kClient;
using sim_test::kPage;
using sim_test::Rig;
using sim_test::RigTest;
using sim_test::test_profile;

class KernelTest : public RigTest {
 protected:
  void boot_with(sim::FaultPolicy policy) {
    sim::Profile profile = test_profile();
    profile.on_dart_fault = policy;
    boot(profile);
    claim();
  }
};

TEST_F(KernelTest, TheCurrentKernelIsTheOneThatIsOn) {
  boot();
  EXPECT_EQ(Kernel::current(), &kernel());
}

TEST_F(KernelTest, ShutdownLeavesNoMemoryNoServiceAndNoWork) {
  boot();
  claim();
  const Ref<PciNub> nub_before(&nub());
  ClientMemory memory(kPage);
  Mapper::Mapping mapping;
  ASSERT_EQ(mapper().map(nub().rid(), *memory.object(kPage), 0, kPage, true, true, 64, &mapping), io_return::kSuccess);
  kernel().shutdown();
  EXPECT_TRUE(nub_before->terminated());
  EXPECT_TRUE(kernel().registry().root().children().empty());
  EXPECT_FALSE(kernel().executor().pending());
  EXPECT_EQ(Rig::get().memory.at(model::kHostMemoryBase), nullptr);
}

TEST_F(KernelTest, TheSameRunHasTheSameHashAfterAnyHistory) {
  const auto run = [this] {
    boot();
    claim();
    ClientMemory memory(4 * kPage);
    Mapper::Mapping mapping;
    EXPECT_EQ(mapper().map(nub().rid(), *memory.object(3 * kPage), 0, 3 * kPage, true, true, 64, &mapping),
              io_return::kSuccess);
    device_writes(mapping.iova, 64);
    kernel().device_removed(0);
    return Rig::get().hash.value();
  };
  const sim::Hash128 first = run();
  boot(test_profile(), {.memory_bytes = 4 * kMiB}, 99);
  kernel().panic(PanicCause::kDextWatchdog, "test");
  EXPECT_EQ(run(), first);
}

TEST_F(KernelTest, RegistryIdsAreTheSameAfterEachBoot) {
  boot();
  const uint64_t id = nub().id();
  boot();
  EXPECT_EQ(nub().id(), id);
}

// Drivers -------------------------------------------------------------------------------------------------------------

struct CountingMatcher final : DriverMatcher {
  std::vector<std::string> offered;
  int shutdowns = 0;
  void offer(Kernel&, PciNub& nub) override { offered.push_back(nub.name()); }
  void shutdown(Kernel&) override { ++shutdowns; }
};
CountingMatcher& matcher() {
  static CountingMatcher* const m = [] {
    auto* made = new CountingMatcher();  // registered for the rest of the process
    register_driver_matcher(made);
    return made;
  }();
  return *m;
}

TEST_F(KernelTest, EveryPublishedNubIsOfferedToDrivers) {
  matcher().offered.clear();
  boot();
  kernel().device_removed(0);
  kernel().device_arrived(0);
  EXPECT_EQ(matcher().offered, (std::vector<std::string>{"pci1b36,db", "pci1b36,db"}));
}

TEST_F(KernelTest, ShutdownStopsDriversOnce) {
  boot();
  matcher().shutdowns = 0;
  kernel().shutdown();
  kernel().shutdown();
  EXPECT_EQ(matcher().shutdowns, 1);
}

// Hot plug ------------------------------------------------------------------------------------------------------------

TEST_F(KernelTest, APulledCableTerminatesTheNub) {
  boot();
  const Ref<PciNub> gone(&nub());
  kernel().root(0).model.plug(nullptr);
  EXPECT_FALSE(gone->terminated()) << "not inside the model's call";
  kernel().executor().run_until_idle();
  EXPECT_TRUE(gone->terminated());
  EXPECT_EQ(kernel().nub(0), nullptr);
}

TEST_F(KernelTest, ADeviceThatArrivesIsEnumerated) {
  boot();
  model::TestEndpoint other;
  kernel().root(1).model.plug(&other);
  kernel().executor().run_until_idle();
  EXPECT_NE(kernel().nub(1), nullptr);
  Rig::get().power_off();
}

TEST_F(KernelTest, ALinkThatComesBackBringsANewNubOnceTheDeviceIsReady) {
  boot(test_profile(), {.reset_ready_ns = 50 * kNsPerMs});
  kernel().root(0).model.link().take_down();
  kernel().executor().run_until_idle();
  ASSERT_EQ(kernel().nub(0), nullptr);
  kernel().root(0).model.link().bring_up();
  kernel().executor().run_until_idle();
  EXPECT_NE(kernel().nub(0), nullptr);
}

TEST_F(KernelTest, RemovalRevokesMappingsAfterTheDrain) {
  boot();
  ClientMemory memory(kPage);
  Mapper::Mapping mapping;
  ASSERT_EQ(mapper().map(nub().rid(), *memory.object(kPage), 0, kPage, true, true, 64, &mapping), io_return::kSuccess);
  const uint64_t start_ns = now_ns();
  kernel().device_removed(0);
  EXPECT_EQ(now_ns() - start_ns, 100 * kNsPerMs);
  EXPECT_EQ(mapper().stats().mappings, 0u);
  mapper().unmap(mapping);
  EXPECT_EQ(mapper().stats().stale_unmaps, 1u);
}

TEST_F(KernelTest, ADeviceThatComesBackWorks) {
  boot();
  claim();
  kernel().device_removed(0);
  kernel().device_arrived(0);
  ASSERT_NE(kernel().nub(0), nullptr);
  claim();
  ClientMemory memory(kPage);
  Mapper::Mapping mapping;
  ASSERT_EQ(mapper().map(nub().rid(), *memory.object(kPage), 0, kPage, true, true, 64, &mapping), io_return::kSuccess);
  EXPECT_TRUE(device_writes(mapping.iova, 64));
}

// Faults and panics ---------------------------------------------------------------------------------------------------

TEST_F(KernelTest, ADartFaultIsAPanicWithItsCauseAddressAndDevice) {
  boot_with(sim::FaultPolicy::kPanic);
  start_device_write(Iova(0x9000'0000), 4);
  ASSERT_TRUE(kernel().panicked());
  EXPECT_EQ(kernel().panicked()->cause, PanicCause::kDartFault);
  EXPECT_THAT(kernel().panicked()->sentence,
              testing::AllOf(testing::HasSubstr("VIOLATION_T8110_DART_INVALID_ERR_MASK 0x9"),
                             testing::HasSubstr("0x90000000"), testing::HasSubstr("pcic0-bridge")));
}

TEST_F(KernelTest, UnderTheAbortPolicyAFaultIsAcknowledgedAndTheHostLives) {
  boot_with(sim::FaultPolicy::kAbort);
  EXPECT_FALSE(device_writes(Iova(0x9000'0000), 4));
  EXPECT_FALSE(kernel().panicked());
  EXPECT_TRUE(kernel().executor().pending());
  kernel().executor().run_until_idle();
  EXPECT_EQ(kernel().root(0).dart.take_error().error >> 31, 0u);
}

TEST_F(KernelTest, EachPolicyGivesTheSameFaultItsOwnEnd) {
  struct Row {
    sim::FaultPolicy policy;
    bool panics;
    uint64_t acknowledged;
    size_t event_bytes;
  };
  constexpr Row kRows[] = {{sim::FaultPolicy::kPanic, true, 0, 0},
                           {sim::FaultPolicy::kAbort, false, 1, 0},
                           {sim::FaultPolicy::kEvent, false, 1, kDartEventBytes}};
  for (const Row& row : kRows) {
    SCOPED_TRACE(static_cast<int>(row.policy));
    boot_with(row.policy);
    start_device_write(Iova(0x9000'0000), 4);
    kernel().executor().run_until_idle();
    EXPECT_EQ(kernel().panicked().has_value(), row.panics);
    EXPECT_EQ(kernel().root(0).model.dart().stats().faults, 1u) << "the hardware is the same";
    EXPECT_EQ(kernel().root(0).dart_errors_acknowledged, row.acknowledged);
    const auto it = nub().properties().find(kDartErrorDataKey);
    EXPECT_EQ(it != nub().properties().end() ? std::get<PropertyData>(it->second.value).size() : 0, row.event_bytes);
    EXPECT_EQ(nub().dart_events().pending(), row.event_bytes != 0);
  }
}

TEST_F(KernelTest, AnEventHasTheErrorRegisterTheAddressTheStreamAndTheDirection) {
  boot_with(sim::FaultPolicy::kEvent);
  EXPECT_FALSE(device_writes(Iova(0x9000'0000), 4));
  kernel().executor().run_until_idle();
  const auto it = nub().properties().find(kDartErrorDataKey);
  ASSERT_NE(it, nub().properties().end());
  // FLAG, WRITE_nREAD, SID 1, NO_PGD: three tables, and the first of them is empty.
  const PropertyData expected = {0x02, 0, 0x10, 0x90, 0, 0, 0, 0x90, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(std::get<PropertyData>(it->second.value), expected);
}

TEST_F(KernelTest, AnEventIsInTheTraceHash) {
  const auto run = [this](sim::FaultPolicy policy) {
    boot_with(policy);
    EXPECT_FALSE(device_writes(Iova(0x9000'0000), 4));
    kernel().executor().run_until_idle();
    return Rig::get().hash.events();
  };
  EXPECT_EQ(run(sim::FaultPolicy::kEvent), run(sim::FaultPolicy::kAbort) + 1);
}

TEST_F(KernelTest, FaultsOfTwoRootComplexesAreBothAcknowledged) {
  boot_with(sim::FaultPolicy::kAbort);
  model::TestEndpoint other;
  kernel().root(1).model.plug(&other);
  kernel().executor().run_until_idle();
  ASSERT_NE(kernel().nub(1), nullptr);
  for (unsigned root : {0u, 1u}) {
    uint32_t word = 0;
    kernel().root(root).model.dart().access(Sid(1), Rid(1, 0, 0), Iova(0x9000'0000), &word, 4, false);
  }
  kernel().executor().run_until_idle();
  for (unsigned root : {0u, 1u}) EXPECT_EQ(kernel().root(root).dart.take_error().error >> 31, 0u) << root;
  Rig::get().power_off();
}

TEST_F(KernelTest, ANubThatComesBackHasNoEvents) {
  boot_with(sim::FaultPolicy::kEvent);
  EXPECT_FALSE(device_writes(Iova(0x9000'0000), 4));
  kernel().executor().run_until_idle();
  kernel().device_removed(0);
  kernel().device_arrived(0);
  ASSERT_NE(kernel().nub(0), nullptr);
  EXPECT_FALSE(nub().dart_events().pending());
  EXPECT_EQ(nub().properties().count(kDartErrorDataKey), 0u);
}

TEST_F(KernelTest, AnInboundAddressAboveTheLimitIsAPanic) {
  sim::Profile profile = test_profile();
  profile.on_dart_fault = sim::FaultPolicy::kAbort;
  profile.ports[0].root.inbound_address_bits = 32;
  boot(profile);
  claim();
  start_device_write(Iova(0x1'0000'0000), 4);
  ASSERT_TRUE(kernel().panicked());
  EXPECT_EQ(kernel().panicked()->cause, PanicCause::kInboundAddress);
  EXPECT_THAT(kernel().panicked()->sentence,
              testing::AllOf(testing::HasSubstr("Request address is greater than 32 bits"),
                             testing::HasSubstr("0x100000000"), testing::HasSubstr("pcielint=0x0002")));
}

TEST_F(KernelTest, OnAnM1TheDartsOwnDriverReportsTheFault) {
  sim::Profile profile = test_profile();
  profile.ports[0].root.dart = {.variant = model::DartVariant::kUsb4, .sid_count = 64, .pa_width = 36};
  boot(profile);
  claim();
  start_device_write(Iova(0x9000'0000), 4);
  ASSERT_TRUE(kernel().panicked());
  EXPECT_THAT(kernel().panicked()->sentence,
              testing::HasSubstr("SID 1 L2E invalid exception on write of DVA 0x90000000"));
}

TEST_F(KernelTest, TheFirstPanicWins) {
  boot();
  kernel().panic(PanicCause::kDextWatchdog, "first");
  kernel().panic(PanicCause::kDartFault, "second");
  EXPECT_EQ(kernel().panicked()->sentence, "first");
}

TEST_F(KernelTest, AfterAPanicEveryEntryRefuses) {
  boot();
  claim();
  kernel().panic(PanicCause::kDextWatchdog, "test");
  uint64_t value = 0;
  EXPECT_EQ(nub().memory_read(kClient, 0, 0, 4, &value), io_return::kNotResponding);
  EXPECT_EQ(nub().memory_write(kClient, 0, 0, 4, 0), io_return::kNotResponding);
  EXPECT_EQ(nub().config_read(kClient, 0, 2), 0xffffu);
  EXPECT_EQ(nub().open(kClient), io_return::kNotResponding);
  EXPECT_EQ(nub().reset_device(kResetHot, 0), io_return::kNotResponding);
  EXPECT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 1, 0), io_return::kNotResponding);
}

TEST_F(KernelTest, AMachineThatPanickedBootsAgain) {
  boot();
  kernel().panic(PanicCause::kDextWatchdog, "test");
  boot();
  EXPECT_FALSE(kernel().panicked());
  claim();
  EXPECT_EQ(reg(model::test_register::kId), model::test_register::kIdValue);
}

TEST_F(KernelTest, InspectNamesWhatPeopleKnow) {
  boot();
  claim();
  InspectNode node;
  kernel().inspect(node);
  std::string text;
  const std::function<void(const InspectNode&)> flatten = [&](const InspectNode& n) {
    text += n.name + "=" + n.value + "\n";
    for (const InspectNode& child : n.children) flatten(child);
  };
  flatten(node);
  for (const char* word : {"pcic0-bridge", "BAR0", "first-fit", "root-table", "vectors", "vendor-id", "rid=01:00.0"}) {
    EXPECT_THAT(text, testing::HasSubstr(word));
  }
}

}  // namespace
}  // namespace dartboard::macos
