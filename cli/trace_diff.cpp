// cli/trace_diff.cpp - `dartboard trace diff`: what differs between two traces.
#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/trace_common.h"
#include "cli/whole_number.h"
#include "traces/tools/diff.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;
using traces::Difference;
using traces::DifferenceKind;
using traces::DiffItem;
using traces::DiffSummary;

constexpr uint64_t kTextMax = 20, kJsonMax = 1000;

struct Options {
  TraceInput a;
  std::string b, b_from;
  NamesOptions names;
  std::vector<std::string> ignore;
  bool times = false, rebase = false;
  uint64_t window = 65'536;
  uint64_t max = 0;  ///< 0: kTextMax or kJsonMax
  bool all = false;
};

std::string value_text(const DiffItem& item) {
  if (item.failed) return "failure";
  if (!item.value) return "";
  const uint64_t digits = 2 * std::clamp<uint64_t>(item.event.length, 1, 8);
  return fmt::format("0x{:0{}x}", *item.value, digits);
}

/// "mmio-read BAR5+0x58a68 SMU_STATUS => 0x00000001"
std::string event_text(const DiffItem& item, const traces::RegisterNames* names) {
  std::string out(traces::to_string(item.event.kind));
  const std::string place = place_text(item.event, item.named, names);
  if (!place.empty()) out += " " + place;
  const std::string value = value_text(item);
  const bool is_read = traces::direction_of(item.event.kind) == traces::Direction::kRead;
  const bool is_access = is_read || traces::direction_of(item.event.kind) == traces::Direction::kWrite;
  if (!value.empty() && is_access) out += (is_read ? " => " : " <= ") + value;
  if (value.empty() && item.event.length > 8) out += fmt::format(" ({} bytes)", with_commas(item.event.length));
  return out;
}

std::string numbers_text(const char* side, uint64_t first, uint64_t count) {
  return count == 1 ? fmt::format("{}#{}", side, first) : fmt::format("{}#{}..{}", side, first, first + count - 1);
}

std::string more_text(uint64_t count) {
  return count == 1 ? "" : fmt::format(", and {} more that follow", with_commas(count - 1));
}

void print_difference(const Style& style, const Difference& d, const traces::RegisterNames* names) {
  const std::string a = numbers_text("A", d.a_first, d.a_count), b = numbers_text("B", d.b_first, d.b_count);
  switch (d.kind) {
    case DifferenceKind::kChanged: {
      const std::string in_b = value_text(d.b);
      fmt::print("{}   {} {}: {}; in B {}\n", style.note("changed"), a, b, event_text(d.a, names),
                 in_b.empty() || in_b == value_text(d.a) ? "another payload or result" : in_b);
      break;
    }
    case DifferenceKind::kDeleted:
      fmt::print("{}    {} (before B#{}): {}{}\n", style.bad("only A"), a, d.b_first, event_text(d.a, names),
                 more_text(d.a_count));
      break;
    case DifferenceKind::kInserted:
      fmt::print("{}    {} (before A#{}): {}{}\n", style.good("only B"), b, d.a_first, event_text(d.b, names),
                 more_text(d.b_count));
      break;
    case DifferenceKind::kMoved:
      fmt::print("{}     {} {}: {}{}\n", style.note("moved"), a, b, event_text(d.a, names), more_text(d.a_count));
      break;
    case DifferenceKind::kCount: {
      const bool more_in_a = d.a_count != 0;
      const uint64_t count = std::max(d.a_count, d.b_count);
      fmt::print("{}     {} {}: {} {} in {} ({}: {})\n", style.note("count"), fmt::format("A#{}", d.a_first),
                 fmt::format("B#{}", d.b_first), with_commas(count), count == 1 ? "time more" : "times more",
                 more_in_a ? "A" : "B", more_in_a ? a : b, event_text(more_in_a ? d.a : d.b, names));
      break;
    }
  }
}

