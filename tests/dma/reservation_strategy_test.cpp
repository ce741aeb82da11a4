// tests/dma/reservation_strategy_test.cpp - companion and windows behind the one interface: what both keep, and where
// they differ.
#include "backend/dma/reservation_strategy.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dma/reservation_rig.h"

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kPage = 16 * kKiB, kWindow = 256 * kKiB;
constexpr auto kTo = Direction::kToDevice, kFrom = Direction::kFromDevice, kBoth = Direction::kBidirectional;
constexpr auto kSleeping = Context::kSleeping, kAtomic = Context::kAtomic;

template <class T>
ErrorName name_of_error(const Result<T>& r) {
  return r ? ErrorName::kInternal : r.error().name;
}

class Reservations : public testing::TestWithParam<Which> {};
INSTANTIATE_TEST_SUITE_P(All, Reservations, testing::Values(Which::kCompanion, Which::kWindows, Which::kWarmWindows),
                         [](const auto& info) { return name_of(info.param); });

TEST_P(Reservations, MapTranslatesAndUnmapEnds) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  for (const auto& [offset, bytes] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, 4096}, {123, 1}, {kWindow - 1, 2}, {kWindow, kWindow}, {5 * kWindow + 7, 3 * kWindow}, {0, 15 * kMiB}}) {
    const auto mapped = rig->map({rig.ram(offset), bytes});
    ASSERT_TRUE(mapped) << mapped.error().sentence;
    EXPECT_TRUE(rig.lands(*mapped)) << offset;
    EXPECT_EQ(mapped->request.bytes, bytes);
    EXPECT_TRUE(rig->unmap(*mapped));
    EXPECT_EQ(name_of_error(rig->unmap(*mapped)), ErrorName::kNotFound) << "twice";
  }
  ASSERT_TRUE(rig->stop());
  EXPECT_TRUE(rig.mapper.empty());
  EXPECT_EQ(rig.guest.pages.allocated(), 0u);
}

TEST_P(Reservations, TheSameStartInDifferentSizes) {
  // The host takes each address once; a guest may map a buffer in part and as a whole.
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  std::vector<Mapped> live;
  for (const uint64_t bytes : {uint64_t{64}, uint64_t{4096}, 2 * kWindow, kWindow + 1, 3 * kWindow, 2 * kWindow}) {
    const auto mapped = rig->map({rig.ram(kWindow), bytes});
    ASSERT_TRUE(mapped) << mapped.error().sentence;
    live.push_back(*mapped);
  }
  for (const Mapped& one : live) EXPECT_TRUE(rig.lands(one));
  EXPECT_TRUE(rig->unmap_many(live));
  ASSERT_TRUE(rig->stop());
  EXPECT_TRUE(rig.mapper.empty());
}

TEST_P(Reservations, AtTheStartOfRamASecondSizeIsBusy) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  const auto small = rig->map({rig.ram(0), 4096});
  ASSERT_TRUE(small);
  EXPECT_EQ(name_of_error(rig->map({rig.ram(0), 2 * kWindow})), ErrorName::kBusy);
  EXPECT_TRUE(rig.lands(*small));
  ASSERT_TRUE(rig->unmap(*small));
  const auto large = rig->map({rig.ram(0), 2 * kWindow});
  ASSERT_TRUE(large) << large.error().sentence;
  EXPECT_TRUE(rig.lands(*large));
}

TEST_P(Reservations, EachMappingIsGivenBackOnce) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  const MapRequest request{rig.ram(0), 4096, kTo};
  const auto a = rig->map(request), b = rig->map(request);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->iova, b->iova) << "shared";
  EXPECT_TRUE(rig->unmap(*a));
  EXPECT_TRUE(rig.lands(*b)) << "the other lives";
  Mapped other = *b;
  other.request.direction = kFrom;
  EXPECT_EQ(name_of_error(rig->unmap(other)), ErrorName::kNotFound) << "another direction";
  other = *b;
  other.iova = other.iova + 1;
  EXPECT_EQ(name_of_error(rig->unmap(other)), ErrorName::kNotFound) << "another address";
  EXPECT_TRUE(rig->unmap(*b));
  EXPECT_EQ(name_of_error(rig->unmap(*b)), ErrorName::kNotFound);
}

