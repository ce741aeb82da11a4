// cli/trace_report.h - `dartboard trace report`: a trace as one page that opens anywhere, and as figures.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "cli/exit_code.h"
#include "traces/report/report.h"

namespace CLI {
class App;
}

namespace dartboard::cli {

struct TraceReportOptions {
  std::string file;
  std::string format;  ///< empty: found by content
  std::string out;     ///< the page; empty: none
  bool json = false;   ///< the figures on standard output
  uint64_t events = traces::ReportOptions().detailed_events_max;
  /// Names of registers, see traces::ReportOptions.
  std::function<std::string(const traces::TraceDevice& device, int bar, uint64_t address)> name_of;
};
ExitCode run_trace_report(const TraceReportOptions& options);

/// Adds `report` to `trace`; when it was parsed, `chosen` runs it.
void add_trace_report(CLI::App& trace, std::function<ExitCode()>* chosen);

/// What a replay's report says, for the page of the same session.
traces::ReplayFigures replay_figures(const traces::ReplayReport& report, uint64_t requests_total, std::string world);

}  // namespace dartboard::cli
