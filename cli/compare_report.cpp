// cli/compare_report.cpp - text, Markdown and JSON of a comparison.
#include "cli/compare_report.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace dartboard::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Column {
  const char* title;
  std::string (*text)(const Figures&);
};

std::string ms(uint64_t ns) {
  return fmt::format("{:.2f}", static_cast<double>(ns) / 1e6);
}
std::string mib(uint64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / static_cast<double>(kMiB));
}

constexpr Column kColumns[] = {
    {"strategy", [](const Figures& f) { return f.strategy; }},
    {"outcome", [](const Figures& f) { return outcome_text(f); }},
    {"peak MiB", [](const Figures& f) { return mib(f.peak_bytes); }},
    {"mappings", [](const Figures& f) { return with_commas(f.peak_mappings); }},
    {"calls", [](const Figures& f) { return with_commas(f.calls); }},
    {"exits", [](const Figures& f) { return with_commas(f.counters.guest_exits); }},
    {"copied MiB", [](const Figures& f) { return mib(f.counters.bytes_copied); }},
    {"refused", [](const Figures& f) { return with_commas(f.run.refused); }},
    {"degraded", [](const Figures& f) { return with_commas(f.counters.degradations); }},
    {"copy ms", [](const Figures& f) { return ms(f.time.copy_ns); }},
    {"exits ms", [](const Figures& f) { return ms(f.time.exits_ns); }},
    {"calls ms", [](const Figures& f) { return ms(f.time.calls_ns); }},
    {"link ms", [](const Figures& f) { return ms(f.time.link_ns); }},
    {"total ms", [](const Figures& f) { return ms(f.time.total_ns()); }},
    {"faults", [](const Figures& f) { return with_commas(f.faults); }},
};
constexpr size_t kMeasuredFrom = 2;  // what a strategy that did not start has no figures for

std::string cell(const Column& column, size_t index, const Figures& f) {
  return f.not_started && index >= kMeasuredFrom ? "-" : column.text(f);
}

std::vector<std::string> details(const Figures& f) {
  std::vector<std::string> out;
  if (f.not_started) out.push_back(f.not_started->sentence);
  if (f.run.stopped) out.push_back(f.run.stopped->sentence);
  if (!f.why_faults.empty()) out.push_back(f.why_faults);
  if (!f.run.first_failed_transfer.empty() && !f.run.stopped) out.push_back(f.run.first_failed_transfer);
  for (const guest::Refusal& refusal : f.run.refusals)
    out.push_back(fmt::format("{} x {}: {}", with_commas(refusal.count), refusal.name, refusal.first));
  for (const guest::LostByte& lost : f.run.first_lost) out.push_back(sentence(lost));
  if (!f.run.first_error.empty()) out.push_back(f.run.first_error);
  if (!f.stop_error.empty()) out.push_back(f.stop_error);
  if (f.left_mappings != 0) out.push_back(fmt::format("{} mappings were left at the mapper", f.left_mappings));
  if (f.run.leaked != 0) out.push_back(fmt::format("{} mappings of the guest were left", f.run.leaked));
  return out;
}

Json to_json(const guest::RunResult& run) {
  Json refusals = Json::array(), lost = Json::array();
  for (const guest::Refusal& r : run.refusals)
    refusals.push_back({{"name", r.name}, {"count", r.count}, {"first", r.first}});
  for (const guest::LostByte& l : run.first_lost) {
    lost.push_back({{"step", l.step},
                    {"gpa", l.gpa.value},
                    {"iova", l.iova.value},
                    {"expected", l.expected},
                    {"got", l.got},
                    {"sentence", sentence(l)}});
  }
  return {{"steps", run.steps},
          {"skipped", run.skipped},
          {"maps", run.maps},
          {"pieces", run.pieces},
          {"transfers", run.transfers},
          {"transfers_failed", run.transfers_failed},
          {"bytes_to_device", run.bytes_to_device},
          {"bytes_from_device", run.bytes_from_device},
          {"refused", run.refused},
          {"refusals", refusals},
          {"errors", run.errors},
          {"lost", run.lost},
          {"first_lost", lost},
          {"leaked", run.leaked}};
}

