// tests/traces/recorder_test.cpp - recording while it happens: caps, payloads, losses, files that cannot be written.
#include "traces/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "support.h"
#include "traces/dbt/layout.h"
#include "traces/dbt/reader.h"
#include "traces/formats.h"
#include "traces/recording_target.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;

TraceInfo some_info() {
  TraceInfo info;
  info.source = "dartboard";
  info.clock = Clock::kSimulated;
  info.devices = {{"0000:01:00.0", small_device()}};
  return info;
}

struct Read {
  Session session;
  TraceInfo info;
  ReadReport report;
};
Read read_back(const std::string& path) {
  Read out;
  auto reader = open_trace(path);
  EXPECT_TRUE(reader) << reader.error().sentence;
  if (!reader) return out;
  auto session = read_session(**reader, path);
  EXPECT_TRUE(session) << session.error().sentence;
  if (session) out.session = std::move(*session);
  out.info = (*reader)->info();
  out.report = (*reader)->report();
  return out;
}

/// Records reads of `bytes` each, with a different payload each, on a clock that ticks once a look.
class Recording {
 public:
  explicit Recording(const std::string& name, const RecorderOptions& options = {})
      : path(write_file(name, "")), recorder(path, options, [this] { return ++now_; }) {}

  void read(uint64_t bytes, int seed) {
    std::vector<std::byte> data(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(seed + static_cast<int>(i * 7));
    Event event;
    event.kind = EventKind::kMmioRead;
    event.address = static_cast<uint64_t>(seed) * 4;
    event.length = bytes;
    Reply reply{0, 0, 0, 0, Payload::of(data)};
    recorder.record_request(event, recorder.now_ns(), reply);
  }

  const std::string path;
  Recorder recorder;

 private:
  uint64_t now_ = 0;
};

TEST(Recorder, WhatGoesInComesOutInOrderWithTimes) {
  Recording recording("all.dbt");
  recording.read(4, 1);  // before the file is there: opening a device
  recording.recorder.open(some_info());
  for (int i = 2; i <= 5000; ++i) recording.read(4, i);
  recording.recorder.close(some_info());
  const RecorderCounts counts = recording.recorder.counts();
  EXPECT_EQ(counts.events, 5000u);
  EXPECT_EQ(counts.dropped_events, 0u);
  EXPECT_FALSE(counts.error);
  const Read read = read_back(recording.path);
  ASSERT_EQ(read.session.events.size(), 5000u);
  EXPECT_FALSE(read.info.lossy);
  EXPECT_FALSE(read.report.truncated);
  for (size_t i = 0; i < 5000; ++i) {
    const Event& event = read.session.events[i];
    ASSERT_EQ(event.address, 4 * (i + 1));
    ASSERT_EQ(event.request, i);
    ASSERT_EQ(event.time_ns, 2 * i + 1);
    ASSERT_EQ(read.session.reply_of(event)->duration_ns, 1u);
    ASSERT_EQ(read.session.reply_of(event)->data.at(0), static_cast<std::byte>(i + 1));
  }
}

TEST(Recorder, TheSameCallsMakeTheSameFile) {
  std::string files[2];
  for (int run = 0; run < 2; ++run) {
    Recording recording("same" + std::to_string(run) + ".dbt");
    recording.recorder.open(some_info());
    for (int i = 0; i < 40000; ++i) recording.read(i % 500 == 0 ? 30000 : 4, i);
    recording.recorder.close(some_info());
    std::FILE* const file = std::fopen(recording.path.c_str(), "rb");
    files[run].resize(64 << 20);
    files[run].resize(std::fread(files[run].data(), 1, files[run].size(), file));
    std::fclose(file);
  }
  EXPECT_GT(files[0].size(), 1000u);
  EXPECT_TRUE(files[0] == files[1]);
}

struct Cap {
  const char* name;
  RecorderOptions options;
  uint64_t events, dropped_events, dropped_bytes;
  const char* mark;
};
class RecorderCap : public testing::TestWithParam<Cap> {};

TEST_P(RecorderCap, EndsTheRecordingOnceAndCountsTheRest) {
  const Cap& cap = GetParam();
  Recording recording(std::string(cap.name) + ".dbt", cap.options);
  recording.recorder.open(some_info());
  for (int i = 0; i < 10; ++i) recording.read(100, i);
  recording.recorder.close(some_info());
  const RecorderCounts counts = recording.recorder.counts();
  EXPECT_EQ(counts.events, cap.events);
  EXPECT_EQ(counts.dropped_events, cap.dropped_events);
  EXPECT_EQ(counts.dropped_bytes, cap.dropped_bytes);
  const Read read = read_back(recording.path);
  EXPECT_EQ(read.info.lossy, cap.dropped_events != 0);
  EXPECT_EQ(read.info.dropped_events, cap.dropped_events);
  EXPECT_EQ(read.info.dropped_bytes, cap.dropped_bytes);
  ASSERT_EQ(read.session.events.size(), cap.events + (cap.mark != nullptr ? 1 : 0));
  if (cap.mark == nullptr) return;
  const Event& mark = read.session.events.back();
  EXPECT_EQ(mark.kind, EventKind::kMark);
  EXPECT_EQ(mark.source, Source::kRecorder);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mark.data.bytes), mark.data.length), cap.mark);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RecorderCap,
    testing::Values(Cap{"NoCap", {}, 10, 0, 0, nullptr},
                    Cap{"JustEnoughEvents", {PayloadPolicy::kFull, 10, UINT64_MAX}, 10, 0, 0, nullptr},
                    Cap{"Events",
                        {PayloadPolicy::kFull, 4, UINT64_MAX},
                        4,
                        6,
                        600,
                        "the recording ends here: it may hold 4 events"},
                    Cap{"NoEvents",
                        {PayloadPolicy::kFull, 0, UINT64_MAX},
                        0,
                        10,
                        1000,
                        "the recording ends here: it may hold 0 events"},
                    Cap{"JustEnoughBytes", {PayloadPolicy::kFull, UINT64_MAX, 1000}, 10, 0, 0, nullptr},
                    Cap{"Bytes",
                        {PayloadPolicy::kFull, UINT64_MAX, 399},
                        3,
                        7,
                        700,
                        "the recording ends here: it may hold 399 bytes of payloads"},
                    Cap{"BytesOfHashes",
                        {PayloadPolicy::kHash, UINT64_MAX, 40},
                        5,
                        5,
                        500,
                        "the recording ends here: it may hold 40 bytes of payloads"},
                    Cap{"OmittedPayloadsTakeNone", {PayloadPolicy::kNone, UINT64_MAX, 0}, 10, 0, 0, nullptr}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Recorder, PoliciesKeepValuesAndTreatPayloads) {
  for (const PayloadPolicy policy : {PayloadPolicy::kFull, PayloadPolicy::kHash, PayloadPolicy::kNone}) {
    Recording recording("policy" + std::to_string(static_cast<int>(policy)) + ".dbt", {policy});
    recording.recorder.open(some_info());
    recording.read(8, 1);
    recording.read(9, 1);
    recording.recorder.close(some_info());
    const Read read = read_back(recording.path);
    EXPECT_EQ(read.info.payloads, policy);
    ASSERT_EQ(read.session.events.size(), 2u);
    EXPECT_EQ(read.session.replies[0].data.form, PayloadForm::kWhole);
    const Payload& longer = read.session.replies[1].data;
    EXPECT_EQ(longer.length, 9u);
    EXPECT_EQ(longer.form, policy == PayloadPolicy::kFull   ? PayloadForm::kWhole
                           : policy == PayloadPolicy::kHash ? PayloadForm::kHash
                                                            : PayloadForm::kOmitted);
  }
}

