// tests/guest/compare_test.cpp - what the comparison reports: figures, advice that follows from them, JSON and the
// page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/compare_report.h"

namespace dartboard::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

class ComparisonOf : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = sim::load_profile("m4pro-tb5");
    ASSERT_TRUE(loaded);
    profile_ = *loaded;
    workload_ = guest::random_workload(300, 1);
    workload_.name = "small<&>";
    options_.guest_bytes = 128 * kMiB;
    options_.pool_bytes = 4 * kMiB;
  }
  std::vector<Comparison> measured() {
    Comparison c;
    c.profile = &profile_;
    c.workload = &workload_;
    for (const StrategyInfo& info : strategy_infos()) {
      auto figures = measure(profile_, workload_, info.name, options_);
      EXPECT_TRUE(figures);
      if (figures) c.rows.push_back(std::move(*figures));
    }
    c.advice = advise(c);
    return {c};
  }
  sim::Profile profile_;
  guest::Workload workload_;
  ComparisonOptions options_;
};

TEST_F(ComparisonOf, AllStrategiesIsOneJsonObjectWithEveryFigure) {
  const std::vector<Comparison> all = measured();
  const Json json = Json::parse(to_json(all, options_));
  EXPECT_EQ(json["profiles"][0]["name"], "m4pro-tb5");
  EXPECT_THAT(json["profiles"][0]["assumed"].dump(), HasSubstr("copy-ns-per-kib"));
  const Json& rows = json["comparisons"][0]["rows"];
  ASSERT_EQ(rows.size(), strategy_infos().size());
  for (const Json& row : rows) {
    if (row.contains("not_started")) continue;
    for (const char* key : {"strategy", "outcome", "served", "peak_bytes", "peak_mappings", "user_client_calls",
                            "guest_exits", "bytes_copied", "refusals", "degradations", "simulated_ns", "faults",
                            "samples", "trace_hash", "host_cpu_ns"}) {
      EXPECT_TRUE(row.contains(key)) << row["strategy"] << " " << key;
    }
    const Json& ns = row["simulated_ns"];
    EXPECT_EQ(ns["total"].get<uint64_t>(), ns["copy"].get<uint64_t>() + ns["exits"].get<uint64_t>() +
                                               ns["calls"].get<uint64_t>() + ns["link"].get<uint64_t>());
    EXPECT_FALSE(row["samples"].empty());
  }
}

TEST_F(ComparisonOf, TheSameSeedGivesTheSameReportButForTheHostsOwnTime) {
  const auto without_host_time = [&] {
    Json json = Json::parse(to_json(measured(), options_));
    for (Json& row : json["comparisons"][0]["rows"]) row.erase("host_cpu_ns");
    return json.dump();
  };
  EXPECT_EQ(without_host_time(), without_host_time());
}

TEST_F(ComparisonOf, ThePageNeedsNothingElse) {
  const std::string page = to_html(measured(), options_);
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(page, HasSubstr("width=device-width"));
  for (const char* outside : {"http:", "https:", "<script", "<link", "url(", "@import"})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  EXPECT_THAT(page, HasSubstr("small&lt;&amp;&gt;")) << "text is escaped";
  EXPECT_THAT(page, Not(HasSubstr("small<&>")));
  for (const StrategyInfo& info : strategy_infos()) EXPECT_THAT(page, HasSubstr(std::string(info.name)));
}

TEST_F(ComparisonOf, FiguresWithoutASourceAreCalledAssumed) {
  const std::vector<std::string> notes = timing_notes(profile_);
  EXPECT_THAT(notes, testing::Contains(HasSubstr("copying 1 KiB 100 ns (assumed)")));
  EXPECT_THAT(notes, testing::Contains(testing::Eq("a guest exit 4.3 us")));
}

Figures row(const char* strategy, uint64_t copy_ns, uint64_t calls_ns, uint64_t refused = 0) {
  Figures f;
  f.strategy = strategy;
  f.time = {.copy_ns = copy_ns, .exits_ns = 0, .calls_ns = calls_ns, .link_ns = 1000};
  f.peak_bytes = kMiB;
  f.peak_mappings = 3;
  f.run.refused = refused;
  if (refused != 0) f.run.refusals = {{"busy", refused, "full"}};
  f.counters.maps = 90;
  return f;
}

TEST_F(ComparisonOf, AdviceFollowsFromTheFigures) {
  Comparison c;
  c.profile = &profile_;
  c.workload = &workload_;
  c.rows = {row("windows", 0, 3000), row("pool", 1000, 0), row("companion", 0, 500, 10)};
  EXPECT_THAT(advise(c),
              HasSubstr("Take pool: 1.0 us on top of 1.0 us on the link, mostly copying, at most 1 MiB in 3 mappings"));
  EXPECT_THAT(advise(c), HasSubstr("2.00x with windows, mostly calls"));
  EXPECT_THAT(advise(c), HasSubstr("companion (10 of 100 requests refused, 10 as busy)"));
  c.rows[1].time.copy_ns = 9000;  // the figures change, and so does the advice
  EXPECT_THAT(advise(c), HasSubstr("Take windows"));
  c.rows = {row("companion", 0, 500, 10)};
  EXPECT_THAT(advise(c), HasSubstr("none serves all of"));
}

TEST(Strategies, AnUnknownNameIsToldWhatThereIs) {
  const auto info = strategy_info("hope");
  ASSERT_FALSE(info);
  EXPECT_THAT(info.error().sentence, HasSubstr("windows+pool"));
}

}  // namespace
}  // namespace dartboard::cli
