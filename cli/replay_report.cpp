// cli/replay_report.cpp - see replay_report.h.
#include "cli/replay_report.h"

#include <fmt/format.h>

#include "cli/trace_common.h"
#include "cli/trace_report.h"

namespace dartboard::cli {

namespace {

std::string place_of(const traces::Wait& wait) {
  if (wait.kind == traces::EventKind::kConfigRead) return fmt::format("config+{:#x}", wait.address);
  return fmt::format("{}{}+{:#x}", wait.kind == traces::EventKind::kHostRead ? "memory " : "BAR", wait.target,
                     wait.address);
}

}  // namespace

Result<void> write_replay_report(const std::string& page, ReplayTrace& trace, const ReplaySummary& summary) {
  const auto names = load_names({}, trace.path());
  if (!names) return tl::unexpected(names.error());
  auto reader = trace.read();
  if (!reader) return tl::unexpected(reader.error());
  traces::ReportOptions options;
  options.file = trace.path();
  options.name_of = register_namer(*names);
  auto data = traces::build_report(**reader, std::move(options));
  if (!data) return tl::unexpected(data.error());
  const traces::ReplayReport& report = summary.report;
  auto figures = replay_figures(report, summary.requests_recorded.value_or(report.requests), summary.world);
  for (const traces::PolicyDifference& difference : report.policy) {
    figures.by_policy.push_back({fmt::format("{}: {}", difference.field, difference.reason), difference.count});
  }
  for (const traces::Wait& wait : report.waits.first) {
    figures.waits.push_back({wait.last_request, wait.recorded_ns,
                             fmt::format("{}: {} reads, ended by {}", place_of(wait), wait.polls, to_string(wait.end))});
  }
  data->figures.replay = std::move(figures);
  return traces::write_report(page, *data);
}

}  // namespace dartboard::cli
