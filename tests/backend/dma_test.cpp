// tests/backend/dma_test.cpp - accounting before the mapper is asked.
#include "backend/dma/account.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

constexpr uint64_t kPage = 16 * kKiB;
std::byte* memory(uint64_t address) {
  return reinterpret_cast<std::byte*>(address);
}  // never touched

struct Guest {
  explicit Guest(const Budget& budget = {.bytes_max = 16 * kPage, .mappings_max = 4, .page_bytes = kPage})
      : device(open_fake(d, budget)) {}
  std::shared_ptr<FakeDevice> d = FakeDevice::usual();
  std::unique_ptr<PassthroughDevice> device;
  ErrorName failure(const Result<DmaMapping>& r) { return r ? ErrorName::kInternal : r.error().name; }
};

TEST(Dma, MapReturnsTheMappersAddress) {
  Guest g;
  const auto mapped = g.device->dma_map(0x4000, memory(0x100000), kPage);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->key, 0x4000u);
  EXPECT_EQ(mapped->iova, Iova(0x80000000));
  EXPECT_EQ(mapped->size, kPage);
}

struct RoundingCase {
  uint64_t base, size, counted;
};

TEST(Dma, WholePagesAreCounted) {
  for (const RoundingCase c : {RoundingCase{0x100000, 1, kPage}, RoundingCase{0x100000, kPage, kPage},
                               RoundingCase{0x100000, kPage + 1, 2 * kPage}, RoundingCase{0x103fff, 1, kPage},
                               RoundingCase{0x103fff, 2, 2 * kPage}, RoundingCase{0x101000, kPage, 2 * kPage}}) {
    Guest g;
    ASSERT_TRUE(g.device->dma_map(1, memory(c.base), c.size));
    EXPECT_EQ(g.device->budget_use().bytes, c.counted) << c.base << "+" << c.size;
  }
}

TEST(Dma, BytesAreRefusedAtTheLimitAndUsableAfterUnmap) {
  Guest g;
  ASSERT_TRUE(g.device->dma_map(1, memory(0x100000), 8 * kPage));
  ASSERT_TRUE(g.device->dma_map(2, memory(0x200000), 8 * kPage)) << "exactly the budget";
  g.d->calls.clear();
  const auto refused = g.device->dma_map(3, memory(0x300000), 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().name, ErrorName::kBudgetBytes);
  EXPECT_TRUE(g.d->calls.empty()) << "the mapper was not asked";
  EXPECT_EQ(g.device->budget_use().refusals, 1u);
  ASSERT_TRUE(g.device->dma_unmap(1));
  EXPECT_TRUE(g.device->dma_map(3, memory(0x300000), 1));
}

TEST(Dma, TheByteSentenceNamesBudgetUsedAndAsked) {
  Guest g;
  ASSERT_TRUE(g.device->dma_map(1, memory(0x100000), 15 * kPage));
  const auto refused = g.device->dma_map(0xabc, memory(0x300000), kPage + 1);
  ASSERT_FALSE(refused);
  for (const char* part : {"0xabc", "256 KiB", "240 KiB", "32 KiB", "16 KiB", "unmap"}) {
    EXPECT_THAT(refused.error().sentence, testing::HasSubstr(part));
  }
}

TEST(Dma, MappingsAreRefusedAtTheLimitAndUsableAfterUnmap) {
  Guest g;
  for (uint64_t key = 0; key < 4; ++key) ASSERT_TRUE(g.device->dma_map(key, memory(0x100000 + key * kPage), kPage));
  const auto refused = g.device->dma_map(9, memory(0x300000), 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().name, ErrorName::kBudgetMappings);
  EXPECT_THAT(refused.error().sentence, testing::HasSubstr("mapping budget is 4, 4 are mapped"));
  ASSERT_TRUE(g.device->dma_unmap(2));
  EXPECT_TRUE(g.device->dma_map(9, memory(0x300000), 1));
}

TEST(Dma, ImpossibleMappingsAreBadArguments) {
  Guest g;
  EXPECT_EQ(g.failure(g.device->dma_map(1, memory(0x100000), 0)), ErrorName::kBadArgument);
  EXPECT_EQ(g.failure(g.device->dma_map(1, nullptr, kPage)), ErrorName::kBadArgument);
  EXPECT_EQ(g.failure(g.device->dma_map(1, memory(~uint64_t{0} - 10), kPage)), ErrorName::kBadArgument);
  EXPECT_EQ(g.failure(g.device->dma_map(1, memory(kPage), ~uint64_t{0} - kPage)), ErrorName::kBudgetBytes);
  EXPECT_EQ(g.device->budget_use().bytes, 0u);
  EXPECT_TRUE(g.d->calls.empty());
}

