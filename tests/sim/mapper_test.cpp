// tests/sim/mapper_test.cpp - placement, rounding, budgets, refusals; and the mapper against a naive model.
#include "sim/macos/mapper.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "rig.h"

namespace dartboard::macos {
namespace {

using sim_test::ClientMemory;
using sim_test::kPage;
using sim_test::RigTest;
using sim_test::test_profile;

constexpr Rid kRid{1, 0, 0};
constexpr uint64_t kWindow = 0x8000'0000;

class MapperTest : public RigTest {
 protected:
  /// Boots with a mapper made from the default one.
  void boot_with(MapperConfig config) {
    sim::Profile profile = test_profile();
    profile.ports[0].mapper = config;
    if (config.page_bytes == 4096) {
      profile.ports[0].root.dart.page_shift = 12;
      profile.ports[0].root.dart.va_width = 39;  // what three tables of 4 KiB reach
    }
    boot(profile);
  }
  io_return::Code map(const Ref<MemoryObject>& memory, Mapper::Mapping* mapping, uint64_t offset = 0,
                      uint64_t length = 0) {
    return mapper().map(kRid, *memory, offset, length == 0 ? memory->length() : length, true, true, 64, mapping);
  }
  Mapper::Mapping map_pages(uint64_t pages) {
    Mapper::Mapping mapping;
    EXPECT_EQ(map(memory_.object(pages * kPage), &mapping), io_return::kSuccess) << mapper().last_refusal();
    return mapping;
  }
  ClientMemory memory_{64 * kPage};
};

// Placement -----------------------------------------------------------------------------------------------------------

TEST_F(MapperTest, FirstFitLeavesAGuardPageAfterEachMapping) {
  boot();
  EXPECT_EQ(map_pages(2).iova.value, kWindow);
  EXPECT_EQ(map_pages(1).iova.value, kWindow + 3 * kPage);
}

TEST_F(MapperTest, FirstFitReusesTheLowestHole) {
  boot();
  const Mapper::Mapping first = map_pages(2);
  map_pages(1);
  mapper().unmap(first);
  EXPECT_EQ(map_pages(3).iova.value, kWindow + 5 * kPage);
  EXPECT_EQ(map_pages(1).iova.value, kWindow);
}

TEST_F(MapperTest, TopDownPlacesTheGuardAtTheWindowsEnd) {
  boot_with({.policy = IovaPolicy::kTopDown});
  EXPECT_EQ(map_pages(1).iova.value, kWindow + 0x7ff0'0000 - 2 * kPage);
}

TEST_F(MapperTest, RandomFollowsTheTape) {
  const MapperConfig config{.policy = IovaPolicy::kRandom};
  boot_with(config);
  const uint64_t first = map_pages(1).iova.value, second = map_pages(1).iova.value;
  boot_with(config);
  EXPECT_EQ(map_pages(1).iova.value, first);
  EXPECT_NE(first, second);
}

TEST_F(MapperTest, AddressBitsKeepTheMappingInReach) {
  boot_with({.window_base = Iova(0x4000'0000), .policy = IovaPolicy::kTopDown});
  Mapper::Mapping mapping;
  ASSERT_EQ(mapper().map(kRid, *memory_.object(kPage), 0, kPage, true, true, 31, &mapping), io_return::kSuccess);
  EXPECT_EQ(mapping.iova.value, 0x8000'0000 - kPage);
}

TEST_F(MapperTest, AddressBitsBelowTheWindowAreTheCallersProblem) {
  boot();
  Mapper::Mapping mapping;
  ASSERT_EQ(mapper().map(kRid, *memory_.object(kPage), 0, kPage, true, true, 31, &mapping), io_return::kSuccess);
  EXPECT_EQ(mapping.iova.value, kWindow);
}

// Rounding ------------------------------------------------------------------------------------------------------------

struct RoundingCase {
  uint64_t skew, length;
  uint64_t offset_in_page, pages;
};
class MapperRounding : public MapperTest, public testing::WithParamInterface<RoundingCase> {};
TEST_P(MapperRounding, MapsWholePagesAndKeepsTheOffset) {
  boot();
  const RoundingCase& c = GetParam();
  ClientMemory memory(4 * kPage, c.skew);
  Mapper::Mapping mapping;
  ASSERT_EQ(map(memory.object(c.length), &mapping), io_return::kSuccess);
  EXPECT_EQ(mapping.iova.value, kWindow + c.offset_in_page);
  EXPECT_EQ(mapping.page_bytes, c.pages * kPage);
  EXPECT_EQ(mapper().stats().mapped_bytes, c.pages * kPage);
}
INSTANTIATE_TEST_SUITE_P(Mapper, MapperRounding,
                         testing::Values(RoundingCase{0, 1, 0, 1}, RoundingCase{0, kPage, 0, 1},
                                         RoundingCase{0, kPage + 1, 0, 2}, RoundingCase{0x10, 1, 0x10, 1},
                                         RoundingCase{0x10, kPage, 0x10, 2}, RoundingCase{0x1010, 1, 0x10, 1}));

TEST_F(MapperTest, ScatteredMemoryIsOneRangeInOrder) {
  boot();
  claim();
  std::byte* const m = memory_.data();
  const Ref<MemoryObject> memory =
      MemoryObject::from_client({{m + 4 * kPage, kPage}, {m, kPage}}, MemoryDirection::kInOut, false);
  Mapper::Mapping mapping;
  ASSERT_EQ(map(memory, &mapping), io_return::kSuccess);
  ASSERT_TRUE(device_writes(mapping.iova + kPage, 4));
  EXPECT_EQ(m[0], std::byte{0xa5});
  EXPECT_EQ(m[4 * kPage], std::byte{0});
}

TEST_F(MapperTest, PartsThatFollowEachOtherInMemoryNeedNoAlignment) {
  boot();
  std::byte* const m = memory_.data();
  const Ref<MemoryObject> memory = MemoryObject::from_client({{m, 100}, {m + 100, 100}}, MemoryDirection::kIn, false);
  Mapper::Mapping mapping;
  EXPECT_EQ(map(memory, &mapping), io_return::kSuccess);
}

TEST_F(MapperTest, PartsThatMeetInsideAPageAreNotAligned) {
  boot();
  std::byte* const m = memory_.data();
  const Ref<MemoryObject> memory =
      MemoryObject::from_client({{m, 4096}, {m + 4 * kPage, 4096}}, MemoryDirection::kIn, false);
  Mapper::Mapping mapping;
  EXPECT_EQ(map(memory, &mapping), io_return::kNotAligned);
  EXPECT_THAT(mapper().last_refusal(), testing::HasSubstr("0x1000"));
}

TEST_F(MapperTest, SlackOfTheLastPageHasNoMemoryBehindIt) {
  sim::Profile profile = test_profile();
  profile.on_dart_fault = sim::FaultPolicy::kAbort;
  boot(profile);
  claim();
  Mapper::Mapping mapping;
  ASSERT_EQ(map(memory_.object(4096), &mapping), io_return::kSuccess);
  EXPECT_TRUE(device_writes(mapping.iova, 4096));
  EXPECT_FALSE(device_writes(mapping.iova + 4096, 4));
  EXPECT_EQ(memory_.data()[4096], std::byte{0});
}

// Budgets -------------------------------------------------------------------------------------------------------------

TEST_F(MapperTest, BytesBudgetIsRefusedAtTheLimitAndUsableAfterAnUnmap) {
  boot_with({.mapped_bytes_max = 4 * kPage});
  const Mapper::Mapping three = map_pages(3);
  Mapper::Mapping mapping;
  EXPECT_EQ(map(memory_.object(2 * kPage), &mapping), io_return::kNoResources);
  EXPECT_EQ(mapper().stats().mappings, 1u);
  mapper().unmap(three);
  EXPECT_EQ(map(memory_.object(4 * kPage), &mapping), io_return::kSuccess);
}

TEST_F(MapperTest, MappingsBudgetIsRefusedAtTheLimitAndUsableAfterAnUnmap) {
  boot_with({.mappings_max = 2, .exhausted_code = io_return::kNoMemory});
  const Mapper::Mapping one = map_pages(1);
  map_pages(1);
  Mapper::Mapping mapping;
  EXPECT_EQ(map(memory_.object(1), &mapping), io_return::kNoMemory);
  mapper().unmap(one);
  EXPECT_EQ(map(memory_.object(1), &mapping), io_return::kSuccess);
}

TEST_F(MapperTest, TheWindowIsALimitWithoutBudgets) {
  boot_with({.window_bytes = 4 * kPage, .guard_pages = 1, .mapped_bytes_max = 0, .mappings_max = 0});
  map_pages(1);
  map_pages(1);
  Mapper::Mapping mapping;
  EXPECT_EQ(map(memory_.object(1), &mapping), io_return::kNoResources);
  EXPECT_THAT(mapper().last_refusal(), testing::HasSubstr("0 free"));
}

struct RefusalCase {
  uint64_t offset, length;
  io_return::Code code;
};
class MapperRefusal : public MapperTest, public testing::WithParamInterface<RefusalCase> {};
TEST_P(MapperRefusal, LeavesNothing) {
  boot();
  Mapper::Mapping mapping;
  EXPECT_EQ(mapper().map(kRid, *memory_.object(kPage), GetParam().offset, GetParam().length, true, true, 64, &mapping),
            GetParam().code);
  EXPECT_EQ(mapper().stats().mappings, 0u);
  EXPECT_EQ(mapper().stats().refusals, 1u);
  EXPECT_EQ(map_pages(1).iova.value, kWindow);
}
INSTANTIATE_TEST_SUITE_P(Mapper, MapperRefusal,
                         testing::Values(RefusalCase{0, 0, io_return::kBadArgument},
                                         RefusalCase{0, kPage + 1, io_return::kOverrun},
                                         RefusalCase{kPage, 1, io_return::kOverrun},
                                         RefusalCase{1, UINT64_MAX, io_return::kOverrun}));

TEST_F(MapperTest, DeviceMemoryIsUnsupported) {
  boot();
  Mapper::Mapping mapping;
  EXPECT_EQ(map(MemoryObject::device(nub(), 0, kPage), &mapping), io_return::kUnsupported);
}

// As recorded ---------------------------------------------------------------------------------------------------------

class MapperAsRecorded : public MapperTest {
 protected:
  void SetUp() override { boot_with({.guard_pages = 0, .policy = IovaPolicy::kAsRecorded}); }
  std::string refusal(Iova want, uint64_t pages = 1) {
    Mapper::Mapping mapping;
    mapper().expect_placement(want);
    EXPECT_EQ(map(memory_.object(pages * kPage), &mapping), io_return::kNoSpace);
    return mapper().last_refusal();
  }
};

TEST_F(MapperAsRecorded, PagesGoExactlyThereInOrder) {
  mapper().expect_placement(Iova(0x9000'0000));
  mapper().expect_placement(Iova(0x8800'0000));
  EXPECT_EQ(map_pages(1).iova.value, 0x9000'0000u);
  EXPECT_EQ(map_pages(1).iova.value, 0x8800'0000u);
}

TEST_F(MapperAsRecorded, WithoutAnAddressThereIsNoSpace) {
  Mapper::Mapping mapping;
  EXPECT_EQ(map(memory_.object(kPage), &mapping), io_return::kNoSpace);
  EXPECT_THAT(mapper().last_refusal(), testing::HasSubstr("no recorded address"));
}

TEST_F(MapperAsRecorded, ACollisionNamesWhatIsThere) {
  mapper().expect_placement(Iova(0x9000'0000));
  map_pages(2);
  EXPECT_THAT(refusal(Iova(0x9000'0000 + kPage)),
              testing::AllOf(testing::HasSubstr("0x90004000"), testing::HasSubstr("mapping at 0x90000000")));
}

TEST_F(MapperAsRecorded, OutsideTheWindowNamesTheWindow) {
  EXPECT_THAT(refusal(Iova(0x1000'0000)), testing::HasSubstr("window 0x80000000..0xfff00000"));
}

TEST_F(MapperAsRecorded, AnImpossiblePageOffsetIsNamed) {
  EXPECT_THAT(refusal(Iova(0x9000'0008)), testing::HasSubstr("offset 0x8"));
}

// Unmapping -----------------------------------------------------------------------------------------------------------

TEST_F(MapperTest, AMappingUnmappedTwiceIsStale) {
  boot();
  const Mapper::Mapping mapping = map_pages(1);
  EXPECT_TRUE(mapper().unmap(mapping));
  map_pages(1);  // takes the same slot and the same address
  EXPECT_TRUE(mapper().unmap(mapping));
  EXPECT_EQ(mapper().stats().mappings, 1u);
  EXPECT_EQ(mapper().stats().stale_unmaps, 1u);
}

TEST_F(MapperTest, AMappingOfAnEarlierRunIsStale) {
  boot();
  const Mapper::Mapping mapping = map_pages(1);
  boot();
  map_pages(1);
  mapper().unmap(mapping);
  EXPECT_EQ(mapper().stats().mappings, 1u);
}

TEST_F(MapperTest, AfterUnmapTheDeviceFaultsEvenWithAWarmTlb) {
  sim::Profile profile = test_profile();
  profile.on_dart_fault = sim::FaultPolicy::kAbort;
  boot(profile);
  claim();
  const Mapper::Mapping mapping = map_pages(1);
  ASSERT_TRUE(device_writes(mapping.iova, 4));
  mapper().unmap(mapping);
  memory_.data()[0] = std::byte{0};
  EXPECT_FALSE(device_writes(mapping.iova, 4));
  EXPECT_EQ(memory_.data()[0], std::byte{0});
}

TEST_F(MapperTest, FourKibPagesWorkTheSame) {
  boot_with({.page_bytes = 4096, .window_base = Iova(0x1'0000'0000), .window_bytes = kGiB, .guard_pages = 0});
  claim();
  Mapper::Mapping mapping;
  ASSERT_EQ(map(memory_.object(5 * 4096), &mapping), io_return::kSuccess);
  EXPECT_EQ(mapping.page_bytes, 5u * 4096);
  ASSERT_TRUE(device_writes(mapping.iova, 5 * 4096));
  EXPECT_EQ(memory_.data()[5 * 4096 - 1], std::byte{0xa5});
}

TEST_F(MapperTest, MapAndUnmapTakeTheProfilesTime) {
  boot_with({.map_ns = 700});
  const uint64_t start = now_ns();
  const Mapper::Mapping mapping = map_pages(1);
  EXPECT_EQ(now_ns() - start, 700u);
  mapper().unmap(mapping);
  EXPECT_EQ(now_ns() - start, 1400u);
}

TEST_F(MapperTest, NothingIsLeftWhenEverythingIsUnmapped) {
  boot();
  std::vector<Mapper::Mapping> mappings;
  for (uint64_t i = 1; i <= 20; ++i) mappings.push_back(map_pages(i % 5 + 1));
  for (const Mapper::Mapping& m : mappings) mapper().unmap(m);
  EXPECT_EQ(mapper().stats().mapped_bytes, 0u);
  EXPECT_EQ(mapper().stats().mapped_bytes_peak, 60 * kPage);
  EXPECT_EQ(map_pages(64).iova.value, kWindow);
}

// Against a naive model -----------------------------------------------------------------------------------------------

RC_GTEST_FIXTURE_PROP(MapperTest, AgreesWithAListOfRangesForAnySequence, ()) {
  MapperConfig config;
  config.window_bytes = *rc::gen::inRange<uint64_t>(1, 40) * kPage;
  config.guard_pages = *rc::gen::inRange<uint64_t>(0, 3);
  config.mapped_bytes_max = *rc::gen::inRange<uint64_t>(0, 30) * kPage;
  config.mappings_max = *rc::gen::inRange<uint64_t>(0, 8);
  config.policy = *rc::gen::element(IovaPolicy::kFirstFit, IovaPolicy::kTopDown, IovaPolicy::kRandom);
  boot_with(config);
  std::map<uint64_t, Mapper::Mapping> live;  // by first page
  uint64_t bytes = 0;
  const auto hole = [&](uint64_t block) {  // is there a hole of `block` pages anywhere?
    uint64_t at = kWindow;
    for (const auto& [base, m] : live) {
      if (base - at >= block * kPage) return true;
      at = base + m.page_bytes + config.guard_pages * kPage;
    }
    return kWindow + config.window_bytes - at >= block * kPage;
  };
  const int steps = *rc::gen::inRange(0, 40);
  for (int i = 0; i < steps; ++i) {
    if (*rc::gen::inRange(0, 3) != 0) {
      const uint64_t length = *rc::gen::inRange<uint64_t>(1, 6 * kPage);
      const uint64_t pages = round_up(length, kPage) / kPage;
      const bool want = (config.mapped_bytes_max == 0 || bytes + pages * kPage <= config.mapped_bytes_max) &&
                        (config.mappings_max == 0 || live.size() < config.mappings_max) &&
                        hole(pages + config.guard_pages);
      Mapper::Mapping m;
      const io_return::Code code = map(memory_.object(length), &m);
      RC_ASSERT((code == io_return::kSuccess) == want);
      if (!want) continue;
      const auto next = live.upper_bound(m.page_base.value);
      RC_ASSERT(next == live.end() || m.page_base.value + m.page_bytes + config.guard_pages * kPage <= next->first);
      if (next != live.begin()) {
        const auto& before = std::prev(next)->second;
        RC_ASSERT(before.page_base.value + before.page_bytes + config.guard_pages * kPage <= m.page_base.value);
      }
      RC_ASSERT(m.page_base.value >= kWindow &&
                m.page_base.value + m.page_bytes + config.guard_pages * kPage <= kWindow + config.window_bytes);
      live.emplace(m.page_base.value, m);
      bytes += m.page_bytes;
    } else if (!live.empty()) {
      auto victim = live.begin();
      std::advance(victim, *rc::gen::inRange<long>(0, static_cast<long>(live.size())));
      RC_ASSERT(mapper().unmap(victim->second));
      bytes -= victim->second.page_bytes;
      live.erase(victim);
    }
    RC_ASSERT(mapper().stats().mapped_bytes == bytes);
    RC_ASSERT(mapper().stats().mappings == live.size());
  }
}

}  // namespace
}  // namespace dartboard::macos
