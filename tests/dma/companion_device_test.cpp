// tests/dma/companion_device_test.cpp - the apple-dma-pci device as its guest sees it: registers, configuration,
// layouts, and what an ordinary batch does.
#include "backend/dma/companion_device.h"

#include <cstring>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dma/companion_rig.h"
#include "tests/dma/fake_mapper.h"

namespace dartboard::backend::dma {
namespace {

using namespace companion;
using testing::ElementsAre;

constexpr uint64_t kPage = 16 * kKiB;

struct ReadCase {
  const char* what;
  uint64_t offset;
  unsigned bytes;
  uint64_t value;
};

TEST(CompanionRegisters, ReadAsDeclared) {
  CompanionRig rig({.managed = Rid(0, 4, 0), .entries_max = 4096});
  rig.device.write(kRegCommandLow, std::as_bytes(std::span("\x11\x22\x33\x44\x55\x66\x77", 8)));
  for (const ReadCase c : {ReadCase{"VERSION", 0x00, 4, 2},
                           {"MANAGED_BDF", 0x04, 4, 0x20},
                           {"MAX_ENTRIES", 0x08, 4, 4096},
                           {"STATUS", 0x0c, 4, 0},
                           {"CMD_GPA_LO is written only", 0x10, 4, 0},
                           {"CMD_GPA_HI is written only", 0x14, 4, 0},
                           {"DOORBELL is written only", 0x18, 4, 0},
                           {"nothing there", 0x1c, 4, 0},
                           {"last register of the BAR", 0xffc, 4, 0},
                           {"byte", 0x08, 1, 0x00},
                           {"byte in the middle", 0x09, 1, 0x10},
                           {"word", 0x08, 2, 0x1000},
                           {"two registers", 0x00, 8, 0x20'0000'0002},
                           {"across two registers", 0x02, 4, 0x20'0000},
                           {"three quarters", 0x08, 3, 0x1000},
                           {"past the end", 0x1000, 4, 0xffff'ffff},
                           {"half past the end", 0xffe, 4, 0xffff'0000},
                           {"far past the end", ~uint64_t{0} - 1, 4, 0xffff'ffff},
                           {"nothing", 0x00, 0, 0}}) {
    uint64_t value = 0;
    rig.device.read(c.offset, std::as_writable_bytes(std::span(&value, 1)).first(c.bytes));
    EXPECT_EQ(value, c.value) << c.what;
  }
  EXPECT_EQ(rig.device.stats().outside, 3u);
}

struct WriteCase {
  const char* what;
  std::vector<std::pair<uint64_t, std::vector<uint8_t>>> writes;
  uint64_t doorbells;
  bool found;  ///< the command page was found
};

/// The command page lies at 0x4000'0120; a batch of no entries answers INVAL there, so its status word tells.
TEST(CompanionRegisters, WritesOfAnyWidthReachTheirBytes) {
  const std::vector<uint8_t> low = {0x20, 0x01, 0x00, 0x40}, high = {0, 0, 0, 0}, one = {1, 0, 0, 0};
  for (const WriteCase& c : {
           WriteCase{"words", {{0x10, low}, {0x14, high}, {0x18, one}}, 1, true},
           WriteCase{"low alone: high is 0 after reset", {{0x10, low}, {0x18, one}}, 1, true},
           WriteCase{"no address", {{0x18, one}}, 1, false},
           WriteCase{"qword", {{0x10, {0x20, 1, 0, 0x40, 0, 0, 0, 0}}, {0x18, one}}, 1, true},
           WriteCase{"bytes", {{0x10, {0x20}}, {0x11, {1}}, {0x12, {0}}, {0x13, {0x40}}, {0x1b, {0}}}, 1, true},
           WriteCase{"halves", {{0x10, {0x20, 1}}, {0x12, {0, 0x40}}, {0x1a, {0, 0}}}, 1, true},
           WriteCase{"across registers", {{0x12, {0, 0x40, 0, 0}}, {0x10, {0x20, 1}}, {0x18, {0}}}, 1, true},
           WriteCase{"high and doorbell at once", {{0x10, low}, {0x14, {0, 0, 0, 0, 9, 9, 9, 9}}}, 1, true},
           WriteCase{"doorbell and what follows", {{0x10, low}, {0x18, {1, 2, 3, 4, 5, 6, 7, 8}}}, 1, true},
           WriteCase{"everything at once", {{0x10, {0x20, 1, 0, 0x40, 0, 0, 0, 0, 0}}}, 1, true},
           WriteCase{"a byte of high makes it another page", {{0x10, low}, {0x17, {0x80}}, {0x18, one}}, 1, false},
           WriteCase{"what is only read stays", {{0x00, low}, {0x04, low}, {0x08, low}, {0x0c, low}}, 0, false},
           WriteCase{"past the end", {{0x1018, one}, {0x1000, one}, {~uint64_t{0}, {1, 2}}}, 0, false},
           WriteCase{"nothing", {{0x18, {}}}, 0, false},
       }) {
    CompanionRig rig;
    rig.put32(CompanionRig::kCommand + kCommandPage.status.offset, 0xaaaa);
    for (const auto& [offset, bytes] : c.writes) rig.device.write(offset, std::as_bytes(std::span(bytes)));
    EXPECT_EQ(rig.device.stats().doorbells, c.doorbells) << c.what;
    EXPECT_EQ(rig.get32(CompanionRig::kCommand + kCommandPage.status.offset), c.found ? 3u : 0xaaaau) << c.what;
    uint32_t version = 0;
    rig.device.read(kRegVersion, std::as_writable_bytes(std::span(&version, 1)));
    EXPECT_EQ(version, 2u) << c.what;
  }
}

TEST(CompanionConfig, IsTheDeviceThatTheGuestsDriverLooksFor) {
  CompanionRig rig;
  const auto read = [&](uint64_t offset, unsigned bytes) {
    uint32_t value = 0;
    rig.device.read_config(offset, std::as_writable_bytes(std::span(&value, 1)).first(bytes));
    return value;
  };
  EXPECT_EQ(read(0x00, 4), 0x0015'1b36u);
  EXPECT_EQ(read(0x08, 4) >> 8, 0x08'8000u);
  EXPECT_EQ(read(0x0e, 1), 0u);
  EXPECT_EQ(read(0x3d, 1), 0u);
  EXPECT_EQ(read(0x100, 4), 0xffff'ffffu) << "no extended space";
  EXPECT_EQ(read(0xfe, 4), 0xffff'0000u);
  const uint32_t ones = 0xffff'ffff;
  for (uint64_t at = 0; at < 0x120; at += 4) rig.device.write_config(at, std::as_bytes(std::span(&ones, 1)));
  EXPECT_EQ(read(0x10, 4), 0xffff'f000u) << "4 KiB, 32-bit memory";
  EXPECT_EQ(read(0x14, 4), 0u);
  EXPECT_EQ(read(0x04, 4), 0x0000'0006u);
  EXPECT_EQ(read(0x00, 4), 0x0015'1b36u);
  rig.device.write_config(0x12, std::as_bytes(std::span("\x34\x12", 2)));
  EXPECT_EQ(read(0x10, 4), 0x1234'f000u);
  rig.device.reset();
  EXPECT_EQ(read(0x10, 4), 0u);
}

class CompanionWire : public testing::TestWithParam<const WireLayout*> {};

TEST_P(CompanionWire, RecordsArePackedAndDoNotOverlap) {
  const WireLayout& w = *GetParam();
  const auto packed = [](uint32_t bytes, std::initializer_list<Field> fields) {
    uint32_t at = 0;
    for (const Field f : fields) {
      EXPECT_EQ(f.offset, at);
      at += f.bytes;
    }
    EXPECT_EQ(at, bytes);
  };
  packed(w.map_request.bytes, {w.map_request.gpa, w.map_request.length, w.map_request.flags});
  packed(w.map_response.bytes, {w.map_response.id, w.map_response.iova, w.map_response.length, w.map_response.status});
  packed(w.unmap_request.bytes, {w.unmap_request.id, w.unmap_request.size});
  packed(w.unmap_response.bytes, {w.unmap_response.id, w.unmap_response.status, w.unmap_response.reserved});
  packed(kCommandPage.bytes, {kCommandPage.type, kCommandPage.count, kCommandPage.status, kCommandPage.reserved,
                              kCommandPage.requests, kCommandPage.responses});
}

TEST(CompanionWireSizes, AreThoseOfTheTwoHosts) {
  EXPECT_EQ(kWire64.map_request.bytes, 20u);
  EXPECT_EQ(kWire64.map_response.bytes, 28u);
  EXPECT_EQ(kWire32.map_request.bytes, 16u);
  EXPECT_EQ(kWire32.map_response.bytes, 24u);
  for (const WireLayout* w : {&kWire32, &kWire64}) {
    EXPECT_EQ(w->unmap_request.bytes, 16u);
    EXPECT_EQ(w->unmap_response.bytes, 16u);
  }
}

TEST_P(CompanionWire, MapsAndUnmaps) {
  CompanionRig rig({.layout = GetParam()});
  const auto answers = rig.map({{rig.ram(0), kPage}, {rig.ram(8 * kPage + 0x123), 100}});
  EXPECT_EQ(rig.status(), 0u);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].id, rig.ram(0).value);
  EXPECT_EQ(answers[1].id, rig.ram(8 * kPage + 0x123).value);
  EXPECT_EQ(answers[1].length, 100u);
  for (const auto& [answer, gpa, bytes] :
       {std::tuple{answers[0], rig.ram(0), kPage}, {answers[1], rig.ram(8 * kPage + 0x123), 100}}) {
    EXPECT_EQ(answer.status, 0u);
    EXPECT_EQ(rig.mapper.reach(Iova(answer.iova), bytes), rig.guest.memory.at(gpa, bytes));
  }
  EXPECT_EQ(rig.mapper.entries.count(rig.ram(0).value), 1u) << "the mapper's key is the guest address";
  EXPECT_THAT(rig.unmap({answers[0].id, answers[1].id}), ElementsAre(0u, 0u));
  EXPECT_EQ(rig.status(), 0u);
  EXPECT_EQ(rig.mapper.entries.size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Both, CompanionWire, testing::Values(&kWire64, &kWire32),
                         [](const auto& info) { return info.param == &kWire64 ? "Wire64" : "Wire32"; });

struct MergeCase {
  const char* what;
  std::vector<std::pair<uint64_t, uint64_t>> entries;  ///< offset into RAM, bytes
  uint64_t registrations;
};

TEST(CompanionMerge, NeighboursOfABatchShareARegistration) {
  for (const MergeCase& c : {MergeCase{"in order", {{0, 4096}, {4096, 4096}, {8192, 100}}, 1},
                             MergeCase{"backwards", {{8192, 4096}, {4096, 4096}, {0, 4096}}, 1},
                             MergeCase{"a gap of a byte", {{0, 4096}, {4097, 4096}}, 2},
                             MergeCase{"an overlap", {{0, 4096}, {4095, 4096}}, 2},
                             MergeCase{"two groups", {{0, 4096}, {65536, 4096}, {4096, 4096}, {69632, 1}}, 2},
                             MergeCase{"bytes", {{0, 1}, {1, 1}, {2, 1}, {3, 1}}, 1}}) {
    for (const bool merge : {true, false}) {
      CompanionRig rig({.merge = merge});
      std::vector<CompanionRig::Request> requests;
      for (const auto& [offset, bytes] : c.entries) requests.push_back({rig.ram(offset), bytes});
      const auto answers = rig.map(requests);
      EXPECT_EQ(rig.mapper.entries.size(), merge ? c.registrations : c.entries.size()) << c.what;
      std::vector<uint64_t> ids;
      for (size_t i = 0; i < answers.size(); ++i) {
        EXPECT_EQ(answers[i].status, 0u) << c.what;
        EXPECT_EQ(rig.mapper.reach(Iova(answers[i].iova), requests[i].bytes),
                  rig.guest.memory.at(requests[i].gpa, requests[i].bytes))
            << c.what;
        ids.push_back(answers[i].id);
      }
      // One at a time, so that what is left stays reachable.
      for (size_t i = 0; i < ids.size(); ++i) {
        EXPECT_THAT(rig.unmap({ids[i]}), ElementsAre(0u)) << c.what;
        for (size_t j = i + 1; j < ids.size(); ++j) {
          EXPECT_NE(rig.mapper.reach(Iova(answers[j].iova), requests[j].bytes), nullptr) << c.what;
        }
      }
      EXPECT_EQ(rig.mapper.entries.size(), 0u) << c.what;
    }
  }
}

TEST(CompanionMerge, AnAddressWhoseGroupLivesOnCanBeMappedAgain) {
  CompanionRig rig;
  const auto first = rig.map({{rig.ram(0), 4096}, {rig.ram(4096), 4096}});
  EXPECT_THAT(rig.unmap({first[0].id}), ElementsAre(0u));
  const auto again = rig.map({{rig.ram(0), 16384}});
  ASSERT_EQ(again[0].status, 0u);
  EXPECT_EQ(again[0].id, rig.ram(0).value);
  EXPECT_NE(again[0].iova, first[0].iova);
  EXPECT_THAT(rig.unmap({first[1].id}), ElementsAre(0u));
  EXPECT_EQ(rig.mapper.reach(Iova(again[0].iova), 16384), rig.guest.memory.at(rig.ram(0), 16384));
  EXPECT_THAT(rig.unmap({again[0].id}), ElementsAre(0u));
  EXPECT_EQ(rig.mapper.entries.size(), 0u);
}

TEST(CompanionMerge, WhatDoesNotFitTogetherIsTriedAlone) {
  CompanionRig rig({}, {.bytes_max = 2 * kPage, .mappings_max = 64, .page_bytes = kPage});
  const auto answers = rig.map({{rig.ram(0), kPage}, {rig.ram(kPage), kPage}, {rig.ram(2 * kPage), kPage}});
  EXPECT_EQ(rig.status(), 1u);
  EXPECT_EQ(answers[0].status, 0u);
  EXPECT_EQ(answers[1].status, 0u);
  EXPECT_EQ(answers[2].status, 1u);
  ASSERT_TRUE(rig.device.refusal());
  EXPECT_EQ(rig.device.refusal()->name, ErrorName::kBudgetBytes);
}

TEST(Companion, EntriesAreLimitedEvenWhenTheMapperIsNot) {
  CompanionRig rig({}, {.bytes_max = kGiB, .mappings_max = 6, .page_bytes = kPage});
  std::vector<CompanionRig::Request> requests;
  for (uint64_t i = 0; i < 8; ++i) requests.push_back({rig.ram(i), 1});
  const auto answers = rig.map(requests);
  EXPECT_EQ(rig.device.live(), 6u);
  EXPECT_EQ(std::count_if(answers.begin(), answers.end(), [](const auto& a) { return a.status != 0; }), 2);
  EXPECT_EQ(rig.device.refusal()->name, ErrorName::kBudgetMappings);
}

TEST(Companion, AnUnmapThatTheMapperRefusesIsTriedAgain) {
  CompanionRig rig;
  const auto answers = rig.map({{rig.ram(0), kPage}});
  rig.mapper.fail_at = 1;
  EXPECT_THAT(rig.unmap({answers[0].id}), ElementsAre(1u));
  EXPECT_EQ(rig.device.registrations(), 1u);
  EXPECT_THAT(rig.unmap({answers[0].id}), ElementsAre(0u));
  EXPECT_EQ(rig.mapper.entries.size(), 0u);
  // And by the next map of the same address, without the guest's help.
  rig.map({{rig.ram(0), kPage}});
  rig.mapper.fail_at = 1;
  EXPECT_THAT(rig.unmap({rig.ram(0).value}), ElementsAre(1u));
  EXPECT_EQ(rig.map({{rig.ram(0), 2 * kPage}})[0].status, 0u);
  EXPECT_EQ(rig.mapper.entries.size(), 1u);
  EXPECT_TRUE(rig.device.release_all());
  EXPECT_EQ(rig.mapper.entries.size(), 0u);
}

/// Refuses to let go of one key, so often.
class Stubborn final : public Mapper {
 public:
  Result<DmaMapping> map(uint64_t key, void* base, uint64_t size) override { return fake.map(key, base, size); }
  Result<void> unmap(uint64_t key) override {
    if (key == kept && times != 0) {
      --times;
      return fail(ErrorName::kCallFailed, "no");
    }
    return fake.unmap(key);
  }
  Result<dext::DmaBuffer> allocate_buffer(uint64_t size, uint64_t alignment) override {
    return fake.allocate_buffer(size, alignment);
  }
  Result<void> free_buffer() override { return fake.free_buffer(); }
  Result<void> quiesce() override { return fake.quiesce(); }
  const BudgetUse& use() const override { return fake.use(); }
  const Budget& budget() const override { return fake.budget(); }

  FakeMapper fake;
  uint64_t kept = 0;
  unsigned times = 0;
};

TEST(Companion, ReleaseAllTriesTwiceAndGoesOn) {
  struct Case {
    unsigned refusals;
    bool done;
    uint64_t left;
  };
  for (const Case c : {Case{0, true, 0}, Case{1, true, 0}, Case{2, false, 1}}) {
    CompanionRig rig;
    Stubborn mapper;
    CompanionDevice device(rig.bus, mapper, {});
    rig.command(1, 3);
    for (uint32_t i = 0; i < 3; ++i) rig.put_map(i, rig.ram(2 * i * kPage), 1);
    const uint64_t page = CompanionRig::kCommand.value;
    device.write(kRegCommandLow, std::as_bytes(std::span(&page, 1)));
    device.write(kRegDoorbell, std::as_bytes(std::span(&page, 1)).first(1));
    ASSERT_EQ(mapper.fake.entries.size(), 3u);
    mapper.kept = rig.ram(2 * kPage).value;
    mapper.times = c.refusals;
    EXPECT_EQ(device.release_all().has_value(), c.done);
    EXPECT_EQ(mapper.fake.entries.size(), c.left) << "the others went";
    EXPECT_TRUE(device.release_all());
    EXPECT_TRUE(mapper.fake.empty());
    EXPECT_EQ(device.registrations(), 0u);
  }
}

}  // namespace
}  // namespace dartboard::backend::dma
