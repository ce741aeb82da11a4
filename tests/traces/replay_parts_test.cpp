// tests/traces/replay_parts_test.cpp - what a replay is made of beside its loop: waits, rebased addresses, learned
// registers, inference batch by batch, and the options of the loop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"
#include "traces/inference.h"
#include "traces/replay.h"
#include "traces/replay_rebase.h"
#include "traces/replay_registers.h"
#include "traces/replay_waits.h"
#include "traces/session_reader.h"

namespace dartboard::traces {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A batch of hand-made events of one device.
class Script {
 public:
  Event& add(EventKind kind, uint32_t target, uint64_t address, uint64_t length, uint64_t time_ns = 0) {
    Event event;
    event.kind = kind;
    event.target = target;
    event.address = address;
    event.length = length;
    event.time_ns = time_ns;
    event.request = requests_++;
    batch.events.push_back(event);
    return batch.events.back();
  }
  Script& write(uint32_t bar, uint64_t offset, uint64_t length, uint64_t value, uint64_t time_ns = 0) {
    add(EventKind::kMmioWrite, bar, offset, length, time_ns).data = bytes(value, length);
    return *this;
  }
  Script& read(uint32_t bar, uint64_t offset, uint64_t length, uint64_t value, uint64_t time_ns = 0) {
    return reply(add(EventKind::kMmioRead, bar, offset, length, time_ns), value);
  }
  Script& host_read(uint32_t handle, uint64_t offset, uint64_t length, uint64_t value, uint64_t time_ns = 0) {
    return reply(add(EventKind::kHostRead, handle, offset, length, time_ns), value);
  }
  Script& device(EventKind kind) {
    add(kind, 0, 0, 4).source = Source::kInferred;
    --requests_;
    return *this;
  }
  Payload bytes(uint64_t value, uint64_t length) {
    std::byte* const place = batch.arena.allocate(8);
    std::memcpy(place, &value, 8);
    return Payload::of({place, length});
  }
  EventBatch batch;

