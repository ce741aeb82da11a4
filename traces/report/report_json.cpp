// traces/report/report_json.cpp - the figures as JSON, for --json and for the script of the page.
#include <nlohmann/json.hpp>

#include "traces/report/figures.h"

namespace dartboard::traces {
namespace {

using Json = nlohmann::ordered_json;

Json device_json(const TraceDevice& device) {
  const DeviceDescription& d = device.description;
  Json bars = Json::array();
  for (size_t i = 0; i < d.bars.size(); ++i) {
    if (d.bars[i].kind == BarKind::kAbsent) continue;
    bars.push_back({{"index", i},
                    {"size", d.bars[i].size},
                    {"kind", d.bars[i].kind == BarKind::kMemory ? "memory" : "registers"},
                    {"64bit", d.bars[i].is_64bit},
                    {"prefetchable", d.bars[i].prefetchable}});
  }
  return {{"address", device.address},  {"name", d.name}, {"vendor_id", d.vendor_id},      {"device_id", d.device_id},
          {"class_code", d.class_code}, {"bars", bars},   {"msix_entries", d.msix.entries}};
}

Json trace_json(const Figures& f) {
  Json devices = Json::array(), kinds = Json::array(), unknown = Json::array();
  for (const TraceDevice& device : f.info.devices) devices.push_back(device_json(device));
  for (const RecordCount& k : f.read.kinds) kinds.push_back({{"name", k.name}, {"count", k.count}, {"why", k.why}});
  for (const auto& [number, text] : f.read.first_unknown) unknown.push_back({{"record", number}, {"text", text}});
  return {{"file", f.file},
          {"source", f.info.source},
          {"profile", f.info.profile},
          {"clock", to_string(f.info.clock)},
          {"payloads", to_string(f.info.payloads)},
          {"lossy", f.info.lossy},
          {"dropped_events", f.info.dropped_events},
          {"dropped_bytes", f.info.dropped_bytes},
          {"notes", f.info.notes},
          {"devices", devices},
          {"records", f.read.records},
          {"record_kinds", kinds},
          {"unknown", f.read.unknown},
          {"first_unknown", unknown},
          {"warnings", f.read.warnings},
          {"truncated", f.read.truncated}};
}

Json summary_json(const Figures& f) {
  Json out = {{"events", f.events},           {"requests", f.requests},         {"failed_requests", f.failed_requests},
              {"duration_ns", f.duration_ns}, {"out_of_order", f.out_of_order}, {"detailed_events", f.detailed_events}};
  Json kinds = Json::object();
  for (unsigned i = 0; i < kEventKindCount; ++i) {
    if (f.kinds[i].count == 0) continue;
    kinds[std::string(to_string(static_cast<EventKind>(i)))] = {{"count", f.kinds[i].count},
                                                                {"bytes", f.kinds[i].bytes}};
  }
  out["kinds"] = kinds;
  return out;
}

Json tracks_json(const Figures& f) {
  Json out = Json::array();
  for (const TrackFigures& t : f.tracks) {
    out.push_back({{"name", t.name},
                   {"kind", to_string(t.kind)},
                   {"device", t.device},
                   {"index", t.index},
                   {"events", t.events()},
                   {"in", t.inward},
                   {"out", t.outward},
                   {"bytes_in", t.bytes_in},
                   {"bytes_out", t.bytes_out}});
  }
  return out;
}

Json registers_json(const Figures& f) {
  Json hottest = Json::array();
  for (const RegisterFigures& r : f.registers) {
    Json row = {{"track", f.tracks[r.track].name},
                {"address", r.address},
                {"name", r.name},
                {"reads", r.reads},
                {"writes", r.writes},
                {"length_min", r.length_min},
                {"length_max", r.length_max},
                {"read_changes", r.read_changes},
                {"first_ns", r.first_ns},
                {"last_ns", r.last_ns}};
    row["value"] = r.has_value ? Json(r.value) : Json(nullptr);
    hottest.push_back(std::move(row));
  }
  return {{"total", f.registers_total}, {"uncounted_accesses", f.registers_uncounted_accesses}, {"hottest", hottest}};
}

Json polls_json(const Figures& f) {
  Json loops = Json::array();
  for (const PollFigures& p : f.polls) {
    Json places = Json::array();
    for (const auto& place : p.places) {
      places.push_back({{"track", f.tracks[place.track].name},
                        {"address", place.address},
                        {"length", place.length},
                        {"name", place.name}});
    }
    loops.push_back({{"places", places},
                     {"polls", p.polls},
                     {"reads", p.reads},
                     {"ns", p.ns},
                     {"changed", p.changed},
                     {"longest_reads", p.longest_reads},
                     {"longest_ns", p.longest_ns},
                     {"longest_at_ns", p.first_ns}});
  }
  return {{"total", f.polls_total}, {"reads", f.poll_reads}, {"ns", f.poll_ns}, {"loops", loops}};
}

Json waits_json(const Figures& f) {
  Json gaps = Json::array(), longest = Json::array();
  for (size_t i = 0; i < f.gaps.size(); ++i) {
    gaps.push_back(
        {{"below_ns", i < kGapLimitsNs.size() ? Json(kGapLimitsNs[i]) : Json(nullptr)}, {"count", f.gaps[i]}});
  }
  for (const WaitFigures& w : f.waits) {
    longest.push_back(
        {{"kind", to_string(w.kind)}, {"ns", w.ns}, {"at_ns", w.first_ns}, {"before", w.before}, {"after", w.after}});
  }
  return {{"gaps_from_ns", kWaitNs},
          {"gaps", f.gap_waits},
          {"gap_ns", f.gap_wait_ns},
          {"by_gap", gaps},
          {"longest", longest}};
}

Json interrupts_json(const Figures& f) {
  Json out = Json::array();
  for (const VectorFigures& v : f.vectors) {
    out.push_back({{"device", v.device},
                   {"kind", to_string(v.kind)},
                   {"vector", v.vector},
                   {"count", v.count},
                   {"first_ns", v.first_ns},
                   {"last_ns", v.last_ns},
                   {"gap_min_ns", v.gap_min_ns == UINT64_MAX ? Json(nullptr) : Json(v.gap_min_ns)}});
  }
  return out;
}

Json notable_json(const Figures& f, const std::vector<NotableFigures>& list) {
  Json out = Json::array();
  for (const NotableFigures& n : list) {
    out.push_back({{"kind", to_string(n.kind)},
                   {"track", f.tracks[n.track].name},
                   {"event", n.event},
                   {"ns", n.ns},
                   {"address", n.address},
                   {"status", n.status},
                   {"text", n.text}});
  }
  return out;
}

Json replay_json(const ReplayFigures& r) {
  Json first = Json::array(), policy = Json::array(), waits = Json::array();
  for (const Divergence& d : r.first) {
    first.push_back({{"request", d.index}, {"layer", to_string(d.layer)}, {"expected", d.expected}, {"got", d.got}});
  }
  for (const auto& p : r.by_policy) policy.push_back({{"what", p.what}, {"count", p.count}});
  for (const auto& w : r.waits) waits.push_back({{"request", w.request}, {"ns", w.ns}, {"what", w.what}});
  return {{"world", r.world},
          {"requests", r.requests},
          {"requests_total", r.requests_total},
          {"divergences", r.divergences},
          {"first", first},
          {"by_policy", policy},
          {"waits", waits},
          {"stopped", r.stopped},
          {"stopped_at", r.stopped_at}};
}

}  // namespace

std::string to_json(const Figures& f) {
  Json out = {{"schema", "dartboard-report-1"}, {"trace", trace_json(f)}, {"summary", summary_json(f)}};
  if (f.replay) out["replay"] = replay_json(*f.replay);
  out["tracks"] = tracks_json(f);
  out["registers"] = registers_json(f);
  out["polls"] = polls_json(f);
  out["waits"] = waits_json(f);
  out["mappings"] = {{"peak_bytes", f.peak_mapped_bytes},
                     {"peak_count", f.peak_mappings},
                     {"bytes_at_end", f.mapped_bytes_at_end},
                     {"count_at_end", f.mappings_at_end},
                     {"unmaps_of_unknown", f.unmaps_of_unknown}};
  out["interrupts"] = interrupts_json(f);
  out["resets"] = notable_json(f, f.resets);
  out["marks"] = notable_json(f, f.marks);
  out["failures"] = notable_json(f, f.failures);
  // Text of a trace may be anything; what is not UTF-8 becomes U+FFFD.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace dartboard::traces
