// tests/backend/config_virtualisation_test.cpp - configuration space through the guest's eyes.
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/config_policy.h"
#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Config, CommandStartsAtZeroWhateverClaimSet) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 4, 2), 0u);
}

TEST(Config, OpenSwitchesBusMasterOffAndLeavesMemoryOn) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_EQ(d->config[4] & 0x6, 0x2);
}

TEST(Config, CommandIsForwardedByteWise) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0406);
  EXPECT_EQ(cfg_read(*device, 4, 2), 0x0406u);
  EXPECT_THAT(d->config_writes(), ElementsAre("0x4/1=0x6"));
}

TEST(Config, ClearingBusMasterReachesTheDevice) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0006);
  EXPECT_TRUE(d->bus_master());
  cfg_write(*device, 4, 2, 0x0002);
  EXPECT_FALSE(d->bus_master());
}

TEST(Config, StatusErrorBitsAreNotCleared) {
  auto d = FakeDevice::usual();
  d->put(6, 2, 0xf910);
  auto device = open_fake(d);
  cfg_write(*device, 6, 2, 0xffff);
  cfg_write(*device, 4, 4, 0xffff0000);
  EXPECT_EQ(d->get(6, 2), 0xf910u);
}

struct SizingCase {
  const char* name;
  uint64_t size;
  dext::BarType type;
  uint32_t low, high;
};

TEST(Config, BarsSizeFromGetBarInfo) {
  using dext::BarType;
  const SizingCase cases[] = {
      {"16 bytes", 16, BarType::kM32, 0xfffffff0, 0},
      {"4 KiB", 4 * kKiB, BarType::kM32, 0xfffff000, 0},
      {"2 GiB", 2 * kGiB, BarType::kM32Prefetchable, 0x80000008, 0},
      {"1 MiB wide", 1 * kMiB, BarType::kM64, 0xfff00004, 0xffffffff},
      {"4 GiB wide", 4 * kGiB, BarType::kM64Prefetchable, 0x0000000c, 0xffffffff},
      {"64 GiB wide", 64 * kGiB, BarType::kM64Prefetchable, 0x0000000c, 0xfffffff0},
  };
  for (const SizingCase& c : cases) {
    SCOPED_TRACE(c.name);
    auto d = std::make_shared<FakeDevice>();
    d->add_bar(0, c.size, c.type, false);
    auto device = open_fake(d);
    EXPECT_EQ(cfg_read(*device, 0x10, 4), c.low & 0xf) << "address zero before firmware ran";
    cfg_write(*device, 0x10, 4, 0xffffffff);
    cfg_write(*device, 0x14, 4, 0xffffffff);
    EXPECT_EQ(cfg_read(*device, 0x10, 4), c.low);
    EXPECT_EQ(cfg_read(*device, 0x14, 4), c.high);
    EXPECT_THAT(d->config_writes(), IsEmpty());
  }
}

TEST(Config, BarKeepsTheGuestsAddressThroughByteWrites) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0x13, 1, 0xe0);
  cfg_write(*device, 0x12, 1, 0x1f);
  EXPECT_EQ(cfg_read(*device, 0x10, 4), 0xe010000cu) << "1 MiB: bits 19:4 stay zero";
}

TEST(Config, AbsentBarsReadZero) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0x1c, 4, 0xffffffff);
  EXPECT_EQ(cfg_read(*device, 0x1c, 4), 0u);
}

TEST(Config, ListsAreRelinkedAroundHiddenCapabilities) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x100, 4), 0x16020001u) << "AER skips ATS";
  EXPECT_EQ(cfg_read(*device, 0x150, 4), 0u) << "ATS";
  EXPECT_EQ(cfg_read(*device, 0x160, 4), 0x1b010003u) << "DSN skips SR-IOV";
  EXPECT_EQ(cfg_read(*device, 0x1b0, 4), 0x00010015u) << "ReBAR is last without PASID";
}

TEST(Config, HiddenCapabilitiesSwallowWrites) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0x154, 4, 0x80000000);
  cfg_write(*device, 0x178, 4, 0x00000001);
  EXPECT_THAT(d->config_writes(), IsEmpty());
}

TEST(Config, AHiddenCapabilityAt0x100LeavesALink) {
  auto d = FakeDevice::usual();
  d->put(0x100, 4, 0x1601000f);  // ATS first, then DSN
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x100, 4), 0x16000000u);
}

TEST(Config, ResizableBarOffersItsCurrentSizeOnly) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x1b4, 4), 1u << 12);
  cfg_write(*device, 0x1b8, 4, 0x00000f20);
  EXPECT_EQ(cfg_read(*device, 0x1b8, 4), 0x00000820u);
  EXPECT_THAT(d->config_writes(), IsEmpty());
}