 private:
  Script& reply(Event& event, uint64_t value) {
    Reply reply;
    reply.data = bytes(value, event.length);
    event.reply = static_cast<uint32_t>(batch.replies.size());
    batch.replies.push_back(reply);
    return *this;
  }
  uint64_t requests_ = 0;
};

// Waits ---------------------------------------------------------------------------------------------------------------

WaitReport waits_of(const Script& script) {
  WaitFinder finder;
  for (const Event& event : script.batch.events) {
    if (event.is_request()) {
      finder.request(event, script.batch.reply_of(event));
    } else {
      finder.device_event(event);
    }
  }
  return finder.finish();
}

TEST(Waits, ARunOfReadsThatEndsWithAnotherValueIsAWait) {
  Script script;
  script.write(5, 0, 4, 1).read(5, 8, 4, 0, 100).read(5, 8, 4, 0, 200).read(5, 8, 4, 1, 350);
  const WaitReport report = waits_of(script);
  ASSERT_EQ(report.waits, 1u);
  const Wait& wait = report.first[0];
  EXPECT_EQ(wait.polls, 3u);
  EXPECT_EQ(wait.recorded_ns, 250u);
  EXPECT_EQ(wait.first_request, 1u);
  EXPECT_EQ(wait.last_request, 3u);
  EXPECT_EQ(wait.from_value, 0u);
  EXPECT_EQ(wait.to_value, 1u);
  EXPECT_EQ(wait.end, WaitEnd::kValue);
  EXPECT_EQ(report.polls_unended, 0u);
}

TEST(Waits, NeitherAnotherPlaceNorAWriteBetweenNorAnUnchangedValueIsAWait) {
  Script other_place, written_between, unchanged;
  other_place.read(5, 8, 4, 0).read(5, 12, 4, 1).read(5, 8, 4, 1);
  written_between.read(5, 8, 4, 0).write(5, 8, 4, 1).read(5, 8, 4, 1);
  unchanged.read(5, 8, 4, 0).read(5, 8, 4, 0).read(5, 8, 4, 0);
  EXPECT_EQ(waits_of(other_place).waits, 0u);
  EXPECT_EQ(waits_of(written_between).waits, 0u);
  EXPECT_EQ(waits_of(unchanged).waits, 0u);
  EXPECT_EQ(waits_of(unchanged).polls_unended, 2u);
}

TEST(Waits, AReadOfHostMemoryThatShowsDmaIsAWaitSinceTheLastRegisterWrite) {
  Script script;
  script.write(5, 0, 4, 1, 100).device(EventKind::kDeviceDmaWrite).host_read(3, 0, 4, 7, 900);
  const WaitReport report = waits_of(script);
  ASSERT_EQ(report.waits, 1u);
  EXPECT_EQ(report.first[0].end, WaitEnd::kDma);
  EXPECT_EQ(report.first[0].recorded_ns, 800u);
  EXPECT_EQ(report.first[0].first_request, 0u);
}

TEST(Waits, APollOfHostMemoryIsEndedByDmaOrByTheInterruptBeforeIt) {
  Script dma, interrupt;
  dma.host_read(3, 0, 4, 0, 10).device(EventKind::kDeviceDmaWrite).host_read(3, 0, 4, 7, 20);
  interrupt.host_read(3, 0, 4, 0, 10).device(EventKind::kInterrupt).device(EventKind::kDeviceDmaWrite);
  interrupt.host_read(3, 0, 4, 7, 20);
  EXPECT_EQ(waits_of(dma).first.at(0).end, WaitEnd::kDma);
  EXPECT_EQ(waits_of(interrupt).first.at(0).end, WaitEnd::kInterrupt);
}

// Rebasing ------------------------------------------------------------------------------------------------------------

constexpr uint64_t kThere[] = {0x1'0000'0000, 0x1'0000'1000, 0x7000};
constexpr uint64_t kHere[] = {0x8'0000'4000, 0x8'0000'5000, 0x9'0000'0000};

struct Rewrite {
  const char* what;
  uint64_t offset, length, value;
  uint64_t rewritten;
  AddressForm form;
  bool counted = true;
};

TEST(Rebase, FormsOfAddressesInOneWrite) {
  const Rewrite rows[] = {
      {"an address", 0, 8, 0x1'0000'0010, 0x8'0000'4010, AddressForm::kAddress},
      {"on the second page", 8, 8, 0x1'0000'1ffc, 0x8'0000'5ffc, AddressForm::kAddress},
      {"a page-table entry", 16, 8, 0x8001'0001'0000'1073, 0x8001'0008'0000'5073, AddressForm::kPage},
      {"an address that is not aligned is data", 0, 8, 0x1'0000'0012, 0x1'0000'0012, AddressForm::kAddress, false},
      {"behind the last page", 0, 8, 0x1'0000'2000, 0x1'0000'2000, AddressForm::kAddress, false},
      {"at a place that is not aligned: reported", 4, 8, 0x1'0000'0010, 0x1'0000'0010, AddressForm::kUnaligned},
      {"a low address alone: reported", 0, 4, 0x7004, 0x7004, AddressForm::kHalf},
      {"a shifted address alone: reported", 0, 4, 0x10'0001, 0x10'0001, AddressForm::kHalf},
      {"no address", 0, 8, 0x1234'5678, 0x1234'5678, AddressForm::kAddress, false},
  };
  for (const Rewrite& row : rows) {
    Rebaser rebaser;
    rebaser.handed_out(1, kThere, kHere);
    Script script;
    script.write(0, row.offset, row.length, row.value);
    uint64_t bytes = row.value;
    rebaser.rewrite(script.batch.events[0], nullptr, nullptr, {reinterpret_cast<std::byte*>(&bytes), row.length});
    EXPECT_EQ(bytes, row.rewritten) << row.what;
    EXPECT_EQ(rebaser.report().places[static_cast<unsigned>(row.form)], row.counted ? 1u : 0u) << row.what;
    EXPECT_EQ(rebaser.report().rewritten() != 0, row.value != row.rewritten) << row.what;
  }
}

TEST(Rebase, AnAddressInACommandPacketInHostMemoryIsRewritten) {
  Rebaser rebaser;
  rebaser.handed_out(1, kThere, kHere);
  Script script;
  script.add(EventKind::kHostWrite, 2, 0x3c, 8).data = script.bytes(0x1'0000'1000, 8);
  uint64_t bytes = 0x1'0000'1000;
  rebaser.rewrite(script.batch.events[0], nullptr, nullptr, std::as_writable_bytes(std::span(&bytes, 1)));
  EXPECT_EQ(bytes, 0x8'0000'5000u);
  EXPECT_EQ(rebaser.report().places[static_cast<unsigned>(AddressForm::kPacket)], 1u);
}

TEST(Rebase, TwoHalvesInARowAreOneAddressInEitherOrder) {
  for (const bool low_first : {true, false}) {
    Rebaser rebaser;
    rebaser.handed_out(1, kThere, kHere);
    Script script;
    script.write(5, low_first ? 0x20 : 0x24, 4, low_first ? 0x1010 : 1);
    script.write(5, low_first ? 0x24 : 0x20, 4, low_first ? 1 : 0x1010);
    const Event& first = script.batch.events[0];
    const Event& second = script.batch.events[1];
    uint32_t a = low_first ? 0x1010 : 1, b = low_first ? 1 : 0x1010;
    rebaser.rewrite(first, nullptr, &second, std::as_writable_bytes(std::span(&a, 1)));
    rebaser.rewrite(second, &first, nullptr, std::as_writable_bytes(std::span(&b, 1)));
    EXPECT_EQ(uint64_t{low_first ? b : a} << 32 | (low_first ? a : b), 0x8'0000'5010u);
    EXPECT_EQ(rebaser.report().places[static_cast<unsigned>(AddressForm::kPair)], 2u);
  }
}

TEST(Rebase, WhatWasGivenBackIsNoAddressAnyMore) {
  Rebaser rebaser;
  rebaser.handed_out(1, kThere, kHere);
  EXPECT_EQ(rebaser.place_of(0x1'0000'1800)->first, 0x8'0000'5800u);
  EXPECT_EQ(rebaser.place_of(0x1'0000'1800)->second, 0x800u);
  rebaser.given_back(1);
  EXPECT_FALSE(rebaser.place_of(0x1'0000'1800));
}

TEST(Rebase, AReadOfRewrittenBytesIsExpectedRewrittenInAnyWidth) {
  Rebaser rebaser;
  rebaser.handed_out(1, kThere, kHere);
  Script script;
  script.write(0, 0x100, 8, 0x1'0000'0010);
  uint64_t bytes = 0x1'0000'0010;
  rebaser.rewrite(script.batch.events[0], nullptr, nullptr, std::as_writable_bytes(std::span(&bytes, 1)));
  uint32_t high = 1;
  EXPECT_TRUE(rebaser.rebase_read(EventKind::kMmioRead, 0, 0x104, std::as_writable_bytes(std::span(&high, 1))));
  EXPECT_EQ(high, 8u);
  EXPECT_FALSE(rebaser.rebase_read(EventKind::kMmioRead, 0, 0x108, std::as_writable_bytes(std::span(&high, 1))));
  EXPECT_FALSE(rebaser.rebase_read(EventKind::kHostRead, 0, 0x104, std::as_writable_bytes(std::span(&high, 1))));
  Script over;
  over.write(0, 0x104, 4, 5);
  rebaser.overwritten(over.batch.events[0], 4);
  high = 1;
  EXPECT_FALSE(rebaser.rebase_read(EventKind::kMmioRead, 0, 0x104, std::as_writable_bytes(std::span(&high, 1))));
}

// Registers -----------------------------------------------------------------------------------------------------------

RegisterBook book_of(const Script& script, const RegisterLimits& limits = {}) {
  RegisterBook book(small_device(), limits);
  EXPECT_TRUE(book.learn(script.batch));
  book.learned();
  return book;
}
uint64_t answer(RegisterBook& book, uint64_t offset, std::optional<uint64_t> expected = std::nullopt,
                unsigned width = 4) {
  uint64_t value = 0;
  EXPECT_TRUE(book.read(5, offset, {reinterpret_cast<std::byte*>(&value), width}, expected));
  return value;
}
void put(RegisterBook& book, uint64_t offset, uint32_t value) {
  EXPECT_TRUE(book.write(5, offset, std::as_bytes(std::span(&value, 1))));
}

TEST(Registers, EachIsWhatTheWholeRecordingShows) {
  Script script;
  script.read(5, 0, 4, 7).write(5, 0, 4, 9).read(5, 0, 4, 9);    // RAM
  script.read(5, 4, 4, 3).write(5, 4, 4, 9).read(5, 4, 4, 3);    // read-only, though written
  script.read(5, 8, 4, 1).read(5, 8, 4, 1).read(5, 8, 4, 2);     // queue
  script.write(5, 12, 4, 1).read(5, 16, 4, 5).read(0, 0, 4, 5);  // write-only; read-only; memory: none
  const RegisterBook book = book_of(script);
  std::vector<RegisterClass> classes;
  for (const auto& entry : book.entries()) classes.push_back(entry.register_class);
  EXPECT_THAT(classes, ElementsAre(RegisterClass::kRam, RegisterClass::kReadOnly, RegisterClass::kQueue,
                                   RegisterClass::kWriteOnly, RegisterClass::kReadOnly));
  EXPECT_THAT(book.counts(), ElementsAre(1, 2, 1, 1));
  EXPECT_EQ(book.entries()[2].values, 2u);
}

TEST(Registers, RamAnswersWhatWasWrittenAndBeforeThatWhatWasSeenFirst) {
  Script script;
  script.read(5, 0, 4, 7).write(5, 0, 4, 9).read(5, 0, 4, 9);
  RegisterBook book = book_of(script);
  EXPECT_EQ(answer(book, 0), 7u);
  put(book, 0, 0x1234);
  EXPECT_EQ(answer(book, 0), 0x1234u);
  book.rewind();
  EXPECT_EQ(answer(book, 0), 7u);
}

TEST(Registers, AQueueFollowsAGuestThatPollsMoreOrLessOften) {
  Script script;
  script.read(5, 8, 4, 0).read(5, 8, 4, 0).read(5, 8, 4, 0).read(5, 8, 4, 1).read(5, 8, 4, 0).read(5, 8, 4, 2);
  RegisterBook book = book_of(script);
  for (const uint64_t expected : {0, 1, 0, 0, 0, 2, 2, 2}) EXPECT_EQ(answer(book, 8, expected), expected);
  book.rewind();
  for (const uint64_t expected : {0, 0, 0, 0, 0, 1}) EXPECT_EQ(answer(book, 8, expected), expected);
}

TEST(Registers, WithoutAGuestThatExpectsSomethingTheRecordedNumberOfReadsDecides) {
  Script script;
  script.read(5, 8, 4, 5).read(5, 8, 4, 5).read(5, 8, 4, 6);
  RegisterBook book = book_of(script);
  std::vector<uint64_t> got;
  for (int i = 0; i < 5; ++i) got.push_back(answer(book, 8));
  EXPECT_THAT(got, ElementsAre(5, 5, 6, 6, 6));
}

TEST(Registers, APlaceThatTheRecordingNeverTouchedIsUnknown) {
  Script script;
  script.read(5, 8, 4, 5);
  RegisterBook book = book_of(script);
  uint32_t value = 0;
  EXPECT_FALSE(book.read(5, 12, std::as_writable_bytes(std::span(&value, 1)), {}));
  EXPECT_FALSE(book.write(5, 12, std::as_bytes(std::span(&value, 1))));
  uint16_t narrow = 0;
  EXPECT_FALSE(book.read(5, 8, std::as_writable_bytes(std::span(&narrow, 1)), {}));
}

TEST(Registers, MoreThanIsKeptIsRefusedWithASentence) {
  Script values, registers;
  for (uint64_t i = 0; i < 20; ++i) values.read(5, 8, 4, i);
  for (uint64_t i = 0; i < 20; ++i) registers.read(5, 4 * i, 4, 0);
  RegisterBook few_values(small_device(), {100, 10}), few_registers(small_device(), {10, 100});
  for (const auto& refused : {few_values.learn(values.batch), few_registers.learn(registers.batch)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().name, ErrorName::kNotSupported);
    EXPECT_THAT(refused.error().sentence, HasSubstr("at most 10"));
  }
}

TEST(Registers, RamNeedsNoQueueSoItsValuesGiveWayToOthers) {
  Script script;
  for (uint64_t i = 0; i < 20; ++i) script.write(5, 0, 4, i).read(5, 0, 4, i);
  for (uint64_t i = 0; i < 5; ++i) script.read(5, 8, 4, i);
  RegisterBook book = book_of(script, {100, 10});
  EXPECT_THAT(book.counts(), ElementsAre(1, 0, 1, 0));
}

// Inference -----------------------------------------------------------------------------------------------------------

TEST(InferenceFilter, SaysOfBatchesWhatItSaysOfASession) {
  const Session whole = load_shipped_session();
  auto bare = std::make_unique<Session>(load_shipped_session());
  std::erase_if(bare->events, [](const Event& event) { return !event.is_request(); });
  InferenceReader reader(std::make_unique<SessionReader>(*bare), {{"", bare->device}}, "x");
  EventBatch batch;
  size_t at = 0;
  for (;;) {
    const auto more = reader.next(&batch);
    ASSERT_TRUE(more);
    if (!*more) break;
    EXPECT_EQ(batch.first_event, at);
    for (const Event& event : batch.events) {
      ASSERT_LT(at, whole.events.size());
      ASSERT_EQ(event.kind, whole.events[at].kind) << at;
      ASSERT_EQ(event.request, whole.events[at].request) << at;
      ASSERT_EQ(event.address, whole.events[at].address) << at;
      ++at;
    }
  }
  EXPECT_EQ(at, whole.events.size());
}

struct ConfigCase {
  const char* what;
  uint64_t offset;
  unsigned length;
  uint32_t first, written;
  bool writes;
  uint32_t then;
  uint64_t changes;
};

TEST(InferenceFilter, ConfigurationChangesThatNoWriteExplainsAreTheDevices) {
  const ConfigCase rows[] = {
      {"nothing changed", 0x80, 4, 5, 0, false, 5, 0},
      {"what was written", 0x80, 4, 5, 6, true, 6, 0},
      {"a write without effect", 0x80, 4, 5, 6, true, 5, 1},
      {"a change by itself", 0x80, 4, 5, 0, false, 9, 1},
      {"Command is the guest's", 0x04, 2, 0, 6, true, 2, 0},
      {"a BAR is the guest's", 0x10, 4, 0, 0xffff'ffff, true, 0xffff'f000, 0},
      {"an identity that is written stays", 0x00, 4, 0x5678'1234, 0, true, 0x5678'1234, 0},
      {"ones clear error bits", 0x06, 2, 0xf010, 0xffff, true, 0x0010, 0},
      {"an error bit that came", 0x06, 2, 0x0010, 0, false, 0x2010, 1},
  };
  for (const ConfigCase& row : rows) {
    Session session;
    session.device = small_device();
    session.device.config.learn(row.offset, row.length, row.first);
    Event event;
    event.address = row.offset;
    event.length = row.length;
    const auto add_read = [&](uint32_t value) {
      event.kind = EventKind::kConfigRead;
      event.reply = static_cast<uint32_t>(session.replies.size());
      session.replies.push_back({});
      session.replies.back().value0 = value;
      session.events.push_back(event);
      ++event.request;
    };
    add_read(row.first);
    if (row.writes) {
      event.kind = EventKind::kConfigWrite;
      event.reply = kNoReply;
      event.value = row.written;
      session.events.push_back(event);
      ++event.request;
    }
    add_read(row.then);
    const auto counts = infer_device_events(&session);
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->device_config_changes, row.changes) << row.what;
  }
}

