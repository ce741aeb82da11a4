// tests/guest/ram_test.cpp - guest RAM: pages in a row, all over the place, and bytes where nobody may write.
#include <gtest/gtest.h>

#include "sim/guest/pattern.h"
#include "sim/guest/ram.h"

namespace dartboard::guest {
namespace {

TEST(Ram, RefusesWhatIsNoWholePages) {
  for (const auto& [base, bytes] :
       std::vector<std::pair<uint64_t, uint64_t>>{{0, 0}, {0, 100}, {1, 4096}, {UINT64_MAX - 4095, 8192}}) {
    EXPECT_FALSE(Ram::create(Gpa(base), bytes)) << base << " " << bytes;
  }
}

TEST(Ram, FragmentedRamHasNoLongRuns) {
  auto ram = Ram::create(Gpa(0x4000'0000), 16 * kMiB);
  ASSERT_TRUE(ram);
  ram->fragment(256);
  EXPECT_EQ(ram->free_bytes(), 16 * kMiB - 256 * kPageBytes);
  EXPECT_LE(ram->largest_free_bytes(), 64 * kKiB);
  EXPECT_FALSE(ram->allocate(128 * kKiB));
  EXPECT_TRUE(ram->allocate(32 * kKiB));
}

TEST(Ram, PagesThatAreGivenBackAreZeroWhenTheyAreTakenAgain) {
  auto ram = Ram::create(Gpa(0x4000'0000), kMiB);
  ASSERT_TRUE(ram);
  const auto page = ram->allocate(kPageBytes);
  ASSERT_TRUE(page);
  *ram->at(*page, 1) = std::byte{0x5a};
  ram->release(*page, kPageBytes);
  EXPECT_EQ(ram->allocate(kPageBytes).value_or(Gpa()), *page);
  EXPECT_EQ(*ram->at(*page, 1), std::byte{0});
  EXPECT_FALSE(ram->stray());
}

TEST(Ram, AByteInAFreePageIsFound) {
  auto ram = Ram::create(Gpa(0x4000'0000), kMiB);
  ASSERT_TRUE(ram);
  const auto page = ram->allocate(kPageBytes);
  ASSERT_TRUE(page);
  ram->release(*page, kPageBytes);
  EXPECT_FALSE(ram->check_free());
  *ram->at(*page + 0x123, 1) = std::byte{0x5a};
  const auto found = ram->check_free();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->gpa, *page + 0x123);
  EXPECT_EQ(found->got, 0x5a);
  EXPECT_TRUE(ram->allocate(kPageBytes));
  ASSERT_TRUE(ram->stray());
  EXPECT_EQ(ram->stray()->gpa, *page + 0x123);
}

TEST(Pattern, AnyPartOfAPatternIsTheSameHoweverItIsCut) {
  std::byte whole[100], cut[100];
  fill_pattern(whole, 7, 1003);
  for (size_t at = 0; at < 100; at += 13)
    fill_pattern(std::span(cut).subspan(at, std::min<size_t>(13, 100 - at)), 7, 1003 + at);
  EXPECT_EQ(first_difference(whole, cut), 100u);
  fill_pattern(cut, 8, 1003);
  EXPECT_LT(first_difference(whole, cut), 4u);
}

}  // namespace
}  // namespace dartboard::guest