TEST(Recorder, BusAddressesAreKeptUnderEveryPolicy) {
  for (const PayloadPolicy policy : {PayloadPolicy::kHash, PayloadPolicy::kNone}) {
    Recording recording("pages" + std::to_string(static_cast<int>(policy)) + ".dbt", {policy});
    recording.recorder.open(some_info());
    const uint64_t pages[] = {0x100000, 0x300000};
    Event event;
    event.kind = EventKind::kDmaMap;
    event.length = 8192;
    Reply reply{0, 16, 1, 0, Payload::of(std::as_bytes(std::span(pages)))};
    recording.recorder.record(event, &reply);
    recording.recorder.close(some_info());
    const Read read = read_back(recording.path);
    ASSERT_EQ(read.session.replies.size(), 1u);
    ASSERT_TRUE(read.session.replies[0].data.is_whole());
    EXPECT_EQ(read.session.replies[0].data.le64(8), 0x300000u);
  }
}

TEST(Recorder, BytesThatAreAllAlikeBecomeAFill) {
  const std::vector<std::byte> alike(4096, std::byte{0x5a});
  std::vector<std::byte> nearly = alike;
  nearly[1000] = std::byte{0};
  EXPECT_TRUE(compact(alike).is_fill());
  EXPECT_EQ(compact(alike).length, 4096u);
  EXPECT_EQ(compact(alike).fill, std::byte{0x5a});
  EXPECT_FALSE(compact(nearly).is_fill());
  EXPECT_FALSE(compact(std::span(alike).first(8)).is_fill());
  EXPECT_TRUE(compact({}).empty());
}

