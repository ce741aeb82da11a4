// tests/backend/reset_ladder_test.cpp - resets end, one way or the other, and leave a known state.
#include "backend/reset_ladder.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

using testing::HasSubstr;

TEST(Reset, QuiescesBeforeItResets) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0006);
  d->calls.clear();
  ASSERT_TRUE(device->reset());
  const auto off = std::find_if(d->calls.begin(), d->calls.end(), [](const auto& call) {
    return call.name == "config_write" && call.a == 4 && (call.c & 4) == 0;
  });
  const auto reset =
      std::find_if(d->calls.begin(), d->calls.end(), [](const auto& call) { return call.name == "reset"; });
  ASSERT_NE(off, d->calls.end());
  ASSERT_NE(reset, d->calls.end());
  EXPECT_LT(off - d->calls.begin(), reset - d->calls.begin());
}

TEST(Reset, LeavesTheStateOfOpen) {
  auto d = FakeDevice::usual();
  auto fresh = open_fake(d);
  std::vector<std::byte> before(4096), after(4096);
  ASSERT_TRUE(fresh->read(Region::kConfig, 0, before));
  for (uint32_t at = 0; at < 4096; at += 4) {
    if (at == 0x98) continue;  // not the FLR bit: this is about reset()
    cfg_write(*fresh, at, 4, 0xa5a5a5a5);
  }
  ASSERT_TRUE(fresh->reset());
  ASSERT_TRUE(fresh->read(Region::kConfig, 0, after));
  EXPECT_EQ(before, after);
  EXPECT_EQ(d->config[4] & 6, 2) << "the device, too: memory on, bus master off";
}

TEST(Reset, WaitsForADeviceThatIsSlowToAnswer) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->silent_polls_after_reset = kResetPollsMax - 1;
  EXPECT_TRUE(device->reset());
}

TEST(Reset, GivesADeviceUpThatNeverAnswers) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->silent_polls_after_reset = 1000000;
  const auto reset = device->reset();
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().name, ErrorName::kResetFailed);
  EXPECT_THAT(reset.error().sentence, HasSubstr("does not answer"));
  EXPECT_LE(d->calls.size(), kResetPollsMax + 8u) << "bounded";
}

TEST(Reset, WhenBothRungsFailItSaysSo) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0006);
  d->reset_fails = true;
  const auto reset = device->reset();
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().name, ErrorName::kResetFailed);
  EXPECT_EQ(reset.error().io_return, io_return::kTimeout);
  EXPECT_THAT(reset.error().sentence, HasSubstr("function-level and hot"));
  EXPECT_EQ(cfg_read(*device, 4, 2), 0u);
  EXPECT_FALSE(d->bus_master()) << "no DMA from a device in an unknown state";
}

TEST(Reset, AfterAFailureItCanSucceed) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->reset_fails = true;
  ASSERT_FALSE(device->reset());
  d->reset_fails = false;
  EXPECT_TRUE(device->reset());
}

TEST(Reset, OfAGoneDeviceIsDeviceGone) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->unplug();
  d->calls.clear();
  const auto reset = device->reset();
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().name, ErrorName::kDeviceGone);
  EXPECT_TRUE(d->calls.empty());
}

TEST(Reset, ADifferentDeviceAfterResetIsAFailure) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->reset_config[0] = 0x86;
  d->reset_config[1] = 0x80;
  const auto reset = device->reset();
  ASSERT_FALSE(reset);
  EXPECT_THAT(reset.error().sentence, HasSubstr("0x8086"));
}

}  // namespace
}  // namespace dartboard::backend
