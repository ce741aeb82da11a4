// traces/report/report_finish.cpp - the end of a report: names, and the largest of what was counted, in order.
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "traces/report/report.h"
#include "traces/report/report_state.h"
#include "traces/tools/access.h"

namespace dartboard::traces {

ReportData ReportBuilder::finish(const TraceInfo& info, const ReadReport& read) {
  State& s = *state_;
  Figures& f = s.f;
  s.polls.other();
  f.file = s.options.file.substr(s.options.file.find_last_of('/') + 1);
  f.info = info;
  f.read = read;
  if (!s.any_time) f.info.clock = Clock::kNone;
  f.duration_ns = s.now_ns;
  f.detailed_events = s.t.class_of.size();
  if (s.points_skipped != 0) f.mapping_points.push_back(s.pending_point);
  f.mapped_bytes_at_end = s.mapped_bytes;
  f.mappings_at_end = s.mappings.size();

  for (TrackFigures& track : f.tracks) {
    const char* const names[] = {"Config", "", "DMA map", "CPU memory", "Device DMA", "Interrupts", "Reset", "Other"};
    track.name = names[static_cast<size_t>(track.kind)];
    if (track.kind == TrackKind::kBar)
      track.name = track.index < 6    ? fmt::format("BAR{}", track.index)
                   : track.index == 6 ? "ROM"
                                      : fmt::format("Region {}", track.index);
    if (track.device == UINT16_MAX) {
      track.name = "More devices";
    } else if (info.devices.size() > 1) {
      const std::string& address =
          track.device < info.devices.size() ? info.devices[track.device].address : std::string();
      track.name = (address.empty() ? fmt::format("#{}", track.device) : address) + " " + track.name;
    }
  }

  f.registers_total = s.registers.size();
  if (s.options.name_of) {
    for (const auto& [place, figures] : s.registers) {
      std::string name = s.name_of(info, place.first, place.second);
      if (!name.empty()) s.t.names.push_back({place.first, place.second, std::move(name)});
    }
    keep_first(&s.t.names, kNamesKept, [](const ReportTimeline::Name& a, const ReportTimeline::Name& b) {
      return std::tie(a.track, a.address) < std::tie(b.track, b.address);
    });
  }
  for (auto& [place, figures] : s.registers) f.registers.push_back(figures);
  keep_first(&f.registers, kRegistersShown, [](const RegisterFigures& a, const RegisterFigures& b) {
    return std::make_tuple(b.reads + b.writes, a.track, a.address) <
           std::make_tuple(a.reads + a.writes, b.track, b.address);
  });
  for (RegisterFigures& r : f.registers) r.name = s.name_of(info, r.track, r.address);

  for (auto& [places, group] : s.poll_groups) f.polls.push_back(group);
  keep_first(&f.polls, kPollsShown, [](const PollFigures& a, const PollFigures& b) {
    return std::tie(b.reads, a.places) < std::tie(a.reads, b.places);
  });
  for (PollFigures& p : f.polls) {
    for (PollFigures::Place& place : p.places) place.name = s.name_of(info, place.track, place.address);
  }

  keep_first(&s.waits, kWaitsShown, [](const State::PendingWait& a, const State::PendingWait& b) {
    return std::tie(b.ns, a.first_ns) < std::tie(a.ns, b.first_ns);
  });
  for (const auto& w : s.waits) {
    f.waits.push_back(
        {w.kind, w.ns, w.first_ns, w.before.event, w.after.event, s.what(info, w.before), s.what(info, w.after)});
  }
  for (auto& [key, vector] : s.vectors) f.vectors.push_back(vector);

  ReportData data;
  data.timeline = std::move(s.t);
  data.figures = std::move(f);
  return data;
}

std::string ReportBuilder::State::name_of(const TraceInfo& info, uint32_t track, uint64_t address) const {
  const TrackFigures& t_ = f.tracks[track];
  if (!options.name_of || t_.device >= info.devices.size()) return {};
  if (t_.kind != TrackKind::kBar && t_.kind != TrackKind::kConfig) return {};
  const uint32_t space = t_.kind == TrackKind::kConfig ? kConfigSpace : t_.index <= kRomSpace ? t_.index : kNoSpace;
  return space == kNoSpace ? std::string() : options.name_of(info.devices[t_.device], space, address);
}

std::string ReportBuilder::State::what(const TraceInfo& info, const Last& last_) const {
  const TrackKind kind = f.tracks[last_.track].kind;
  if (kind != TrackKind::kBar && kind != TrackKind::kConfig) return std::string(to_string(last_.kind));
  const std::string name = name_of(info, last_.track, last_.address);
  return fmt::format("{} {} + {:#x}{}{}", to_string(last_.kind), f.tracks[last_.track].name, last_.address,
                     name.empty() ? "" : " ", name);
}

}  // namespace dartboard::traces
