// tests/guest/strategies_test.cpp - every strategy under random calls of the DMA API, under bad input, and on a mapper
// that fails at each call once.
//
// On a fake mapper, because a million operations through the whole stack take minutes; stack_test.cpp goes through it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/guest/fake_host.h"

namespace dartboard::guest {
namespace {

using backend::dma::Direction;
namespace dma = backend::dma;

class EveryStrategy : public testing::TestWithParam<std::string> {
 protected:
  HostOptions options() const { return {.mac = !needs_placing(GetParam())}; }
};

/// DARTBOARD_DMA_OPERATIONS=1000000 for the long run.
uint64_t operations() {
  const char* const wanted = std::getenv("DARTBOARD_DMA_OPERATIONS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 200'000;
}

TEST_P(EveryStrategy, RandomOperationsLoseNoByteAndLeaveNothing) {
  Host host(GetParam(), options());
  ASSERT_TRUE(host.strategy->start());
  const RunResult result = host.run(random_workload(operations(), 7));
  EXPECT_EQ(result.lost, 0u) << (result.first_lost.empty() ? "" : sentence(result.first_lost[0]));
  EXPECT_EQ(result.errors, 0u) << result.first_error;
  EXPECT_EQ(result.leaked, 0u);
  EXPECT_EQ(result.transfers_failed, 0u) << result.first_failed_transfer;
  EXPECT_GT(result.maps, operations() / 10);
  for (const Refusal& refusal : result.refusals) {
    // Whoever asks the host cannot serve a caller that may not sleep; a pool can be full. Nothing else is refused.
    EXPECT_TRUE(refusal.name == "not-supported" || refusal.name == "busy" || refusal.name == "bad-argument")
        << refusal.first;
  }
  EXPECT_TRUE(host.strategy->stop());
  EXPECT_EQ(host.mapper.live(), 0u);
  EXPECT_EQ(host.mapper.use().bytes, 0u);
  EXPECT_FALSE(host.ram.check_free());
  EXPECT_EQ(host.ram.free_bytes(), host.ram.bytes()) << "pages of the guest were not given back";
}

TEST_P(EveryStrategy, TheDeviceIsQuietBeforeAnythingIsTakenAway) {
  Host host(GetParam(), options());
  ASSERT_TRUE(host.strategy->start());
  (void)host.must_map(host.ram.base(), 100);
  EXPECT_FALSE(host.mapper.quiet());
  EXPECT_TRUE(host.strategy->stop());
  EXPECT_TRUE(host.mapper.quiet());
  EXPECT_EQ(host.mapper.live(), 0u);
  EXPECT_TRUE(host.strategy->stop()) << "twice is no error";
}

TEST_P(EveryStrategy, IsUsableAfterTheGuestRebooted) {
  Host host(GetParam(), options());
  ASSERT_TRUE(host.strategy->start());
  const dma::Mapped before = host.must_map(host.ram.base(), 100);
  ASSERT_TRUE(host.strategy->guest_reset());
  EXPECT_FALSE(host.strategy->unmap(before)) << "mappings of the guest that is gone are void";
  const RunResult result = host.run(random_workload(2000, 3));
  EXPECT_TRUE(result.clean()) << (result.first_lost.empty() ? result.first_error : sentence(result.first_lost[0]));
  EXPECT_TRUE(host.strategy->stop());
  EXPECT_EQ(host.mapper.live(), 0u);
}

TEST_P(EveryStrategy, MarksAPageThatTheDeviceWroteAsDirty) {
  Host host(GetParam(), options());
  ASSERT_TRUE(host.strategy->start());
  const Gpa gpa = host.ram.base() + 20 * kPageBytes;
  const dma::Mapped mapped = host.must_map(gpa + 10, 5000);
  const std::byte data[16] = {};
  ASSERT_TRUE(host.engine.device_writes(mapped.iova, data));
  ASSERT_TRUE(host.strategy->unmap(mapped));
  std::vector<uint64_t> bitmap(2);
  ASSERT_TRUE(host.strategy->dirty(host.ram.base(), 128 * kPageBytes, kPageBytes, bitmap));
  EXPECT_NE(bitmap[0] >> 20 & 1, 0u);
  EXPECT_FALSE(host.strategy->dirty(host.ram.base() + 1, 128 * kPageBytes, kPageBytes, bitmap));
  EXPECT_FALSE(host.strategy->dirty(host.ram.base(), 129 * kPageBytes, kPageBytes, bitmap))
      << "the bitmap is too short";
  EXPECT_FALSE(host.strategy->dirty(host.ram.base(), 128 * kPageBytes, 6000, bitmap));
}

/// Every call to the mapper fails once: n = 1, 2, ... until a run does not reach the n-th.
TEST_P(EveryStrategy, AMapperThatFailsAtAnyCallCostsARefusalAndNothingElse) {
  const Workload workload = random_workload(120, 11);
  for (uint64_t n = 0;; ++n) {
    ASSERT_LT(n, 5000u);
    Host host(GetParam(), options());
    host.mapper.fail_after(n);
    auto started = host.strategy->start();
    if (!started) {
      EXPECT_TRUE(host.mapper.failed());
      EXPECT_EQ(host.mapper.live(), 0u) << "call " << n << ": something is left of a start that failed";
      started = host.strategy->start();
      ASSERT_TRUE(started) << started.error().sentence;
    }
    const RunResult result = host.run(workload);
    ASSERT_EQ(result.lost, 0u) << "call " << n << ": " << sentence(result.first_lost[0]);
    ASSERT_EQ(result.leaked, 0u);
    ASSERT_EQ(result.transfers_failed, 0u) << result.first_failed_transfer;
    if (!host.strategy->stop()) {
      EXPECT_TRUE(host.strategy->stop()) << "call " << n;
    }
    // A mapper that did not unmap still has it: stop() tries again.
    EXPECT_EQ(host.mapper.live(), 0u) << "call " << n;
    EXPECT_EQ(host.ram.free_bytes(), host.ram.bytes()) << "call " << n;
    if (!host.mapper.failed()) break;
  }
}

struct BadRequest {
  const char* name;
  uint64_t offset, bytes;  ///< from the start of RAM
};

TEST_P(EveryStrategy, BadRequestsAreRefusedByName) {
  Host host(GetParam(), options());
  ASSERT_TRUE(host.strategy->start());
  const uint64_t live = host.mapper.live();
  for (const BadRequest& bad :
       {BadRequest{"no bytes", 0, 0}, BadRequest{"past the end", host.ram.bytes() - 4, 8},
        BadRequest{"not RAM", host.ram.bytes() + 64 * kGiB, 8}, BadRequest{"wrapping", 0, UINT64_MAX}}) {
    const auto mapped =
        host.strategy->map({host.ram.base() + bad.offset, bad.bytes, Direction::kToDevice, dma::Context::kSleeping});
    ASSERT_FALSE(mapped) << bad.name;
    EXPECT_EQ(mapped.error().name, ErrorName::kBadArgument) << bad.name << ": " << mapped.error().sentence;
  }
  EXPECT_EQ(host.mapper.live(), live);
  const dma::Mapped mapped = host.must_map(host.ram.base(), 100);
  ASSERT_TRUE(host.strategy->unmap(mapped));
  const auto twice = host.strategy->unmap(mapped);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().name, ErrorName::kNotFound);
  EXPECT_FALSE(host.strategy->sync_for_cpu(mapped, 0, 1));
  EXPECT_FALSE(host.strategy->free_coherent({host.ram.base(), Iova(1), 4096}));
}

INSTANTIATE_TEST_SUITE_P(Strategies, EveryStrategy, testing::ValuesIn(all_strategies()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '+' ? '_' : c;
  return name;
});

TEST(Direct, RefusesMoreRamThanTheBudgetAndSaysByHowMuch) {
  Host host("direct", {.ram_bytes = 1600 * kMiB});
  const auto started = host.strategy->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().name, ErrorName::kBudgetBytes);
  EXPECT_NE(started.error().sentence.find("64 MiB too many"), std::string::npos) << started.error().sentence;
  EXPECT_EQ(host.mapper.live(), 0u);
}

TEST(Direct, AMappingAcrossTwoChunksThatAreNotNeighboursIsRefused) {
  // 3 GiB on a host without a byte limit: two chunks of the dext, which this mapper puts side by side.
  Host host("direct", {.mac = false, .ram_bytes = 3 * kGiB});
  ASSERT_TRUE(host.strategy->start());
  EXPECT_EQ(host.mapper.live(), 2u);
  EXPECT_TRUE(
      host.strategy->map({host.ram.base() + 1536 * kMiB - 10, 20, Direction::kToDevice, dma::Context::kSleeping}));
  ASSERT_TRUE(host.strategy->stop());

  // The same with something between them.
  std::byte other[4096];
  Host gap("direct", {.mac = false, .ram_bytes = 3 * kGiB});
  auto* const first = gap.ram.memory();
  ASSERT_TRUE(gap.mapper.map_at(
      1, other, 16,
      Iova(gap.port.mapper.window_base.value + 1536 * kMiB + (reinterpret_cast<uintptr_t>(other) & 4095))));
  ASSERT_NE(first, nullptr);
  ASSERT_TRUE(gap.strategy->start());
  const auto across =
      gap.strategy->map({gap.ram.base() + 1536 * kMiB - 10, 20, Direction::kToDevice, dma::Context::kSleeping});
  ASSERT_FALSE(across);
  EXPECT_EQ(across.error().name, ErrorName::kNotSupported);
  EXPECT_NE(across.error().sentence.find("split at"), std::string::npos);
}

TEST(Identity, NeedsAHostWhereTheCallerChooses) {
  Host mac("identity", {.mac = true});
  const auto started = mac.strategy->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().name, ErrorName::kNotSupported);
  Host linux_host("identity", {.mac = false});
  ASSERT_TRUE(linux_host.strategy->start());
  const dma::Mapped mapped = linux_host.must_map(linux_host.ram.base() + 0x1234, 8);
  EXPECT_EQ(mapped.iova.value, linux_host.ram.base().value + 0x1234);
}

TEST(Viommu, OnAMacTheDeviceEmitsAddressesThatNobodyMapped) {
  Host mac("viommu", {.mac = true});
  ASSERT_TRUE(mac.strategy->start());
  const dma::Mapped mapped = mac.must_map(mac.ram.base(), 4096);
  std::byte data[8];
  EXPECT_FALSE(mac.engine.device_reads(mapped.iova, data));
  const std::string why = cli::explain_faults(*mac.strategy);
  EXPECT_NE(why.find("had assigned 0x80000000"), std::string::npos) << why;
}

}  // namespace
}  // namespace dartboard::guest
