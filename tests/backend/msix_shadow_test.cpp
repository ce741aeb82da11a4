// tests/backend/msix_shadow_test.cpp - the table and PBA a guest sees.
#include "backend/msix_shadow.h"

#include <gtest/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

constexpr uint64_t kTable = 0x10000, kPba = 0x20000;

struct Guest {
  std::shared_ptr<FakeDevice> d = FakeDevice::usual();
  std::unique_ptr<PassthroughDevice> device = open_fake(d);
  std::vector<uint32_t> got;

  void assign(uint32_t start, uint32_t count) {
    const std::vector<IrqSink> sinks(count, [this](uint32_t vector) { got.push_back(vector); });
    EXPECT_TRUE(device->set_irqs(IrqKind::kMsix, IrqAction::kTrigger, start, count, sinks));
  }
  void raise(uint32_t vector) {
    d->raise(vector);
    device->pump();
  }
  void mask(uint32_t vector, bool masked) {
    guest_write(*device, Region::kBar2, kTable + 16 * vector + 12, 4, masked ? 1 : 0);
  }
};

TEST(MsixShadow, EntriesStartMaskedAndHoldWhatTheGuestWrites) {
  Guest g;
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kTable + 12, 4), 1u);
  guest_write(*g.device, Region::kBar2, kTable + 16, 8, 0x1'fee00003);
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kTable + 16, 8), 0x1'fee00000u) << "address bits 1:0 are zero";
  guest_write(*g.device, Region::kBar2, kTable + 28, 4, 0xffffffff);
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kTable + 28, 4), 1u) << "only Mask exists";
}

TEST(MsixShadow, MaskedVectorIsPendingInThePbaAndDeliveredOnUnmask) {
  Guest g;
  g.assign(0, 8);
  g.mask(3, true);
  g.raise(3);
  g.raise(3);
  EXPECT_TRUE(g.got.empty());
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kPba, 8), 8u);
  g.mask(3, false);
  EXPECT_EQ(g.got, std::vector<uint32_t>{3}) << "coalesced";
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kPba, 8), 0u);
}

TEST(MsixShadow, FunctionMaskHoldsEveryVector) {
  Guest g;
  g.assign(0, 8);
  cfg_write(*g.device, 0x72, 2, 0xc000);
  g.raise(1);
  g.raise(2);
  EXPECT_TRUE(g.got.empty());
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kPba, 1), 6u);
  cfg_write(*g.device, 0x72, 2, 0x8000);
  EXPECT_EQ(g.got, (std::vector<uint32_t>{1, 2}));
}

TEST(MsixShadow, AnUntouchedEntryDoesNotBlock) {
  Guest g;
  g.assign(0, 8);
  g.raise(5);
  EXPECT_EQ(g.got, std::vector<uint32_t>{5}) << "a VMM that emulates the table itself never writes it";
}

TEST(MsixShadow, ResetMasksAgainAndForgets) {
  Guest g;
  g.assign(0, 8);
  guest_write(*g.device, Region::kBar2, kTable, 4, 0xfee00000);
  g.mask(0, true);
  ASSERT_TRUE(g.device->reset());
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kTable, 4), 0u);
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kTable + 12, 4), 1u);
  g.assign(0, 1);
  g.raise(0);
  EXPECT_EQ(g.got, std::vector<uint32_t>{0});
}

TEST(MsixShadow, EntriesBeyondTheVectorsWeGotAreStillShadow) {
  Guest g;  // 16 entries, 8 vectors
  guest_write(*g.device, Region::kBar2, kTable + 16 * 15, 4, 0x1000);
  EXPECT_EQ(guest_read(*g.device, Region::kBar2, kTable + 16 * 15, 4), 0x1000u);
  EXPECT_TRUE(g.d->calls.empty());
}

TEST(MsixShadow, MsiMaskBitsHoldAndReleaseVectors) {
  Guest g;
  const std::vector<IrqSink> sinks(4, [&g](uint32_t vector) { g.got.push_back(vector); });
  ASSERT_TRUE(g.device->set_irqs(IrqKind::kMsi, IrqAction::kTrigger, 0, 4, sinks));
  cfg_write(*g.device, 0x60, 4, 0x4);
  g.raise(2);
  g.raise(1);
  EXPECT_EQ(g.got, std::vector<uint32_t>{1});
  EXPECT_EQ(cfg_read(*g.device, 0x64, 4), 4u) << "pending bits";
  cfg_write(*g.device, 0x60, 4, 0);
  EXPECT_EQ(g.got, (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(cfg_read(*g.device, 0x64, 4), 0u);
}

}  // namespace
}  // namespace dartboard::backend