// The loop's options --------------------------------------------------------------------------------------------------

constexpr const char* kFourReads =
    R"({"t":1000,"cmd":"MMIO_READ","bar":5,"a0":0,"a1":4,"st":0,"r0":4,"ret":"00000000"}
{"t":2000,"cmd":"MMIO_READ","bar":5,"a0":0,"a1":4,"st":0,"r0":4,"ret":"00000000"}
{"t":5000,"cmd":"MMIO_READ","bar":5,"a0":0,"a1":4,"st":0,"r0":4,"ret":"01000000"}
{"t":6000,"cmd":"MMIO_READ","bar":5,"a0":4,"a1":4,"st":0,"r0":4,"ret":"02000000"}
)";

/// A device whose every register read is one more than recorded, and a clock.
class OffByOne final : public QuietTarget {
 public:
  void finish() override { finished = true; }
  Result<uint32_t> config_read(uint64_t, unsigned) override { return 0x44; }
  Result<void> region_read(unsigned, uint64_t, std::span<std::byte> data) override {
    ++reads;
    std::fill(data.begin(), data.end(), std::byte{0xee});
    return {};
  }
  void pass_time(uint64_t ns) override { passed.push_back(ns); }
  ConfigVerdict judge_config(uint64_t, unsigned, uint32_t recorded, uint32_t got) override {
    ConfigVerdict verdict{got, (recorded ^ got) & ~0x40u, {}};
    verdict.differences.push_back({"Parity", "ours", 0, 0, 0, recorded & 0x40, got & 0x40});
    return verdict;
  }

