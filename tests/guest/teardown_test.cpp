// tests/guest/teardown_test.cpp - every strategy on the whole stack when it ends badly: the device is in the middle of a
// transfer while the guest reboots, the client or the dext dies, or the cable is pulled. The ledgers watch the order:
// quiet first, then unmapped, then freed.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "cli/strategies.h"
#include "sim/faults/plan.h"
#include "sim/macos/mapper.h"
#include "tests/guest/fake_host.h"
#include "tests/support/world.h"

namespace dartboard::guest {
namespace {

namespace dma = backend::dma;
namespace reg = model::test_register;
using model::FaultKind;

constexpr Gpa kRam{0x4000'0000};
constexpr uint64_t kRamBytes = 32 * kMiB, kOwnAt = 24 * kMiB;
constexpr uint64_t kBufferBytes = 64 * kKiB;

class OwnPages final : public dma::GuestPages {
 public:
  Result<Gpa> allocate(uint64_t bytes) override {
    next_ += round_up(bytes, 4096);
    return kRam + (next_ - round_up(bytes, 4096));
  }
  void release(Gpa, uint64_t) override {}

 private:
  uint64_t next_ = kOwnAt;
};

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

enum class Ending { kReboot, kUnplug, kClientKilled, kDextCrash, kDextTerminated };
const char* to_string(Ending ending) {
  switch (ending) {
    case Ending::kReboot: return "GuestReboots";
    case Ending::kUnplug: return "CableIsPulled";
    case Ending::kClientKilled: return "ClientDies";
    case Ending::kDextCrash: return "DextCrashes";
    case Ending::kDextTerminated: return "DextIsTerminated";
  }
  return "?";
}

class Teardown : public testing::TestWithParam<std::tuple<std::string, Ending>> {
 protected:
  Teardown() {
    std::fill_n(ram_.get(), kRamBytes, std::byte{0x33});
    std::fill_n(ram_.get(), kMiB, std::byte{0x44});
    EXPECT_TRUE(memory_.add({kRam, kRamBytes, ram_.get()}));
    auto made = cli::make_strategy(std::get<0>(GetParam()),
                                   {.memory = memory_, .mapper = mapper_, .pages = pages_, .limits = {},
                                    .port = profile_.ports[0], .pool_bytes = 4 * kMiB});
    EXPECT_TRUE(made);
    if (made) strategy_ = std::move(*made);
  }
  ~Teardown() override {
    strategy_.reset();
    world_.close();
  }

  /// The device will read `from` into `to`, last byte first, in 50 us.
  void transfer(const dma::Mapped& from, const dma::Mapped& to) {
    world_.write32(reg::kControl, 0);
    world_.write32(reg::kDmaDelayNs, 50'000);
    world_.write64(reg::kDmaSource, from.iova.value);
    world_.write64(reg::kDmaDestination, to.iova.value);
    world_.write32(reg::kDmaLength, static_cast<uint32_t>(kBufferBytes));
    world_.write32(reg::kDmaCommand, static_cast<uint32_t>(model::TestDmaCommand::kReverse));
    EXPECT_EQ(world_.read32(reg::kStatus) & reg::kStatusBusy, reg::kStatusBusy);
  }

  void end(Ending ending) {
    if (ending == Ending::kReboot) {
      EXPECT_TRUE(strategy_->guest_reset());
      return;
    }
    if (ending == Ending::kUnplug) return world_.unplug();
    sim::FaultPlan plan(world_.machine().tape(), world_.machine().hash(), world_.machine().timeline());
    sim::FaultRule rule;
    rule.kind = ending == Ending::kClientKilled ? FaultKind::kClientKilled
                : ending == Ending::kDextCrash  ? FaultKind::kDextCrash
                                                : FaultKind::kDextTerminated;
    plan.set_rules({rule});
    plan.install();
    (void)world_.read32(reg::kId);   // the next call meets it
    EXPECT_EQ(plan.strikes(), 1u);
    plan.remove();
    world_.device().pump();   // a termination is asked for; it happens when the kernel gets to it
  }

  support::World world_{"m4pro-tb5", {}, 1};
  sim::Profile profile_ = *sim::load_profile("m4pro-tb5");
  dma::DeviceMapper mapper_{world_.device(), {}};
  dma::GuestMemory memory_;
  OwnPages pages_;
  std::unique_ptr<std::byte, Free> ram_{static_cast<std::byte*>(std::aligned_alloc(256 * kKiB, kRamBytes))};
  std::unique_ptr<dma::Strategy> strategy_;
};

TEST_P(Teardown, LeavesNothingAndNobodyWritesAfterwards) {
  const auto& [name, ending] = GetParam();
  ASSERT_NE(strategy_, nullptr);
  ASSERT_TRUE(strategy_->start());
  const auto from = strategy_->map({kRam + 4096, kBufferBytes, dma::Direction::kToDevice});
  const auto to = strategy_->map({kRam + 2 * kMiB, kBufferBytes, dma::Direction::kFromDevice});
  ASSERT_TRUE(from && to);
  ASSERT_TRUE(strategy_->allocate_coherent(8192, dma::Context::kSleeping));
  // On a Mac the addresses of a guest's own IOMMU are nobody's: the transfer would be the end of the host.
  if (name != "viommu") transfer(*from, *to);

  end(ending);
  // The transfer may have been done while the end was under way; after it nothing changes.
  const std::byte* const target = ram_.get() + 2 * kMiB;
  const std::vector<std::byte> then(target, target + kBufferBytes);
  world_.machine().timeline().advance(kNsPerMs);
  world_.device().pump();
  EXPECT_TRUE(std::equal(then.begin(), then.end(), target)) << "the device wrote after the end";
  EXPECT_FALSE(world_.machine().kernel().panicked()) << world_.machine().kernel().panicked()->sentence;
  if (ending != Ending::kReboot) {
    const auto late = strategy_->map({kRam + 8 * kMiB, 4096});
    if (!late) EXPECT_EQ(late.error().name, ErrorName::kDeviceGone) << late.error().sentence;
    if (late) EXPECT_TRUE(strategy_->unmap(*late));   // mapped RAM needs nobody for it
    if (name == "pool") EXPECT_FALSE(late) << "the pool's memory was the dext's";
    for (const auto& done : {strategy_->sync_for_cpu(*to, 0, 4096), strategy_->unmap(*to)}) {
      if (!done) EXPECT_EQ(done.error().name, ErrorName::kDeviceGone) << done.error().sentence;
    }
    EXPECT_TRUE(strategy_->guest_reset());
  }
  EXPECT_TRUE(strategy_->stop());
  EXPECT_TRUE(strategy_->stop()) << "twice is as good as once";
  EXPECT_EQ(world_.device().budget_use().mappings, 0u);
  EXPECT_EQ(world_.device().budget_use().bytes, 0u);
  EXPECT_TRUE(world_.check());
}

std::vector<std::string> strategies() {
  std::vector<std::string> names;
  for (const std::string& name : all_strategies()) {
    if (name != "identity") names.push_back(name);   // needs a host where the caller chooses; as direct in everything else
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Strategies, Teardown,
                         testing::Combine(testing::ValuesIn(strategies()),
                                          testing::Values(Ending::kReboot, Ending::kUnplug, Ending::kClientKilled,
                                                          Ending::kDextCrash, Ending::kDextTerminated)),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param) + "_" + to_string(std::get<1>(info.param));
                           for (char& c : name) c = c == '+' || c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace dartboard::guest
