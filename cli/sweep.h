// cli/sweep.h - every fault at every site of a passing run, once each, and what came of it.
//
// A census run lists the sites that the scenario passes; then the scenario runs once for each, from power-on, with that
// one fault. After each run the faults are off and a fresh client must be able to open and use the device (I-50), and
// the ledgers must have found nothing (sim/invariants).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/scenario.h"
#include "sim/faults/plan.h"

namespace dartboard::cli {

/// How a run with a fault went, from above.
enum class SweepOutcome : uint8_t {
  kNotHit,   ///< the run took another way than the census, and did not pass the site
  kMasked,   ///< nobody above noticed
  kSeen,     ///< the guest got other answers, or a named error
  kGone,     ///< the device is reported gone
  kPanic,    ///< the host panicked
};
std::string_view to_string(SweepOutcome outcome);

struct SweepRow {
  sim::FaultRule rule;
  uint64_t passes = 0;          ///< of the site, in the census
  SweepOutcome outcome = SweepOutcome::kNotHit;
  std::string seen;             ///< the first difference, or why the run stopped
  std::vector<std::string> broken;   ///< invariants, each with its sentence
  std::string trace_hash;
};

struct SweepOptions {
  std::vector<sim::FaultKind> kinds;   ///< empty: all
  uint64_t sites_per_kind = 0;         ///< 0: all; else spread evenly over the sites of a kind
  std::function<void(uint64_t done, uint64_t total)> progress;
};

struct SweepReport {
  ScenarioResult clean;               ///< the run without a fault
  std::string clean_hash;
  uint64_t sites = 0;                 ///< in the census
  std::vector<SweepRow> rows;
  uint64_t wall_ns = 0;
  uint64_t broken() const;            ///< rows with a broken invariant
};

/// Sweeps. kBadArgument if the scenario does not pass without a fault.
Result<SweepReport> sweep(Scenario& scenario, const SweepOptions& options);
/// One run with the given rules.
Result<SweepRow> run_with_fault(Scenario& scenario, const sim::FaultRule& rule);

}  // namespace dartboard::cli