  uint64_t reads = 0;
  bool finished = false;
  std::vector<uint64_t> passed;
};

ReplayReport replay_off_by_one(const ReplayOptions& options, OffByOne* target) {
  const Session session = session_of(kFourReads);
  return replay(session, *target, options);
}

TEST(ReplayOptions, RequestsBeforeFromArePerformedAndNotCompared) {
  for (const ReplayPoint point :
       {ReplayPoint{ReplayPoint::Unit::kRequest, 2}, ReplayPoint{ReplayPoint::Unit::kTime, 4000}}) {
    OffByOne target;
    ReplayOptions options;
    options.from = point;
    const ReplayReport report = replay_off_by_one(options, &target);
    EXPECT_EQ(target.reads, 4u);
    EXPECT_EQ(report.divergences, 2u);
    EXPECT_EQ(report.not_compared, 2u);
    EXPECT_EQ(report.differences_before_from, 2u);
    EXPECT_EQ(report.first[0].index, 2u);
  }
}

TEST(ReplayOptions, UntilEndsBeforeThatRequestAndExpectsNothingMore) {
  for (const ReplayPoint point :
       {ReplayPoint{ReplayPoint::Unit::kRequest, 3}, ReplayPoint{ReplayPoint::Unit::kTime, 4001}}) {
    OffByOne target;
    ReplayOptions options;
    options.until = point;
    const ReplayReport report = replay_off_by_one(options, &target);
    EXPECT_EQ(report.requests, 3u);
    EXPECT_EQ(report.ended_by, "--until");
    EXPECT_FALSE(target.finished);
  }
}