TEST(Recorder, AFullDiskIsAnErrorAndTheRunGoesOn) {
  uint64_t now = 0;
  Recorder recorder("/dev/full", {}, [&now] { return ++now; });
  recorder.open(some_info());
  Event event;
  event.kind = EventKind::kPing;
  for (int i = 0; i < 100000; ++i) recorder.record(event, nullptr);
  recorder.close(some_info());
  const RecorderCounts counts = recorder.counts();
  ASSERT_TRUE(counts.error);
  EXPECT_THAT(counts.error->sentence, HasSubstr("/dev/full: cannot be written"));
  EXPECT_EQ(counts.events + counts.dropped_events, 100000u);
}

TEST(Recorder, AFolderThatIsNotThereIsAnError) {
  Recorder recorder("/nowhere/at/all.dbt", {}, [] { return uint64_t{0}; });
  recorder.open(some_info());
  Event event;
  for (int i = 0; i < 5000; ++i) recorder.record(event, nullptr);
  recorder.close(some_info());
  EXPECT_THAT(recorder.counts().error->sentence, HasSubstr("/nowhere/at/all.dbt: cannot be created"));
  EXPECT_EQ(recorder.counts().dropped_events, 5000u);
}

TEST(Recorder, ADyingProcessLeavesATruncatedFileThatReads) {
  const std::string path = write_file("dying.dbt", "");
  const pid_t child = fork();
  if (child == 0) {
    Recorder recorder(path, {}, [] { return uint64_t{7}; });
    recorder.open(some_info());
    Event event;
    event.kind = EventKind::kPing;
    event.time_ns = 7;
    event.data = Payload::of(std::as_bytes(std::span("0123456789abcdef")));
    for (unsigned i = 0; i < 10 * dbt::kChunkEvents; ++i) recorder.record(event, nullptr);
    _exit(0);
  }
  ASSERT_GT(child, 0);
  int status = 0;
  waitpid(child, &status, 0);
  auto reader = open_trace(path);
  ASSERT_TRUE(reader) << reader.error().sentence;
  EventBatch batch;
  uint64_t events = 0;
  while (true) {
    const auto more = (*reader)->next(&batch);
    ASSERT_TRUE(more) << more.error().sentence;
    if (!*more) break;
    for (const Event& event : batch.events) ASSERT_EQ(event.time_ns, 7u);
    events += batch.events.size();
  }
  EXPECT_GE(events, 8 * dbt::kChunkEvents) << "only what is under way may be lost";
  EXPECT_TRUE((*reader)->report().truncated);
}

TEST(Recorder, NobodyClosingItIsStillAWholeFile) {
  std::string path;
  {
    Recording recording("left.dbt");
    path = recording.path;
    recording.recorder.open(some_info());
    recording.read(4, 1);
  }
  const Read read = read_back(path);
  EXPECT_EQ(read.session.events.size(), 1u);
  EXPECT_FALSE(read.report.truncated);
  EXPECT_EQ(read.info.devices, some_info().devices);
}

// A recorded replay.
// -----------------------------------------------------------------------------------------------------------------

ReplayReport replay_recorded(const Session& session, const std::string& path) {
  FakeTarget target(session);
  uint64_t now = 0;
  Recorder recorder(path, {}, [&now] { return ++now; });
  TraceInfo info;
  info.devices = {{"", session.device}};
  recorder.open(info);
  RecordingTarget recording(target, recorder, Source::kInferred);
  const ReplayReport report = replay(session, recording);
  recorder.close(info);
  EXPECT_FALSE(recorder.counts().error);
  return report;
}

TEST(RecordingTarget, ARecordedReplayReplaysAndItsRecordingIsTheSame) {
  const std::string first = write_file("first.dbt", ""), second = write_file("second.dbt", "");
  const ReplayReport original = replay_recorded(shipped_session(), first);
  EXPECT_EQ(original.divergences, 0u);
  const auto again = load_session(first);
  ASSERT_TRUE(again) << again.error().sentence;
  EXPECT_EQ(again->device, shipped_session().device);
  const ReplayReport replayed = replay_recorded(*again, second);
  EXPECT_EQ(replayed.divergences, 0u);
  EXPECT_FALSE(replayed.stopped);
  const Read a = read_back(first), b = read_back(second);
  ASSERT_EQ(a.session.events.size(), b.session.events.size());
  for (size_t i = 0; i < a.session.events.size(); ++i) {
    const Event &x = a.session.events[i], &y = b.session.events[i];
    ASSERT_TRUE(x.kind == y.kind && x.target == y.target && x.address == y.address && x.length == y.length &&
                x.value == y.value && x.data.length == y.data.length && x.source == y.source)
        << i;
  }
}

