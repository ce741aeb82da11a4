// cli/trace_report.cpp - see trace_report.h.
#include "cli/trace_report.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/text.h"
#include "traces/formats.h"

namespace dartboard::cli {

ExitCode run_trace_report(const TraceReportOptions& options) {
  if (options.out.empty() && !options.json) {
    return report(Error{ErrorName::kBadArgument, io_return::kBadArgument,
                        "a report goes to a page (--out PAGE.html), to standard output as JSON (--json), or both: give "
                        "at least one."});
  }
  auto reader = traces::open_trace(options.file, options.format);
  if (!reader) return report(reader.error());
  traces::ReportOptions report_options;
  report_options.file = options.file;
  report_options.name_of = options.name_of;
  report_options.detailed_events_max = options.events;
  const auto data = traces::build_report(**reader, std::move(report_options));
  if (!data) return report(data.error());
  for (const std::string& warning : data->figures.read.warnings) fmt::print(stderr, "dartboard: {}\n", warning);

  if (!options.out.empty()) {
    const auto written = traces::write_report(options.out, *data);
    if (!written) return report(written.error());
  }
  if (options.json) {
    fmt::print("{}\n", traces::to_json(data->figures));
  } else {
    fmt::print("{}: {} events{} in {}\n", options.file, with_commas(data->figures.events),
               data->figures.has_times() ? " of " + duration_text(data->figures.duration_ns) : "", options.out);
  }
  return ExitCode::kOk;
}

void add_trace_report(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<TraceReportOptions>();
  CLI::App* const command =
      trace.add_subcommand("report", "A trace as one page: timeline with zoom, hottest registers, polls, waits, DMA");
  command->add_option("FILE", options->file, "The trace, in any format that can be read")->required();
  command->add_option("--out", options->out, "Write the page to PAGE.html; replaced as a whole or not at all");
  command->add_option("--from", options->format, "The format of FILE, if its content does not show it");
  command->add_option("--events", options->events,
                      "Keep at most this many events one by one in the page, about 8 bytes each; of the rest, counts");
  command->add_flag("--json", options->json, "Print the figures of the page as one JSON object");
  command->footer(
      "The page is one file that loads nothing from anywhere. See docs/report.md.\n"
      "Example:\n"
      "  dartboard trace report traces/sessions/amd-am-boot-copy.jsonl.zst --out boot.html\n\n" +
      std::string(kExitCodeHelp));
  command->callback([options, chosen] { *chosen = [options] { return run_trace_report(*options); }; });
}

traces::ReplayFigures replay_figures(const traces::ReplayReport& report, uint64_t requests_total, std::string world) {
  traces::ReplayFigures figures;
  figures.world = std::move(world);
  figures.requests = report.requests;
  figures.requests_total = requests_total;
  figures.divergences = report.divergences;
  figures.first = report.first;
  if (report.stopped) figures.stopped = report.stopped->sentence;
  figures.stopped_at = report.stopped_at;
  return figures;
}

}  // namespace dartboard::cli
