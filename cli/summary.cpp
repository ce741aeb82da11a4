// cli/summary.cpp - see summary.h.
#include "cli/summary.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;

uint64_t per_second(uint64_t count, uint64_t ns) {
  return ns == 0 ? 0 : static_cast<uint64_t>(static_cast<double>(count) * 1e9 / static_cast<double>(ns));
}

std::string device_text(const traces::DeviceDescription& device) {
  std::string out = fmt::format("{} ({:04x}:{:04x})", device.name, device.vendor_id, device.device_id);
  for (unsigned i = 0; i < device.bars.size(); ++i) {
    const traces::BarDescription& bar = device.bars[i];
    if (bar.kind == traces::BarKind::kAbsent) continue;
    out += fmt::format(", BAR{} {} {}", i, bytes_text(bar.size),
                       bar.kind == traces::BarKind::kMemory ? "memory" : "registers");
  }
  return out;
}

class TextWriter {
 public:
  explicit TextWriter(std::FILE* out) : out_(out), style_(out) {}
  void line(std::string_view name, const std::string& value) { fmt::print(out_, "  {:<20}{}\n", name, value); }
  void list(std::string_view name, const std::string& total,
            const std::vector<std::pair<std::string, uint64_t>>& parts) {
    line(name, total);
    for (const auto& [part, count] : parts) fmt::print(out_, "    {:<24}{:>12}\n", part, with_commas(count));
  }
  const Style& style() const { return style_; }

 private:
  std::FILE* out_;
  Style style_;
};

Json to_object(const std::vector<std::pair<std::string, uint64_t>>& parts) {
  Json out = Json::object();
  for (const auto& [name, count] : parts) out[name] = count;
  return out;
}

Json to_array(const std::vector<std::string>& items) {
  Json out = Json::array();
  for (const auto& item : items) out.push_back(item);
  return out;
}

constexpr size_t kShown = 10;

std::string place_text(const traces::RebasedPlace& p) {
  return fmt::format("request {}: {} {}+0x{:x}: 0x{:x} -> 0x{:x} ({})", p.request, to_string(p.kind), p.target,
                     p.offset, p.old_value, p.new_value, to_string(p.form));
}

std::string wait_text(const traces::Wait& w) {
  const std::string where = fmt::format("{} {}+0x{:x}", to_string(w.kind), w.target, w.address);
  const std::string end = w.polls > 1 ? fmt::format("0x{:x} -> 0x{:x}", w.from_value, w.to_value) : "";
  return fmt::format("requests {} to {}: {}, {} read{}, {}{}{}", w.first_request, w.last_request, where, w.polls,
                     w.polls == 1 ? "" : "s", duration_text(w.recorded_ns), end.empty() ? "" : ", " + end,
                     w.end == traces::WaitEnd::kValue ? "" : fmt::format(", ended by {}", to_string(w.end)));
}

