// tests/dma/window_table_test.cpp - which reservation serves which mapping.
#include "backend/dma/window_table.h"

#include <gtest/gtest.h>

#include "tests/dma/fake_guest.h"

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kPage = 16 * kKiB, kWindow = 256 * kKiB;
using Shape = WindowTable::Shape;

struct ShapeCase {
  const char* what;
  uint64_t offset, bytes;  ///< into RAM
  bool window;
  uint64_t from, length;  ///< of the reservation
};

TEST(WindowTable, ShapesOfReservations) {
  for (const ShapeCase& c : {
           ShapeCase{"a byte", 5, 1, true, 0, kWindow},
           ShapeCase{"the last byte of a window", kWindow - 1, 1, true, 0, kWindow},
           ShapeCase{"the first of the next", kWindow, 1, true, kWindow, kWindow},
           ShapeCase{"a whole window", kWindow, kWindow, true, kWindow, kWindow},
           ShapeCase{"a byte more", kWindow, kWindow + 1, false, kWindow, kWindow + kPage},
           ShapeCase{"two bytes over an edge", kWindow - 1, 2, false, kWindow - kPage, 2 * kPage},
           ShapeCase{"a window's size over an edge", kWindow + 100, kWindow, false, kWindow, kWindow + kPage},
           ShapeCase{"rounded to pages", 3 * kWindow + 1, kWindow + 2 * kPage, false, 3 * kWindow, kWindow + 3 * kPage},
       }) {
    FakeGuest guest;
    WindowTable table(guest.memory, {kWindow, kPage, 0});
    const auto index = table.take(FakeGuest::kBase + c.offset, c.bytes, Shape::kWindow);
    EXPECT_EQ(table[index].window, c.window) << c.what;
    EXPECT_EQ(table[index].gpa, FakeGuest::kBase + c.from) << c.what;
    EXPECT_EQ(table[index].bytes, c.length) << c.what;
    EXPECT_FALSE(table[index].mapped) << c.what;
    table.drop(index);
    EXPECT_EQ(table.windows() + table.exact(), 0u) << c.what;
  }
}

TEST(WindowTable, TheEdgesOfRamClipReservations) {
  // The second range begins 4 KiB past a page of the mapper's, and ends inside one.
  FakeGuest guest(16 * kMiB, kMiB + 8 * kKiB);
  WindowTable table(guest.memory, {kWindow, kPage, 0});
  const Gpa end = guest.second + kMiB + 8 * kKiB;
  const auto first = table.take(guest.second + 100, 8, Shape::kWindow);
  EXPECT_EQ(table[first].gpa, guest.second);
  EXPECT_EQ(table[first].bytes, kWindow - 4 * kKiB);
  const auto last = table.take(end - 1, 1, Shape::kWindow);
  EXPECT_EQ(table[last].gpa + table[last].bytes, end);
  const auto exact = table.take(guest.second, kWindow, Shape::kWindow);
  EXPECT_EQ(table[exact].gpa, guest.second);
  EXPECT_EQ(table[exact].bytes, kWindow + kPage - 4 * kKiB);
}

TEST(WindowTable, TwoRangesInOneWindow) {
  GuestMemory memory;
  std::vector<std::byte> low(64 * kKiB), high(64 * kKiB);
  ASSERT_TRUE(memory.add({Gpa(0x4000'0000), low.size(), low.data()}));
  ASSERT_TRUE(memory.add({Gpa(0x4002'0000), high.size(), high.data()}));
  WindowTable table(memory, {kWindow, kPage, 0});
  const auto a = table.take(Gpa(0x4000'0000), 1, Shape::kWindow);
  EXPECT_EQ(table[a].bytes, low.size());
  const auto b = table.take(Gpa(0x4002'0000), 1, Shape::kWindow);
  EXPECT_FALSE(table[b].window) << "one window there has to do";
  EXPECT_EQ(table[b].gpa, Gpa(0x4002'0000));
}

TEST(WindowTable, UsesAreCountedAndTheLastEndsIt) {
  FakeGuest guest;
  WindowTable table(guest.memory, {kWindow, kPage, 0});
  const auto index = table.take(FakeGuest::kBase, 1, Shape::kWindow);
  table.set_mapped(index, Gpa(0x77), Iova(0x8000'0000));
  EXPECT_EQ(table.take(FakeGuest::kBase + 4096, 4096, Shape::kWindow), index);
  EXPECT_EQ(table.iova_of(index, FakeGuest::kBase + 4096), Iova(0x8000'1000));
  EXPECT_FALSE(table.give(index));
  EXPECT_EQ(table.give(index), Gpa(0x77));
  EXPECT_EQ(table.windows(), 0u);
}

TEST(WindowTable, ExactOnesAreSharedByTheSamePagesOnly) {
  FakeGuest guest;
  WindowTable table(guest.memory, {kWindow, kPage, 0});
  const auto index = table.take(FakeGuest::kBase, 2 * kWindow, Shape::kWindow);
  EXPECT_EQ(table.take(FakeGuest::kBase + 1, 2 * kWindow - 1, Shape::kWindow), index);
  EXPECT_NE(table.take(FakeGuest::kBase, 2 * kWindow + 1, Shape::kWindow), index);
  EXPECT_NE(table.take(FakeGuest::kBase, 1, Shape::kWindow), index) << "a window beside it";
}

TEST(WindowTable, IdleWindowsAreKeptOldestOutFirst) {
  FakeGuest guest;
  WindowTable table(guest.memory, {kWindow, kPage, 2});
  const auto use = [&](uint64_t n) {
    const auto index = table.take(FakeGuest::kBase + n * kWindow, 1, Shape::kWindow);
    if (!table[index].mapped) table.set_mapped(index, Gpa(n), Iova(n * kGiB));
    return index;
  };
  EXPECT_FALSE(table.give(use(1)));
  EXPECT_FALSE(table.give(use(2)));
  EXPECT_FALSE(table.give(use(1))) << "warm, and now the younger";
  EXPECT_EQ(table.idle(), 2u);
  EXPECT_EQ(table.give(use(3)), Gpa(2));
  EXPECT_EQ(table.evict_idle(), Gpa(1));
  EXPECT_EQ(table.evict_idle(), Gpa(3));
  EXPECT_FALSE(table.evict_idle());
  EXPECT_EQ(table.windows(), 0u);
}

TEST(WindowTable, OptionsThatCannotBe) {
  for (const WindowOptions& o :
       {WindowOptions{100000, kPage, 0}, WindowOptions{4096, kPage, 0}, WindowOptions{kWindow, 0, 0},
        WindowOptions{kWindow, 3000, 0}, WindowOptions{1, 1, 0}}) {
    const auto checked = WindowTable::check(o);
    ASSERT_FALSE(checked) << o.window_bytes << " " << o.page_bytes;
    EXPECT_EQ(checked.error().name, ErrorName::kBadArgument);
  }
  EXPECT_TRUE(WindowTable::check({kPage, kPage, 0}));
  EXPECT_TRUE(WindowTable::check({0, 1, 0}));
}

}  // namespace
}  // namespace dartboard::backend::dma
