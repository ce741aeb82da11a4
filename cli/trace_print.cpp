// cli/trace_print.cpp - `dartboard trace dump` and `grep`: events as lines.
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/trace_common.h"
#include "cli/whole_number.h"
#include "traces/tools/printer.h"

namespace dartboard::cli {

namespace {

struct Options {
  TraceInput input;
  NamesOptions names;
  FilterOptions filter;
  uint64_t sleep_us = 100;
  unsigned payload_bytes = 16;
  bool no_sleep = false, no_fold = false, count = false;
  uint64_t max = 0;  ///< events; 0: all
};

void add_print_options(CLI::App& command, Options* options) {
  add_input(command, &options->input, "Print one JSON object a line instead of text");
  add_names(command, &options->names);
  command.add_flag("--no-fold", options->no_fold, "Print every read of a poll");
  auto* const sleep =
      command.add_option("--sleep", options->sleep_us, "Print a SLEEP line for gaps of more microseconds than this")
          ->transform(whole_number(0, UINT64_MAX / 1000))
          ->capture_default_str();
  command.add_flag("--no-sleep", options->no_sleep, "No SLEEP lines")->excludes(sleep);
  command.add_option("--payload-bytes", options->payload_bytes, "Bytes to print of a payload that is no value")
      ->transform(whole_number(0, 1 << 20))
      ->capture_default_str();
  command.add_option("--max", options->max, "At most this many events (0: all)")
      ->transform(whole_number())
      ->capture_default_str();
}

traces::Palette palette_of(const Style& style) {
  // What stands around a marker in each colour.
  const auto before = [](const std::string& text) { return text.substr(0, text.find('|')); };
  traces::Palette palette;
  palette.faint = before(style.faint("|"));
  palette.name = before(style.strong("|"));
  palette.write = before(style.note("|"));
  palette.failure = before(style.bad("|"));
  palette.note = before(style.good("|"));
  const std::string marked = style.strong("|");
  palette.off = marked.substr(marked.find('|') + 1);
  return palette;
}

ExitCode run(const Options& options) {
  const auto spec = filter_spec(options.filter);
  if (!spec) return report(spec.error());
  auto names = load_names(options.names, options.input.file);
  if (!names) return report(names.error());
  const traces::RegisterNames* const known = *names ? &**names : nullptr;
  if (!spec->registers.empty() && known == nullptr) {
    return report({ErrorName::kBadArgument, io_return::kSuccess,
                   "--reg looks for names, and there are none: give --names FILE.names.json"});
  }
  auto reader = open_input(options.input);
  if (!reader) return report(reader.error());
  traces::FilteredReader filtered(reader->get(), traces::Filter(*spec), known, false);

  // Only where the output goes elsewhere: lines and a counter on one terminal disturb each other.
  EventProgress progress("reading " + options.input.file, options.input.quiet || is_terminal(stdout));
  std::unique_ptr<traces::Printer> printer;
  const auto write = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); };
  traces::EventBatch batch;
  uint64_t printed = 0;
  bool stop = false;
  while (!stop) {
    const auto more = filtered.next(&batch);
    if (!more) return report(more.error());
    if (!*more) break;
    if (printer == nullptr) {
      // The first batch has told whether there are times, and how many devices.
      const traces::TraceInfo& info = filtered.info();
      traces::PrintOptions print;
      print.fold_polls = !options.no_fold;
      print.sleep_ns = options.no_sleep ? UINT64_MAX : options.sleep_us * 1000;
      print.payload_bytes = options.payload_bytes;
      print.show_devices = info.devices.size() > 1;
      print.origin_ns = filtered.first_time_ns();
      print.show_times = info.clock != traces::Clock::kNone;
      print.palette = palette_of(Style(stdout));
      printer = std::make_unique<traces::Printer>(known, std::move(print), write);
    }
    for (size_t i = 0; i < batch.events.size() && !stop; ++i) {
      const traces::Event& event = batch.events[i];
      const traces::Reply* const reply = batch.reply_of(event);
      const uint64_t number = filtered.numbers()[i];
      ++printed;
      stop = options.max != 0 && printed == options.max;
      if (options.count) continue;
      if (!options.input.json) {
        printer->print(number, event, reply, filtered.names()[i]);
        continue;
      }
      write(traces::event_json(number, event, reply, filtered.names()[i], known, options.payload_bytes) + "\n");
    }
    progress.update(filtered.seen());
    if (std::ferror(stdout) != 0) return ExitCode::kOk;  // nobody reads on; main() says so
  }
  if (printer != nullptr) printer->finish();
  if (options.count && options.input.json) {
    print_json({{"file", options.input.file}, {"matches", printed}, {"events", filtered.seen()}});
  } else if (options.count) {
    fmt::print("{}\n", printed);
  }
  if (auto there = devices_are_there(options.input.file, *spec, filtered.info()); !there) return report(there.error());
  warn_about(options.input.file, filtered.report(), filtered.info());
  if (printed == 0) warn_no_match(options.input.file, *spec, filtered);
  return ExitCode::kOk;
}

constexpr const char* kStyleHelp =
    "  =>  what was read      <=  what was written      x 3841, last ..  a poll, folded      SLEEP  a gap\n"
    "R32 is a read of 32 bits, W a write of a payload, C a change that the device made by itself. Numbers of events "
    "are\n"
    "those that 'replay', 'cut' and 'diff' use; times are seconds since the first event.\n";

}  // namespace

void add_trace_dump(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = trace.add_subcommand("dump", "Print every event on a line");
  add_print_options(*command, options.get());
  command->add_option("--events", options->filter.events, "By number, from 0: 100-200, 100-, -200, 100+50");
  command->footer(std::string(kStyleHelp) +
                  "Examples:\n"
                  "  dartboard trace dump boot.dbt --names gpu.names.json | less -R\n"
                  "  dartboard trace dump boot.dbt --events 1000+50 --no-fold\n\n" +
                  kExitCodeHelp);
  command->callback([options, chosen] { *chosen = [options] { return run(*options); }; });
}

void add_trace_grep(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = trace.add_subcommand("grep", "Print the events that match");
  add_print_options(*command, options.get());
  add_filter(*command, &options->filter);
  command->add_flag("-c,--count", options->count, "Print only how many");
  command->footer(std::string(kStyleHelp) +
                  "Examples:\n"
                  "  dartboard trace grep boot.dbt --bar 5 --offset 0x58000-0x58fff --writes\n"
                  "  dartboard trace grep boot.dbt --reg 'PSP_*' --value 0x80000000 --mask 0x80000000\n"
                  "  dartboard trace grep boot.dbt --kind interrupt dma-map --time 1s-2s --json\n\n" +
                  kExitCodeHelp);
  command->callback([options, chosen] { *chosen = [options] { return run(*options); }; });
}

}  // namespace dartboard::cli
