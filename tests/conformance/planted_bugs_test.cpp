// tests/conformance/planted_bugs_test.cpp - each planted bug is caught by the rule that names it, and only bugs are.
#include <set>

#include <gtest/gtest.h>

#include "conformance/suite.h"
#include "tests/conformance/buggy_endpoint.h"

namespace dartboard::conformance::test {
namespace {

Verdict verdict_of(model::PcieDevice& device, std::string_view rule_id) {
  const Rule* const rule = find_rule(rule_id);
  if (rule == nullptr) return skipped("there is no such rule");
  return run_on_bench("test", device, std::array{rule}).rows.front().verdict;
}

class PlantedBug : public testing::TestWithParam<size_t> {
 protected:
  const Bug& bug() const { return planted_bugs().at(GetParam()); }
};

TEST_P(PlantedBug, IsCaughtByItsRule) {
  BuggyEndpoint device(bug());
  const Verdict verdict = verdict_of(device, bug().rule);
  EXPECT_EQ(to_string(verdict.status), "fail") << bug().what << " (" << bug().source << "): " << verdict.seen;
}

TEST_P(PlantedBug, WithoutTheBugTheRuleHolds) {
  Bug none{.id = "none", .options = bug().options};
  BuggyEndpoint device(none);
  const Verdict verdict = verdict_of(device, bug().rule);
  EXPECT_EQ(to_string(verdict.status), "pass") << verdict.seen;
}

INSTANTIATE_TEST_SUITE_P(Bugs, PlantedBug, testing::Range(size_t{0}, planted_bugs().size()),
                         [](const auto& param_info) {
                           std::string name(planted_bugs().at(param_info.param).id);
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(PlantedBugs, AreNamedOnce) {
  std::set<std::string_view> ids;
  for (const Bug& bug : planted_bugs()) EXPECT_TRUE(ids.insert(bug.id).second) << bug.id;
  EXPECT_GE(ids.size(), 30u);
}

}  // namespace
}  // namespace dartboard::conformance::test
