// tests/dma/pool_strategy_test.cpp - strategy "pool" on a mapper that can fail: taking, placing and giving back.
#include "backend/dma/pool_strategy.h"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dma/fake_mapper.h"
#include "tests/dma/pool_world.h"

namespace dartboard::backend::dma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Source = PoolOptions::Source;

constexpr Gpa kRam{0x4000'0000}, kPlaced{0x5000'0000};
constexpr uint64_t kRamBytes = 2 * kMiB;

struct Rig {
  explicit Rig(PoolOptions with = {.bytes = kMiB}, const Budget& budget = {}) : mapper(budget) {
    EXPECT_TRUE(memory.add({kRam, kRamBytes, ram.get()}));
    strategy = std::make_unique<PoolStrategy>(memory, mapper, with);
  }
  /// Nothing of the strategy is anywhere.
  bool clean() const {
    return mapper.empty() && memory.ranges().size() == 1 && strategy->pieces().empty() && strategy->pool() == nullptr;
  }
  std::byte* cpu(Gpa gpa) { return memory.at(gpa, 1); }

  Bytes ram = bytes_of(kRamBytes, 0x77);
  GuestMemory memory;
  FakeMapper mapper;
  std::unique_ptr<PoolStrategy> strategy;
};

PoolOptions pieces_of(uint64_t piece_bytes, uint64_t bytes = kMiB) {
  return {.bytes = bytes, .source = Source::kPieces, .piece_bytes = piece_bytes};
}

template <class T>
ErrorName name_of(const Result<T>& r) {
  return r ? ErrorName::kInternal : r.error().name;
}

std::vector<uint64_t> dirty_pages(Strategy& strategy, Gpa from, uint64_t bytes) {
  std::vector<uint64_t> bitmap(bytes / 4096 / 64 + 1), pages;
  EXPECT_TRUE(strategy.dirty(from, bytes, 4096, bitmap));
  for (uint64_t n = 0; n < bitmap.size() * 64; ++n) {
    if ((bitmap[n / 64] >> n % 64 & 1) != 0) pages.push_back(n);
  }
  return pages;
}

// ---- start

TEST(PoolStrategy, TakesOneBufferWhereTheDeviceSeesIt) {
  Rig rig(PoolOptions{});
  ASSERT_TRUE(rig.strategy->start());
  EXPECT_EQ(rig.strategy->name(), "pool");
  EXPECT_THAT(rig.mapper.calls, ElementsAre("allocate"));
  ASSERT_EQ(rig.strategy->pieces().size(), 1u);
  const PoolPiece piece = rig.strategy->pieces()[0];
  EXPECT_EQ(piece.bytes, 64 * kMiB);
  EXPECT_EQ(piece.gpa.value, piece.iova.value);
  EXPECT_EQ(rig.memory.at(piece.gpa, piece.bytes), piece.base) << "the pool is guest RAM";
  EXPECT_TRUE(all(piece.base, piece.bytes, 0)) << "the mapper's memory was not zero";
  EXPECT_EQ(name_of(rig.strategy->start()), ErrorName::kBusy);
  ASSERT_TRUE(rig.strategy->stop());
  EXPECT_TRUE(rig.clean());
  EXPECT_THAT(rig.mapper.calls, ElementsAre("allocate", "quiesce", "free"));
}

