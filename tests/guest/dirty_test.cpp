// tests/guest/dirty_test.cpp - the dirty bitmap of every strategy against an oracle that sees each write of the device.
#include <array>
#include <optional>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/guest/fake_host.h"

namespace dartboard::guest {
namespace {

namespace dma = backend::dma;

constexpr uint64_t kSlots = 24, kSlotBytes = 128 * kKiB, kPages = (kSlots + 1) * kSlotBytes / kPageBytes;

class DirtyOf : public testing::TestWithParam<std::string> {};

// No page that the device wrote and the guest can see is missing, and, but where all of RAM is mapped for good, none is
// there that the device could not have written.
TEST_P(DirtyOf, EveryStrategyTellsWhatTheOracleSaw) {
  Host host(GetParam(), {.mac = !needs_placing(GetParam())});
  ASSERT_TRUE(host.strategy->start());
  const bool all_ram = GetParam() == "direct" || GetParam() == "identity";
  const bool bounces = GetParam() == "pool";   // a write is in the guest's page when it was copied back
  std::mt19937_64 random(11);
  struct Slot {
    std::optional<dma::Mapped> mapped;
    std::set<uint64_t> written;   ///< pages, since they were last copied back or told
  };
  std::array<Slot, kSlots> slots;
  std::set<uint64_t> must, may;   // pages by their number in RAM
  const auto page_of = [&](Gpa gpa) { return (gpa - host.ram.base()) / kPageBytes; };
  uint64_t told = 0;
  for (unsigned step = 0; step < 20'000; ++step) {
    const uint64_t index = random() % kSlots;
    Slot& slot = slots[index];
    const Gpa base = host.ram.base() + (index + 1) * kSlotBytes;
    if (!slot.mapped) {
      const uint64_t at = random() % (kSlotBytes / 2), bytes = 1 + random() % (kSlotBytes / 2);
      auto mapped = host.strategy->map({base + at, bytes, static_cast<dma::Direction>(random() % 3)});
      ASSERT_TRUE(mapped) << mapped.error().sentence;
      slot.mapped = *mapped;
    } else if (random() % 3 != 0) {
      const dma::MapRequest& request = slot.mapped->request;
      if (!device_writes(request.direction)) continue;
      std::array<std::byte, 64> data;
      data.fill(static_cast<std::byte>(step));
      const uint64_t bytes = std::min<uint64_t>(1 + random() % data.size(), request.bytes);
      const uint64_t at = random() % (request.bytes - bytes + 1);
      ASSERT_TRUE(host.engine.device_writes(slot.mapped->iova + at, std::span(data).first(bytes)));
      for (uint64_t page = page_of(request.gpa + at); page <= page_of(request.gpa + (at + bytes - 1)); ++page) {
        (bounces ? slot.written : must).insert(page);
      }
    } else {
      ASSERT_TRUE(host.strategy->unmap(*slot.mapped));
      const dma::MapRequest& request = slot.mapped->request;
      if (device_writes(request.direction)) {
        for (uint64_t page = page_of(request.gpa); page <= page_of(request.gpa + (request.bytes - 1)); ++page) may.insert(page);
      }
      must.insert(slot.written.begin(), slot.written.end());
      slot = {};
    }
    if (step % 500 != 499) continue;
    for (const Slot& live : slots) {
      if (!live.mapped || !device_writes(live.mapped->request.direction)) continue;
      const dma::MapRequest& request = live.mapped->request;
      for (uint64_t page = page_of(request.gpa); page <= page_of(request.gpa + (request.bytes - 1)); ++page) may.insert(page);
    }
    std::vector<uint64_t> bitmap((kPages + 63) / 64);
    ASSERT_TRUE(host.strategy->dirty(host.ram.base(), kPages * kPageBytes, kPageBytes, bitmap));
    for (uint64_t page = 0; page < kPages; ++page) {
      const bool set = (bitmap[page / 64] >> page % 64 & 1) != 0;
      told += set;
      if (must.count(page) != 0) ASSERT_TRUE(set) << "page " << page << " was written, step " << step;
      if (!all_ram && may.count(page) == 0) ASSERT_FALSE(set) << "page " << page << " nobody could write, step " << step;
    }
    must.clear();
    may.clear();
  }
  EXPECT_GT(told, 1000u);
  EXPECT_TRUE(host.strategy->stop());
}

INSTANTIATE_TEST_SUITE_P(Strategies, DirtyOf, testing::ValuesIn(all_strategies()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '+' || c == '-' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace dartboard::guest
