// cli/trace_report.h - `dartboard trace report`: a trace as one page that opens anywhere, and as figures.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/exit_code.h"
#include "cli/trace_common.h"
#include "traces/report/report.h"

namespace dartboard::cli {

struct TraceReportOptions {
  TraceInput input;
  NamesOptions names;
  std::string out;  ///< the page; empty: none
  uint64_t events = traces::ReportOptions().detailed_events_max;
};
ExitCode run_trace_report(const TraceReportOptions& options);

/// Adds `report` to `trace`; when it was parsed, `chosen` runs it.
void add_trace_report(CLI::App& trace, std::function<ExitCode()>* chosen);

/// For ReportOptions::name_of; nothing where there are no names. `names` outlives it.
std::function<std::string(const traces::TraceDevice&, uint32_t, uint64_t)> register_namer(
    const std::optional<traces::RegisterNames>& names);

/// What a replay's report says, for the page of the same session.
traces::ReplayFigures replay_figures(const traces::ReplayReport& report, uint64_t requests_total, std::string world);

}  // namespace dartboard::cli