TEST(PoolStrategy, PlacesPiecesAtGuestAddressesOfTheirOwn) {
  PoolOptions options = pieces_of(256 * kKiB);
  options.gpa = kPlaced;
  Rig rig(options);
  rig.mapper.chosen = {Iova(0x9000'0000), Iova(0x8000'0000), Iova(0x20'0000'0000), Iova(0x8100'0000)};
  ASSERT_TRUE(rig.strategy->start());
  ASSERT_EQ(rig.strategy->pieces().size(), 4u);
  for (unsigned n = 0; n < 4; ++n) {
    EXPECT_EQ(rig.strategy->pieces()[n].gpa, kPlaced + n * 256 * kKiB);
  }
  EXPECT_EQ(rig.strategy->pieces()[2].iova, Iova(0x20'0000'0000));
  const auto mapped = rig.strategy->map(request(kRam, 256 * kKiB));
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->iova, Iova(0x9000'0000));
  ASSERT_TRUE(rig.strategy->stop());
  EXPECT_TRUE(rig.clean());
}

TEST(PoolStrategy, TheLastPieceMayBeShorter) {
  Rig rig(pieces_of(768 * kKiB));
  ASSERT_TRUE(rig.strategy->start());
  ASSERT_EQ(rig.strategy->pieces().size(), 2u);
  EXPECT_EQ(rig.strategy->pieces()[1].bytes, 256 * kKiB);
}

TEST(PoolStrategy, GoesToPiecesWhenOneSegmentCannotBeHad) {
  for (const unsigned how : {0u, 1u}) {
    Rig rig({.bytes = kMiB, .piece_bytes = 512 * kKiB});
    if (how == 0) rig.mapper.buffer_segments = 2;
    if (how == 1) rig.mapper.fail_at = 1;
    ASSERT_TRUE(rig.strategy->start());
    EXPECT_EQ(rig.strategy->pieces().size(), 2u);
    EXPECT_FALSE(rig.mapper.buffer) << "the first choice was given back";
    EXPECT_EQ(rig.strategy->counters().degradations, 1u);
    ASSERT_TRUE(rig.strategy->stop());
    EXPECT_TRUE(rig.clean());
  }
}

TEST(PoolStrategy, RefusesABufferInPartsWherePiecesAreNotWanted) {
  Rig rig({.bytes = kMiB, .source = Source::kBuffer});
  rig.mapper.buffer_segments = 4;
  const auto started = rig.strategy->start();
  EXPECT_EQ(name_of(started), ErrorName::kMapperFailed);
  EXPECT_THAT(started.error().sentence, HasSubstr("4 segments, the first of 262144"));
  EXPECT_TRUE(rig.clean());
  EXPECT_EQ(rig.strategy->counters().degradations, 0u);
}

struct BadStart {
  const char* why;
  PoolOptions options;
  Budget budget;
  Iova iova;
  ErrorName name;
  const char* says;
};

TEST(PoolStrategy, RefusesPoolsThatCannotBeAndHoldsNothing) {
  const Iova fine{0x8000'0000};
  PoolOptions placed_on_ram{.bytes = kMiB, .gpa = kRam + kMiB};
  PoolOptions placed_at_the_end{.bytes = kMiB, .gpa = Gpa(0) - 256 * kKiB};
  PoolOptions placed{.bytes = kMiB, .gpa = kPlaced, .identity_for_other_ram = true};
  PoolOptions low_device{.bytes = kMiB, .limits = {.address_max = UINT32_MAX}};
  PoolOptions odd_mask{.bytes = kMiB, .limits = {.align_mask = 0x123}};
  for (const BadStart& bad : {
           BadStart{"empty", {.bytes = 0}, {}, fine, ErrorName::kBadArgument, "262144"},
           BadStart{"half a segment", {.bytes = kMiB + 128 * kKiB}, {}, fine, ErrorName::kBadArgument, "262144"},
           BadStart{
               "pieces of nothing", {.bytes = kMiB, .piece_bytes = 0}, {}, fine, ErrorName::kBadArgument, "pieces"},
           BadStart{"more than the budget",
                    {.bytes = kMiB},
                    {.bytes_max = 768 * kKiB},
                    fine,
                    ErrorName::kBudgetBytes,
                    "262144 more than the 786432"},
           BadStart{"more pieces than mappings",
                    pieces_of(256 * kKiB),
                    {.mappings_max = 3},
                    fine,
                    ErrorName::kBudgetMappings,
                    "1 more than the 3"},
           BadStart{"on RAM", {.bytes = kMiB}, {}, Iova(kRam.value + kMiB), ErrorName::kBusy, "0x40000000"},
           BadStart{"around RAM", {.bytes = 4 * kMiB}, {}, Iova(kRam.value - kMiB), ErrorName::kBusy, "dma-ranges"},
           BadStart{"placed on RAM", placed_on_ram, {}, fine, ErrorName::kBusy, "0x40000000"},
           BadStart{"placed past the end", placed_at_the_end, {}, fine, ErrorName::kBadArgument, "wrap"},
           BadStart{"two meanings of an address", placed, {}, Iova(kRam.value), ErrorName::kBusy, "identity"},
           BadStart{"above the DMA mask", low_device, {}, Iova(0x1'0000'0000), ErrorName::kOutOfRange, "0xffffffff"},
           BadStart{"a mask that is none", odd_mask, {}, fine, ErrorName::kBadArgument, "mask"},
           BadStart{"a segment across 4 GiB",
                    {.bytes = kMiB},
                    {},
                    Iova(0x1'0000'0000 - 0x4000),
                    ErrorName::kBadArgument,
                    "4 GiB"},
       }) {
    Rig rig(bad.options, bad.budget);
    rig.mapper.next = bad.iova;
    const auto started = rig.strategy->start();
    ASSERT_FALSE(started) << bad.why;
    EXPECT_EQ(started.error().name, bad.name) << bad.why << ": " << started.error().sentence;
    EXPECT_THAT(started.error().sentence, HasSubstr(bad.says)) << bad.why;
    EXPECT_TRUE(rig.clean()) << bad.why;
    EXPECT_TRUE(rig.strategy->stop()) << bad.why;
    EXPECT_TRUE(rig.strategy->stop()) << bad.why;
  }
}

TEST(PoolStrategy, ABudgetRefusalDoesNotAskTheMapper) {
  Rig rig({.bytes = kMiB}, {.bytes_max = kMiB - 1});
  EXPECT_EQ(name_of(rig.strategy->start()), ErrorName::kBudgetBytes);
  EXPECT_TRUE(rig.mapper.calls.empty());
}

TEST(PoolStrategy, OwnPlacementMayUseDeviceAddressesThatAreRam) {
  PoolOptions options{.bytes = kMiB, .gpa = kPlaced};
  Rig rig(options);
  rig.mapper.next = Iova(kRam.value);
  EXPECT_TRUE(rig.strategy->start()) << "pool pieces come first in dma-ranges, and nothing else is in them";
}

// ---- traffic

TEST(PoolStrategy, BytesGoThroughThePoolAndTheDeviceSeesNoOther) {
  Rig rig;
  ASSERT_TRUE(rig.strategy->start());
  const auto mapped = rig.strategy->map(request(kRam + 100, 5000));
  ASSERT_TRUE(mapped);
  std::vector<std::byte> seen(5000);
  ASSERT_TRUE(rig.mapper.device_read(mapped->iova, seen));
  EXPECT_TRUE(all(seen.data(), 5000, 0x77));
  std::memset(seen.data(), 0x22, 5000);
  ASSERT_TRUE(rig.mapper.device_write(mapped->iova, seen));
  EXPECT_TRUE(all(rig.cpu(kRam + 100), 5000, 0x77));
  ASSERT_TRUE(rig.strategy->sync_for_cpu(*mapped, 0, 1000));
  EXPECT_TRUE(all(rig.cpu(kRam + 100), 1000, 0x22));
  std::memset(rig.cpu(kRam + 100), 0x33, 500);
  ASSERT_TRUE(rig.strategy->sync_for_device(*mapped, 0, 500));
  ASSERT_TRUE(rig.strategy->unmap(*mapped));
  EXPECT_TRUE(all(rig.cpu(kRam + 100), 500, 0x33));
  EXPECT_TRUE(all(rig.cpu(kRam + 600), 4500, 0x22));
  EXPECT_EQ(name_of(rig.strategy->unmap(*mapped)), ErrorName::kNotFound);
  EXPECT_FALSE(rig.mapper.device_read(Iova(kRam.value + 100), seen)) << "RAM is not mapped";
  const Counters& c = rig.strategy->counters();
  EXPECT_EQ(c.maps, 1u);
  EXPECT_EQ(c.unmaps, 1u);
  EXPECT_EQ(c.hits, 1u);
  EXPECT_EQ(c.host_maps, 1u);
  EXPECT_EQ(c.host_unmaps, 0u);
  EXPECT_EQ(c.guest_exits, 0u);
  EXPECT_EQ(c.refusals, 1u);
  EXPECT_EQ(c.bytes_copied, 5000u + 1000 + 500 + 5000);
}

TEST(PoolStrategy, ServesAtomicCallersAndAsksTheHostNothing) {
  Rig rig;
  ASSERT_TRUE(rig.strategy->start());
  rig.mapper.calls.clear();
  const auto ring = rig.strategy->allocate_coherent(4096, Context::kAtomic);
  const auto mapped = rig.strategy->map(request(kRam, 4096));
  ASSERT_TRUE(ring && mapped);
  EXPECT_TRUE(rig.strategy->unmap(*mapped));
  EXPECT_TRUE(rig.strategy->free_coherent(*ring));
  EXPECT_TRUE(rig.mapper.calls.empty());
  EXPECT_EQ(rig.strategy->counters().coherent_allocations, 1u);
}

TEST(PoolStrategy, FullAndOversizeAreNamedAndCounted) {
  Rig rig({.bytes = 512 * kKiB, .limits = {.align_mask = 0xfff}});
  ASSERT_TRUE(rig.strategy->start());
  EXPECT_EQ(rig.strategy->mapping_bytes_max(), 252 * kKiB);
  const auto over = rig.strategy->map(request(kRam, 252 * kKiB + 1));
  EXPECT_EQ(name_of(over), ErrorName::kBadArgument);
  EXPECT_THAT(over.error().sentence, HasSubstr("258048"));
  EXPECT_EQ(name_of(rig.strategy->allocate_coherent(256 * kKiB + 1, Context::kSleeping)), ErrorName::kBadArgument);
  // All or none: the third does not fit, so the first two go too.
  const std::vector<MapRequest> three(3, request(kRam, 252 * kKiB));
  EXPECT_EQ(name_of(rig.strategy->map_many(three)), ErrorName::kBusy);
  EXPECT_EQ(rig.strategy->pool()->use().used_bytes, 0u);
  const auto two = rig.strategy->map_many(std::span(three).first(2));
  ASSERT_TRUE(two);
  EXPECT_EQ(name_of(rig.strategy->allocate_coherent(64 * kKiB, Context::kSleeping)), ErrorName::kBusy);
  EXPECT_TRUE(rig.strategy->unmap_many(*two));
  EXPECT_EQ(rig.strategy->counters().refusals, 4u);
}

TEST(PoolStrategy, WithoutAPoolEveryRequestIsRefused) {
  Rig rig;
  const Mapped none{Iova(0), request(kRam, 1)};
  EXPECT_EQ(name_of(rig.strategy->map(request(kRam, 1))), ErrorName::kBusy);
  EXPECT_EQ(name_of(rig.strategy->unmap(none)), ErrorName::kBusy);
  EXPECT_EQ(name_of(rig.strategy->sync_for_cpu(none, 0, 1)), ErrorName::kBusy);
  EXPECT_EQ(name_of(rig.strategy->sync_for_device(none, 0, 1)), ErrorName::kBusy);
  EXPECT_EQ(name_of(rig.strategy->allocate_coherent(1, Context::kSleeping)), ErrorName::kBusy);
  EXPECT_EQ(name_of(rig.strategy->free_coherent({})), ErrorName::kBusy);
  EXPECT_TRUE(rig.strategy->guest_reset());
  EXPECT_EQ(rig.strategy->counters().refusals, 6u);
  EXPECT_TRUE(rig.mapper.calls.empty());
}

// ---- dirty pages

TEST(PoolStrategy, DirtyPagesAreThoseWrittenBack) {
  Rig rig({.bytes = kMiB, .gpa = kPlaced});
  using V = std::vector<uint64_t>;
  ASSERT_TRUE(rig.strategy->start());
  const auto to = rig.strategy->map(request(kRam, 8192, Direction::kToDevice));
  const auto from = rig.strategy->map(request(kRam + 0x4000, 8192, Direction::kFromDevice));
  ASSERT_TRUE(to && from);
  EXPECT_EQ(dirty_pages(*rig.strategy, kRam, kRamBytes), V{}) << "nothing is in RAM yet";
  EXPECT_EQ(dirty_pages(*rig.strategy, kPlaced, kMiB), (V{2, 3})) << "but in the pool it may be";
  ASSERT_TRUE(rig.strategy->sync_for_cpu(*from, 4096, 1));
  ASSERT_TRUE(rig.strategy->sync_for_cpu(*to, 0, 1));
  EXPECT_EQ(dirty_pages(*rig.strategy, kRam, kRamBytes), (V{5}));
  ASSERT_TRUE(rig.strategy->unmap(*from));
  ASSERT_TRUE(rig.strategy->unmap(*to));
  EXPECT_EQ(dirty_pages(*rig.strategy, kRam, kRamBytes), (V{4, 5}));
  EXPECT_EQ(dirty_pages(*rig.strategy, kRam, kRamBytes), V{});
  EXPECT_EQ(dirty_pages(*rig.strategy, kPlaced, kMiB), (V{2, 3}));
  EXPECT_EQ(dirty_pages(*rig.strategy, kPlaced, kMiB), V{});
  const auto ring = rig.strategy->allocate_coherent(4096, Context::kSleeping);
  ASSERT_TRUE(ring);
  EXPECT_EQ(dirty_pages(*rig.strategy, kPlaced, kMiB).size(), 1u);
  EXPECT_EQ(dirty_pages(*rig.strategy, kPlaced, kMiB).size(), 1u) << "as long as it lives";
  std::vector<uint64_t> bitmap(1);
  EXPECT_EQ(name_of(rig.strategy->dirty(kRam, kMiB, 4096, bitmap)), ErrorName::kBadArgument);
}

// ---- the end

TEST(PoolStrategy, StopQuiescesThenUnmapsThenFrees) {
  Rig rig(pieces_of(512 * kKiB));
  ASSERT_TRUE(rig.strategy->start());
  ASSERT_TRUE(rig.strategy->map(request(kRam, 4096)));
  rig.mapper.calls.clear();
  ASSERT_TRUE(rig.strategy->stop());
  EXPECT_THAT(rig.mapper.calls, ElementsAre("quiesce", "unmap", "unmap"));
  EXPECT_EQ(rig.mapper.taken_while_busy, 0u);
  EXPECT_TRUE(rig.clean());
  EXPECT_EQ(rig.strategy->counters().maps, 1u) << "counters outlive the pool";
  EXPECT_TRUE(rig.strategy->stop());
  rig.mapper.enable();
  ASSERT_TRUE(rig.strategy->start()) << "usable after";
  EXPECT_TRUE(rig.strategy->map(request(kRam, 4096)));
}

TEST(PoolStrategy, AGuestResetVoidsMappingsAndKeepsThePool) {
  Rig rig;
  ASSERT_TRUE(rig.strategy->start());
  const PoolPiece before = rig.strategy->pieces()[0];
  const auto mapped = rig.strategy->map(request(kRam, 4096));
  ASSERT_TRUE(mapped);
  rig.mapper.calls.clear();
  ASSERT_TRUE(rig.strategy->guest_reset());
  EXPECT_THAT(rig.mapper.calls, ElementsAre("quiesce")) << "the device tree names these addresses: they stay";
  EXPECT_EQ(rig.strategy->pieces()[0].iova, before.iova);
  EXPECT_TRUE(all(before.base, before.bytes, 0));
  EXPECT_EQ(name_of(rig.strategy->unmap(*mapped)), ErrorName::kNotFound);
  EXPECT_EQ(rig.strategy->pool()->use().used_bytes, 0u);
  rig.mapper.enable();
  EXPECT_TRUE(rig.strategy->map(request(kRam, 4096)));
}

TEST(PoolStrategy, ADeviceThatCannotBeQuietedKeepsItsMemory) {
  Rig rig;
  ASSERT_TRUE(rig.strategy->start());
  // Both tries fail, then the next stop works.
  struct Stubborn : FakeMapper {
    Result<void> quiesce() override {
      return ++asked <= 2 ? fail(ErrorName::kCallFailed, "no answer") : FakeMapper::quiesce();
    }
    unsigned asked = 0;
  } stubborn;
  PoolStrategy strategy(rig.memory, stubborn, {.bytes = kMiB, .gpa = kPlaced + 64 * kMiB});
  ASSERT_TRUE(strategy.start());
  EXPECT_EQ(name_of(strategy.stop()), ErrorName::kCallFailed);
  EXPECT_FALSE(stubborn.empty());
  EXPECT_EQ(stubborn.taken_while_busy, 0u);
  EXPECT_TRUE(strategy.stop());
  EXPECT_TRUE(stubborn.empty());
}

TEST(PoolStrategy, WhatIsAlreadyAwayIsNoError) {
  Rig rig(pieces_of(512 * kKiB));
  ASSERT_TRUE(rig.strategy->start());
  rig.mapper.fail_with = ErrorName::kNotFound;  // the dext died and unmapped everything
  rig.mapper.fail_at = 2;
  rig.mapper.calls.clear();
  EXPECT_TRUE(rig.strategy->stop());
  EXPECT_THAT(rig.mapper.calls, ElementsAre("quiesce", "unmap", "unmap"));
  EXPECT_EQ(rig.memory.ranges().size(), 1u);
}

TEST(PoolStrategy, DestructionStops) {
  Rig rig(pieces_of(512 * kKiB));
  ASSERT_TRUE(rig.strategy->start());
  rig.strategy.reset();
  EXPECT_TRUE(rig.mapper.empty());
  EXPECT_EQ(rig.mapper.taken_while_busy, 0u);
  EXPECT_EQ(rig.memory.ranges().size(), 1u);
}

TEST(PoolStrategy, PrintsItself) {
  Rig rig;
  ASSERT_TRUE(rig.strategy->start());
  InspectNode node;
  rig.strategy->inspect(node);
  ASSERT_GE(node.children.size(), 3u);
  EXPECT_EQ(node.children[0].value, "one buffer of the host");
}

// ---- every call of the mapper fails once

class PoolStrategySweep : public testing::TestWithParam<Source> {};

TEST_P(PoolStrategySweep, NothingIsLeftBehindWhicheverCallFails) {
  const PoolOptions options{.bytes = kMiB, .source = GetParam(), .piece_bytes = 256 * kKiB};
  uint64_t at = 1;
  for (;; ++at) {
    ASSERT_LT(at, 40u) << "the sweep does not end";
    Rig rig(options);
    rig.mapper.buffer_segments = GetParam() == Source::kBufferElsePieces ? 2 : 1;
    rig.mapper.fail_at = at;
    rig.mapper.quiet = true;  // no guest driver has switched it on yet
    if (!rig.strategy->start()) {
      EXPECT_TRUE(rig.clean()) << "call " << at;
      ASSERT_TRUE(rig.strategy->start()) << "not usable after call " << at << " failed";
    }
    rig.mapper.enable();
    const auto mapped = rig.strategy->map(request(kRam, 4096));
    ASSERT_TRUE(mapped);
    EXPECT_TRUE(rig.strategy->unmap(*mapped));
    ASSERT_TRUE(rig.strategy->map(request(kRam, 4096)));
    EXPECT_TRUE(rig.strategy->guest_reset()) << "one failure is tried again";
    rig.mapper.enable();
    EXPECT_TRUE(rig.strategy->stop()) << "call " << at;
    EXPECT_TRUE(rig.clean()) << "call " << at;
    EXPECT_EQ(rig.mapper.taken_while_busy, 0u) << "call " << at;
    if (rig.mapper.fail_at != 0) break;  // it never came to the nth call: the sweep is over
  }
  EXPECT_GT(at, 3u);
}

std::string source_name(const testing::TestParamInfo<Source>& info) {
  static constexpr const char* kNames[] = {"buffer", "pieces", "buffer_else_pieces"};
  return kNames[static_cast<size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Sources, PoolStrategySweep,
                         testing::Values(Source::kBuffer, Source::kPieces, Source::kBufferElsePieces), source_name);

}  // namespace
}  // namespace dartboard::backend::dma
