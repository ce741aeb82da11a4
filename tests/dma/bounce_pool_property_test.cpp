// tests/dma/bounce_pool_property_test.cpp - a million operations on pools of several shapes, against an oracle that
// knows nothing of slots: what each byte of RAM and of each mapping must be, and which device addresses are taken.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/dma/pool_world.h"

namespace dartboard::backend::dma {
namespace {

/// splitmix64: any quick one will do, but the same on every host.
struct Draws {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e37'79b9'7f4a'7c15;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return z ^ z >> 31;
  }
  uint64_t below(uint64_t bound) { return next() % bound; }
};

constexpr uint64_t kLanes = 48, kLaneBytes = 272 * kKiB;  // a buffer stays in its lane: none overlap

class Oracle {
 public:
  Oracle(const PoolWorld::Shape& shape, uint64_t seed)
      : w_([&] {
          PoolWorld::Shape s = shape;
          s.ram_bytes = kLanes * kLaneBytes;
          return s;
        }()),
        limits_(shape.limits),
        draws_{seed},
        ram_(w_.ram.get(), w_.ram.get() + w_.ram_bytes),
        lanes_(kLanes) {}

  void run(uint64_t operations) {
    for (uint64_t n = 0; n < operations && !testing::Test::HasFailure(); ++n) {
      SCOPED_TRACE(testing::Message() << "operation " << n);
      Lane& lane = lanes_[draws_.below(kLanes)];
      const uint64_t what = draws_.below(16);
      if (what == 0) {
        coherent();
      } else if (!lane.live) {
        map(lane);
      } else if (what < 6) {
        unmap(lane);
      } else if (what < 9) {
        device_writes_some(lane);
      } else if (what < 11) {
        cpu_writes_some(lane);
      } else if (what < 13) {
        sync_for_cpu(lane);
      } else if (what < 15) {
        sync_for_device(lane);
      } else {
        device_reads_some(lane);
      }
    }
  }

  void end() {
    for (Lane& lane : lanes_) {
      if (lane.live) unmap(lane);
    }
    for (const Coherent& c : rings_) {
      taken_.erase(c.iova.value);
      EXPECT_TRUE(w_.pool->free_coherent(c));
    }
    EXPECT_EQ(w_.pool->use().used_bytes, 0u) << "leaked";
    EXPECT_EQ(w_.pool->largest_free_bytes(), kPoolSegmentBytes);
    EXPECT_EQ(std::memcmp(w_.ram.get(), ram_.data(), ram_.size()), 0) << "a byte of RAM is not what it must be";
    EXPECT_GT(refused_, 0u) << "the pool was never full: the test is too kind";
    EXPECT_EQ(w_.pool->use().refusals, refused_ + meant_to_fail_);
  }

 private:
  struct Lane {
    std::optional<Mapped> live;
    bool filled = true;
    std::vector<std::byte> device;  ///< what the device must see
  };

  /// Mostly small, sometimes as large as can be.
  uint64_t size() {
    const uint64_t kind = draws_.below(64), max = w_.pool->mapping_bytes_max();
    if (kind == 0) return max - draws_.below(4096);
    if (kind < 4) return 1 + draws_.below(max);
    if (kind < 20) return 4096;
    return 1 + draws_.below(6000);
  }
  std::byte* ram_model(Gpa gpa) { return ram_.data() + (gpa - PoolWorld::kRam); }
  void pattern(std::byte* to, uint64_t bytes) {
    uint64_t value = draws_.next();
    for (uint64_t n = 0; n < bytes; n += 8) {
      std::memcpy(to + n, &value, std::min<uint64_t>(8, bytes - n));
      value += 0x0101'0101'0101'0101;
    }
  }

  /// Whether a run could be had: tries every slot of every segment against what is taken.
  bool room(uint64_t bytes, uint64_t low_bits, uint64_t mask) const {
    const uint64_t run = round_up((low_bits & (kPoolSlotBytes - 1)) + bytes, kPoolSlotBytes);
    for (const PoolPiece& piece : w_.pieces) {
      for (uint64_t segment = 0; segment < piece.bytes; segment += kPoolSegmentBytes) {
        if (piece.iova.value + segment + kPoolSegmentBytes - 1 > limits_.address_max) continue;
        for (uint64_t at = 0; at + run <= kPoolSegmentBytes; at += kPoolSlotBytes) {
          const uint64_t iova = piece.iova.value + segment + at;
          if (((iova ^ low_bits) & mask & ~(kPoolSlotBytes - 1)) != 0) continue;
          const auto next = taken_.lower_bound(iova);
          if (next != taken_.end() && next->first < iova + run) continue;
          if (next != taken_.begin() && std::prev(next)->first + std::prev(next)->second > iova) continue;
          return true;
        }
      }
    }
    return false;
  }

