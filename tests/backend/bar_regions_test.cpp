// tests/backend/bar_regions_test.cpp - regions, holes, and how accesses are split.
#include "backend/bar_regions.h"

#include <array>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/platform.h"
#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RegionInfo info_of(PassthroughDevice& device, Region region) {
  const auto info = device.region_info(region);
  EXPECT_TRUE(info);
  return info ? *info : RegionInfo{};
}

TEST(Regions, SizesAreThoseOfTheDevice) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_EQ(info_of(*device, Region::kBar0).size, 1 * kMiB);
  EXPECT_EQ(info_of(*device, Region::kBar1).size, 0u) << "upper half";
  EXPECT_EQ(info_of(*device, Region::kBar5).size, 64 * kKiB);
  EXPECT_EQ(info_of(*device, Region::kConfig).size, 4096u);
  EXPECT_EQ(info_of(*device, Region::kRom).size, 0u);
  EXPECT_EQ(info_of(*device, Region::kVga).size, 0u);
  EXPECT_FALSE(device->region_info(static_cast<Region>(9)));
}

TEST(Regions, TheUpperHalfOfAWideBarIsNotAskedFor) {
  auto d = FakeDevice::usual();
  auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(d), {});
  ASSERT_TRUE(opened);
  for (const auto& call : d->calls) EXPECT_FALSE(call.name == "bar_info" && call.a == 1);
}

TEST(Regions, DirectAreaLeavesOutThePagesOfMsixTableAndPba) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  const uint64_t page = host_page_bytes();
  const auto info = info_of(*device, Region::kBar2);
  ASSERT_EQ(info.direct.size(), 3u);
  EXPECT_EQ(info.direct[0].offset, 0u);
  EXPECT_EQ(info.direct[0].size, 0x10000u);
  EXPECT_EQ(info.direct[1].offset, 0x10000 + page);
  EXPECT_EQ(info.direct[1].offset + info.direct[1].size, 0x20000u);
  EXPECT_EQ(info.direct[2].offset, 0x20000 + page);
  EXPECT_EQ(info.direct[2].base, d->bars[2].bytes() + 0x20000 + page);
}

TEST(Regions, RegistersHaveNoDirectArea) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_TRUE(info_of(*device, Region::kBar5).direct.empty());
}

TEST(Regions, ABarThatIsAllMsixHasNoDirectArea) {
  auto d = FakeDevice::usual();
  d->add_bar(2, 4 * kKiB, dext::BarType::kM32, true);
  d->put(0x74, 4, 0x00000002);
  d->put(0x78, 4, 0x00000802);
  auto device = open_fake(d);
  EXPECT_TRUE(info_of(*device, Region::kBar2).direct.empty());
  EXPECT_EQ(guest_read(*device, Region::kBar2, 0x0c, 4), 1u);
}

TEST(Regions, AShortMappingIsDirectOnlyWhereItIs) {
  auto d = FakeDevice::usual();
  d->bars[0].mapped_bytes = 64 * kKiB;
  auto device = open_fake(d);
  const auto info = info_of(*device, Region::kBar0);
  ASSERT_EQ(info.direct.size(), 1u);
  EXPECT_EQ(info.direct[0].size, 64 * kKiB);
  guest_read(*device, Region::kBar0, 64 * kKiB, 4);
  EXPECT_EQ(d->calls_to("mmio_read"), 1u);
}

TEST(Regions, IoAndImpossibleBarsAreLeftOut) {
  for (const auto& [size, type] :
       {std::pair{uint64_t{256}, dext::BarType::kIo}, std::pair{uint64_t{3000}, dext::BarType::kM32},
        std::pair{8 * kGiB, dext::BarType::kM32}, std::pair{uint64_t{4096}, static_cast<dext::BarType>(0x2)}}) {
    auto d = std::make_shared<FakeDevice>();
    d->add_bar(0, size, type, false);
    auto device = open_fake(d);
    EXPECT_EQ(info_of(*device, Region::kBar0).size, 0u) << size;
    EXPECT_EQ(cfg_read(*device, 0x10, 4), 0u) << size;
  }
}

TEST(Regions, AnMsixTableOutsideItsBarHidesTheCapability) {
  for (const uint32_t table : {0x0003fff8u | 2, 0x00000007u, 0x00000001u, 0x00020002u}) {
    auto d = FakeDevice::usual();
    d->put(0x74, 4, table);
    auto device = open_fake(d);
    EXPECT_EQ(cfg_read(*device, 0x50, 2), 0x9005u) << "MSI links to PCIe; table " << table;
    EXPECT_EQ(device->irq_info(IrqKind::kMsix)->count, 0u);
    EXPECT_GT(device->irq_info(IrqKind::kMsi)->count, 0u);
  }
}