Json to_json(const Figures& f) {
  Json samples = Json::array();
  for (const MappedSample& s : f.samples) samples.push_back({s.step, s.bytes, s.mappings});
  Json row = {{"strategy", f.strategy}, {"outcome", outcome_text(f)}, {"served", f.served()}};
  if (f.recorded) row["recorded"] = f.recorded->json();
  if (f.not_started) {
    row["not_started"] = {{"name", to_string(f.not_started->name)}, {"sentence", f.not_started->sentence}};
    return row;
  }
  row["peak_bytes"] = f.peak_bytes;
  row["peak_mappings"] = f.peak_mappings;
  row["user_client_calls"] = f.calls;
  row["guest_exits"] = f.counters.guest_exits;
  row["bytes_copied"] = f.counters.bytes_copied;
  row["refusals"] = f.run.refused;
  row["degradations"] = f.counters.degradations;
  row["hits"] = f.counters.hits;
  row["host_maps"] = f.counters.host_maps;
  row["host_unmaps"] = f.counters.host_unmaps;
  row["simulated_ns"] = {{"copy", f.time.copy_ns},
                         {"exits", f.time.exits_ns},
                         {"calls", f.time.calls_ns},
                         {"link", f.time.link_ns},
                         {"total", f.time.total_ns()}};
  row["faults"] = f.faults;
  row["left_mappings"] = f.left_mappings;
  if (f.run.stopped) row["stopped"] = {{"name", to_string(f.run.stopped->name)}, {"sentence", f.run.stopped->sentence}};
  if (!f.why_faults.empty()) row["why_faults"] = f.why_faults;
  row["run"] = to_json(f.run);
  row["samples"] = samples;
  row["trace_hash"] = f.trace_hash;
  row["host_cpu_ns"] = f.host_cpu_ns;
  return row;
}

Json to_json(const sim::Profile& profile) {
  const sim::Timings& t = profile.timings;
  const sim::PortProfile& port = profile.ports.front();
  return {{"name", profile.name},
          {"model", profile.model},
          {"timings",
           {{"user_client_call_ns", t.user_client_call_ns},
            {"map_ns", port.mapper.map_ns},
            {"guest_exit_ns", t.guest_exit_ns},
            {"copy_ns_per_kib", t.copy_ns_per_kib},
            {"dma_ns_per_kib", port.root.dma_ns_per_kib}}},
          {"assumed", t.assumed}};
}

Json to_json(const guest::Workload& w) {
  Json parameters = Json::array();
  for (const guest::Parameter& p : w.parameters) {
    parameters.push_back({{"name", p.name}, {"value", p.value}, {"source", p.source.empty() ? "assumed" : p.source}});
  }
  return {{"name", w.name},
          {"about", w.about},
          {"steps", w.steps.size()},
          {"ram_bytes", w.ram_bytes},
          {"parameters", parameters}};
}

template <class T, class F>
std::vector<const T*> distinct(const std::vector<Comparison>& all, F&& of) {
  std::vector<const T*> out;
  for (const Comparison& c : all) {
    const T* const one = of(c);
    if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
  }
  return out;
}

}  // namespace

std::string outcome_text(const Figures& f) {
  if (f.not_started) return "refused";
  if (f.run.stopped) return f.run.stopped->name == ErrorName::kHostPanic ? "host panic" : "stopped";
  if (f.run.lost != 0) return "wrong bytes";
  if (f.faults != 0 || f.run.transfers_failed != 0) return "faults";
  if (!f.served()) return f.run.refused != 0 && f.run.clean() ? "in part" : "errors";
  return "served";
}

std::vector<std::string> timing_notes(const sim::Profile& profile) {
  const sim::PortProfile& port = profile.ports.front();
  const auto note = [&](const char* name, const std::string& text) {
    const auto& assumed = profile.timings.assumed;
    return std::find(assumed.begin(), assumed.end(), name) != assumed.end() ? text + " (assumed)" : text;
  };
  return {note("user-client-call-ns",
               fmt::format("a user-client call {}", duration_text(profile.timings.user_client_call_ns))),
          note("map-ns", fmt::format("one map or unmap {}", duration_text(port.mapper.map_ns))),
          note("guest-exit-ns", fmt::format("a guest exit {}", duration_text(profile.timings.guest_exit_ns))),
          note("copy-ns-per-kib", fmt::format("copying 1 KiB {}", duration_text(profile.timings.copy_ns_per_kib))),
          note("dma-ns-per-kib", fmt::format("1 KiB on the link {}", duration_text(port.root.dma_ns_per_kib)))};
}