  /// [iova, iova+bytes) in whole slots is nobody else's and inside one segment.
  void take(Iova iova, uint64_t bytes) {
    const uint64_t begin = round_down(iova.value, kPoolSlotBytes), end = round_up(iova.value + bytes, kPoolSlotBytes);
    const auto next = taken_.lower_bound(begin);
    EXPECT_TRUE(next == taken_.end() || next->first >= end) << "overlaps the run behind";
    EXPECT_TRUE(next == taken_.begin() || std::prev(next)->first + std::prev(next)->second <= begin)
        << "overlaps the run before";
    for (const PoolPiece& piece : w_.pieces) {
      if (begin - piece.iova.value < piece.bytes) {
        EXPECT_EQ((begin - piece.iova.value) / kPoolSegmentBytes, (end - 1 - piece.iova.value) / kPoolSegmentBytes);
      }
    }
    EXPECT_LE(end - 1, limits_.address_max);
    taken_[begin] = end - begin;
  }
  void give(Iova iova) { taken_.erase(round_down(iova.value, kPoolSlotBytes)); }

  void map(Lane& lane) {
    const uint64_t bytes = size();
    const uint64_t number = static_cast<uint64_t>(&lane - lanes_.data());
    const Gpa gpa = PoolWorld::kRam + (number * kLaneBytes + (draws_.below(2) != 0 ? draws_.below(4096) : 0));
    const auto direction = static_cast<Direction>(draws_.below(3));
    const bool skip = draws_.below(8) == 0;
    pattern(w_.cpu(gpa), bytes);
    std::memcpy(ram_model(gpa), w_.cpu(gpa), bytes);
    const auto mapped = w_.pool->map(request(gpa, bytes, direction), skip ? Copy::kSkip : Copy::kYes);
    const uint64_t mask = limits_.align_mask;
    const bool page = mask < kPoolSlotBytes && bytes >= 4096;
    if (!mapped) {
      EXPECT_EQ(mapped.error().name, ErrorName::kBusy);
      EXPECT_FALSE(room(bytes, gpa.value & mask, page ? 4095 : mask)) << "there was room";
      ++refused_;
      return;
    }
    EXPECT_EQ((mapped->iova.value ^ gpa.value) & mask, 0u) << "low bits of the address";
    if (page) EXPECT_EQ(round_down(mapped->iova.value, kPoolSlotBytes) % 4096, 0u);
    take(mapped->iova, bytes);
    const uint64_t before = mapped->iova.value % kPoolSlotBytes;
    const uint64_t after = round_up(mapped->iova.value + bytes, kPoolSlotBytes) - (mapped->iova.value + bytes);
    EXPECT_TRUE(all(w_.device(mapped->iova) - before, before, 0) && all(w_.device(mapped->iova) + bytes, after, 0))
        << "slack";
    lane.live = *mapped;
    lane.filled = !skip;
    if (lane.filled) lane.device.assign(ram_model(gpa), ram_model(gpa) + bytes);
    if (lane.filled) check_device(lane);
  }

  void check_device(const Lane& lane) {
    EXPECT_EQ(std::memcmp(w_.device(lane.live->iova), lane.device.data(), lane.device.size()), 0)
        << "what the device sees";
  }
  /// The buffer and its neighbourhood.
  void check_ram(const Lane& lane) {
    const MapRequest& r = lane.live->request;
    const uint64_t begin = std::max<uint64_t>(r.gpa - PoolWorld::kRam, 64) - 64;
    const uint64_t end = std::min<uint64_t>(r.gpa - PoolWorld::kRam + r.bytes + 64, ram_.size());
    EXPECT_EQ(std::memcmp(w_.ram.get() + begin, ram_.data() + begin, end - begin), 0) << "what the CPU sees";
  }

  void unmap(Lane& lane) {
    const MapRequest& r = lane.live->request;
    if (lane.filled) check_device(lane);
    if (lane.filled && device_writes(r.direction)) std::memcpy(ram_model(r.gpa), lane.device.data(), r.bytes);
    EXPECT_TRUE(w_.pool->unmap(*lane.live));
    check_ram(lane);
    give(lane.live->iova);
    if (draws_.below(16) == 0) {
      const auto again = w_.pool->unmap(*lane.live);
      EXPECT_TRUE(!again && again.error().name == ErrorName::kNotFound);
      ++meant_to_fail_;
    }
    lane.live.reset();
  }

  struct Part {
    uint64_t offset, bytes;
  };
  Part part(const Lane& lane) {
    const uint64_t offset = draws_.below(lane.live->request.bytes);
    return {offset, 1 + draws_.below(std::min<uint64_t>(lane.live->request.bytes - offset, 5000))};
  }

