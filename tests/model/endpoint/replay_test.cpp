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
ReplayAccess read_of(uint64_t index, uint8_t bar, uint64_t offset, uint32_t length, uint64_t value) {
  return {index, bar, false, length, offset, bytes(value, length)};
}
ReplayAccess write_of(uint64_t index, uint8_t bar, uint64_t offset, uint32_t length, uint64_t value) {
  return {index, bar, true, length, offset, bytes(value, length)};
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
    device.load({read_of(10, 5, 0x100, 4, 0x1111), write_of(11, 5, 0x104, 4, 0x2222), read_of(12, 5, 0x100, 4, 0x3333),
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

TEST_F(Replay, ARecordingWhoseLengthAndDataDisagreeIsAMismatchNotAnOverread) {
  device.load({{1, 5, false, 4, 0, bytes(1, 2)}, {2, 5, true, 4, 0, {}}});
  EXPECT_EQ(bus.read(kRegisters, 4), 0xffff'ffffu);
  device.resync(2);
  bus.write(kRegisters, 0, 4);
  EXPECT_EQ(mismatches.size(), 2u);
}

TEST_F(Replay, ThePositionSurvivesResetsAndIsRewoundByPowerOn) {
  bus.read(kRegisters + 0x100, 4);
  for (const ResetKind kind : {ResetKind::kFlr, ResetKind::kHotReset, ResetKind::kPerst, ResetKind::kLinkDown}) {
    device.reset(kind);
    EXPECT_EQ(device.position(), 1u);
  }
  device.reset(ResetKind::kPowerOn);
  EXPECT_EQ(device.position(), 0u);
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
  EXPECT_EQ(node.children.back().value, "0 of 5 register accesses answered, 1 mismatches");
}

}  // namespace
}  // namespace dartboard::model
