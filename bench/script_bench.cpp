// bench/script_bench.cpp - a register that a script only declares, against the same read of the C++ test endpoint.
#include <cstdint>
#include <memory>
#include <span>

#include <benchmark/benchmark.h>

#include "bench/worlds.h"
#include "cli/sim_world.h"
#include "cli/world.h"

namespace dartboard::bench {
namespace {

/// Reads BAR0+0 of `endpoint`, a register that holds `expected`, through every layer.
void read_register(benchmark::State& state, const char* endpoint, uint32_t expected) {
  worlds().close();   // one machine a process
  auto world = cli::make_sim_world("m4pro-tb5", endpoint);
  if (!world || !(*world)->power_on(nullptr)) {
    state.SkipWithError("the world did not start");
    return;
  }
  auto device = cli::open_device(**world);
  const uint16_t command = 0x0006;
  if (!device || !(*device)->write(backend::Region::kConfig, 4, std::as_bytes(std::span(&command, 1)))) {
    state.SkipWithError("the device did not open");
    return;
  }
  uint32_t value = 0;
  for (auto _ : state) {
    auto result = (*device)->read(backend::Region::kBar0, 0, std::as_writable_bytes(std::span(&value, 1)));
    benchmark::DoNotOptimize(result);
    benchmark::DoNotOptimize(value);
  }
  if (value != expected) state.SkipWithError("the register did not answer");
}

void register_read_test(benchmark::State& state) { read_register(state, "test", model::test_register::kIdValue); }
BENCHMARK(register_read_test);
void register_read_script(benchmark::State& state) { read_register(state, "edu", 0x0100'00ed); }
BENCHMARK(register_read_script);

}  // namespace
}  // namespace dartboard::bench
