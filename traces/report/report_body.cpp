// traces/report/report_body.cpp - every figure in the HTML itself, so that the page reads without a script; the script
// (traces/report/page) adds the timeline and what can be seen in a part of it.
#include "traces/report/report_body.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "traces/report/html.h"
#include "traces/report/page_template.h"

namespace dartboard::traces {
namespace {

using namespace html;

class Page {
 public:
  explicit Page(const Figures& figures) : f_(figures) {}

  std::string body() const {
    std::string out = header();
    if (f_.replay) out += section("replay", "Replay", replay());
    if (const std::string text = cautions(); !text.empty()) out += section("cautions", "Cautions", text);
    out += section("summary", "Summary", summary());
    out += section("timeline", "Timeline", timeline());
    out += section("registers", "Hottest registers", registers());
    out += section("polls", "Polls", polls());
    out += section("waits", "Waits", waits());
    out += section("mappings", "DMA mappings", mappings());
    out += section("interrupts", "Interrupts", interrupts());
    out += section("resets", "Resets, marks and failed requests", notables());
    if (f_.read.records != 0 || f_.read.unknown != 0) out += section("reading", "What was read", reading());
    return out;
  }

 private:
  std::string at(uint64_t event, uint64_t ns, uint64_t last = UINT64_MAX, uint64_t to_ns = UINT64_MAX) const {
    return goto_button(event, last == UINT64_MAX ? event : last, ns, to_ns == UINT64_MAX ? ns : to_ns,
                       f_.has_times() ? "+" + duration_text(ns) : "event " + with_commas(event));
  }
  std::string place(uint32_t track, uint64_t address, const std::string& name) const {
    const std::string where = fmt::format("<code>{} + {:#x}</code>", e(f_.tracks[track].name), address);
    return name.empty() ? where : fmt::format("{} <b>{}</b>", where, e(name));
  }

  std::string header() const {
    std::string about;
    for (const TraceDevice& d : f_.info.devices) {
      if (!about.empty()) about += "; ";
      about += fmt::format("{} <code>{:04x}:{:04x}</code>{}", e(d.description.name), d.description.vendor_id,
                           d.description.device_id, d.address.empty() ? "" : " at " + e(d.address));
    }
    return fmt::format("<header><h1>{}</h1><p>{}</p><p class=\"faint\">{} events{}, recorded by {}{}.</p>{}</header>",
                       e(f_.file), about, with_commas(f_.events),
                       f_.has_times() ? " in " + duration_text(f_.duration_ns) : " without times",
                       f_.info.source.empty() ? "an unknown tool" : e(f_.info.source),
                       f_.info.profile.empty() ? "" : " on " + e(f_.info.profile), nav());
  }

  std::string nav() const {
    std::string out = "<nav aria-label=\"Sections\"><ul>";
    if (f_.replay) out += "<li><a href=\"#replay\">Replay</a></li>";
    for (const auto& [id, title] : {std::pair{"summary", "Summary"},
                                    {"timeline", "Timeline"},
                                    {"registers", "Registers"},
                                    {"polls", "Polls"},
                                    {"waits", "Waits"},
                                    {"mappings", "Mappings"},
                                    {"interrupts", "Interrupts"},
                                    {"resets", "Resets"}}) {
      out += fmt::format("<li><a href=\"#{}\">{}</a></li>", id, title);
    }
    return out + "</ul></nav>";
  }

