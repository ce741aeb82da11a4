// cli/compare.cpp - `dartboard compare`: the DMA strategies on the same work, side by side.
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/compare_report.h"
#include "cli/progress.h"
#include "cli/session_workload.h"
#include "cli/strategies.h"

namespace dartboard::cli {
namespace {

bool is_session(const std::string& name) {
  return name.find('/') != std::string::npos || name.find(".jsonl") != std::string::npos;
}

Result<guest::Workload> load_workload(const std::string& name, uint64_t seed) {
  if (!is_session(name)) {
    auto made = guest::make_workload(name, seed);
    if (!made) made.error().sentence += ", and any recorded session (a file with / or .jsonl in its name)";
    return made;
  }
  auto session = traces::load_session(name);
  if (!session) return tl::unexpected(session.error());
  std::string short_name = name.substr(name.find_last_of('/') + 1);
  return session_workload(*session, short_name.substr(0, short_name.find('.')));
}

ExitCode write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file) return ExitCode::kOk;
  return report({ErrorName::kFileUnreadable, io_return::kSuccess, fmt::format("{}: cannot be written", path)});
}

}  // namespace

ExitCode run_compare(const CompareOptions& options) {
  ComparisonOptions measured;
  measured.guest_bytes = options.guest_bytes;
  measured.pool_bytes = options.pool_bytes;
  measured.window_bytes = options.window_bytes;
  measured.run_pages = options.run_pages;
  measured.seed = options.seed;
  measured.record = options.record;

  // All input is read before anything runs.
  std::vector<std::string> strategies = options.strategies, names = options.workloads, platforms = options.profiles;
  if (strategies.empty()) {
    for (const StrategyInfo& info : strategy_infos()) strategies.emplace_back(info.name);
  }
  for (const std::string& name : strategies) {
    if (auto known = strategy_info(name); !known) return report(known.error());
  }
  if (names.empty()) {
    for (const guest::WorkloadName& one : guest::workload_names()) names.emplace_back(one.name);
  }
  if (platforms.empty()) platforms = {kDefaultProfile, kReplayProfile};
  std::vector<guest::Workload> workloads;
  for (const std::string& name : names) {
    auto workload = load_workload(name, options.seed);
    if (!workload) return report(workload.error());
    workloads.push_back(std::move(*workload));
  }
  std::vector<sim::Profile> profiles;
  for (const std::string& name : platforms) {
    auto profile = sim::load_profile(name);
    if (!profile) return report(profile.error());
    profiles.push_back(std::move(*profile));
  }

  const uint64_t runs = profiles.size() * workloads.size() * strategies.size();
  if (runs != 1 && !options.record.file.empty()) {
    return report({ErrorName::kBadArgument, io_return::kBadArgument,
                   fmt::format("--record records one run, and these are {}: name one workload, one strategy and one "
                               "profile",
                               runs)});
  }
  std::optional<Progress> progress(std::in_place, "comparing", runs, options.quiet || options.json);
  std::vector<Comparison> all;
  uint64_t done = 0;
  bool lost = false;
  for (const sim::Profile& profile : profiles) {
    for (const guest::Workload& workload : workloads) {
      Comparison comparison;
      comparison.profile = &profile;
      comparison.workload = &workload;
      for (const std::string& strategy : strategies) {
        auto figures = measure(profile, workload, strategy, measured);
        progress->update(++done);
        if (!figures) {
          progress.reset();
          return report(figures.error());
        }
        lost = lost || figures->run.lost != 0;
        comparison.rows.push_back(std::move(*figures));
      }
      comparison.advice = advise(comparison);
      all.push_back(std::move(comparison));
    }
  }
  progress.reset();
  const auto& recorded = all.front().rows.front().recorded;

  if (!options.html.empty()) {
    if (const ExitCode code = write_file(options.html, to_html(all, measured)); code != ExitCode::kOk) return code;
  }
  if (options.json) {
    fmt::print("{}\n", to_json(all, measured));
  } else if (options.markdown) {
    fmt::print("{}", to_markdown(all));
  } else {
    print_text(all, stdout);
    if (recorded) fmt::print("{}\n", recorded->line());
  }
  const ExitCode code = lost ? ExitCode::kDivergence : ExitCode::kOk;
  return recorded ? recorded->exit_code(code) : code;
}

}  // namespace dartboard::cli
