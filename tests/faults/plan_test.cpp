// tests/faults/plan_test.cpp - rules as text, which pass of a site a rule strikes at, and the census.
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sim/faults/plan.h"
#include "sim/machine.h"

namespace dartboard::faults_test {
namespace {

using sim::FaultPlan;
using sim::FaultRule;
using K = sim::FaultKind;

// Rules as text -------------------------------------------------------------------------------------------------------

struct RuleText {
  const char* given;
  const char* canonical;
};
constexpr RuleText kRuleTexts[] = {
    {"completion-abort", "completion-abort"},
    {"completion-abort@0x1040", "completion-abort@0x1040"},
    {"completion-abort@4160", "completion-abort@0x1040"},
    {"completion-abort@0x1040+2", "completion-abort@0x1040+2"},
    {"completion-abort+2x3", "completion-abort+2x3"},
    {"completion-abortx3", "completion-abortx3"},
    {"reset-inside-resetx2", "reset-inside-resetx2"},
    {"guest-msix-rewrite", "guest-msix-rewrite"},          // an x in the name
    {"guest-msix-rewritex2", "guest-msix-rewritex2"},
    {"time-jitter%16x9", "time-jitterx9%16"},
    {"link-bounce=5000>1000", "link-bounce=5000>1000"},
    {"link-bounce@0+0x1", "link-bounce@0x0+1"},
    {"interrupt-storm@31+1x2=64>5%3", "interrupt-storm@0x1f+1x2=64>5%3"},
    {"dext-crash@0xffffffffffffffffx18446744073709551615", "dext-crash@0xffffffffffffffffx18446744073709551615"},
};

TEST(FaultRuleText, ComesBackAsItWas) {
  for (const RuleText& row : kRuleTexts) {
    const auto rule = sim::parse_fault_rule(row.given);
    ASSERT_TRUE(rule) << rule.error().sentence;
    EXPECT_EQ(sim::to_string(*rule), row.canonical);
    const auto again = sim::parse_fault_rule(sim::to_string(*rule));
    ASSERT_TRUE(again) << row.canonical;
    EXPECT_EQ(sim::to_string(*again), row.canonical);
  }
}

TEST(FaultRuleText, EveryKindIsARuleByItsName) {
  for (const sim::FaultInfo& info : sim::fault_catalogue()) {
    const auto rule = sim::parse_fault_rule(info.name);
    ASSERT_TRUE(rule) << rule.error().sentence;
    EXPECT_EQ(rule->kind, info.kind);
    const auto twice = sim::parse_fault_rule(std::string(info.name) + "x2");
    ASSERT_TRUE(twice) << twice.error().sentence;
    EXPECT_EQ(twice->times, 2u);
  }
}

TEST(FaultRuleText, WhatIsNoRuleIsRefusedWithTheReason) {
  constexpr std::pair<const char*, const char*> kBad[] = {
      {"", "no kind"},
      {"nothing", "no kind 'nothing'"},
      {"completion-abort@", "no number after '@'"},
      {"completion-abort@0x", "no number after '@'"},
      {"completion-abort@-1", "no number after '@'"},
      {"completion-abort+18446744073709551616", "no number after '+'"},
      {"completion-abort@1 ", "no number after ' '"},
      {"completion-abort@1?2", "'?' means nothing here"},
      {"completion-abortx", "no number after 'x'"},
      {"completion abort", "no kind"},
      {"completion-abortX2", "no kind"},
  };
  for (const auto& [text, why] : kBad) {
    const auto rule = sim::parse_fault_rule(text);
    ASSERT_FALSE(rule) << text;
    EXPECT_EQ(rule.error().name, ErrorName::kBadArgument);
    EXPECT_NE(rule.error().sentence.find(why), std::string::npos) << rule.error().sentence;
  }
}

// Placement -----------------------------------------------------------------------------------------------------------

class Placement : public testing::Test {
 protected:
  void SetUp() override {
    tape().start_seeded(1);
    machine.hash().reset();
  }
  void TearDown() override { plan.remove(); }
  sim::Tape& tape() { return machine.tape(); }
  void rule(const char* text) {
    const auto parsed = sim::parse_fault_rule(text);
    ASSERT_TRUE(parsed) << parsed.error().sentence;
    plan.set_rules({*parsed});
    plan.install();
  }
  /// Ten passes of one site; a 1 for each strike.
  static std::string ten(K kind, uint64_t key) {
    std::string text;
    for (unsigned i = 0; i < 10; ++i) text += model::fault(kind, key) ? '1' : '0';
    return text;
  }
  sim::Machine& machine = sim::Machine::instance();
  FaultPlan plan{machine.tape(), machine.hash(), machine.timeline()};
};

TEST_F(Placement, FollowsTheRule) {
  struct Row {
    const char* rule;
    uint64_t key;
    const char* strikes;
  };
  constexpr Row kRows[] = {
      {"completion-abort", 7, "1000000000"},       {"completion-abort@7", 7, "1000000000"},
      {"completion-abort@8", 7, "0000000000"},     {"completion-abort+3", 7, "0001000000"},
      {"completion-abort+3x2", 7, "0001100000"},   {"completion-abortx0", 7, "0000000000"},
      {"completion-abort+8x9", 7, "0000000011"},   {"completion-abort+10", 7, "0000000000"},
      {"completion-abort%1x4", 7, "1111000000"},   {"completion-timeout", 7, "0000000000"},
  };
  for (const Row& row : kRows) {
    rule(row.rule);
    EXPECT_EQ(ten(K::kCompletionAbort, row.key), row.strikes) << row.rule;
  }
}

TEST_F(Placement, PassesWithAnotherKeyAreNotSkipped) {
  rule("completion-abort@2+1");
  std::string text;
  for (const uint64_t key : {1, 2, 1, 1, 2, 2}) text += model::fault(K::kCompletionAbort, key) ? '1' : '0';
  EXPECT_EQ(text, "000010");
}

TEST_F(Placement, NotBeforeItsTime) {
  rule("completion-abort>1000000000000");
  EXPECT_EQ(ten(K::kCompletionAbort, 0), "0000000000");
  EXPECT_LT(machine.timeline().now().value, 1'000'000'000'000u);
}

TEST_F(Placement, OneInNComesFromTheTapeAndIsTheSameAgain) {
  rule("time-jitter%4x100");
  const std::string first = ten(K::kTimeJitter, 0) + ten(K::kTimeJitter, 1);
  tape().start_seeded(1);
  rule("time-jitter%4x100");
  EXPECT_EQ(ten(K::kTimeJitter, 0) + ten(K::kTimeJitter, 1), first);
  std::set<std::string> others;
  for (uint64_t seed = 2; seed < 12; ++seed) {
    tape().start_seeded(seed);
    rule("time-jitter%4x100");
    others.insert(ten(K::kTimeJitter, 0) + ten(K::kTimeJitter, 1));
  }
  EXPECT_GT(others.size(), 5u) << "seeds must differ";
}

TEST_F(Placement, TheAmountIsTheRulesOrTheStandard) {
  rule("link-bounce=5000");
  EXPECT_EQ(model::fault_amount(K::kLinkBounce, 1), 5000u);
  EXPECT_EQ(model::fault_amount(K::kLinkSurpriseDown, 1), 1u);
  plan.remove();
  EXPECT_EQ(model::fault_amount(K::kLinkBounce, 1), 1u);
}

TEST_F(Placement, EveryStrikeIsAnEventOfTheHash) {
  rule("completion-abortx3");
  const uint64_t before = machine.hash().events();
  ten(K::kCompletionAbort, 7);
  EXPECT_EQ(machine.hash().events() - before, 3u);
  EXPECT_EQ(plan.strikes(K::kCompletionAbort), 3u);
  EXPECT_EQ(plan.passes(K::kCompletionAbort), 10u);
  EXPECT_EQ(plan.strikes(), 3u);
}

TEST_F(Placement, WithoutAPlanNothingStrikes) {
  EXPECT_EQ(ten(K::kCompletionAbort, 7), "0000000000");
  rule("completion-abortx9");
  plan.remove();
  EXPECT_FALSE(model::faults_installed());
  EXPECT_EQ(ten(K::kCompletionAbort, 7), "0000000000");
}

TEST_F(Placement, SeveralRulesOfAKindEachHaveTheirCount) {
  plan.set_rules({*sim::parse_fault_rule("completion-abort@1"), *sim::parse_fault_rule("completion-abort@2")});
  plan.install();
  EXPECT_EQ(ten(K::kCompletionAbort, 2), "1000000000");
  EXPECT_EQ(ten(K::kCompletionAbort, 1), "1000000000");
}

// Census --------------------------------------------------------------------------------------------------------------

TEST_F(Placement, ACensusListsSitesInTheOrderOfTheirFirstPass) {
  plan.set_rules({});
  plan.set_census(true);
  plan.install();
  const std::pair<K, uint64_t> passes[] = {{K::kTimeJitter, 9}, {K::kCompletionAbort, 1}, {K::kTimeJitter, 9},
                                           {K::kTimeJitter, 2}, {K::kCompletionAbort, 9}, {K::kCompletionAbort, 1}};
  for (const auto& [kind, key] : passes) EXPECT_FALSE(model::fault(kind, key));
  const auto& sites = plan.sites();
  ASSERT_EQ(sites.size(), 4u);
  const std::pair<K, uint64_t> wanted[] = {
      {K::kTimeJitter, 9}, {K::kCompletionAbort, 1}, {K::kTimeJitter, 2}, {K::kCompletionAbort, 9}};
  for (size_t i = 0; i < sites.size(); ++i) {
    EXPECT_EQ(sites[i].kind, wanted[i].first) << i;
    EXPECT_EQ(sites[i].key, wanted[i].second) << i;
    EXPECT_EQ(sites[i].passes, i < 2 ? 2u : 1u) << i;
  }
}

TEST_F(Placement, SitesWithKeysThatMixAlikeStayApart) {
  // Keys that differ in few bits, for all kinds: a site is found by its mixed key, but is what it says.
  plan.set_rules({});
  plan.set_census(true);
  plan.install();
  for (unsigned kind = 0; kind < sim::kFaultKindCount; ++kind) {
    for (unsigned bit = 0; bit < 64; ++bit) (void)model::fault(static_cast<K>(kind), uint64_t{1} << bit);
    (void)model::fault(static_cast<K>(kind), UINT64_MAX);
    (void)model::fault(static_cast<K>(kind), 0);
  }
  std::set<std::pair<K, uint64_t>> distinct;
  for (const sim::FaultSite& site : plan.sites()) {
    distinct.emplace(site.kind, site.key);
    EXPECT_EQ(site.passes, 1u) << sim::info(site.kind).name << " " << site.key;
  }
  EXPECT_EQ(distinct.size(), sim::kFaultKindCount * 66u);
  EXPECT_EQ(plan.sites().size(), distinct.size());
}

// The catalogue -------------------------------------------------------------------------------------------------------

TEST(Catalogue, EveryKindHasANameASentenceAndADuty) {
  std::set<std::string_view> names;
  for (const sim::FaultInfo& info : sim::fault_catalogue()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name << " twice";
    EXPECT_EQ(info.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), info.name.npos) << info.name;
    EXPECT_FALSE(info.what.empty()) << info.name;
    EXPECT_FALSE(info.duty.empty()) << info.name;
    EXPECT_NE(sim::group_name(info.group), "?") << info.name;
    EXPECT_EQ(sim::fault_by_name(info.name), info.kind);
    EXPECT_EQ(sim::info(info.kind).name, info.name);
  }
  EXPECT_EQ(names.size(), sim::kFaultKindCount);
  EXPECT_FALSE(sim::fault_by_name("").has_value());
  EXPECT_FALSE(sim::fault_by_name("completion").has_value());
}

TEST(Catalogue, GroupsAreTogether) {
  std::string groups;
  for (const sim::FaultInfo& info : sim::fault_catalogue()) {
    if (groups.empty() || groups.back() != info.group) groups += info.group;
  }
  EXPECT_EQ(groups, "LCDVRIXKUGEQTA");
}

}  // namespace
}  // namespace dartboard::faults_test
