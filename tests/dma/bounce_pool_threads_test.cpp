// tests/dma/bounce_pool_threads_test.cpp - several threads on one pool: bytes stay apart, and nothing happens twice.
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/dma/pool_world.h"

namespace dartboard::backend::dma {
namespace {

constexpr unsigned kThreads = 4;

template <class Body>
void in_threads(const Body& body) {
  std::vector<std::thread> threads;
  for (unsigned n = 0; n < kThreads; ++n) threads.emplace_back([&, n] { body(n); });
  for (std::thread& thread : threads) thread.join();
}

TEST(BouncePoolThreads, BytesOfEachThreadStayItsOwn) {
  // So small that areas fill and threads fall over into each other's.
  PoolWorld w({.pieces = {kPoolSegmentBytes, kPoolSegmentBytes, 2 * kPoolSegmentBytes}, .areas = kThreads});
  std::atomic<uint64_t> wrong{0}, refused{0}, done{0};
  in_threads([&](unsigned self) {
    constexpr uint64_t kLive = 6;
    std::vector<Mapped> live;
    for (unsigned n = 0; n < 3000; ++n) {
      const uint64_t bytes = 1 + (n * 7919 + self * 104'729) % (n % 16 == 0 ? 150'000 : 9000);
      const Gpa gpa = PoolWorld::kRam + (self * kMiB + n % kLive * 160 * kKiB);
      std::memset(w.cpu(gpa), static_cast<int>(n & 0x7f), bytes);
      auto mapped = w.pool->map(request(gpa, bytes));
      if (mapped) {
        std::byte* const slot = w.device(mapped->iova);
        if (!all(slot, bytes, static_cast<int>(n & 0x7f))) ++wrong;
        std::memset(slot, static_cast<int>(0x80 | n), bytes);
        live.push_back(*mapped);
      } else {
        ++refused;
      }
      if (live.size() == kLive || (!mapped && !live.empty())) {
        for (const Mapped& one : live) {
          if (!w.pool->unmap(one)) ++wrong;
          const std::byte* const buffer = w.cpu(one.request.gpa);
          if ((buffer[0] & std::byte{0x80}) == std::byte{0} ||
              !all(buffer, one.request.bytes, static_cast<int>(buffer[0])))
            ++wrong;
          ++done;
        }
        live.clear();
      }
    }
    for (const Mapped& one : live) {
      if (!w.pool->unmap(one)) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(done, 1000u);
  EXPECT_EQ(w.pool->use().used_bytes, 0u);
  EXPECT_EQ(w.pool->use().refusals, refused);
  EXPECT_EQ(w.pool->use().maps, w.pool->use().unmaps);
}

TEST(BouncePoolThreads, OneOfManyUnmapsWins) {
  for (const uint64_t bytes : {uint64_t{2000}, uint64_t{100'000}}) {
    PoolWorld w({.areas = 2});
    for (unsigned round = 0; round < 200; ++round) {
      const auto mapped = w.pool->map(request(PoolWorld::kRam, bytes));
      ASSERT_TRUE(mapped);
      std::memset(w.device(mapped->iova), 0x22, bytes);
      std::atomic<unsigned> won{0}, ready{0};
      in_threads([&](unsigned) {
        ++ready;
        while (ready != kThreads) std::this_thread::yield();
        const auto unmapped = w.pool->unmap(*mapped);
        if (unmapped) {
          ++won;
        } else if (unmapped.error().name != ErrorName::kNotFound) {
          won += kThreads;
        }
      });
      ASSERT_EQ(won, 1u);
      ASSERT_TRUE(all(w.cpu(PoolWorld::kRam), bytes, 0x22));
    }
    EXPECT_EQ(w.pool->use().used_bytes, 0u);
    EXPECT_EQ(w.pool->use().unmaps, 200u);
  }
}

TEST(BouncePoolThreads, EachThreadBeginsInAnAreaOfItsOwn) {
  PoolWorld w({.areas = kThreads});
  std::atomic<unsigned> ready{0};
  in_threads([&](unsigned self) {
    EXPECT_TRUE(w.pool->map(request(PoolWorld::kRam + self * 4096, 100)));
    ++ready;
    while (ready != kThreads) std::this_thread::yield();  // all alive at once: their ids differ
  });
  for (const PoolAreaUse& area : w.pool->use().areas) EXPECT_EQ(area.used_bytes, kPoolSlotBytes);
}

TEST(BouncePoolThreads, QueriesRunBesideTheTraffic) {
  PoolWorld w({.areas = 2});
  std::atomic<bool> stop{false};
  std::thread asks([&] {
    std::vector<uint64_t> bitmap(4);
    while (!stop) {
      w.pool->collect_written(PoolWorld::kPool, kMiB, 4096, bitmap);
      EXPECT_LE(w.pool->use().used_bytes, kMiB);
      EXPECT_LE(w.pool->largest_free_bytes(), kPoolSegmentBytes);
    }
  });
  in_threads([&](unsigned self) {
    for (unsigned n = 0; n < 500; ++n) {
      const auto mapped = w.pool->map(request(PoolWorld::kRam + self * 64 * kKiB, 5000));
      ASSERT_TRUE(mapped);
      EXPECT_TRUE(w.pool->sync_for_cpu(*mapped, 10, 100));
      EXPECT_TRUE(w.pool->sync_for_device(*mapped, 10, 100));
      const auto ring = w.pool->allocate_coherent(4096);
      ASSERT_TRUE(ring);
      EXPECT_TRUE(w.pool->free_coherent(*ring));
      EXPECT_TRUE(w.pool->unmap(*mapped));
    }
  });
  stop = true;
  asks.join();
  EXPECT_EQ(w.pool->use().used_bytes, 0u);
}

}  // namespace
}  // namespace dartboard::backend::dma
