// tests/invariants/watch_test.cpp - the ledgers on a whole machine: they hear what happens, and an alarm is an alarm.
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "model/endpoint/test.h"
#include "sim/macos/kernel.h"
#include "sim/macos/root_context.h"
#include "tests/support/random_run.h"

namespace dartboard::invariants_test {
namespace {

using sim::TraceKind;

std::vector<std::string>& reports() {
  static std::vector<std::string> all;
  return all;
}

/// Reports go to a list for as long as it lives.
class Listening {
 public:
  Listening() {
    reports().clear();
    support::on_violation([](const std::string& what) { reports().push_back(what); });
  }
  ~Listening() {
    support::on_violation([](const std::string& what) { ADD_FAILURE() << what; });
  }
};

TEST(Watch, HearsARunAndFindsNothing) {
  support::World world("linux-iommu", {}, 1);
  support::random_run(world, 1);
  EXPECT_TRUE(world.check());
  EXPECT_GT(world.watch()->completions().requests(), 50u);
  EXPECT_EQ(world.watch()->handles().clients_open(), 1u);
  world.close();
  EXPECT_TRUE(world.check());
  EXPECT_EQ(world.watch()->handles().clients_open(), 0u);
  EXPECT_EQ(world.watch()->dart().live(), 0u);
}

TEST(Watch, HearsMappingsWithTheirSize) {
  support::World world("m4pro-tb5", {}, 1);
  static std::byte memory[64 * kKiB];
  ASSERT_TRUE(world.device().dma_map(1, memory, sizeof memory));
  EXPECT_TRUE(world.check());
  EXPECT_EQ(world.watch()->dart().live(), 1u);
  EXPECT_EQ(world.watch()->dart().live_bytes(), sizeof memory);
  ASSERT_TRUE(world.device().dma_unmap(1));
  EXPECT_TRUE(world.check());
  EXPECT_EQ(world.watch()->dart().live(), 0u);
}

TEST(Watch, ReportsAtTheEndOfARunWhatNobodyAskedFor) {
  const Listening listening;
  {
    support::World world("m4pro-tb5", {}, 1);
    world.machine().hash().add(world.machine().timeline().now().value, TraceKind::kClientClosed, 0, 12345);
    world.restart(2);
    EXPECT_EQ(reports().size(), 1u);
    world.machine().hash().add(world.machine().timeline().now().value, TraceKind::kClientClosed, 0, 12345);
  }
  EXPECT_EQ(reports().size(), 2u);
}

TEST(Watch, AfterAPanicNothingMeansAnything) {
  support::World world("m4pro-tb5", {}, 1);
  world.machine().kernel().panic(macos::PanicCause::kMmioWrite, "test");
  world.machine().hash().add(0, TraceKind::kInterruptDelivered, 0, 7);
  EXPECT_TRUE(world.check());
}

TEST(Watch, DoesNotChangeTheTrace) {
  std::string without, with;
  {
    support::World world("m1-tb4", {}, 1, support::Ledgers::kOff);
    without = support::random_run(world, 5).hex();
    EXPECT_EQ(world.watch(), nullptr);
    EXPECT_TRUE(world.check());
  }
  {
    support::World world("m1-tb4", {}, 1);
    with = support::random_run(world, 5).hex();
  }
  EXPECT_EQ(with, without);
}

// I-03: whatever the host makes of a refused transfer, the DART recorded it once.
TEST(Watch, ARefusedTransferIsFineUnderEveryFaultPolicy) {
  namespace r = model::test_register;
  for (const char* profile : {"m4pro-tb5", "linux-iommu", "m4max-tb5"}) {
    SCOPED_TRACE(profile);
    support::World world(profile, {}, 1);
    world.enable();
    world.write32(r::kControl, r::kControlImmediate);
    world.write64(r::kDmaDestination, 0x9000'0000);
    world.write32(r::kDmaLength, 4);
    world.write32(r::kDmaCommand, static_cast<uint32_t>(model::TestDmaCommand::kFillHost));
    world.machine().kernel().executor().run_until_idle();
    EXPECT_EQ(world.machine().tlps().dart_faults, 1u);
    EXPECT_EQ(world.machine().kernel().root(0).dart_events, std::string_view(profile) == "m4max-tb5" ? 1u : 0u);
    EXPECT_EQ(world.machine().kernel().panicked().has_value(), std::string_view(profile) == "m4pro-tb5");
    EXPECT_TRUE(world.check());
  }
}

TEST(Watch, ShowsWhatItKnows) {
  support::World world("m4pro-tb5", {}, 1);
  InspectNode node{"watch", "", "", {}};
  world.watch()->inspect(node);
  ASSERT_FALSE(node.children.empty());
  EXPECT_EQ(node.children[0].name, "violations");
  EXPECT_EQ(node.children[0].value, "0");
}

}  // namespace
}  // namespace dartboard::invariants_test
