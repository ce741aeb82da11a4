// bench/pool_bench.cpp - the bounce pool against malloc and memcpy, the dirty log against a memcpy of its bitmap.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "backend/dma/bounce_pool.h"

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
  struct Free { void operator()(void* p) const { std::free(p); } };
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

}  // namespace
}  // namespace dartboard::bench