TEST(RecordingTarget, KeepsWhatWasAskedAndWhatReallyCameBack) {
  // The register answers otherwise than the guest's recording says: the new recording has the answer.
  const Session device = session_of(
      R"({"t":1,"cmd":"MAP_SYSMEM","a0":8192,"st":0,"r0":16,"r1":3,"ret":"00001000000000000010100000000000"}
{"t":2,"cmd":"MMIO_READ","bar":5,"a0":16,"a1":4,"st":0,"r0":4,"ret":"aabbccdd"}
{"t":3,"cmd":"SYSMEM_READ","bar":3,"a0":4096,"a1":4,"st":0,"r0":4,"ret":"00000500"}
{"t":4,"cmd":"RESIZE_BAR","bar":0,"st":1,"r0":2,"r1":0,"ret":"6e6f"}
)");
  const std::string path = write_file("asked.dbt", "");
  EXPECT_EQ(replay_recorded(device, path).divergences, 0u);
  const Session recorded = read_back(path).session;
  ASSERT_EQ(recorded.events.size(), 5u);
  const Event& map = recorded.events[0];
  EXPECT_EQ(map.kind, EventKind::kDmaMap);
  EXPECT_EQ(map.target, 3u);
  ASSERT_EQ(recorded.reply_of(map)->data.length, 16u);
  EXPECT_EQ(recorded.reply_of(map)->data.le64(8), 0x101000u);
  EXPECT_EQ(recorded.events[1].kind, EventKind::kMmioRead);
  EXPECT_EQ(recorded.reply_of(recorded.events[1])->data.at(3), std::byte{0xdd});
  const Event& dma = recorded.events[2];  // before the read that shows it, with the memory it went to
  EXPECT_EQ(dma.kind, EventKind::kDeviceDmaWrite);
  EXPECT_EQ(dma.source, Source::kInferred);
  EXPECT_EQ(dma.target, 3u);
  EXPECT_EQ(dma.value, 4096u);
  EXPECT_EQ(dma.address, 0x101000u);
  EXPECT_EQ(recorded.reply_of(recorded.events[4])->status, 1u);
}

TEST(RecordingTarget, ADeviceThatActsByItselfHasNothingDoneInItsName) {
  const Session session = session_of(
      R"({"t":1,"cmd":"MAP_SYSMEM","a0":4096,"st":0,"r0":8,"r1":3,"ret":"0000100000000000"}
{"t":2,"cmd":"SYSMEM_READ","bar":3,"a0":0,"a1":4,"st":0,"r0":4,"ret":"00000500"}
)");
  const std::string path = write_file("by-itself.dbt", "");
  FakeTarget target(session);
  Recorder recorder(path, {}, [] { return uint64_t{0}; });
  RecordingTarget recording(target, recorder, Source::kGuest);
  (void)replay(session, recording);
  recorder.close(some_info());
  EXPECT_EQ(read_back(path).session.events.size(), 2u);
}

TEST(RecordingTarget, AFillIsOneRequestHoweverItIsWritten) {
  const Session session = session_of(
      R"({"t":1,"cmd":"MMIO_WRITE","bar":0,"a0":16,"a1":65520,"data":{"fill":7,"len":65520}}
{"t":3,"cmd":"MMIO_WRITE","bar":5,"a0":0,"a1":4,"data":"07070707"}
)");
  const std::string path = write_file("fill.dbt", "");
  EXPECT_EQ(replay_recorded(session, path).divergences, 0u);
  const Session recorded = read_back(path).session;
  ASSERT_EQ(recorded.events.size(), 2u);
  EXPECT_EQ(recorded.events[0].kind, EventKind::kMmioWrite);
  EXPECT_EQ(recorded.events[0].address, 16u);
  EXPECT_EQ(recorded.events[0].length, 65520u);
  EXPECT_TRUE(recorded.events[0].data.is_fill());
  EXPECT_EQ(recorded.events[0].data.at(65519), std::byte{7});
  EXPECT_FALSE(recorded.events[1].data.is_fill());
}

