// tests/guest/stack_test.cpp - every strategy through the whole stack: guest, backend, dext, mapper, DART, endpoint;
// with the ledgers of sim/invariants watching.
#include <gtest/gtest.h>

#include "cli/comparison.h"
#include "cli/session_workload.h"
#include "sim/invariants/watch.h"
#include "sim/machine.h"
#include "tests/guest/fake_host.h"

namespace dartboard::guest {
namespace {

cli::ComparisonOptions small() {
  cli::ComparisonOptions options;
  options.guest_bytes = 256 * kMiB;
  options.pool_bytes = 16 * kMiB;
  return options;
}

class WholeStack : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(WholeStack, EveryByteArrivesAndNothingIsLeft) {
  const auto& [strategy, profile_name] = GetParam();
  const auto profile = sim::load_profile(profile_name);
  ASSERT_TRUE(profile);
  sim::Watch watch(sim::Machine::instance());
  const auto figures = cli::measure(*profile, random_workload(3000, 5), strategy, small());
  ASSERT_TRUE(figures) << figures.error().sentence;
  const bool mac = !profile->ports[0].mapper.caller_places;
  if (mac && strategy == "identity") {
    ASSERT_TRUE(figures->not_started);
    EXPECT_EQ(figures->not_started->name, ErrorName::kNotSupported);
    EXPECT_NE(figures->not_started->sentence.find("vfio on Linux"), std::string::npos);
    return;
  }
  if (strategy == "direct" && profile_name == "strict") {  // 256 MiB of RAM, 64 MiB may be mapped
    ASSERT_TRUE(figures->not_started);
    EXPECT_EQ(figures->not_started->name, ErrorName::kBudgetBytes);
    EXPECT_NE(figures->not_started->sentence.find("192 MiB too many"), std::string::npos)
        << figures->not_started->sentence;
    return;
  }
  ASSERT_FALSE(figures->not_started) << figures->not_started->sentence;
  if (mac && strategy == "viommu") {
    ASSERT_TRUE(figures->run.stopped);
    EXPECT_EQ(figures->run.stopped->name, ErrorName::kHostPanic);
    EXPECT_EQ(figures->faults, 1u);
    EXPECT_NE(figures->why_faults.find("the host's mapper had assigned"), std::string::npos);
    return;
  }
  EXPECT_TRUE(figures->run.clean()) << (figures->run.first_lost.empty() ? figures->run.first_error
                                                                        : sentence(figures->run.first_lost[0]));
  EXPECT_EQ(figures->run.transfers_failed, 0u) << figures->run.first_failed_transfer;
  EXPECT_EQ(figures->faults, 0u);
  EXPECT_EQ(figures->left_mappings, 0u);
  EXPECT_EQ(figures->stop_error, "");
  EXPECT_GT(figures->run.bytes_to_device, 0u);
  EXPECT_GT(figures->run.bytes_from_device, 0u);
  // What the strategy says it asked of the host is what arrived there: one call for each, and two for a pool's buffer.
  EXPECT_EQ(figures->calls, figures->counters.host_maps + figures->counters.host_unmaps);
  EXPECT_EQ(watch.violations().count(), 0u) << watch.violations().first().at(0).sentence;
}

INSTANTIATE_TEST_SUITE_P(Strategies, WholeStack,
                         testing::Combine(testing::ValuesIn(all_strategies()),
                                          testing::Values("m4pro-tb5", "linux-iommu", "strict")),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param) + "_" + std::get<1>(info.param);
                           for (char& c : name) c = c == '+' || c == '-' ? '_' : c;
                           return name;
                         });

TEST(WholeStack, ARunIsDecidedByItsSeed) {
  const auto profile = sim::load_profile("m4pro-tb5");
  ASSERT_TRUE(profile);
  const Workload workload = random_workload(500, 5);
  const auto a = cli::measure(*profile, workload, "windows", small()),
             b = cli::measure(*profile, workload, "windows", small());
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->trace_hash, b->trace_hash);
  EXPECT_EQ(a->peak_bytes, b->peak_bytes);
  EXPECT_EQ(a->time.total_ns(), b->time.total_ns());
}

TEST(SessionWorkload, TheRecordedSessionIsServed) {
  const auto session = traces::load_session(std::string(DARTBOARD_SESSIONS) + "/amd-am-boot-copy.jsonl.zst");
  ASSERT_TRUE(session);
  const Workload workload = cli::session_workload(*session, "amd");
  EXPECT_GT(workload.ram_bytes, 16 * kMiB);
  Host host("windows");
  ASSERT_TRUE(host.strategy->start());
  const RunResult result = host.run(workload);
  EXPECT_TRUE(result.clean()) << (result.first_lost.empty() ? result.first_error : sentence(result.first_lost[0]));
  EXPECT_EQ(result.refused, 0u) << (result.refusals.empty() ? "" : result.refusals[0].first);
  EXPECT_GT(result.bytes_from_device, 0u);
}

}  // namespace
}  // namespace dartboard::guest
