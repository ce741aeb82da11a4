// tests/conformance/suite_test.cpp - the rules as data, selection, reports, JUnit XML, and targets that misbehave.
#include <set>

#include <gtest/gtest.h>

#include "conformance/suite.h"
#include "conformance/target.h"
#include "model/endpoint/test.h"

namespace dartboard::conformance {
namespace {

/// A target that answers every read with one value.
class Constant final : public Target {
 public:
  explicit Constant(uint32_t value) : value_(value) {}
  uint32_t config(uint32_t, unsigned bytes) override {
    return bytes >= 4 ? value_ : value_ & ((1u << (8 * bytes)) - 1);
  }
  std::array<BarShape, kBars> bars() override { return {}; }

 private:
  uint32_t value_;
};

TEST(Rules, AreNamedOnceAndComplete) {
  std::set<std::string_view> ids;
  for (const Rule& rule : all_rules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_FALSE(rule.spec.empty() || rule.sentence.empty() || rule.group.empty()) << rule.id;
    EXPECT_NE(rule.safe == nullptr, rule.bus == nullptr) << rule.id;
  }
  EXPECT_GE(ids.size(), 50u);
}

TEST(Rules, AreSelectedByIdOrGroup) {
  const auto one = select_rules({"cfg-ro-vendor"});
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->size(), 1u);
  const auto group = select_rules({"msix"});
  ASSERT_TRUE(group.has_value());
  EXPECT_GT(group->size(), 10u);
}

TEST(Rules, AnUnknownNameIsAnError) {
  const auto none = select_rules({"cfg-ro-vendor", "no-such-rule"});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().name, ErrorName::kNotFound);
}

TEST(SafeRules, NeverWriteAndSkipTheRest) {
  Constant absent(0xffff'ffff);
  const Report report = run_safe("absent", absent);
  EXPECT_EQ(report.rows.size(), all_rules().size());
  for (const Row& row : report.rows) {
    if (row.rule->bus != nullptr) EXPECT_EQ(row.verdict.status, Status::kSkip) << row.rule->id;
  }
  ASSERT_NE(report.find("cfg-vendor-valid"), nullptr);
  EXPECT_EQ(report.find("cfg-vendor-valid")->verdict.status, Status::kFail);
}

TEST(SafeRules, WalksEndWhateverTheTargetAnswers) {
  for (const uint32_t value : {0u, 0x4040'4040u, 0x1010'0010u, 0xfcfc'fcfcu, 0xffff'ffffu}) {
    Constant target(value);
    EXPECT_LE(standard_capabilities(target).entries.size(), 48u);
    EXPECT_LE(extended_capabilities(target).entries.size(), 960u);
    EXPECT_EQ(run_safe("constant", target).rows.size(), all_rules().size());
  }
}

TEST(JUnit, CountsAndEscapes) {
  const Rule rule{"a-rule", "group", "PCIe 6.0 s1", "A < B & C.", nullptr, nullptr};
  const Report report{"dev\"ice\n",
                      {{&rule, {}}, {&rule, failed("saw <{}> & \"more\"", 1)}, {&rule, skipped("no {}", "reason")}}};
  const std::string xml = junit_xml(report);
  EXPECT_NE(xml.find("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("name=\"dev&quot;ice \""), std::string::npos) << xml;
  EXPECT_NE(xml.find("message=\"saw &lt;1&gt; &amp; &quot;more&quot;\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("A &lt; B &amp; C."), std::string::npos) << xml;
  EXPECT_NE(xml.find("<skipped message=\"no reason\"/>"), std::string::npos) << xml;
  EXPECT_NE(xml.find("<testcase classname=\"conformance.group\" name=\"a-rule\"/>"), std::string::npos) << xml;
}

TEST(Bench, TheSameDeviceTwiceGivesTheSameReport) {
  model::TestEndpoint device;
  EXPECT_EQ(junit_xml(run_on_bench("device", device)), junit_xml(run_on_bench("device", device)));
}

}  // namespace
}  // namespace dartboard::conformance