Json side_json(uint64_t first, uint64_t count, const DiffItem& item, const traces::RegisterNames* names) {
  Json json = {{"event", first}, {"count", count}};
  if (count == 0) return json;
  json["kind"] = traces::to_string(item.event.kind);
  json["device"] = item.event.device;
  json["place"] = place_text(item.event, item.named, names);
  json["address"] = item.event.address;
  json["length"] = item.event.length;
  if (item.named) json["name"] = item.named.text();
  if (item.value) json["value"] = *item.value;
  if (item.failed) json["failed"] = true;
  json["time_ns"] = item.event.time_ns;
  return json;
}

/// Sentences about what the traces say about themselves; they do not count as differences.
std::vector<std::string> compare_info(const traces::TraceInfo& a, const traces::TraceInfo& b) {
  std::vector<std::string> notes;
  if (a.devices.size() != b.devices.size()) {
    notes.push_back(fmt::format("A is of {} devices, B of {}", a.devices.size(), b.devices.size()));
  }
  for (size_t i = 0; i < std::min(a.devices.size(), b.devices.size()); ++i) {
    const traces::DeviceDescription &x = a.devices[i].description, &y = b.devices[i].description;
    if (x.vendor_id != y.vendor_id || x.device_id != y.device_id) {
      notes.push_back(fmt::format("device [{}] is {:04x}:{:04x} in A and {:04x}:{:04x} in B", i, x.vendor_id,
                                  x.device_id, y.vendor_id, y.device_id));
      continue;  // of another device everything may differ
    }
    for (size_t bar = 0; bar < x.bars.size(); ++bar) {
      if (x.bars[bar].size == y.bars[bar].size) continue;
      notes.push_back(fmt::format("BAR{} of device [{}] has {} in A and {} in B", bar, i, bytes_text(x.bars[bar].size),
                                  bytes_text(y.bars[bar].size)));
    }
  }
  if (a.payloads != b.payloads) {
    const bool none = std::max(a.payloads, b.payloads) == traces::PayloadPolicy::kNone;
    notes.push_back(fmt::format(
        "payloads are kept as {} in A and as {} in B: {}", traces::to_string(a.payloads), traces::to_string(b.payloads),
        none ? "those of more than 8 bytes count as equal" : "they are compared by their hash"));
  }
  if (a.lossy || b.lossy)
    notes.push_back(fmt::format("{} misses events", a.lossy ? b.lossy ? "each trace" : "A" : "B"));
  return notes;
}