/// Notes what it is told beside what a guest asks.
class ToldTarget final : public ReplayTarget {
 public:
  void start(MismatchSink&) override {}
  void resync(uint64_t) override {}
  void finish() override {}
  Result<uint64_t> probe(const ProbeQuery&) override { return 1; }
  Result<uint64_t> map_bar(unsigned) override { return 0; }
  Result<void> resize_bar(unsigned, uint64_t) override { return {}; }
  Result<void> reset() override { return {}; }
  Result<uint32_t> config_read(uint64_t, unsigned) override { return 0; }
  Result<void> config_write(uint64_t, unsigned, uint32_t) override { return {}; }
  Result<void> region_read(unsigned, uint64_t, std::span<std::byte>) override { return {}; }
  Result<void> region_write(unsigned, uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> map_sysmem(uint32_t, uint64_t, bool, const Payload&, std::span<uint64_t>) override { return {}; }
  Result<void> unmap_sysmem(uint32_t) override { return {}; }
  Result<void> sysmem_read(uint32_t, uint64_t, std::span<std::byte>) override { return {}; }
  Result<void> sysmem_write(uint32_t, uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> device_dma_write(Iova, std::span<const std::byte>) override { return {}; }
  Result<void> device_memory_change(unsigned, uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> irq_setup(IrqKind, uint32_t, uint32_t, bool) override { return told("irq_setup"); }
  Result<void> device_config_change(uint64_t, unsigned, uint32_t) override { return told("config"); }
  Result<void> device_interrupt(IrqKind, uint32_t) override { return told("interrupt"); }
  Result<void> feed(const EventBatch&) override { return told("feed"); }
  void expect_read(unsigned, uint64_t, const Payload&) override { (void)told("expect_read"); }
  void stands_for(unsigned, uint64_t, std::span<const std::byte>) override { (void)told("stands_for"); }
  ConfigVerdict judge_config(uint64_t, unsigned, uint32_t, uint32_t) override { return {.got = 7}; }
  void pass_time(uint64_t ns) override { passed_ns += ns; }
  InterruptReport interrupts() override { return {.recorded = 0, .sent = 3}; }

  std::vector<std::string> calls;
  uint64_t passed_ns = 0;

 private:
  Result<void> told(const char* what) {
    calls.push_back(what);
    return {};
  }
};

TEST(RecordingTarget, PassesOnWhatTheTargetMustKnowAndRecordsWhatHappened) {
  const std::string path = write_file("told.dbt", "");
  ToldTarget target;
  Recorder recorder(path, {}, [] { return uint64_t{0}; });
  recorder.open(some_info());
  RecordingTarget recording(target, recorder, Source::kInferred);
  EXPECT_TRUE(recording.feed({}));
  recording.expect_read(0, 0, {});
  recording.stands_for(0, 0, {});
  recording.pass_time(5);
  EXPECT_EQ(recording.judge_config(0, 4, 0, 0).got, 7u);
  EXPECT_EQ(recording.interrupts().sent, 3u);
  EXPECT_TRUE(recording.irq_setup(IrqKind::kMsix, 1, 4, true));
  EXPECT_TRUE(recording.device_config_change(0x44, 2, 0x8008));
  EXPECT_TRUE(recording.device_interrupt(IrqKind::kMsi, 9));
  recorder.close(some_info());
  EXPECT_THAT(target.calls,
              testing::ElementsAre("feed", "expect_read", "stands_for", "irq_setup", "config", "interrupt"));
  EXPECT_EQ(target.passed_ns, 5u);

  const Session recorded = read_back(path).session;
  ASSERT_EQ(recorded.events.size(), 3u);
  EXPECT_EQ(recorded.events[0].kind, EventKind::kIrqSetup);
  EXPECT_EQ(recorded.events[0].target, static_cast<uint32_t>(IrqKind::kMsix));
  EXPECT_EQ(recorded.events[0].address, 1u);
  EXPECT_EQ(recorded.events[0].length, 4u);
  EXPECT_EQ(recorded.events[0].value, 1u);
  EXPECT_EQ(recorded.events[1].kind, EventKind::kDeviceConfig);
  EXPECT_EQ(recorded.events[1].value, 0x8008u);
  EXPECT_EQ(recorded.events[1].source, Source::kInferred);
  EXPECT_EQ(recorded.events[2].kind, EventKind::kInterrupt);
  EXPECT_EQ(recorded.events[2].target, static_cast<uint32_t>(IrqKind::kMsi));
  EXPECT_EQ(recorded.events[2].value, 9u);
}

}  // namespace
}  // namespace dartboard::traces