  std::string replay() const {
    const ReplayFigures& r = *f_.replay;
    std::string out = fmt::format(
        "<p class=\"verdict {}\">{} {} in {} of {} requests{}.</p>",
        r.divergences == 0 && r.stopped.empty() ? "good" : "bad", count("replay.divergences", r.divergences),
        r.divergences == 1 ? "divergence" : "divergences", count("replay.requests", r.requests),
        count("replay.requests_total", r.requests_total), r.world.empty() ? "" : " against " + e(r.world));
    if (!r.stopped.empty())
      out += fmt::format("<p class=\"bad\">Stopped at request {}: {}</p>", count("replay.stopped_at", r.stopped_at),
                         e(r.stopped));
    if (!r.first.empty()) {
      Table table(r.divergences > r.first.size() ? "The first divergences" : "Divergences",
                  {"request", "<layer", "~expected", "~got"});
      for (size_t i = 0; i < r.first.size(); ++i) {
        const Divergence& d = r.first[i];
        table.row({fmt::format("<button type=\"button\" class=\"goto\" data-request=\"{0}\" title=\"Show in the "
                               "timeline\">{1}</button>",
                               d.index, count(fmt::format("replay.first.{}.request", i), d.index)),
                   std::string(to_string(d.layer)), fmt::format("<code>{}</code>", e(d.expected)),
                   fmt::format("<code>{}</code>", e(d.got))});
      }
      out += table.end();
    }
    if (!r.by_policy.empty()) {
      Table table("Differences by policy", {"~what", "requests"});
      for (size_t i = 0; i < r.by_policy.size(); ++i)
        table.row({e(r.by_policy[i].what), count(fmt::format("replay.by_policy.{}.count", i), r.by_policy[i].count)});
      out += table.end();
    }
    if (!r.waits.empty()) {
      Table table("Waits of the replay", {"request", "time", "~for"});
      for (size_t i = 0; i < r.waits.size(); ++i) {
        const auto path = fmt::format("replay.waits.{}.", i);
        table.row(
            {count(path + "request", r.waits[i].request), duration(path + "ns", r.waits[i].ns), e(r.waits[i].what)});
      }
      out += table.end();
    }
    return out;
  }

  std::string cautions() const {
    std::string items;
    const auto item = [&](const std::string& text) { items += "<li>" + text + "</li>"; };
    if (f_.info.lossy) {
      item(fmt::format("The recording is incomplete: {} events and {} of payloads are known to be missing.",
                       count("trace.dropped_events", f_.info.dropped_events),
                       bytes("trace.dropped_bytes", f_.info.dropped_bytes)));
    }
    if (f_.read.truncated) item("The file ends early; this is what stood before.");
    if (f_.read.unknown != 0)
      item(fmt::format("{} records were not understood.", count("trace.unknown", f_.read.unknown)));
    if (f_.out_of_order != 0) {
      item(fmt::format("{} events have a time before that of the event before them; they are shown at its time.",
                       count("summary.out_of_order", f_.out_of_order)));
    }
    if (f_.detailed_events < f_.events) {
      item(fmt::format("The first {} events can be seen one by one; of the rest the timeline shows counts.",
                       count("summary.detailed_events", f_.detailed_events)));
    }
    for (const std::string& w : f_.read.warnings) item(e(w));
    return items.empty() ? "" : "<ul class=\"cautions\">" + items + "</ul>";
  }

  std::string tile(const std::string& name, const std::string& value, const std::string& more = {}) const {
    return fmt::format("<div><dt>{}</dt><dd>{}{}</dd></div>", name, value,
                       more.empty() ? "" : fmt::format("<small>{}</small>", more));
  }
  std::string kind_count(EventKind k) const {
    return count(fmt::format("summary.kinds.{}.count", to_string(k)), f_.kind(k).count);
  }
  std::string kind_bytes(EventKind k) const {
    return bytes(fmt::format("summary.kinds.{}.bytes", to_string(k)), f_.kind(k).bytes);
  }
  std::string kind_tile(const char* name, EventKind k, bool with_bytes) const {
    if (f_.kind(k).count == 0) return {};
    return tile(name, kind_count(k), with_bytes ? kind_bytes(k) : std::string());
  }

