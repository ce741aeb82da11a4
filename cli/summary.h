// cli/summary.h - what a replay says when it is done: text for people, one JSON object for programs.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/output.h"
#include "cli/recording.h"
#include "cli/world.h"
#include "traces/replay.h"
#include "traces/replay_registers.h"

namespace dartboard::cli {

struct ReplaySummary {
  std::string origin;
  traces::DeviceDescription description;
  std::string chosen;  ///< how the device was chosen from several; empty: it is the only one
  std::optional<uint64_t> requests_recorded;
  std::string mode = "strict", gap = "none", iova = "recorded";
  std::vector<traces::RegisterBook::Entry> registers;  ///< --mode registers
  std::array<uint64_t, traces::kRegisterClassCount> register_classes{};
  std::vector<std::string> notes;
  std::string device_session;  ///< --device-session, or empty
  std::string device;          ///< --device, or empty
  std::string world, world_description;
  traces::ReplayReport report;
  WorldCounters counters;
  std::optional<Error> panic;
  std::optional<RecordingResult> recorded;  ///< --record
  uint64_t reading_ns = 0;  ///< wall time of reading and inference
  uint64_t wall_ns = 0;     ///< wall time of the replay alone
};

void print_text(const ReplaySummary& summary, std::FILE* out);
/// One object: requests, divergences, first_divergences, user_client_calls, tlps, dart_walks, tlb_hits, faults,
/// dart_events, mapped_bytes, mapped_bytes_peak, mappings, mappings_peak, simulated_ns, wall_ns, requests_per_s, events_per_s,
/// trace_hash, session, device, world, notes, panic, stopped; and mode, gap, iova, ended_by, not_compared,
/// differences_by_policy, interrupts, device_events, waits, rebase, registers (docs/replay.md); recorded,
/// if it was.
std::string to_json(const ReplaySummary& summary);

}  // namespace dartboard::cli
