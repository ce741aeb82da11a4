// tests/model/dart_grant_test.cpp - direct-memory grants: what makes one, what it covers, everything that revokes it.
#include <functional>

#include "tests/model/dart_rig.h"

namespace dartboard::model::test {
namespace {

constexpr Sid kSid{3};
constexpr Iova kIova{0x8000'0000};
constexpr uint64_t kPage = 16 * kKiB;

class DartGrantTest : public testing::Test {
 protected:
  void SetUp() override { start({}); }
  void start(DartConfig config) {
    fabric.start(RootComplexConfig{.dart = config});
    memory_bytes = std::make_unique<Pages>(8 * kPage);
    hpa = fabric.memory.wire(memory_bytes->data(), 8 * kPage, kPage);
    tables.emplace(fabric.memory, dart, 2, 1);
    registers.use_tables(kSid, *tables);
    registers.enable(kSid, true);
    for (uint64_t i = 0; i < 4; ++i) tables->map(kIova + i * kPage, Pte{.address = hpa + i * kPage});
  }
  Outcome move(Iova at, uint64_t length, bool is_write = true, Sid sid = kSid) {
    std::vector<std::byte> data(length);
    return dart.access(sid, Fabric::kRid, at, data.data(), length, is_write);
  }
  uint64_t granted() {
    uint64_t bytes = 0;
    for (const DartGrant& grant : dart.grants()) bytes += grant.bytes;
    return bytes;
  }

  Fabric& fabric = Fabric::instance();
  Dart& dart = fabric.root.dart();
  DartProgrammer registers{dart};
  std::unique_ptr<Pages> memory_bytes;
  std::optional<TableSet> tables;
  Hpa hpa;
};

TEST_F(DartGrantTest, ARequestGrantsItsWholePages) {
  ASSERT_EQ(move(kIova + 100, kPage), Outcome::kSuccess);
  EXPECT_EQ(granted(), 2 * kPage);
  ASSERT_EQ(move(kIova, 2 * kPage, false), Outcome::kSuccess);
  EXPECT_EQ(dart.stats().grant_hits, 1u);
  EXPECT_EQ(dart.stats().walks, 2u);
}

TEST_F(DartGrantTest, NeighboursGrowTogether) {
  for (uint64_t i : {2, 1, 3, 0}) ASSERT_EQ(move(kIova + i * kPage, 16), Outcome::kSuccess);
  EXPECT_EQ(granted(), 4 * kPage);
  ASSERT_EQ(move(kIova, 4 * kPage), Outcome::kSuccess);
  EXPECT_EQ(dart.stats().grant_hits, 1u) << "one range";
}

TEST_F(DartGrantTest, IsTheStreamsAlone) {
  registers.use_tables(Sid(5), *tables);
  ASSERT_EQ(move(kIova, 16), Outcome::kSuccess);
  EXPECT_EQ(move(kIova, 16, true, Sid(5)), Outcome::kUnsupportedRequest) << "stream 5 is not enabled";
}

TEST_F(DartGrantTest, HasThePagesProtection) {
  tables->map(kIova + 4 * kPage, Pte{.address = hpa, .no_write = true});
  ASSERT_EQ(move(kIova + 4 * kPage, 16, false), Outcome::kSuccess);
  EXPECT_EQ(granted(), kPage);
  EXPECT_EQ(move(kIova + 4 * kPage, 16, true), Outcome::kUnsupportedRequest);
}

TEST_F(DartGrantTest, DoesNotGrowOverAnotherProtection) {
  tables->map(kIova + 4 * kPage, Pte{.address = hpa + 4 * kPage, .no_write = true});
  ASSERT_EQ(move(kIova + 3 * kPage, 2 * kPage, false), Outcome::kSuccess);
  EXPECT_EQ(move(kIova + 3 * kPage, 2 * kPage, true), Outcome::kUnsupportedRequest);
}

TEST_F(DartGrantTest, NoneForASubpageWindow) {
  tables->map(kIova + 4 * kPage, Pte{.address = hpa, .subpage_end = 0xff});
  ASSERT_EQ(move(kIova + 4 * kPage, 16), Outcome::kSuccess);
  EXPECT_EQ(granted(), 0u);
}

TEST_F(DartGrantTest, NoneForAPageThatIsWiredInPart) {
  Pages frame(kFrameBytes);
  tables->map(kIova + 4 * kPage, Pte{.address = fabric.memory.wire(frame.data(), kFrameBytes, kPage)});
  ASSERT_EQ(move(kIova + 4 * kPage, 16), Outcome::kSuccess);
  EXPECT_EQ(granted(), 0u);
}

TEST_F(DartGrantTest, EndsWhereItsPagesDo) {
  ASSERT_EQ(move(kIova + 3 * kPage, 16), Outcome::kSuccess);
  EXPECT_EQ(move(kIova + 3 * kPage + 16, kPage), Outcome::kUnsupportedRequest) << "page 4 is not mapped";
  EXPECT_EQ(move(kIova - kPage, 2 * kPage), Outcome::kUnsupportedRequest);
}

TEST_F(DartGrantTest, MoreGrantsThanPlacesReplaceTheOldest) {
  for (uint64_t i = 0; i < 20; ++i) {
    tables->map(kIova + (10 + 2 * i) * kPage, Pte{.address = hpa + (i % 8) * kPage});
    ASSERT_EQ(move(kIova + (10 + 2 * i) * kPage, 16), Outcome::kSuccess);
  }
  EXPECT_EQ(granted(), dart.grants().size() * kPage);
}

TEST_F(DartGrantTest, IsGoneWithTheFrames) {
  ASSERT_EQ(move(kIova, 16), Outcome::kSuccess);
  fabric.memory.unwire(hpa, 8 * kPage);
  EXPECT_EQ(move(kIova, 16), Outcome::kUnsupportedRequest);
}

TEST_F(DartGrantTest, EveryWayToChangeTranslationsRevokesIt) {
  const struct {
    const char* what;
    std::function<void()> change;
    bool revoked;
  } ways[] = {
      {"invalidate all", [this] { registers.flush_all(); }, true},
      {"invalidate the stream", [this] { registers.flush_sid(kSid); }, true},
      {"invalidate a range that touches it", [this] { registers.flush_range(kSid, 0x20001, 0x20001); }, true},
      {"TTBR", [this] { registers.set(dart.layout().ttbr_of(kSid), 0); }, true},
      {"TCR", [this] { registers.stop(kSid); }, true},
      {"bypass", [this] { registers.bypass(kSid); }, true},
      {"disable", [this] { registers.enable(kSid, false); }, true},
      {"remap", [this] { registers.remap(kSid, Sid(5)); }, true},
      {"reset", [this] { dart.reset(); }, true},
      {"invalidate another stream", [this] { registers.flush_sid(Sid(5)); }, false},
      {"invalidate another range", [this] { registers.flush_range(kSid, 0x20002, 0x20003); }, false},
  };
  for (const auto& way : ways) {
    SCOPED_TRACE(way.what);
    start({.bypass_support = true});
    ASSERT_EQ(move(kIova, 2 * kPage), Outcome::kSuccess);
    ASSERT_EQ(granted(), 2 * kPage);
    way.change();
    EXPECT_EQ(granted(), way.revoked ? 0 : 2 * kPage);
  }
}

TEST_F(DartGrantTest, IsRevokedBeforeAnInvalidateReportsIdle) {
  start({.tlb_flush_ns = 500});
  ASSERT_EQ(move(kIova, 16), Outcome::kSuccess);
  tables->unmap(kIova);
  registers.flush_sid(kSid);
  ASSERT_TRUE(registers.busy());
  EXPECT_EQ(move(kIova, 16), Outcome::kSuccess) << "still the old translation";
  fabric.timeline.advance(500);
  ASSERT_FALSE(registers.busy());
  EXPECT_EQ(granted(), 0u);
  EXPECT_EQ(move(kIova, 16), Outcome::kUnsupportedRequest);
}

}  // namespace
}  // namespace dartboard::model::test
