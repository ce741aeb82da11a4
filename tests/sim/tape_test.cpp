// tests/sim/tape_test.cpp - draws repeat from a seed and from a recording, and divergence is noticed.
#include "sim/core/tape.h"

#include <gtest/gtest.h>

namespace dartboard::sim {
namespace {

std::vector<uint64_t> take(Tape& tape, DrawId id, uint64_t bound, int count) {
  std::vector<uint64_t> values;
  for (int i = 0; i < count; ++i) values.push_back(tape.draw(id, bound));
  return values;
}

TEST(Tape, SameSeedSameDraws) {
  Tape a, b;
  a.start_seeded(42);
  b.start_seeded(42);
  EXPECT_EQ(take(a, DrawId::kWorkload, 1000, 100), take(b, DrawId::kWorkload, 1000, 100));
}

TEST(Tape, OtherSeedOtherDraws) {
  Tape a, b;
  a.start_seeded(42);
  b.start_seeded(43);
  EXPECT_NE(take(a, DrawId::kWorkload, 1000, 100), take(b, DrawId::kWorkload, 1000, 100));
}

TEST(Tape, DrawsStayBelowTheirBound) {
  Tape tape;
  tape.start_seeded(7);
  for (const uint64_t bound : {uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{1} << 40, UINT64_MAX}) {
    for (const uint64_t v : take(tape, DrawId::kTest, bound, 100)) EXPECT_LT(v, bound);
  }
}

TEST(Tape, StreamsAreIndependent) {
  Tape a, b;
  a.start_seeded(42);
  b.start_seeded(42);
  take(a, DrawId::kFault, 10, 5);   // an extra component draws in one run only
  EXPECT_EQ(take(a, DrawId::kWorkload, 1000, 20), take(b, DrawId::kWorkload, 1000, 20));
}

TEST(Tape, ReplayRepeatsARecording) {
  Tape a, b;
  a.start_seeded(42);
  const auto values = take(a, DrawId::kWorkload, 1000, 10);
  b.start_replay(a.recorded());
  EXPECT_EQ(take(b, DrawId::kWorkload, 1000, 10), values);
  EXPECT_FALSE(b.diverged());
}

TEST(Tape, ReplayNoticesAnotherQuestion) {
  Tape a, b;
  a.start_seeded(42);
  take(a, DrawId::kWorkload, 1000, 1);
  b.start_replay(a.recorded());
  EXPECT_EQ(b.draw(DrawId::kWorkload, 999), 0u);
  EXPECT_TRUE(b.diverged());
}

TEST(Tape, ReplayNoticesItsEnd) {
  Tape tape;
  tape.start_replay({});
  EXPECT_EQ(tape.draw(DrawId::kTest, 5), 0u);
  EXPECT_TRUE(tape.diverged());
}

TEST(TapeText, RoundTrips) {
  Tape tape;
  tape.start_seeded(1);
  take(tape, DrawId::kWorkload, 1u << 20, 8);
  const auto back = draws_from_text(to_text(tape.recorded()));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, tape.recorded());
}

struct BadTape {
  const char* name;
  const char* text;
};
class TapeTextRefuses : public testing::TestWithParam<BadTape> {};
TEST_P(TapeTextRefuses, BadLine) {
  const auto result = draws_from_text(GetParam().text);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().name, ErrorName::kFileCorrupt);
  EXPECT_NE(result.error().sentence.find("line 2"), std::string::npos) << result.error().sentence;
}
INSTANTIATE_TEST_SUITE_P(Table, TapeTextRefuses,
                         testing::Values(BadTape{"words", "1 2 1\nhello\n"}, BadTape{"short", "1 2 1\n1 2\n"},
                                         BadTape{"long", "1 2 1\n1 2 1 1\n"}, BadTape{"value", "1 2 1\n1 2 2\n"},
                                         BadTape{"bound", "1 2 1\n1 0 0\n"}, BadTape{"id", "1 2 1\n16 2 1\n"},
                                         BadTape{"negative", "1 2 1\n1 -2 1\n"}),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace dartboard::sim