TEST(Config, VendorCapabilityIsForwardedBehindItsLength) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0xd0, 4, 0x55ffffff);
  cfg_write(*device, 0xd4, 4, 0x12345678);
  EXPECT_THAT(d->config_writes(), ElementsAre("0xd3/1=0x55", "0xd4/4=0x12345678"));
}

TEST(Config, DeviceSpecificBytesAreForwarded) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0x48, 2, 0xbeef);
  EXPECT_THAT(d->config_writes(), ElementsAre("0x48/2=0xbeef"));
}

TEST(Config, ExtendedBytesOfNoCapabilityAreReadOnly) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0x800, 4, 0x1);
  EXPECT_THAT(d->config_writes(), IsEmpty());
}

TEST(Config, MaxPayloadAndReadRequestStartAtDefaultsAndStayVirtual) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x98, 2), 0x2810u);
  cfg_write(*device, 0x98, 2, 0x5850);
  EXPECT_EQ(cfg_read(*device, 0x98, 2), 0x5850u);
  EXPECT_EQ(d->get(0x98, 2), 0x2950u);
}

TEST(Config, GuestFlrClimbsTheResetLadder) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0006);
  cfg_write(*device, 0x10, 4, 0xe0000000);
  cfg_write(*device, 0x98, 2, 0x8000);
  EXPECT_EQ(d->calls_to("reset"), 1u);
  EXPECT_EQ(cfg_read(*device, 4, 2), 0u);
  EXPECT_EQ(cfg_read(*device, 0x10, 4), 0xcu);
  EXPECT_EQ(cfg_read(*device, 0x98, 2), 0x2810u);
  EXPECT_FALSE(d->bus_master());
}

TEST(Config, GuestFlrByItsByteAloneClimbsTheLadder) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0x99, 1, 0x80);
  EXPECT_EQ(d->calls_to("reset"), 1u);
}

TEST(Config, FlrBitDoesNothingWithoutTheCapability) {
  auto d = FakeDevice::usual();
  d->put(0x94, 4, 0x00008fc1);
  auto device = open_fake(d);
  cfg_write(*device, 0x98, 2, 0x8000);
  EXPECT_EQ(d->calls_to("reset"), 0u);
}

TEST(Config, AdvancedFeaturesFlrClimbsTheLadder) {
  auto d = std::make_shared<FakeDevice>();
  d->put(0x06, 2, 0x10);
  d->put(0x34, 1, 0x40);
  d->put(0x40, 4, 0x03060013);
  auto device = open_fake(d);
  cfg_write(*device, 0x44, 1, 1);
  EXPECT_EQ(d->calls_to("reset"), 1u);
}

TEST(Config, FailedGuestFlrIsAnErrorWithTheGuestsViewReset) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0006);
  d->reset_fails = true;
  const std::array<std::byte, 2> flr{std::byte{0}, std::byte{0x80}};
  const auto written = device->write(Region::kConfig, 0x98, flr);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().name, ErrorName::kResetFailed);
  EXPECT_EQ(cfg_read(*device, 4, 2), 0u);
}

TEST(Config, D3hotIsVirtualAndHoldsBusMasterBack) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0006);
  cfg_write(*device, 0x44, 2, 0x0003);
  EXPECT_EQ(cfg_read(*device, 0x44, 2), 0x000bu) << "D3hot, No_Soft_Reset";
  EXPECT_FALSE(d->bus_master());
  cfg_write(*device, 4, 2, 0x0006);
  EXPECT_FALSE(d->bus_master()) << "not while asleep";
  cfg_write(*device, 0x44, 2, 0x0000);
  EXPECT_TRUE(d->bus_master());
  EXPECT_EQ(d->get(0x44, 2), 0u) << "the device stayed in D0";
}

TEST(Config, UnsupportedPowerStatesAreDiscarded) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 0x44, 2, 0x0001);
  EXPECT_EQ(cfg_read(*device, 0x44, 2) & 3, 0u);
}

TEST(Config, MsixTableSizeShrinksToTheVectorsWeGot) {
  auto d = FakeDevice::usual();
  d->vectors = 5;
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x72, 2), 4u) << "16 entries, 5 vectors";
}

TEST(Config, MsiOffersAPowerOfTwoWithinTheVectorsWeGot) {
  auto d = FakeDevice::usual();
  d->vectors = 5;
  auto device = open_fake(d);
  EXPECT_EQ((cfg_read(*device, 0x52, 2) >> 1) & 7, 2u) << "8 capable, 5 vectors: 4";
}

