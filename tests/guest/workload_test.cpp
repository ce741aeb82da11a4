// tests/guest/workload_test.cpp - generators: the same seed gives the same steps, and all of them can be served.
#include <gtest/gtest.h>

#include "tests/guest/fake_host.h"

namespace dartboard::guest {
namespace {

uint64_t digest(const Workload& w) {
  uint64_t hash = 0xcbf2'9ce4'8422'2325;
  const auto add = [&](uint64_t value) { hash = (hash ^ value) * 0x100'0000'01b3; };
  for (const Step& s : w.steps) {
    for (const uint64_t value : {static_cast<uint64_t>(s.kind), static_cast<uint64_t>(s.direction),
                                 static_cast<uint64_t>(s.context), uint64_t{s.scattered}, uint64_t{s.splits},
                                 uint64_t{s.buffer}, uint64_t{s.mapping}, s.offset, s.bytes, s.seed}) {
      add(value);
    }
  }
  return hash;
}

class EveryWorkload : public testing::TestWithParam<std::string> {};

TEST_P(EveryWorkload, IsDecidedByItsSeed) {
  const auto a = make_workload(GetParam(), 1), b = make_workload(GetParam(), 1), c = make_workload(GetParam(), 2);
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(digest(*a), digest(*b));
  EXPECT_NE(digest(*a), digest(*c));
  EXPECT_FALSE(a->parameters.empty());
  for (const Parameter& p : a->parameters) EXPECT_FALSE(p.name.empty() || p.value.empty());
}

TEST_P(EveryWorkload, IsServedWholeWhereAllRamIsMapped) {
  const auto w = make_workload(GetParam(), 3);
  ASSERT_TRUE(w);
  Host host("direct", {.align_mask = w->align_mask});
  host.ram.fragment(w->fragment_pages / 4);  // a quarter of the RAM of a comparison
  ASSERT_TRUE(host.strategy->start());
  const RunResult result = host.run(*w);
  EXPECT_TRUE(result.clean()) << (result.first_lost.empty() ? result.first_error : sentence(result.first_lost[0]));
  EXPECT_EQ(result.refused, 0u) << (result.refusals.empty() ? "" : result.refusals[0].first);
  EXPECT_EQ(result.skipped, 0u);
  EXPECT_GT(result.bytes_to_device, 0u);
  EXPECT_FALSE(host.ram.check_free());
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const WorkloadName& name : workload_names()) out.emplace_back(name.name);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Workload, EveryWorkload, testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

TEST(Workload, AnUnknownNameIsToldWhatThereIs) {
  const auto w = make_workload("floppy", 1);
  ASSERT_FALSE(w);
  EXPECT_EQ(w.error().name, ErrorName::kNotFound);
  EXPECT_NE(w.error().sentence.find("nvme"), std::string::npos);
}

}  // namespace
}  // namespace dartboard::guest
