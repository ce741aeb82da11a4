// tests/sim/iova_allocator_test.cpp - placement by policy, and the tree against a bitmap.
#include "sim/macos/iova_allocator.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace dartboard::macos {
namespace {

constexpr uint64_t kNone = IovaAllocator::kNone;

struct IovaAllocatorTest : testing::Test {
  IovaAllocator a;
  void SetUp() override { a.reset(100, 20); }
};

TEST_F(IovaAllocatorTest, LowestTakesTheFirstHoleThatFits) {
  ASSERT_EQ(a.allocate_lowest(4), 100u);
  ASSERT_EQ(a.allocate_lowest(4), 104u);
  a.release(100, 4);
  EXPECT_EQ(a.allocate_lowest(5), 108u);
  EXPECT_EQ(a.allocate_lowest(2), 100u);
}

TEST_F(IovaAllocatorTest, HighestTakesTheEndOfTheLastHoleThatFits) {
  EXPECT_EQ(a.allocate_highest(4), 116u);
  EXPECT_EQ(a.allocate_highest(4), 112u);
  a.release(116, 4);
  EXPECT_EQ(a.allocate_highest(2), 118u);
  EXPECT_EQ(a.allocate_highest(5), 107u);
}

TEST_F(IovaAllocatorTest, FromTakesTheFirstHoleAtOrAboveThePage) {
  EXPECT_EQ(a.allocate_from(110, 4), 110u);
  EXPECT_EQ(a.allocate_from(108, 4), 114u);
  EXPECT_EQ(a.allocate_from(115, 4), kNone);
}

TEST_F(IovaAllocatorTest, LimitBoundsTheEndOfTheBlock) {
  EXPECT_EQ(a.allocate_lowest(4, 1, 103), kNone);
  EXPECT_EQ(a.allocate_lowest(4, 1, 104), 100u);
  EXPECT_EQ(a.allocate_highest(4, 1, 112), 108u);
}

TEST_F(IovaAllocatorTest, AlignmentSkipsHolesThatLoseTheRoomToIt) {
  ASSERT_TRUE(a.allocate_at(106, 2));        // 100..105 and 108..119 are free
  EXPECT_EQ(a.allocate_lowest(4, 8), 112u);  // 104 fits only 2
  EXPECT_EQ(a.allocate_highest(2, 4), 116u);
}

TEST_F(IovaAllocatorTest, AtFailsOnTakenAndOutsidePages) {
  ASSERT_TRUE(a.allocate_at(105, 2));
  EXPECT_FALSE(a.allocate_at(104, 2));
  EXPECT_FALSE(a.allocate_at(106, 1));
  EXPECT_FALSE(a.allocate_at(99, 1));
  EXPECT_FALSE(a.allocate_at(119, 2));
  EXPECT_FALSE(a.allocate_at(UINT64_MAX, 2));
  EXPECT_TRUE(a.allocate_at(107, 1));
}

TEST_F(IovaAllocatorTest, NeighboursMergeWhenReleased) {
  for (uint64_t page = 100; page < 120; page += 2) ASSERT_TRUE(a.allocate_at(page, 2));
  EXPECT_EQ(a.free_extents(), 0u);
  for (uint64_t page : {100, 104, 102}) a.release(page, 2);
  EXPECT_EQ(a.free_extents(), 1u);
  EXPECT_EQ(a.largest_free(), 6u);
}

/// The obvious implementation: one flag a page.
struct Bitmap {
  uint64_t first;
  std::vector<bool> taken;
  bool fits(uint64_t at, uint64_t pages) const {
    if (at < first || at + pages > first + taken.size()) return false;
    return std::none_of(taken.begin() + static_cast<long>(at - first),
                        taken.begin() + static_cast<long>(at - first + pages), [](bool t) { return t; });
  }
  void set(uint64_t at, uint64_t pages, bool value) {
    for (uint64_t i = 0; i < pages; ++i) taken[at - first + i] = value;
  }
  uint64_t lowest(uint64_t from, uint64_t pages, uint64_t align, uint64_t limit) const {
    for (uint64_t at = first; at < first + taken.size(); ++at) {
      if (at >= from && at % align == 0 && fits(at, pages)) return at + pages <= limit ? at : kNone;
    }
    return kNone;
  }
  uint64_t highest(uint64_t pages, uint64_t align, uint64_t limit) const {
    for (uint64_t at = first + taken.size(); at-- > first;) {
      if (at + pages <= limit && at % align == 0 && fits(at, pages)) return at;
    }
    return kNone;
  }
};

RC_GTEST_PROP(IovaAllocatorProperty, AgreesWithABitmapForAnySequence, ()) {
  const uint64_t first = *rc::gen::inRange<uint64_t>(0, 50);
  const uint64_t size = *rc::gen::inRange<uint64_t>(1, 200);
  IovaAllocator a;
  a.reset(first, size);
  Bitmap model{first, std::vector<bool>(size)};
  std::vector<std::pair<uint64_t, uint64_t>> live;
  const int steps = *rc::gen::inRange(0, 120);
  for (int i = 0; i < steps; ++i) {
    const int what = *rc::gen::inRange(0, 7);
    const uint64_t pages = *rc::gen::inRange<uint64_t>(1, 12);
    const uint64_t align = uint64_t{1} << *rc::gen::inRange(0, 4);
    const uint64_t from = *rc::gen::inRange<uint64_t>(0, first + size + 10);
    const uint64_t limit = *rc::gen::arbitrary<bool>() ? kNone : *rc::gen::inRange<uint64_t>(0, first + size + 10);
    uint64_t at = kNone, want = kNone;
    if (what < 2) {
      at = a.allocate_from(from, pages, align, limit);
      want = model.lowest(from, pages, align, limit);
    } else if (what == 2) {
      at = a.allocate_highest(pages, align, limit);
      want = model.highest(pages, align, limit);
    } else if (what == 3) {
      at = a.allocate_at(from, pages) ? from : kNone;
      want = model.fits(from, pages) ? from : kNone;
    } else if (!live.empty()) {
      const size_t victim = *rc::gen::inRange<size_t>(0, live.size());
      a.release(live[victim].first, live[victim].second);
      model.set(live[victim].first, live[victim].second, false);
      live.erase(live.begin() + static_cast<long>(victim));
    }
    RC_ASSERT(at == want);
    if (at != kNone) {
      model.set(at, pages, true);
      live.emplace_back(at, pages);
    }
    const auto free = static_cast<uint64_t>(std::count(model.taken.begin(), model.taken.end(), false));
    RC_ASSERT(a.free_pages() == free);
    uint64_t run = 0, largest = 0;
    for (bool taken : model.taken) largest = std::max(largest, run = taken ? 0 : run + 1);
    RC_ASSERT(a.largest_free() == largest);
  }
}

}  // namespace
}  // namespace dartboard::macos
