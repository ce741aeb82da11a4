// bench/mapping_bench.cpp - registering DMA regions must not slow down with their number.
#include <cstdint>
#include <cstdlib>
#include <memory>

#include <benchmark/benchmark.h>

#include "bench/worlds.h"

namespace dartboard::bench {
namespace {

constexpr uint64_t kPage = 16 * kKiB;

/// One page of client memory serves every region: what is measured is bookkeeping, not the guest's memory.
std::byte* page() {
  static std::byte* const memory = static_cast<std::byte*>(std::aligned_alloc(kPage, kPage));
  return memory;
}

void register_unregister(benchmark::State& state) {
  support::World& world = worlds();
  backend::PassthroughDevice& device = world.device();
  const auto live = static_cast<uint64_t>(state.range(0));
  for (uint64_t key = 0; key < live; ++key) {
    if (const auto mapping = device.dma_map(key, page(), kPage); !mapping) {
      state.SkipWithError(mapping.error().sentence.c_str());
      return;
    }
  }
  // A key among the live ones' neighbours, a different one each time, so that no single bucket stays warm.
  uint64_t key = live;
  for (auto _ : state) {
    key = live + (key * 0x9e37'79b9 + 1) % 4096;
    auto mapping = device.dma_map(key, page(), kPage);
    benchmark::DoNotOptimize(mapping);
    auto unmapped = device.dma_unmap(key);
    benchmark::DoNotOptimize(unmapped);
    if (!mapping || !unmapped) {
      state.SkipWithError("a map or unmap failed");
      return;
    }
  }
}
BENCHMARK(register_unregister)->Arg(100)->Arg(60'000);

}  // namespace
}  // namespace dartboard::bench
