// tests/faults/sweep_test.cpp - every fault at every site of a script that passes, and each row again by itself.
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "cli/scenario.h"
#include "cli/sweep.h"

namespace dartboard::faults_test {
namespace {

using cli::SweepOutcome;

std::unique_ptr<cli::Scenario> small() {
  auto scenario = cli::load_scenario(DARTBOARD_SMALL_OPS, "m4pro-tb5");
  EXPECT_TRUE(scenario) << scenario.error().sentence;
  return scenario ? std::move(*scenario) : nullptr;
}

TEST(Sweep, OfTheSmallScriptHitsEveryApplicableKindAndBreaksNothing) {
  const auto scenario = small();
  ASSERT_TRUE(scenario);
  const auto report = cli::sweep(*scenario, {});
  ASSERT_TRUE(report) << report.error().sentence;
  EXPECT_EQ(report->clean.steps, 64u);
  EXPECT_EQ(report->clean.differences, 0u);
  EXPECT_EQ(report->rows.size(), report->sites);

  std::map<sim::FaultKind, uint64_t> hits;
  for (const cli::SweepRow& row : report->rows) {
    hits[row.rule.kind] += row.outcome != SweepOutcome::kNotHit;
    EXPECT_TRUE(row.broken.empty()) << sim::to_string(row.rule) << " " << to_string(row.outcome) << ": "
                                    << row.broken.front() << " (" << row.seen << ")";
  }
  for (const auto& [kind, hit] : hits) EXPECT_NE(hit, 0u) << sim::info(kind).name;
  EXPECT_GE(hits.size(), 70u) << "kinds that the script gives a chance to";
}

TEST(Sweep, ARowAgainHasTheSameTrace) {
  const auto scenario = small();
  ASSERT_TRUE(scenario);
  cli::SweepOptions few;
  few.sites_per_kind = 1;
  const auto report = cli::sweep(*scenario, few);
  ASSERT_TRUE(report) << report.error().sentence;
  const auto another = small();
  std::set<std::string> traces;
  for (const cli::SweepRow& row : report->rows) {
    const auto again = cli::run_with_fault(*another, row.rule);
    ASSERT_TRUE(again) << again.error().sentence;
    EXPECT_EQ(again->trace_hash, row.trace_hash) << sim::to_string(row.rule);
    EXPECT_EQ(again->outcome, row.outcome) << sim::to_string(row.rule);
    traces.insert(row.trace_hash);
  }
  EXPECT_GT(traces.size(), report->rows.size() * 9 / 10) << "different faults must leave different traces";
}

TEST(Sweep, OnlyTheKindsAskedFor) {
  const auto scenario = small();
  ASSERT_TRUE(scenario);
  cli::SweepOptions options;
  options.kinds = {sim::FaultKind::kCompletionAbort, sim::FaultKind::kMapByteLimit};
  options.sites_per_kind = 3;
  const auto report = cli::sweep(*scenario, options);
  ASSERT_TRUE(report);
  std::map<sim::FaultKind, unsigned> rows;
  for (const cli::SweepRow& row : report->rows) ++rows[row.rule.kind];
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[sim::FaultKind::kCompletionAbort], 3u);
}

TEST(Sweep, AScriptThatFailsByItselfIsRefused) {
  const std::string file = testing::TempDir() + "fails.ops";
  std::FILE* const out = std::fopen(file.c_str(), "wb");
  ASSERT_NE(out, nullptr);
  std::fputs("bar0.read 0 4 = 1\n", out);
  std::fclose(out);
  auto scenario = cli::load_scenario(file, "m4pro-tb5");
  ASSERT_TRUE(scenario) << scenario.error().sentence;
  const auto report = cli::sweep(**scenario, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().name, ErrorName::kBadArgument);
  EXPECT_NE(report.error().sentence.find("line 1"), std::string::npos) << report.error().sentence;
}

TEST(Sweep, AFileThatIsNotThereIsNamed) {
  const auto scenario = cli::load_scenario("/nowhere/x.ops", "m4pro-tb5");
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().name, ErrorName::kFileUnreadable);
}

}  // namespace
}  // namespace dartboard::faults_test
