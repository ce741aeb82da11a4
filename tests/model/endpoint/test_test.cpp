// tests/model/endpoint/test_test.cpp - the test endpoint: registers, DMA in every direction, interrupts, bad resets.
#include "model/endpoint/test.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/capabilities.h"
#include "tests/model/fake_upstream.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model {
namespace {

namespace reg = test_register;
using test::Bus;
using test::FakeUpstream;

constexpr uint64_t kRegisters = 0x8000'0000;
constexpr uint64_t kMemory = 0x10'0000'0000;
constexpr uint64_t kMsix = 0x8010'0000;
constexpr uint64_t kHost = FakeUpstream::kMemoryBase;

class TestEndpointTest : public testing::Test {
 protected:
  TestEndpointTest() : TestEndpointTest(TestEndpointOptions{}) {}
  explicit TestEndpointTest(const TestEndpointOptions& options) : device(options), bus(device) {
    device.attach(&upstream);
    device.reset(ResetKind::kPowerOn);
    set_up_bus();
  }
  void set_up_bus() {
    bus.config_write(0x10, kRegisters, 4);
    bus.config_write(0x18, kMemory, 8);
    bus.config_write(0x20, kMsix, 4);
    bus.config_write(cfg::kCommand, cfg::kCommandMemory | cfg::kCommandBusMaster, 2);
  }
  void enable_msix() {
    for (uint32_t v = 0; v < 32; ++v) {
      bus.write(kMsix + 16 * v, FakeUpstream::kDoorbell, 8);
      bus.write(kMsix + 16 * v + 8, v, 8);
    }
    bus.config_write(bus.capability(msix::kId) + msix::kControl, msix::kEnable, 2);
  }
  uint32_t get(uint32_t offset) { return static_cast<uint32_t>(bus.read(kRegisters + offset, 4)); }
  void set(uint32_t offset, uint32_t value) { bus.write(kRegisters + offset, value, 4); }
  void dma(TestDmaCommand command, uint64_t source, uint64_t destination, uint32_t length) {
    bus.write(kRegisters + reg::kDmaSource, source, 8);
    bus.write(kRegisters + reg::kDmaDestination, destination, 8);
    set(reg::kDmaLength, length);
    set(reg::kDmaCommand, static_cast<uint32_t>(command));
  }
  TestDmaError error() { return static_cast<TestDmaError>(get(reg::kDmaError)); }
  void fill_host(uint64_t length) {
    for (uint64_t i = 0; i < length; ++i) upstream.memory[i] = static_cast<std::byte>(i * 13 + 1);
  }

  FakeUpstream upstream;
  TestEndpoint device;
  Bus bus;
};

TEST(TestEndpointRegisters, HaveTheirDeclaredAccessLanesAndResets) {
  RegisterFile file(0x200);
  file.declare(kTestEndpointRegisters);
  test::expect_declared_access(file);
  test::expect_partial_writes(file);
  test::expect_declared_resets(file);
}

TEST(TestEndpointOptionsTest, EveryCombinationOfOptionsIsAPossibleFunction) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    TestEndpointOptions options;
    options.pcie = (bits & 1) != 0;
    options.flr = (bits & 2) != 0;
    options.msix = (bits & 4) != 0;
    options.msi = (bits & 8) != 0;
    options.intx = (bits & 16) != 0;
    options.no_soft_reset = (bits & 32) != 0;
    const auto result = test_endpoint_declaration(options).validate();
    EXPECT_TRUE(result.has_value()) << bits << ": " << (result ? "" : result.error().sentence);
  }
}

