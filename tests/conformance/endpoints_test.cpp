// tests/conformance/endpoints_test.cpp - every endpoint that ships follows every rule, and the rules really are tried.
#include <gtest/gtest.h>

#include "conformance/suite.h"
#include "model/endpoint/script/script.h"
#include "model/endpoint/test.h"
#include "tests/conformance/buggy_endpoint.h"

namespace dartboard::conformance::test {
namespace {

std::string failures(const Report& report) {
  std::string text;
  for (const Row& row : report.rows) {
    if (row.verdict.status == Status::kFail) text += fmt::format("{}: {}\n", row.rule->id, row.verdict.seen);
  }
  return text;
}

/// `tried_min`: rules that must not be skipped, so that a suite which finds nothing to try does not pass.
void expect_conformant(model::PcieDevice& device, uint64_t tried_min) {
  const Report report = run_on_bench("device", device);
  EXPECT_EQ(failures(report), "");
  EXPECT_GE(report.count(Status::kPass), tried_min);
}

TEST(Conformance, TestEndpoint) {
  model::TestEndpoint device;
  expect_conformant(device, 150);
}

TEST(Conformance, TestEndpointThroughAWrapperThatDoesNothing) {
  const Bug none{.id = "none"};
  BuggyEndpoint device(none);
  expect_conformant(device, 150);
}

TEST(Conformance, TestEndpointWithoutOptions) {
  model::TestEndpoint device({.pcie = false, .flr = false, .msix = false, .msi = false, .intx = false});
  expect_conformant(device, 45);
}

TEST(Conformance, TestEndpointThatKeepsItsStateInD3) {
  model::TestEndpoint device({.no_soft_reset = true, .reset_ready_ns = 20 * kNsPerMs});
  expect_conformant(device, 150);
}

TEST(Conformance, TestEndpointWithEightGibibytes) {
  model::TestEndpoint device({.memory_bytes = 8 * kGiB});
  expect_conformant(device, 150);
}

class ShippedScript : public testing::TestWithParam<std::pair<const char*, uint64_t>> {};

TEST_P(ShippedScript, FollowsTheRules) {
  const auto [name, tried_min] = GetParam();
  auto source = model::load_script(name);
  ASSERT_TRUE(source.has_value());
  auto storage = model::parse_storage("1M");
  ASSERT_TRUE(storage.has_value());
  model::ScriptOptions options;
  options.storage = std::move(*storage);
  auto device = model::make_scripted(*source, std::move(options));
  ASSERT_TRUE(device.has_value());
  expect_conformant(**device, tried_min);
}
INSTANTIATE_TEST_SUITE_P(Scripts, ShippedScript,
                         testing::Values(std::pair{"edu", uint64_t{75}}, std::pair{"nvme", uint64_t{130}},
                                         std::pair{"hostile", uint64_t{100}}, std::pair{"gpu", uint64_t{100}}),
                         [](const auto& param_info) { return std::string(param_info.param.first); });

}  // namespace
}  // namespace dartboard::conformance::test
