// tests/dma/bounce_pool_test.cpp - swiotlb's rules, one by one.
#include "backend/dma/bounce_pool.h"

#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/dma/pool_world.h"

namespace dartboard::backend::dma {
namespace {

constexpr Gpa kRam = PoolWorld::kRam;
constexpr uint64_t kSlot = kPoolSlotBytes, kSegment = kPoolSegmentBytes;
constexpr Direction kTo = Direction::kToDevice, kFrom = Direction::kFromDevice, kBoth = Direction::kBidirectional;

PoolWorld::Shape masked(uint64_t mask) {
  return {.limits = {.align_mask = mask}};
}

template <class T>
ErrorName name_of(const Result<T>& r) {
  return r ? ErrorName::kInternal : r.error().name;
}

// ---- what a pool may be made of

struct BadPool {
  const char* why;
  ErrorName name;
  std::vector<PoolPiece> pieces;
  DeviceLimits limits = {};
  uint32_t areas = 1;
};

TEST(BouncePoolMade, RefusesWhatNoPoolCanBeMadeOf) {
  const Bytes memory = bytes_of(kMiB, 0);
  std::byte* const m = memory.get();
  const Gpa g{0x5000'0000};
  const Iova i{0x8000'0000};
  const std::vector<BadPool> table = {
      {"no pieces", ErrorName::kBadArgument, {}},
      {"no area", ErrorName::kBadArgument, {{g, i, m, kSegment}}, {}, 0},
      {"no memory", ErrorName::kBadArgument, {{g, i, nullptr, kSegment}}},
      {"empty", ErrorName::kBadArgument, {{g, i, m, 0}}},
      {"a short tail segment", ErrorName::kBadArgument, {{g, i, m, kSegment + kSlot}}},
      {"guest address within a page", ErrorName::kBadArgument, {{g + kSlot, i, m, kSegment}}},
      {"device address within a page", ErrorName::kBadArgument, {{g, i + kSlot, m, kSegment}}},
      {"guest addresses wrap", ErrorName::kBadArgument, {{Gpa(0) - kSegment / 2, i, m, kSegment}}},
      {"device addresses wrap", ErrorName::kBadArgument, {{g, Iova(0) - kSegment / 2, m, kSegment}}},
      {"pieces overlap for the guest",
       ErrorName::kBadArgument,
       {{g, i, m, 2 * kSegment}, {g + kSegment, i + kMiB, m, kSegment}}},
      {"pieces overlap for the device",
       ErrorName::kBadArgument,
       {{g, i, m, 2 * kSegment}, {g + kMiB, i + kSegment, m, kSegment}}},
      {"a segment crosses 4 GiB", ErrorName::kBadArgument, {{g, Iova(0x1'0000'0000 - 0x8000), m, kSegment}}},
      {"pieces differ below the mask",
       ErrorName::kBadArgument,
       {{g, i, m, kSegment}, {g + kMiB, i + kMiB + 0x4000, m, kSegment}},
       {.align_mask = 0xffff}},
      {"mask with a hole", ErrorName::kBadArgument, {{g, i, m, kSegment}}, {.align_mask = 0xf0f}},
      {"mask of a whole segment", ErrorName::kBadArgument, {{g, i, m, kSegment}}, {.align_mask = kSegment - 1}},
      {"above the device's mask",
       ErrorName::kOutOfRange,
       {{g, Iova(0x1'0000'0000), m, kSegment}},
       {.address_max = UINT32_MAX}},
      {"its end above the device's mask",
       ErrorName::kOutOfRange,
       {{g, i, m, kSegment}},
       {.address_max = 0x8000'0000 + kSegment - 2}},
  };
  const GuestMemory none;
  for (const BadPool& bad : table) {
    const auto made = BouncePool::create(none, bad.pieces, bad.limits, bad.areas);
    EXPECT_EQ(name_of(made), bad.name) << bad.why;
  }
}

TEST(BouncePoolMade, AcceptsPiecesThatAgreeBelowTheMaskOnly) {
  const Bytes memory = bytes_of(kMiB, 0);
  const GuestMemory none;
  const std::vector<PoolPiece> pieces = {{Gpa(0x5000'0000), Iova(0x8000'4000), memory.get(), kSegment},
                                         {Gpa(0x5010'0000), Iova(0x9000'8000), memory.get() + kSegment, kSegment}};
  EXPECT_TRUE(BouncePool::create(none, pieces, {.align_mask = 0xfff}, 1));
  EXPECT_FALSE(BouncePool::create(none, pieces, {.align_mask = 0x7fff}, 1));
}

TEST(BouncePoolMade, ZeroesAllPieces) {
  PoolWorld w({.pieces = {kSegment, 2 * kSegment}});
  for (const PoolPiece& piece : w.pieces) EXPECT_TRUE(all(piece.base, piece.bytes, 0));
}

// ---- sizes and addresses

struct SizeCase {
  uint64_t mask, bytes_max;
};

TEST(BouncePool, LargestMappingIsASegmentWithoutWhatTheMaskTakes) {
  for (const SizeCase c : {SizeCase{0, 256 * kKiB}, SizeCase{511, 254 * kKiB}, SizeCase{2047, 254 * kKiB},
                           SizeCase{4095, 252 * kKiB}, SizeCase{0xffff, 192 * kKiB}, SizeCase{0x1ffff, 128 * kKiB}}) {
    PoolWorld w(masked(c.mask));
    EXPECT_EQ(w.pool->mapping_bytes_max(), c.bytes_max) << c.mask;
    // The worst address for the mask: its low bits all ones.
    const Gpa worst = kRam + c.mask;
    const auto fits = w.pool->map(request(worst, c.bytes_max));
    ASSERT_TRUE(fits) << c.mask;
    const auto over = w.pool->map(request(worst, c.bytes_max + 1));
    ASSERT_EQ(name_of(over), ErrorName::kBadArgument) << c.mask;
    EXPECT_NE(over.error().sentence.find(std::to_string(c.bytes_max)), std::string::npos) << over.error().sentence;
    EXPECT_TRUE(w.pool->unmap(*fits));
  }
}

struct AlignCase {
  uint64_t mask, gpa, bytes, low_bits;
};

TEST(BouncePool, LowBitsOfTheAddressSurviveUnderTheMask) {
  for (const AlignCase c :
       {AlignCase{0, 0x123, 100, 0x7ff}, AlignCase{0x1ff, 0x123, 100, 0x1ff}, AlignCase{0x7ff, 0x7ff, 3000, 0x7ff},
        AlignCase{0xfff, 0xabc, 10, 0xfff}, AlignCase{0xfff, 0x001, 8192, 0xfff},
        AlignCase{0xffff, 0xfedc, 4096, 0xffff}, AlignCase{0x1ffff, 0x1fedc, 1, 0x1ffff}}) {
    PoolWorld w(masked(c.mask));
    // Odd neighbours, so that the first free slot is not the right one by luck.
    ASSERT_TRUE(w.pool->map(request(kRam + 0x10'0000, 1)));
    const auto mapped = w.pool->map(request(kRam + c.gpa, c.bytes));
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->iova.value & c.low_bits, c.gpa & c.mask) << c.mask;
  }
}

TEST(BouncePool, TheMaskHoldsInPiecesThatDoNotBeginOnIt) {
  const Bytes memory = bytes_of(kSegment, 0), ram = bytes_of(kMiB, 0);
  GuestMemory guest;
  ASSERT_TRUE(guest.add({kRam, kMiB, ram.get()}));
  const PoolPiece piece{Gpa(0x5000'0000), Iova(0x8000'4000), memory.get(), kSegment};
  auto pool = std::move(*BouncePool::create(guest, {&piece, 1}, {.align_mask = 0xffff}, 1));
  for (const uint64_t low : {0x0u, 0x3fffu, 0x4000u, 0xffffu}) {
    const auto mapped = pool->map(request(kRam + low, pool->mapping_bytes_max()));
    ASSERT_TRUE(mapped) << low;
    EXPECT_EQ(mapped->iova.value & 0xffff, low);
    EXPECT_TRUE(pool->unmap(*mapped));
  }
}

TEST(BouncePool, APageOrMoreBeginsOnAPage) {
  PoolWorld w;
  ASSERT_TRUE(w.pool->map(request(kRam, 1)));
  const auto small = w.pool->map(request(kRam + 8192, 4095));
  ASSERT_TRUE(small);
  EXPECT_EQ(small->iova.value % 4096, 2048u) << "less than a page takes the next slot";
  const auto page = w.pool->map(request(kRam + 16384, 4096));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->iova.value % 4096, 0u);
}

TEST(BouncePool, RunsNeverCrossASegment) {
  PoolWorld w({.pieces = {2 * kSegment}});
  ASSERT_TRUE(w.pool->map(request(kRam, kSegment - kSlot)));
  const auto next = w.pool->map(request(kRam + kMiB, 2 * kSlot));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->iova, w.pieces[0].iova + kSegment) << "one slot is free before the line, two were asked for";
}

TEST(BouncePool, RunsCrossTheMiddleOfASegment) {
  PoolWorld w({.pieces = {kSegment}});
  ASSERT_TRUE(w.pool->map(request(kRam, 63 * kSlot)));
  const auto middle = w.pool->map(request(kRam + kMiB, 65 * kSlot - 4096));
  ASSERT_TRUE(middle);
  EXPECT_EQ(middle->iova, w.pieces[0].iova + 64 * kSlot);
  ASSERT_TRUE(w.pool->unmap(*middle));
  const auto odd = w.pool->map(request(kRam + kMiB, 1));
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->iova, w.pieces[0].iova + 63 * kSlot);
}

TEST(BouncePool, EveryPieceIsUsedAndFoundAgain) {
  PoolWorld w({.pieces = {kSegment, 2 * kSegment, kSegment}});
  std::set<uint64_t> seen;
  std::vector<Mapped> live;
  for (unsigned n = 0; n < 4; ++n) {
    auto mapped = w.pool->map(request(kRam + n * kSegment, kSegment));
    ASSERT_TRUE(mapped);
    seen.insert(mapped->iova.value);
    live.push_back(*mapped);
  }
  EXPECT_EQ(seen, (std::set<uint64_t>{w.pieces[0].iova.value, w.pieces[1].iova.value, w.pieces[1].iova.value + kSegment,
                                      w.pieces[2].iova.value}));
  EXPECT_EQ(name_of(w.pool->map(request(kRam, 1))), ErrorName::kBusy);
  for (const Mapped& mapped : live) EXPECT_TRUE(w.pool->unmap(mapped));
  EXPECT_EQ(w.pool->use().used_bytes, 0u);
}

TEST(BouncePool, NothingIsHandedOutAboveTheDevicesMask) {
  // Device addresses descend: the second piece is below.
  PoolWorld w({.pieces = {kSegment, kSegment}, .limits = {.address_max = PoolWorld::kIova.value + 64 * kMiB - 1}});
  EXPECT_EQ(w.pool->use().bytes, kSegment);
  const auto low = w.pool->map(request(kRam, kSegment));
  ASSERT_TRUE(low);
  EXPECT_EQ(low->iova, w.pieces[1].iova);
  EXPECT_EQ(name_of(w.pool->map(request(kRam, 1))), ErrorName::kBusy);
  w.pool->reset();
  ASSERT_TRUE(w.pool->map(request(kRam, kSegment)));
  EXPECT_EQ(name_of(w.pool->map(request(kRam, 1))), ErrorName::kBusy) << "also after a reset";
}

struct BadMap {
  const char* why;
  Gpa gpa;
  uint64_t bytes;
};

TEST(BouncePool, RefusesBuffersThatAreNone) {
  PoolWorld w;
  for (const BadMap& bad :
       {BadMap{"no bytes", kRam, 0}, BadMap{"wraps", Gpa(UINT64_MAX), 2}, BadMap{"wraps by much", kRam, UINT64_MAX},
        BadMap{"before RAM", kRam - 1, 2}, BadMap{"past RAM", kRam + 4 * kMiB - 1, 2}, BadMap{"nowhere", Gpa(0), 1},
        BadMap{"the pool itself", PoolWorld::kPool, 1}, BadMap{"the pool's end", PoolWorld::kPool + kMiB - 1, 1}}) {
    EXPECT_EQ(name_of(w.pool->map(request(bad.gpa, bad.bytes))), ErrorName::kBadArgument) << bad.why;
  }
  EXPECT_EQ(w.pool->use().refusals, 8u);
  EXPECT_EQ(w.pool->use().used_bytes, 0u);
}

TEST(BouncePool, ABufferAcrossNeighbouringRangesIsCopiedWhole) {
  PoolWorld w;
  const Bytes more = bytes_of(64 * kKiB, 0x33);
  ASSERT_TRUE(w.memory.add({kRam + w.ram_bytes, 64 * kKiB, more.get()}));
  const Gpa across = kRam + w.ram_bytes - 100;
  const auto mapped = w.pool->map(request(across, 200));
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(all(w.device(mapped->iova), 100, 0x77));
  EXPECT_TRUE(all(w.device(mapped->iova) + 100, 100, 0x33));
  std::memset(w.device(mapped->iova), 0x5a, 200);
  ASSERT_TRUE(w.pool->unmap(*mapped));
  EXPECT_TRUE(all(w.cpu(across), 100, 0x5a) && all(more.get(), 100, 0x5a));
  EXPECT_TRUE(all(more.get() + 100, 100, 0x33));
}

TEST(BouncePool, MemoryTakenAwayUnderAMappingIsAnErrorAndFreesTheRun) {
  PoolWorld w;
  const auto mapped = w.pool->map(request(kRam, 5000));
  ASSERT_TRUE(mapped);
  ASSERT_TRUE(w.memory.remove(kRam));
  EXPECT_EQ(name_of(w.pool->sync_for_cpu(*mapped, 0, 10)), ErrorName::kBadArgument);
  EXPECT_EQ(name_of(w.pool->sync_for_device(*mapped, 0, 10)), ErrorName::kBadArgument);
  EXPECT_EQ(name_of(w.pool->unmap(*mapped)), ErrorName::kBadArgument);
  EXPECT_EQ(w.pool->use().used_bytes, 0u);
}

// ---- bytes

struct CopyCase {
  Direction direction;
  bool device_sees, cpu_sees;
};

TEST(BouncePool, CopiesInAlwaysAndBackByDirection) {
  for (const CopyCase c : {CopyCase{kTo, true, false}, CopyCase{kFrom, true, true}, CopyCase{kBoth, true, true}}) {
    for (const uint64_t bytes : {uint64_t{100}, uint64_t{4096}, uint64_t{100'000}}) {
      PoolWorld w;
      std::memset(w.cpu(kRam), 0x11, bytes);
      const auto mapped = w.pool->map(request(kRam, bytes, c.direction));
      ASSERT_TRUE(mapped);
      EXPECT_TRUE(all(w.device(mapped->iova), bytes, 0x11));
      std::memset(w.device(mapped->iova), 0x22, bytes / 2);
      std::memset(w.cpu(kRam), 0x33, bytes);
      ASSERT_TRUE(w.pool->unmap(*mapped));
      EXPECT_TRUE(all(w.cpu(kRam), bytes / 2, c.cpu_sees ? 0x22 : 0x33));
      EXPECT_TRUE(all(w.cpu(kRam) + bytes / 2, bytes / 2, c.cpu_sees ? 0x11 : 0x33))
          << "what the device leaves alone comes back as it was when it was mapped";
      EXPECT_EQ(w.pool->use().bytes_copied, bytes * (c.cpu_sees ? 2 : 1));
    }
  }
}

struct SyncCase {
  Direction direction;
  bool cpu_gets, device_gets;
};

TEST(BouncePool, SyncCopiesTheSubRangeByDirection) {
  for (const SyncCase c : {SyncCase{kTo, false, true}, SyncCase{kFrom, true, false}, SyncCase{kBoth, true, true}}) {
    PoolWorld w;
    const auto mapped = w.pool->map(request(kRam, 1000, c.direction));
    ASSERT_TRUE(mapped);
    std::byte* const slot = w.device(mapped->iova);
    std::memset(slot, 0x22, 1000);
    ASSERT_TRUE(w.pool->sync_for_cpu(*mapped, 100, 200));
    EXPECT_TRUE(all(w.cpu(kRam), 100, 0x77) && all(w.cpu(kRam) + 300, 700, 0x77));
    EXPECT_TRUE(all(w.cpu(kRam) + 100, 200, c.cpu_gets ? 0x22 : 0x77));
    std::memset(w.cpu(kRam), 0x44, 1000);
    ASSERT_TRUE(w.pool->sync_for_device(*mapped, 500, 500));
    EXPECT_TRUE(all(slot, 500, 0x22));
    EXPECT_TRUE(all(slot + 500, 500, c.device_gets ? 0x44 : 0x22));
    EXPECT_TRUE(w.pool->sync_for_cpu(*mapped, 1000, 0)) << "nothing, at the end";
    EXPECT_EQ(name_of(w.pool->sync_for_cpu(*mapped, 1000, 1)), ErrorName::kOutOfRange);
    EXPECT_EQ(name_of(w.pool->sync_for_device(*mapped, 1, 1000)), ErrorName::kOutOfRange);
    EXPECT_EQ(name_of(w.pool->sync_for_cpu(*mapped, UINT64_MAX, 2)), ErrorName::kOutOfRange);
    ASSERT_TRUE(w.pool->unmap(*mapped));
    EXPECT_EQ(name_of(w.pool->sync_for_cpu(*mapped, 0, 1)), ErrorName::kNotFound);
    EXPECT_EQ(name_of(w.pool->sync_for_device(*mapped, 0, 1)), ErrorName::kNotFound);
  }
}

TEST(BouncePool, SlackIsZeroWhateverLayThereBefore) {
  for (const uint64_t mask : {uint64_t{0}, uint64_t{0x7ff}, uint64_t{0xfff}}) {
    for (const Copy copy : {Copy::kYes, Copy::kSkip}) {
      PoolWorld w({.pieces = {kSegment}, .limits = {.align_mask = mask}});
      const auto secret = w.pool->map(request(kRam, w.pool->mapping_bytes_max()));
      ASSERT_TRUE(secret);
      std::memset(w.pieces[0].base, 0x99, kSegment);
      ASSERT_TRUE(w.pool->unmap(*secret));
      const Gpa gpa = kRam + kMiB + 0x123;
      const auto mapped = w.pool->map(request(gpa, 3000), copy);
      ASSERT_TRUE(mapped);
      const uint64_t offset = mapped->iova.value % kSlot;
      EXPECT_EQ(offset, gpa.value & mask & (kSlot - 1));
      const uint64_t run = round_up(offset + 3000, kSlot);
      const std::byte* const begin = w.device(mapped->iova) - offset;
      EXPECT_TRUE(all(begin, offset, 0));
      EXPECT_TRUE(all(begin + offset + 3000, run - offset - 3000, 0));
      if (copy == Copy::kYes) EXPECT_TRUE(all(begin + offset, 3000, 0x77));
    }
  }
}

TEST(BouncePool, AMappingWithoutCopiesNeverLeaksWhatLayThere) {
  PoolWorld w;
  const auto secret = w.pool->map(request(kRam, 8000));
  ASSERT_TRUE(secret);
  std::memset(w.device(secret->iova), 0x99, 8000);
  ASSERT_TRUE(w.pool->unmap(*secret));
  const Gpa mine = kRam + kMiB;
  const auto mapped = w.pool->map(request(mine, 8000, kFrom), Copy::kSkip);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->iova, secret->iova);
  EXPECT_EQ(w.pool->use().bytes_copied, 16000u) << "none for this one";
  EXPECT_EQ(name_of(w.pool->sync_for_cpu(*mapped, 0, 1)), ErrorName::kBadArgument);
  // The driver hands parts to the device: these are the buffer's own bytes, and what lies between them.
  ASSERT_TRUE(w.pool->sync_for_device(*mapped, 5000, 1000));
  std::memset(w.device(mapped->iova) + 5000, 0x22, 500);
  ASSERT_TRUE(w.pool->sync_for_device(*mapped, 2000, 1000));
  EXPECT_TRUE(w.pool->sync_for_cpu(*mapped, 2000, 4000));
  EXPECT_EQ(name_of(w.pool->sync_for_cpu(*mapped, 1999, 10)), ErrorName::kBadArgument);
  EXPECT_EQ(name_of(w.pool->sync_for_cpu(*mapped, 5000, 1001)), ErrorName::kBadArgument);
  ASSERT_TRUE(w.pool->unmap(*mapped));
  EXPECT_TRUE(all(w.cpu(mine), 5000, 0x77));
  EXPECT_TRUE(all(w.cpu(mine) + 5000, 500, 0x22));
  EXPECT_TRUE(all(w.cpu(mine) + 5500, 2500, 0x77));
}

// ---- life of a mapping

TEST(BouncePool, UnmapsOnceAndOnlyWhatIsLive) {
  for (const uint64_t bytes : {uint64_t{3000}, uint64_t{30'000}}) {
    PoolWorld w({.limits = {.align_mask = 0x1ff}});
    const auto mapped = w.pool->map(request(kRam + 0x10, bytes));
    ASSERT_TRUE(mapped);
    std::memset(w.device(mapped->iova), 0x22, bytes);
    const auto wrong = [&](auto change) {
      Mapped other = *mapped;
      change(other);
      return name_of(w.pool->unmap(other));
    };
    EXPECT_EQ(wrong([](Mapped& m) { m.iova = m.iova + 1; }), ErrorName::kNotFound);
    EXPECT_EQ(wrong([](Mapped& m) { m.iova = m.iova + kSlot; }), ErrorName::kNotFound) << "inside the run";
    EXPECT_EQ(wrong([](Mapped& m) { m.iova = Iova(1); }), ErrorName::kNotFound);
    EXPECT_EQ(wrong([](Mapped& m) { m.iova = m.iova + 64 * kMiB; }), ErrorName::kNotFound);
    EXPECT_EQ(wrong([](Mapped& m) { m.request.gpa = m.request.gpa + 1; }), ErrorName::kNotFound);
    EXPECT_EQ(wrong([](Mapped& m) { m.request.bytes -= 1; }), ErrorName::kNotFound);
    EXPECT_EQ(wrong([](Mapped& m) { m.request.bytes += uint64_t{1} << 32; }), ErrorName::kNotFound);
    EXPECT_EQ(wrong([](Mapped& m) { m.request.direction = kTo; }), ErrorName::kNotFound);
    EXPECT_TRUE(all(w.cpu(kRam) + 0x10, bytes, 0x77)) << "none of these wrote anything back";
    ASSERT_TRUE(w.pool->unmap(*mapped));
    EXPECT_TRUE(all(w.cpu(kRam) + 0x10, bytes, 0x22));
    std::memset(w.cpu(kRam), 0x55, bytes + 0x10);
    EXPECT_EQ(name_of(w.pool->unmap(*mapped)), ErrorName::kNotFound) << "twice";
    EXPECT_TRUE(all(w.cpu(kRam), bytes + 0x10, 0x55)) << "written back once";
  }
}

TEST(BouncePool, FullIsNamedCountedAndPasses) {
  PoolWorld w({.pieces = {kSegment}});
  std::vector<Mapped> live;
  for (unsigned n = 0; n < 128; ++n) {
    auto mapped = w.pool->map(request(kRam + n * 4096, 1));
    ASSERT_TRUE(mapped);
    live.push_back(*mapped);
  }
  const auto full = w.pool->map(request(kRam, 1));
  EXPECT_EQ(name_of(full), ErrorName::kBusy);
  EXPECT_NE(full.error().sentence.find("128 of 128"), std::string::npos) << full.error().sentence;
  PoolUse use = w.pool->use();
  EXPECT_EQ(use.refusals, 1u);
  EXPECT_EQ(use.areas[0].full, 1u);
  EXPECT_EQ(use.used_bytes, kSegment);
  EXPECT_EQ(w.pool->largest_free_bytes(), 0u);
  // Every second one away: half is free, in runs of one slot.
  for (unsigned n = 0; n < 128; n += 2) ASSERT_TRUE(w.pool->unmap(live[n]));
  EXPECT_EQ(w.pool->largest_free_bytes(), kSlot);
  EXPECT_EQ(name_of(w.pool->map(request(kRam, kSlot + 1))), ErrorName::kBusy) << "fragmented";
  EXPECT_TRUE(w.pool->map(request(kRam, kSlot)));
  for (unsigned n = 1; n < 128; n += 2) ASSERT_TRUE(w.pool->unmap(live[n]));
  use = w.pool->use();
  EXPECT_EQ(use.used_bytes, kSlot);
  EXPECT_EQ(use.used_bytes_peak, kSegment);
  EXPECT_EQ(use.maps, 129u);
  EXPECT_EQ(use.unmaps, 128u);
}

TEST(BouncePool, AFullAreaFallsOverToTheNext) {
  PoolWorld w({.pieces = {kMiB}, .areas = 4});
  for (unsigned n = 0; n < 4; ++n) ASSERT_TRUE(w.pool->map(request(kRam + n * kSegment, kSegment))) << n;
  EXPECT_EQ(name_of(w.pool->map(request(kRam, 1))), ErrorName::kBusy);
  const PoolUse use = w.pool->use();
  ASSERT_EQ(use.areas.size(), 4u);
  for (const PoolAreaUse& area : use.areas) {
    EXPECT_EQ(area.bytes, kSegment);
    EXPECT_EQ(area.used_bytes_peak, kSegment);
  }
  EXPECT_EQ(use.areas[0].full, 4u) << "this thread's first choice: three went on, one was refused";
  EXPECT_EQ(use.areas[3].full, 1u);
}

TEST(BouncePool, NoMoreAreasThanSegments) {
  PoolWorld w({.pieces = {3 * kSegment}, .areas = 64});
  EXPECT_EQ(w.pool->use().areas.size(), 3u);
}

// ---- coherent memory

TEST(BouncePool, CoherentMemoryIsZeroedPagesOfTheSamePool) {
  PoolWorld w({.pieces = {kSegment}});
  const auto before = w.pool->map(request(kRam, kSegment));
  ASSERT_TRUE(before);
  std::memset(w.pieces[0].base, 0x99, kSegment);
  ASSERT_TRUE(w.pool->unmap(*before));
  ASSERT_TRUE(w.pool->map(request(kRam, 1)));
  const auto ring = w.pool->allocate_coherent(5000);
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->bytes, 8192u);
  EXPECT_EQ(ring->iova.value % 4096, 0u);
  EXPECT_EQ(ring->gpa - w.pieces[0].gpa, ring->iova - w.pieces[0].iova);
  EXPECT_EQ(w.memory.at(ring->gpa, ring->bytes), w.device(ring->iova)) << "CPU and device see the same bytes";
  EXPECT_TRUE(all(w.device(ring->iova), ring->bytes, 0));
  EXPECT_EQ(w.pool->use().used_bytes, kSlot + 8192);
  Coherent wrong = *ring;
  wrong.bytes = 4096;
  EXPECT_EQ(name_of(w.pool->free_coherent(wrong)), ErrorName::kNotFound);
  wrong = *ring;
  wrong.gpa = wrong.gpa + 4096;
  EXPECT_EQ(name_of(w.pool->free_coherent(wrong)), ErrorName::kNotFound);
  EXPECT_EQ(name_of(w.pool->unmap({ring->iova, request(ring->gpa, ring->bytes)})), ErrorName::kNotFound);
  ASSERT_TRUE(w.pool->free_coherent(*ring));
  EXPECT_EQ(name_of(w.pool->free_coherent(*ring)), ErrorName::kNotFound);
  EXPECT_EQ(w.pool->use().used_bytes, kSlot);
}

TEST(BouncePool, CoherentMemoryEndsAtASegment) {
  PoolWorld w({.pieces = {kSegment, kSegment}, .limits = {.align_mask = 0xfff}});
  EXPECT_EQ(name_of(w.pool->allocate_coherent(0)), ErrorName::kBadArgument);
  EXPECT_EQ(name_of(w.pool->allocate_coherent(kSegment + 1)), ErrorName::kBadArgument);
  EXPECT_EQ(name_of(w.pool->allocate_coherent(UINT64_MAX)), ErrorName::kBadArgument);
  EXPECT_TRUE(w.pool->allocate_coherent(kSegment)) << "the mask takes nothing of it";
  EXPECT_TRUE(w.pool->allocate_coherent(kSegment - 4095));
  EXPECT_EQ(name_of(w.pool->allocate_coherent(1)), ErrorName::kBusy);
}

// ---- the pool's own pages, reset

std::vector<uint64_t> written(PoolWorld& w, Gpa from, uint64_t bytes, uint64_t page_bytes = 4096) {
  std::vector<uint64_t> bitmap((bytes / page_bytes + 63) / 64);
  w.pool->collect_written(from, bytes, page_bytes, bitmap);
  std::vector<uint64_t> pages;
  for (uint64_t n = 0; n < bitmap.size() * 64; ++n) {
    if ((bitmap[n / 64] >> n % 64 & 1) != 0) pages.push_back(n);
  }
  return pages;
}

TEST(BouncePool, OwnPagesAreWrittenWhileADeviceMayAndOnceAfter) {
  PoolWorld w;
  using V = std::vector<uint64_t>;
  const Gpa pool = PoolWorld::kPool;
  const auto to = w.pool->map(request(kRam, 4096, kTo));
  const auto from = w.pool->map(request(kRam + 4096, 4096, kFrom));
  const auto ring = w.pool->allocate_coherent(8192);
  ASSERT_TRUE(to && from && ring);
  EXPECT_EQ(written(w, pool, kMiB), (V{1, 2, 3}));
  EXPECT_EQ(written(w, pool, kMiB), (V{1, 2, 3})) << "live ones are told each time";
  ASSERT_TRUE(w.pool->unmap(*from));
  ASSERT_TRUE(w.pool->free_coherent(*ring));
  EXPECT_EQ(written(w, pool + 8192, kMiB - 8192), (V{0, 1})) << "from the third page on";
  EXPECT_EQ(written(w, pool, kMiB, 16 * kKiB), (V{0})) << "the second page was not asked for before";
  EXPECT_EQ(written(w, pool, kMiB), V{});
  const auto last = w.pool->map(request(kRam, 4096, kFrom));
  ASSERT_TRUE(last);
  w.pool->reset();
  EXPECT_EQ(written(w, pool, kMiB), (V{1})) << "what was live at a reset was written";
  EXPECT_EQ(written(w, pool, kMiB), V{});
}

TEST(BouncePool, ResetVoidsAllAndZeroesAll) {
  PoolWorld w({.pieces = {kSegment, kSegment}, .areas = 2});
  const auto mapped = w.pool->map(request(kRam, 100'000));
  const auto ring = w.pool->allocate_coherent(8192);
  ASSERT_TRUE(mapped && ring);
  for (const PoolPiece& piece : w.pieces) std::memset(piece.base, 0x99, piece.bytes);
  w.pool->reset();
  for (const PoolPiece& piece : w.pieces) EXPECT_TRUE(all(piece.base, piece.bytes, 0));
  EXPECT_EQ(w.pool->use().used_bytes, 0u);
  EXPECT_EQ(w.pool->largest_free_bytes(), kSegment);
  EXPECT_EQ(name_of(w.pool->unmap(*mapped)), ErrorName::kNotFound);
  EXPECT_EQ(name_of(w.pool->free_coherent(*ring)), ErrorName::kNotFound);
  EXPECT_TRUE(w.pool->map(request(kRam, kSegment)));
  EXPECT_TRUE(w.pool->map(request(kRam, kSegment)));
}

TEST(BouncePool, PrintsItself) {
  PoolWorld w({.areas = 2});
  ASSERT_TRUE(w.pool->map(request(kRam, 1)));
  InspectNode node;
  w.pool->inspect(node);
  ASSERT_FALSE(node.children.empty());
  EXPECT_EQ(node.children[0].value, "2048 of 1048576 bytes");
}

}  // namespace
}  // namespace dartboard::backend::dma