ExitCode run(const Options& options) {
  const auto names = load_names(options.names, options.a.file);
  if (!names) return report(names.error());
  const traces::RegisterNames* const known = *names ? &**names : nullptr;
  if (!options.ignore.empty() && known == nullptr) {
    return report({ErrorName::kBadArgument, io_return::kSuccess,
                   "--ignore-values takes names of registers, and there are none: give --names FILE.names.json"});
  }
  auto a = open_input(options.a);
  if (!a) return report(a.error());
  TraceInput input_b = options.a;
  input_b.file = options.b;
  if (!options.b_from.empty()) input_b.from = options.b_from;
  auto b = open_input(input_b);
  if (!b) return report(b.error());

  traces::DiffOptions how;
  how.items.times = options.times;
  how.items.rebase = options.rebase;
  how.items.names = known;
  how.items.ignore_values = options.ignore;
  how.window_events = options.window;
  const Style style(stdout);
  const uint64_t max = options.all ? UINT64_MAX : options.max != 0 ? options.max : options.a.json ? kJsonMax : kTextMax;
  uint64_t found = 0;
  Json shown = Json::array();
  Result<DiffSummary> summary;
  {
    EventProgress progress("comparing", options.a.quiet || (is_terminal(stdout) && !options.a.json));
    summary = traces::diff(
        **a, **b, how,
        [&](const Difference& difference) {
          if (++found > max) return;
          if (!options.a.json) return print_difference(style, difference, known);
          shown.push_back({{"kind", traces::to_string(difference.kind)},
                           {"a", side_json(difference.a_first, difference.a_count, difference.a, known)},
                           {"b", side_json(difference.b_first, difference.b_count, difference.b, known)}});
        },
        [&](uint64_t events) { progress.update(events); });
  }
  if (!summary) return report(summary.error());
  warn_about(options.a.file, (*a)->report(), {});
  warn_about(options.b, (*b)->report(), {});
  auto notes = compare_info((*a)->info(), (*b)->info());
  if (!summary->mappings_complete) {
    notes.push_back("not every mapping could be followed for --rebase: some addresses were compared as they are");
  }
  if (options.a.json) {
    Json counts = Json::object();
    for (unsigned i = 0; i < traces::kDifferenceKindCount; ++i) {
      counts[std::string(traces::to_string(static_cast<DifferenceKind>(i)))] = {
          {"differences", summary->differences[i]}, {"events", summary->events[i]}};
    }
    print_json({{"a", options.a.file},
                {"b", options.b},
                {"a_events", summary->a_events},
                {"b_events", summary->b_events},
                {"same", summary->same},
                {"differences", summary->total()},
                {"kinds", std::move(counts)},
                {"notes", notes},
                {"shown", std::move(shown)}});
  } else {
    if (found > max) fmt::print("... and {} differences more; --all shows them\n", with_commas(found - max));
    for (const std::string& note : notes) fmt::print("{} {}\n", style.note("note:"), note);
    std::string by_kind;
    constexpr const char* kWords[] = {"changed", "only in A", "only in B", "moved", "count"};
    for (unsigned i = 0; i < traces::kDifferenceKindCount; ++i) {
      if (summary->differences[i] == 0) continue;
      by_kind += fmt::format("{}{} {}", by_kind.empty() ? ": " : ", ", with_commas(summary->differences[i]), kWords[i]);
    }
    const uint64_t total = summary->total();
    fmt::print("{}{}; A has {} events, B {}, {} agree\n",
               total == 0 ? style.good("no difference")
                          : style.bad(with_commas(total) + (total == 1 ? " difference" : " differences")),
               by_kind, with_commas(summary->a_events), with_commas(summary->b_events), with_commas(summary->same));
  }
  return summary->total() == 0 ? ExitCode::kOk : ExitCode::kDivergence;
}

}  // namespace

void add_trace_diff(CLI::App& trace, std::function<ExitCode()>* chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      trace.add_subcommand("diff", "Compare two traces: values, order, counts, events that only one has");
  add_input(*command, &options->a, "Print one JSON object instead of text");
  command->add_option("OTHER", options->b, "The trace to compare it with")->required();
  command->add_option("--other-from", options->b_from, "The format of OTHER, if it is not that of --from");
  add_names(*command, &options->names);
  command->add_option("--ignore-values", options->ignore, "Registers by name whose values are noise: '*_COUNTER'");
  command->add_flag("--times", options->times, "Times since the first event count too");
  command->add_flag("--rebase", options->rebase,
                    "Bus addresses that were handed out are equal when they are at the same place of their mapping");
  command->add_option("--window", options->window, "Events to hold of each trace where they part")
      ->transform(whole_number(64, uint64_t{1} << 20))
      ->capture_default_str();
  auto* const max = command->add_option("--max", options->max, "Differences to show (20, or 1000 with --json)")
                        ->transform(whole_number());
  command->add_flag("--all", options->all, "Show all differences")->excludes(max);
  command->footer(
      "FILE is A and OTHER is B. Times and round trips do not count. An event on one side only that turns up on the "
      "other\n"
      "within 4,096 events has moved; one that repeats the event before it more often on one side is a count. A "
      "stretch\n"
      "of more events than --window that only one side has cannot be stepped over. Exit code 1 on a difference.\n"
      "--rebase knows addresses in aligned 64-bit words and in values; a mapping is known by its size and how many of\n"
      "that size came before. Halves of an address in two 32-bit registers are compared as they are.\n"
      "Examples:\n"
      "  dartboard trace diff good.dbt bad.dbt\n"
      "  dartboard trace diff mac.dbt linux.dbt --rebase --ignore-values 'TIMER*' --json\n\n" +
      std::string(kExitCodeHelp));
  command->callback([options, chosen] { *chosen = [options] { return run(*options); }; });
}

}  // namespace dartboard::cli
