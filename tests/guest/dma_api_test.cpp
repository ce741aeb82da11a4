// tests/guest/dma_api_test.cpp - the rules of the DMA API, as the kernel's own checker has them.
#include <gtest/gtest.h>

#include "tests/guest/fake_host.h"

namespace dartboard::guest {
namespace {

constexpr uint64_t kBytes = 8 * kKiB;

struct Rule {
  const char* name;
  ErrorName error;
  Result<void> (*act)(DmaApi& api, Gpa gpa, Iova live);  ///< `live`: kBytes at `gpa`, mapped to the device
};

template <class T>
Result<void> only_error(const Result<T>& result) {
  return result ? Result<void>{} : Result<void>(tl::unexpected(result.error()));
}

const Rule kRules[] = {
    {"MapNothing", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa gpa, Iova) {
       return only_error(api.map_single(gpa, 0, Direction::kToDevice, Context::kSleeping));
     }},
    {"MapWrapping", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa, Iova) {
       return only_error(api.map_single(Gpa(UINT64_MAX - 10), 100, Direction::kToDevice, Context::kSleeping));
     }},
    {"MapWhatIsNotRam", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa, Iova) {
       return only_error(api.map_single(Gpa(0x1000), 100, Direction::kToDevice, Context::kSleeping));
     }},
    {"MapMoreThanTheLargest", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa gpa, Iova) {
       return only_error(api.map_single(gpa, api.max_mapping_size() + 1, Direction::kToDevice, Context::kSleeping));
     }},
    {"MapPageThatIsNoAddress", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa, Iova) {
       return only_error(api.map_page(UINT64_MAX / 2, 0, 100, Direction::kToDevice, Context::kSleeping));
     }},
    {"MapAnEmptyList", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa, Iova) { return api.map_sg({}, Direction::kToDevice, Context::kSleeping); }},
    {"UnmapTwice", ErrorName::kNotFound,
     [](DmaApi& api, Gpa, Iova live) {
       EXPECT_TRUE(api.unmap(live, kBytes, Direction::kToDevice));
       return api.unmap(live, kBytes, Direction::kToDevice);
     }},
    {"UnmapWhatNeverWas", ErrorName::kNotFound,
     [](DmaApi& api, Gpa, Iova live) { return api.unmap(live + 0x10'0000, kBytes, Direction::kToDevice); }},
    {"UnmapAnotherSize", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa, Iova live) { return api.unmap(live, kBytes / 2, Direction::kToDevice); }},
    {"UnmapAnotherDirection", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa, Iova live) { return api.unmap(live, kBytes, Direction::kFromDevice); }},
    {"SyncPastTheEnd", ErrorName::kOutOfRange,
     [](DmaApi& api, Gpa, Iova live) { return api.sync_for_cpu(live, kBytes, kBytes - 1, 2, Direction::kToDevice); }},
    {"SyncWrapping", ErrorName::kOutOfRange,
     [](DmaApi& api, Gpa, Iova live) {
       return api.sync_for_device(live, kBytes, 1, UINT64_MAX, Direction::kToDevice);
     }},
    {"SyncWhatNeverWas", ErrorName::kNotFound,
     [](DmaApi& api, Gpa, Iova live) {
       return api.sync_for_device(live + 0x10'0000, kBytes, 0, 1, Direction::kToDevice);
     }},
    {"CoherentOfNothing", ErrorName::kBadArgument,
     [](DmaApi& api, Gpa, Iova) { return only_error(api.alloc_coherent(0, Context::kSleeping)); }},
    {"FreeCoherentTwice", ErrorName::kNotFound,
     [](DmaApi& api, Gpa, Iova) {
       const auto coherent = api.alloc_coherent(4096, Context::kSleeping);
       if (!coherent) return only_error(coherent);
       EXPECT_TRUE(api.free_coherent(*coherent));
       return api.free_coherent(*coherent);
     }},
    {"FreeCoherentOfAnotherSize", ErrorName::kNotFound,
     [](DmaApi& api, Gpa, Iova) {
       auto coherent = api.alloc_coherent(4096, Context::kSleeping);
       if (!coherent) return only_error(coherent);
       DmaCoherent wrong = *coherent;
       wrong.bytes = 8192;
       const auto freed = api.free_coherent(wrong);
       EXPECT_TRUE(api.free_coherent(*coherent));
       return freed;
     }},
    {"MaskOfTooFewBits", ErrorName::kBadArgument, [](DmaApi& api, Gpa, Iova) { return api.set_mask(12); }},
    {"AboveTheMask", ErrorName::kOutOfRange,
     [](DmaApi& api, Gpa gpa, Iova) {
       EXPECT_TRUE(api.set_mask(30));
       return only_error(api.map_single(gpa, 100, Direction::kToDevice, Context::kSleeping));
     }},
    {"ListAboveTheMask", ErrorName::kOutOfRange,
     [](DmaApi& api, Gpa gpa, Iova) {
       EXPECT_TRUE(api.set_mask(30));
       SgEntry list[] = {{gpa, 100, {}}, {gpa + 4096, 100, {}}};
       return api.map_sg(list, Direction::kToDevice, Context::kSleeping);
     }},
};

class DmaApiRule : public testing::TestWithParam<std::tuple<Rule, std::string>> {};

TEST_P(DmaApiRule, IsRefusedByNameAndLeavesEverythingUsable) {
  const auto& [rule, strategy] = GetParam();
  Host host(strategy, {.mac = !needs_placing(strategy)});
  ASSERT_TRUE(host.strategy->start());
  {
    cli::StrategyOps ops(*host.strategy, host.memory);
    DmaApi api(ops);
    const Gpa gpa = host.ram.base() + 64 * kKiB;
    const auto live = api.map_single(gpa, kBytes, Direction::kToDevice, Context::kSleeping);
    ASSERT_TRUE(live) << live.error().sentence;
    const uint64_t mapped_before = host.mapper.live();
    const auto result = rule.act(api, gpa, *live);
    ASSERT_FALSE(result);
    EXPECT_EQ(to_string(result.error().name), to_string(rule.error)) << result.error().sentence;
    EXPECT_LE(host.mapper.live(), mapped_before) << "something was left by the refusal";
    EXPECT_TRUE(api.set_mask(64));
    const auto again = api.map_single(gpa + 32 * kKiB, 100, Direction::kBidirectional, Context::kSleeping);
    ASSERT_TRUE(again) << again.error().sentence;
    EXPECT_TRUE(api.unmap(*again, 100, Direction::kBidirectional));
  }
  EXPECT_TRUE(host.strategy->stop());
  EXPECT_EQ(host.mapper.live(), 0u);
}

INSTANTIATE_TEST_SUITE_P(DmaApi, DmaApiRule,
                         testing::Combine(testing::ValuesIn(kRules), testing::ValuesIn(all_strategies())),
                         [](const auto& info) {
                           std::string name = std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param);
                           for (char& c : name) c = c == '+' ? '_' : c;
                           return name;
                         });

TEST(DmaApi, TheSameMemoryMayBeMappedTwiceAndIsGivenBackTwice) {
  Host host("direct");
  ASSERT_TRUE(host.strategy->start());
  cli::StrategyOps ops(*host.strategy, host.memory);
  DmaApi api(ops);
  const auto a = api.map_single(host.ram.base(), 100, Direction::kToDevice, Context::kSleeping);
  const auto b = api.map_single(host.ram.base(), 100, Direction::kToDevice, Context::kSleeping);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(api.live_mappings(), 2u);
  EXPECT_TRUE(api.unmap(*a, 100, Direction::kToDevice));
  EXPECT_TRUE(api.unmap(*b, 100, Direction::kToDevice));
  EXPECT_FALSE(api.unmap(*b, 100, Direction::kToDevice));
}

}  // namespace
}  // namespace dartboard::guest
