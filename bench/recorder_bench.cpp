// bench/recorder_bench.cpp - what recording costs: the AMD session's strict replay with --record and without.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/worlds.h"
#include "cli/recording.h"
#include "cli/replay_target.h"
#include "cli/sim_world.h"
#include "cli/world.h"
#include "traces/replay.h"
#include "traces/session.h"

namespace dartboard::bench {
namespace {

/// The timed part is the replay and, if it is recorded, the end of the file; power-on and opening the device are not.
/// Figures are CPU time of the thread that replays: columns and compression are on another one, for which the end waits.
void replay(benchmark::State& state, bool record) {
  worlds().close();  // one machine a process: the test endpoint's run is over
  static const auto session = traces::load_session(DARTBOARD_SESSIONS_DIR "/amd-am-boot-copy.jsonl.zst");
  auto world = cli::make_sim_world("linux-iommu");
  if (!session || !world) {
    state.SkipWithError("the session or the world cannot be had");
    return;
  }
  cli::RecordOptions options;
  const char* const directory = std::getenv("TMPDIR");
  if (record) options.file = std::string(directory != nullptr ? directory : "/tmp") + "/dartboard-bench-recorder.dbt";
  for (auto _ : state) {
    state.PauseTiming();
    const cli::RecordedSide side{&session->device, session->origin};
    auto powered = (*world)->power_on(&side);
    auto recording = cli::Recording::make(options, **world);
    auto target = cli::MachineReplayTarget::open(**world);
    if (!powered || !recording || !target) {
      state.SkipWithError("the world did not start");
      return;
    }
    state.ResumeTiming();
    const traces::ReplayReport report = traces::replay(*session, cli::recorded(**world, **target));
    const auto recorded = cli::finish(*recording);
    state.PauseTiming();
    if (report.divergences != 0 || report.stopped ||
        (recorded && (recorded->counts.error || recorded->counts.events < report.requests))) {
      state.SkipWithError("the replay diverged, or its recording failed");
      return;
    }
    target->reset();
    recording->reset();
    state.ResumeTiming();
  }
  if (record) std::remove(options.file.c_str());
}
void replay_unrecorded(benchmark::State& state) {
  replay(state, false);
}
void replay_recorded(benchmark::State& state) {
  replay(state, true);
}
BENCHMARK(replay_unrecorded);
BENCHMARK(replay_recorded);

}  // namespace
}  // namespace dartboard::bench