struct BadCase {
  const char* what;
  MapRequest request;
  ErrorName name;
};

TEST_P(Reservations, BadRequestsAreNamedAndLeaveNothing) {
  ReservationRig rig(GetParam());
  EXPECT_EQ(name_of_error(rig->map({rig.ram(0), 1})), ErrorName::kBusy) << "before start";
  ASSERT_TRUE(rig->start());
  EXPECT_EQ(name_of_error(rig->start()), ErrorName::kBusy);
  for (const BadCase& c : {BadCase{"no bytes", {rig.ram(0), 0}, ErrorName::kBadArgument},
                           BadCase{"wraps", {Gpa(~uint64_t{0}), 2}, ErrorName::kBadArgument},
                           BadCase{"all", {Gpa(0), ~uint64_t{0}}, ErrorName::kBadArgument},
                           BadCase{"not RAM", {Gpa(0x1000), 4096}, ErrorName::kBadArgument},
                           BadCase{"past the end", {rig.ram(16 * kMiB - 1), 2}, ErrorName::kBadArgument},
                           BadCase{"atomic", {rig.ram(0), 4096, kBoth, kAtomic}, ErrorName::kNotSupported}}) {
    EXPECT_EQ(name_of_error(rig->map(c.request)), c.name) << c.what;
    const MapRequest list[] = {{rig.ram(kWindow), 4096}, c.request};
    EXPECT_EQ(name_of_error(rig->map_many(list)), c.name) << c.what;
    EXPECT_EQ(rig->table().windows() + rig->table().exact(), rig->table().idle()) << c.what;
  }
  EXPECT_GE(rig->counters().refusals, 12u);
  ASSERT_TRUE(rig->stop());
  EXPECT_TRUE(rig.mapper.empty());
}

TEST_P(Reservations, AListIsOneExitForWhatIsNew) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  std::vector<MapRequest> list;
  for (uint64_t i = 0; i < 200; ++i) list.push_back({rig.ram(i * 12 * kKiB), 4096});
  const uint64_t before = rig->counters().guest_exits;
  const auto mapped = rig->map_many(list);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(rig->counters().guest_exits, before + 1);
  EXPECT_EQ(mapped->size(), list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ((*mapped)[i].request.gpa, list[i].gpa) << "in order";
    EXPECT_TRUE(rig.lands((*mapped)[i]));
  }
  EXPECT_TRUE(rig->unmap_many(*mapped));
  EXPECT_EQ(rig->counters().maps, 200u);
  EXPECT_EQ(rig->counters().unmaps, 200u);
  if (GetParam() != Which::kWarmWindows) {
    EXPECT_EQ(rig->counters().guest_exits, before + 2);
    EXPECT_TRUE(rig.mapper.empty());
  }
}

TEST_P(Reservations, AListLongerThanABatchTakesSeveral) {
  ReservationRig rig(GetParam(), {}, {}, 0, nullptr, 16);
  ASSERT_TRUE(rig->start());
  std::vector<MapRequest> list;
  for (uint64_t i = 0; i < 40; ++i) list.push_back({rig.ram(i * kWindow), 4096});
  const uint64_t before = rig->counters().guest_exits;
  const auto mapped = rig->map_many(list);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(rig->counters().guest_exits, before + 3);
  EXPECT_TRUE(rig->unmap_many(*mapped));
}

