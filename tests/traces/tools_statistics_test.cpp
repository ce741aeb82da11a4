// tests/traces/tools_statistics_test.cpp - a trace in numbers, exact where it says so and bounded always.
#include "traces/tools/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools_support.h"

namespace dartboard::traces {
namespace {

Statistics collect(const TraceBuilder& trace, StatisticsOptions options = {}) {
  BuiltReader reader(trace, 5);
  StatisticsCollector collector(nullptr, &reader.info(), options);
  EventBatch batch;
  while (reader.next(&batch).value()) collector.add(batch);
  return collector.finish();
}

TEST(Statistics, CountsKindsWidthsAndBytes) {
  TraceBuilder trace;
  trace.write(5, 0, 1).write(5, 0, 1, 8).read(5, 4, 1, 2).read(5, 8, 1).mark("m").config_read(0, 1);
  trace.write_bytes(0, 0, Payload::filled(std::byte{0}, 4096));
  const Statistics s = collect(trace);
  EXPECT_EQ(s.events, 7u);
  EXPECT_EQ(s.requests, 6u);
  EXPECT_EQ(s.kinds[static_cast<unsigned>(EventKind::kMmioWrite)].count, 3u);
  EXPECT_EQ(s.kinds[static_cast<unsigned>(EventKind::kMmioWrite)].bytes, 4u + 8 + 4096);
  EXPECT_THAT(s.write_widths, testing::ElementsAre(0, 0, 1, 1, 1));
  EXPECT_THAT(s.read_widths, testing::ElementsAre(0, 1, 2, 0, 0));
  EXPECT_EQ(s.space_accesses[5], 4u);
  EXPECT_EQ(s.space_accesses[7], 1u);
  EXPECT_EQ(s.duration_ns(), 6000u);
}

TEST(Statistics, FindsPollsAndTheHottest) {
  TraceBuilder trace;
  for (int i = 0; i < 10; ++i) trace.read(5, 16, i == 9);
  trace.write(5, 0, 1).read(5, 16, 0).read(5, 16, 0).write(5, 0, 2);  // two reads are no poll
  for (int i = 0; i < 4; ++i) trace.read(5, 16, 7);
  const Statistics s = collect(trace);
  ASSERT_EQ(s.hottest.size(), 2u);
  EXPECT_EQ(s.hottest[0].offset, 16u);
  EXPECT_EQ(s.hottest[0].reads, 16u);
  EXPECT_EQ(s.hottest[0].polls, 2u);
  EXPECT_EQ(s.hottest[0].longest_poll, 10u);
  EXPECT_EQ(s.hottest[0].longest_poll_ns, 9000u);
  EXPECT_EQ(s.hottest[0].last_value, 7u);
  EXPECT_EQ(s.hottest[1].writes, 2u);
  EXPECT_EQ(s.polls, 2u);
  EXPECT_EQ(s.poll_reads, 14u);
  EXPECT_EQ(s.longest_poll_event, 0u);
  EXPECT_EQ(s.hot_error_max, 0u);
}

TEST(Statistics, FollowsFewRegistersAndSaysHowWrongItMayBe) {
  TraceBuilder trace;
  for (uint64_t i = 0; i < 4000; ++i) {
    trace.write(5, 0x100000 + 4 * i, 1);  // each once
    if (i % 4 == 0) trace.write(5, 0, i);
  }
  StatisticsOptions few;
  few.registers_max = 100;
  few.top = 3;
  const Statistics s = collect(trace, few);
  ASSERT_FALSE(s.hottest.empty());
  EXPECT_EQ(s.hottest[0].offset, 0u);
  EXPECT_EQ(s.hottest[0].writes, 1000u) << "it was never light enough to be dropped";
  EXPECT_GT(s.hot_error_max, 0u);
  EXPECT_LE(s.hot_error_max, 5000u * 2 / 100);
  EXPECT_LE(s.registers, 101u);
}

TEST(Statistics, GapsBeginWhereAnEventEnds) {
  TraceBuilder trace;
  trace.read(5, 0, 1);
  trace.last().reply.duration_ns = 500'000;
  trace.pass(600'000).write(5, 0, 1).pass(3'000'000).write(5, 0, 2);
  const Statistics s = collect(trace);
  ASSERT_EQ(s.longest_gaps.size(), 2u);
  EXPECT_EQ(s.longest_gaps[0].ns, 3'001'000u);
  EXPECT_EQ(s.longest_gaps[0].event, 2u);
  EXPECT_EQ(s.longest_gaps[1].ns, 101'000u);
  EXPECT_EQ(s.gaps_ns, 3'102'000u);
  EXPECT_EQ(s.gap_histogram[3] + s.gap_histogram[4], 2u);
}

TEST(Statistics, MappingsHaveTotalsAndPeaks) {
  TraceBuilder trace;
  trace.map(1, 4096, 0x1000).map(2, 8192, 0x10000).unmap(1, 4096).map(3, 1024, 0x1000).unmap(9, 1);
  trace.map(4, 1 << 20, 0).last().reply.status = 1;  // failed
  const Statistics s = collect(trace);
  EXPECT_EQ(s.maps, 3u);
  EXPECT_EQ(s.unmaps, 2u);
  EXPECT_EQ(s.mapped_bytes_total, 4096u + 8192 + 1024);
  EXPECT_EQ(s.mapped_bytes_peak, 4096u + 8192);
  EXPECT_EQ(s.mappings_peak, 2u);
  EXPECT_EQ(s.mapped_bytes, 8192u + 1024);
  EXPECT_EQ(s.failed, 1u);
}

TEST(Statistics, InterruptsAreCountedByVector) {
  TraceBuilder trace;
  trace.interrupt(IrqKind::kMsix, 1)
      .interrupt(IrqKind::kMsix, 2)
      .interrupt(IrqKind::kMsix, 2)
      .interrupt(IrqKind::kIntx, 0);
  StatisticsOptions one;
  one.top = 1;
  const Statistics s = collect(trace, one);
  ASSERT_EQ(s.interrupts.size(), 1u);
  EXPECT_EQ(s.interrupts[0].vector, 2u);
  EXPECT_EQ(s.interrupts[0].count, 2u);
  EXPECT_EQ(s.interrupts_other, 2u);
}

TEST(Statistics, OfNothingAreZero) {
  const Statistics s = collect(TraceBuilder());
  EXPECT_EQ(s.events, 0u);
  EXPECT_EQ(s.duration_ns(), 0u);
  EXPECT_TRUE(s.hottest.empty());
}

}  // namespace
}  // namespace dartboard::traces
