// tests/traces/recorder_test.cpp - recording while it happens: caps, payloads, losses, files that cannot be written.
#include "traces/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "recorder_support.h"
#include "traces/dbt/layout.h"
#include "traces/dbt/reader.h"
#include "traces/formats.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;

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

/// What is recorded of one access, the short way and the long way.
void record_access(Recorder& recorder, bool short_way, bool is_read, uint64_t address,
                   std::span<const std::byte> value) {
  const uint64_t from_ns = recorder.now_ns();
  const EventKind kind = is_read ? EventKind::kMmioRead : EventKind::kMmioWrite;
  if (short_way) return recorder.record_access(kind, 2, address, value, from_ns);
  Event event;
  event.kind = kind;
  event.target = 2;
  event.address = address;
  event.length = value.size();
  Reply reply;
  (is_read ? reply.data : event.data) = Payload::of(value);
  if (is_read) return recorder.record_request(event, from_ns, reply);
  event.time_ns = from_ns;
  recorder.record(event, nullptr);
}

std::string content(const std::string& path) {
  std::string out(64 << 20, 0);
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  out.resize(file != nullptr ? std::fread(out.data(), 1, out.size(), file) : 0);
  if (file != nullptr) std::fclose(file);
  return out;
}

class AccessesTheShortWay : public testing::TestWithParam<RecorderOptions> {};

TEST_P(AccessesTheShortWay, MakeTheSameFileAsTheLongWay) {
  std::string files[2];
  RecorderCounts counts[2];
  for (int short_way = 0; short_way < 2; ++short_way) {
    Recording recording("way" + std::to_string(short_way) + ".dbt", GetParam());
    for (uint64_t i = 0; i < 20000; ++i) {
      if (i == 100) recording.recorder.open(some_info());
      if (i % 1000 == 999) recording.read(300, static_cast<int>(i));  // another event between them
      const uint64_t value = i * 0x9e3779b97f4a7c15;
      const auto bytes = std::as_bytes(std::span(&value, 1)).first(1 + i % 8);
      record_access(recording.recorder, short_way != 0, i % 3 != 0, i, bytes);
    }
    EXPECT_EQ(recording.recorder.counts().events + recording.recorder.counts().dropped_events, 20020u);
    recording.recorder.close(some_info());
    counts[short_way] = recording.recorder.counts();
    files[short_way] = content(recording.path);
  }
  EXPECT_EQ(counts[0].events, counts[1].events);
  EXPECT_EQ(counts[0].dropped_events, counts[1].dropped_events);
  EXPECT_EQ(counts[0].dropped_bytes, counts[1].dropped_bytes);
  EXPECT_GT(files[0].size(), 500u);
  EXPECT_TRUE(files[0] == files[1]);
}

INSTANTIATE_TEST_SUITE_P(Table, AccessesTheShortWay,
                         testing::Values(RecorderOptions{},
                                         RecorderOptions{PayloadPolicy::kNone, UINT64_MAX, UINT64_MAX},
                                         RecorderOptions{PayloadPolicy::kHash, 12345, UINT64_MAX},
                                         RecorderOptions{PayloadPolicy::kFull, UINT64_MAX, 30000},
                                         RecorderOptions{PayloadPolicy::kFull, 50, UINT64_MAX}));

TEST(Recorder, ThreadsMayRecordAtTheSameTime) {
  constexpr uint64_t kEach = 20000;
  const std::string path = write_file("threads.dbt", "");
  std::atomic<uint64_t> now = 0;
  Recorder recorder(path, {}, [&now] { return ++now; });
  recorder.open(some_info());
  const auto run = [&](unsigned who) {
    for (uint64_t i = 0; i < kEach; ++i) {
      const uint64_t value = i;
      record_access(recorder, i % 5 != 0, true, who, std::as_bytes(std::span(&value, 1)));
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  recorder.close(some_info());
  EXPECT_EQ(recorder.counts().events, 2 * kEach);
  const Read read = read_back(path);
  uint64_t next[2] = {};
  for (const Event& event : read.session.events) {
    ASSERT_LT(event.address, 2u);
    ASSERT_EQ(read.session.reply_of(event)->data.le64(0), next[event.address]++) << "in each thread's order";
  }
  EXPECT_EQ(next[0], kEach);
  EXPECT_EQ(next[1], kEach);
}

TEST(Recorder, TheSameCallsMakeTheSameFile) {
  std::string files[2];
  for (int run = 0; run < 2; ++run) {
    Recording recording("same" + std::to_string(run) + ".dbt");
    recording.recorder.open(some_info());
    for (int i = 0; i < 40000; ++i) recording.read(i % 500 == 0 ? 30000 : 4, i);
    recording.recorder.close(some_info());
    files[run] = content(recording.path);
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

}  // namespace
}  // namespace dartboard::traces