struct SplitCase {
  uint64_t offset, length;
  std::vector<std::pair<uint64_t, unsigned>> calls;  // offset, width
};

TEST(Regions, AccessesAreSplitIntoNaturalWidths) {
  const SplitCase cases[] = {
      {0, 0, {}},
      {0, 1, {{0, 1}}},
      {0, 2, {{0, 2}}},
      {0, 3, {{0, 2}, {2, 1}}},
      {0, 4, {{0, 4}}},
      {0, 8, {{0, 8}}},
      {4, 8, {{4, 4}, {8, 4}}},
      {1, 4, {{1, 1}, {2, 2}, {4, 1}}},
      {1, 7, {{1, 1}, {2, 2}, {4, 4}}},
      {7, 10, {{7, 1}, {8, 8}, {16, 1}}},
      {8, 20, {{8, 8}, {16, 8}, {24, 4}}},
      {0xfffc, 4, {{0xfffc, 4}}},
      {0xffff, 1, {{0xffff, 1}}},
  };
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  for (const SplitCase& c : cases) {
    SCOPED_TRACE(testing::Message() << c.offset << "+" << c.length);
    std::vector<std::byte> data(c.length, std::byte{0x5a});
    d->calls.clear();
    ASSERT_TRUE(device->write(Region::kBar5, c.offset, data));
    ASSERT_TRUE(device->read(Region::kBar5, c.offset, data));
    std::vector<std::pair<uint64_t, unsigned>> reads, writes;
    for (const auto& call : d->calls) {
      auto& list = call.name == "mmio_read" ? reads : writes;
      list.emplace_back(call.b, static_cast<unsigned>(call.c));
    }
    EXPECT_EQ(reads, c.calls);
    EXPECT_EQ(writes, c.calls);
    for (const std::byte b : data) EXPECT_EQ(b, std::byte{0x5a});
  }
}

TEST(Regions, DirectAccessesMakeNoCalls) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  for (unsigned width = 1; width <= 8; ++width) {
    for (uint64_t offset = 0x1000; offset < 0x1008; ++offset) {
      guest_write(*device, Region::kBar0, offset, width, 0x8877665544332211);
      uint64_t expected = 0x8877665544332211;
      if (width < 8) expected &= (uint64_t{1} << (8 * width)) - 1;
      EXPECT_EQ(guest_read(*device, Region::kBar0, offset, width), expected);
      uint64_t stored = 0;
      std::memcpy(&stored, d->bars[0].bytes() + offset, width);
      EXPECT_EQ(stored, expected);
    }
  }
  EXPECT_THAT(d->calls, IsEmpty());
}

TEST(Regions, LargeDirectCopiesAreExactAtAnyOffset) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  std::vector<std::byte> out(1000), in(1000);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(i * 7);
  for (uint64_t offset = 0; offset < 16; ++offset) {
    ASSERT_TRUE(device->write(Region::kBar0, offset, out));
    ASSERT_TRUE(device->read(Region::kBar0, offset, in));
    EXPECT_EQ(in, out);
  }
}

TEST(Regions, AccessesToTheMsixPagesOutsideTheTableReachTheDevice) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  guest_read(*device, Region::kBar2, 0x10100, 4);  // 16 entries end at 0x10100
  EXPECT_EQ(d->calls_to("mmio_read"), 1u);
}

TEST(Regions, AnAccessAcrossDirectTableAndCallsIsSplitAtTheBorders) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  std::vector<std::byte> data(0x110);
  ASSERT_TRUE(device->read(Region::kBar2, 0xfff8, data));
  ASSERT_EQ(d->calls.size(), 1u) << "8 bytes direct, 256 shadow, 8 by one call";
  EXPECT_EQ(d->calls[0].b, 0x10100u);
  EXPECT_EQ(data[8 + 12], std::byte{1}) << "entry 0 is masked";
}

TEST(Regions, AnAccessThatRunsIntoATableInTheMiddleOfAPageIsSplit) {
  auto d = FakeDevice::usual();
  d->put(0x74, 4, 0x00010102);
  auto device = open_fake(d);
  std::vector<std::byte> data(24);
  ASSERT_TRUE(device->write(Region::kBar2, 0x100f8, data));
  ASSERT_EQ(d->calls.size(), 1u) << "8 bytes by one call, then the shadow";
  EXPECT_EQ(d->calls[0].b, 0x100f8u);
  EXPECT_EQ(guest_read(*device, Region::kBar2, 0x1010c, 4), 0u) << "the guest unmasked entry 0";
}

