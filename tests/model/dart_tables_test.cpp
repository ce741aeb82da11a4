// tests/model/dart_tables_test.cpp - the entry format and the index split, bit by bit.
#include "model/dart_tables.h"

#include <gtest/gtest.h>

namespace dartboard::model::test {
namespace {

constexpr TableGeometry k16{14, 42};
constexpr TableGeometry k4{12, 42};

TEST(DartTables, IndexSplitOf16KiBPages) {
  const Iova iova((uint64_t{0x5a5} << 36) | (uint64_t{0x3c3} << 25) | (uint64_t{0x7f1} << 14) | 0x123);
  EXPECT_EQ(k16.index(iova, 0), 0x7f1u);
  EXPECT_EQ(k16.index(iova, 1), 0x3c3u);
  EXPECT_EQ(k16.index(iova, 2), 0x5a5u);
  EXPECT_EQ(k16.entries(), 2048u);
  EXPECT_EQ(k16.reach_bits(2), 36u);
  EXPECT_EQ(k16.reach_bits(3), 47u);
}

TEST(DartTables, IndexSplitOf4KiBPages) {
  const Iova iova((uint64_t{0x155} << 30) | (uint64_t{0x0aa} << 21) | (uint64_t{0x1ff} << 12) | 0xabc);
  EXPECT_EQ(k4.index(iova, 0), 0x1ffu);
  EXPECT_EQ(k4.index(iova, 1), 0x0aau);
  EXPECT_EQ(k4.index(iova, 2), 0x155u);
  EXPECT_EQ(k4.entries(), 512u);
}

TEST(DartTables, FourLevelsAreNeededAboveTheReachOfTwoTables) {
  EXPECT_FALSE(k16.needs_four_levels(36));
  EXPECT_TRUE(k16.needs_four_levels(37));
  EXPECT_FALSE(k4.needs_four_levels(30));
  EXPECT_TRUE(k4.needs_four_levels(33));
}

TEST(DartTables, LeafEntryHasTheDart2Format) {
  EXPECT_EQ(encode_pte(k16, Pte{.valid = true, .address = Hpa(0x8'1234'4000)}),
            (uint64_t{0xfff} << 40) | (0x8'1234'4000u >> 4) | 1);
  const struct {
    Pte pte;
    uint64_t bit;
  } flags[] = {
      {{.valid = true, .no_cache = true}, 1u << 1},
      {{.valid = true, .no_write = true}, 1u << 2},
      {{.valid = true, .no_read = true}, 1u << 3},
      {{.valid = true, .subpage_start = 1}, uint64_t{1} << 52},
  };
  const uint64_t plain = encode_pte(k16, Pte{.valid = true});
  for (const auto& flag : flags) EXPECT_EQ(encode_pte(k16, flag.pte) ^ plain, flag.bit);
}

TEST(DartTables, AddressFieldIs37To10With16KiBPagesAnd37To8With4KiB) {
  EXPECT_EQ(k16.address_mask(), ((uint64_t{1} << 38) - 1) & ~uint64_t{0x3ff});
  EXPECT_EQ(k4.address_mask(), ((uint64_t{1} << 38) - 1) & ~uint64_t{0xff});
}

TEST(DartTables, EncodeAndDecodeAreInverse) {
  for (const TableGeometry& geometry : {k16, k4}) {
    for (unsigned bits = 0; bits < 32; ++bits) {
      const Pte pte{.valid = true,
                    .address = Hpa(uint64_t{bits * 0x1357} << geometry.page_shift),
                    .no_read = (bits & 1) != 0,
                    .no_write = (bits & 2) != 0,
                    .no_cache = (bits & 4) != 0,
                    .subpage_start = static_cast<uint16_t>((bits & 8) != 0 ? 0x123 : 0),
                    .subpage_end = static_cast<uint16_t>((bits & 16) != 0 ? 0x234 : 0xfff)};
      EXPECT_EQ(decode_pte(geometry, encode_pte(geometry, pte)), pte);
    }
  }
  EXPECT_EQ(encode_pte(k16, Pte{.valid = false, .address = Hpa(0x4000)}), 0u);
}

TEST(DartTables, WholePageHasNoSubpageWindow) {
  EXPECT_FALSE(has_subpage(k16, Pte{}));
  EXPECT_FALSE(has_subpage(k4, Pte{}));
  EXPECT_TRUE(has_subpage(k16, Pte{.subpage_end = 0xffe}));
  EXPECT_TRUE(has_subpage(k16, Pte{.subpage_start = 1}));
}

}  // namespace
}  // namespace dartboard::model::test
