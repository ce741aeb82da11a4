// tests/dma/mapper_test.cpp - the mapper of an open device: what quiescing does to the command register.
#include "backend/dma/mapper.h"

#include <gtest/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend::dma {
namespace {

struct Rig {
  std::shared_ptr<FakeDevice> d = FakeDevice::usual();
  Budget budget{.bytes_max = kMiB, .mappings_max = 4, .page_bytes = 16 * kKiB};
  std::unique_ptr<PassthroughDevice> device = open_fake(d, budget);
  DeviceMapper mapper{*device, budget};
  void bus_master_on() {
    const std::array<std::byte, 2> command{std::byte{0x06}, std::byte{0}};
    ASSERT_TRUE(device->write(Region::kConfig, 4, command));
    ASSERT_TRUE(d->bus_master());
  }
};

TEST(DeviceMapper, QuiesceTakesBusMasterAndNothingElse) {
  Rig rig;
  rig.bus_master_on();
  ASSERT_TRUE(rig.mapper.quiesce());
  EXPECT_FALSE(rig.d->bus_master());
  EXPECT_EQ(rig.d->config[4] & 0x02, 0x02) << "memory space stays on";
  EXPECT_TRUE(rig.mapper.quiesce()) << "twice is quiet too";
}

TEST(DeviceMapper, QuiesceReadsAfterItWrote) {
  Rig rig;
  rig.bus_master_on();
  rig.d->calls.clear();
  ASSERT_TRUE(rig.mapper.quiesce());
  ASSERT_FALSE(rig.d->calls.empty());
  EXPECT_EQ(rig.d->calls.back().name, "config_read") << "a read pushes what the device posted before";
}

TEST(DeviceMapper, ADeviceThatIsGoneIsQuiet) {
  Rig rig;
  rig.d->unplug();
  rig.device->pump();
  EXPECT_TRUE(rig.mapper.quiesce());
}

TEST(DeviceMapper, MapsThroughTheDevicesAccount) {
  Rig rig;
  alignas(16384) static std::byte memory[16384];
  const auto mapped = rig.mapper.map(7, memory, sizeof memory);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(rig.mapper.use().mappings, 1u);
  EXPECT_EQ(rig.mapper.use().bytes, 16384u);
  EXPECT_EQ(rig.mapper.budget().mappings_max, 4u);
  ASSERT_TRUE(rig.mapper.unmap(7));
  const auto buffer = rig.mapper.allocate_buffer(kMiB + 1, 0);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().name, ErrorName::kBudgetBytes);
  EXPECT_EQ(rig.mapper.free_buffer().error().name, ErrorName::kNotFound);
  EXPECT_EQ(rig.mapper.use().bytes, 0u);
}

}  // namespace
}  // namespace dartboard::backend::dma