/// What a plain replay has nothing of is left out.
void print_details(const TextWriter& writer, const ReplaySummary& s, std::FILE* out) {
  TextWriter text = writer;
  const traces::ReplayReport& r = s.report;
  const auto more = [out](uint64_t all, size_t shown) {
    if (all > shown) fmt::print(out, "    and {} more\n", with_commas(all - shown));
  };
  if (r.policy_differences != 0) {
    text.line("by policy", fmt::format("{} differences of {} fields of configuration space",
                                       with_commas(r.policy_differences), r.policy.size()));
    for (const traces::PolicyDifference& d : r.policy) {
      fmt::print(out, "    0x{:03x} {}: {} times, expected 0x{:x}, got 0x{:x}\n      {}\n", d.offset, d.field, d.count,
                 d.expected, d.got, d.reason);
    }
  }
  if (r.interrupts.recorded != 0) {
    text.line("interrupts",
              fmt::format("{} recorded, {} sent, {} delivered, {} held back by the guest's masks, {} refused{}",
                          with_commas(r.interrupts.recorded), with_commas(r.interrupts.sent),
                          with_commas(r.interrupts.delivered), with_commas(r.interrupts.held_back()),
                          with_commas(r.interrupts.refused),
                          r.interrupts.first_refusal.empty() ? "" : ": " + r.interrupts.first_refusal));
  }
  if (r.waits.waits != 0) {
    text.line("waits", fmt::format("{} in the recording, {} reads, {}", with_commas(r.waits.waits),
                                   with_commas(r.waits.polls), duration_text(r.waits.recorded_ns)));
    const size_t shown = std::min(r.waits.first.size(), kShown);
    for (size_t i = 0; i < shown; ++i) fmt::print(out, "    {}\n", wait_text(r.waits.first[i]));
    more(r.waits.waits, shown);
  }
  if (r.gap_ns != 0) text.line("gaps", duration_text(r.gap_ns) + " passed between requests");
  if (s.mode == "registers") {
    std::string classes;
    for (size_t i = 0; i < s.register_classes.size(); ++i) {
      classes += fmt::format("{}{} {}", i == 0 ? "" : ", ", with_commas(s.register_classes[i]),
                             to_string(static_cast<traces::RegisterClass>(i)));
    }
    text.line("registers", classes);
  }
  if (s.iova == "rebase") {
    text.line("rebased",
              fmt::format("{} places in {} handed out, {} reads returned them; {} places may be addresses and "
                          "were left alone",
                          with_commas(r.rebase.rewritten()), with_commas(r.rebase.ranges),
                          with_commas(r.rebase.reads_rebased), with_commas(r.rebase.reported())));
    for (const auto* list : {&r.rebase.first, &r.rebase.first_reported}) {
      const size_t shown = std::min(list->size(), kShown);
      for (size_t i = 0; i < shown; ++i) fmt::print(out, "    {}\n", place_text((*list)[i]));
      more(list == &r.rebase.first ? r.rebase.rewritten() : r.rebase.reported(), shown);
    }
  }
  if (r.compared_by_hash != 0) text.line("by hash", with_commas(r.compared_by_hash) + " reads compared by their hash");
  if (r.bytes_not_kept != 0) {
    text.line("not kept", with_commas(r.bytes_not_kept) + " reads whose bytes the recording does not have");
  }
}

Json to_json(const std::vector<traces::RebasedPlace>& places) {
  Json out = Json::array();
  for (const traces::RebasedPlace& p : places) {
    out.push_back({{"request", p.request},
                   {"kind", to_string(p.kind)},
                   {"target", p.target},
                   {"offset", p.offset},
                   {"old", p.old_value},
                   {"new", p.new_value},
                   {"form", to_string(p.form)}});
  }
  return out;
}

