// bench/dma_bench.cpp - device DMA through link, root complex and DART, against memcpy of the same size.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/worlds.h"

namespace dartboard::bench {
namespace {

constexpr uint64_t kBytesMax = 2 * kMiB;

std::byte* buffer(unsigned which) {
  static std::byte* const memory[2] = {static_cast<std::byte*>(std::aligned_alloc(16 * kKiB, kBytesMax)),
                                       static_cast<std::byte*>(std::aligned_alloc(16 * kKiB, kBytesMax))};
  return memory[which];
}

void copy(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  std::memset(buffer(0), 1, kBytesMax);
  std::memset(buffer(1), 2, kBytesMax);
  for (auto _ : state) {
    std::memcpy(buffer(1), buffer(0), bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(copy)->Name("memcpy")->Arg(4096)->Arg(2 << 20);

/// A device that does nothing but DMA: what is timed is the way through the fabric.
class DmaSource final : public model::Endpoint {
 public:
  DmaSource() : Endpoint(declaration_of()) {}
  std::string_view kind() const override { return "DMA source"; }
  model::Outcome write(Iova address, const std::byte* data, uint64_t bytes) { return dma_write(address, data, bytes); }

 private:
  static model::EndpointDeclaration declaration_of() {
    model::EndpointDeclaration d = model::test_endpoint_declaration({});
    return d;
  }
};

void dma_write(benchmark::State& state) {
  static DmaSource* const source = new DmaSource();
  support::World& world = worlds();
  world.close();
  sim::PowerOn what;
  what.profile = &world.profile();
  what.devices = {source};
  if (!world.machine().power_on(what)) {
    state.SkipWithError("power on");
    return;
  }
  world.ensure_open();
  const auto bytes = static_cast<uint64_t>(state.range(0));
  std::memset(buffer(0), 1, kBytesMax);
  const auto mapping = world.device().dma_map(1, buffer(1), kBytesMax);
  if (!mapping) {
    state.SkipWithError(mapping.error().sentence.c_str());
    return;
  }
  for (auto _ : state) {
    model::Outcome outcome = source->write(mapping->iova, buffer(0), bytes);
    benchmark::DoNotOptimize(outcome);
    benchmark::ClobberMemory();
    if (outcome != model::Outcome::kSuccess) state.SkipWithError("the DMA was refused");
  }
  if (std::memcmp(buffer(0), buffer(1), bytes) != 0) state.SkipWithError("the bytes did not arrive");
  state.SetBytesProcessed(state.iterations() * state.range(0));
  world.close();
  what.devices = {&world.endpoint()};
  (void)world.machine().power_on(what);
}
BENCHMARK(dma_write)->Arg(4096)->Arg(2 << 20);

}  // namespace
}  // namespace dartboard::bench
