// tests/model/endpoint/replay_test.cpp - register accesses in order, mismatches, resync, the device's own acts.
#include "model/endpoint/replay.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/model/fake_upstream.h"

namespace dartboard::model {
namespace {

using test::Bus;
using test::FakeUpstream;

constexpr uint64_t kMemory = 0x10'0000'0000;
constexpr uint64_t kDoorbells = 0x8000'0000;
constexpr uint64_t kRegisters = 0x8020'0000;

std::vector<std::byte> bytes(uint64_t value, uint32_t length) {
  std::vector<std::byte> out(length);
  std::memcpy(out.data(), &value, length);
  return out;
}
ReplayAccess access_of(uint64_t index, uint8_t bar, uint64_t offset, uint8_t length, uint64_t value, bool is_write) {
  ReplayAccess access;
  access.index = index;
  access.bar = bar;
  access.offset = offset;
  access.length = length;
  access.is_write = is_write;
  std::memcpy(access.data.data(), &value, length);
  return access;
}
ReplayAccess read_of(uint64_t index, uint8_t bar, uint64_t offset, uint8_t length, uint64_t value) {
  return access_of(index, bar, offset, length, value, false);
}
ReplayAccess write_of(uint64_t index, uint8_t bar, uint64_t offset, uint8_t length, uint64_t value) {
  return access_of(index, bar, offset, length, value, true);
}

EndpointDeclaration gpu() {
  EndpointDeclaration d;
  d.vendor_id = 0x1002;
  d.device_id = 0x74a1;
  d.class_code = 0x12'0000;
  d.bars[0] = {BarKind::kMem64Prefetchable, 512 * kMiB};
  d.bars[2] = {BarKind::kMem32, 8 * kKiB};
  d.bars[4] = {BarKind::kMem32, 4 * kKiB};
  d.bars[5] = {BarKind::kMem32, 2 * kMiB};
  return d;
}
constexpr std::array<ReplayBarKind, 6> kKinds = {ReplayBarKind::kMemory,    ReplayBarKind::kAbsent,
                                                 ReplayBarKind::kRegisters, ReplayBarKind::kAbsent,
                                                 ReplayBarKind::kAbsent,    ReplayBarKind::kRegisters};

class Replay : public testing::Test {
 protected:
  Replay() : device(gpu(), kKinds, true), bus(device) {
    device.attach(&upstream);
    device.reset(ResetKind::kPowerOn);
    bus.config_write(0x10, kMemory, 8);
    bus.config_write(0x18, kDoorbells, 4);
    bus.config_write(0x24, kRegisters, 4);
    bus.config_write(cfg::kCommand, cfg::kCommandBusMaster, 2);
    device.on_mismatch([this](const ReplayMismatch& m) { mismatches.push_back(m); });
    device.append(std::vector<ReplayAccess>{
                 read_of(10, 5, 0x100, 4, 0x1111), write_of(11, 5, 0x104, 4, 0x2222), read_of(12, 5, 0x100, 4, 0x3333),
                 write_of(13, 2, 0x0, 8, 0x4444), read_of(14, 5, 0x200, 8, 0x5555'5555'5555)});
  }
  FakeUpstream upstream;
  ReplayEndpoint device;
  Bus bus;
  std::vector<ReplayMismatch> mismatches;
};

TEST_F(Replay, InOrderEveryAccessIsAnsweredFromTheRecording) {
  EXPECT_EQ(bus.read(kRegisters + 0x100, 4), 0x1111u);
  bus.write(kRegisters + 0x104, 0x2222, 4);
  EXPECT_EQ(bus.read(kRegisters + 0x100, 4), 0x3333u);
  bus.write(kDoorbells, 0x4444, 8);
  EXPECT_EQ(bus.read(kRegisters + 0x200, 8), 0x5555'5555'5555u);
  EXPECT_EQ(device.position(), 5u);
  EXPECT_TRUE(mismatches.empty());
}

TEST_F(Replay, EveryKindOfDifferenceIsAMismatchThatDoesNotAdvance) {
  struct Row {
    const char* what;
    bool is_write;
    uint64_t address;
    uint32_t length;
    const char* got;
  };
  constexpr Row kRows[] = {
      {"other offset", false, kRegisters + 0x108, 4, "read of 4 bytes at BAR5+0x108"},
      {"other length", false, kRegisters + 0x100, 8, "read of 8 bytes at BAR5+0x100"},
      {"other BAR", false, kDoorbells + 0x100, 4, "read of 4 bytes at BAR2+0x100"},
      {"other direction", true, kRegisters + 0x100, 4, "write of 4 bytes at BAR5+0x100: 11110000"},
  };
  for (const Row& row : kRows) {
    mismatches.clear();
    uint64_t value = 0x1111;
    bus.send(row.is_write ? TlpKind::kMemWrite : TlpKind::kMemRead, row.address, &value, row.length);
    ASSERT_EQ(mismatches.size(), 1u) << row.what;
    EXPECT_EQ(mismatches[0].index, 10u) << row.what;
    EXPECT_EQ(mismatches[0].expected, "read of 4 bytes at BAR5+0x100") << row.what;
    EXPECT_EQ(mismatches[0].got, row.got) << row.what;
    EXPECT_EQ(device.position(), 0u) << row.what;
    if (!row.is_write) {
      for (uint32_t i = 0; i < row.length; ++i) EXPECT_EQ((value >> (8 * i)) & 0xff, 0xffu) << row.what;
    }
  }
}

TEST_F(Replay, OtherWrittenDataIsAMismatch) {
  bus.read(kRegisters + 0x100, 4);
  bus.write(kRegisters + 0x104, 0x2223, 4);
  ASSERT_EQ(mismatches.size(), 1u);
  EXPECT_EQ(mismatches[0].index, 11u);
  EXPECT_EQ(mismatches[0].expected, "write of 4 bytes at BAR5+0x104: 22220000");
  EXPECT_EQ(mismatches[0].got, "write of 4 bytes at BAR5+0x104: 23220000");
}

TEST_F(Replay, ResyncSkipsToTheNextRequestSoThatOneDifferenceIsOne) {
  bus.read(kRegisters + 0x100, 4);
  bus.write(kRegisters + 0x104, 0x2223, 4);
  EXPECT_EQ(device.resync(12), 1u);
  EXPECT_EQ(bus.read(kRegisters + 0x100, 4), 0x3333u);
  EXPECT_EQ(mismatches.size(), 1u);
  EXPECT_EQ(device.resync(12), 0u) << "never backwards";
  EXPECT_EQ(device.resync(1000), 2u);
  EXPECT_EQ(device.position(), 5u);
}

TEST_F(Replay, PastTheEndIsAMismatchOfTheLastRequest) {
  device.resync(1000);
  EXPECT_EQ(bus.read(kRegisters, 4), 0xffff'ffffu);
  ASSERT_EQ(mismatches.size(), 1u);
  EXPECT_EQ(mismatches[0].index, 14u);
}

TEST_F(Replay, WhatIsAppendedFollowsWhatWasThere) {
  EXPECT_EQ(device.outstanding(), 5u);
  bus.read(kRegisters + 0x100, 4);
  device.append(std::vector<ReplayAccess>{read_of(15, 5, 0x300, 4, 0x6666)});
  EXPECT_EQ(device.outstanding(), 5u);
  device.resync(15);
  EXPECT_EQ(bus.read(kRegisters + 0x300, 4), 0x6666u);
  EXPECT_EQ(device.outstanding(), 0u);
  EXPECT_EQ(device.next(), nullptr);
  device.append(std::vector<ReplayAccess>{read_of(16, 5, 0x304, 4, 0x7777)});
  EXPECT_EQ(bus.read(kRegisters + 0x304, 4), 0x7777u);
  EXPECT_TRUE(mismatches.empty());
}

TEST_F(Replay, OfMoreThanIsKeptTheOldestAreGivenUpAndCounted) {
  device.forget();
  const std::vector<ReplayAccess> many(1000, read_of(1, 5, 0, 4, 0));
  for (size_t i = 0; i < ReplayEndpoint::kAccessesMax / many.size() + 1; ++i) device.append(many);
  EXPECT_EQ(device.outstanding(), (ReplayEndpoint::kAccessesMax / many.size() + 1) * many.size());
}

TEST_F(Replay, ThePositionSurvivesResetsAndPowerOnForgetsTheRecording) {
  bus.read(kRegisters + 0x100, 4);
  for (const ResetKind kind : {ResetKind::kFlr, ResetKind::kHotReset, ResetKind::kPerst, ResetKind::kLinkDown}) {
    device.reset(kind);
    EXPECT_EQ(device.position(), 1u);
  }
  device.reset(ResetKind::kPowerOn);
  EXPECT_EQ(device.position(), 0u);
  EXPECT_EQ(device.outstanding(), 0u);
}

TEST_F(Replay, ARewrittenWriteIsComparedAsRecorded) {
  bus.read(kRegisters + 0x100, 4);
  const auto recorded = bytes(0x2222, 4);
  device.stands_for(5, 0x104, recorded);
  bus.write(kRegisters + 0x104, 0x9999, 4);
  device.stands_for(5, 0x104, {});
  EXPECT_TRUE(mismatches.empty());
  EXPECT_EQ(device.position(), 2u);
}

class CountingAnswers final : public RegisterAnswers {
 public:
  bool read(unsigned, uint64_t offset, std::span<std::byte> data) override {
    std::memset(data.data(), 0x11, data.size());
    return offset < 0x1000;
  }
  bool write(unsigned, uint64_t offset, std::span<const std::byte>) override { return offset < 0x1000; }
};

TEST_F(Replay, RegistersThatAnswerByThemselvesHaveNoOrder) {
  CountingAnswers answers;
  device.answer_by(&answers);
  EXPECT_EQ(bus.read(kRegisters + 0x800, 4), 0x1111'1111u);
  bus.write(kRegisters + 0x100, 5, 4);
  EXPECT_TRUE(mismatches.empty());
  EXPECT_EQ(bus.read(kRegisters + 0x2000, 4), 0xffff'ffffu);
  bus.write(kRegisters + 0x2000, 5, 4);
  EXPECT_EQ(mismatches.size(), 2u);
}

// Recorded configuration space ------------------------------------------------------------------------------------

/// A list at 0x60 (MSI-X), 0x40 (power management), 0x50 (something unknown), as the driver of a real device saw it.
EndpointDeclaration with_recorded_config() {
  EndpointDeclaration d = gpu();
  d.pcie = d.flr = d.aer = false;
  d.msix_vectors = 4;
  d.msix_table_bar = d.msix_pba_bar = 4;
  d.msix_pba_offset = 0x800;
  RecordedConfig recorded;
  const auto known = [&](uint16_t at, std::initializer_list<uint8_t> values) {
    for (const uint8_t value : values) recorded.bytes.push_back({at++, value});
  };
  known(0x06, {0x10, 0x00});
  known(0x34, {0x60});
  known(0x60, {0x11, 0x40, 0x03, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x08, 0x00, 0x00});
  known(0x40, {0x01, 0x50, 0x03, 0x00, 0x08, 0x00});
  known(0x50, {0x77, 0x00, 0xab, 0xcd});
  known(0x80, {0x12});
  recorded.headers = {0x60, 0x40, 0x50};
  recorded.msix = 0x60;
  recorded.power_management = 0x40;
  d.recorded = recorded;
  return d;
}

/// The BAR that MSI-X is in must be there.
constexpr std::array<ReplayBarKind, 6> kMsixKinds = {ReplayBarKind::kAbsent, ReplayBarKind::kAbsent,
                                                     ReplayBarKind::kAbsent, ReplayBarKind::kAbsent,
                                                     ReplayBarKind::kRegisters, ReplayBarKind::kAbsent};

class RecordedConfiguration : public testing::Test {
 protected:
  RecordedConfiguration() : device(with_recorded_config(), kMsixKinds, true), bus(device) {
    device.attach(&upstream);
    device.reset(ResetKind::kPowerOn);
  }
  FakeUpstream upstream;
  ReplayEndpoint device;
  Bus bus;
};

TEST_F(RecordedConfiguration, TheListIsWhereItWasInItsOrder) {
  EXPECT_EQ(bus.config_read(0x34, 1), 0x60u);
  EXPECT_EQ(bus.config_read(0x60, 4), 0x0003'4011u);
  EXPECT_EQ(bus.config_read(0x64, 4), 4u);
  EXPECT_EQ(bus.config_read(0x68, 4), 0x804u);
  EXPECT_EQ(bus.config_read(0x40, 4), 0x0003'5001u);
  EXPECT_EQ(bus.config_read(0x50, 4), 0xcdab'0077u);
  EXPECT_EQ(device.config().find_capability(0x77), 0x50u);
}

TEST_F(RecordedConfiguration, CapabilitiesThatTheModelPlaysBehave) {
  bus.config_write(0x62, 0xffff, 2);
  EXPECT_EQ(bus.config_read(0x62, 2), 0xc003u) << "table size is read-only, enable and mask are not";
  bus.config_write(0x40, 0xffff'ffff, 4);
  EXPECT_EQ(bus.config_read(0x40, 4), 0x0003'5001u);
}

TEST_F(RecordedConfiguration, WhatBelongsToNoListCanBeWrittenAndComesBackWithAReset) {
  bus.config_write(0x80, 0x34, 1);
  EXPECT_EQ(bus.config_read(0x80, 1), 0x34u);
  bus.config_write(0x50, 0, 2);
  EXPECT_EQ(bus.config_read(0x50, 2), 0x0077u);
  device.reset(ResetKind::kHotReset);
  EXPECT_EQ(bus.config_read(0x80, 1), 0x12u);
}

TEST_F(RecordedConfiguration, TheDeviceChangesItsOwnBitsOnly) {
  bus.config_write(cfg::kCommand, cfg::kCommandMemory, 2);
  ASSERT_TRUE(device.poke_config(0x04, 4, 0x0008'0000));
  EXPECT_EQ(bus.config_read(0x04, 4), 0x0008'0002u);
  ASSERT_TRUE(device.poke_config(0x80, 1, 0x99));
  EXPECT_EQ(bus.config_read(0x80, 1), 0x99u);
  EXPECT_EQ(device.poke_config(4094, 4, 0).error().name, ErrorName::kOutOfRange);
  EXPECT_EQ(device.poke_config(0, 5, 0).error().name, ErrorName::kOutOfRange);
}

TEST_F(RecordedConfiguration, AnInterruptThatNobodyEnabledIsRefusedWithTheReason) {
  const auto sent = device.send_interrupt(ReplayEndpoint::Interrupt::kMsix, 0);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().name, ErrorName::kNotSupported);
  bus.config_write(cfg::kCommand, cfg::kCommandMemory | cfg::kCommandBusMaster, 2);
  bus.config_write(0x62, 0x8000, 2);
  EXPECT_TRUE(device.send_interrupt(ReplayEndpoint::Interrupt::kMsix, 3));
  EXPECT_FALSE(device.send_interrupt(ReplayEndpoint::Interrupt::kMsix, 4));
}

TEST_F(Replay, MemoryBarsAreMemoryAndDoNotUseTheRecording) {
  bus.write(kMemory + 0x1000, 0x1234, 8);
  EXPECT_EQ(bus.read(kMemory + 0x1000, 8), 0x1234u);
  EXPECT_TRUE(device.direct_memory(0, 0, 512 * kMiB));
  EXPECT_FALSE(device.direct_memory(5, 0, 4));
  EXPECT_EQ(device.position(), 0u);
}

TEST_F(Replay, ABarThatTheRecordingLacksIsAbsent) {
  bus.config_write(0x20, 0xffff'ffff, 4);
  EXPECT_EQ(bus.config_read(0x20, 4), 0u);
}

TEST_F(Replay, DmaWritesGoUpstream) {
  const auto data = bytes(0x1122'3344, 4);
  EXPECT_EQ(device.dma_write(Iova(FakeUpstream::kMemoryBase + 8), data), Outcome::kSuccess);
  EXPECT_EQ(upstream.memory[8], std::byte{0x44});
  EXPECT_EQ(device.dma_write(Iova(0), data), Outcome::kUnsupportedRequest);
}

TEST_F(Replay, PokeMemoryChangesTheDevicesOwnBytes) {
  ASSERT_TRUE(device.poke_memory(0, 512 * kMiB - 4, bytes(0xabcd, 4)).has_value());
  EXPECT_EQ(bus.read(kMemory + 512 * kMiB - 4, 4), 0xabcdu);
  EXPECT_TRUE(device.poke_memory(0, 512 * kMiB, {}).has_value());
}

TEST_F(Replay, PokeMemoryOutsideMemoryIsRefused) {
  EXPECT_EQ(device.poke_memory(5, 0, bytes(1, 4)).error().name, ErrorName::kNotFound);
  EXPECT_EQ(device.poke_memory(1, 0, bytes(1, 4)).error().name, ErrorName::kNotFound);
  EXPECT_EQ(device.poke_memory(9, 0, bytes(1, 4)).error().name, ErrorName::kNotFound);
  EXPECT_EQ(device.poke_memory(0, 512 * kMiB - 2, bytes(1, 4)).error().name, ErrorName::kOutOfRange);
  EXPECT_EQ(device.poke_memory(0, UINT64_MAX, bytes(1, 4)).error().name, ErrorName::kOutOfRange);
}

TEST_F(Replay, WithoutASinkAMismatchIsOnlyCounted) {
  device.on_mismatch(nullptr);
  EXPECT_EQ(bus.read(kRegisters + 0x999, 1), 0xffu);
  InspectNode node;
  device.inspect(node);
  EXPECT_EQ(node.children.back().value, "0 register accesses answered, 5 expected, 1 mismatches");
}

}  // namespace
}  // namespace dartboard::model
