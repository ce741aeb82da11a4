// cli/comparison.h - one workload under one strategy on one simulated platform, measured through the whole stack; and
// all of them side by side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/recording.h"
#include "cli/strategies.h"
#include "sim/guest/runner.h"
#include "sim/guest/workload.h"
#include "sim/profile.h"

namespace dartboard::cli {

/// How much was mapped when: the most in each part of the run, parts of equally many steps.
struct MappedSample {
  uint64_t step = 0, bytes = 0, mappings = 0;
};

/// Simulated time, from counts and the profile's figures. Causes are added up: nothing overlaps.
struct TimeSplit {
  uint64_t copy_ns = 0;   ///< the guest's CPU bouncing
  uint64_t exits_ns = 0;  ///< traps into the VMM
  uint64_t calls_ns = 0;  ///< user-client calls and the mapper's work
  uint64_t link_ns = 0;   ///< the data itself
  uint64_t overhead_ns() const { return copy_ns + exits_ns + calls_ns; }
  uint64_t total_ns() const { return overhead_ns() + link_ns; }
};

struct Figures {
  std::string profile, workload, strategy;
  std::optional<Error> not_started;  ///< the strategy refused the platform: nothing below was measured
  guest::RunResult run;
  backend::dma::Counters counters;
  uint64_t peak_bytes = 0, peak_mappings = 0;  ///< at the host's mapper
  uint64_t calls = 0;                          ///< user-client calls for DMA: allocate, free, register, unregister
  uint64_t faults = 0;                         ///< of the DART
  uint64_t left_mappings = 0;                  ///< at the mapper after the strategy stopped
  std::string stop_error;
  std::string why_faults;
  TimeSplit time;
  std::vector<MappedSample> samples;
  uint64_t host_cpu_ns = 0;  ///< of this program. Not reproducible, and in no comparison.
  std::string trace_hash;
  std::optional<RecordingResult> recorded;

  /// Everything the driver asked for was done, and every byte arrived.
  bool served() const {
    return !not_started && run.clean() && run.refused == 0 && run.transfers_failed == 0 && faults == 0 &&
           left_mappings == 0;
  }
};

struct ComparisonOptions {
  uint64_t guest_bytes = kGiB;
  uint64_t pool_bytes = 64 * kMiB;
  uint64_t window_bytes = 256 * kKiB;
  uint64_t run_pages = 1;  ///< scattered memory has so many pages in a row
  uint64_t seed = 1;
  RecordOptions record;  ///< of the run, if there is just one
};

/// One run from power-on. An error is a reason why nothing could be tried at all.
Result<Figures> measure(const sim::Profile& profile, const guest::Workload& workload, std::string_view strategy,
                        const ComparisonOptions& options);

/// All strategies under one workload on one platform.
struct Comparison {
  const sim::Profile* profile = nullptr;
  const guest::Workload* workload = nullptr;
  std::vector<Figures> rows;
  std::string advice;
};

/// What the figures say, in a sentence or three.
std::string advise(const Comparison& comparison);

}  // namespace dartboard::cli
