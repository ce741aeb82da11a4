// bench/reset_bench.cpp - a run of 64 random operations and the way back to power-on.
#include <benchmark/benchmark.h>

#include "bench/worlds.h"

namespace dartboard::bench {
namespace {

void run_and_reset(benchmark::State& state) {
  support::World& world = worlds();
  uint64_t seed = 1;
  for (auto _ : state) {
    world.restart(seed++);
    support::random_operations(world, support::kOperationsPerRun);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(run_and_reset);

}  // namespace
}  // namespace dartboard::bench
