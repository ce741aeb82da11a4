// bench/replay_bench.cpp - recordings through every layer: the AMD session, parsing apart, and a long one of registers.
#include <chrono>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/trace_files.h"
#include "bench/worlds.h"
#include "cli/replay_target.h"
#include "cli/sim_world.h"
#include "cli/world.h"
#include "traces/formats.h"
#include "traces/replay.h"
#include "traces/session.h"

namespace dartboard::bench {
namespace {

void replay_amd_session(benchmark::State& state) {
  worlds().close();   // one machine a process: the test endpoint's run is over
  static const auto session = traces::load_session(DARTBOARD_SESSIONS_DIR "/amd-am-boot-copy.jsonl.zst");
  if (!session) {
    state.SkipWithError(session.error().sentence.c_str());
    return;
  }
  auto world = cli::make_sim_world("linux-iommu");
  if (!world) {
    state.SkipWithError(world.error().sentence.c_str());
    return;
  }
  for (auto _ : state) {
    const cli::RecordedSide recorded{&session->device, session->origin};
    auto powered = (*world)->power_on(&recorded);
    auto target = cli::MachineReplayTarget::open(**world);
    if (!powered || !target) {
      state.SkipWithError("the world did not start");
      return;
    }
    const auto from = std::chrono::steady_clock::now();
    const traces::ReplayReport report = traces::replay(*session, **target);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
    if (report.divergences != 0 || report.stopped) {
      state.SkipWithError("the replay diverged");
      return;
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(session->requests));
}
BENCHMARK(replay_amd_session)->UseManualTime();

/// A .dbt of register accesses, reading and decompressing included: client, dext, root port and endpoint every time.
void replay_registers_dbt(benchmark::State& state) {
  constexpr uint64_t kEvents = 300'000;
  worlds().close();
  const std::string& path = long_register_dbt(kEvents);
  auto world = cli::make_sim_world("linux-iommu");
  if (!world) return state.SkipWithError(world.error().sentence.c_str());
  uint64_t events = 0;
  for (auto _ : state) {
    auto reader = traces::open_trace(path);
    if (!reader) return state.SkipWithError(reader.error().sentence.c_str());
    const cli::RecordedSide recorded{&(*reader)->info().devices.front().description, path};
    auto powered = (*world)->power_on(&recorded);
    auto target = cli::MachineReplayTarget::open(**world);
    if (!powered || !target) return state.SkipWithError("the world did not start");
    const auto from = std::chrono::steady_clock::now();
    const traces::ReplayReport report = traces::replay(**reader, nullptr, **target);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
    if (report.divergences != 0 || report.stopped) return state.SkipWithError("the replay diverged");
    events += report.requests;
  }
  state.SetItemsProcessed(static_cast<int64_t>(events));
}
BENCHMARK(replay_registers_dbt)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dartboard::bench