TEST(ReplayOptions, StopOnDivergenceEndsBehindTheFirst) {
  OffByOne target;
  ReplayOptions options;
  options.stop_on_divergence = true;
  const ReplayReport report = replay_off_by_one(options, &target);
  EXPECT_EQ(report.requests, 1u);
  EXPECT_EQ(report.divergences, 1u);
  EXPECT_EQ(report.ended_by, "--stop-on-divergence");
  EXPECT_FALSE(report.stopped);
}

TEST(ReplayOptions, GapsAreNoneTheRecordedOnesOrBeforeWhatTheDriverWaitedFor) {
  for (const auto& [mode, passed] : {std::pair{GapMode::kNone, std::vector<uint64_t>{}},
                                     std::pair{GapMode::kRecorded, std::vector<uint64_t>{1000, 3000, 1000}},
                                     std::pair{GapMode::kMin, std::vector<uint64_t>{77}}}) {
    OffByOne target;
    ReplayOptions options;
    options.gap = mode;
    options.gap_ns = 77;
    const ReplayReport report = replay_off_by_one(options, &target);
    EXPECT_EQ(target.passed, passed) << to_string(mode);
    EXPECT_EQ(report.waits.waits, 1u);
  }
}

TEST(ReplayOptions, DifferencesByPolicyAreCountedByFieldAndAreNoDivergences) {
  const Session session = session_of(
      R"({"t":1,"cmd":"CFG_READ","a0":4,"a1":2,"st":0,"r0":4}
{"t":2,"cmd":"CFG_READ","a0":4,"a1":2,"st":0,"r0":4}
{"t":3,"cmd":"CFG_READ","a0":4,"a1":2,"st":0,"r0":5}
)");
  OffByOne target;
  const ReplayReport report = replay(session, target);
  EXPECT_EQ(report.divergences, 1u) << "bit 0 of the last one";
  EXPECT_EQ(report.policy_differences, 3u);
  ASSERT_EQ(report.policy.size(), 1u);
  EXPECT_EQ(report.policy[0].field, "Parity");
  EXPECT_EQ(report.policy[0].count, 3u);
  EXPECT_EQ(report.policy[0].offset, 4u);
}

