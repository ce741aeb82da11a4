// bench/pool_bench.cpp - the bounce pool against malloc and memcpy, the dirty log against a memcpy of its bitmap.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "backend/dma/bounce_pool.h"
#include "backend/dma/dirty_log.h"

namespace dartboard::bench {
namespace {

namespace dma = backend::dma;

constexpr uint64_t kPoolBytes = 64 * kMiB;
constexpr Gpa kPoolGpa{0x5000'0000}, kRamGpa{0x4000'0000};
constexpr uint64_t kRamBytes = 16 * kMiB;

/// A guest with RAM and a pool of the default size in front of a device that asks for nothing.
struct Pool {
  Pool() {
    ram.reset(static_cast<std::byte*>(std::aligned_alloc(kMiB, kRamBytes)));
    slots.reset(static_cast<std::byte*>(std::aligned_alloc(kMiB, kPoolBytes)));
    std::memset(ram.get(), 0x5a, kRamBytes);
    (void)memory.add({kRamGpa, kRamBytes, ram.get()});
    (void)memory.add({kPoolGpa, kPoolBytes, slots.get()});
    const dma::PoolPiece piece{kPoolGpa, Iova(0x8'0000'0000), slots.get(), kPoolBytes};
    pool = std::move(*dma::BouncePool::create(memory, {&piece, 1}, {}, 4));
  }
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> ram, slots;
  dma::GuestMemory memory;
  std::unique_ptr<dma::BouncePool> pool;
};

Pool& world() {
  static Pool* const pool = new Pool;
  return *pool;
}

void malloc_free_4k(benchmark::State& state) {
  for (auto _ : state) {
    void* memory = std::malloc(4096);
    benchmark::DoNotOptimize(memory);
    std::free(memory);
  }
}
BENCHMARK(malloc_free_4k);

/// Buffers of each thread's own, a different one each time.
void pool_map_unmap_4k(benchmark::State& state) {
  dma::BouncePool& pool = *world().pool;
  const Gpa mine = kRamGpa + static_cast<uint64_t>(state.thread_index()) * 4 * kMiB;
  uint64_t n = 0;
  for (auto _ : state) {
    const dma::MapRequest request{mine + n % 256 * 4096, 4096, dma::Direction::kBidirectional, dma::Context::kAtomic};
    ++n;
    auto mapped = pool.map(request, dma::Copy::kSkip);
    benchmark::DoNotOptimize(mapped);
    if (!mapped || !pool.unmap(*mapped, dma::Copy::kSkip)) {
      state.SkipWithError("the pool refused");
      return;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(pool_map_unmap_4k)->Threads(1)->Threads(2)->UseRealTime();

void two_memcpys(benchmark::State& state) {
  Pool& w = world();
  const auto bytes = static_cast<size_t>(state.range(0));
  std::byte* const buffer = w.ram.get();
  std::byte* const run = w.ram.get() + 8 * kMiB;
  for (auto _ : state) {
    std::memcpy(run, buffer, bytes);
    benchmark::ClobberMemory();
    std::memcpy(buffer, run, bytes);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(two_memcpys)->Arg(4096)->Arg(256 * kKiB);

void pool_bounce(benchmark::State& state) {
  dma::BouncePool& pool = *world().pool;
  const dma::MapRequest request{kRamGpa, static_cast<uint64_t>(state.range(0)), dma::Direction::kBidirectional,
                                dma::Context::kAtomic};
  for (auto _ : state) {
    auto mapped = pool.map(request);
    benchmark::ClobberMemory();
    if (!mapped || !pool.unmap(*mapped)) {
      state.SkipWithError("the pool refused");
      return;
    }
    benchmark::ClobberMemory();
  }
}
BENCHMARK(pool_bounce)->Arg(4096)->Arg(256 * kKiB);

/// A query of 1 GiB. What is measured includes marking what is told: the log would be empty the second time.
struct Tracked {
  Tracked() {
    (void)memory.add({kRamGpa, kGiB, &behind});
    log.follow(memory);
  }
  std::byte behind{};  // never looked at
  dma::GuestMemory memory;
  dma::DirtyLog log;
  std::vector<uint64_t> bitmap = std::vector<uint64_t>(kGiB / 4096 / 64);
};

/// All of it was written.
void dirty_query_all(benchmark::State& state) {
  Tracked t;
  for (auto _ : state) {
    t.log.mark(kRamGpa, kGiB);
    if (!t.log.collect(kRamGpa, kGiB, 4096, t.bitmap)) state.SkipWithError("the log refused");
    benchmark::ClobberMemory();
  }
}
BENCHMARK(dirty_query_all);

/// One page in each 2 MiB is under a live mapping, and one in each 32 MiB was written.
void dirty_query_some(benchmark::State& state) {
  Tracked t;
  for (uint64_t at = 0; at < kGiB; at += 2 * kMiB) t.log.add_live(kRamGpa + at, 4096);
  for (auto _ : state) {
    for (uint64_t at = 0; at < kGiB; at += 32 * kMiB) t.log.mark(kRamGpa + at + 8192, 1);
    if (!t.log.collect(kRamGpa, kGiB, 4096, t.bitmap)) state.SkipWithError("the log refused");
    benchmark::ClobberMemory();
  }
}
BENCHMARK(dirty_query_some);

void memcpy_of_bitmap(benchmark::State& state) {
  const std::vector<uint64_t> from(kGiB / 4096 / 64, 0x5555);
  std::vector<uint64_t> to(from.size());
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size() * 8);
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(memcpy_of_bitmap);

}  // namespace
}  // namespace dartboard::bench
