// cli/trace_info.cpp - `dartboard trace info`: what a trace says about itself, and what of its file was understood.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/trace_common.h"

namespace dartboard::cli {

namespace {

using traces::BarDescription;
using traces::DeviceDescription;

struct Totals {
  uint64_t events = 0, requests = 0, first_ns = 0, last_ns = 0;
  uint64_t duration_ns() const { return last_ns - first_ns; }
};

void print_device(const Style& style, size_t index, const traces::TraceDevice& device) {
  const DeviceDescription& d = device.description;
  fmt::print("{} {:04x}:{:04x}{}{}\n", style.strong(fmt::format("device [{}]", index)), d.vendor_id, d.device_id,
             device.address.empty() ? "" : " at " + device.address, d.name.empty() ? "" : ": " + d.name);
  fmt::print("  class {:#08x}, subsystem {:04x}:{:04x}, revision {:#04x}\n", d.class_code, d.subsystem_vendor_id,
             d.subsystem_id, d.revision_id);
  for (size_t i = 0; i < d.bars.size(); ++i) {
    const BarDescription& bar = d.bars[i];
    if (bar.kind == traces::BarKind::kAbsent) continue;
    fmt::print("  BAR{} {:>10}  {}{}{}\n", i, bytes_text(bar.size),
               bar.kind == traces::BarKind::kMemory ? "memory" : "registers", bar.is_64bit ? ", 64 bit" : "",
               bar.prefetchable ? ", prefetchable" : "");
  }
  if (d.msix.entries != 0) {
    fmt::print("  MSI-X {} entries, table BAR{}+{:#x}, pending bits BAR{}+{:#x}\n", d.msix.entries, d.msix.table_bar,
               d.msix.table_offset, d.msix.pba_bar, d.msix.pba_offset);
  }
  for (const std::string& note : d.notes) fmt::print("  {} {}\n", style.note("note:"), note);
}

void print_report(const Style& style, const traces::ReadReport& r) {
  fmt::print("{} {}, {} not understood{}\n", style.strong("records"), with_commas(r.records), with_commas(r.unknown),
             r.truncated ? ", and the file ends early" : "");
  for (const traces::RecordCount& kind : r.kinds) {
    fmt::print("  {:>12}  {}{}\n", with_commas(kind.count), kind.name,
               kind.why.empty() ? "" : style.faint("  (no event: " + kind.why + ")"));
  }
  if (r.unknown == 0) return;
  fmt::print("{}\n", style.strong("first that were not understood"));
  for (const auto& [number, text] : r.first_unknown) {
    fmt::print("  {:>12}  {}\n", with_commas(number), traces::printable(text, 200));
  }
}

ExitCode run(const TraceInput& input) {
  auto reader = open_input(input);
  if (!reader) return report(reader.error());
  Totals totals;
  const auto read = read_all(**reader, input, [&](const traces::EventBatch& batch) {
    for (const traces::Event& event : batch.events) {
      const traces::Reply* const reply = batch.reply_of(event);
      if (totals.events == 0) totals.first_ns = totals.last_ns = event.time_ns;
      totals.last_ns = std::max(totals.last_ns, event.time_ns + (reply == nullptr ? 0 : reply->duration_ns));
      ++totals.events;
      totals.requests += event.is_request() ? 1 : 0;
    }
  });
  if (!read) return report(read.error());
  const traces::TraceInfo& info = (*reader)->info();
  const traces::ReadReport& found = (*reader)->report();
  if (input.json) {
    nlohmann::ordered_json json = {{"file", input.file},
                                   {"events", totals.events},
                                   {"requests", totals.requests},
                                   {"duration_ns", totals.duration_ns()},
                                   {"first_time_ns", totals.first_ns},
                                   {"info", to_json(info)},
                                   {"report", to_json(found)}};
    print_json(json);
    return ExitCode::kOk;
  }
  const Style style(stdout);
  fmt::print("{}: {} events, {} requests{}\n", style.strong(input.file), with_commas(totals.events),
             with_commas(totals.requests),
             info.clock == traces::Clock::kNone ? "" : ", " + duration_text(totals.duration_ns()));
  fmt::print("{} {}{}, clock {}, payloads {}\n", style.strong("source"), info.source.empty() ? "unknown" : info.source,
             info.profile.empty() ? "" : " on " + info.profile, traces::to_string(info.clock),
             traces::to_string(info.payloads));
  for (size_t i = 0; i < info.devices.size(); ++i) print_device(style, i, info.devices[i]);
  if (info.lossy || info.dropped_events != 0 || info.dropped_bytes != 0) {
    const bool counted = info.dropped_events != 0 || info.dropped_bytes != 0;
    fmt::print("{} {}\n", style.bad("losses"),
               counted ? fmt::format("{} events and {} of payloads are known to be missing",
                                     with_commas(info.dropped_events), bytes_text(info.dropped_bytes))
                       : "events are missing; how many is not known");
  }
  for (const std::string& note : info.notes) fmt::print("{} {}\n", style.note("note:"), note);
  print_report(style, found);
  for (const std::string& warning : found.warnings) fmt::print("{} {}\n", style.bad("warning:"), warning);
  return ExitCode::kOk;
}

}  // namespace

void add_trace_info(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto input = std::make_shared<TraceInput>();
  CLI::App* const command = trace.add_subcommand("info", "What a trace says about itself, and what was not understood");
  add_input(*command, input.get(), "Print one JSON object instead of text");
  command->footer(
      "Devices with BARs and MSI-X, clock, source, losses, length; then the lines or records of the file by kind, "
      "with\n"
      "the reason where a kind makes no event, and the first that were not understood.\n"
      "Example:\n"
      "  dartboard trace info qemu.log.zst\n\n" +
      std::string(kExitCodeHelp));
  command->callback([input, chosen] { *chosen = [input] { return run(*input); }; });
}

}  // namespace dartboard::cli
