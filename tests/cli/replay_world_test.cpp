// tests/cli/replay_world_test.cpp - a replay through the whole path, from events made by hand: interrupts,
// configuration space, DMA of a device that was already running.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/replay_target.h"
#include "cli/sim_world.h"
#include "traces/inference.h"

namespace dartboard::cli {
namespace {

using testing::HasSubstr;
using traces::EventKind;
using traces::IrqKind;

/// A device with BAR0 (registers) and BAR2 (MSI-X table of 4 entries), whose guest walked to MSI-X at 0x50.
traces::DeviceDescription msix_device() {
  traces::DeviceDescription device;
  device.name = "by hand";
  device.vendor_id = 0x1234;
  device.device_id = 0x5678;
  device.bars[0] = {traces::BarKind::kRegisters, 4096, false, false};
  device.bars[2] = {traces::BarKind::kRegisters, 4096, false, false};
  device.msix = {4, 2, 2, 0, 0x800};
  device.config.learn(0x06, 2, 0x0010);
  device.config.learn(0x34, 1, 0x50);
  device.config.learn(0x50, 4, 0x0003'0011);
  device.config.learn(0x54, 4, 0x0000'0002);
  device.config.learn(0x58, 4, 0x0000'0802);
  device.config.learn(0x90, 4, 0x1111'2222);
  return device;
}

class ByHand : public testing::Test {
 protected:
  ByHand() { session.device = msix_device(); }

  traces::Event& add(EventKind kind, uint32_t target, uint64_t address, uint64_t length, uint64_t value = 0) {
    traces::Event event;
    event.kind = kind;
    event.target = target;
    event.address = address;
    event.length = length;
    event.value = value;
    event.request = session.requests++;
    session.events.push_back(event);
    return session.events.back();
  }
  void write_config(uint64_t offset, unsigned width, uint32_t value) {
    add(EventKind::kConfigWrite, 0, offset, width, value);
  }
  void read_config(uint64_t offset, unsigned width, uint32_t value) {
    add(EventKind::kConfigRead, 0, offset, width).reply = static_cast<uint32_t>(session.replies.size());
    session.replies.push_back({});
    session.replies.back().value0 = value;
  }
  void interrupt(IrqKind kind, uint32_t vector) {
    add(EventKind::kInterrupt, static_cast<uint32_t>(kind), 0, 0, vector).source = traces::Source::kDevice;
    --session.requests;
  }
  void setup(IrqKind kind, uint32_t vectors) {
    add(EventKind::kIrqSetup, static_cast<uint32_t>(kind), 0, vectors, vectors != 0 ? 1 : 0);
  }

  traces::ReplayReport replay() {
    EXPECT_TRUE(traces::infer_device_events(&session));
    auto world = make_sim_world("linux-iommu");
    if (!world) {
      ADD_FAILURE() << world.error().sentence;
      return {};
    }
    const RecordedSide side{&session.device, "by hand"};
    const auto powered = (*world)->power_on(&side);
    EXPECT_TRUE(powered) << (powered ? "" : powered.error().sentence);
    MachineReplayTarget::Options options;
    options.recorded = &session.device;
    auto target = MachineReplayTarget::open(**world, options);
    if (!target) {
      ADD_FAILURE() << target.error().sentence;
      return {};
    }
    auto report = traces::replay(session, **target);
    notes = (*target)->notes();
    EXPECT_EQ(report.divergences, 0u) << report.first[0].index << report.first[0].expected << report.first[0].got;
    EXPECT_FALSE(report.stopped);
    return report;
  }

  traces::Session session;
  std::vector<std::string> notes;
};

TEST_F(ByHand, InterruptsReachTheGuestThatSetThemUp) {
  write_config(0x04, 2, 0x0006);
  setup(IrqKind::kMsix, 4);
  interrupt(IrqKind::kMsix, 0);
  interrupt(IrqKind::kMsix, 3);
  const auto report = replay().interrupts;
  EXPECT_EQ(report.recorded, 2u);
  EXPECT_EQ(report.sent, 2u) << report.first_refusal;
  EXPECT_EQ(report.delivered, 2u);
  EXPECT_EQ(report.held_back(), 0u);
}

TEST_F(ByHand, WhatTheGuestMaskedIsHeldBackAndNotLost) {
  write_config(0x04, 2, 0x0006);
  setup(IrqKind::kMsix, 4);
  write_config(0x52, 2, 0xc000);  // enabled, function masked
  interrupt(IrqKind::kMsix, 1);
  auto report = replay().interrupts;
  EXPECT_EQ(report.sent, 1u);
  EXPECT_EQ(report.delivered, 0u);
  EXPECT_EQ(report.held_back(), 1u);
}

TEST_F(ByHand, UnmaskingDeliversWhatWasHeldBack) {
  write_config(0x04, 2, 0x0006);
  setup(IrqKind::kMsix, 4);
  write_config(0x52, 2, 0xc000);
  interrupt(IrqKind::kMsix, 1);
  write_config(0x52, 2, 0x8000);
  EXPECT_EQ(replay().interrupts.delivered, 1u);
}

TEST_F(ByHand, AVectorThatTheDeviceLacksIsRefusedWithTheReason) {
  write_config(0x04, 2, 0x0006);
  setup(IrqKind::kMsix, 4);
  interrupt(IrqKind::kMsix, 9);
  const auto report = replay().interrupts;
  EXPECT_EQ(report.refused, 1u);
  EXPECT_THAT(report.first_refusal, HasSubstr("4 vectors"));
}

TEST_F(ByHand, TheGuestFindsTheRecordedListAndItsOwnWrites) {
  read_config(0x06, 2, 0x0010);
  read_config(0x34, 1, 0x50);
  read_config(0x50, 4, 0x0003'0011);
  read_config(0x54, 4, 2);
  write_config(0x10, 4, 0xffff'ffff);
  read_config(0x10, 4, 0xffff'f000);
  write_config(0x10, 4, 0xfe00'0000);
  read_config(0x10, 4, 0xfe00'0000);
  write_config(0x04, 2, 0x0406);
  read_config(0x04, 2, 0x0406);
  write_config(0x52, 2, 0x8000);
  read_config(0x52, 2, 0x8003);
  EXPECT_EQ(replay().policy_differences, 0u);
}

TEST_F(ByHand, WhatTheDeviceChangedInConfigurationSpaceIsDoneBeforeTheRead) {
  read_config(0x90, 4, 0x1111'2222);
  read_config(0x90, 4, 0x3333'4444);
  write_config(0x90, 4, 5);
  read_config(0x90, 4, 5);
  write_config(0x90, 4, 6);
  read_config(0x90, 4, 7);
  const auto report = replay();
  EXPECT_EQ(report.device_config_changes, 2u);
  EXPECT_EQ(report.policy_differences, 0u);
}

TEST_F(ByHand, BitsThatThePolicyKeepsAreCountedByField) {
  session.device.config.learn(0x0e, 1, 0x80);
  read_config(0x0e, 1, 0x80);  // multi-function: the VMM's to say
  write_config(0x04, 2, 0x0140);
  read_config(0x04, 2, 0x0100);  // the recorded device has no parity bit
  const auto report = replay();
  ASSERT_EQ(report.policy.size(), 2u);
  EXPECT_EQ(report.policy[0].field, "Header Type");
  EXPECT_EQ(report.policy[1].field, "Command");
  EXPECT_EQ(report.policy[1].got, 0x40u);
}

TEST_F(ByHand, ARecordingThatBeginsLaterFindsItsRegistersSet) {
  session.device.config.learn(0x04, 2, 0x0006);
  session.device.config.learn(0x10, 4, 0xfe00'0000);
  read_config(0x04, 2, 0x0006);
  read_config(0x10, 4, 0xfe00'0000);
  EXPECT_EQ(replay().policy_differences, 0u);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("2 configuration reads found what a guest had written before"));
}

}  // namespace
}  // namespace dartboard::cli
