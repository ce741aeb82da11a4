// tests/model/root_complex_faults_test.cpp - every fault of link and completions: how the request ends, in bounded
// time, which marks it leaves at which end, and that the machine works when the fault is over.
#include <gtest/gtest.h>

#include "tests/model/endpoint_fabric.h"

namespace dartboard::model::test {
namespace {

using F = FaultKind;
constexpr uint64_t kTimeout = 50 * kNsPerMs;
constexpr uint64_t kBoundNs = 150 * kNsPerMs;  // no request may take longer: a timeout and what may precede it

class Faults : public EndpointFabricTest {
 protected:
  /// One read of the ID register under `kind`, with its time.
  uint32_t read_under(F kind, Outcome* outcome, uint64_t* ns = nullptr, std::optional<uint64_t> amount = {}) {
    const uint64_t before = fabric.timeline.now().value;
    uint32_t value;
    {
      OneFault fault(kind, 1, amount);
      value = fabric.read(kRegisters, 4, outcome);
      EXPECT_EQ(fault.hits, 1u) << "no site asked";
    }
    const uint64_t took = fabric.timeline.now().value - before;
    EXPECT_LE(took, kBoundNs);
    if (ns != nullptr) *ns = took;
    return value;
  }
};

TEST_F(Faults, AReadEndsAsItsCompletionDoes) {
  struct Row {
    F kind;
    Outcome outcome;
    uint64_t ns;
    uint32_t root_uncorrectable, root_correctable;
    uint32_t device_uncorrectable;
    uint16_t secondary;
    uint32_t port;  // INTSTAT
  };
  const uint32_t advisory = aer::kAdvisoryNonFatal;
  const Row rows[] = {
      {F::kCompletionUnsupported, Outcome::kUnsupportedRequest, 0, 0, 0, aer::kUnsupportedRequest,
       bridge::kReceivedMasterAbort, port_reg::kAerCorrectable},
      {F::kCompletionAbort, Outcome::kCompleterAbort, 0, 0, 0, aer::kCompleterAbort, bridge::kReceivedTargetAbort,
       port_reg::kAerCorrectable | port_reg::kCompleterAbort},
      {F::kCompletionTimeout, Outcome::kCompletionTimeout, kTimeout, aer::kCompletionTimeout, 0, 0, 0,
       port_reg::kAerNonFatal | port_reg::kCompletionTimeout},
      {F::kCompletionShort, Outcome::kCompletionTimeout, kTimeout, aer::kCompletionTimeout, 0, 0, 0,
       port_reg::kAerNonFatal | port_reg::kCompletionTimeout},
      {F::kCompletionWrongTag, Outcome::kCompletionTimeout, kTimeout,
       aer::kCompletionTimeout | aer::kUnexpectedCompletion, advisory, 0, 0,
       port_reg::kAerNonFatal | port_reg::kAerCorrectable | port_reg::kCompletionTimeout},
      {F::kCompletionPoisoned, Outcome::kPoisoned, 0, aer::kPoisoned, 0, 0, bridge::kDetectedParityError,
       port_reg::kAerNonFatal},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(static_cast<int>(row.kind));
    begin(RootComplexConfig());
    Outcome outcome;
    uint64_t ns = 0;
    EXPECT_EQ(read_under(row.kind, &outcome, &ns), 0xffff'ffffu);
    EXPECT_EQ(outcome, row.outcome);
    EXPECT_EQ(ns, row.ns);
    EXPECT_EQ(root_register(aer::kUncorrectableStatus), row.root_uncorrectable);
    EXPECT_EQ(root_register(aer::kCorrectableStatus), row.root_correctable);
    EXPECT_EQ(device_register(aer::kUncorrectableStatus), row.device_uncorrectable);
    EXPECT_EQ(fabric.config_read(bridge::kSecondaryStatus, 2), row.secondary);
    EXPECT_EQ(interrupt_status(), row.port);
    ASSERT_FALSE(fabric.sink->errors.empty());
    EXPECT_TRUE(fabric.sink->errors[0].interrupt);
    EXPECT_EQ(fabric.sink->errors[0].source, row.device_uncorrectable != 0 ? Fabric::kRid : Rid());
    expect_alive();
  }
}

TEST_F(Faults, TheHeaderLogShowsThePacket) {
  Outcome outcome;
  read_under(F::kCompletionTimeout, &outcome);
  EXPECT_EQ(root_register(aer::kControl) & 0x1f, 14u);
  EXPECT_EQ(root_register(aer::kHeaderLog), 0x0000'0001u);
  EXPECT_EQ(root_register(aer::kHeaderLog + 4), 0x0000'000fu);
  EXPECT_EQ(root_register(aer::kHeaderLog + 8), static_cast<uint32_t>(Fabric::kBar));
  EXPECT_EQ(root_register(aer::kErrorSource), 0u);
}

TEST_F(Faults, ADuplicateCompletionIsOnlyAnnounced) {
  Outcome outcome;
  EXPECT_EQ(read_under(F::kCompletionDuplicate, &outcome), test_register::kIdValue);
  EXPECT_EQ(outcome, Outcome::kSuccess);
  EXPECT_EQ(root_register(aer::kUncorrectableStatus), aer::kUnexpectedCompletion);
  EXPECT_EQ(root_register(aer::kCorrectableStatus), aer::kAdvisoryNonFatal);
  EXPECT_EQ(root_register(aer::kHeaderLog), 0x4a00'0001u) << "a completion with data";
}

TEST_F(Faults, ALateCompletionIsUnexpectedWhenItComes) {
  Outcome outcome;
  read_under(F::kCompletionLate, &outcome, nullptr, 3 * kNsPerMs);
  EXPECT_EQ(outcome, Outcome::kCompletionTimeout);
  EXPECT_EQ(root_register(aer::kUncorrectableStatus), aer::kCompletionTimeout);
  fabric.timeline.advance(3 * kNsPerMs);
  EXPECT_EQ(root_register(aer::kUncorrectableStatus), aer::kCompletionTimeout | aer::kUnexpectedCompletion);
  expect_alive();
}

TEST_F(Faults, APostedWriteNeverLearnsButTheDeviceRecords) {
  {
    OneFault fault(F::kCompletionUnsupported);
    fabric.write(kRegisters + test_register::kScratch, 0x1234);
    EXPECT_EQ(fault.hits, 1u);
  }
  EXPECT_EQ(fabric.read(kRegisters + test_register::kScratch), 0u) << "it was refused";
  EXPECT_EQ(device_register(aer::kUncorrectableStatus), aer::kUnsupportedRequest);
  EXPECT_EQ(device_register(aer::kCorrectableStatus), 0u) << "posted: not advisory";
  EXPECT_EQ(fabric.config_read(bridge::kSecondaryStatus, 2), bridge::kReceivedSystemError) << "ERR_NONFATAL came up";
}

TEST_F(Faults, ConfigurationRequestsFailLikeOthers) {
  for (const auto& [kind, expected] : {std::pair{F::kCompletionUnsupported, Outcome::kUnsupportedRequest},
                                       std::pair{F::kCompletionTimeout, Outcome::kCompletionTimeout},
                                       std::pair{F::kCompletionAbort, Outcome::kCompleterAbort}}) {
    OneFault fault(kind);
    Outcome outcome;
    EXPECT_EQ(fabric.read(kEcamBase + kDevice, 4, &outcome), 0xffff'ffffu);
    EXPECT_EQ(outcome, expected);
  }
  expect_alive();
}

TEST_F(Faults, RetryForeverLastsUntilAConventionalReset) {
  Outcome outcome;
  {
    OneFault fault(F::kCompletionRetryForever);
    fabric.read(kEcamBase + kDevice, 4, &outcome);
  }
  for (int i = 0; i < 3; ++i) {
    fabric.timeline.advance(kNsPerS);
    fabric.read(kEcamBase + kDevice, 4, &outcome);
    EXPECT_EQ(outcome, Outcome::kRequestRetry);
  }
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  enumerate();
  expect_alive();
}

TEST_F(Faults, TheLinkCanDelayWithoutLosing) {
  struct Row {
    F kind;
    uint64_t ns;
    uint32_t correctable;
  };
  const Row rows[] = {
      {F::kLinkAspmExitLate, 64'000, 0},
      {F::kLinkReplayStorm, kNsPerMs, aer::kReplayRollover | aer::kReplayTimeout},
      {F::kLinkCorrectableBurst, 0, aer::kReceiverError | aer::kBadTlp},
  };
  for (const Row& row : rows) {
    begin(RootComplexConfig());
    Outcome outcome;
    uint64_t ns = 0;
    EXPECT_EQ(read_under(row.kind, &outcome, &ns), test_register::kIdValue);
    EXPECT_EQ(outcome, Outcome::kSuccess);
    EXPECT_EQ(ns, row.ns);
    EXPECT_EQ(root_register(aer::kCorrectableStatus), row.correctable);
    if (row.correctable != 0) {
      EXPECT_EQ(root_register(aer::kRootStatus), aer::kCorReceived | aer::kMultipleCorReceived);
    }
  }
}

TEST_F(Faults, ABurstOfAnyLengthIsBounded) {
  OneFault fault(F::kLinkCorrectableBurst, 1, UINT64_MAX);
  fabric.read(kRegisters);
  EXPECT_LE(fabric.sink->errors.size(), 4096u);
}

TEST_F(Faults, WidthAndSpeedGoDownUntilTheLinkIsRetrained) {
  begin(RootComplexConfig{.dma_ns_per_kib = 1000});
  const auto rate = [&] { return fabric.config_read(root_pcie() + bridge::kLinkStatus, 2) & 0x3ff; };
  const auto dma_ns = [&] {
    std::vector<std::byte> data(kDmaBytes);
    Tlp tlp;
    tlp.request(TlpKind::kMemWrite, Fabric::kRid, kIova.value, data.data(), kDmaBytes);
    sc_core::sc_time delay;
    upstream().b_transport(tlp, delay);
    return delay.value() / fabric.timeline.to_sc_time(1).value();
  };
  EXPECT_EQ(dma_ns(), 4000u);
  Outcome outcome;
  read_under(F::kLinkWidthDown, &outcome);
  EXPECT_EQ(rate(), 0x14u);
  EXPECT_EQ(dma_ns(), 16'000u);
  EXPECT_NE(interrupt_status() & port_reg::kBandwidthManagement, 0u);
  read_under(F::kLinkSpeedDown, &outcome, nullptr, 3);
  EXPECT_EQ(rate(), 0x43u);
  EXPECT_EQ(dma_ns(), 8000u);
  fabric.config_write(root_pcie() + bridge::kLinkControl, bridge::kRetrainLink, 2);
  EXPECT_EQ(rate(), 0x44u);
  EXPECT_EQ(dma_ns(), 4000u);
}

TEST_F(Faults, ALostLinkEndsTheRequestAndIsASurprise) {
  for (const F kind : {F::kLinkSurpriseDown, F::kLinkBounce}) {
    begin(RootComplexConfig());
    Outcome outcome;
    EXPECT_EQ(read_under(kind, &outcome, nullptr, 5 * kNsPerMs), 0xffff'ffffu);
    EXPECT_EQ(outcome, Outcome::kLinkDown);
    EXPECT_EQ(fabric.sink->links, std::vector<bool>{false});
    EXPECT_EQ(root_register(aer::kUncorrectableStatus), aer::kSurpriseDown);
    EXPECT_EQ(root_register(aer::kRootStatus), aer::kUncorReceived | aer::kFirstUncorFatal | aer::kFatalReceived);
    EXPECT_EQ(fabric.read(kRegisters, 4, &outcome), 0xffff'ffffu);
    EXPECT_EQ(outcome, Outcome::kLinkDown);
    fabric.timeline.advance(5 * kNsPerMs);
    EXPECT_EQ(fabric.root.link().up(), kind == F::kLinkBounce);
    fabric.root.link().bring_up();
    enumerate();
    expect_alive();
  }
}

TEST_F(Faults, ALinkStuckInRecoveryTimesOutOrFallsDown) {
  Outcome outcome;
  uint64_t ns = 0;
  EXPECT_EQ(read_under(F::kLinkStuckInRecovery, &outcome, &ns), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown) << "48 ms: before the completion timeout";
  EXPECT_EQ(ns, 48 * kNsPerMs);
  fabric.timeline.advance(100 * kNsPerMs);
  EXPECT_TRUE(fabric.root.link().up());
  enumerate();
  read_under(F::kLinkStuckInRecovery, &outcome, &ns, kNsPerS);
  EXPECT_EQ(outcome, Outcome::kCompletionTimeout);
  EXPECT_EQ(ns, kTimeout);
  expect_alive();
}

TEST_F(Faults, ABouncingLinkComesBackThoughSoftwareResetsItMeanwhile) {
  begin(RootComplexConfig{.link_training_ns = 20 * kNsPerMs});
  Outcome outcome;
  read_under(F::kLinkBounce, &outcome);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
  fabric.sink->links.clear();
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  fabric.timeline.advance(20 * kNsPerMs);
  EXPECT_FALSE(fabric.root.link().up()) << "trained, but the cable is not back";
  fabric.timeline.advance(80 * kNsPerMs);
  EXPECT_TRUE(fabric.root.link().up());
  EXPECT_EQ(fabric.sink->links, std::vector<bool>{true});
  enumerate();
  expect_alive();
}

TEST_F(Faults, ALinkThatDoesNotTrainStaysDownUntilTheNextTry) {
  {
    OneFault fault(F::kLinkTrainingTimeout);
    fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
    fabric.config_write(bridge::kBridgeControl, 0, 2);
    EXPECT_EQ(fault.hits, 1u);
  }
  EXPECT_FALSE(fabric.root.link().up());
  EXPECT_EQ(fabric.config_read(root_pcie() + bridge::kLinkStatus, 2) & bridge::kDataLinkActive, 0u);
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  enumerate();
  expect_alive();
}

TEST_F(Faults, ReadsCanReturnWhatIsNotThere) {
  Outcome outcome;
  EXPECT_EQ(read_under(F::kAppleReadsAllOnes, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kSuccess);
  EXPECT_EQ(read_under(F::kAppleReadsGarbage, &outcome), 0x3f3f'3f3fu);
  EXPECT_EQ(outcome, Outcome::kSuccess);
  expect_alive();
}

// DMA -----------------------------------------------------------------------------------------------------------------

TEST_F(Faults, ADmaReadEndsAsItsCompletionDoes) {
  struct Row {
    F kind;
    TestDmaError error;
    uint32_t device_uncorrectable;
    uint32_t root_uncorrectable;
    uint16_t status;
  };
  const Row rows[] = {
      {F::kCompletionUnsupported, TestDmaError::kUnsupportedRequest, 0, aer::kUnsupportedRequest,
       cfg::kStatusReceivedMasterAbort},
      {F::kCompletionAbort, TestDmaError::kCompleterAbort, 0, aer::kCompleterAbort, cfg::kStatusReceivedTargetAbort},
      {F::kCompletionTimeout, TestDmaError::kCompletionTimeout, aer::kCompletionTimeout, 0, 0},
      {F::kCompletionShort, TestDmaError::kCompletionTimeout, aer::kCompletionTimeout, 0, 0},
      {F::kCompletionWrongTag, TestDmaError::kCompletionTimeout, aer::kCompletionTimeout | aer::kUnexpectedCompletion,
       0, 0},
      {F::kCompletionPoisoned, TestDmaError::kPoisoned, aer::kPoisoned, 0, cfg::kStatusDetectedParityError},
      {F::kCompletionDuplicate, TestDmaError::kNone, aer::kUnexpectedCompletion, 0, 0},
      {F::kAppleDmaStalls, TestDmaError::kNone, 0, 0, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(static_cast<int>(row.kind));
    begin(RootComplexConfig());
    // The site of the CPU's write passes first; this fault is for the read behind it.
    class Second final : public FaultInjector {
     public:
      explicit Second(F kind) : kind_(kind) { install_faults(this); }
      ~Second() { install_faults(nullptr); }
      bool strikes(F kind, uint64_t key) override { return kind == kind_ && key == kIova.value; }
      uint64_t amount(F, uint64_t standard) override { return standard; }

     private:
      F kind_;
    };
    {
      Second fault(row.kind);
      EXPECT_EQ(dma(TestDmaCommand::kHostToDevice), row.error);
    }
    EXPECT_EQ(device_register(aer::kUncorrectableStatus), row.device_uncorrectable);
    EXPECT_EQ(root_register(aer::kUncorrectableStatus), row.root_uncorrectable);
    EXPECT_EQ(device.config().status() & 0xf900, row.status);
    expect_alive();
  }
}

TEST_F(Faults, ALateCompletionOfDmaIsUnexpectedAtTheDevice) {
  Tlp tlp;
  uint32_t word = 0;
  tlp.request(TlpKind::kMemRead, Fabric::kRid, kIova.value, &word, 4);
  sc_core::sc_time delay;
  {
    OneFault fault(F::kCompletionLate);
    upstream().b_transport(tlp, delay);
  }
  EXPECT_EQ(tlp.outcome(), Outcome::kCompletionTimeout);
  EXPECT_EQ(word, 0xffff'ffffu);
  EXPECT_EQ(delay, fabric.timeline.to_sc_time(kTimeout));
  fabric.timeline.advance(kTimeout + kNsPerMs);
  EXPECT_EQ(device_register(aer::kUncorrectableStatus), aer::kUnexpectedCompletion);
}

TEST_F(Faults, WhatInterruptsADmaDoesSoInItsMiddle) {
  for (const F kind : {F::kUnplugDuringDma, F::kLinkSurpriseDown, F::kLinkBounce, F::kResetDuringDma}) {
    SCOPED_TRACE(static_cast<int>(kind));
    begin(RootComplexConfig());
    std::vector<std::byte> data(kDmaBytes, std::byte{0x11});
    Tlp tlp;
    tlp.request(TlpKind::kMemRead, Fabric::kRid, kIova.value, data.data(), kDmaBytes);
    sc_core::sc_time delay;
    {
      OneFault fault(kind);
      upstream().b_transport(tlp, delay);
      EXPECT_EQ(fault.hits, 1u);
    }
    EXPECT_EQ(tlp.outcome(), Outcome::kLinkDown);
    EXPECT_EQ(data[kDmaBytes / 2 - 1], std::byte{0x77}) << "what had come is there";
    EXPECT_EQ(data[kDmaBytes / 2], std::byte{0xff});
    EXPECT_EQ(data[kDmaBytes - 1], std::byte{0xff});
    EXPECT_EQ(fabric.root.device() == nullptr, kind == F::kUnplugDuringDma);
  }
}

TEST_F(Faults, AReadWhoseDeviceLosesTheLinkMeanwhileHasNoCompletion) {
  // A read that makes the device do DMA does not exist in the test endpoint; a write does, and it is posted.
  Outcome outcome = Outcome::kPending;
  {
    class AtDma final : public FaultInjector {
     public:
      AtDma() { install_faults(this); }
      ~AtDma() { install_faults(nullptr); }
      bool strikes(F kind, uint64_t) override { return kind == F::kUnplugDuringDma; }
      uint64_t amount(F, uint64_t standard) override { return standard; }
    } fault;
    EXPECT_EQ(dma(TestDmaCommand::kDeviceToHost), TestDmaError::kNone) << "never finished: the device was reset";
  }
  EXPECT_EQ(fabric.read(kRegisters, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
  EXPECT_EQ((*pages)[0], std::byte{0}) << "the first half of the write had gone";
  EXPECT_EQ((*pages)[kDmaBytes / 2], std::byte{0x77});
}

TEST_F(Faults, AnInjectorThatNeverStrikesChangesNothing) {
  OneFault fault(F::kTimeSwizzle);
  const uint64_t before = fabric.timeline.now().value;
  expect_alive();
  EXPECT_EQ(fabric.timeline.now().value, before);
  EXPECT_EQ(root_register(aer::kUncorrectableStatus), 0u);
  EXPECT_EQ(device_register(aer::kUncorrectableStatus), 0u);
}

// Interrupts
// ------------------------------------------------------------------------------------------------------------

TEST_F(Faults, AnInterruptMessageCanGoWrongInEveryWay) {
  struct Row {
    F kind;
    std::vector<uint32_t> at_once;
    std::vector<uint32_t> in_the_end;
    std::optional<uint64_t> amount;
  };
  const Row rows[] = {
      {F::kInterruptLost, {}, {}, {}},
      {F::kInterruptLate, {}, {5}, 2000},
      {F::kInterruptDuplicate, {5, 5}, {5, 5}, {}},
      {F::kInterruptWrongVector, {6}, {6}, {}},
      {F::kInterruptSpurious, {5, 6}, {5, 6}, {}},
      {F::kInterruptStorm, {5, 5, 5, 5}, {5, 5, 5, 5}, 4},
      {F::kTimeSwizzle, {5}, {5}, {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(static_cast<int>(row.kind));
    begin(RootComplexConfig());
    uint32_t data = 5;
    Tlp tlp;
    tlp.request(TlpKind::kMemWrite, Fabric::kRid, port_reg::kMsiDoorbell, &data, 4);
    sc_core::sc_time delay;
    {
      const OneFault fault(row.kind, 1, row.amount);
      upstream().b_transport(tlp, delay);
    }
    EXPECT_EQ(tlp.outcome(), Outcome::kSuccess) << "posted";
    EXPECT_EQ(fabric.sink->msis, row.at_once);
    fabric.timeline.advance(2000);
    EXPECT_EQ(fabric.sink->msis, row.in_the_end);
  }
}

TEST_F(Faults, ADeviceCanIgnoreThatItsInterruptsAreOff) {
  constexpr uint64_t kMsix = 0x6000'0000;
  fabric.config_write(kDevice + cfg::kBar0 + 16, kMsix, 4);
  fabric.write(kMmioBase + kMsix, port_reg::kMsiDoorbell);
  fabric.write(kMmioBase + kMsix + 8, 9);
  for (const F kind : {F::kInterruptBeforeEnable, F::kInterruptAfterDisable}) {
    fabric.sink->msis.clear();
    const OneFault fault(kind);
    fabric.write(kRegisters + test_register::kRaise, 0);
    EXPECT_EQ(fabric.sink->msis, std::vector<uint32_t>{9});
  }
}

// Resets
// ----------------------------------------------------------------------------------------------------------------

TEST_F(Faults, AResetInsideAResetEndsInOneWorkingDevice) {
  {
    OneFault fault(F::kResetInsideReset);
    fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
    fabric.config_write(bridge::kBridgeControl, 0, 2);
    EXPECT_EQ(fault.hits, 1u);
  }
  enumerate();
  expect_alive();
}

TEST_F(Faults, ADmaThatIsRefusedIsRecordedAtTheRootPort) {
  fabric.root.unmap_stream(Fabric::kRid);
  EXPECT_EQ(dma(TestDmaCommand::kDeviceToHost), TestDmaError::kUnsupportedRequest);
  EXPECT_EQ(root_register(aer::kUncorrectableStatus), aer::kUnsupportedRequest);
  EXPECT_EQ(root_register(aer::kHeaderLog), 0x4000'0000u) << "MWr of 1024 dwords";
  EXPECT_EQ(root_register(aer::kHeaderLog + 8), static_cast<uint32_t>(kIova.value));
  EXPECT_EQ(root_register(aer::kRootStatus), aer::kUncorReceived | aer::kNonFatalReceived);
}

}  // namespace
}  // namespace dartboard::model::test