TEST_P(Reservations, AFailedListLeavesWhatWasThere) {
  // The eighth mapping is one too many.
  ReservationRig rig(GetParam(), {.bytes_max = kGiB, .mappings_max = 8, .page_bytes = kPage});
  ASSERT_TRUE(rig->start());
  const auto kept = rig->map({rig.ram(10 * kMiB), 4096});
  ASSERT_TRUE(kept);
  const uint64_t bytes = rig.mapper.use().bytes;
  std::vector<MapRequest> list;
  for (uint64_t i = 0; i < 8; ++i) list.push_back({rig.ram(2 * i * kWindow), 4096});
  const auto failed = rig->map_many(list);
  EXPECT_EQ(name_of_error(failed), ErrorName::kBudgetMappings);
  if (GetParam() != Which::kWarmWindows) {
    EXPECT_EQ(rig.mapper.use().bytes, bytes);
    EXPECT_EQ(rig.mapper.entries.size(), 1u);
  }
  EXPECT_TRUE(rig.lands(*kept));
  list.resize(7);
  const auto mapped = rig->map_many(list);
  ASSERT_TRUE(mapped) << mapped.error().sentence;
  EXPECT_TRUE(rig->unmap_many(*mapped));
  EXPECT_TRUE(rig->unmap(*kept));
}

TEST_P(Reservations, SyncsAreChecked) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  const auto mapped = rig->map({rig.ram(100), 1000});
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(rig->sync_for_cpu(*mapped, 0, 1000));
  EXPECT_TRUE(rig->sync_for_device(*mapped, 999, 1));
  EXPECT_EQ(name_of_error(rig->sync_for_cpu(*mapped, 1, 1000)), ErrorName::kOutOfRange);
  EXPECT_EQ(name_of_error(rig->sync_for_device(*mapped, ~uint64_t{0}, 2)), ErrorName::kOutOfRange);
  EXPECT_TRUE(rig->unmap(*mapped));
  EXPECT_EQ(name_of_error(rig->sync_for_cpu(*mapped, 0, 1)), ErrorName::kNotFound);
  EXPECT_EQ(name_of_error(rig->sync_for_device(*mapped, 0, 1)), ErrorName::kNotFound);
}

TEST_P(Reservations, CoherentMemoryIsZeroedSharedAndGivenBack) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  const uint64_t own = rig.guest.pages.allocated();
  const auto coherent = rig->allocate_coherent(5000, kSleeping);
  ASSERT_TRUE(coherent);
  std::byte* const memory = rig.guest.memory.at(coherent->gpa, 5000);
  EXPECT_EQ(rig.mapper.reach(coherent->iova, 5000), memory);
  EXPECT_TRUE(std::all_of(memory, memory + 8192, [](std::byte b) { return b == std::byte{}; }));
  EXPECT_EQ(name_of_error(rig->allocate_coherent(0, kSleeping)), ErrorName::kBadArgument);
  EXPECT_EQ(name_of_error(rig->allocate_coherent(~uint64_t{0}, kSleeping)), ErrorName::kBadArgument);
  EXPECT_EQ(name_of_error(rig->allocate_coherent(2 * kMiB, kSleeping)), ErrorName::kNotFound) << "no such pages";
  if (GetParam() == Which::kCompanion) {
    EXPECT_EQ(name_of_error(rig->allocate_coherent(4096, kAtomic)), ErrorName::kNotSupported);
  }
  Coherent other = *coherent;
  other.bytes = 4096;
  EXPECT_EQ(name_of_error(rig->free_coherent(other)), ErrorName::kNotFound);
  EXPECT_TRUE(rig->free_coherent(*coherent));
  EXPECT_EQ(name_of_error(rig->free_coherent(*coherent)), ErrorName::kNotFound);
  EXPECT_EQ(rig.guest.pages.allocated(), own);
}