  void device_writes_some(Lane& lane) {
    if (!lane.filled || !device_writes(lane.live->request.direction)) return;
    const Part p = part(lane);
    pattern(w_.device(lane.live->iova) + p.offset, p.bytes);
    std::memcpy(lane.device.data() + p.offset, w_.device(lane.live->iova) + p.offset, p.bytes);
  }
  void cpu_writes_some(Lane& lane) {
    const Part p = part(lane);
    const Gpa gpa = lane.live->request.gpa + p.offset;
    pattern(w_.cpu(gpa), p.bytes);
    std::memcpy(ram_model(gpa), w_.cpu(gpa), p.bytes);
  }
  void sync_for_cpu(Lane& lane) {
    const Part p = part(lane);
    const MapRequest& r = lane.live->request;
    const auto synced = w_.pool->sync_for_cpu(*lane.live, p.offset, p.bytes);
    if (!lane.filled && device_writes(r.direction)) {
      EXPECT_FALSE(synced);
      ++meant_to_fail_;
      return;
    }
    EXPECT_TRUE(synced);
    if (device_writes(r.direction)) std::memcpy(ram_model(r.gpa + p.offset), lane.device.data() + p.offset, p.bytes);
    check_ram(lane);
  }
  void sync_for_device(Lane& lane) {
    const MapRequest& r = lane.live->request;
    if (!lane.filled) {  // all of it: from now on it is like any other
      EXPECT_TRUE(w_.pool->sync_for_device(*lane.live, 0, r.bytes));
      lane.device.assign(ram_model(r.gpa), ram_model(r.gpa) + r.bytes);
      lane.filled = true;
    } else {
      const Part p = part(lane);
      EXPECT_TRUE(w_.pool->sync_for_device(*lane.live, p.offset, p.bytes));
      if (device_reads(r.direction)) {
        std::memcpy(lane.device.data() + p.offset, ram_model(r.gpa + p.offset), p.bytes);
      }
    }
    check_device(lane);
  }
  void device_reads_some(Lane& lane) {
    if (lane.filled) check_device(lane);
  }

  void coherent() {
    if (rings_.size() > 8 || (!rings_.empty() && draws_.below(2) != 0)) {
      const size_t which = draws_.below(rings_.size());
      EXPECT_TRUE(w_.pool->free_coherent(rings_[which]));
      give(rings_[which].iova);
      rings_.erase(rings_.begin() + static_cast<std::ptrdiff_t>(which));
      return;
    }
    const uint64_t bytes = 1 + draws_.below(draws_.below(8) == 0 ? kPoolSegmentBytes : 16384);
    const auto ring = w_.pool->allocate_coherent(bytes);
    if (!ring) {
      EXPECT_FALSE(room(round_up(bytes, 4096), 0, 4095)) << "there was room";
      ++refused_;
      return;
    }
    take(ring->iova, ring->bytes);
    EXPECT_TRUE(all(w_.device(ring->iova), ring->bytes, 0)) << "coherent memory begins zeroed";
    pattern(w_.device(ring->iova), ring->bytes);
    rings_.push_back(*ring);
  }

  PoolWorld w_;
  const DeviceLimits limits_;
  Draws draws_;
  std::vector<std::byte> ram_;  ///< what RAM must be
  std::vector<Lane> lanes_;
  std::map<uint64_t, uint64_t> taken_;  ///< device address -> bytes, whole slots
  std::vector<Coherent> rings_;
  uint64_t refused_ = 0, meant_to_fail_ = 0;
};

struct Run {
  const char* name;
  PoolWorld::Shape shape;
};

class BouncePoolProperty : public testing::TestWithParam<Run> {};

TEST_P(BouncePoolProperty, EveryByteIsWhereItMustBe) {
  Oracle oracle(GetParam().shape, 20261129);
  oracle.run(200'000);
  oracle.end();
}

constexpr uint64_t kS = kPoolSegmentBytes;
INSTANTIATE_TEST_SUITE_P(
    AMillionOperations, BouncePoolProperty,
    testing::Values(Run{"one_piece", {.pieces = {4 * kS}}},
                    Run{"nvme", {.pieces = {kS, 2 * kS, kS}, .limits = {.align_mask = 0xfff}, .areas = 2}},
                    Run{"within_a_slot", {.pieces = {kS, kS, kS, kS}, .limits = {.align_mask = 0x7ff}, .areas = 4}},
                    Run{"iommu_granule", {.pieces = {2 * kS, 2 * kS}, .limits = {.align_mask = 0xffff}}},
                    Run{"low_devices",
                        {.pieces = {kS, 3 * kS},
                         .limits = {.address_max = PoolWorld::kIova.value + 64 * kMiB - 1, .align_mask = 0x1ff},
                         .areas = 3}}),
    [](const testing::TestParamInfo<Run>& info) { return info.param.name; });

}  // namespace
}  // namespace dartboard::backend::dma