/// A session whose payloads of more than 8 bytes are replaced by their hashes, or nothing.
class Thinned final : public EventReader {
 public:
  Thinned(const Session& session, PayloadPolicy policy) : reader_(session), info_(reader_.info()) {
    info_.payloads = policy;
  }
  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override { return reader_.report(); }
  Result<bool> next(EventBatch* batch) override {
    auto more = reader_.next(batch);
    for (Event& event : batch->events) thin(event.data, batch);
    for (Reply& reply : batch->replies) thin(reply.data, batch);
    return more;
  }

 private:
  void thin(Payload& payload, EventBatch* batch) const {
    if (payload.length <= kValueBytesMax) return;
    if (info_.payloads == PayloadPolicy::kNone) {
      payload = Payload::omitted(payload.length);
      return;
    }
    // XXH3-64 of 16 zero bytes, from the xxhash tool.
    constexpr uint64_t kHashOf16Zeros = 0xd0a66a65c7528968;
    std::byte* const hash = batch->arena.allocate(8);
    std::memcpy(hash, &kHashOf16Zeros, 8);
    payload = Payload::hash_of(hash, payload.length);
  }
  SessionReader reader_;
  TraceInfo info_;
};

TEST(ReplayOptions, AWriteOfWhichTheRecordingKeptNothingEndsTheReplayNamingThePolicy) {
  const Session session = session_of(
      R"({"t":1,"cmd":"MMIO_WRITE","bar":0,"a0":0,"a1":16,"data":"000102030405060708090a0b0c0d0e0f"}
)");
  for (const PayloadPolicy policy : {PayloadPolicy::kHash, PayloadPolicy::kNone}) {
    Thinned reader(session, policy);
    FakeTarget target(session);
    const ReplayReport report = replay(reader, nullptr, target);
    ASSERT_TRUE(report.stopped);
    EXPECT_EQ(report.stopped->name, ErrorName::kNotSupported);
    EXPECT_THAT(report.stopped->sentence, HasSubstr("payload policy " + std::string(to_string(policy))));
  }
}

TEST(ReplayOptions, AReadOfWhichTheRecordingKeptAHashIsComparedByIt) {
  const Session zeros = session_of(
      R"({"t":1,"cmd":"MMIO_READ","bar":0,"a0":256,"a1":16,"st":0,"r0":16,"ret":{"fill":0,"len":16}}
)");
  Thinned hashed(zeros, PayloadPolicy::kHash), omitted(zeros, PayloadPolicy::kNone);
  FakeTarget same(zeros), unknown(zeros);
  const ReplayReport report = replay(hashed, nullptr, same);
  EXPECT_EQ(report.divergences, 0u) << report.first[0].got;
  EXPECT_EQ(report.compared_by_hash, 1u);
  EXPECT_EQ(replay(omitted, nullptr, unknown).bytes_not_kept, 1u);
  Thinned again(zeros, PayloadPolicy::kHash);
  FakeTarget other(zeros);
  const std::byte one[] = {std::byte{1}};
  ASSERT_TRUE(other.device_memory_change(0, 256, one));
  EXPECT_EQ(replay(again, nullptr, other).divergences, 1u);
}

}  // namespace
}  // namespace dartboard::traces