  std::string summary() const {
    std::string out = "<dl class=\"tiles\">";
    out += tile("events", count("summary.events", f_.events));
    out += tile("requests", count("summary.requests", f_.requests),
                f_.failed_requests == 0 ? "" : count("summary.failed_requests", f_.failed_requests) + " failed");
    if (f_.has_times())
      out += tile("duration", duration("summary.duration_ns", f_.duration_ns), e(to_string(f_.info.clock)) + " clock");
    out += kind_tile("config reads", EventKind::kConfigRead, false);
    out += kind_tile("config writes", EventKind::kConfigWrite, false);
    out += kind_tile("MMIO reads", EventKind::kMmioRead, true);
    out += kind_tile("MMIO writes", EventKind::kMmioWrite, true);
    out += kind_tile("CPU reads of mapped memory", EventKind::kHostRead, true);
    out += kind_tile("CPU writes to mapped memory", EventKind::kHostWrite, true);
    out += kind_tile("device DMA reads", EventKind::kDeviceDmaRead, true);
    out += kind_tile("device DMA writes", EventKind::kDeviceDmaWrite, true);
    if (f_.kind(EventKind::kDmaMap).count != 0) {
      out += tile("DMA maps", kind_count(EventKind::kDmaMap), kind_bytes(EventKind::kDmaMap));
      out += kind_tile("DMA unmaps", EventKind::kDmaUnmap, false);
      out += tile("mapped at most", bytes("mappings.peak_bytes", f_.peak_mapped_bytes),
                  count("mappings.peak_count", f_.peak_mappings) + " mappings");
    }
    out += kind_tile("interrupts", EventKind::kInterrupt, false);
    out += kind_tile("resets", EventKind::kReset, false);
    out += tile("polls", count("polls.total", f_.polls_total), count("polls.reads", f_.poll_reads) + " reads");
    out += "</dl>";
    size_t i = 0;
    for (const TraceDevice& device : f_.info.devices) out += device_table(device, i++);
    if (!f_.info.notes.empty()) {
      out += "<details><summary>Notes of the recording</summary><ul>";
      for (const std::string& note : f_.info.notes) out += "<li>" + e(note) + "</li>";
      out += "</ul></details>";
    }
    return out;
  }

  std::string device_table(const TraceDevice& device, size_t number) const {
    Table table(f_.info.devices.size() > 1 ? fmt::format("BARs of {}", device.address) : "BARs",
                {"<BAR", "size", "<kind", "<width"});
    size_t row = 0;
    for (size_t i = 0; i < device.description.bars.size(); ++i) {
      const BarDescription& b = device.description.bars[i];
      if (b.kind == BarKind::kAbsent) continue;
      table.row({fmt::format("BAR{}", i), bytes(fmt::format("trace.devices.{}.bars.{}.size", number, row++), b.size),
                 b.kind == BarKind::kMemory ? "memory" : "registers",
                 fmt::format("{} bit{}", b.is_64bit ? 64 : 32, b.prefetchable ? ", prefetchable" : "")});
    }
    return row == 0 ? std::string() : table.end();
  }

  std::string timeline() const {
    Table table("Events by track", {"<track", "events", "in", "out", "bytes in", "bytes out"});
    for (size_t i = 0; i < f_.tracks.size(); ++i) {
      const TrackFigures& t = f_.tracks[i];
      const std::string p = fmt::format("tracks.{}.", i);
      table.row({e(t.name), count(p + "events", t.events()), count(p + "in", t.inward), count(p + "out", t.outward),
                 bytes(p + "bytes_in", t.bytes_in), bytes(p + "bytes_out", t.bytes_out)});
    }
    return std::string(page_template().timeline) +
           "<details id=\"tracks-all\" open><summary>The whole trace by track</summary>" + table.end() + "</details>";
  }

  std::string registers() const {
    if (f_.registers.empty()) return "<p class=\"faint\">No register was accessed.</p>";
    std::string out =
        fmt::format("<p>The most accessed of {} places in configuration space and BARs{}.</p>",
                    count("registers.total", f_.registers_total),
                    f_.registers_uncounted_accesses == 0
                        ? std::string()
                        : fmt::format("; {} accesses to further places were not counted by place",
                                      count("registers.uncounted_accesses", f_.registers_uncounted_accesses)));
    Table table("-Hottest registers",
                {"<place", "<", "reads", "writes", "changes", "bytes", "<last value", "first", "last"});
    const uint64_t most = f_.registers.front().reads + f_.registers.front().writes;
    for (size_t i = 0; i < f_.registers.size(); ++i) {
      const RegisterFigures& r = f_.registers[i];
      const std::string p = fmt::format("registers.hottest.{}.", i);
      const std::string length = r.length_min == r.length_max ? count(p + "length_max", r.length_max)
                                                              : count(p + "length_min", r.length_min) + "-" +
                                                                    count(p + "length_max", r.length_max);
      table.row({place(r.track, r.address, r.name), bar(r.reads, r.writes, most), count(p + "reads", r.reads),
                 count(p + "writes", r.writes), count(p + "read_changes", r.read_changes), length,
                 r.has_value ? figure(p + "value", r.value, fmt::format("<code>{:#x}</code>", r.value)) : std::string(),
                 at(r.first_event, r.first_ns), at(r.last_event, r.last_ns)});
    }
    return out + table.end();
  }

