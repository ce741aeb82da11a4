// tests/model/bar_test.cpp - sizing of every kind of BAR, decoding, and which declarations are refused.
#include "model/bar.h"

#include <gtest/gtest.h>

#include <string>

namespace dartboard::model {
namespace {

constexpr HeaderIdentity kIdentity{0x1b36, 0x00db};

struct Sizing {
  BarDeclaration bar;
  uint32_t low;    ///< read back after writing all-ones
  uint32_t high;   ///< of the next register
};

TEST(Bar, SizingReadsBackTheSizeAndTheType) {
  constexpr Sizing kRows[] = {
      {{BarKind::kNone, 0}, 0x0000'0000, 0},
      {{BarKind::kIo, 4}, 0xffff'fffd, 0},
      {{BarKind::kIo, 8}, 0xffff'fff9, 0},
      {{BarKind::kIo, 256}, 0xffff'ff01, 0},
      {{BarKind::kMem32, 16}, 0xffff'fff0, 0},
      {{BarKind::kMem32, 4 * kKiB}, 0xffff'f000, 0},
      {{BarKind::kMem32Prefetchable, kMiB}, 0xfff0'0008, 0},
      {{BarKind::kMem32, 2 * kGiB}, 0x8000'0000, 0},
      {{BarKind::kMem64, 16}, 0xffff'fff4, 0xffff'ffff},
      {{BarKind::kMem64, 16 * kKiB}, 0xffff'c004, 0xffff'ffff},
      {{BarKind::kMem64Prefetchable, 512 * kMiB}, 0xe000'000c, 0xffff'ffff},
      {{BarKind::kMem64Prefetchable, 2 * kGiB}, 0x8000'000c, 0xffff'ffff},
      {{BarKind::kMem64Prefetchable, 4 * kGiB}, 0x0000'000c, 0xffff'ffff},
      {{BarKind::kMem64, 8 * kGiB}, 0x0000'0004, 0xffff'fffe},
      {{BarKind::kMem64Prefetchable, 1024 * kGiB}, 0x0000'000c, 0xffff'ff00},
  };
  for (const Sizing& row : kRows) {
    SCOPED_TRACE(std::string(to_string(row.bar.kind)) + " " + std::to_string(row.bar.size_bytes));
    ConfigSpace config(kType0Header, kIdentity);
    BarDecoder decoder;
    BarDeclarations bars;
    bars[2] = row.bar;
    ASSERT_TRUE(validate(bars).has_value());
    decoder.declare(bars, config);
    config.write(0x18, 0xffff'ffff, 4);
    config.write(0x1c, 0xffff'ffff, 4);
    EXPECT_EQ(config.read(0x18, 4), row.low);
    EXPECT_EQ(config.read(0x1c, 4), row.high);
    for (const uint32_t other : {0x10u, 0x14u, 0x20u, 0x24u}) {
      config.write(other, 0xffff'ffff, 4);
      EXPECT_EQ(config.read(other, 4), 0u) << "an absent BAR reads 0";
    }
    // Byte by byte gives the same: firmware on some machines sizes so.
    config.write(0x18, 0, 4);
    for (uint32_t i = 0; i < 4; ++i) config.write(0x18 + i, 0xff, 1);
    EXPECT_EQ(config.read(0x18, 4), row.low);
  }
}

TEST(Bar, EveryResetClearsAddressesAndKeepsTypes) {
  for (const ResetKind kind : {ResetKind::kPowerOn, ResetKind::kHotReset, ResetKind::kFlr, ResetKind::kD3ToD0}) {
    ConfigSpace config(kType0Header, kIdentity);
    BarDecoder decoder;
    BarDeclarations bars;
    bars[0] = {BarKind::kMem64Prefetchable, kMiB};
    bars[2] = {BarKind::kIo, 16};
    decoder.declare(bars, config);
    config.write(0x10, 0x1234'5678'9abc'def0, 8);
    config.write(0x18, 0xffff'ffff, 4);
    config.reset(kind);
    EXPECT_EQ(config.read(0x10, 8), 0xcu) << static_cast<int>(kind);
    EXPECT_EQ(config.read(0x18, 4), 0x1u) << static_cast<int>(kind);
  }
}

class Decoding : public testing::Test {
 protected:
  Decoding() : config_(kType0Header, kIdentity) {
    BarDeclarations bars;
    bars[0] = {BarKind::kMem32, 16 * kKiB};
    bars[1] = {BarKind::kIo, 32};
    bars[2] = {BarKind::kMem64Prefetchable, 8 * kGiB};
    decoder_.declare(bars, config_);
    config_.write(0x10, 0x8000'0000, 4);
    config_.write(0x14, 0x0000'e000, 4);
    config_.write(0x18, 0x0000'0004'0000'0000, 8);
  }
  void update(bool memory, bool io) { decoder_.update(config_, memory, io); }
  ConfigSpace config_;
  BarDecoder decoder_;
};

TEST_F(Decoding, ClaimsExactlyItsRanges) {
  update(true, true);
  EXPECT_EQ(decoder_.find_memory(0x8000'0000, 4), 0u);
  EXPECT_EQ(decoder_.find_memory(0x8000'3ffc, 4), 0u);
  EXPECT_EQ(decoder_.find_memory(0x8000'4000, 4), BarDecoder::kMiss);
  EXPECT_EQ(decoder_.find_memory(0x7fff'ffff, 1), BarDecoder::kMiss);
  EXPECT_EQ(decoder_.find_memory(0x4'0000'0000, 8), 2u);
  EXPECT_EQ(decoder_.find_memory(0x5'ffff'fff8, 8), 2u);
  EXPECT_EQ(decoder_.find_memory(0x6'0000'0000, 1), BarDecoder::kMiss);
  EXPECT_EQ(decoder_.find_io(0xe000, 4), 1u);
  EXPECT_EQ(decoder_.find_io(0xe020, 1), BarDecoder::kMiss);
}

TEST_F(Decoding, ARequestThatLeavesItsBarIsNotClaimed) {
  update(true, true);
  EXPECT_EQ(decoder_.find_memory(0x8000'3ffe, 4), BarDecoder::kMiss);
  EXPECT_EQ(decoder_.find_memory(0x8000'0000, UINT64_MAX), BarDecoder::kMiss);
  EXPECT_EQ(decoder_.find_memory(UINT64_MAX, 8), BarDecoder::kMiss);
}

TEST_F(Decoding, MemoryAndIoEnableAreIndependent) {
  update(true, false);
  EXPECT_EQ(decoder_.find_memory(0x8000'0000, 4), 0u);
  EXPECT_EQ(decoder_.find_io(0xe000, 4), BarDecoder::kMiss);
  update(false, true);
  EXPECT_EQ(decoder_.find_memory(0x8000'0000, 4), BarDecoder::kMiss);
  EXPECT_EQ(decoder_.find_io(0xe000, 4), 1u);
}

TEST_F(Decoding, AMovedBarIsFoundAtItsNewPlaceOnly) {
  update(true, true);
  ASSERT_EQ(decoder_.find_memory(0x8000'0000, 4), 0u);
  config_.write(0x10, 0x9000'0000, 4);
  update(true, true);
  EXPECT_EQ(decoder_.find_memory(0x8000'0000, 4), BarDecoder::kMiss);
  EXPECT_EQ(decoder_.find_memory(0x9000'0000, 4), 0u);
}

TEST(Bar, ImpossibleDeclarationsAreRefusedWithASentence) {
  struct Row {
    unsigned index;
    BarDeclaration bar;
    const char* part_of_sentence;
  };
  constexpr Row kRows[] = {
      {0, {BarKind::kMem32, 3000}, "power of two"},
      {0, {BarKind::kMem32, 0}, "power of two"},
      {0, {BarKind::kMem32, 8}, "expected 16"},
      {0, {BarKind::kMem32, 4 * kGiB}, "expected 16"},
      {0, {BarKind::kMem64, 1ull << 60}, "expected 16"},
      {0, {BarKind::kIo, 512}, "expected 4 to 256"},
      {0, {BarKind::kIo, 16, BarRole::kMemory}, "only be registers"},
      {5, {BarKind::kMem64, 4096}, "BAR5 cannot be 64-bit"},
      {3, {BarKind::kMem64, 4096}, "BAR4 is declared"},
      {0, {BarKind::kNone, 4096}, "no kind"},
  };
  for (const Row& row : kRows) {
    BarDeclarations bars;
    bars[4] = {BarKind::kMem32, 4096};
    bars[row.index] = row.bar;
    const auto result = validate(bars);
    ASSERT_FALSE(result.has_value()) << row.part_of_sentence;
    EXPECT_EQ(result.error().name, ErrorName::kBadArgument);
    EXPECT_NE(result.error().sentence.find(row.part_of_sentence), std::string::npos) << result.error().sentence;
  }
}

}  // namespace
}  // namespace dartboard::model