void print_text(const std::vector<Comparison>& all, std::FILE* out) {
  const Style style(out);
  const sim::Profile* profile = nullptr;
  for (const Comparison& c : all) {
    if (c.profile != profile) {
      profile = c.profile;
      fmt::print(out, "{}  {}\n", style.strong(profile->name), profile->model);
      fmt::print(out, "{}\n", style.faint(fmt::format("  {}", fmt::join(timing_notes(*profile), ", "))));
    }
    fmt::print(out, "\n{}  {}\n", style.strong(c.workload->name), c.workload->about);
    std::vector<size_t> widths;
    for (size_t i = 0; i < std::size(kColumns); ++i) {
      size_t width = std::string_view(kColumns[i].title).size();
      for (const Figures& row : c.rows) width = std::max(width, cell(kColumns[i], i, row).size());
      widths.push_back(width);
    }
    const auto line = [&](auto&& text_of) {
      std::string text;
      for (size_t i = 0; i < std::size(kColumns); ++i) {
        text += i < kMeasuredFrom ? fmt::format("  {:<{}}", text_of(i), widths[i])
                                  : fmt::format("  {:>{}}", text_of(i), widths[i]);
      }
      return text;
    };
    fmt::print(out, "{}{}\n", style.faint(line([](size_t i) { return std::string(kColumns[i].title); })),
               style.faint("  host CPU"));
    for (const Figures& row : c.rows) {
      const std::string text = line([&](size_t i) { return cell(kColumns[i], i, row); });
      fmt::print(out, "{}{}\n", row.served() ? text : style.note(text),
                 row.not_started ? "" : style.faint("  " + duration_text(row.host_cpu_ns)));
    }
    for (const Figures& row : c.rows) {
      for (const std::string& detail : details(row))
        fmt::print(out, "    {}\n", style.faint(fmt::format("{}: {}", row.strategy, detail)));
    }
    fmt::print(out, "  {}\n", c.advice);
    std::vector<std::string> assumed;
    for (const guest::Parameter& p : c.workload->parameters) {
      if (p.source.empty()) assumed.push_back(fmt::format("{} {}", p.name, p.value));
    }
    if (!assumed.empty()) fmt::print(out, "  {}\n", style.faint(fmt::format("assumed: {}", fmt::join(assumed, "; "))));
  }
}

std::string to_json(const std::vector<Comparison>& all, const ComparisonOptions& options) {
  Json profiles = Json::array(), workloads = Json::array(), comparisons = Json::array();
  for (const auto* profile : distinct<sim::Profile>(all, [](const Comparison& c) { return c.profile; }))
    profiles.push_back(to_json(*profile));
  for (const auto* workload : distinct<guest::Workload>(all, [](const Comparison& c) { return c.workload; }))
    workloads.push_back(to_json(*workload));
  for (const Comparison& c : all) {
    Json rows = Json::array();
    for (const Figures& row : c.rows) rows.push_back(to_json(row));
    comparisons.push_back(
        {{"profile", c.profile->name}, {"workload", c.workload->name}, {"advice", c.advice}, {"rows", rows}});
  }
  const Json whole = {{"guest_bytes", options.guest_bytes},
                      {"pool_bytes", options.pool_bytes},
                      {"window_bytes", options.window_bytes},
                      {"run_pages", options.run_pages},
                      {"seed", options.seed},
                      {"profiles", profiles},
                      {"workloads", workloads},
                      {"comparisons", comparisons}};
  return whole.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string to_markdown(const std::vector<Comparison>& all) {
  std::string out;
  const sim::Profile* profile = nullptr;
  for (const Comparison& c : all) {
    if (c.profile != profile) {
      profile = c.profile;
      out += fmt::format("### {}\n\n{}. Times: {}.\n\n", profile->name, profile->model,
                         fmt::join(timing_notes(*profile), ", "));
    }
    out += fmt::format("**{}**: {}\n\n|", c.workload->name, c.workload->about);
    for (const Column& column : kColumns) out += fmt::format(" {} |", column.title);
    out += "\n|";
    for (size_t i = 0; i < std::size(kColumns); ++i) out += i < kMeasuredFrom ? "---|" : "---:|";
    out += '\n';
    for (const Figures& row : c.rows) {
      out += '|';
      for (size_t i = 0; i < std::size(kColumns); ++i) out += fmt::format(" {} |", cell(kColumns[i], i, row));
      out += '\n';
    }
    out += fmt::format("\n{}\n\n", c.advice);
  }
  return out;
}

}  // namespace dartboard::cli
