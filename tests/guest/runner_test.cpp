// tests/guest/runner_test.cpp - the checker checked: every kind of lost, stale or stray byte is planted once, and found
// with its place. A checker that finds nothing in a healthy world is not enough.
#include <gtest/gtest.h>

#include "tests/guest/fake_host.h"

namespace dartboard::guest {
namespace {

using backend::dma::Mapped;
using backend::dma::Strategy;

constexpr uint64_t kBytes = 6000, kOffset = 100;

enum class Plant { kNothing, kFlipOnTheWayOut, kFlipOnTheWayIn, kLoseAWrite, kWriteBeside, kWriteInFreePage };

/// A device that does one thing wrong.
class BadEngine final : public DmaEngine {
 public:
  BadEngine(FakeEngine& good, Plant plant, std::byte* free_page) : good_(good), plant_(plant), free_page_(free_page) {}
  Result<void> device_reads(Iova from, std::span<std::byte> data) override {
    auto read = good_.device_reads(from, data);
    if (plant_ == Plant::kFlipOnTheWayOut) data[17] ^= std::byte{0x40};
    return read;
  }
  Result<void> device_writes(Iova to, std::span<const std::byte> data) override {
    if (plant_ == Plant::kLoseAWrite) return {};
    auto written = good_.device_writes(to, data);
    std::byte wrong = data[17] ^ std::byte{0x40};
    if (plant_ == Plant::kFlipOnTheWayIn) (void)good_.device_writes(to + 17, std::span(&wrong, 1));
    wrong = std::byte{0xee};
    if (plant_ == Plant::kWriteBeside) (void)good_.device_writes(to + data.size(), std::span(&wrong, 1));
    if (plant_ == Plant::kWriteInFreePage) *free_page_ = wrong;
    return written;
  }