TEST(Dma, ADuplicateKeyIsBusyAndChangesNothing) {
  Guest g;
  ASSERT_TRUE(g.device->dma_map(1, memory(0x100000), kPage));
  EXPECT_EQ(g.failure(g.device->dma_map(1, memory(0x200000), kPage)), ErrorName::kBusy);
  EXPECT_EQ(g.device->budget_use().mappings, 1u);
  EXPECT_EQ(g.d->dma.size(), 1u);
}

TEST(Dma, UnmapOfAnUnknownKeyIsNotFound) {
  Guest g;
  const auto unmapped = g.device->dma_unmap(77);
  ASSERT_FALSE(unmapped);
  EXPECT_EQ(unmapped.error().name, ErrorName::kNotFound);
  EXPECT_TRUE(g.d->calls.empty());
}

TEST(Dma, AFailedMapGivesEverythingBack) {
  Guest g;
  g.d->fail_at = 1;
  g.d->fail_with = io_return::kVMError;
  const auto failed = g.device->dma_map(1, memory(0x100000), kPage);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().name, ErrorName::kMapperFailed);
  EXPECT_EQ(failed.error().io_return, io_return::kVMError);
  EXPECT_EQ(g.device->budget_use().bytes, 0u);
  EXPECT_EQ(g.device->budget_use().bytes_peak, 0u);
  EXPECT_TRUE(g.device->dma_map(1, memory(0x100000), kPage)) << "the key is free again";
}

TEST(Dma, AFailedUnmapStaysCounted) {
  Guest g;
  ASSERT_TRUE(g.device->dma_map(1, memory(0x100000), kPage));
  g.d->fail_at = 1;
  EXPECT_FALSE(g.device->dma_unmap(1));
  EXPECT_EQ(g.device->budget_use().bytes, kPage) << "it may still be mapped";
  EXPECT_TRUE(g.device->dma_unmap(1));
  EXPECT_EQ(g.device->budget_use().bytes, 0u);
}

TEST(Dma, UnmapAfterTheDeviceIsGoneSucceeds) {
  Guest g;
  ASSERT_TRUE(g.device->dma_map(1, memory(0x100000), kPage));
  g.d->unplug();
  EXPECT_TRUE(g.device->dma_unmap(1));
  EXPECT_EQ(g.device->budget_use().bytes, 0u);
  EXPECT_EQ(g.failure(g.device->dma_map(2, memory(0x100000), kPage)), ErrorName::kDeviceGone);
}

TEST(Dma, PeaksStay) {
  Guest g;
  ASSERT_TRUE(g.device->dma_map(1, memory(0x100000), 3 * kPage));
  ASSERT_TRUE(g.device->dma_map(2, memory(0x200000), kPage));
  ASSERT_TRUE(g.device->dma_unmap(1));
  EXPECT_EQ(g.device->budget_use().bytes, kPage);
  EXPECT_EQ(g.device->budget_use().bytes_peak, 4 * kPage);
  EXPECT_EQ(g.device->budget_use().mappings_peak, 2u);
}

TEST(Dma, TheBufferCounts) {
  Guest g;
  ASSERT_TRUE(g.device->allocate_dma_buffer(3 * kPage - 1, 0));
  EXPECT_EQ(g.device->budget_use().bytes, 3 * kPage);
  EXPECT_EQ(g.device->budget_use().mappings, 1u);
  ASSERT_TRUE(g.device->free_dma_buffer());
  EXPECT_EQ(g.device->budget_use().bytes, 0u);
  EXPECT_FALSE(g.device->free_dma_buffer());
}

TEST(Dma, ASecondBufferReplacesTheFirst) {
  Guest g;
  ASSERT_TRUE(g.device->allocate_dma_buffer(10 * kPage, 0));
  ASSERT_TRUE(g.device->allocate_dma_buffer(12 * kPage, kPage)) << "10 + 12 pages would not fit together";
  EXPECT_EQ(g.device->budget_use().bytes, 12 * kPage);
  EXPECT_EQ(g.device->budget_use().mappings, 1u);
}

