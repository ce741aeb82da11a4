// tests/dma/companion_hostile_test.cpp - batches that no honest driver writes.
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/dma/companion_device.h"
#include "tests/dma/companion_rig.h"

namespace dartboard::backend::dma {
namespace {

using namespace companion;

constexpr uint64_t kPage = 16 * kKiB;
constexpr Gpa kNowhere{0x1000}, kEndOfRam{0x4100'0000}, kTop{~uint64_t{0} - 8};

struct FrameCase {
  const char* what;
  uint32_t type, count;
  Gpa requests, responses;
  uint32_t status;
  bool in_page = true;  ///< the status reached the command page
};

/// One good entry lies at kRequests; a batch that is refused as a whole maps nothing.
TEST(CompanionHostile, FramesOfBatches) {
  const Gpa requests = CompanionRig::kRequests, responses = CompanionRig::kResponses, command = CompanionRig::kCommand;
  for (const FrameCase& c : {
           FrameCase{"good", 1, 1, requests, responses, 0},
           FrameCase{"count 0", 1, 0, requests, responses, 3},
           FrameCase{"count above MAX_ENTRIES", 1, 17, requests, responses, 3},
           FrameCase{"count 2^32-1", 1, ~0u, requests, responses, 3},
           FrameCase{"type 0", 0, 1, requests, responses, 3},
           FrameCase{"type 3", 3, 1, requests, responses, 3},
           FrameCase{"type 2^32-1", ~0u, 1, requests, responses, 3},
           FrameCase{"no requests", 1, 1, Gpa(0), responses, 3},
           FrameCase{"no responses", 1, 1, requests, Gpa(0), 3},
           FrameCase{"requests are not RAM", 1, 1, kNowhere, responses, 3},
           FrameCase{"responses are not RAM", 1, 1, requests, kNowhere, 3},
           FrameCase{"requests end past RAM", 1, 1, kEndOfRam - 19, responses, 3},
           FrameCase{"responses end past RAM", 1, 1, requests, kEndOfRam - 27, 3},
           FrameCase{"requests wrap", 1, 1, kTop, responses, 3},
           FrameCase{"responses wrap", 1, 1, requests, kTop, 3},
           FrameCase{"responses over the requests", 1, 1, requests, requests, 0},
           FrameCase{"responses over half of the requests", 1, 1, requests, requests + 11, 0},
           FrameCase{"responses over the command page", 1, 1, requests, command, 3},
           FrameCase{"responses over its last byte", 1, 1, requests, command + 31, 3},
           FrameCase{"responses end in its first byte", 1, 1, requests, command - 27, 3},
           FrameCase{"responses end before it", 1, 1, requests, command - 28, 0},
           FrameCase{"responses begin after it", 1, 1, requests, command + 32, 0},
           FrameCase{"the command page as requests: nonsense, and harmless", 1, 1, command, responses, 1},
       }) {
    CompanionRig rig({.entries_max = 16});
    rig.put_map(0, rig.ram(0), kPage);
    rig.command(c.type, c.count, c.requests, c.responses);
    rig.ring();
    EXPECT_EQ(rig.status(), c.status) << c.what;
    EXPECT_EQ(rig.get32(CompanionRig::kCommand + 8), c.status) << c.what;
    EXPECT_EQ(rig.mapper.entries.size(), c.status == 0 ? 1u : 0u) << c.what;
    EXPECT_EQ(rig.device.refusal().has_value(), c.status != 0) << c.what;
    if (c.status == 0) {
      EXPECT_EQ(rig.answer(0, c.responses).status, 0u) << c.what;
      EXPECT_EQ(rig.answer(0, c.responses).id, rig.ram(0).value) << c.what;
    }
    // And it is as good as new.
    rig.unmap({rig.ram(0).value});
    EXPECT_EQ(rig.map({{rig.ram(0), kPage}})[0].status, 0u) << c.what;
  }
}

TEST(CompanionHostile, CommandPagesThatAreNotRam) {
  for (const Gpa page : {Gpa(0), kNowhere, kEndOfRam - 31, kTop, Gpa(~uint64_t{0})}) {
    CompanionRig rig;
    rig.command(1, 1);
    rig.write32(kRegCommandLow, static_cast<uint32_t>(page.value));
    rig.write32(kRegCommandHigh, static_cast<uint32_t>(page.value >> 32));
    rig.ring();
    EXPECT_EQ(rig.status(), 3u) << std::hex << page.value;
    EXPECT_EQ(rig.bus.writes, 0u) << std::hex << page.value;
  }
}

struct EntryCase {
  const char* what;
  uint64_t gpa, bytes;
  ErrorName refusal;
};

TEST(CompanionHostile, ABadEntryDoesNotStopTheOthers) {
  const uint64_t ram = FakeGuest::kBase.value;
  for (const EntryCase& c : {
           EntryCase{"no bytes", ram + 2 * kMiB, 0, ErrorName::kBadArgument},
           EntryCase{"2^64-1 bytes", ram + 2 * kMiB, ~uint64_t{0}, ErrorName::kBadArgument},
           EntryCase{"all addresses", 0, ~uint64_t{0}, ErrorName::kBadArgument},
           EntryCase{"wraps", ~uint64_t{0} - 4, 100, ErrorName::kBadArgument},
           EntryCase{"the last byte of all", ~uint64_t{0}, 1, ErrorName::kBadArgument},
           EntryCase{"address 0 that is not RAM", 0, 4096, ErrorName::kBadArgument},
           EntryCase{"not RAM", 0x1000, 4096, ErrorName::kBadArgument},
           EntryCase{"ends past RAM", kEndOfRam.value - 4096, 4097, ErrorName::kBadArgument},
           EntryCase{"begins before RAM", ram - 1, 4096, ErrorName::kBadArgument},
           EntryCase{"larger than a registration can be", ram, 1536 * kMiB + 1, ErrorName::kBadArgument},
           EntryCase{"the same key as the first", ram + kMiB, 64, ErrorName::kBusy},
       }) {
    for (const bool merge : {true, false}) {
      CompanionRig rig({.merge = merge});
      const auto answers = rig.map({{rig.ram(0), 4096}, {Gpa(c.gpa), c.bytes}, {rig.ram(4 * kPage), 4096}});
      EXPECT_EQ(rig.status(), 1u) << c.what;
      EXPECT_EQ(answers[0].status, 0u) << c.what;
      EXPECT_EQ(answers[1].status, 1u) << c.what;
      EXPECT_EQ(answers[1].id, c.gpa) << c.what;
      EXPECT_EQ(answers[1].iova, 0u) << c.what;
      EXPECT_EQ(answers[1].length, 0u) << c.what;
      EXPECT_EQ(answers[2].status, 0u) << c.what;
      EXPECT_EQ(rig.mapper.entries.size(), 2u) << c.what;
      ASSERT_TRUE(rig.device.refusal()) << c.what;
      EXPECT_EQ(rig.device.refusal()->name, c.refusal) << c.what;
    }
  }
}

TEST(CompanionHostile, TheSameKeyInTheNextBatchIsRefusedAndChangesNothing) {
  CompanionRig rig;
  const auto first = rig.map({{rig.ram(0), kPage}});
  EXPECT_EQ(rig.map({{rig.ram(0), kPage}})[0].status, 1u);
  EXPECT_EQ(rig.map({{rig.ram(0), 2 * kPage}, {rig.ram(2 * kPage), kPage}})[1].status, 0u)
      << "its neighbour is its own";
  EXPECT_NE(rig.mapper.reach(Iova(first[0].iova), kPage), nullptr);
  EXPECT_THAT(rig.unmap({first[0].id}), testing::ElementsAre(0u));
}

TEST(CompanionHostile, ALiveEntryAmongNeighboursIsLeftOutOfTheirs) {
  CompanionRig rig;
  const auto live = rig.map({{rig.ram(4096), 4096}});
  const auto answers = rig.map({{rig.ram(0), 4096}, {rig.ram(4096), 4096}, {rig.ram(8192), 4096}});
  EXPECT_EQ(answers[0].status, 0u);
  EXPECT_EQ(answers[1].status, 1u);
  EXPECT_EQ(answers[2].status, 0u);
  EXPECT_EQ(rig.mapper.entries.size(), 3u);
  EXPECT_EQ(rig.device.live(), 3u);
  EXPECT_THAT(rig.unmap({live[0].id, answers[0].id, answers[2].id}), testing::ElementsAre(0u, 0u, 0u));
  EXPECT_TRUE(rig.mapper.empty());
}

TEST(CompanionHostile, UnmapsOfWhatIsNotThere) {
  CompanionRig rig;
  const auto answers = rig.map({{rig.ram(0), kPage}});
  const uint64_t id = answers[0].id;
  EXPECT_THAT(rig.unmap({id + 1, 0, ~uint64_t{0}, id, id}), testing::ElementsAre(1u, 1u, 1u, 0u, 1u));
  EXPECT_EQ(rig.status(), 1u);
  EXPECT_TRUE(rig.mapper.empty());
  EXPECT_EQ(rig.device.refusal()->name, ErrorName::kNotFound);
}

// I-43: no word of the guest's is fetched twice in one batch.
TEST(CompanionHostile, EachByteIsFetchedOnce) {
  CompanionRig rig;
  std::vector<CompanionRig::Request> requests;
  for (uint64_t i = 0; i < 100; ++i) requests.push_back({rig.ram(i % 7 == 0 ? i * kPage : i * 4096), 4096});
  for (const bool map : {true, false}) {
    rig.bus.fetches.clear();
    if (map) {
      rig.map(requests);
    } else {
      std::vector<uint64_t> ids;
      for (const auto& r : requests) ids.push_back(r.gpa.value);
      rig.unmap(ids);
    }
    const auto& layout = *rig.options.layout;
    const uint64_t record = map ? layout.map_request.bytes : layout.unmap_request.bytes;
    EXPECT_EQ(rig.bus.fetches.size(), kCommandPage.bytes + requests.size() * record);
    for (const auto& [gpa, times] : rig.bus.fetches) EXPECT_EQ(times, 1u) << std::hex << gpa;
  }
}

// The guest changes all that the device reads between any two accesses: the batch is the one of the first fetch.
TEST(CompanionHostile, WhatChangesDuringABatchDoesNotMatter) {
  CompanionRig rig;
  rig.command(1, 2);
  rig.put_map(0, rig.ram(0), 4096);
  rig.put_map(1, rig.ram(8 * kPage), 100);
  unsigned accesses = 0;
  rig.bus.before = [&] {
    // First the command page is fetched, then the requests; what was fetched turns into its opposite.
    if (accesses >= 1) std::memset(rig.guest.memory.at(CompanionRig::kCommand, 32), 0xff, 32);
    if (accesses >= 2) std::memset(rig.guest.memory.at(CompanionRig::kRequests, 40), 0xff, 40);
    ++accesses;
  };
  rig.ring();
  rig.bus.before = nullptr;
  EXPECT_EQ(accesses, 4u) << "command page, requests, responses, status";
  EXPECT_EQ(rig.status(), 0u);
  EXPECT_EQ(rig.get32(CompanionRig::kCommand + 8), 0u);
  EXPECT_EQ(rig.answer(0).id, rig.ram(0).value);
  EXPECT_EQ(rig.answer(1).id, rig.ram(8 * kPage).value);
  EXPECT_EQ(rig.mapper.reach(Iova(rig.answer(1).iova), 100), rig.guest.memory.at(rig.ram(8 * kPage), 100));
  EXPECT_EQ(rig.mapper.entries.size(), 2u);
}

// Another processor moves the command page and rings again while a batch runs.
TEST(CompanionHostile, AMovedCommandPageIsForTheNextBatch) {
  CompanionRig rig;
  rig.command(1, 1);
  rig.put_map(0, rig.ram(0), 4096);
  const Gpa other = CompanionRig::kCommand + 0x100;
  rig.put32(other + 8, 0xbbbb);
  rig.bus.before = [&] {
    rig.write32(kRegCommandLow, static_cast<uint32_t>(other.value));
    rig.ring();
  };
  rig.ring();
  rig.bus.before = nullptr;
  EXPECT_EQ(rig.device.stats().doorbells, 1u);
  EXPECT_EQ(rig.device.stats().doorbells_dropped, 4u);
  EXPECT_EQ(rig.get32(CompanionRig::kCommand + 8), 0u);
  EXPECT_EQ(rig.get32(other + 8), 0xbbbbu);
  EXPECT_EQ(rig.mapper.entries.size(), 1u);
  rig.ring();
  EXPECT_EQ(rig.get32(other + 8), 3u) << "now it counts: an empty batch";
}

// What the guest cannot be told must not stay.
TEST(CompanionHostile, ABatchWhoseAnswersCannotBeWrittenMapsNothing) {
  for (const uint64_t failing : {1, 2}) {  // the responses, the status
    CompanionRig rig;
    const auto kept = rig.map({{rig.ram(64 * kPage), kPage}});
    rig.command(1, 3);
    for (uint32_t i = 0; i < 3; ++i) rig.put_map(i, rig.ram(i * 4096), 4096);
    rig.bus.fail_write = rig.bus.writes + failing;
    rig.ring();
    EXPECT_EQ(rig.status(), 1u);
    EXPECT_EQ(rig.mapper.entries.size(), 1u) << "the batch before is not touched";
    EXPECT_EQ(rig.device.live(), 1u);
    EXPECT_EQ(rig.device.stats().given_back, 3u);
    EXPECT_NE(rig.mapper.reach(Iova(kept[0].iova), kPage), nullptr);
    EXPECT_EQ(rig.map({{rig.ram(0), 4096}})[0].status, 0u);
  }
}

TEST(CompanionHostile, RamThatEndsInTheMiddleIsNotOnePiece) {
  // Two ranges that are neighbours for the guest and not in this process.
  CompanionRig rig;
  std::vector<std::byte> more(kPage);
  ASSERT_TRUE(rig.guest.memory.add({kEndOfRam, kPage, more.data()}));
  const auto answers = rig.map({{kEndOfRam - 4096, 8192}, {kEndOfRam - 8192, 8192}, {kEndOfRam, 4096}});
  EXPECT_EQ(answers[0].status, 1u);
  EXPECT_EQ(answers[1].status, 0u);
  EXPECT_EQ(answers[2].status, 0u);
  EXPECT_EQ(rig.mapper.entries.size(), 2u) << "not merged across the edge";
  EXPECT_EQ(rig.mapper.reach(Iova(answers[2].iova), 4096), more.data());
}

}  // namespace
}  // namespace dartboard::backend::dma
