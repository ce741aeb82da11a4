// tests/dma/host_budget_test.cpp - several devices, one host: what one maps another cannot.
#include "backend/dma/host_budget.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/passthrough_device.h"
#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

constexpr uint64_t kPage = 16 * kKiB;

void* memory(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

struct Host {
  explicit Host(const Budget& all,
                const Budget& each = {.bytes_max = 16 * kPage, .mappings_max = 4, .page_bytes = kPage})
      : budget(std::make_shared<HostBudget>(all)) {
    for (int i = 0; i < 2; ++i) {
      fakes.push_back(FakeDevice::usual());
      auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(fakes.back()), each, budget);
      EXPECT_TRUE(opened);
      devices.push_back(std::move(*opened));
    }
  }
  std::shared_ptr<HostBudget> budget;
  std::vector<std::shared_ptr<FakeDevice>> fakes;
  std::vector<std::unique_ptr<PassthroughDevice>> devices;
};

TEST(HostBudget, WhatOneDeviceMapsAnotherCannot) {
  Host host({.bytes_max = 20 * kPage, .mappings_max = 100});
  ASSERT_TRUE(host.devices[0]->dma_map(1, memory(0x100000), 12 * kPage));
  const auto refused = host.devices[1]->dma_map(1, memory(0x100000), 9 * kPage);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().name, ErrorName::kBudgetBytes);
  for (const char* part :
       {"host's byte budget is 320 KiB", "192 KiB are mapped", "144 KiB more", "one of the devices"}) {
    EXPECT_THAT(refused.error().sentence, testing::HasSubstr(part));
  }
  EXPECT_EQ(host.devices[1]->budget_use().bytes, 0u);
  EXPECT_EQ(host.devices[1]->budget_use().refusals, 1u);
  EXPECT_EQ(host.budget->use().refusals, 1u);
  EXPECT_TRUE(host.fakes[1]->dma.empty()) << "the mapper was not asked";
  ASSERT_TRUE(host.devices[0]->dma_unmap(1));
  EXPECT_TRUE(host.devices[1]->dma_map(1, memory(0x100000), 9 * kPage));
}

TEST(HostBudget, MappingsAreSharedToo) {
  Host host({.bytes_max = kGiB, .mappings_max = 3});
  ASSERT_TRUE(host.devices[0]->dma_map(1, memory(0x100000), 1));
  ASSERT_TRUE(host.devices[0]->dma_map(2, memory(0x100000), 1));
  ASSERT_TRUE(host.devices[1]->allocate_dma_buffer(kPage, 0));
  const auto refused = host.devices[1]->dma_map(1, memory(0x100000), 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().name, ErrorName::kBudgetMappings);
  EXPECT_THAT(refused.error().sentence, testing::HasSubstr("host's mapping budget is 3, 3 are mapped"));
}

TEST(HostBudget, TheDevicesOwnBudgetIsNamedFirst) {
  Host host({.bytes_max = kPage, .mappings_max = 1});
  const auto refused = host.devices[0]->dma_map(1, memory(0x100000), 17 * kPage);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().sentence, testing::HasSubstr("device's byte budget is 256 KiB"));
  EXPECT_EQ(host.budget->use().refusals, 0u);
}

TEST(HostBudget, AFailedMapGivesBackExactlyWhatItTook) {
  Host host({.bytes_max = 20 * kPage, .mappings_max = 100});
  ASSERT_TRUE(host.devices[1]->dma_map(7, memory(0x100000), 3 * kPage));
  host.fakes[0]->fail_at = 1;
  EXPECT_FALSE(host.devices[0]->dma_map(1, memory(0x100000), 2 * kPage));
  EXPECT_EQ(host.budget->use().bytes, 3 * kPage);
  EXPECT_EQ(host.budget->use().mappings, 1u);
}

TEST(HostBudget, ABufferThatCannotBeReplacedStaysCounted) {
  Host host({.bytes_max = 20 * kPage, .mappings_max = 100});
  ASSERT_TRUE(host.devices[0]->allocate_dma_buffer(10 * kPage, 0));
  EXPECT_EQ(host.budget->use().bytes, 10 * kPage);
  ASSERT_TRUE(host.devices[0]->allocate_dma_buffer(15 * kPage, 0)) << "10 + 15 would not fit together";
  EXPECT_EQ(host.budget->use().bytes, 15 * kPage);
  host.fakes[0]->fail_at = 1;  // freeing the old one
  EXPECT_FALSE(host.devices[0]->allocate_dma_buffer(4 * kPage, 0));
  EXPECT_EQ(host.budget->use().bytes, 15 * kPage);
  EXPECT_EQ(host.devices[0]->budget_use().bytes, 15 * kPage);
  host.fakes[0]->fail_at = 2;  // allocating the new one
  EXPECT_FALSE(host.devices[0]->allocate_dma_buffer(4 * kPage, 0));
  EXPECT_EQ(host.budget->use().bytes, 0u);
  EXPECT_EQ(host.budget->use().mappings, 0u);
}

TEST(HostBudget, ClosingADeviceGivesItsShareBack) {
  Host host({.bytes_max = 20 * kPage, .mappings_max = 100});
  ASSERT_TRUE(host.devices[0]->dma_map(1, memory(0x100000), 2 * kPage));
  ASSERT_TRUE(host.devices[0]->allocate_dma_buffer(kPage, 0));
  ASSERT_TRUE(host.devices[1]->dma_map(1, memory(0x100000), kPage));
  host.devices[0].reset();
  EXPECT_EQ(host.budget->use().bytes, kPage);
  host.fakes[1]->unplug();
  host.devices[1].reset();
  EXPECT_EQ(host.budget->use().bytes, 0u);
  EXPECT_EQ(host.budget->use().mappings, 0u);
  EXPECT_EQ(host.budget->use().bytes_peak, 4 * kPage);
}

TEST(HostBudget, IsTheSumOfItsDevicesAtAnyTime) {
  std::mt19937_64 random(7);
  Host host({.bytes_max = 20 * kPage, .mappings_max = 6});
  for (int step = 0; step < 20'000; ++step) {
    const size_t which = random() % 2;
    PassthroughDevice& device = *host.devices[which];
    host.fakes[which]->fail_at = random() % 8 == 0 ? 1 + random() % 2 : 0;
    switch (random() % 6) {
      case 0:
      case 1:
        (void)device.dma_map(random() % 6, memory(0x100000 + random() % kPage), 1 + random() % (9 * kPage));
        break;
      case 2:
      case 3: (void)device.dma_unmap(random() % 6); break;
      case 4: (void)device.allocate_dma_buffer(1 + random() % (12 * kPage), 0); break;
      default: (void)device.free_dma_buffer(); break;
    }
    host.fakes[which]->fail_at = 0;
    uint64_t bytes = 0, mappings = 0;
    for (const auto& one : host.devices) {
      bytes += one->budget_use().bytes;
      mappings += one->budget_use().mappings;
    }
    ASSERT_EQ(host.budget->use().bytes, bytes) << step;
    ASSERT_EQ(host.budget->use().mappings, mappings) << step;
    // Only a buffer that could not be freed after its room was promised goes past a budget, and nobody else was there.
    ASSERT_LE(bytes, 20 * kPage);
    if (step % 64 == 0) host.fakes[which]->calls.clear();
  }
}

}  // namespace
}  // namespace dartboard::backend