TEST_P(Reservations, StopIsSafeInAnyStateAndInOrder) {
  ReservationRig rig(GetParam());
  EXPECT_TRUE(rig->stop()) << "never started";
  EXPECT_TRUE(rig.mapper.calls.empty());
  ASSERT_TRUE(rig->start());
  ASSERT_TRUE(rig->map({rig.ram(0), 4096}));
  ASSERT_TRUE(rig->map({rig.ram(kMiB), kMiB}));
  ASSERT_TRUE(rig->allocate_coherent(4096, kSleeping));
  rig.mapper.taken_while_busy = 0;
  EXPECT_TRUE(rig->stop());
  EXPECT_EQ(rig.mapper.taken_while_busy, 0u) << "quiesced first";
  EXPECT_TRUE(rig.mapper.empty());
  EXPECT_EQ(rig.guest.pages.allocated(), 0u);
  EXPECT_TRUE(rig->stop());
  rig.mapper.enable();
  ASSERT_TRUE(rig->start()) << "and again";
  EXPECT_TRUE(rig->map({rig.ram(0), 4096}));
}

TEST_P(Reservations, AGuestThatReboots) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  const auto stale = rig->map({rig.ram(0), 4096, kFrom});
  const auto coherent = rig->allocate_coherent(4096, kSleeping);
  ASSERT_TRUE(stale && coherent);
  const uint64_t own = rig.guest.pages.allocated() - 4096;
  rig.mapper.taken_while_busy = 0;
  ASSERT_TRUE(rig->guest_reset());
  EXPECT_EQ(rig.mapper.taken_while_busy, 0u);
  EXPECT_TRUE(rig.mapper.empty());
  EXPECT_EQ(rig.guest.pages.allocated(), own);
  EXPECT_EQ(name_of_error(rig->unmap(*stale)), ErrorName::kNotFound);
  EXPECT_EQ(name_of_error(rig->free_coherent(*coherent)), ErrorName::kNotFound);
  rig.mapper.enable();
  const auto mapped = rig->map({rig.ram(0), 4096});
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(rig.lands(*mapped));
}

TEST_P(Reservations, DirtyPagesAreThoseOfWritableMappings) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  const auto dirty = [&](uint64_t page_bytes = 4096) {
    std::vector<uint64_t> bitmap(16 * kMiB / page_bytes / 64 + 1);
    EXPECT_TRUE(rig->dirty(FakeGuest::kBase, 16 * kMiB, page_bytes, bitmap));
    std::vector<uint64_t> pages;
    for (uint64_t p = 0; p < bitmap.size() * 64; ++p) {
      if ((bitmap[p / 64] >> (p % 64) & 1) != 0) pages.push_back(p);
    }
    return pages;
  };
  const auto reads = rig->map({rig.ram(0), 4096, kTo}), writes = rig->map({rig.ram(8192 + 4000), 200, kFrom});
  ASSERT_TRUE(reads && writes);
  EXPECT_THAT(dirty(), testing::ElementsAre(2u, 3u)) << "live";
  EXPECT_THAT(dirty(), testing::ElementsAre(2u, 3u)) << "still live";
  EXPECT_THAT(dirty(kPage), testing::ElementsAre(0u));
  ASSERT_TRUE(rig->unmap(*writes));
  ASSERT_TRUE(rig->unmap(*reads));
  EXPECT_THAT(dirty(), testing::ElementsAre(2u, 3u)) << "since the last query";
  EXPECT_TRUE(dirty().empty());
  const auto gone = rig->map({rig.ram(kMiB), 4096, kBoth});
  ASSERT_TRUE(gone && rig->guest_reset());
  EXPECT_THAT(dirty(), testing::ElementsAre(256u)) << "a reboot forgets no page";
  std::vector<uint64_t> none;
  EXPECT_EQ(name_of_error(rig->dirty(FakeGuest::kBase, 4096, 4096, none)), ErrorName::kBadArgument);
}

