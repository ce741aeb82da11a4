// tests/machine/paravirtual_dma_test.cpp - companion and windows through every layer, with every ledger on: the device
// moves the guest's bytes by the addresses that the strategies hand out.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "backend/dma/companion_strategy.h"
#include "backend/dma/windows_strategy.h"
#include "tests/support/world.h"

namespace dartboard::machine_test {
namespace {

namespace dma = backend::dma;
namespace reg = model::test_register;

constexpr Gpa kRam{0x4000'0000};
constexpr uint64_t kRamBytes = 8 * kMiB, kOwnAt = 7 * kMiB;

class OwnPages final : public dma::GuestPages {
 public:
  Result<Gpa> allocate(uint64_t bytes) override {
    next_ += bytes;
    return kRam + (next_ - bytes);
  }
  void release(Gpa, uint64_t) override {}

 private:
  uint64_t next_ = kOwnAt;
};

enum class Which { kCompanion, kWindows };

struct Stack {
  explicit Stack(Which which) : ram(static_cast<std::byte*>(std::aligned_alloc(256 * kKiB, kRamBytes))) {
    for (uint64_t i = 0; i < kRamBytes; ++i) ram[i] = static_cast<std::byte>(i * 7 + i / 4096);
    EXPECT_TRUE(memory.add({kRam, kRamBytes, ram}));
    if (which == Which::kCompanion) {
      strategy = std::make_unique<dma::CompanionStrategy>(memory, mapper, pages, dma::DeviceLimits{});
    } else {
      strategy = std::make_unique<dma::WindowsStrategy>(memory, mapper, pages, dma::DeviceLimits{});
    }
  }
  ~Stack() {
    strategy.reset();
    world.close();
    std::free(ram);
  }

  /// The device reads one buffer, last byte first, into the other.
  void reverse(const dma::Mapped& from, const dma::Mapped& to) {
    const uint64_t bytes = from.request.bytes;
    world.write32(reg::kControl, reg::kControlImmediate);
    world.write64(reg::kDmaSource, from.iova.value);
    world.write64(reg::kDmaDestination, to.iova.value);
    world.write32(reg::kDmaLength, static_cast<uint32_t>(bytes));
    world.write32(reg::kDmaCommand, static_cast<uint32_t>(model::TestDmaCommand::kReverse));
    EXPECT_EQ(world.read32(reg::kDmaError), 0u);
    const std::byte* source = memory.at(from.request.gpa, bytes);
    const std::byte* target = memory.at(to.request.gpa, bytes);
    EXPECT_TRUE(std::equal(source, source + bytes, std::make_reverse_iterator(target + bytes)));
  }

  support::World world{"m4pro-tb5"};
  dma::DeviceMapper mapper{world.device(), {}};
  dma::GuestMemory memory;
  OwnPages pages;
  std::byte* ram;
  std::unique_ptr<dma::ReservationStrategy> strategy;
};

class ParavirtualDma : public testing::TestWithParam<Which> {};
INSTANTIATE_TEST_SUITE_P(Both, ParavirtualDma, testing::Values(Which::kCompanion, Which::kWindows),
                         [](const auto& info) { return info.param == Which::kCompanion ? "Companion" : "Windows"; });

TEST_P(ParavirtualDma, TheDeviceMovesTheGuestsBytes) {
  Stack s(GetParam());
  ASSERT_TRUE(s.strategy->start());
  struct Case {
    uint64_t from, to, bytes;
  };
  for (const Case c : {Case{0, 8192, 4096}, Case{4097, 5 * kMiB + 3, 100}, Case{256 * kKiB - 1, kMiB - 2, 4},
                       Case{kMiB + 5, 3 * kMiB + 11, 700'000}}) {
    const auto from = s.strategy->map({kRam + c.from, c.bytes, dma::Direction::kToDevice});
    const auto to = s.strategy->map({kRam + c.to, c.bytes, dma::Direction::kFromDevice});
    ASSERT_TRUE(from) << from.error().sentence;
    ASSERT_TRUE(to) << to.error().sentence;
    s.reverse(*from, *to);
    EXPECT_TRUE(s.strategy->unmap(*to));
    EXPECT_TRUE(s.strategy->unmap(*from));
  }
  // A list, whose neighbours share a registration.
  std::vector<dma::MapRequest> list;
  for (uint64_t i = 0; i < 32; ++i) list.push_back({kRam + 2 * kMiB + i * 4096, 4096});
  const auto many = s.strategy->map_many(list);
  ASSERT_TRUE(many);
  for (size_t i = 0; i + 1 < many->size(); i += 2) s.reverse((*many)[i], (*many)[i + 1]);
  EXPECT_TRUE(s.strategy->unmap_many(*many));
  EXPECT_TRUE(s.strategy->stop());
  EXPECT_EQ(s.world.device().budget_use().mappings, 0u);
  EXPECT_EQ(s.world.device().budget_use().bytes, 0u);
  EXPECT_TRUE(s.world.check());
}

TEST_P(ParavirtualDma, AGuestThatRebootsAndADeviceThatIsPulledOut) {
  Stack s(GetParam());
  ASSERT_TRUE(s.strategy->start());
  ASSERT_TRUE(s.strategy->map({kRam, kMiB}));
  ASSERT_TRUE(s.strategy->guest_reset());
  EXPECT_EQ(s.world.device().budget_use().mappings, 0u);
  s.world.enable();
  const auto from = s.strategy->map({kRam, 4096}), to = s.strategy->map({kRam + kMiB, 4096});
  ASSERT_TRUE(from && to);
  s.reverse(*from, *to);
  s.world.unplug();
  s.world.device().pump();
  const auto late = s.strategy->map({kRam + 4 * kMiB, 4096});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().name, ErrorName::kDeviceGone);
  EXPECT_TRUE(s.strategy->unmap(*from));
  EXPECT_TRUE(s.strategy->stop());
  EXPECT_EQ(s.world.device().budget_use().mappings, 0u);
  EXPECT_TRUE(s.world.check());
}

}  // namespace
}  // namespace dartboard::machine_test