 private:
  FakeEngine& good_;
  Plant plant_;
  std::byte* free_page_;
};

Workload there_and_back() {
  Workload w;
  w.ram_bytes = kMiB;
  sim::Tape tape;
  tape.start_seeded(1);
  WorkloadWriter out(w, tape);
  const uint32_t spare = out.allocate(64 * kKiB, false);
  out.release(spare);  // so that its pages are watched
  const uint32_t buffer = out.allocate(2 * kOffset + kBytes, false);
  out.cpu_write(buffer, 0, 2 * kOffset + kBytes);
  const uint32_t sent = out.map(buffer, kOffset, kBytes, Direction::kToDevice, Context::kSleeping, false);
  out.device_read(sent, 0, kBytes);
  out.unmap(sent);
  const uint32_t got = out.map(buffer, kOffset, kBytes, Direction::kFromDevice, Context::kSleeping, false);
  out.device_write(got, 0, kBytes);
  out.unmap(got);
  const uint32_t again = out.allocate(64 * kKiB, false);
  out.release(again);
  out.release(buffer);
  return w;
}

struct Planted {
  const char* name;
  Plant plant;
  LostByte::Seen seen;
  uint64_t offset;  ///< in the buffer; UINT64_MAX: none
};

class PlantedByte : public testing::TestWithParam<Planted> {};

TEST_P(PlantedByte, IsFoundAtItsPlace) {
  Host host("direct");
  ASSERT_TRUE(host.strategy->start());
  const Planted& planted = GetParam();
  BadEngine engine(host.engine, planted.plant, host.ram.memory() + 40 * kKiB + 5);
  cli::StrategyOps ops(*host.strategy, host.memory);
  const RunResult result = Runner(host.ram, ops, engine, 1).run(there_and_back());
  ASSERT_EQ(result.lost, 1u);
  const LostByte& lost = result.first_lost.at(0);
  EXPECT_EQ(lost.seen, planted.seen) << sentence(lost);
  EXPECT_NE(lost.expected, lost.got);
  if (planted.offset != UINT64_MAX) {
    EXPECT_EQ(lost.offset, planted.offset) << sentence(lost);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Runner, PlantedByte,
    testing::Values(Planted{"FlippedOnTheWayOut", Plant::kFlipOnTheWayOut, LostByte::Seen::kByDevice, kOffset + 17},
                    Planted{"FlippedOnTheWayIn", Plant::kFlipOnTheWayIn, LostByte::Seen::kByCpu, kOffset + 17},
                    Planted{"LostWrite", Plant::kLoseAWrite, LostByte::Seen::kByCpu, UINT64_MAX},
                    Planted{"BesideTheBuffer", Plant::kWriteBeside, LostByte::Seen::kByCpu, kOffset + kBytes},
                    Planted{"InAFreePage", Plant::kWriteInFreePage, LostByte::Seen::kInFreePage, UINT64_MAX}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Runner, AHealthyWorldIsClean) {
  Host host("direct");
  ASSERT_TRUE(host.strategy->start());
  const RunResult result = host.run(there_and_back());
  EXPECT_TRUE(result.clean());
  EXPECT_EQ(result.bytes_to_device, kBytes);
  EXPECT_EQ(result.bytes_from_device, kBytes);
  EXPECT_FALSE(host.ram.check_free());
}

/// dma_map_ops of a bounce pool that forgets one of its copies, or a mapping.
class ForgetfulOps final : public DmaOps {
 public:
  enum class Forgets { kSyncForCpu, kSyncForDevice, kUnmap };
  ForgetfulOps(DmaOps& good, Forgets forgets) : good_(good), forgets_(forgets) {}
  Result<DmaMapping> map(const DmaRequest& request) override { return good_.map(request); }
  Result<void> unmap(const DmaMapping& mapping) override {
    if (forgets_ == Forgets::kUnmap) return {};
    return good_.unmap(mapping);
  }
  Result<std::vector<DmaMapping>> map_many(std::span<const DmaRequest> requests) override {
    return good_.map_many(requests);
  }
  Result<void> unmap_many(std::span<const DmaMapping> mappings) override { return good_.unmap_many(mappings); }
  Result<void> sync_for_cpu(const DmaMapping& mapping, uint64_t offset, uint64_t bytes) override {
    if (forgets_ == Forgets::kSyncForCpu) return {};
    return good_.sync_for_cpu(mapping, offset, bytes);
  }
  Result<void> sync_for_device(const DmaMapping& mapping, uint64_t offset, uint64_t bytes) override {
    if (forgets_ == Forgets::kSyncForDevice) return {};
    return good_.sync_for_device(mapping, offset, bytes);
  }
  Result<DmaCoherent> allocate_coherent(uint64_t bytes, Context context) override {
    return good_.allocate_coherent(bytes, context);
  }
  Result<void> free_coherent(const DmaCoherent& coherent) override { return good_.free_coherent(coherent); }
  uint64_t mapping_bytes_max() const override { return good_.mapping_bytes_max(); }

 private:
  DmaOps& good_;
  Forgets forgets_;
};

RunResult run_forgetful(ForgetfulOps::Forgets forgets) {
  Host host("pool");
  EXPECT_TRUE(host.strategy->start());
  Workload w;
  w.ram_bytes = kMiB;
  sim::Tape tape;
  tape.start_seeded(1);
  WorkloadWriter out(w, tape);
  const uint32_t buffer = out.allocate(kBytes, false);
  const uint32_t mapping = out.map(buffer, 0, kBytes, Direction::kBidirectional, Context::kSleeping, false);
  out.device_write(mapping, 0, 500);
  out.sync_for_cpu(mapping, 0, kBytes);
  out.cpu_write(buffer, 1000, 500);
  out.sync_for_device(mapping, 1000, 500);
  out.device_read(mapping, 1000, 500);
  out.unmap(mapping);
  out.release(buffer);
  cli::StrategyOps good(*host.strategy, host.memory);
  ForgetfulOps ops(good, forgets);
  return Runner(host.ram, ops, host.engine, 1).run(w);
}

TEST(Runner, StaleBytesAreFound) {
  const RunResult cpu = run_forgetful(ForgetfulOps::Forgets::kSyncForCpu);
  ASSERT_GE(cpu.lost, 1u);
  EXPECT_EQ(cpu.first_lost[0].seen, LostByte::Seen::kByCpu);
  EXPECT_LT(cpu.first_lost[0].offset, 500u);
  const RunResult device = run_forgetful(ForgetfulOps::Forgets::kSyncForDevice);
  ASSERT_GE(device.lost, 1u);
  EXPECT_EQ(device.first_lost[0].seen, LostByte::Seen::kByDevice);
  EXPECT_EQ(device.first_lost[0].offset, 1000u);
}

TEST(Runner, AWriteBackThatNeverCameIsFound) {
  Host host("pool");
  ASSERT_TRUE(host.strategy->start());
  cli::StrategyOps good(*host.strategy, host.memory);
  ForgetfulOps ops(good, ForgetfulOps::Forgets::kUnmap);
  const RunResult result = Runner(host.ram, ops, host.engine, 1).run(there_and_back());
  ASSERT_EQ(result.lost, 1u);
  EXPECT_EQ(result.first_lost[0].seen, LostByte::Seen::kByCpu);
}

TEST(Runner, TheSentenceNamesPlaceExpectedAndGot) {
  LostByte lost;
  lost.step = 12;
  lost.buffer = 3;
  lost.offset = 0x10;
  lost.gpa = Gpa(0x4000'0010);
  lost.expected = 0xab;
  lost.got = 0xcd;
  EXPECT_EQ(sentence(lost),
            "step 12, byte 0x10 of buffer 3: the CPU sees 0xcd at guest address 0x40000010; expected 0xab");
}

}  // namespace
}  // namespace dartboard::guest