TEST_P(Reservations, RamAddedLaterIsMappedAndTracked) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  std::vector<std::byte> more(kMiB);
  const Gpa at(0x1'0000'0000);
  ASSERT_TRUE(rig.guest.memory.add({at, more.size(), more.data()}));
  const auto mapped = rig->map({at + 5000, 10});
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(rig.lands(*mapped));
  EXPECT_TRUE(rig->unmap(*mapped));
  std::vector<uint64_t> bitmap(4);
  ASSERT_TRUE(rig->dirty(at, kMiB, 4096, bitmap));
  EXPECT_EQ(bitmap[0], 2u);
}

TEST_P(Reservations, DevicesThatCannotReachOrWantOtherBits) {
  {
    ReservationRig rig(GetParam(), {}, {.address_max = 0xffff'ffff});  // the fake maps above 4 GiB
    ASSERT_TRUE(rig->start());
    EXPECT_EQ(name_of_error(rig->map({rig.ram(0), 4096})), ErrorName::kOutOfRange);
    const MapRequest list[] = {{rig.ram(0), 4096}, {rig.ram(kMiB), 4096}};
    EXPECT_EQ(name_of_error(rig->map_many(list)), ErrorName::kOutOfRange);
    EXPECT_EQ(name_of_error(rig->allocate_coherent(4096, kSleeping)), ErrorName::kOutOfRange);
    ASSERT_TRUE(rig->stop());
    EXPECT_TRUE(rig.mapper.empty());
    EXPECT_EQ(rig.guest.pages.allocated(), 0u);
  }
  ReservationRig kept(GetParam(), {}, {.align_mask = kPage - 1});
  ASSERT_TRUE(kept->start());
  EXPECT_TRUE(kept->map({kept.ram(4096 + 12), 100}));
  ReservationRig wide(GetParam(), {}, {.align_mask = 2 * kPage - 1});
  EXPECT_EQ(name_of_error(wide->start()), ErrorName::kNotSupported);
}

TEST_P(Reservations, ADeviceThatCannotBeMadeQuietKeepsItsMappings) {
  ReservationRig rig(GetParam());
  ASSERT_TRUE(rig->start());
  ASSERT_TRUE(rig->map({rig.ram(0), 4096}));
  rig.mapper.fail_at = 1;
  EXPECT_TRUE(rig->stop()) << "once is no harm";
  EXPECT_TRUE(rig.mapper.empty());
}

// What only one of them does.

TEST(CompanionStrategy, EachMappingHasItsOwnBytes) {
  ReservationRig rig(Which::kCompanion);
  ASSERT_TRUE(rig->start());
  const auto a = rig->map({rig.ram(0), 100}), b = rig->map({rig.ram(200), 100});
  ASSERT_TRUE(a && b);
  EXPECT_EQ(rig.mapper.entries.size(), 2u);
  EXPECT_EQ(rig.mapper.entries.begin()->second.bytes, 100u);
}

TEST(WindowsStrategy, AHitNeedsNoHost) {
  ReservationRig rig(Which::kWindows);
  ASSERT_TRUE(rig->start());
  const auto first = rig->map({rig.ram(0), 1});
  ASSERT_TRUE(first);
  const uint64_t exits = rig->counters().guest_exits;
  const size_t calls = rig.mapper.calls.size();
  for (uint64_t i = 1; i < 64; ++i) {
    const auto mapped = rig->map({rig.ram(i * 4096), 4096, kBoth, i % 2 == 0 ? kAtomic : kSleeping});
    ASSERT_TRUE(mapped);
    EXPECT_TRUE(rig.lands(*mapped));
    EXPECT_TRUE(rig->unmap(*mapped));
  }
  EXPECT_EQ(rig->counters().guest_exits, exits);
  EXPECT_EQ(rig.mapper.calls.size(), calls);
  EXPECT_EQ(rig->counters().hits, 63u);
}

TEST(WindowsStrategy, WarmWindowsAreHitsUntilThereAreTooMany) {
  ReservationRig rig(Which::kWarmWindows);  // keeps 4
  ASSERT_TRUE(rig->start());
  for (int round = 0; round < 3; ++round) {
    for (uint64_t w = 0; w < 4; ++w) {
      const auto mapped = rig->map({rig.ram(w * kWindow), 4096});
      ASSERT_TRUE(mapped && rig->unmap(*mapped));
    }
  }
  EXPECT_EQ(rig->counters().host_maps, 4u);
  EXPECT_EQ(rig->counters().host_unmaps, 0u);
  const auto fifth = rig->map({rig.ram(9 * kWindow), 4096});
  ASSERT_TRUE(fifth && rig->unmap(*fifth));
  EXPECT_EQ(rig->counters().host_unmaps, 1u);
  EXPECT_EQ(rig.mapper.entries.size(), 4u);
}

/// A second choice that has memory of its own and serves anybody.
class Second final : public Strategy {
 public:
  std::string_view name() const override { return "second"; }
  Result<void> start() override { return ++starts, Result<void>{}; }
  Result<void> stop() override { return ++stops, Result<void>{}; }
  Result<void> guest_reset() override { return {}; }
  Result<Mapped> map(const MapRequest& request) override {
    ++live;
    return Mapped{Iova(0x10'0000'0000 + request.gpa.value), request};
  }
  Result<void> unmap(const Mapped&) override {
    if (live == 0) return fail(ErrorName::kNotFound, "none");
    --live;
    return {};
  }
  Result<void> sync_for_cpu(const Mapped&, uint64_t, uint64_t) override { return ++syncs, Result<void>{}; }
  Result<void> sync_for_device(const Mapped&, uint64_t, uint64_t) override { return ++syncs, Result<void>{}; }
  Result<Coherent> allocate_coherent(uint64_t bytes, Context) override {
    ++live;
    return Coherent{Gpa(0x9000'0000), Iova(0x20'0000'0000), bytes};
  }
  Result<void> free_coherent(const Coherent&) override { return --live, Result<void>{}; }
  uint64_t mapping_bytes_max() const override { return kWindow; }
  Result<void> dirty(Gpa, uint64_t, uint64_t, std::span<uint64_t> bitmap) override {
    bitmap[0] |= uint64_t{1} << 63;
    return {};
  }
  const Counters& counters() const override { return counts; }
  void inspect(InspectNode&) const override {}

  Counters counts;
  int starts = 0, stops = 0, live = 0, syncs = 0;
};

struct PolicyCase {
  const char* what;
  Budget budget;
  bool second;
  Context context;
  const char* served;  ///< "window", "exact", "second", or "" for refused
};

TEST(WindowsStrategy, DegradesByItsPolicyAndCountsIt) {
  for (const PolicyCase& c : {
           PolicyCase{
               "there is room", {.bytes_max = kMiB, .mappings_max = 9, .page_bytes = kPage}, true, kSleeping, "window"},
           PolicyCase{"a window is too large",
                      {.bytes_max = 2 * kPage + kWindow, .mappings_max = 9, .page_bytes = kPage},
                      false,
                      kSleeping,
                      "exact"},
           PolicyCase{"and with a second choice",
                      {.bytes_max = 2 * kPage + kWindow, .mappings_max = 9, .page_bytes = kPage},
                      true,
                      kSleeping,
                      "exact"},
           PolicyCase{"no bytes at all",
                      {.bytes_max = kWindow, .mappings_max = 9, .page_bytes = kPage},
                      true,
                      kSleeping,
                      "second"},
           PolicyCase{"no bytes and no second",
                      {.bytes_max = kWindow, .mappings_max = 9, .page_bytes = kPage},
                      false,
                      kSleeping,
                      ""},
           PolicyCase{"no mapping left",
                      {.bytes_max = kMiB, .mappings_max = 1, .page_bytes = kPage},
                      true,
                      kSleeping,
                      "second"},
           PolicyCase{"no mapping, no second",
                      {.bytes_max = kMiB, .mappings_max = 1, .page_bytes = kPage},
                      false,
                      kSleeping,
                      ""},
           PolicyCase{
               "may not sleep", {.bytes_max = kMiB, .mappings_max = 9, .page_bytes = kPage}, true, kAtomic, "second"},
           PolicyCase{"may not sleep, no second",
                      {.bytes_max = kMiB, .mappings_max = 9, .page_bytes = kPage},
                      false,
                      kAtomic,
                      ""},
       }) {
    auto owned = std::make_unique<Second>();
    Second* second = owned.get();
    ReservationRig rig(Which::kWindows, c.budget, {}, 0, c.second ? std::move(owned) : nullptr);
    ASSERT_TRUE(rig->start());
    const auto taken = rig->map({rig.ram(0), 100});  // one window is taken
    ASSERT_TRUE(taken);
    const MapRequest request{rig.ram(4 * kWindow), 2 * kPage, kFrom, c.context};
    for (const bool list : {false, true}) {
      Result<Mapped> mapped = tl::unexpected(Error{});
      if (list) {
        auto many = rig->map_many(std::span(&request, 1));
        mapped = many ? Result<Mapped>((*many)[0]) : tl::unexpected(many.error());
      } else {
        mapped = rig->map(request);
      }
      const std::string served = c.served;
      ASSERT_EQ(mapped.has_value(), !served.empty()) << c.what;
      if (!mapped) continue;
      EXPECT_EQ(rig->table().exact(), served == "exact" ? 1u : 0u) << c.what;
      EXPECT_EQ(c.second && second->live == 1, served == "second") << c.what;
      EXPECT_TRUE(rig->sync_for_cpu(*mapped, 0, 1)) << c.what;
      EXPECT_TRUE(rig->unmap(*mapped)) << c.what;
      if (c.second) EXPECT_EQ(second->live, 0) << c.what;
    }
    const bool degraded = *c.served != 0 && std::string_view(c.served) != "window";
    EXPECT_EQ(rig->counters().degradations, degraded ? 2u : 0u) << c.what;
    EXPECT_EQ(rig.mapper.entries.size(), 1u) << c.what;
    if (c.second) {
      const auto coherent = rig->allocate_coherent(2 * kPage, c.context);
      ASSERT_TRUE(coherent) << c.what;
      EXPECT_TRUE(rig->free_coherent(*coherent)) << c.what;
      EXPECT_EQ(second->live, 0) << c.what;
      std::vector<uint64_t> bitmap(64);
      ASSERT_TRUE(rig->dirty(FakeGuest::kBase, 16 * kMiB, 4096, bitmap));
      EXPECT_NE(bitmap[0] >> 63, 0u) << c.what << ": its pages too";
      ASSERT_TRUE(rig->stop());
      EXPECT_EQ(second->starts, 1) << c.what;
      EXPECT_GE(second->stops, 1) << c.what;
    }
  }
}

TEST(WindowsStrategy, WarmWindowsAreGivenUpBeforeAnythingDegrades) {
  ReservationRig rig(Which::kWarmWindows, {.bytes_max = 4 * kWindow, .mappings_max = 9, .page_bytes = kPage});
  ASSERT_TRUE(rig->start());
  for (uint64_t w = 0; w < 4; ++w) {
    const auto mapped = rig->map({rig.ram(w * kWindow), 4096});
    ASSERT_TRUE(mapped && rig->unmap(*mapped));
  }
  EXPECT_EQ(rig->table().idle(), 4u);
  const auto large = rig->map({rig.ram(8 * kWindow), 3 * kWindow});
  ASSERT_TRUE(large) << large.error().sentence;
  EXPECT_EQ(rig->counters().degradations, 0u);
  EXPECT_EQ(rig->table().idle(), 0u);
}

}  // namespace
}  // namespace dartboard::backend::dma
