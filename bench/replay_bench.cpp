// bench/replay_bench.cpp - the recorded AMD session through every layer, parsing apart.
#include <chrono>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/worlds.h"
#include "cli/replay_target.h"
#include "cli/sim_world.h"
#include "cli/world.h"
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

}  // namespace
}  // namespace dartboard::bench
