// bench/recorder_bench.cpp - what recording costs: strict replays with --record and without, of the AMD session and of
// a long trace of register accesses.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/trace_files.h"
#include "bench/worlds.h"
#include "cli/recording.h"
#include "cli/replay_target.h"
#include "cli/sim_world.h"
#include "cli/world.h"
#include "traces/formats.h"
#include "traces/replay.h"
#include "traces/session.h"

namespace dartboard::bench {
namespace {

/// Powers a machine on with the recorded device, records if asked, and times `run(target)` with the end of the file:
/// power-on and opening the device are not in the figure.
template <class Run>
void replay(benchmark::State& state, bool record, const cli::RecordedSide& side, Run run) {
  worlds().close();  // one machine a process: the test endpoint's run is over
  auto world = cli::make_sim_world("linux-iommu");
  if (!world) return state.SkipWithError(world.error().sentence.c_str());
  cli::RecordOptions options;
  const char* const directory = std::getenv("TMPDIR");
  if (record) options.file = std::string(directory != nullptr ? directory : "/tmp") + "/dartboard-bench-recorder.dbt";
  for (auto _ : state) {
    auto powered = (*world)->power_on(&side);
    auto recording = cli::Recording::make(options, **world);
    auto target = cli::MachineReplayTarget::open(**world);
    if (!powered || !recording || !target) return state.SkipWithError("the world did not start");
    const auto from = std::chrono::steady_clock::now();
    const traces::ReplayReport report = run(cli::recorded(**world, **target));
    const auto recorded = cli::finish(*recording);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
    if (report.divergences != 0 || report.stopped ||
        (recorded && (recorded->counts.error || recorded->counts.events < report.requests))) {
      return state.SkipWithError("the replay diverged, or its recording failed");
    }
  }
  if (record) std::remove(options.file.c_str());
}

void replay_session(benchmark::State& state, bool record) {
  static const auto session = traces::load_session(DARTBOARD_SESSIONS_DIR "/amd-am-boot-copy.jsonl.zst");
  if (!session) return state.SkipWithError("the session cannot be read");
  replay(state, record, {&session->device, session->origin},
         [](traces::ReplayTarget& target) { return traces::replay(*session, target); });
}

void replay_registers(benchmark::State& state, bool record) {
  const std::string& path = long_register_dbt(1'000'000);
  auto reader = traces::open_trace(path);
  if (!reader) return state.SkipWithError(reader.error().sentence.c_str());
  replay(state, record, {&(*reader)->info().devices.front().description, path}, [&](traces::ReplayTarget& target) {
    auto events = traces::open_trace(path);
    return events ? traces::replay(**events, nullptr, target) : traces::ReplayReport{.stopped = events.error()};
  });
}

void replay_unrecorded(benchmark::State& state) {
  replay_session(state, false);
}
void replay_recorded(benchmark::State& state) {
  replay_session(state, true);
}
void replay_registers_unrecorded(benchmark::State& state) {
  replay_registers(state, false);
}
void replay_registers_recorded(benchmark::State& state) {
  replay_registers(state, true);
}
BENCHMARK(replay_unrecorded)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(replay_recorded)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(replay_registers_unrecorded)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(replay_registers_recorded)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dartboard::bench
