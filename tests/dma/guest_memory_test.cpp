// tests/dma/guest_memory_test.cpp - ranges of guest RAM: what may be added, and what is found.
#include "backend/dma/guest_memory.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace dartboard::backend::dma {
namespace {

std::array<std::byte, 4096> bytes;
std::byte* const kBase = bytes.data();

struct AddCase {
  const char* why;
  RamRange range;
  ErrorName name;
};

TEST(GuestMemory, RefusesRangesThatAreNoneOrOverlap) {
  GuestMemory memory;
  ASSERT_TRUE(memory.add({Gpa(0x1000), 0x1000, kBase}));
  ASSERT_TRUE(memory.add({Gpa(0x4000), 0x1000, kBase}));
  for (const AddCase& c : {AddCase{"no bytes", {Gpa(0x8000), 0, kBase}, ErrorName::kBadArgument},
                           AddCase{"no memory", {Gpa(0x8000), 16, nullptr}, ErrorName::kBadArgument},
                           AddCase{"wraps", {Gpa(UINT64_MAX), 2, kBase}, ErrorName::kBadArgument},
                           AddCase{"the same", {Gpa(0x1000), 0x1000, kBase}, ErrorName::kBusy},
                           AddCase{"inside", {Gpa(0x1800), 1, kBase}, ErrorName::kBusy},
                           AddCase{"its last byte", {Gpa(0x1fff), 1, kBase}, ErrorName::kBusy},
                           AddCase{"into the next", {Gpa(0x3fff), 2, kBase}, ErrorName::kBusy},
                           AddCase{"over all", {Gpa(0), 0x10000, kBase}, ErrorName::kBusy}}) {
    const auto added = memory.add(c.range);
    ASSERT_FALSE(added) << c.why;
    EXPECT_EQ(added.error().name, c.name) << c.why;
  }
  EXPECT_TRUE(memory.add({Gpa(0x2000), 0x2000, kBase})) << "exactly between";
  EXPECT_TRUE(memory.add({Gpa(UINT64_MAX), 1, kBase})) << "the last byte there is";
  EXPECT_EQ(memory.bytes(), 0x4001u);
  EXPECT_EQ(memory.ranges().size(), 4u);
}

TEST(GuestMemory, RemovesARangeByItsBeginning) {
  GuestMemory memory;
  ASSERT_TRUE(memory.add({Gpa(0x1000), 0x1000, kBase}));
  EXPECT_EQ(memory.remove(Gpa(0x1001)).error().name, ErrorName::kNotFound);
  EXPECT_TRUE(memory.remove(Gpa(0x1000)));
  EXPECT_EQ(memory.remove(Gpa(0x1000)).error().name, ErrorName::kNotFound);
  EXPECT_EQ(memory.at(Gpa(0x1000), 1), nullptr);
  EXPECT_EQ(memory.bytes(), 0u);
}

/// Few ranges are walked, many are searched: both must find the same.
class GuestMemoryRanges : public testing::TestWithParam<unsigned> {};

TEST_P(GuestMemoryRanges, FindsBytesInOneRange) {
  GuestMemory memory;
  for (unsigned n = GetParam(); n-- > 0;) ASSERT_TRUE(memory.add({Gpa(0x1000 + n * 0x100), 0x80, kBase + n * 0x80}));
  for (unsigned n = 0; n < GetParam(); ++n) {
    const Gpa gpa(0x1000 + n * 0x100);
    EXPECT_EQ(memory.at(gpa, 0x80), kBase + n * 0x80);
    EXPECT_EQ(memory.at(gpa + 0x7f, 1), kBase + n * 0x80 + 0x7f);
    EXPECT_EQ(memory.at(gpa + 0x7f, 2), nullptr);
    EXPECT_EQ(memory.at(gpa, UINT64_MAX), nullptr);
    EXPECT_EQ(memory.at(gpa + 0x80, 1), nullptr);
    EXPECT_EQ(memory.at(gpa - 1, 1), nullptr);
    EXPECT_TRUE(memory.covers(gpa, 0x80));
    EXPECT_FALSE(memory.covers(gpa, 0x81));
  }
  for (unsigned n = 0; n < GetParam(); n += 2) ASSERT_TRUE(memory.remove(Gpa(0x1000 + n * 0x100)));
  for (unsigned n = 0; n < GetParam(); ++n) {
    EXPECT_EQ(memory.at(Gpa(0x1000 + n * 0x100), 1) != nullptr, n % 2 != 0) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, GuestMemoryRanges, testing::Values(1, 2, 8, 9, 20));

TEST(GuestMemory, ReadsAndWritesAcrossNeighboursOrNotAtAll) {
  std::vector<std::byte> a(16, std::byte{1}), b(16, std::byte{2}), c(16, std::byte{3});
  GuestMemory memory;
  ASSERT_TRUE(memory.add({Gpa(0x20), 16, b.data()}));
  ASSERT_TRUE(memory.add({Gpa(0x10), 16, a.data()}));
  ASSERT_TRUE(memory.add({Gpa(0x40), 16, c.data()}));
  std::vector<std::byte> out(8);
  ASSERT_TRUE(memory.read(Gpa(0x1c), out));
  EXPECT_EQ(out[3], std::byte{1});
  EXPECT_EQ(out[4], std::byte{2});
  EXPECT_EQ(memory.at(Gpa(0x1c), 8), nullptr) << "not one range";
  EXPECT_TRUE(memory.covers(Gpa(0x10), 32));
  const std::vector<std::byte> in(8, std::byte{9});
  EXPECT_FALSE(memory.write(Gpa(0x2c), in)) << "the hole behind";
  EXPECT_EQ(b[15], std::byte{2}) << "nothing written";
  EXPECT_FALSE(memory.read(Gpa(0x0c), out));
  EXPECT_TRUE(memory.write(Gpa(0x1c), in));
  EXPECT_EQ(a[12], std::byte{9});
  EXPECT_EQ(b[3], std::byte{9});
  EXPECT_EQ(b[4], std::byte{2});
  EXPECT_TRUE(memory.read(Gpa(0x999), {})) << "no bytes are everywhere";
}

TEST(GuestMemory, TheEndOfTheAddressSpaceDoesNotWrap) {
  GuestMemory memory;
  ASSERT_TRUE(memory.add({Gpa(0) - 16, 16, kBase}));
  ASSERT_TRUE(memory.add({Gpa(0), 16, kBase}));
  EXPECT_FALSE(memory.covers(Gpa(0) - 8, 16));
  EXPECT_TRUE(memory.covers(Gpa(0) - 8, 8));
  std::vector<std::byte> out(16);
  EXPECT_FALSE(memory.read(Gpa(0) - 8, out));
}

}  // namespace
}  // namespace dartboard::backend::dma
