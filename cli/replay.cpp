// cli/replay.cpp - `dartboard replay`: the main job.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/replay_target.h"
#include "cli/summary.h"
#include "cli/world.h"
#include "traces/session.h"

namespace dartboard::cli {

ExitCode run_replay(const ReplayOptions& options) {
  // Everything that can be wrong with the input is found before anything is powered on.
  auto choice = parse_world(options.dext, kReplayProfile);
  if (!choice) return report(choice.error());
  if (!options.device.empty()) {
    if (choice->kind != WorldChoice::Kind::kSim) {
      return report(Error{ErrorName::kBadArgument, io_return::kBadArgument,
                          "--device puts a device into the slot of a simulated Mac: leave it out, or use --dext sim"});
    }
    if (!options.device_session.empty()) {
      return report(Error{ErrorName::kBadArgument, io_return::kBadArgument,
                          "--device and --device-session both name the device's side: give one of them"});
    }
    choice->endpoint = options.device;
    choice->storage = options.storage;
  }
  auto world = make_world(*choice);
  if (!world) return report(world.error());

  const uint64_t reading_from_ns = wall_clock_ns();
  const auto session = traces::load_session(options.file);
  if (!session) return report(session.error());
  Result<traces::Session> other;
  if (!options.device_session.empty()) {
    other = traces::load_session(options.device_session);
    if (!other) return report(other.error());
  }
  const traces::Session& device_side = options.device_session.empty() ? *session : *other;

  ReplaySummary summary;
  summary.session = &*session;
  summary.device_session = options.device_session;
  summary.device = options.device;
  summary.world = (*world)->name();
  summary.world_description = (*world)->description();
  summary.reading_ns = wall_clock_ns() - reading_from_ns;

  if (auto powered = (*world)->power_on(&device_side); !powered) return report(powered.error());
  auto recording = Recording::make(options.record, **world);
  if (!recording) return report(recording.error());
  auto target = MachineReplayTarget::open(
      **world, !options.device.empty() && !session->device.memory_decode_gated_by_command);
  if (!target) return report(target.error());
  {
    Progress progress("replaying", session->requests, options.quiet || options.json);
    traces::ReplayOptions replay_options;
    replay_options.progress = [&](uint64_t done) { progress.update(done); };
    const uint64_t from_ns = wall_clock_ns();
    summary.report = traces::replay(*session, device_side, recorded(**world, **target), replay_options);
    summary.recorded = finish(*recording);
    summary.wall_ns = wall_clock_ns() - from_ns;
  }
  summary.counters = (*world)->counters();
  summary.panic = (*world)->host_panic();

  const auto& stopped = summary.report.stopped;
  if (stopped && stopped->name != ErrorName::kHostPanic) {
    return report(
        Error{stopped->name, stopped->io_return,
              fmt::format("{}: request {}: {}", session->origin, summary.report.stopped_at, stopped->sentence)});
  }
  if (options.json) {
    fmt::print("{}\n", to_json(summary));
  } else {
    print_text(summary, stdout);
  }
  ExitCode code = summary.report.divergences == 0 ? ExitCode::kOk : ExitCode::kDivergence;
  if (summary.panic) code = ExitCode::kHostPanic;
  return summary.recorded ? summary.recorded->exit_code(code) : code;
}

}  // namespace dartboard::cli