TEST(Regions, TheMsixTableNeverReachesTheDevice) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  const auto before = d->bars[2].words;
  for (uint64_t offset = 0x10000; offset < 0x10100; offset += 4) {
    guest_write(*device, Region::kBar2, offset, 4, 0xffffffff);
  }
  for (uint64_t offset = 0x20000; offset < 0x20008; ++offset) guest_write(*device, Region::kBar2, offset, 1, 0xff);
  EXPECT_THAT(d->calls, IsEmpty());
  EXPECT_EQ(d->bars[2].words, before);
}

TEST(Regions, EndsAreOutOfRange) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  struct Case {
    Region region;
    uint64_t offset;
    size_t length;
  };
  std::array<std::byte, 16> data{};
  for (const Case c :
       {Case{Region::kBar0, kMiB - 3, 4}, Case{Region::kBar0, kMiB, 1}, Case{Region::kBar0, ~uint64_t{0}, 4},
        Case{Region::kBar0, ~uint64_t{0} - 3, 4}, Case{Region::kBar5, 0xfffd, 4}, Case{Region::kBar1, 0, 4},
        Case{Region::kBar2, ~uint64_t{0} - 7, 8}, Case{Region::kRom, 0, 4}, Case{Region::kVga, 0, 1}}) {
    const auto read = device->read(c.region, c.offset, std::span(data).first(c.length));
    ASSERT_FALSE(read) << c.offset;
    EXPECT_EQ(read.error().name, ErrorName::kOutOfRange);
    const auto written = device->write(c.region, c.offset, std::span<const std::byte>(data).first(c.length));
    ASSERT_FALSE(written) << c.offset;
    EXPECT_EQ(written.error().name, ErrorName::kOutOfRange);
  }
  EXPECT_THAT(d->calls, IsEmpty());
}

TEST(Regions, AFailedReadIsAnErrorAndAllOnes) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->fail_at = 2;
  std::array<std::byte, 16> data{};
  const auto read = device->read(Region::kBar5, 0, data);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().name, ErrorName::kCallFailed);
  EXPECT_EQ(read.error().io_return, io_return::kIOError);
  EXPECT_NE(read.error().sentence.find("BAR5"), std::string::npos);
  for (size_t i = 8; i < 16; ++i) EXPECT_EQ(data[i], std::byte{0xff});
}

TEST(Regions, GuestCommandDoesNotGateAccesses) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0004);  // bus master, no memory: what a recorded AMD driver does
  guest_write(*device, Region::kBar5, 0x100, 4, 0x1234);
  EXPECT_EQ(guest_read(*device, Region::kBar5, 0x100, 4), 0x1234u);
  guest_write(*device, Region::kBar0, 0x100, 4, 0x5678);
  EXPECT_EQ(guest_read(*device, Region::kBar0, 0x100, 4), 0x5678u);
}

TEST(Regions, AGoneDeviceReadsAllOnesWithoutTouchingItsMapping) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  guest_write(*device, Region::kBar0, 0, 4, 0x1234);
  d->unplug();
  d->calls.clear();
  EXPECT_EQ(guest_read(*device, Region::kBar0, 0, 4), 0xffffffffu);
  EXPECT_EQ(guest_read(*device, Region::kBar0, 1, 2), 0xffffu);
  EXPECT_EQ(guest_read(*device, Region::kBar5, 0, 8), ~uint64_t{0});
  EXPECT_EQ(guest_read(*device, Region::kBar2, 0x1000c, 4), 0xffffffffu);
  EXPECT_EQ(cfg_read(*device, 0, 4), 0xffffffffu);
  guest_write(*device, Region::kBar0, 0, 4, 0);
  guest_write(*device, Region::kBar5, 0, 4, 0);
  cfg_write(*device, 4, 2, 6);
  EXPECT_EQ(d->bars[0].words[0] & 0xffffffff, 0x1234u);
  EXPECT_THAT(d->calls, IsEmpty());
}

TEST(Regions, ADeviceFoundGoneByACallReadsAllOnes) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  d->fail_at = 1;
  d->fail_with = io_return::kNoDevice;
  EXPECT_EQ(guest_read(*device, Region::kBar5, 0, 4), 0xffffffffu);
}

}  // namespace
}  // namespace dartboard::backend