TEST_F(TestEndpointTest, ReadOnlyRegistersKeepTheirValuesThroughRequests) {
  struct Row {
    uint32_t offset;
    uint32_t value;
  };
  constexpr Row kRows[] = {{reg::kId, 0x4554'4244}, {reg::kVersion, 1}, {reg::kStrap, 0xa5a5'0001}, {0x1fc0, 0}};
  for (const Row& row : kRows) {
    set(row.offset, 0x1234'5678);
    EXPECT_EQ(get(row.offset), row.value) << row.offset;
  }
}

TEST_F(TestEndpointTest, RegistersTakeEveryWidth) {
  bus.write(kRegisters + reg::kScratch, 0x11, 1);
  bus.write(kRegisters + reg::kScratch + 1, 0x22, 1);
  bus.write(kRegisters + reg::kScratch + 2, 0x4433, 2);
  EXPECT_EQ(get(reg::kScratch), 0x4433'2211u);
  EXPECT_EQ(bus.read(kRegisters + reg::kScratch + 2, 2), 0x4433u);
  bus.write(kRegisters + reg::kRam, 0x8877'6655'4433'2211, 8);
  EXPECT_EQ(get(reg::kRam + 4), 0x8877'6655u);
}

TEST_F(TestEndpointTest, EventBitsAreSetByHardwareAndClearedByWritingOne) {
  set(reg::kEventSet, 0xf0);
  set(reg::kEvent, 0x30);
  EXPECT_EQ(get(reg::kEvent), 0xc0u);
  EXPECT_EQ(get(reg::kEventSet), 0u);
}

TEST_F(TestEndpointTest, DoorbellsAreCounted) {
  set(reg::kDoorbell, 7);
  set(reg::kDoorbell, 9);
  EXPECT_EQ(get(reg::kDoorbellCount), 2u);
  EXPECT_EQ(get(reg::kDoorbellValue), 9u);
  EXPECT_EQ(get(reg::kDoorbell), 0u);
}

TEST_F(TestEndpointTest, TimeIsTheTimelines) {
  upstream.timeline().advance(12'345);
  EXPECT_EQ(bus.read(kRegisters + reg::kTime, 8), 12'345u);
}

// DMA -----------------------------------------------------------------------------------------------------------------

class ImmediateDma : public TestEndpointTest {
 protected:
  ImmediateDma() { set(reg::kControl, reg::kControlImmediate); }
};

TEST_F(ImmediateDma, HostToDevice) {
  fill_host(5000);
  dma(TestDmaCommand::kHostToDevice, kHost + 3, 0x777, 4990);
  EXPECT_EQ(error(), TestDmaError::kNone);
  const DirectMemory memory = device.direct_memory(kTestMemoryBar, 0x777, 4990);
  EXPECT_EQ(std::memcmp(memory.base, upstream.memory.data() + 3, 4990), 0);
}

TEST_F(ImmediateDma, DeviceToHost) {
  bus.write(kMemory + 0x100, 0x1122'3344'5566'7788, 8);
  dma(TestDmaCommand::kDeviceToHost, 0x100, kHost + 64, 8);
  uint64_t value = 0;
  std::memcpy(&value, upstream.memory.data() + 64, 8);
  EXPECT_EQ(value, 0x1122'3344'5566'7788u);
}

TEST_F(ImmediateDma, FillsRepeatTheFourBytePattern) {
  set(reg::kDmaPattern, 0x4433'2211);
  dma(TestDmaCommand::kFillDevice, 0, 1, 7);
  EXPECT_EQ(bus.read(kMemory, 8), 0x3322'1144'3322'1100u);
  dma(TestDmaCommand::kFillHost, 0, kHost, 150'000);
  EXPECT_EQ(upstream.memory[149'998], std::byte{0x33});
  EXPECT_EQ(upstream.memory[149'999], std::byte{0x44});
  EXPECT_EQ(upstream.memory[150'000], std::byte{0});
}

TEST_F(ImmediateDma, ReverseTurnsHostMemoryRoundOverSeveralChunks) {
  constexpr uint32_t kBytes = 100'000;
  fill_host(kBytes);
  dma(TestDmaCommand::kReverse, kHost, kHost + 128 * kKiB, kBytes);
  EXPECT_EQ(error(), TestDmaError::kNone);
  for (uint32_t i = 0; i < kBytes; i += 997) {
    ASSERT_EQ(upstream.memory[128 * kKiB + i], upstream.memory[kBytes - 1 - i]) << i;
  }
}

TEST_F(ImmediateDma, EveryOutcomeHasItsErrorCode) {
  struct Row {
    Outcome outcome;
    TestDmaError error;
  };
  constexpr Row kRows[] = {
      {Outcome::kSuccess, TestDmaError::kNone},
      {Outcome::kUnsupportedRequest, TestDmaError::kUnsupportedRequest},
      {Outcome::kCompleterAbort, TestDmaError::kCompleterAbort},
      {Outcome::kCompletionTimeout, TestDmaError::kCompletionTimeout},
      {Outcome::kPoisoned, TestDmaError::kPoisoned},
      {Outcome::kLinkDown, TestDmaError::kLinkDown},
  };
  uint32_t count = 0;
  for (const Row& row : kRows) {
    upstream.dma_outcome = row.outcome;
    for (const auto command : {TestDmaCommand::kHostToDevice, TestDmaCommand::kDeviceToHost, TestDmaCommand::kFillHost,
                               TestDmaCommand::kReverse}) {
      const bool to_device = command == TestDmaCommand::kHostToDevice;
      dma(command, command == TestDmaCommand::kDeviceToHost ? 0 : kHost, to_device ? 0 : kHost + 4096, 64);
      EXPECT_EQ(error(), row.error) << to_string(row.outcome) << " command " << static_cast<int>(command);
      EXPECT_EQ(get(reg::kStatus), row.error == TestDmaError::kNone ? reg::kStatusDone
                                                                    : reg::kStatusDone | reg::kStatusError);
      EXPECT_EQ(get(reg::kDmaCount), ++count);
    }
  }
}

TEST_F(ImmediateDma, BadArgumentsAreErrorsOfTheDevice) {
  dma(static_cast<TestDmaCommand>(99), 0, 0, 4);
  EXPECT_EQ(error(), TestDmaError::kBadCommand);
  dma(TestDmaCommand::kHostToDevice, kHost, kMiB - 2, 4);
  EXPECT_EQ(error(), TestDmaError::kOutOfRange);
  dma(TestDmaCommand::kDeviceToHost, UINT64_MAX, kHost, 4);
  EXPECT_EQ(error(), TestDmaError::kOutOfRange);
  dma(TestDmaCommand::kFillHost, 0, kHost, kTestDmaBytesMax + 1);
  EXPECT_EQ(error(), TestDmaError::kOutOfRange);
  dma(TestDmaCommand::kFillHost, 0, kHost, 0);
  EXPECT_EQ(error(), TestDmaError::kNone);
}

TEST_F(ImmediateDma, BusMasterOffIsItsOwnError) {
  bus.config_write(cfg::kCommand, cfg::kCommandMemory, 2);
  for (const auto command : {TestDmaCommand::kHostToDevice, TestDmaCommand::kDeviceToHost, TestDmaCommand::kFillHost,
                             TestDmaCommand::kReverse}) {
    dma(command, 0, 0, 4);
    EXPECT_EQ(error(), TestDmaError::kBusMasterOff);
  }
}

TEST_F(TestEndpointTest, ADelayedDmaCompletesAtItsTimeAndRaisesItsVector) {
  enable_msix();
  fill_host(16);
  set(reg::kControl, reg::kControlIrqEnable);
  set(reg::kDmaDelayNs, 1000);
  set(reg::kDmaVector, 17);
  dma(TestDmaCommand::kHostToDevice, kHost, 0, 16);
  const uint32_t pcie_at = bus.capability(pcie::kId);
  upstream.timeline().advance(999);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusBusy);
  EXPECT_EQ(bus.config_read(pcie_at + pcie::kDeviceStatus, 2), pcie::kTransactionsPending);
  EXPECT_TRUE(upstream.messages.empty());
  upstream.timeline().advance(1);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusDone);
  EXPECT_EQ(bus.config_read(pcie_at + pcie::kDeviceStatus, 2), 0u);
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{17});
  EXPECT_EQ(get(reg::kRaiseCount), 1u);
}

TEST_F(TestEndpointTest, LinkTimeDelaysTheCompletionOfADma) {
  upstream.link_ns = 500;
  set(reg::kDmaDelayNs, 100);
  dma(TestDmaCommand::kFillHost, 0, kHost, 16);
  upstream.timeline().advance(599);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusBusy);
  upstream.timeline().advance(1);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusDone);
}

TEST_F(TestEndpointTest, ACommandWhileBusyIsAnOverrun) {
  set(reg::kDmaDelayNs, 1000);
  dma(TestDmaCommand::kFillHost, 0, kHost, 16);
  set(reg::kDmaCommand, 1);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusBusy | reg::kStatusOverrun);
  upstream.timeline().advance(1000);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusDone | reg::kStatusOverrun);
  EXPECT_EQ(get(reg::kDmaCount), 1u);
}

TEST_F(TestEndpointTest, EveryResetAndUnplugAbandonsADma) {
  set(reg::kDmaPattern, 0xffff'ffff);
  for (const ResetKind kind : test::kResetKinds) {
    set(reg::kDmaDelayNs, 1000);
    dma(TestDmaCommand::kFillHost, 0, kHost, 16);
    device.reset(kind);
    set_up_bus();
    upstream.timeline().advance(2000);
    EXPECT_EQ(get(reg::kStatus), 0u) << static_cast<int>(kind);
    EXPECT_EQ(upstream.memory[0], std::byte{0}) << static_cast<int>(kind);
  }
  set(reg::kDmaDelayNs, 1000);
  dma(TestDmaCommand::kFillHost, 0, kHost, 16);
  device.attach(nullptr);
  upstream.timeline().advance(2000);
  EXPECT_EQ(upstream.memory[0], std::byte{0});
}

// Interrupts ----------------------------------------------------------------------------------------------------------

TEST_F(TestEndpointTest, RaiseSendsTheVector) {
  enable_msix();
  set(reg::kRaise, 31);
  set(reg::kRaise, 32);   // there is none
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{31});
  EXPECT_EQ(get(reg::kRaiseCount), 2u);
}

TEST_F(TestEndpointTest, TheMsixBarHoldsTableAndPbaAndNothingElse) {
  enable_msix();
  bus.write(kMsix + 5 * 16 + 12, 1, 4);
  set(reg::kRaise, 5);
  EXPECT_EQ(bus.read(kMsix + kTestMsixPbaOffset, 8), 1u << 5);
  bus.write(kMsix + 0x400, 0x1234, 4);
  EXPECT_EQ(bus.read(kMsix + 0x400, 4), 0u);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
}

TEST_F(TestEndpointTest, IntxFollowsItsRegister) {
  set(reg::kIntx, 1);
  set(reg::kIntx, 0);
  EXPECT_EQ(upstream.intx, (std::vector<std::pair<unsigned, bool>>{{0, true}, {0, false}}));
}

TEST_F(TestEndpointTest, RaiseWithoutMsiSetsIntxAndSoftwareClearsIt) {
  set(reg::kRaise, 3);
  EXPECT_EQ(get(reg::kIntx), 1u);
  set(reg::kIntx, 0);
  EXPECT_EQ(upstream.intx, (std::vector<std::pair<unsigned, bool>>{{0, true}, {0, false}}));
}

// Resets --------------------------------------------------------------------------------------------------------------

TEST_F(TestEndpointTest, ScratchRegistersShowEachResetClass) {
  struct Row {
    ResetKind kind;
    uint32_t scratch, flr_kept, sticky;
  };
  constexpr Row kRows[] = {
      {ResetKind::kFlr, 0, 2, 3},     {ResetKind::kD3ToD0, 0, 2, 3},  {ResetKind::kHotReset, 0, 0, 3},
      {ResetKind::kLinkDown, 0, 0, 3}, {ResetKind::kPerst, 0, 0, 0},   {ResetKind::kPowerOn, 0, 0, 0},
  };
  for (const Row& row : kRows) {
    set(reg::kScratch, 1);
    set(reg::kFlrKept, 2);
    set(reg::kSticky, 3);
    device.reset(row.kind);
    set_up_bus();
    EXPECT_EQ(get(reg::kScratch), row.scratch) << static_cast<int>(row.kind);
    EXPECT_EQ(get(reg::kFlrKept), row.flr_kept) << static_cast<int>(row.kind);
    EXPECT_EQ(get(reg::kSticky), row.sticky) << static_cast<int>(row.kind);
    EXPECT_EQ(get(reg::kStrap), 0xa5a5'0001u);
  }
}

Outcome outcome_after(const TestEndpointOptions& options, std::vector<ResetKind> kinds) {
  FakeUpstream upstream;
  TestEndpoint device(options);
  device.attach(&upstream);
  device.reset(ResetKind::kPowerOn);
  for (const ResetKind kind : kinds) device.reset(kind);
  Bus bus(device);
  bus.config_read(0, 4);
  return bus.outcome;
}

TEST(TestEndpointResets, FailingResetsLeaveADeviceThatOnlyRetries) {
  const TestEndpointOptions good;
  TestEndpointOptions bad_flr;
  bad_flr.flr_fails = true;
  TestEndpointOptions bad;
  bad.flr_fails = bad.hot_reset_fails = true;
  struct Row {
    const char* what;
    TestEndpointOptions options;
    std::vector<ResetKind> kinds;
    Outcome outcome;
  };
  const Row rows[] = {
      {"good FLR", good, {ResetKind::kFlr}, Outcome::kSuccess},
      {"bad FLR", bad_flr, {ResetKind::kFlr}, Outcome::kRequestRetry},
      {"bad FLR, hot reset", bad_flr, {ResetKind::kFlr, ResetKind::kHotReset}, Outcome::kSuccess},
      {"both bad, FLR", bad, {ResetKind::kFlr}, Outcome::kRequestRetry},
      {"both bad, FLR, hot reset", bad, {ResetKind::kFlr, ResetKind::kHotReset}, Outcome::kRequestRetry},
      {"both bad, PERST", bad, {ResetKind::kPerst}, Outcome::kRequestRetry},
      {"both bad, power-on", bad, {ResetKind::kHotReset, ResetKind::kPowerOn}, Outcome::kSuccess},
  };
  for (const Row& row : rows) EXPECT_EQ(outcome_after(row.options, row.kinds), row.outcome) << row.what;
}

TEST(TestEndpointResets, WithoutFlrTheCapabilityBitIsClear) {
  TestEndpointOptions options;
  options.flr = false;
  TestEndpoint device(options);
  const uint32_t at = device.config().find_capability(pcie::kId);
  EXPECT_EQ(device.config().file().peek32(at + pcie::kDeviceCapabilities) & pcie::kFlrCapable, 0u);
}

TEST_F(TestEndpointTest, InspectEndsWithItsRegisters) {
  InspectNode node;
  device.inspect(node);
  ASSERT_FALSE(node.children.empty());
  EXPECT_EQ(node.children.back().name, "BAR0 registers");
  EXPECT_EQ(node.children.back().children[0].name, "0x000 ID");
  EXPECT_EQ(node.children.back().children[0].value, "0x45544244");
}

}  // namespace
}  // namespace dartboard::model
