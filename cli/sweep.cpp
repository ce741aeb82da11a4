// cli/sweep.cpp - see sweep.h.
#include "cli/sweep.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "cli/progress.h"
#include "sim/faults/catalogue.h"
#include "sim/invariants/watch.h"
#include "sim/machine.h"

namespace dartboard::cli {
namespace {

using sim::FaultEffect;

/// How bad an outcome is, and how bad the catalogue lets a kind be.
unsigned severity(SweepOutcome outcome) {
  switch (outcome) {
    case SweepOutcome::kNotHit:
    case SweepOutcome::kMasked: return 0;
    case SweepOutcome::kSeen: return 1;
    case SweepOutcome::kGone: return 2;
    case SweepOutcome::kPanic: return 3;
  }
  return 0;
}
unsigned severity(FaultEffect effect) {
  switch (effect) {
    case FaultEffect::kNone: return 0;
    case FaultEffect::kRefused:
    case FaultEffect::kAnswer:
    case FaultEffect::kLost: return 1;
    case FaultEffect::kGone: return 2;
    case FaultEffect::kPanic: return 3;
  }
  return 0;
}

class Sweeper {
 public:
  explicit Sweeper(Scenario& scenario)
      : scenario_(scenario),
        machine_(sim::Machine::instance()),
        plan_(machine_.tape(), machine_.hash(), machine_.timeline()),
        watch_(machine_) {}

  Result<void> power_on() { return scenario_.power_on(); }

  /// The run without faults; the plan keeps the sites.
  Result<ScenarioResult> census(std::string* hash) {
    plan_.set_rules({});
    plan_.set_census(true);
    watch_.forgive_hardware(false);
    auto result = one_run();
    plan_.set_census(false);
    if (!result) return result;
    *hash = machine_.hash().value().hex();
    for (const sim::Violation& violation : watch_.violations().first()) {
      result->differences++;
      result->first_difference = fmt::format("{}: {}", sim::number(violation.invariant), violation.sentence);
    }
    return result;
  }
  const std::vector<sim::FaultSite>& sites() const { return plan_.sites(); }

  Result<SweepRow> row(const sim::FaultRule& rule) {
    SweepRow row;
    row.rule = rule;
    plan_.set_rules({rule});
    watch_.forgive_hardware(true);
    const auto result = one_run();
    if (!result) return tl::unexpected(result.error());
    row.trace_hash = machine_.hash().value().hex();
    judge(*result, &row);
    for (const sim::Violation& violation : watch_.violations().first()) {
      row.broken.push_back(fmt::format("{} {}", sim::number(violation.invariant), violation.sentence));
    }
    return row;
  }

 private:
  Result<ScenarioResult> one_run() {
    // The end of the run before is not part of this one: its sites must not take this run's fault.
    machine_.kernel().shutdown();
    plan_.install();
    if (auto restarted = scenario_.world().restart(); !restarted) {
      plan_.remove();
      return tl::unexpected(restarted.error());
    }
    ScenarioResult result = scenario_.run();
    plan_.remove();
    return result;
  }

  void judge(const ScenarioResult& result, SweepRow* row) {
    const sim::FaultInfo& fault = sim::info(row->rule.kind);
    const auto panic = scenario_.world().host_panic();
    if (panic) {
      row->outcome = SweepOutcome::kPanic;
      row->seen = panic->sentence;
    } else if (result.gone || (result.stopped && (result.stopped->name == ErrorName::kDeviceGone ||
                                                  (result.stopped->name == ErrorName::kNotFound &&
                                                   fault.effect == FaultEffect::kGone)))) {
      row->outcome = SweepOutcome::kGone;
      row->seen = result.stopped ? result.stopped->sentence : result.first_difference;
    } else if (result.stopped || result.differences != 0) {
      row->outcome = SweepOutcome::kSeen;
      row->seen = result.stopped ? result.stopped->sentence : result.first_difference;
    } else {
      row->outcome = plan_.strikes() != 0 ? SweepOutcome::kMasked : SweepOutcome::kNotHit;
    }
    if (severity(row->outcome) > severity(fault.effect)) {
      row->broken.push_back(fmt::format("worse than it may be: {} instead of at most {}", to_string(row->outcome),
                                        to_string(fault.effect)));
    }
    if (result.stopped && result.stopped->name == ErrorName::kInternal) {
      row->broken.push_back(fmt::format("internal error: {}", result.stopped->sentence));
    }
    if (!panic && row->outcome != SweepOutcome::kGone) probe(row);
  }

