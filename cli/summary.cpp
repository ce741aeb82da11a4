// cli/summary.cpp - see summary.h.
#include "cli/summary.h"

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

}  // namespace

void print_text(const ReplaySummary& s, std::FILE* out) {
  TextWriter text(out);
  const Style& style = text.style();
  const WorldCounters& c = s.counters;
  fmt::print(out, "{}\n", style.strong("replay of " + s.session->origin));
  text.line("device", device_text(s.session->device));
  if (!s.device_session.empty()) text.line("device side from", s.device_session);
  if (!s.device.empty()) text.line("answered by", s.device);
  text.line("world", fmt::format("{} ({})", s.world, s.world_description));
  text.line("requests",
            s.report.requests == s.session->requests
                ? with_commas(s.report.requests)
                : fmt::format("{} of {}", with_commas(s.report.requests), with_commas(s.session->requests)));
  text.line("divergences", s.report.divergences == 0 ? style.good("0") : style.bad(with_commas(s.report.divergences)));
  for (const traces::Divergence& d : s.report.first) {
    fmt::print(out, "    request {} ({})\n      expected  {}\n      got       {}\n", d.index, to_string(d.layer),
               d.expected, d.got);
  }
  if (s.report.divergences > s.report.first.size()) {
    fmt::print(out, "    and {} more\n", with_commas(s.report.divergences - s.report.first.size()));
  }
  if (!c.trace_hash.empty()) {
    text.list("user-client calls", fmt::format("{} ({} failed)", with_commas(c.calls), with_commas(c.calls_failed)),
              c.calls_by_selector);
    text.list("TLPs",
              fmt::format("{} ({} packets, {} failed)", with_commas(c.tlps), with_commas(c.packets),
                          with_commas(c.tlps_failed)),
              c.tlps_by_kind);
    text.line("DART", fmt::format("{} walks, {} TLB hits, {} faults", with_commas(c.dart_walks),
                                  with_commas(c.tlb_hits), with_commas(c.faults)));
    text.line("mapped",
              fmt::format("{} in {} mappings now, {} in {} at the peak", bytes_text(c.mapped_bytes),
                          with_commas(c.mappings), bytes_text(c.mapped_bytes_peak), with_commas(c.mappings_peak)));
    text.line("simulated time", duration_text(c.simulated_ns));
  }
  text.line("wall time", fmt::format("{} ({} requests/s, {} events/s); reading the file took {}",
                                     duration_text(s.wall_ns), with_commas(per_second(s.report.requests, s.wall_ns)),
                                     with_commas(per_second(c.events, s.wall_ns)), duration_text(s.reading_ns)));
  if (!c.trace_hash.empty()) text.line("trace hash", c.trace_hash);
  for (const std::string& note : s.session->device.notes) text.line("note", style.note(note));
  if (s.recorded) fmt::print(out, "  {}\n", s.recorded->line());
  if (s.panic) text.line("panic", style.bad(s.panic->sentence));
}

std::string to_json(const ReplaySummary& s) {
  const WorldCounters& c = s.counters;
  Json out;
  out["session"] = s.session->origin;
  out["device"] = s.session->device.name;
  out["device_session"] = s.device_session.empty() ? Json() : Json(s.device_session);
  out["answered_by"] = s.device.empty() ? Json() : Json(s.device);
  out["world"] = s.world;
  out["requests"] = s.report.requests;
  out["requests_recorded"] = s.session->requests;
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
  out["notes"] = to_array(s.session->device.notes);
  out["panic"] = s.panic ? Json(s.panic->sentence) : Json();
  out["stopped"] = s.report.stopped ? Json(s.report.stopped->sentence) : Json();
  if (s.recorded) out["recorded"] = s.recorded->json();
  // Text of the file may be anything: what is not UTF-8 is replaced, not thrown.
  return out.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace dartboard::cli