TEST(Config, WithoutVectorsNoInterruptCapabilityIsShown) {
  auto d = FakeDevice::usual();
  d->vectors = 0;
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x40, 2), 0x9001u) << "PM links to PCIe";
  EXPECT_EQ(cfg_read(*device, 0x3d, 1), 0u) << "no pin";
  cfg_write(*device, 0x54, 4, 0xfffff000);
  EXPECT_THAT(d->config_writes(), IsEmpty()) << "hidden MSI is still not forwarded";
}

TEST(Config, AccessesOfEveryOffsetAndLengthAgreeWithByteReads) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  for (unsigned offset = 0; offset < 0x130; ++offset) {
    for (unsigned length = 0; length <= 9; ++length) {
      std::array<std::byte, 9> whole{};
      ASSERT_TRUE(device->read(Region::kConfig, offset, std::span(whole).first(length)));
      for (unsigned i = 0; i < length; ++i) {
        ASSERT_EQ(static_cast<uint32_t>(whole[i]), cfg_read(*device, offset + i, 1)) << offset << "+" << i;
      }
    }
  }
}

TEST(Config, PiecesSentToTheDeviceAreNaturallyAligned) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  std::array<std::byte, 64> data{};
  for (unsigned offset = 0xc0; offset < 0xd0; ++offset) {
    for (unsigned length = 1; length <= 16; ++length) {
      ASSERT_TRUE(device->read(Region::kConfig, offset, std::span(data).first(length)));
      ASSERT_TRUE(device->write(Region::kConfig, offset, std::span<const std::byte>(data).first(length)));
    }
  }
  for (const auto& call : d->calls) {
    if (call.name == "config_read" || call.name == "config_write") {
      ASSERT_TRUE(call.b == 1 || call.b == 2 || call.b == 4) << call.a;
      ASSERT_EQ(call.a % call.b, 0u);
    }
  }
}

TEST(Config, PastTheEndIsOutOfRange) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  struct Case {
    uint64_t offset;
    size_t length;
  };
  std::vector<std::byte> data(8192);
  for (const Case c : {Case{4096, 1}, Case{4095, 2}, Case{0, 4097}, Case{~uint64_t{0}, 1}, Case{~uint64_t{0} - 3, 8}}) {
    const auto read = device->read(Region::kConfig, c.offset, std::span(data).first(c.length));
    ASSERT_FALSE(read) << c.offset;
    EXPECT_EQ(read.error().name, ErrorName::kOutOfRange);
    const auto written = device->write(Region::kConfig, c.offset, std::span<const std::byte>(data).first(c.length));
    ASSERT_FALSE(written) << c.offset;
    EXPECT_EQ(written.error().name, ErrorName::kOutOfRange);
  }
}

TEST(Config, ConventionalDeviceHasNoExtendedSpace) {
  auto d = std::make_shared<FakeDevice>();
  d->put(0x100, 4, 0x12345678);
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x100, 4), 0xffffffffu);
  cfg_write(*device, 0x100, 4, 1);
  EXPECT_THAT(d->config_writes(), IsEmpty());
}

TEST(Config, FailedForwardLeavesTheGuestsViewAsItWas) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->fail_at = 2;  // Command: read, then write
  const std::array<std::byte, 2> on{std::byte{6}, std::byte{0}};
  const auto written = device->write(Region::kConfig, 4, on);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().io_return, io_return::kIOError);
  EXPECT_EQ(cfg_read(*device, 4, 2), 0u);
}

TEST(Config, AFunctionInResetIsNotWrittenOnes) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  for (unsigned i = 0; i < 64; ++i) d->config[i] = 0xff;  // children in reset read all-ones
  cfg_write(*device, 4, 2, 0x0006);
  EXPECT_THAT(d->config_writes(), IsEmpty());
}

TEST(Config, BridgesAreRefused) {
  auto d = std::make_shared<FakeDevice>();
  d->put(0x0e, 1, 1);
  const auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(d), {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().name, ErrorName::kNotSupported);
}

TEST(Config, ADeviceThatReadsAllOnesIsGone) {
  auto d = std::make_shared<FakeDevice>();
  d->config.fill(0xff);
  const auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(d), {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().name, ErrorName::kDeviceGone);
}

TEST(Config, MultiFunctionBitIsNotShown) {
  auto d = std::make_shared<FakeDevice>();
  d->put(0x0e, 1, 0x80);
  auto device = open_fake(d);
  EXPECT_EQ(cfg_read(*device, 0x0e, 1), 0u);
}

}  // namespace
}  // namespace dartboard::backend
