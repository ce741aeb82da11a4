// bench/reset_bench.cpp - a run of 64 random operations and the way back to power-on.
#include <benchmark/benchmark.h>

#include "bench/worlds.h"

namespace dartboard::bench {
namespace {

// What run_and_reset is made of.

void reset_to_power_on(benchmark::State& state) {
  support::World& world = worlds();
  world.close();
  for (auto _ : state) (void)world.machine().reset(1);
}
BENCHMARK(reset_to_power_on);

void open_and_close(benchmark::State& state) {
  support::World& world = worlds();
  for (auto _ : state) {
    world.close();
    world.ensure_open();
  }
}
BENCHMARK(open_and_close);

void operations(benchmark::State& state) {
  support::World& world = worlds();
  for (auto _ : state) support::random_operations(world, 1);
}
BENCHMARK(operations);

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
