// cli/trace_cut.cpp - `dartboard trace cut`: some events of a trace as a trace of their own.
#include <optional>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/trace_common.h"
#include "cli/trace_copy.h"
#include "traces/tools/device_choice.h"

namespace dartboard::cli {

namespace {

struct Options {
  TraceInput input;
  NamesOptions names;
  FilterOptions filter;
  std::string out, to;
  bool setup = false;
};

ExitCode run(const Options& options) {
  const auto spec = filter_spec(options.filter);
  if (!spec) return report(spec.error());
  if (spec->is_everything()) {
    return report({ErrorName::kBadArgument, io_return::kSuccess,
                   "nothing is cut: say which events (--events, --time, --bar ...), or use 'dartboard trace convert'"});
  }
  const auto format = output_format(options.out, options.to, "dbt");
  if (!format) return report(format.error());
  if (auto apart = not_the_same_file(options.input.file, options.out); !apart) return report(apart.error());
  const auto names = load_names(options.names, options.input.file);
  if (!names) return report(names.error());
  const traces::RegisterNames* const known = *names ? &**names : nullptr;
  if (!spec->registers.empty() && known == nullptr) {
    return report({ErrorName::kBadArgument, io_return::kSuccess,
                   "--reg looks for names, and there are none: give --names FILE.names.json"});
  }
  auto reader = open_input(options.input);
  if (!reader) return report(reader.error());
  traces::FilteredReader filtered(reader->get(), traces::Filter(*spec), known, options.setup);
  std::optional<traces::DeviceChoiceReader> of_devices;
  if (!spec->devices.empty() && !options.filter.invert) of_devices.emplace(filtered, spec->devices);
  traces::EventReader& source = of_devices ? static_cast<traces::EventReader&>(*of_devices) : filtered;
  traces::WriteOptions write;
  write.payloads = (*reader)->info().payloads;
  Result<Copied> copied;
  {
    EventProgress progress("cutting " + options.input.file, options.input.quiet);
    copied = copy_trace(
        source, options.out, **format, write,
        [&](traces::TraceInfo* info) {
          info->notes.push_back(fmt::format("This is a part of a longer trace: {}{}.", describe(*spec),
                                            options.setup ? ", and the maps and set-up before" : ""));
        },
        [&](uint64_t) { progress.update(filtered.seen()); });
  }
  if (!copied) return report(copied.error());
  if (auto there = devices_are_there(options.input.file, *spec, filtered.info()); !there) return report(there.error());
  std::FILE* const to = is_standard_output(options.out) ? stderr : stdout;
  warn_about(options.input.file, filtered.report(), filtered.info());
  if (filtered.matched() == 0) {
    warn_no_match(options.input.file, *spec, filtered);
  } else if (copied->events == 0) {
    warn(options.input.file,
         fmt::format("none of the {} events that match is in {}", with_commas(copied->of_events), options.out));
  }
  if (options.input.json) {
    print_json(to, {{"out", options.out},
                    {"format", (*format)->name},
                    {"events", copied->events},
                    {"bytes", copied->bytes ? nlohmann::ordered_json(*copied->bytes) : nlohmann::ordered_json()},
                    {"matches", filtered.matched()},
                    {"of_events", filtered.seen()},
                    {"read_to_the_end", !filtered.stopped_early()},
                    {"what", describe(*spec)},
                    {"left_out", to_json(copied->left_out)}});
  } else {
    const Style style(to);
    fmt::print(to, "{}: {} of {} events{}{}\n", style.strong(options.out), with_commas(copied->events),
               with_commas(filtered.seen()), filtered.stopped_early() ? " (the rest was not read)" : "",
               size_text(*copied, **format));
    if (copied->events != copied->of_events) {
      fmt::print(to, "{} {} of the {} events to be written\n", style.note("left out:"),
                 with_commas(copied->of_events - copied->events), with_commas(copied->of_events));
    }
    print_left_out(to, copied->left_out);
  }
  return ExitCode::kOk;
}

}  // namespace

void add_trace_cut(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = trace.add_subcommand("cut", "Write some events of a trace to a file of their own");
  add_input(*command, &options->input, "Print one JSON object instead of text");
  command->add_option("-o,--out", options->out, "The new file; its suffix says the format (default: dbt)")->required();
  command->add_option("--to", options->to, "The format of the new file");
  command->add_flag("--setup", options->setup,
                    "Also keep the BAR maps, DMA maps and interrupt set-up of the rest, which later events may need");
  add_names(*command, &options->names);
  add_filter(*command, &options->filter);
  command->footer(
      "The new trace keeps what the old one says about itself, and notes what was cut. Requests are numbered anew, "
      "and\n"
      "so are the devices of --dev; times stay.\n"
      "Examples:\n"
      "  dartboard trace cut boot.dbt -o first.dbt --events 0+1000\n"
      "  dartboard trace cut boot.dbt -o run.dbt --time 4s-6s --setup\n"
      "  dartboard trace cut qemu.log -o gpu.dbt --dev 1\n\n" +
      std::string(kExitCodeHelp));
  command->callback([options, chosen] { *chosen = [options] { return run(*options); }; });
}

}  // namespace dartboard::cli