  /// With the faults off, a fresh client must get its device: I-50.
  void probe(SweepRow* row) {
    auto device = open_device(scenario_.world());
    if (!device && sim::info(row->rule.kind).effect >= FaultEffect::kGone) {
      row->outcome = SweepOutcome::kGone;   // it struck so late that only the next client meets it
      row->seen = device.error().sentence;
      return;
    }
    if (!device) {
      row->broken.push_back(fmt::format("I-50 a fresh client cannot open the device: {}", device.error().sentence));
      return;
    }
    uint32_t identity = 0;
    const auto read_identity = [&] {
      identity = 0;
      return (*device)->read(backend::Region::kConfig, 0, std::as_writable_bytes(std::span(&identity, 1))).has_value() &&
             identity != UINT32_MAX;
    };
    if (read_identity()) return;
    (void)(*device)->reset();   // what a guest does with a device that does not answer
    if (!read_identity()) row->broken.push_back("I-50 a fresh client cannot use the device, not even after a reset");
  }

  Scenario& scenario_;
  sim::Machine& machine_;
  sim::FaultPlan plan_;
  sim::Watch watch_;
};

/// The sites to visit: all, or `limit` of each kind, evenly spread.
std::vector<sim::FaultSite> choose(const std::vector<sim::FaultSite>& sites, const SweepOptions& options) {
  std::map<sim::FaultKind, std::vector<size_t>> by_kind;
  for (size_t i = 0; i < sites.size(); ++i) {
    const bool wanted = options.kinds.empty() ||
                        std::find(options.kinds.begin(), options.kinds.end(), sites[i].kind) != options.kinds.end();
    if (wanted) by_kind[sites[i].kind].push_back(i);
  }
  std::vector<sim::FaultSite> chosen;
  for (const auto& [kind, indexes] : by_kind) {
    const size_t count = options.sites_per_kind == 0 ? indexes.size()
                                                     : std::min<size_t>(indexes.size(), options.sites_per_kind);
    for (size_t i = 0; i < count; ++i) chosen.push_back(sites[indexes[i * indexes.size() / count]]);
  }
  return chosen;
}

}  // namespace

std::string_view to_string(SweepOutcome outcome) {
  switch (outcome) {
    case SweepOutcome::kNotHit: return "not hit";
    case SweepOutcome::kMasked: return "masked";
    case SweepOutcome::kSeen: return "seen";
    case SweepOutcome::kGone: return "gone";
    case SweepOutcome::kPanic: return "panic";
  }
  return "?";
}

uint64_t SweepReport::broken() const {
  return static_cast<uint64_t>(
      std::count_if(rows.begin(), rows.end(), [](const SweepRow& row) { return !row.broken.empty(); }));
}

Result<SweepReport> sweep(Scenario& scenario, const SweepOptions& options) {
  const uint64_t from_ns = wall_clock_ns();
  Sweeper sweeper(scenario);
  if (auto on = sweeper.power_on(); !on) return tl::unexpected(on.error());
  SweepReport report;
  auto clean = sweeper.census(&report.clean_hash);
  if (!clean) return tl::unexpected(clean.error());
  if (clean->stopped || clean->differences != 0) {
    return fail(ErrorName::kBadArgument,
                fmt::format("{} does not pass without a fault, so a sweep would tell nothing: {}", scenario.name(),
                            clean->stopped ? clean->stopped->sentence : clean->first_difference));
  }
  report.clean = std::move(*clean);
  report.sites = sweeper.sites().size();
  const std::vector<sim::FaultSite> chosen = choose(sweeper.sites(), options);
  for (const sim::FaultSite& site : chosen) {
    sim::FaultRule rule;
    rule.kind = site.kind;
    rule.key = site.key;
    auto row = sweeper.row(rule);
    if (!row) return tl::unexpected(row.error());
    row->passes = site.passes;
    report.rows.push_back(std::move(*row));
    if (options.progress) options.progress(report.rows.size(), chosen.size());
  }
  report.wall_ns = wall_clock_ns() - from_ns;
  return report;
}

Result<SweepRow> run_with_fault(Scenario& scenario, const sim::FaultRule& rule) {
  Sweeper sweeper(scenario);
  if (auto on = sweeper.power_on(); !on) return tl::unexpected(on.error());
  return sweeper.row(rule);
}

}  // namespace dartboard::cli