  std::string polls() const {
    std::string out =
        fmt::format("<p>{} loops of reads with nothing in between: {} reads{}.</p>",
                    count("polls.total", f_.polls_total), count("polls.reads", f_.poll_reads),
                    f_.has_times() ? fmt::format(", {} in all", duration("polls.ns", f_.poll_ns)) : std::string());
    if (f_.polls.empty()) return out;
    Table table("-Polls",
                {"<what is read", "<", "loops", "reads", "ended by change", "time", "longest", "longest time", "<at"});
    const uint64_t most = f_.polls.front().reads;
    for (size_t i = 0; i < f_.polls.size(); ++i) {
      const PollFigures& l = f_.polls[i];
      const std::string p = fmt::format("polls.loops.{}.", i);
      std::vector<std::string> places;
      for (const auto& one : l.places) places.push_back(place(one.track, one.address, one.name));
      table.row({fmt::format("{}", fmt::join(places, ", ")), bar(l.reads, 0, most), count(p + "polls", l.polls),
                 count(p + "reads", l.reads), count(p + "changed", l.changed), duration(p + "ns", l.ns),
                 count(p + "longest_reads", l.longest_reads), duration(p + "longest_ns", l.longest_ns),
                 at(l.first_event, l.first_ns, l.last_event, l.first_ns + l.longest_ns)});
    }
    return out + table.end();
  }

  std::string waits() const {
    if (!f_.has_times()) return "<p class=\"faint\">The trace has no times.</p>";
    std::string out =
        fmt::format("<p>{} times nothing was asked for {} or longer, {} in all.</p>", count("waits.gaps", f_.gap_waits),
                    duration("waits.gaps_from_ns", kWaitNs), duration("waits.gap_ns", f_.gap_wait_ns));
    uint64_t most = 0;
    for (const uint64_t n : f_.gaps) most = std::max(most, n);
    Table gaps("Time between a reply and the next request", {"<time", "<", "requests"});
    for (size_t i = 0; i < f_.gaps.size(); ++i) {
      const std::string below = i < kGapLimitsNs.size() ? "below " + duration_text(kGapLimitsNs[i])
                                                        : duration_text(kGapLimitsNs.back()) + " or more";
      gaps.row({below, bar(f_.gaps[i], 0, most), count(fmt::format("waits.by_gap.{}.count", i), f_.gaps[i])});
    }
    out += gaps.end();
    if (f_.waits.empty()) return out;
    Table table("Longest waits", {"time", "<kind", "<at", "<from", "<to"});
    for (size_t i = 0; i < f_.waits.size(); ++i) {
      const WaitFigures& w = f_.waits[i];
      table.row({duration(fmt::format("waits.longest.{}.ns", i), w.ns),
                 w.kind == WaitKind::kGap    ? "gap"
                 : w.kind == WaitKind::kPoll ? "poll"
                                             : "slow reply",
                 at(w.first_event, w.first_ns, w.last_event, w.first_ns + w.ns),
                 fmt::format("<code>{}</code>", e(w.before)),
                 w.kind == WaitKind::kReply ? std::string() : fmt::format("<code>{}</code>", e(w.after))});
    }
    return out + table.end();
  }

