// tests/invariants/ledgers_test.cpp - a breach planted in a stream of events is found, by its number; a stream without
// one is not accused.
#include <gtest/gtest.h>

#include "tests/invariants/stream.h"

namespace dartboard::invariants_test {
namespace {

/// A short life with everything in it, as a run that is well reports it.
Stream& good_life(Stream& s) {
  s.published(1).published(2).opened(10, 2).bus_master(true);
  s.cpu_read(0x10'0000, 0x4554'4244, 4).cpu_read(0x10'0000, 0xffff'ffff, 4, Outcome::kUnsupportedRequest);
  s.map(kIova, 2 * kPage).map(kIova + 2 * kPage, kPage, true, false).map(kIova, kPage, true, true, 1);
  s.device_write(kIova + 64, 4096).device_read(kIova + kPage, 2 * kPage);
  s.dart_fault(0x4000).device_write(0x4000, 4, Outcome::kUnsupportedRequest);
  s.vector(3, true).device_write(kDoorbell, 4).msi(3).delivered(3).msi(3).msi(3).delivered(3).vector(3, false);
  s.unmap(kIova, 2 * kPage).map(kIova, kPage).device_write(kIova, kPage);
  s.closing(10).bus_master(false).unmap(kIova, kPage).unmap(kIova + 2 * kPage, kPage).event(TraceKind::kUnmap, 1, {kIova, kPage, 0x100});
  return s.closed(10).terminated(2).terminated(1);
}

TEST(Ledgers, AreSilentOnARunThatIsWell) {
  Stream s;
  good_life(s);
  EXPECT_EQ(s.found(), "") << s.violations.first().front().sentence;
  EXPECT_EQ(s.dart.live(), 0u);
  EXPECT_EQ(s.dart.live_bytes(), 0u);
  EXPECT_EQ(s.handles.clients_open(), 0u);
  EXPECT_EQ(s.interrupts.sent(), 3u);
  EXPECT_EQ(s.interrupts.delivered(), 2u);
  EXPECT_GT(s.completions.requests(), 5u);
}

// I-01, I-02, I-03, I-05, I-07, I-14, I-31: the shadow DART ---------------------------------------------------------------

TEST(ShadowDart, FindsATransferOutsideOfEveryMapping) {
  Stream s;
  s.bus_master(true).map(kIova, kPage).device_write(kIova + kPage, 4);
  EXPECT_EQ(s.found(), "I-01");
}

TEST(ShadowDart, FindsATransferThatRunsOverTheEndOfAMapping) {
  Stream s;
  s.bus_master(true).map(kIova, kPage).device_read(kIova + kPage - 4, 8);
  EXPECT_EQ(s.found(), "I-01");
}

TEST(ShadowDart, FindsAWriteToMemoryThatTheDeviceMayOnlyRead) {
  Stream s;
  s.bus_master(true).map(kIova, kPage, true, false).device_write(kIova, 4);
  EXPECT_EQ(s.found(), "I-01");
  Stream lax(false);   // a DART that does not enforce it
  lax.bus_master(true).map(kIova, kPage, true, false).device_write(kIova, 4);
  EXPECT_EQ(lax.found(), "");
}

TEST(ShadowDart, FindsAReadOfMemoryThatTheDeviceMayOnlyWrite) {
  Stream s;
  s.bus_master(true).map(kIova, kPage, false, true).device_read(kIova, 4);
  EXPECT_EQ(s.found(), "I-01");
}

TEST(ShadowDart, FindsATransferInTheMappingOfAnotherRoot) {
  Stream s;
  s.bus_master(true).map(kIova, kPage, true, true, 1).device_write(kIova, 4);
  EXPECT_EQ(s.found(), "I-01");
}

TEST(ShadowDart, FindsATransferAfterItsUnmap) {
  Stream s;
  s.bus_master(true).map(kIova, kPage).device_write(kIova, 4).unmap(kIova, kPage).device_write(kIova, 4);
  EXPECT_EQ(s.found(), "I-02");
}

TEST(ShadowDart, FindsARefusalThatSucceeded) {
  Stream s;
  s.bus_master(true).map(kIova, kPage).dart_fault(kIova).device_write(kIova, 4);
  EXPECT_EQ(s.found(), "I-03");
}

TEST(ShadowDart, FindsMappingsThatOverlap) {
  for (const auto& [begin, bytes] : {std::pair{kIova, kPage}, {kIova + kPage, kPage}, {kIova - kPage, 4 * kPage},
                                     {kIova + 2 * kPage - 1, uint64_t{1}}, {kIova - kPage, kPage + 1}}) {
    Stream s;
    s.map(kIova, 2 * kPage).map(begin, bytes);
    EXPECT_EQ(s.found(), "I-05") << std::hex << begin;
  }
  Stream beside;
  beside.map(kIova, 2 * kPage).map(kIova + 2 * kPage, kPage).map(kIova - kPage, kPage);
  EXPECT_EQ(beside.found(), "");
}

TEST(ShadowDart, FindsMappingsThatStayWhenTheLastClientIsGone) {
  Stream s;
  s.opened(10, 1).opened(11, 1).map(kIova, kPage).closing(10).closed(10);
  EXPECT_EQ(s.found(), "") << "there is another client";
  s.closing(11).closed(11);
  EXPECT_EQ(s.found(), "I-07");
}

TEST(ShadowDart, FindsATransferWhileBusMasterIsOff) {
  Stream never;
  never.map(kIova, kPage).device_write(kIova, 4);
  EXPECT_EQ(never.found(), "I-14");
  Stream off;
  off.bus_master(true).map(kIova, kPage).device_write(kIova, 4).bus_master(false).device_read(kIova, 4);
  EXPECT_EQ(off.found(), "I-14");
  Stream message;
  message.device_write(kDoorbell, 4);
  EXPECT_EQ(message.found(), "I-14") << "an interrupt message is a transfer too";
}

// Found by the fuzzer: the pending messages leave the device before the write that let them go has completed.
TEST(ShadowDart, KnowsThatTheWriteOfBusMasterIsRecordedAfterWhatItLetGo) {
  Stream s;
  s.device_write(kDoorbell, 4).bus_master(true);
  EXPECT_EQ(s.found(), "");
  Stream other_write;
  other_write.device_write(kDoorbell, 4).bus_master(false).bus_master(true);
  EXPECT_EQ(other_write.found(), "I-14");
  Stream a_read_between;
  a_read_between.device_write(kDoorbell, 4).cpu_read(0x10'0000, 0, 4).bus_master(true);
  EXPECT_EQ(a_read_between.found(), "I-14");
}

TEST(ShadowDart, KnowsThatAResetSwitchesBusMasterOff) {
  Stream s;
  s.bus_master(true).map(kIova, kPage).reset(model::ResetKind::kFlr).device_write(kIova, 4);
  EXPECT_EQ(s.found(), "I-14");
}

TEST(ShadowDart, ReadsCommandFromWritesOfEveryShape) {
  struct Shape {
    uint64_t offset, data;
    uint32_t length;
  };
  for (const Shape& shape : {Shape{4, 6, 1}, Shape{4, 6, 2}, Shape{4, 6, 4}, Shape{0, 0x6'0000'0000, 8}}) {
    Stream s;
    s.map(kIova, kPage).tlp(TlpKind::kCfgWrite0, Direction::kDownstream, shape.offset, shape.data, shape.length);
    s.device_write(kIova, 4);
    EXPECT_EQ(s.found(), "") << shape.offset << " " << shape.length;
  }
  Stream refused;
  refused.map(kIova, kPage).tlp(TlpKind::kCfgWrite0, Direction::kDownstream, 4, 6, 2, Outcome::kLinkDown);
  EXPECT_EQ(refused.device_write(kIova, 4).found(), "I-14") << "a write that did not arrive changes nothing";
}

TEST(ShadowDart, KnowsThatAWriteWhoseCompletionIsLostMayHaveArrived) {
  for (const Outcome outcome : {Outcome::kCompletionTimeout, Outcome::kPoisoned}) {
    const auto write = [&](Stream& s, uint64_t command) {
      s.tlp(TlpKind::kCfgWrite0, Direction::kDownstream, 4, command, 2, outcome);
    };
    Stream on;
    on.map(kIova, kPage).device_write(kIova, 4);  // inside the write that follows
    write(on, 6);
    EXPECT_EQ(on.device_write(kIova, 4).found(), "") << to_string(outcome);
    Stream off;
    off.map(kIova, kPage).bus_master(true);
    write(off, 2);
    EXPECT_EQ(off.device_write(kIova, 4).found(), "") << to_string(outcome);
    Stream never;
    never.map(kIova, kPage);
    write(never, 2);
    EXPECT_EQ(never.device_write(kIova, 4).found(), "I-14") << to_string(outcome) << ": nobody asked for it";
  }
  Stream cut;
  cut.map(kIova, kPage).device_write(kIova, 4);
  cut.tlp(TlpKind::kCfgWrite0, Direction::kDownstream, 4, 6, 2, Outcome::kLinkDown);
  EXPECT_EQ(cut.found(), "") << "it arrived, and what it let go cost the link";
}

TEST(ShadowDart, FindsMemoryThatIsTakenFromADeviceThatStillRuns) {
  Stream s;
  s.opened(10, 1).bus_master(true).map(kIova, kPage).closing(10).unmap(kIova, kPage).closed(10);
  EXPECT_EQ(s.found(), "I-31");
}

TEST(ShadowDart, ForgivesHardwareOnlyWhatIsHardwares) {
  Stream s;
  s.forgive(true);
  s.bus_master(true).map(kIova, kPage).unmap(kIova, kPage).device_write(kIova, 4);
  EXPECT_EQ(s.found(), "") << "a stale entry in the TLB, by order";
  s.bus_master(false).device_write(kIova, 4);
  EXPECT_EQ(s.found(), "I-14") << "but Command still gates";
}

// I-10, I-15, I-45: completions ---------------------------------------------------------------------------------------

TEST(CompletionLedger, FindsARequestWithoutAnOutcome) {
  Stream s;
  s.cpu_read(0x1000, 0xffff'ffff, 4, Outcome::kPending);
  EXPECT_EQ(s.found(), "I-10");
}

TEST(CompletionLedger, FindsAFailedReadThatIsNotAllOnes) {
  for (const Outcome outcome : {Outcome::kUnsupportedRequest, Outcome::kCompleterAbort, Outcome::kCompletionTimeout,
                                Outcome::kPoisoned, Outcome::kLinkDown, Outcome::kRequestRetry}) {
    Stream s;
    s.cpu_read(0x1000, 0x1234, 4, outcome);
    EXPECT_EQ(s.found(), "I-15") << to_string(outcome);
    Stream ones;
    ones.cpu_read(0x1000, 0xffff, 2, outcome).cpu_read(0x1000, UINT64_MAX, 8, outcome).cpu_read(0x1000, 0xff, 1, outcome);
    EXPECT_EQ(ones.found(), "") << to_string(outcome);
  }
}

TEST(CompletionLedger, KnowsTheRetryStatusThatSoftwareMaySee) {
  Stream s;
  s.tlp(TlpKind::kCfgRead0, Direction::kDownstream, 0, 0xffff'0001, 4, Outcome::kRequestRetry);
  EXPECT_EQ(s.found(), "");
  s.tlp(TlpKind::kCfgRead0, Direction::kDownstream, 4, 0xffff'0001, 4, Outcome::kRequestRetry);
  EXPECT_EQ(s.found(), "I-15") << "only Vendor ID reads 0001h";
}

TEST(CompletionLedger, FindsTimeThatGoesBack) {
  Stream s;
  s.cpu_read(0x1000, 0, 4);
  s.now = 0;
  s.now -= 10;
  s.now += 5;   // before the first event
  s.cpu_read(0x1000, 0, 4);
  EXPECT_EQ(s.found(), "I-45");
}

TEST(CompletionLedger, FindsAnEventThatTakesMoreThanAnHour) {
  Stream s;
  s.cpu_read(0x1000, 0, 4);
  s.now += 3'600'000'000'000 + 1;
  s.cpu_read(0x1000, 0, 4);
  EXPECT_EQ(s.found(), "I-45");
}

// I-20, I-21, I-22: interrupts ----------------------------------------------------------------------------------------

TEST(InterruptLedger, FindsADeliveryThatNobodySent) {
  Stream s;
  s.vector(3, true).msi(3).delivered(3).delivered(3);
  EXPECT_EQ(s.found(), "I-20");
  Stream other;
  other.vector(3, true).msi(4).delivered(3);
  EXPECT_EQ(other.found(), "I-20") << "another vector's message";
}

TEST(InterruptLedger, FindsADeliveryToAVectorThatIsOff) {
  Stream never;
  never.msi(3).delivered(3);
  EXPECT_EQ(never.found(), "I-21");
  Stream off;
  off.vector(3, true).msi(3).vector(3, false).delivered(3);
  EXPECT_EQ(off.found(), "I-21");
}

TEST(InterruptLedger, FindsAVectorThatThePlatformDoesNotHave) {
  Stream s;
  s.vector(32, true).msi(32).delivered(32);
  EXPECT_EQ(s.found(), "I-22");
}

TEST(InterruptLedger, ForgivesADuplicateButNotADeliveryToNobody) {
  Stream s;
  s.forgive(true);
  s.vector(3, true).msi(3).delivered(3).delivered(3);
  EXPECT_EQ(s.found(), "");
  s.vector(3, false).delivered(3);
  EXPECT_EQ(s.found(), "I-21");
}

// I-30, I-32: handles -------------------------------------------------------------------------------------------------

TEST(HandleLedger, FindsAServiceThatIsPublishedAgain) {
  Stream s;
  s.published(1).published(1);
  EXPECT_EQ(s.found(), "I-30");
  Stream after;
  after.published(1).terminated(1).published(1);
  EXPECT_EQ(after.found(), "I-30") << "ids are not used again";
}

TEST(HandleLedger, FindsAServiceThatIsTerminatedAgain) {
  Stream s;
  s.published(1).terminated(1).terminated(1);
  EXPECT_EQ(s.found(), "I-30");
}

TEST(HandleLedger, FindsAConnectionToAServiceThatIsGone) {
  Stream s;
  s.published(1).terminated(1).opened(10, 1);
  EXPECT_EQ(s.found(), "I-32");
}

TEST(HandleLedger, FindsAConnectionThatIsOpenedOrClosedTwice) {
  Stream opened;
  opened.opened(10, 1).opened(10, 1);
  EXPECT_EQ(opened.found(), "I-32");
  Stream closed;
  closed.opened(10, 1).closed(10).closed(10);
  EXPECT_EQ(closed.found(), "I-32");
  Stream never;
  never.closed(10);
  EXPECT_EQ(never.found(), "I-32");
}

// What a stream may hold without harm ---------------------------------------------------------------------------------

TEST(Ledgers, TakeEventsWithoutWords) {
  Stream s;
  for (unsigned kind = 1; kind <= 20; ++kind) s.event(static_cast<TraceKind>(kind), 0xff, {});
  for (unsigned kind = 21; kind < 64; ++kind) s.event(static_cast<TraceKind>(kind), 0, {1, 2, 3});
  EXPECT_EQ(s.found(), "");
}

TEST(Violations, KeepTheFirstAndCountAll) {
  Stream s;
  for (unsigned i = 0; i < 100; ++i) s.published(1);
  EXPECT_EQ(s.violations.count(), 99u);
  EXPECT_EQ(s.violations.first().size(), sim::Violations::kKept);
  EXPECT_FALSE(s.violations.first().front().sentence.empty());
  EXPECT_NE(s.violations.first().front().time_ns, 0u);
}

}  // namespace
}  // namespace dartboard::invariants_test
