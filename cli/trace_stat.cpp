// cli/trace_stat.cpp - `dartboard trace stat`: a trace in numbers.
#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/trace_common.h"
#include "cli/whole_number.h"
#include "traces/tools/statistics.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;
using traces::EventKind;
using traces::Statistics;

constexpr const char* kWidths[] = {"8 bit", "16 bit", "32 bit", "64 bit", "other"};
constexpr const char* kGapLimits[] = {"1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s", "more"};
constexpr const char* kSources[] = {"guest", "device", "inferred", "recorder"};

struct Options {
  TraceInput input;
  NamesOptions names;
  uint64_t top = 20;
  uint64_t gap_us = 100;
};

Json to_json(const Options& options, const Statistics& s) {
  Json kinds = Json::object(), spaces = Json::object(), reads = Json::object(), writes = Json::object();
  for (unsigned i = 0; i < s.kinds.size(); ++i) {
    const Statistics::Kind& kind = s.kinds[i];
    if (kind.count == 0) continue;
    kinds[std::string(traces::to_string(static_cast<EventKind>(i)))] = {{"count", kind.count},
                                                                        {"bytes", kind.bytes},
                                                                        {"round_trips_ns", kind.total_ns},
                                                                        {"longest_ns", kind.longest_ns}};
  }
  for (uint32_t i = 0; i < s.space_accesses.size(); ++i) {
    if (s.space_accesses[i] != 0) spaces[traces::space_name(i)] = s.space_accesses[i];
  }
  for (size_t i = 0; i < s.read_widths.size(); ++i) {
    if (s.read_widths[i] != 0) reads[kWidths[i]] = s.read_widths[i];
    if (s.write_widths[i] != 0) writes[kWidths[i]] = s.write_widths[i];
  }
  Json sources = Json::object();
  for (size_t i = 0; i < s.sources.size(); ++i) {
    if (s.sources[i] != 0) sources[kSources[i]] = s.sources[i];
  }
  Json hottest = Json::array();
  for (const traces::HotRegister& r : s.hottest) {
    hottest.push_back({{"device", r.device},
                       {"space", traces::space_name(r.space)},
                       {"offset", r.offset},
                       {"name", r.name},
                       {"reads", r.reads},
                       {"writes", r.writes},
                       {"polls", r.polls},
                       {"longest_poll", r.longest_poll},
                       {"longest_poll_ns", r.longest_poll_ns},
                       {"last_value", r.last_value}});
  }
  Json gap_list = Json::array(), histogram = Json::array(), interrupts = Json::array();
  for (const traces::Gap& gap : s.longest_gaps) gap_list.push_back({{"ns", gap.ns}, {"before_event", gap.event}});
  for (size_t i = 0; i < s.gap_histogram.size(); ++i) {
    histogram.push_back({{"up_to", kGapLimits[i]}, {"count", s.gap_histogram[i]}});
  }
  for (const traces::IrqCount& irq : s.interrupts) {
    interrupts.push_back({{"kind", traces::to_string(static_cast<traces::IrqKind>(std::min<uint32_t>(irq.kind, 4)))},
                          {"vector", irq.vector},
                          {"count", irq.count}});
  }
  return {{"file", options.input.file},
          {"events", s.events},
          {"requests", s.requests},
          {"failed", s.failed},
          {"duration_ns", s.duration_ns()},
          {"kinds", std::move(kinds)},
          {"sources", std::move(sources)},
          {"spaces", std::move(spaces)},
          {"read_widths", std::move(reads)},
          {"write_widths", std::move(writes)},
          {"device_events", s.device_events},
          {"registers_followed", s.registers},
          {"hottest_too_low_by_at_most", s.hot_error_max},
          {"hottest", std::move(hottest)},
          {"polls",
           {{"count", s.polls},
            {"reads", s.poll_reads},
            {"longest", s.longest_poll},
            {"longest_from_event", s.longest_poll_event}}},
          {"gaps",
           {{"longer_than_ns", options.gap_us * 1000},
            {"count", s.gaps},
            {"total_ns", s.gaps_ns},
            {"longest", std::move(gap_list)},
            {"histogram", std::move(histogram)}}},
          {"dma",
           {{"maps", s.maps},
            {"unmaps", s.unmaps},
            {"mapped_bytes_total", s.mapped_bytes_total},
            {"mapped_bytes_peak", s.mapped_bytes_peak},
            {"mappings_peak", s.mappings_peak},
            {"mapped_bytes_at_end", s.mapped_bytes},
            {"mappings_at_end", s.mappings},
            {"complete", s.mappings_complete}}},
          {"interrupts", std::move(interrupts)},
          {"interrupts_other", s.interrupts_other}};
}

