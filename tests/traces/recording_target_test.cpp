// tests/traces/recording_target_test.cpp - a recorded replay: what is asked, what came back, and what is passed on.
#include "traces/recording_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder_support.h"

namespace dartboard::traces {
namespace {

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
class ToldTarget final : public QuietTarget {
 public:
  Result<uint64_t> probe(const ProbeQuery&) override { return 1; }
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
