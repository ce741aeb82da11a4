// tests/report/figures_test.cpp - what a report counts, each rule on a trace made by hand.
#include <gtest/gtest.h>

#include "support.h"

namespace dartboard::traces {
namespace {

const TrackFigures* track(const Figures& f, std::string_view name) {
  for (const TrackFigures& t : f.tracks) {
    if (t.name == name) return &t;
  }
  return nullptr;
}

TEST(Figures, CountsByTrackAndDirection) {
  Script s;
  s.config_read(0, 1).config_write(4, 6).config_write(4, 7).read(2, 0x10, 5).write(0, 0, 1, 4096).write(2, 0, 1);
  s.map(1, 0x8000, 16384)
      .interrupt(IrqKind::kMsix, 2)
      .device_dma(EventKind::kDeviceDmaRead, 0x8000, 64)
      .reset()
      .mark("x");
  const Figures f = report_of(s).figures;
  EXPECT_EQ(f.events, 11u);
  EXPECT_EQ(f.requests, 8u) << "a mark, an interrupt and the device's DMA are none";
  const struct {
    const char* name;
    uint64_t in, out, bytes_in, bytes_out;
  } rows[] = {{"Config", 1, 2, 4, 8},      {"BAR0", 0, 1, 0, 4096},    {"BAR2", 1, 1, 4, 4},
              {"DMA map", 1, 0, 16384, 0}, {"Interrupts", 1, 0, 0, 0}, {"Device DMA", 0, 1, 0, 64},
              {"Reset", 0, 1, 0, 0},       {"Other", 1, 0, 0, 0}};
  EXPECT_EQ(f.tracks.size(), std::size(rows));
  for (const auto& row : rows) {
    const TrackFigures* const t = track(f, row.name);
    ASSERT_NE(t, nullptr) << row.name;
    EXPECT_EQ(t->inward, row.in) << row.name;
    EXPECT_EQ(t->outward, row.out) << row.name;
    EXPECT_EQ(t->bytes_in, row.bytes_in) << row.name;
    EXPECT_EQ(t->bytes_out, row.bytes_out) << row.name;
  }
}

TEST(Figures, TimesRunFromTheFirstEventAndNeverBack) {
  Script s;
  s.read(2, 0, 1).after(500).read(2, 0, 1);
  s.now_ns -= 400;
  s.read(2, 0, 1).after(1000).read(2, 0, 1);
  const ReportData data = report_of(s);
  EXPECT_EQ(data.figures.duration_ns, 1100u);
  EXPECT_EQ(data.figures.out_of_order, 1u);
  EXPECT_EQ(data.timeline.time_steps_ns, (std::vector<uint64_t>{0, 500, 0, 600}));
}

TEST(Figures, ATraceWithoutTimesHasNone) {
  Script s;
  s.now_ns = 0;
  s.read(2, 0, 1).read(2, 4, 1);
  const Figures f = report_of(s).figures;
  EXPECT_FALSE(f.has_times());
  EXPECT_EQ(f.duration_ns, 0u);
}

TEST(Figures, TheHottestRegistersComeFirst) {
  Script s;
  for (int i = 0; i < 3; ++i) s.write(2, 0x40, 7).read(2, 0x20, i == 2 ? 9 : 8);
  s.read(2, 0x30, 1, 100, 2).write(2, 0x30, 0x55, 4).write(2, 0x20, 3);
  const Figures f = report_of(s).figures;
  ASSERT_EQ(f.registers_total, 3u);
  const RegisterFigures& first = f.registers[0];
  EXPECT_EQ(first.address, 0x20u);
  EXPECT_EQ(first.reads, 3u);
  EXPECT_EQ(first.writes, 1u);
  EXPECT_EQ(first.read_changes, 1u);
  EXPECT_EQ(first.value, 3u);
  EXPECT_EQ(f.registers[1].address, 0x40u);
  EXPECT_EQ(f.registers[2].length_min, 2u);
  EXPECT_EQ(f.registers[2].length_max, 4u);
}

TEST(Figures, NamesComeFromTheCaller) {
  Script s;
  s.read(2, 0x20, 1).config_read(0x20, 1);
  ReportOptions options;
  options.name_of = [](const TraceDevice& d, uint32_t space, uint64_t address) {
    return d.address + " " + std::to_string(space) + " " + std::to_string(address);
  };
  const Figures f = report_of(s, one_device(), options).figures;
  EXPECT_EQ(f.registers[0].name, "0000:01:00.0 2 32");
  EXPECT_EQ(f.registers[1].name, "0000:01:00.0 7 32");
}

TEST(Figures, WaitsAreGapsPollsAndSlowReplies) {
  Script s;
  s.read(2, 0, 1, 10'000);                       // ends at 10 us
  s.after(10'000 + kWaitNs - 1).write(2, 0, 1);  // just no wait
  s.after(2 * kWaitNs).write(2, 4, 1);           // a gap
  s.after(10).read(2, 8, 1, 5 * kWaitNs);        // a slow reply
  s.after(5 * kWaitNs);
  for (int i = 0; i < 6; ++i) s.read(2, 0xc, 0, 100).after(50'000);  // a poll of 250 us
  s.write(2, 0, 1);
  const Figures f = report_of(s).figures;
  ASSERT_EQ(f.waits.size(), 3u);
  EXPECT_EQ(f.waits[0].kind, WaitKind::kReply);
  EXPECT_EQ(f.waits[0].ns, 5 * kWaitNs);
  EXPECT_EQ(f.waits[1].kind, WaitKind::kPoll);
  EXPECT_EQ(f.waits[1].ns, 250'100u);
  EXPECT_EQ(f.waits[1].before, "mmio-read BAR2 + 0xc");
  EXPECT_EQ(f.waits[2].kind, WaitKind::kGap);
  EXPECT_EQ(f.waits[2].ns, 2 * kWaitNs);
  EXPECT_EQ(f.gap_waits, 1u);
  EXPECT_EQ(f.gap_wait_ns, 2 * kWaitNs);
}

TEST(Figures, MappedBytesFollowMapsAndUnmaps) {
  Script s;
  s.map(1, 0x1000, 4096).map(2, 0x9000, 8192).map(3, 0, 1 << 20, 1).unmap(1).unmap(9).map(2, 0x9000, 100).unmap(2);
  const Figures f = report_of(s).figures;
  EXPECT_EQ(f.peak_mapped_bytes, 12288u);
  EXPECT_EQ(f.peak_mappings, 2u);
  EXPECT_EQ(f.mapped_bytes_at_end, 0u);
  EXPECT_EQ(f.mappings_at_end, 0u);
  EXPECT_EQ(f.unmaps_of_unknown, 1u);
  std::vector<uint64_t> bytes;
  for (const MappingPoint& m : f.mapping_points) bytes.push_back(m.bytes);
  EXPECT_EQ(bytes, (std::vector<uint64_t>{4096, 12288, 8192, 100, 0}));
  EXPECT_EQ(f.failed_requests, 1u);
}

TEST(Figures, ManyMapsAreThinnedAndKeepTheirPeak) {
  Script s;
  for (uint32_t i = 0; i < 200'000; ++i) s.map(1, 0, i == 77'777 ? 1 << 30 : 4096).after(10).unmap(1).after(10);
  const Figures f = report_of(s).figures;
  EXPECT_TRUE(f.mapping_points_thinned);
  EXPECT_LT(f.mapping_points.size(), kMappingPointsMax + 1);
  uint64_t most = 0;
  for (const MappingPoint& m : f.mapping_points) most = std::max(most, m.bytes);
  EXPECT_EQ(most, uint64_t{1} << 30);
}

TEST(Figures, InterruptsByVector) {
  Script s;
  s.interrupt(IrqKind::kMsix, 1).after(700).interrupt(IrqKind::kMsix, 0).after(100).interrupt(IrqKind::kMsix, 1);
  const Figures f = report_of(s).figures;
  ASSERT_EQ(f.vectors.size(), 2u);
  EXPECT_EQ(f.vectors[0].vector, 0u);
  EXPECT_EQ(f.vectors[1].count, 2u);
  EXPECT_EQ(f.vectors[1].gap_min_ns, 800u);
}

TEST(Figures, TracksOfSeveralDevicesCarryTheirAddress) {
  TraceInfo info = one_device();
  info.devices.push_back(info.devices[0]);
  info.devices[1].address.clear();
  Script s;
  s.read(2, 0, 1).on(1).read(2, 0, 1);
  const Figures f = report_of(s, info).figures;
  EXPECT_NE(track(f, "0000:01:00.0 BAR2"), nullptr);
  EXPECT_NE(track(f, "#1 BAR2"), nullptr);
}

TEST(Figures, MoreTracksThanThereIsRoomForShareOne) {
  Script s;
  for (uint16_t device = 0; device < 300; ++device) s.on(device).read(2, 0, 1);
  const Figures f = report_of(s).figures;
  ASSERT_EQ(f.tracks.size(), kTracksMax);
  EXPECT_EQ(f.tracks.back().name, "More devices");
  EXPECT_EQ(f.tracks.back().events(), 300 - kTracksMax + 1);
}

TEST(Figures, OfASessionAreThoseOfItsEvents) {
  Script s;
  s.config_read(0, 1).after(500).read(2, 0x10, 5).after(100).interrupt(IrqKind::kMsix, 1);
  Session session;
  session.origin = "/somewhere/boot.jsonl";
  session.device = one_device().devices[0].description;
  session.events = s.batch.events;
  session.replies = s.batch.replies;
  const Figures f = build_report(session, {}).figures;
  EXPECT_EQ(f.file, "boot.jsonl");
  EXPECT_EQ(f.requests, 2u);
  EXPECT_EQ(f.duration_ns, 600u);
  EXPECT_EQ(f.registers[1].value, 5u);
  EXPECT_EQ(f.info.devices[0].description.vendor_id, 0x1234);
}

TEST(Figures, ExtremesAreShownToo) {
  Script s;
  s.read(UINT32_MAX, UINT64_MAX, 1, UINT64_MAX).map(UINT32_MAX, UINT64_MAX, UINT64_MAX).map(1, 0, UINT64_MAX);
  s.now_ns = UINT64_MAX;
  s.write(2, UINT64_MAX, 0, UINT64_MAX).write(2, 0, 0, UINT64_MAX).unmap(1).interrupt(IrqKind::kMsix, UINT64_MAX);
  s.batch.events.back().target = UINT32_MAX;
  s.on(UINT16_MAX).config_read(UINT64_MAX, UINT64_MAX).reset(UINT64_MAX, "\xff");
  ReportOptions options;
  options.detailed_events_max = 3;
  const ReportData data = report_of(s, one_device(), options);
  EXPECT_EQ(data.figures.duration_ns, UINT64_MAX - 1'000'000);
  EXPECT_EQ(track(data.figures, "BAR2")->bytes_out, UINT64_MAX) << "sums stop at the largest number";
  EXPECT_EQ(data.figures.vectors.at(0).vector, UINT64_MAX);
  EXPECT_NE(report_page(data).find("</html>"), std::string::npos);
  EXPECT_NE(to_json(data.figures).find("\xef\xbf\xbd"), std::string::npos);
}

TEST(Figures, BeyondTheDetailThereAreCounts) {
  SyntheticReader reader(50'000);
  ReportOptions options;
  options.detailed_events_max = 1000;
  const auto data = build_report(reader, options);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->figures.events, 50'000u);
  EXPECT_EQ(data->figures.detailed_events, 1000u);
  EXPECT_EQ(data->timeline.class_of.size(), 1000u);
  uint64_t counted = 0;
  for (const auto& counts : data->timeline.slices) {
    for (const uint32_t n : counts) counted += n;
  }
  EXPECT_EQ(counted, 49'000u);
}

struct PollRow {
  const char* what;
  std::vector<uint64_t> addresses;  // of reads; UINT64_MAX: a write
  uint64_t polls, reads;
  size_t period;
};
class Polls : public testing::TestWithParam<PollRow> {};

TEST_P(Polls, AreFoundAndFolded) {
  Script s;
  for (const uint64_t address : GetParam().addresses) {
    if (address == UINT64_MAX) {
      s.write(2, 0x100, 1);
    } else {
      s.read(2, address, 0);
    }
  }
  const Figures f = report_of(s).figures;
  EXPECT_EQ(f.polls_total, GetParam().polls);
  EXPECT_EQ(f.poll_reads, GetParam().reads);
  if (GetParam().polls != 0) {
    ASSERT_EQ(f.polls.size(), 1u);
    EXPECT_EQ(f.polls[0].places.size(), GetParam().period);
  }
}

constexpr uint64_t kW = UINT64_MAX;
INSTANTIATE_TEST_SUITE_P(
    Table, Polls,
    testing::Values(PollRow{"none", {0, 4, 8, 12}, 0, 0, 0}, PollRow{"two", {0, 0}, 0, 0, 0},
                    PollRow{"three", {0, 0, 0}, 1, 3, 1}, PollRow{"then_another", {0, 0, 0, 0, 4}, 1, 4, 1},
                    PollRow{"write_between", {0, 0, kW, 0, 0}, 0, 0, 0},
                    PollRow{"twice", {0, 0, 0, kW, 0, 0, 0, 0}, 2, 7, 1},
                    PollRow{"in_turn", {0, 4, 0, 4, 0, 4}, 1, 6, 2},
                    PollRow{"in_turn_and_a_half", {8, 0, 4, 0, 4, 0, 4, 0}, 1, 7, 2},
                    PollRow{"of_four", {0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12}, 1, 12, 4},
                    PollRow{"of_five", {0, 4, 8, 12, 16, 0, 4, 8, 12, 16, 0, 4, 8, 12, 16}, 0, 0, 0}),
    [](const auto& info) { return info.param.what; });

TEST(Polls, EndByChangeAndTakeTheirTime) {
  Script s;
  for (uint64_t i = 0; i < 5; ++i) s.read(2, 0x20, i == 4 ? 1 : 0, 300).after(1000);
  s.write(2, 0, 0);
  for (uint64_t i = 0; i < 3; ++i) s.read(2, 0x20, 1, 300).after(1000);
  const Figures f = report_of(s).figures;
  ASSERT_EQ(f.polls.size(), 1u);
  EXPECT_EQ(f.polls[0].polls, 2u);
  EXPECT_EQ(f.polls[0].changed, 1u);
  EXPECT_EQ(f.polls[0].ns, 4300u + 2300u);
  EXPECT_EQ(f.polls[0].longest_reads, 5u);
  EXPECT_EQ(f.polls[0].longest_ns, 4300u);
}

}  // namespace
}  // namespace dartboard::traces