void add_details(Json* json, const ReplaySummary& s) {
  Json& out = *json;
  const traces::ReplayReport& r = s.report;
  out["chosen"] = s.chosen.empty() ? Json() : Json(s.chosen);
  out["mode"] = s.mode;
  out["gap"] = s.gap;
  out["iova"] = s.iova;
  out["ended_by"] = r.ended_by.empty() ? Json() : Json(r.ended_by);
  out["not_compared"] = r.not_compared;
  out["differences_before_from"] = r.differences_before_from;
  out["differences_by_policy"] = r.policy_differences;
  Json policy = Json::array();
  for (const traces::PolicyDifference& d : r.policy) {
    policy.push_back({{"offset", d.offset},
                      {"field", d.field},
                      {"reason", d.reason},
                      {"count", d.count},
                      {"first_request", d.first_request},
                      {"expected", d.expected},
                      {"got", d.got}});
  }
  out["policy_fields"] = std::move(policy);
  out["interrupts"] = {{"recorded", r.interrupts.recorded},
                       {"sent", r.interrupts.sent},
                       {"delivered", r.interrupts.delivered},
                       {"held_back", r.interrupts.held_back()},
                       {"refused", r.interrupts.refused},
                       {"inferred", false},
                       {"first_refusal", r.interrupts.first_refusal}};
  out["device_events"] = {{"dma_writes", r.device_dma_writes},
                          {"memory_changes", r.device_memory_changes},
                          {"config_changes", r.device_config_changes}};
  Json waits = Json::array();
  for (const traces::Wait& w : r.waits.first) {
    waits.push_back({{"kind", to_string(w.kind)},
                     {"target", w.target},
                     {"offset", w.address},
                     {"length", w.length},
                     {"first_request", w.first_request},
                     {"last_request", w.last_request},
                     {"polls", w.polls},
                     {"recorded_ns", w.recorded_ns},
                     {"from", w.from_value},
                     {"to", w.to_value},
                     {"ended_by", to_string(w.end)}});
  }
  out["waits"] = {{"count", r.waits.waits},
                  {"polls", r.waits.polls},
                  {"recorded_ns", r.waits.recorded_ns},
                  {"polls_without_change", r.waits.polls_unended},
                  {"first", std::move(waits)}};
  out["gap_ns"] = r.gap_ns;
  if (s.mode == "registers") {
    Json registers = Json::array();
    for (const auto& e : s.registers) {
      registers.push_back({{"bar", e.bar},
                           {"offset", e.offset},
                           {"width", e.width},
                           {"class", to_string(e.register_class)},
                           {"reads", e.reads},
                           {"writes", e.writes},
                           {"values", e.values}});
    }
    Json classes = Json::object();
    for (size_t i = 0; i < s.register_classes.size(); ++i) {
      classes[std::string(to_string(static_cast<traces::RegisterClass>(i)))] = s.register_classes[i];
    }
    out["register_classes"] = std::move(classes);
    out["registers"] = std::move(registers);
  }
  if (s.iova == "rebase") {
    Json forms = Json::object();
    for (unsigned i = 0; i < traces::kAddressFormCount; ++i) {
      forms[std::string(to_string(static_cast<traces::AddressForm>(i)))] = r.rebase.places[i];
    }
    out["rebase"] = {{"ranges", r.rebase.ranges},
                     {"rewritten", r.rebase.rewritten()},
                     {"reported", r.rebase.reported()},
                     {"forms", std::move(forms)},
                     {"reads_rebased", r.rebase.reads_rebased},
                     {"first", to_json(r.rebase.first)},
                     {"first_reported", to_json(r.rebase.first_reported)}};
  }
  out["compared_by_hash"] = r.compared_by_hash;
  out["bytes_not_kept"] = r.bytes_not_kept;
}

}  // namespace

void print_text(const ReplaySummary& s, std::FILE* out) {
  TextWriter text(out);
  const Style& style = text.style();
  const WorldCounters& c = s.counters;
  fmt::print(out, "{}\n", style.strong("replay of " + s.origin));
  text.line("device", device_text(s.description));
  if (!s.chosen.empty()) text.line("device of the trace", s.chosen);
  if (!s.device_session.empty()) text.line("device side from", s.device_session);
  if (!s.device.empty()) text.line("answered by", s.device);
  text.line("world", fmt::format("{} ({})", s.world, s.world_description));
  if (s.mode != "strict" || s.gap != "none" || s.iova != "recorded") {
    text.line("replayed with", fmt::format("--mode {} --gap {} --iova {}", s.mode, s.gap, s.iova));
  }
  std::string requests = with_commas(s.report.requests);
  if (s.requests_recorded && *s.requests_recorded != s.report.requests) {
    requests += " of " + with_commas(*s.requests_recorded);
  }
  if (!s.report.ended_by.empty()) requests += fmt::format(" (ended by {})", s.report.ended_by);
  text.line("requests", requests);
  if (s.report.not_compared != 0) {
    text.line("not compared",
              fmt::format("{} before --from ({} came out differently)", with_commas(s.report.not_compared),
                          with_commas(s.report.differences_before_from)));
  }
  text.line("divergences", s.report.divergences == 0 ? style.good("0") : style.bad(with_commas(s.report.divergences)));
  for (const traces::Divergence& d : s.report.first) {
    fmt::print(out, "    request {} ({})\n      expected  {}\n      got       {}\n", d.index, to_string(d.layer),
               d.expected, d.got);
  }
  if (s.report.divergences > s.report.first.size()) {
    fmt::print(out, "    and {} more\n", with_commas(s.report.divergences - s.report.first.size()));
  }
  print_details(text, s, out);
  if (!c.trace_hash.empty()) {
    text.list("user-client calls", fmt::format("{} ({} failed)", with_commas(c.calls), with_commas(c.calls_failed)),
              c.calls_by_selector);
    text.list("TLPs",
              fmt::format("{} ({} packets, {} failed)", with_commas(c.tlps), with_commas(c.packets),
                          with_commas(c.tlps_failed)),
              c.tlps_by_kind);
    std::string dart = fmt::format("{} walks, {} TLB hits, {} faults", with_commas(c.dart_walks),
                                   with_commas(c.tlb_hits), with_commas(c.faults));
    if (c.dart_events != 0) dart += fmt::format(", {} told to the driver", with_commas(c.dart_events));
    text.line("DART", dart);
    text.line("mapped",
              fmt::format("{} in {} mappings now, {} in {} at the peak", bytes_text(c.mapped_bytes),
                          with_commas(c.mappings), bytes_text(c.mapped_bytes_peak), with_commas(c.mappings_peak)));
    text.line("simulated time", duration_text(c.simulated_ns));
  }
  text.line("wall time", fmt::format("{} ({} requests/s, {} events/s); reading the file took {}",
                                     duration_text(s.wall_ns), with_commas(per_second(s.report.requests, s.wall_ns)),
                                     with_commas(per_second(c.events, s.wall_ns)), duration_text(s.reading_ns)));
  if (!c.trace_hash.empty()) text.line("trace hash", c.trace_hash);
  for (const std::string& note : s.notes) text.line("note", style.note(note));
  if (s.recorded) fmt::print(out, "  {}\n", s.recorded->line());
  if (s.panic) text.line("panic", style.bad(s.panic->sentence));
}

