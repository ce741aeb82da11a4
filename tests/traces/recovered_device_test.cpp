// tests/traces/recovered_device_test.cpp - BARs, identity and MSI-X out of accesses.
#include "traces/import/recovered_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/types.h"

namespace dartboard::traces {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Described {
  DeviceDescription device;
  std::vector<std::string> notes;
};
Described describe(const RecoveredDevice& recovered) {
  Described out;
  out.device = recovered.describe("device", &out.notes);
  return out;
}
/// What firmware does with a BAR register.
void size_bar(RecoveredDevice* d, unsigned bar, uint32_t first, uint32_t mask) {
  const uint64_t at = 0x10 + 4 * bar;
  d->config_read(at, 4, first);
  d->config_write(at, 4, 0xffffffff);
  d->config_read(at, 4, mask);
  d->config_write(at, 4, first);
}

TEST(RecoveredDevice, SizingShowsWhatABarIs) {
  struct {
    uint32_t first, mask, upper_mask;
    uint64_t size;
    bool is_64bit, prefetchable;
  } const cases[] = {
      {0x0, 0xffffc000, 0, 16 * kKiB, false, false},   {0x8, 0xfc000008, 0, 64 * kMiB, false, true},
      {0x4, 0xffffff04, 0xffffffff, 256, true, false}, {0xc, 0x0000000c, 0xfffffffc, 16 * kGiB, true, true},
      {0x1, 0xffffffe1, 0, 32, false, false},   // I/O
      {0x1, 0x0000ff01, 0, 256, false, false},  // I/O with 16 bits
      {0x0, 0x00000000, 0, 0, false, false},
  };
  for (const auto& c : cases) {
    RecoveredDevice d;
    size_bar(&d, 2, c.first, c.mask);
    size_bar(&d, 3, 0, c.upper_mask);
    const BarDescription bar = describe(d).device.bars[2];
    EXPECT_EQ(bar.size, c.size) << std::hex << c.mask;
    EXPECT_EQ(bar.is_64bit, c.is_64bit) << std::hex << c.mask;
    EXPECT_EQ(bar.prefetchable, c.prefetchable) << std::hex << c.mask;
    EXPECT_EQ(bar.kind, c.size == 0 ? BarKind::kAbsent : BarKind::kRegisters);
    EXPECT_FALSE(describe(d).device.has_bar(3));
    EXPECT_EQ(describe(d).device.config.value(0x18, 4), c.first);
  }
}

TEST(RecoveredDevice, AMaskThatIsSeenFirstIsNoAddress) {
  RecoveredDevice d;
  d.config_write(0x10, 4, 0xffffffff);
  d.config_read(0x10, 4, 0xfc000008);
  EXPECT_EQ(describe(d).device.config.value(0x10, 4), 0x8u);
  EXPECT_EQ(describe(d).device.bars[0].size, 64 * kMiB);
}

TEST(RecoveredDevice, TheBestSourceOfASizeWins) {
  RecoveredDevice d;
  d.bar_access(0, 0x100, 4);
  EXPECT_EQ(describe(d).device.bars[0].size, 0x200u);
  EXPECT_THAT(describe(d).notes, Contains(HasSubstr("BAR0: its size is not shown; 0x200 bytes")));
  d.bar_mapped(0, 0xfe000000, 0x1000);
  EXPECT_EQ(describe(d).device.bars[0].size, 0x1000u);
  EXPECT_THAT(describe(d).notes, Not(Contains(HasSubstr("its size is not shown"))));
  size_bar(&d, 0, 0, 0xffffe000);
  EXPECT_EQ(describe(d).device.bars[0].size, 0x2000u);
  d.bar_size(0, 0x4000);
  EXPECT_EQ(describe(d).device.bars[0].size, 0x4000u);
}

TEST(RecoveredDevice, AnAccessBeyondTheSizeMakesItLargerAndIsNoted) {
  RecoveredDevice d;
  d.bar_size(0, 0x100);
  d.bar_access(0, 0x1fc, 4);
  EXPECT_EQ(describe(d).device.bars[0].size, 0x200u);
  EXPECT_THAT(describe(d).notes, Contains(HasSubstr("BAR0: its size is not shown")));
}

TEST(RecoveredDevice, ABarOverTwoGibibytesNeedsTwoRegisters) {
  RecoveredDevice d;
  d.bar_size(0, 16 * kGiB);
  d.bar_size(1, 0);
  EXPECT_TRUE(describe(d).device.bars[0].is_64bit);
  EXPECT_THAT(describe(d).notes, Contains(HasSubstr("taken to be a 64-bit BAR")));
}

TEST(RecoveredDevice, KnowsWhereABarLies) {
  RecoveredDevice d;
  size_bar(&d, 0, 0xc, 0xffffc00c);
  size_bar(&d, 1, 0x0, 0xffffffff);
  EXPECT_EQ(d.range(0).size, 0u);
  d.config_write(0x10, 4, 0xfe000000);
  d.config_write(0x14, 4, 0x80);
  EXPECT_EQ(d.range(0).address, 0x80'fe000000u);
  EXPECT_EQ(d.range(0).size, 16 * kKiB);
  EXPECT_EQ(d.range(1).size, 0u);
  d.bar_mapped(0, 0x1000, 0x4000);
  EXPECT_EQ(d.range(0).address, 0x1000u);
}

TEST(RecoveredDevice, AnswersWithoutMemoryDecodingAreNoted) {
  RecoveredDevice d;
  d.config_write(0x04, 2, 0x6);
  d.bar_access(0, 0, 4);
  EXPECT_TRUE(describe(d).device.memory_decode_gated_by_command);
  d.reset();
  d.bar_access(0, 0, 4);
  EXPECT_FALSE(describe(d).device.memory_decode_gated_by_command);
}

TEST(RecoveredDevice, MsixIsReadFromItsCapability) {
  RecoveredDevice d;
  d.config_read(0x34, 1, 0x50);
  d.config_read(0x50, 2, 0x7001);  // power management first
  d.config_read(0x70, 4, 0x803f'0011);
  d.config_read(0x74, 4, 0x0000'2004);
  d.config_read(0x78, 4, 0x0000'3004);
  EXPECT_EQ(describe(d).device.msix, (MsixDescription{64, 4, 4, 0x2000, 0x3000}));
}

TEST(RecoveredDevice, MsixThatOnlyTheRecorderTellsLacksItsPendingBits) {
  RecoveredDevice d;
  d.msix_table(4, 0x2000, 8);
  d.bar_size(4, 0x4000);
  EXPECT_EQ(describe(d).device.msix, (MsixDescription{8, 4, 4, 0x2000, 0x2080}));
  EXPECT_THAT(describe(d).notes, Contains(HasSubstr("pending bits")));
}

TEST(RecoveredDevice, ACapabilityListThatRunsInCirclesEnds) {
  RecoveredDevice d;
  d.config_read(0x34, 1, 0x50);
  d.config_read(0x50, 2, 0x5001);
  EXPECT_EQ(describe(d).device.msix.entries, 0u);
}

}  // namespace
}  // namespace dartboard::traces
