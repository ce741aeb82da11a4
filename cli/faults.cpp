// cli/faults.cpp - `dartboard faults` and `dartboard sweep`: the catalogue, and what each fault does to a run.
#include <array>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/scenario.h"
#include "cli/sweep.h"
#include "sim/faults/catalogue.h"

namespace dartboard::cli {
namespace {

using Json = nlohmann::ordered_json;

struct KindTotals {
  uint64_t runs = 0, broken = 0;
  std::array<uint64_t, 5> outcomes{};
};

Json to_json(const SweepRow& row) {
  return {{"fault", sim::to_string(row.rule)},
          {"kind", sim::info(row.rule.kind).name},
          {"passes", row.passes},
          {"outcome", to_string(row.outcome)},
          {"seen", row.seen},
          {"broken", row.broken},
          {"trace_hash", row.trace_hash}};
}

void print_row(const SweepRow& row, const Style& style) {
  fmt::print("{}  {}\n", style.strong(sim::to_string(row.rule)), to_string(row.outcome));
  if (!row.seen.empty()) fmt::print("  seen      {}\n", row.seen);
  for (const std::string& broken : row.broken) fmt::print("  {}    {}\n", style.bad("broken"), broken);
  fmt::print("  {}\n", style.faint(fmt::format("trace hash {}", row.trace_hash)));
}

void print_report(const SweepReport& report, const SweepOptions& sweep_options, const Style& style,
                  const std::string& again) {
  std::map<sim::FaultKind, KindTotals> totals;
  for (const SweepRow& row : report.rows) {
    KindTotals& t = totals[row.rule.kind];
    ++t.runs;
    ++t.outcomes[static_cast<size_t>(row.outcome)];
    t.broken += !row.broken.empty();
  }
  fmt::print("{:<28}{:>7}{:>9}{:>8}{:>7}{:>7}{:>7}{:>9}  at worst\n", "fault", "sites", "not hit", "masked", "seen", "gone",
             "panic", "broken");
  uint64_t kinds_hit = 0, kinds = 0;
  for (const auto& [kind, t] : totals) {
    const sim::FaultInfo& info = sim::info(kind);
    ++kinds;
    kinds_hit += t.runs != t.outcomes[0];
    fmt::print("{:<28}{:>7}{:>9}{:>8}{:>7}{:>7}{:>7}{:>9}  {}\n", info.name, t.runs, t.outcomes[0], t.outcomes[1],
               t.outcomes[2], t.outcomes[3], t.outcomes[4], t.broken == 0 ? "-" : fmt::format("{}", t.broken),
               to_string(info.effect));
  }
  uint64_t shown = 0;
  for (const SweepRow& row : report.rows) {
    if (row.broken.empty()) continue;
    if (++shown > 10) break;
    fmt::print("\n");
    print_row(row, style);
    fmt::print("  again     {} --fault {}\n", again, sim::to_string(row.rule));
  }
  const double seconds = static_cast<double>(report.wall_ns) / 1e9;
  fmt::print("\n{} of {} applicable kinds hit, {} runs{}, {} sites in the census, {} rows with a broken invariant, {:.1f} s ({:.0f} runs/s)\n",
             kinds_hit, kinds, with_commas(report.rows.size()),
             sweep_options.sites_per_kind != 0 ? fmt::format(" (at most {} sites a kind)", sweep_options.sites_per_kind) : "",
             with_commas(report.sites), report.broken(), seconds,
             seconds > 0 ? static_cast<double>(report.rows.size()) / seconds : 0.0);
}

}  // namespace

ExitCode run_faults(const FaultsOptions& options) {
  const Style style(stdout);
  if (options.json) {
    Json all = Json::array();
    for (const sim::FaultInfo& info : sim::fault_catalogue()) {
      all.push_back({{"name", info.name},
                     {"group", sim::group_name(info.group)},
                     {"what", info.what},
                     {"at_worst", to_string(info.effect)},
                     {"backend", info.duty}});
    }
    fmt::print("{}\n", all.dump(2));
    return ExitCode::kOk;
  }
  char group = 0;
  for (const sim::FaultInfo& info : sim::fault_catalogue()) {
    if (info.group != group) {
      if (group != 0) fmt::print("\n");
      group = info.group;
      fmt::print("{}\n", style.strong(sim::group_name(group)));
    }
    fmt::print("  {:<28}{}\n  {:<28}{}\n", info.name, info.what, "",
               style.faint(fmt::format("at worst: {}. A correct backend: {}", to_string(info.effect), info.duty)));
  }
  fmt::print("\n{} kinds. 'dartboard sweep FILE' puts each of them at every place of a run.\n", sim::fault_catalogue().size());
  return ExitCode::kOk;
}

ExitCode run_sweep(const SweepCommandOptions& options) {
  const Style style(stdout);
  SweepOptions sweep_options;
  for (const std::string& name : options.kinds) {
    const auto kind = sim::fault_by_name(name);
    if (!kind) {
      return report(Error{ErrorName::kBadArgument, io_return::kSuccess,
                          fmt::format("there is no fault '{:.40}'; 'dartboard faults' lists them", name)});
    }
    sweep_options.kinds.push_back(*kind);
  }
  sweep_options.sites_per_kind = options.sites_per_kind;
  auto scenario = load_scenario(options.file, options.profile);
  if (!scenario) return report(scenario.error());

  if (!options.fault.empty()) {
    const auto rule = sim::parse_fault_rule(options.fault);
    if (!rule) return report(rule.error());
    auto recording = Recording::make(options.record, (*scenario)->world());
    if (!recording) return report(recording.error());
    const auto row = run_with_fault(**scenario, *rule);
    if (!row) return report(row.error());
    const auto recorded = finish(*recording);
    if (options.json) {
      Json out = to_json(*row);
      if (recorded) out["recorded"] = recorded->json();
      fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
    } else {
      print_row(*row, style);
      if (recorded) fmt::print("  {}\n", recorded->line());
    }
    const ExitCode code = row->broken.empty() ? ExitCode::kOk : ExitCode::kDivergence;
    return recorded ? recorded->exit_code(code) : code;
  }
  if (!options.record.file.empty()) {
    return report(Error{ErrorName::kBadArgument, io_return::kBadArgument,
                        "--record records one run, and a sweep is many: give --fault too"});
  }

  Result<SweepReport> swept;
  {
    Progress progress("sweeping", 1'000'000, options.quiet || options.json);
    sweep_options.progress = [&](uint64_t done, uint64_t total) { progress.update(done * 1'000'000 / total); };
    swept = sweep(**scenario, sweep_options);
  }
  if (!swept) return report(swept.error());
  if (options.json) {
    Json rows = Json::array();
    for (const SweepRow& row : swept->rows) rows.push_back(to_json(row));
    const Json all = {{"scenario", (*scenario)->name()}, {"world", (*scenario)->world().name()},
                      {"steps", swept->clean.steps},     {"trace_hash", swept->clean_hash},
                      {"sites", swept->sites},           {"runs", swept->rows.size()},
                      {"broken", swept->broken()},       {"wall_ns", swept->wall_ns},
                      {"rows", std::move(rows)}};
    fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    print_report(*swept, sweep_options, style,
                 fmt::format("dartboard sweep {} --profile {}", options.file, options.profile));
  }
  return swept->broken() == 0 ? ExitCode::kOk : ExitCode::kDivergence;
}

}  // namespace dartboard::cli
