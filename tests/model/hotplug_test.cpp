// tests/model/hotplug_test.cpp - surprise removal and return: every request ends, all-ones afterwards, a new device
// works.
#include <gtest/gtest.h>

#include "tests/model/endpoint_fabric.h"

namespace dartboard::model::test {
namespace {

class Hotplug : public EndpointFabricTest {
 protected:
  void expect_gone() {
    Outcome outcome;
    const uint64_t before = fabric.timeline.now().value;
    for (const uint64_t address : {kEcamBase + kDevice, kRegisters, kMemory}) {
      EXPECT_EQ(fabric.read(address, 4, &outcome), 0xffff'ffffu);
      EXPECT_EQ(outcome, Outcome::kLinkDown);
      EXPECT_EQ(fabric.write(address, 0), Outcome::kLinkDown);
    }
    EXPECT_EQ(fabric.timeline.now().value, before) << "nobody waits for what is not there";
    EXPECT_FALSE(fabric.root.direct_memory(kBar2, 4));
  }
};

TEST_F(Hotplug, APulledDeviceReadsAllOnesAndIsReportedOnce) {
  fabric.root.plug(nullptr);
  expect_gone();
  EXPECT_EQ(fabric.sink->links, std::vector<bool>{false});
  EXPECT_EQ(root_register(aer::kUncorrectableStatus), aer::kSurpriseDown);
  ASSERT_EQ(fabric.sink->errors.size(), 1u);
  EXPECT_EQ(fabric.sink->errors[0].message, ErrorMessage::kFatal);
  EXPECT_TRUE(fabric.sink->errors[0].interrupt);
  EXPECT_NE(interrupt_status() & port_reg::kLinkDown, 0u);
  EXPECT_EQ(fabric.config_read(root_pcie() + bridge::kLinkStatus, 2) & bridge::kDataLinkActive, 0u);
}

TEST_F(Hotplug, BetweenTheTwoHalvesOfAnAccess) {
  EXPECT_EQ(fabric.write(kMemory, 0x1122'3344), Outcome::kSuccess);
  Outcome outcome;
  EXPECT_EQ(fabric.read(kMemory, 4, &outcome), 0x1122'3344u);
  fabric.root.plug(nullptr);
  EXPECT_EQ(fabric.read(kMemory + 4, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
}

TEST_F(Hotplug, WhileADmaWaitsForItsTime) {
  namespace reg = test_register;
  fabric.write(kRegisters + reg::kDmaSource, static_cast<uint32_t>(kIova.value));
  fabric.write(kRegisters + reg::kDmaLength, 64);
  fabric.write(kRegisters + reg::kDmaDelayNs, 1000);
  fabric.write(kRegisters + reg::kDmaCommand, static_cast<uint32_t>(TestDmaCommand::kHostToDevice));
  fabric.observer->tlps.clear();
  fabric.root.plug(nullptr);
  fabric.timeline.advance(kNsPerMs);
  for (const TlpEvent& event : fabric.observer->tlps) EXPECT_NE(event.direction, Direction::kUpstream);
}

TEST_F(Hotplug, DuringAConfigurationRequest) {
  Outcome outcome;
  OneFault fault(FaultKind::kUnplugDuringConfig);
  EXPECT_EQ(fabric.read(kEcamBase + kDevice, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
  EXPECT_EQ(fabric.root.device(), nullptr);
  expect_gone();
}

TEST_F(Hotplug, DuringAReset) {
  OneFault fault(FaultKind::kUnplugDuringReset);
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  EXPECT_EQ(fault.hits, 1u);
  EXPECT_EQ(fabric.root.device(), nullptr);
  expect_gone();
}

TEST_F(Hotplug, TheInterruptWireFallsWithTheDevice) {
  fabric.write(kRegisters + test_register::kIntx, 1);
  EXPECT_EQ(interrupt_status() & 0xf, 1u);
  fabric.root.plug(nullptr);
  EXPECT_EQ(interrupt_status() & 0xf, 0u);
}

TEST_F(Hotplug, AnotherDeviceIsPluggedIn) {
  TestEndpointOptions options;
  options.memory_bytes = 4 * kMiB;
  options.serial_number = 42;
  TestEndpoint other(options);
  fabric.write(kMemory, 0x5555);
  fabric.root.plug(&other);
  EXPECT_EQ(fabric.sink->links, (std::vector<bool>{false, true}));
  Outcome outcome;
  EXPECT_EQ(fabric.read(kRegisters, 4, &outcome), 0xffff'ffffu) << "its BARs are not assigned";
  EXPECT_EQ(outcome, Outcome::kUnsupportedRequest);
  enumerate();
  EXPECT_EQ(fabric.read(kRegisters, 4, &outcome), test_register::kIdValue);
  EXPECT_EQ(fabric.read(kMemory), 0u) << "nothing of the old one";
  EXPECT_EQ(fabric.read(kMemory + 4 * kMiB - 4, 4, &outcome), 0u);
  EXPECT_EQ(outcome, Outcome::kSuccess);
  fabric.root.plug(nullptr);
}

TEST_F(Hotplug, TheSameDeviceComesBackAsAfterPowerOn) {
  fabric.root.plug(nullptr);
  fabric.root.plug(&device);
  EXPECT_EQ(fabric.config_read(kDevice + cfg::kBar0), 0u);
  EXPECT_EQ(fabric.config_read(kDevice + cfg::kCommand, 2), 0u);
  enumerate();
  expect_alive();
}

TEST_F(Hotplug, SiblingsReadAllOnesDuringAHotReset) {
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  Outcome outcome;
  for (uint64_t function = 0; function < 8; ++function) {
    EXPECT_EQ(fabric.read(kEcamBase + kDevice + (function << 12), 4, &outcome), 0xffff'ffffu);
    EXPECT_EQ(outcome, Outcome::kLinkDown) << function;
  }
  EXPECT_EQ(root_register(aer::kUncorrectableStatus), 0u) << "asked for, so no surprise";
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  EXPECT_NE(fabric.config_read(kDevice), 0xffff'ffffu);
}

TEST_F(Hotplug, TheLinkTrainsForItsTimeAfterAReset) {
  begin(RootComplexConfig{.link_training_ns = 20 * kNsPerMs});
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  fabric.timeline.advance(2 * kNsPerMs);
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  fabric.timeline.advance(20 * kNsPerMs - 1);
  EXPECT_FALSE(fabric.root.link().up());
  fabric.timeline.advance(1);
  EXPECT_TRUE(fabric.root.link().up());
  EXPECT_NE(fabric.config_read(root_pcie() + bridge::kLinkStatus, 2) & bridge::kDataLinkActive, 0u);
  enumerate();
  expect_alive();
}

// Posted writes on their way
// --------------------------------------------------------------------------------------------

class Reordering : public EndpointFabricTest {
 protected:
  void SetUp() override { begin(RootComplexConfig{.reorder_posted_writes = true, .posted_write_hold_ns = 5000}); }
  uint32_t in_memory(uint64_t offset) {
    uint32_t value;
    std::memcpy(&value, device.direct_memory(kTestMemoryBar, offset, 4).base, 4);
    return value;
  }
  uint32_t doorbells() { return device.registers().peek32(test_register::kDoorbellCount); }
};

TEST_F(Reordering, ADoorbellOvertakesItsDataUntilARead) {
  fabric.write(kMemory, 0x1234);
  fabric.write(kRegisters + test_register::kDoorbell, 1);
  EXPECT_EQ(doorbells(), 1u);
  EXPECT_EQ(in_memory(0), 0u);
  EXPECT_EQ(fabric.read(kMemory), 0x1234u) << "a read pushes what was written before it";
  EXPECT_EQ(in_memory(0), 0x1234u);
}

TEST_F(Reordering, AReadOfAnythingPushes) {
  fabric.write(kMemory, 1);
  fabric.read(kRegisters);
  EXPECT_EQ(in_memory(0), 1u);
  fabric.write(kMemory, 2);
  fabric.config_read(kDevice);
  EXPECT_EQ(in_memory(0), 2u);
}

TEST_F(Reordering, TimePushesToo) {
  fabric.write(kMemory, 1);
  fabric.timeline.advance(4999);
  EXPECT_EQ(in_memory(0), 0u);
  fabric.timeline.advance(1);
  EXPECT_EQ(in_memory(0), 1u);
}

TEST_F(Reordering, WritesOfOneWindowStayInOrder) {
  for (uint32_t i = 1; i <= 200; ++i) fabric.write(kMemory, i);
  std::vector<std::byte> line(128, std::byte{9});
  fabric.request(kMemory, line.data(), 128, true);  // longer than what is held: pushes the others first
  EXPECT_EQ(in_memory(0), 0x0909'0909u);
  fabric.write(kMemory, 7);
  fabric.read(kRegisters);
  EXPECT_EQ(in_memory(0), 7u);
}

TEST_F(Reordering, HeldWritesAreLostWithTheLink) {
  fabric.write(kMemory, 1);
  fabric.root.link().take_down();
  fabric.root.link().bring_up();
  enumerate();
  fabric.timeline.advance(kNsPerMs);
  EXPECT_EQ(in_memory(0), 0u);
}

TEST_F(EndpointFabricTest, OneWriteCanBeLate) {
  {
    OneFault fault(FaultKind::kAppleCrossBarReorder);
    fabric.write(kMemory, 0x77);
    EXPECT_EQ(fault.hits, 1u);
  }
  EXPECT_EQ(device.direct_memory(kTestMemoryBar, 0, 4).base[0], std::byte{0});
  fabric.write(kRegisters + test_register::kDoorbell, 1);
  EXPECT_EQ(device.registers().peek32(test_register::kDoorbellCount), 1u);
  EXPECT_EQ(fabric.read(kMemory), 0x77u);
}

}  // namespace
}  // namespace dartboard::model::test
