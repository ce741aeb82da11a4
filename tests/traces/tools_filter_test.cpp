// tests/traces/tools_filter_test.cpp - which events a filter lets through, and what a filtered trace looks like.
#include "traces/tools/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools_support.h"

namespace dartboard::traces {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// 0 map, 1 write 5+0x10, 2 read 5+0x10, 3 read 5+0x20 (8 bytes), 4 mark, 5 write 2+0, 6 read 0+0x1000 [1], 7 IRQ
TraceBuilder small() {
  TraceBuilder t;
  t.map(1, 4096, 0x100000).write(5, 0x10, 0xff01).read(5, 0x10, 0x3).read(5, 0x20, 0x1'0000'0001, 8).mark("here");
  t.pass(1'000'000).write(2, 0, 7, 8).read(0, 0x1000, 5).device(1).interrupt(IrqKind::kMsix, 2);
  return t;
}

std::vector<uint64_t> kept(const FilterSpec& spec, const RegisterNames* names = nullptr, bool setup = false) {
  const TraceBuilder trace = small();
  BuiltReader reader(trace, 3);
  FilteredReader filtered(&reader, Filter(spec), names, setup);
  EventBatch batch;
  std::vector<uint64_t> out;
  for (;;) {
    const auto more = filtered.next(&batch);
    EXPECT_TRUE(more);
    if (!more || !*more) break;
    EXPECT_EQ(batch.events.size(), filtered.numbers().size());
    EXPECT_EQ(batch.first_event, out.size());
    out.insert(out.end(), filtered.numbers().begin(), filtered.numbers().end());
  }
  EXPECT_EQ(filtered.kept(), out.size());
  return out;
}

template <class Change>
std::vector<uint64_t> with(Change change) {
  FilterSpec spec;
  change(spec);
  return kept(spec);
}

TEST(Filter, EachConditionKeepsWhatItSays) {
  EXPECT_THAT(with([](FilterSpec&) {}), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(with([](FilterSpec& s) { s.spaces = {5}; }), ElementsAre(1, 2, 3));
  EXPECT_THAT(with([](FilterSpec& s) { s.spaces = {2, 0}; }), ElementsAre(5, 6));
  EXPECT_THAT(with([](FilterSpec& s) { s.offsets = {{0x12, 0x1f}}; }), ElementsAre(1, 2));
  EXPECT_THAT(with([](FilterSpec& s) { s.offsets = {{0x27, 0x27}}; }), ElementsAre(3));
  EXPECT_THAT(with([](FilterSpec& s) { s.offsets = {{0x28, 0x28}}; }), ElementsAre());
  EXPECT_THAT(with([](FilterSpec& s) { s.direction = Direction::kWrite; }), ElementsAre(1, 5));
  EXPECT_THAT(with([](FilterSpec& s) { s.kinds = {EventKind::kMark, EventKind::kInterrupt}; }), ElementsAre(4, 7));
  EXPECT_THAT(with([](FilterSpec& s) {
                s.value = 1;
                s.mask = 1;
                s.spaces = {5};
              }),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(with([](FilterSpec& s) { s.value = 3; }), ElementsAre(2));
  EXPECT_THAT(with([](FilterSpec& s) { s.events = {2, 4}; }), ElementsAre(2, 3, 4));
  EXPECT_THAT(with([](FilterSpec& s) { s.times_ns = {500'000, UINT64_MAX}; }), ElementsAre(5, 6, 7));
  EXPECT_THAT(with([](FilterSpec& s) { s.devices = {1}; }), ElementsAre(6));
}

TEST(Filter, AllConditionsMustHoldAndInversionKeepsTheRange) {
  EXPECT_THAT(with([](FilterSpec& s) {
                s.spaces = {5};
                s.direction = Direction::kRead;
              }),
              ElementsAre(2, 3));
  EXPECT_THAT(with([](FilterSpec& s) {
                s.spaces = {5};
                s.invert = true;
                s.events = {1, 5};
              }),
              ElementsAre(4, 5));
}

TEST(Filter, NamesAreGlobs) {
  RegisterNames names;
  names.registers = {{.name = "STATUS", .space = 5, .offset = 0x10}, {.name = "TAIL", .space = 2, .width = 8}};
  names.memory = {{1, "ring"}};
  std::string problem;
  ASSERT_TRUE(names.build(&problem));
  FilterSpec spec;
  spec.registers = {"ST*", "ri?g"};
  EXPECT_THAT(kept(spec, &names), ElementsAre(0, 1, 2));
}

TEST(Filter, SetupIsKeptBesideARange) {
  FilterSpec spec;
  spec.events = {2, 3};
  EXPECT_THAT(kept(spec, nullptr, true), ElementsAre(0, 2, 3));
}

TEST(Filter, ReadsNoFurtherThanTheRange) {
  const TraceBuilder trace = small();
  BuiltReader reader(trace, 2);
  FilterSpec spec;
  spec.events = {0, 1};
  FilteredReader filtered(&reader, Filter(spec), nullptr, false);
  EventBatch batch;
  while (filtered.next(&batch).value()) {
  }
  EXPECT_TRUE(filtered.stopped_early());
  EXPECT_EQ(filtered.seen(), 2u);
}

TEST(Filter, RequestsAreNumberedAnewAndKeepTheirReplies) {
  const TraceBuilder trace = small();
  BuiltReader reader(trace, 100);
  FilterSpec spec;
  spec.events = {2, 7};
  FilteredReader filtered(&reader, Filter(spec), nullptr, false);
  EventBatch batch;
  ASSERT_TRUE(filtered.next(&batch).value());
  EXPECT_EQ(batch.events[0].request, 0u);
  EXPECT_EQ(batch.events[1].request, 1u);
  EXPECT_EQ(batch.events[5].request, 4u) << "the mark is no request, and the interrupt stands before the fifth";
  EXPECT_EQ(batch.replies.size(), 3u);
  EXPECT_EQ(batch.reply_of(batch.events[1])->data.length, 8u);
  EXPECT_EQ(batch.reply_of(batch.events[3]), nullptr);
}

struct RangeCase {
  const char* text;
  bool good;
  uint64_t first, last;
};

TEST(Ranges, AreWhatPeopleWrite) {
  const RangeCase cases[] = {{"5", true, 5, 5},
                             {"5-9", true, 5, 9},
                             {"5-", true, 5, UINT64_MAX},
                             {"-9", true, 0, 9},
                             {"5+3", true, 5, 7},
                             {"0x10-0x1f", true, 16, 31},
                             {"9-5", false, 0, 0},
                             {"-", false, 0, 0},
                             {"", false, 0, 0},
                             {"5+0", false, 0, 0},
                             {"x", false, 0, 0},
                             {"1-2-3", false, 0, 0},
                             {"18446744073709551615+2", false, 0, 0},
                             {"99999999999999999999", false, 0, 0}};
  for (const RangeCase& c : cases) {
    const auto range = parse_range(c.text, "--events");
    ASSERT_EQ(range.has_value(), c.good) << c.text;
    if (!c.good) continue;
    EXPECT_EQ(range->first, c.first) << c.text;
    EXPECT_EQ(range->last, c.last) << c.text;
  }
  EXPECT_THAT(parse_range("x", "--events").error().sentence, HasSubstr("--events 'x': expected FIRST-LAST"));
}

TEST(Ranges, OfTimeHaveUnits) {
  const RangeCase cases[] = {{"1.5s-2s", true, 1'500'000'000, 2'000'000'000},
                             {"100ms-", true, 100'000'000, UINT64_MAX},
                             {"2us+10us", true, 2000, 11'999},
                             {"-0.000001ms", true, 0, 1},
                             {"1.5-2", false, 0, 0},
                             {"1..5s", false, 0, 0},
                             {"s-2s", false, 0, 0},
                             {"99999999999999999999s-", false, 0, 0}};
  for (const RangeCase& c : cases) {
    const auto range = parse_time_range(c.text);
    ASSERT_EQ(range.has_value(), c.good) << c.text;
    if (!c.good) continue;
    EXPECT_EQ(range->first, c.first) << c.text;
    EXPECT_EQ(range->last, c.last) << c.text;
  }
}

TEST(Kinds, HaveTheNamesOfReports) {
  EXPECT_EQ(parse_kind("dma-map").value(), EventKind::kDmaMap);
  EXPECT_THAT(parse_kind("read").error().sentence, HasSubstr("there is no kind of event 'read'; there are probe"));
}

}  // namespace
}  // namespace dartboard::traces
