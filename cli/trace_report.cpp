// cli/trace_report.cpp - see trace_report.h.
#include "cli/trace_report.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/text.h"
#include "cli/trace_copy.h"
#include "cli/whole_number.h"

namespace dartboard::cli {

ExitCode run_trace_report(const TraceReportOptions& options) {
  if (options.out.empty() && !options.input.json) {
    return report(Error{ErrorName::kBadArgument, io_return::kBadArgument,
                        "a report goes to a page (--out PAGE.html), to standard output as JSON (--json), or both: give "
                        "at least one"});
  }
  if (auto other = not_the_same_file(options.input.file, options.out); !other) return report(other.error());
  if (is_standard_output(options.out)) {
    return report(
        {ErrorName::kBadArgument, io_return::kBadArgument,
         fmt::format("{}: is standard output, which this command prints to; give the page a file", options.out)});
  }
  const auto names = load_names(options.names, options.input.file);
  if (!names) return report(names.error());
  auto reader = open_input(options.input);
  if (!reader) return report(reader.error());
  traces::ReportOptions report_options;
  report_options.file = options.input.file;
  report_options.name_of = register_namer(*names);
  report_options.detailed_events_max = options.events;
  traces::ReportBuilder builder(std::move(report_options));
  const auto read = read_all(**reader, options.input, [&](const traces::EventBatch& batch) { builder.add(batch); });
  if (!read) return report(read.error());
  const traces::ReportData data = builder.finish((*reader)->info(), (*reader)->report());
  warn_about(options.input.file, (*reader)->report(), (*reader)->info());

  if (!options.out.empty()) {
    const auto written = traces::write_report(options.out, data);
    if (!written) return report(written.error());
  }
  if (options.input.json) {
    fmt::print("{}\n", traces::to_json(data.figures));
  } else {
    fmt::print("{}: {} events{} in {}\n", options.input.file, with_commas(data.figures.events),
               data.figures.has_times() ? " of " + duration_text(data.figures.duration_ns) : "", options.out);
  }
  return ExitCode::kOk;
}

void add_trace_report(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<TraceReportOptions>();
  CLI::App* const command =
      trace.add_subcommand("report", "A trace as one page: timeline with zoom, hottest registers, polls, waits, DMA");
  add_input(*command, &options->input, "Print the figures of the page as one JSON object");
  add_names(*command, &options->names);
  command->add_option("--out", options->out, "Write the page to PAGE.html; replaced as a whole or not at all");
  command
      ->add_option("--events", options->events,
                   "Keep at most this many events one by one in the page, about 6 bytes each; of the rest, counts")
      ->transform(whole_number(0, uint64_t{1} << 28))
      ->capture_default_str();
  command->footer(
      "The page is one file that loads nothing from anywhere. A poll is a loop of up to four reads, three times or "
      "more\n"
      "with nothing between. This command keeps 40 bytes of memory for each event that the page shows one by one. See\n"
      "docs/report.md.\n"
      "Example:\n"
      "  dartboard trace report boot.dbt --out boot.html\n\n" +
      std::string(kExitCodeHelp));
  command->callback([options, chosen] { *chosen = [options] { return run_trace_report(*options); }; });
}

std::function<std::string(const traces::TraceDevice&, uint32_t, uint64_t)> register_namer(
    const std::optional<traces::RegisterNames>& names) {
  if (!names || names->empty()) return {};
  return [&names = *names](const traces::TraceDevice& device, uint32_t space, uint64_t address) {
    // A recording that does not know its device is taken at the user's word.
    const bool belongs =
        names.vendor_id == 0 || device.description.vendor_id == 0 ||
        (names.vendor_id == device.description.vendor_id && names.device_id == device.description.device_id);
    const traces::Named named = belongs ? names.at(space, address) : traces::Named();
    return named ? named.text() : std::string();
  };
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