void print_text(const Options& options, const Statistics& s, const traces::TraceInfo& info) {
  const Style style(stdout);
  const bool timed = info.clock != traces::Clock::kNone;
  fmt::print("{}: {} events, {} requests{}{}\n", style.strong(options.input.file), with_commas(s.events),
             with_commas(s.requests), s.failed == 0 ? "" : fmt::format(", {} failed", with_commas(s.failed)),
             timed ? ", " + duration_text(s.duration_ns()) : "");
  fmt::print("{}\n", style.strong("kinds"));
  for (unsigned i = 0; i < s.kinds.size(); ++i) {
    const Statistics::Kind& kind = s.kinds[i];
    if (kind.count == 0) continue;
    fmt::print("  {:>14}  {:<18}{:>12}", with_commas(kind.count), traces::to_string(static_cast<EventKind>(i)),
               kind.bytes == 0 ? "" : bytes_text(kind.bytes));
    if (timed && kind.total_ns != 0) {
      fmt::print("  round trips {}, longest {}", duration_text(kind.total_ns), duration_text(kind.longest_ns));
    }
    fmt::print("\n");
  }
  for (const auto& [what, widths] : {std::pair("reads", &s.read_widths), std::pair("writes", &s.write_widths)}) {
    std::string line;
    for (size_t i = 0; i < widths->size(); ++i) {
      if ((*widths)[i] != 0)
        line += fmt::format("{}{} {}", line.empty() ? "" : ", ", with_commas((*widths)[i]), kWidths[i]);
    }
    if (!line.empty()) fmt::print("{} {}\n", style.strong(what), line);
  }
  if (!s.hottest.empty()) {
    fmt::print("{}{}\n", style.strong("hottest registers"),
               s.hot_error_max == 0 ? fmt::format(" of {}", with_commas(s.registers))
                                    : fmt::format(" (there are too many to follow all: counts may be too low by {})",
                                                  with_commas(s.hot_error_max)));
    fmt::print("{}\n", style.faint("           reads        writes      polls    longest  where"));
    for (const traces::HotRegister& r : s.hottest) {
      fmt::print("  {:>14}{:>14}{:>11}{:>11}  {}{}+{:#x}{}\n", with_commas(r.reads), with_commas(r.writes),
                 with_commas(r.polls), with_commas(r.longest_poll),
                 info.devices.size() > 1 ? fmt::format("[{}] ", r.device) : "", traces::space_name(r.space), r.offset,
                 r.name.empty() ? "" : " " + r.name);
    }
  }
  if (s.polls != 0) {
    fmt::print("{} {} with {} reads; the longest has {} and begins at event {}\n", style.strong("polls"),
               with_commas(s.polls), with_commas(s.poll_reads), with_commas(s.longest_poll),
               with_commas(s.longest_poll_event));
  }
  if (timed) {
    fmt::print("{} {} of more than {}, {} together\n", style.strong("gaps"), with_commas(s.gaps),
               duration_text(options.gap_us * 1000), duration_text(s.gaps_ns));
    for (size_t i = 0; i < s.gap_histogram.size(); ++i) {
      if (s.gap_histogram[i] == 0) continue;
      const bool last = i + 1 == s.gap_histogram.size();
      fmt::print("  {:>14}  {}{}\n", with_commas(s.gap_histogram[i]), last ? "" : "up to ", kGapLimits[i]);
    }
    for (size_t i = 0; i < std::min<size_t>(s.longest_gaps.size(), 5); ++i) {
      fmt::print("  {:>14}  before event {}\n", duration_text(s.longest_gaps[i].ns),
                 with_commas(s.longest_gaps[i].event));
    }
  }
  if (s.maps != 0 || s.unmaps != 0) {
    fmt::print("{} {} maps of {}, {} unmaps; at most {} in {} mappings at once, {} in {} at the end{}\n",
               style.strong("DMA"), with_commas(s.maps), bytes_text(s.mapped_bytes_total), with_commas(s.unmaps),
               bytes_text(s.mapped_bytes_peak), with_commas(s.mappings_peak), bytes_text(s.mapped_bytes),
               with_commas(s.mappings), s.mappings_complete ? "" : " (more mappings than are followed)");
  }
  for (const traces::IrqCount& irq : s.interrupts) {
    fmt::print("{} {:>14}  {} vector {}\n", style.strong("IRQ"), with_commas(irq.count),
               traces::to_string(static_cast<traces::IrqKind>(std::min<uint32_t>(irq.kind, 4))), irq.vector);
  }
  if (s.interrupts_other != 0)
    fmt::print("{} {:>14}  of other vectors\n", style.strong("IRQ"), with_commas(s.interrupts_other));
}

ExitCode run(const Options& options) {
  const auto names = load_names(options.names, options.input.file);
  if (!names) return report(names.error());
  auto reader = open_input(options.input);
  if (!reader) return report(reader.error());
  traces::StatisticsOptions limits;
  limits.top = options.top;
  limits.gap_ns = options.gap_us * 1000;
  traces::StatisticsCollector collector(*names ? &**names : nullptr, &(*reader)->info(), limits);
  const auto read = read_all(**reader, options.input, [&](const traces::EventBatch& batch) { collector.add(batch); });
  if (!read) return report(read.error());
  const Statistics statistics = collector.finish();
  warn_about(options.input.file, (*reader)->report(), (*reader)->info());
  if (options.input.json) {
    print_json(to_json(options, statistics));
  } else {
    print_text(options, statistics, (*reader)->info());
  }
  return ExitCode::kOk;
}

}  // namespace

void add_trace_stat(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      trace.add_subcommand("stat", "A trace in numbers: kinds, hottest registers, polls, gaps, DMA");
  add_input(*command, &options->input, "Print one JSON object instead of text");
  add_names(*command, &options->names);
  command->add_option("--top", options->top, "Rows of registers, gaps and interrupts")
      ->transform(whole_number(1, 100'000))
      ->capture_default_str();
  command->add_option("--gap", options->gap_us, "What counts as a gap, in microseconds")
      ->transform(whole_number(0, UINT64_MAX / 1000))
      ->capture_default_str();
  command->footer(
      "A poll is three or more reads of one register with nothing between. A gap is the time from the end of one "
      "event\n"
      "to the begin of the next. Up to 131,072 registers are counted exactly; with more, the least used are dropped "
      "and\n"
      "the report says by how much counts may be too low.\n"
      "Example:\n"
      "  dartboard trace stat boot.dbt --top 5 --json\n\n" +
      std::string(kExitCodeHelp));
  command->callback([options, chosen] { *chosen = [options] { return run(*options); }; });
}

}  // namespace dartboard::cli