TEST(Dma, ARefusedSecondBufferLeavesTheFirst) {
  Guest g;
  ASSERT_TRUE(g.device->allocate_dma_buffer(kPage, 0));
  const auto refused = g.device->allocate_dma_buffer(17 * kPage, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().name, ErrorName::kBudgetBytes);
  EXPECT_TRUE(g.d->buffer);
  EXPECT_EQ(g.device->budget_use().bytes, kPage);
}

TEST(Dma, ImpossibleBuffersAreBadArguments) {
  Guest g;
  EXPECT_EQ(g.device->allocate_dma_buffer(0, 0).error().name, ErrorName::kBadArgument);
  EXPECT_EQ(g.device->allocate_dma_buffer(kPage, 3).error().name, ErrorName::kBadArgument);
}

TEST(Dma, ABudgetWithAnOddPageIsRefusedAtOpen) {
  auto d = FakeDevice::usual();
  for (const uint64_t page : {uint64_t{0}, uint64_t{3000}}) {
    const auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(d), {.page_bytes = page});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().name, ErrorName::kBadArgument);
  }
}

RC_GTEST_PROP(DmaProperty, AccountingAgreesWithTheLedger, ()) {
  const Budget budget{.bytes_max = 64 * kPage, .mappings_max = 12, .page_bytes = kPage};
  auto d = FakeDevice::usual();
  auto device = open_fake(d, budget);
  std::map<uint64_t, uint64_t> live;  // key -> counted bytes
  std::optional<uint64_t> buffer;
  uint64_t bytes_peak = 0, mappings_peak = 0;
  const auto steps = *rc::gen::inRange(1, 100);
  for (int step = 0; step < steps; ++step) {
    const auto key = *rc::gen::inRange<uint64_t>(0, 16);
    const auto base = *rc::gen::inRange<uint64_t>(1, 1 << 20);
    const auto size = *rc::gen::inRange<uint64_t>(0, 20 * kPage);
    uint64_t used = buffer.value_or(0);
    for (const auto& [k, b] : live) used += b;
    const uint64_t mappings = live.size() + (buffer ? 1 : 0);
    const bool fails = *rc::gen::inRange(0, 4) == 0;
    d->fail_at = fails ? 1 : 0;
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
      case 1: {
        const uint64_t counted = round_up(base + size, kPage) - round_down(base, kPage);
        const bool fits = used + counted <= budget.bytes_max && mappings < budget.mappings_max;
        const bool ok = device->dma_map(key, memory(base), size).has_value();
        RC_ASSERT(ok == (size != 0 && live.count(key) == 0 && fits && !fails));
        if (ok) live[key] = counted;
        break;
      }
      case 2:
      case 3: {
        const bool ok = device->dma_unmap(key).has_value();
        RC_ASSERT(ok == (live.count(key) == 1 && !fails));
        if (ok) live.erase(key);
        break;
      }
      default: {
        d->fail_at = 0;
        if (size % 2 == 0) {
          RC_ASSERT(device->free_dma_buffer().has_value() == buffer.has_value());
          buffer.reset();
          break;
        }
        const uint64_t rest = used - buffer.value_or(0), counted = round_up(size, kPage);
        const bool fits = rest + counted <= budget.bytes_max && live.size() < budget.mappings_max;
        const bool ok = device->allocate_dma_buffer(size, 0).has_value();
        RC_ASSERT(ok == fits);
        if (ok) buffer = counted;
        break;
      }
    }
    d->fail_at = 0;
    used = buffer.value_or(0);
    for (const auto& [k, b] : live) used += b;
    bytes_peak = std::max(bytes_peak, used);
    mappings_peak = std::max<uint64_t>(mappings_peak, live.size() + (buffer ? 1 : 0));
    const BudgetUse& use = device->budget_use();
    RC_ASSERT(use.bytes == used);
    RC_ASSERT(use.mappings == live.size() + (buffer ? 1 : 0));
    RC_ASSERT(use.bytes_peak == bytes_peak);
    RC_ASSERT(use.mappings_peak == mappings_peak);
    RC_ASSERT(d->dma.size() == live.size());
  }
  device.reset();
  RC_ASSERT(d->dma.empty());
  RC_ASSERT(!d->buffer);
}

}  // namespace
}  // namespace dartboard::backend
