// cli/trace_convert.cpp - `dartboard trace convert`: a trace in another format.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/trace_common.h"
#include "cli/trace_copy.h"

namespace dartboard::cli {

namespace {

struct Options {
  TraceInput input;
  std::string out, to, payloads = "full";
};

ExitCode run(const Options& options) {
  const auto payloads = parse_payloads(options.payloads);
  if (!payloads) return report(payloads.error());
  const auto format = output_format(options.out, options.to, "");
  if (!format) return report(format.error());
  if (auto apart = not_the_same_file(options.input.file, options.out); !apart) return report(apart.error());
  auto reader = open_input(options.input);
  if (!reader) return report(reader.error());
  traces::WriteOptions write;
  // What was not kept cannot come back.
  write.payloads = std::max(*payloads, (*reader)->info().payloads);
  Result<Copied> copied;
  {
    EventProgress progress("converting " + options.input.file, options.input.quiet);
    copied = copy_trace(
        **reader, options.out, **format, write,
        [&](traces::TraceInfo* info) { info->payloads = std::max(info->payloads, write.payloads); },
        [&](uint64_t events) { progress.update(events); });
  }
  if (!copied) return report(copied.error());
  std::FILE* const to = is_standard_output(options.out) ? stderr : stdout;
  warn_about(options.input.file, (*reader)->report(), (*reader)->info());
  if (copied->of_events == 0) {
    warn(options.input.file, "has no events");
  } else if (copied->events == 0) {
    warn(options.input.file,
         fmt::format("none of its {} events is in {}", with_commas(copied->of_events), options.out));
  }
  if (options.input.json) {
    print_json(to, {{"out", options.out},
                    {"format", (*format)->name},
                    {"events", copied->events},
                    {"of_events", copied->of_events},
                    {"bytes", copied->bytes ? nlohmann::ordered_json(*copied->bytes) : nlohmann::ordered_json()},
                    {"payloads", traces::to_string(write.payloads)},
                    {"left_out", to_json(copied->left_out)}});
  } else {
    const Style style(to);
    fmt::print(to, "{}: {}{}\n", style.strong(options.out), events_text(copied->events, copied->of_events),
               size_text(*copied, **format));
    print_left_out(to, copied->left_out);
  }
  return ExitCode::kOk;
}

}  // namespace

void add_trace_convert(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = trace.add_subcommand("convert", "Write a trace in another format");
  add_input(*command, &options->input, "Print one JSON object instead of text");
  command->add_option("OUT", options->out, "The new file; its suffix says the format")->required();
  std::string list;
  for (const traces::Format& format : traces::formats()) {
    if (format.create != nullptr) list += (list.empty() ? "" : ", ") + std::string(format.name);
  }
  command->add_option("--to", options->to, "The format of the new file: " + list);
  command->add_option("--payload", options->payloads, "Of payloads of more than 8 bytes keep: full, hash or none")
      ->capture_default_str();
  command->footer(
      "Formats differ in what they can hold; what the new one leaves out is said.\n"
      "Examples:\n"
      "  dartboard trace convert qemu.log.zst boot.dbt\n"
      "  dartboard trace convert boot.jsonl.zst small.dbt --payload hash\n\n" +
      std::string(kExitCodeHelp));
  command->callback([options, chosen] { *chosen = [options] { return run(*options); }; });
}

}  // namespace dartboard::cli