  std::string mappings() const {
    if (f_.mapping_points.empty()) return "<p class=\"faint\">Nothing was mapped for DMA.</p>";
    std::string out = fmt::format(
        "<p>At most {} in {} mappings; {} in {} mappings at the end.</p>",
        bytes("mappings.peak_bytes", f_.peak_mapped_bytes), count("mappings.peak_count", f_.peak_mappings),
        bytes("mappings.bytes_at_end", f_.mapped_bytes_at_end), count("mappings.count_at_end", f_.mappings_at_end));
    if (f_.unmaps_of_unknown != 0)
      out += fmt::format("<p>{} unmaps of what was not seen mapped.</p>",
                         count("mappings.unmaps_of_unknown", f_.unmaps_of_unknown));
    Table table("Mapped over time", {"<at", "mapped", "mappings"});
    constexpr size_t kRows = 48;
    const size_t points = f_.mapping_points.size(), rows = std::min(points, kRows);
    for (size_t i = 0; i < rows; ++i) {
      const MappingPoint& m = f_.mapping_points[rows < 2 ? 0 : i * (points - 1) / (rows - 1)];
      table.row({at(m.event, m.ns), bytes_text(m.bytes), with_commas(m.mappings)});
    }
    return out + "<details><summary>The charts of mapped bytes and mappings as a table</summary>" + table.end() +
           "</details>";
  }

  std::string interrupts() const {
    if (f_.vectors.empty()) return "<p class=\"faint\">No interrupt is in the trace.</p>";
    const bool several = f_.info.devices.size() > 1;
    Table table("-Interrupts by vector", {"<vector", "<", "count", "<first", "<last", "shortest gap"});
    uint64_t most = 0;
    for (const VectorFigures& v : f_.vectors) most = std::max(most, v.count);
    for (size_t i = 0; i < f_.vectors.size(); ++i) {
      const VectorFigures& v = f_.vectors[i];
      const std::string p = fmt::format("interrupts.{}.", i);
      table.row(
          {fmt::format("{}{} {}", several ? fmt::format("#{} ", v.device) : "", to_string(v.kind), v.vector),
           bar(v.count, 0, most), count(p + "count", v.count), at(v.first_event, v.first_ns),
           at(v.last_event, v.last_ns),
           v.gap_min_ns == UINT64_MAX || !f_.has_times() ? std::string() : duration(p + "gap_min_ns", v.gap_min_ns)});
    }
    return table.end();
  }

  std::string notable_table(const char* caption, const std::vector<NotableFigures>& list) const {
    if (list.empty()) return {};
    Table table(caption, {"<at", "event", "~what", "~text"});
    for (const NotableFigures& n : list) {
      const TrackFigures& track = f_.tracks[n.track];
      const bool has_address = track.kind == TrackKind::kBar || track.kind == TrackKind::kConfig;
      table.row({at(n.event, n.ns), with_commas(n.event),
                 has_address ? fmt::format("{} {}", to_string(n.kind), place(n.track, n.address, {}))
                             : std::string(to_string(n.kind)),
                 e(n.text)});
    }
    return table.end();
  }

  std::string notables() const {
    std::string out =
        notable_table("Resets", f_.resets) + notable_table("Marks", f_.marks) +
        notable_table(f_.failed_requests > f_.failures.size() ? "The first failed requests" : "Failed requests",
                      f_.failures);
    return out.empty() ? "<p class=\"faint\">None.</p>" : out;
  }

  std::string reading() const {
    std::string out = fmt::format("<p>{} records, {} not understood.</p>", count("trace.records", f_.read.records),
                                  count("trace.unknown", f_.read.unknown));
    if (!f_.read.kinds.empty()) {
      Table table("Records by kind", {"<kind", "count", "~not shown because"});
      for (size_t i = 0; i < f_.read.kinds.size(); ++i) {
        const RecordCount& k = f_.read.kinds[i];
        table.row({fmt::format("<code>{}</code>", e(k.name)),
                   count(fmt::format("trace.record_kinds.{}.count", i), k.count), e(k.why)});
      }
      out += table.end();
    }
    if (!f_.read.first_unknown.empty()) {
      Table table("The first that were not understood", {"record", "~text"});
      for (const auto& [number, text] : f_.read.first_unknown)
        table.row({with_commas(number), fmt::format("<code>{}</code>", e(text))});
      out += table.end();
    }
    return out;
  }

  const Figures& f_;
};

}  // namespace

std::string report_body(const Figures& figures) {
  return Page(figures).body();
}

}  // namespace dartboard::traces