std::string to_json(const ReplaySummary& s) {
  const WorldCounters& c = s.counters;
  Json out;
  out["session"] = s.origin;
  out["device"] = s.description.name;
  out["device_session"] = s.device_session.empty() ? Json() : Json(s.device_session);
  out["answered_by"] = s.device.empty() ? Json() : Json(s.device);
  out["world"] = s.world;
  out["requests"] = s.report.requests;
  out["requests_recorded"] = s.requests_recorded ? Json(*s.requests_recorded) : Json();
  out["divergences"] = s.report.divergences;
  Json first = Json::array();
  for (const traces::Divergence& d : s.report.first) {
    first.push_back({{"index", d.index}, {"layer", to_string(d.layer)}, {"expected", d.expected}, {"got", d.got}});
  }
  out["first_divergences"] = std::move(first);
  out["user_client_calls"] = to_object(c.calls_by_selector);
  out["user_client_calls_failed"] = c.calls_failed;
  out["tlps"] = to_object(c.tlps_by_kind);
  out["tlp_packets"] = c.packets;
  out["tlps_failed"] = c.tlps_failed;
  out["dart_walks"] = c.dart_walks;
  out["tlb_hits"] = c.tlb_hits;
  out["faults"] = c.faults;
  out["dart_events"] = c.dart_events;
  out["mapped_bytes"] = c.mapped_bytes;
  out["mapped_bytes_peak"] = c.mapped_bytes_peak;
  out["mappings"] = c.mappings;
  out["mappings_peak"] = c.mappings_peak;
  out["simulated_ns"] = c.simulated_ns;
  out["wall_ns"] = s.wall_ns;
  out["reading_ns"] = s.reading_ns;
  out["requests_per_s"] = per_second(s.report.requests, s.wall_ns);
  out["events"] = c.events;
  out["events_per_s"] = per_second(c.events, s.wall_ns);
  out["trace_hash"] = c.trace_hash;
  out["notes"] = to_array(s.notes);
  out["panic"] = s.panic ? Json(s.panic->sentence) : Json();
  out["stopped"] = s.report.stopped ? Json(s.report.stopped->sentence) : Json();
  add_details(&out, s);
  if (s.recorded) out["recorded"] = s.recorded->json();
  // Text of the file may be anything: what is not UTF-8 is replaced, not thrown.
  return out.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace dartboard::cli
