// traces/report/report_builder.cpp - events to figures and columns, in one pass. What is made of them at the end is in
// report_finish.cpp.
#include <algorithm>
#include <tuple>
#include <utility>

#include "traces/export/text.h"
#include "traces/report/event_look.h"
#include "traces/report/poll_finder.h"
#include "traces/report/report.h"
#include "traces/report/report_state.h"
#include "traces/tools/access.h"

namespace dartboard::traces {
namespace {

constexpr uint64_t kSlices = 4096;
constexpr size_t kTextBytesMax = 300;  // of a mark or an error
constexpr size_t kPollGroupsMax = 4096;
constexpr size_t kMappingsLiveMax = size_t{1} << 22;

uint64_t plus(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

}  // namespace

uint32_t ReportBuilder::State::track_of(const Event& event) {
  const TrackKind kind = track_kind(event.kind);
  const uint32_t index = kind == TrackKind::kBar ? event.target : 0;
  const auto key = std::make_tuple(event.device, kind, index);
  if (const auto found = tracks.find(key); found != tracks.end()) return found->second;
  if (overflow_track == UINT32_MAX || f.tracks.size() < kTracksMax) {
    const uint32_t track = static_cast<uint32_t>(f.tracks.size());
    TrackFigures figures;
    if (f.tracks.size() + 1 == kTracksMax) {
      overflow_track = track;
      figures.device = UINT16_MAX;
      figures.kind = TrackKind::kOther;
    } else {
      figures.device = event.device;
      figures.kind = kind;
      figures.index = index;
      tracks.emplace(key, track);
    }
    f.tracks.push_back(std::move(figures));
    last_address.push_back(0);
    t.slices.resize(t.slices.size() + 2);
    return track;
  }
  return overflow_track;
}

void ReportBuilder::State::slice(uint64_t x, uint32_t track, bool outward) {
  while (x / t.slice_width >= kSlices) {
    t.slice_width *= 2;
    for (auto& counts : t.slices) {
      const size_t half = (counts.size() + 1) / 2;
      for (size_t i = 0; i < half; ++i) counts[i] = counts[2 * i] + (2 * i + 1 < counts.size() ? counts[2 * i + 1] : 0);
      counts.resize(half);
    }
  }
  auto& counts = t.slices[2 * track + (outward ? 1 : 0)];
  const size_t at = static_cast<size_t>(x / t.slice_width);
  if (counts.size() <= at) counts.resize(at + 1);
  ++counts[at];
}

void ReportBuilder::State::add(const Event& event, const Reply* reply) {
  const uint64_t number = f.events++;
  if (number == 0) {
    first_ns = event.time_ns;
  } else if (event.time_ns < last_raw_ns) {
    ++f.out_of_order;
  }
  last_raw_ns = event.time_ns;
  any_time = any_time || event.time_ns != 0;
  const uint64_t before_ns = now_ns;
  if (event.time_ns > first_ns) now_ns = std::max(now_ns, event.time_ns - first_ns);

  const uint32_t track = track_of(event);
  const bool inward = is_inward(event.kind);
  TrackFigures& figures = f.tracks[track];
  KindFigures& kind = f.kinds[static_cast<size_t>(event.kind)];
  const uint64_t bytes = moves_bytes(event.kind) ? event.length : 0;
  ++(inward ? figures.inward : figures.outward);
  (inward ? figures.bytes_in : figures.bytes_out) = plus(inward ? figures.bytes_in : figures.bytes_out, bytes);
  ++kind.count;
  kind.bytes = plus(kind.bytes, bytes);

  uint64_t value = 0;
  const bool has_value = shown_value(event, reply, &value);
  const bool failed = event.is_request() && reply != nullptr && reply->status != 0;
  if (t.class_of.size() < options.detailed_events_max) {
    const ReportTimeline::EventClass look{track, event.kind, has_value, failed, event.source};
    const auto [at, is_new] = classes.emplace(look, static_cast<uint16_t>(t.classes.size()));
    if (is_new) t.classes.push_back(look);
    t.class_of.push_back(at->second);
    t.time_steps_ns.push_back(now_ns - before_ns);
    const uint64_t address = shown_address(event, reply);
    t.addresses.push_back(address ^ std::exchange(last_address[track], address));
    t.lengths.push_back(event.length);
    t.values.push_back(has_value ? value : 0);
  } else {
    slice(any_time ? now_ns : number, track, !inward);
  }

  if (is_register_access(event.kind)) on_register(event, track, has_value, value, now_ns);
  if (event.kind == EventKind::kDmaMap || event.kind == EventKind::kDmaUnmap) on_mapping(event, reply, now_ns);
  if (event.is_request()) on_request(event, reply, track, now_ns);

  const auto note = [&](std::vector<NotableFigures>* list, std::string text) {
    if (list->size() < kNotablesKept)
      list->push_back(
          {event.kind, track, number, now_ns, event.address, reply != nullptr ? reply->status : 0, std::move(text)});
  };
  if (event.kind == EventKind::kReset) note(&f.resets, {});
  if (event.kind == EventKind::kMark) note(&f.marks, text_of(event.data, kTextBytesMax));
  if (failed) {
    ++f.failed_requests;
    note(&f.failures, text_of(reply->data, kTextBytesMax));
  }
  if (event.kind == EventKind::kInterrupt) {
    const auto irq = static_cast<IrqKind>(std::min(event.target, static_cast<uint32_t>(IrqKind::kRequest)));
    const auto key = std::make_tuple(event.device, irq, event.value);
    auto found = vectors.find(key);
    if (found == vectors.end() && vectors.size() < kVectorsMax) {
      VectorFigures v;
      v.device = event.device;
      v.kind = irq;
      v.vector = event.value;
      v.first_ns = now_ns;
      v.first_event = number;
      found = vectors.emplace(key, v).first;
    } else if (found != vectors.end()) {
      found->second.gap_min_ns = std::min(found->second.gap_min_ns, now_ns - found->second.last_ns);
    }
    if (found != vectors.end()) {
      ++found->second.count;
      found->second.last_ns = now_ns;
      found->second.last_event = number;
    }
  }
}

void ReportBuilder::State::on_register(const Event& event, uint32_t track, bool has_value, uint64_t value,
                                       uint64_t ns) {
  const Place place{track, event.address};
  auto found = registers.find(place);
  const uint64_t number = f.events - 1;
  if (found == registers.end()) {
    if (registers.size() >= kRegistersMax) {
      ++f.registers_uncounted_accesses;
      return;
    }
    RegisterFigures r;
    r.track = track;
    r.address = event.address;
    r.length_min = r.length_max = event.length;
    r.first_event = number;
    r.first_ns = ns;
    found = registers.emplace(place, std::move(r)).first;
  }
  RegisterFigures& r = found->second;
  ++(is_register_read(event.kind) ? r.reads : r.writes);
  r.length_min = std::min(r.length_min, event.length);
  r.length_max = std::max(r.length_max, event.length);
  if (has_value) {
    if (is_register_read(event.kind) && r.has_value && r.value != value) ++r.read_changes;
    r.value = value;
    r.has_value = true;
  }
  r.last_event = number;
  r.last_ns = ns;
}

void ReportBuilder::State::on_mapping(const Event& event, const Reply* reply, uint64_t ns) {
  const auto key = std::make_pair(event.device, event.target);
  const auto found = mappings.find(key);
  if (event.kind == EventKind::kDmaMap) {
    if (reply != nullptr && reply->status != 0) return;
    if (found != mappings.end()) {
      mapped_bytes -= std::exchange(found->second.bytes, event.length);
    } else {
      if (mappings.size() >= kMappingsLiveMax) return;
      mappings.emplace(key, Mapping{event.length});
    }
    mapped_bytes += event.length;  // recordings may claim anything; a wrap around is only a wrong figure
  } else {
    if (found == mappings.end()) {
      ++f.unmaps_of_unknown;
      return;
    }
    mapped_bytes -= found->second.bytes;
    mappings.erase(found);
  }
  f.peak_mapped_bytes = std::max(f.peak_mapped_bytes, mapped_bytes);
  f.peak_mappings = std::max<uint64_t>(f.peak_mappings, mappings.size());

  // Of each `point_step` points the one with the most bytes is kept: peaks stay visible.
  const MappingPoint point{f.events - 1, ns, mapped_bytes, mappings.size()};
  if (points_skipped == 0 || point.bytes >= pending_point.bytes) pending_point = point;
  if (++points_skipped < point_step) return;
  points_skipped = 0;
  f.mapping_points.push_back(pending_point);
  if (f.mapping_points.size() < kMappingPointsMax) return;
  point_step *= 2;
  f.mapping_points_thinned = true;
  for (size_t i = 0; i < kMappingPointsMax / 2; ++i) {
    const MappingPoint &a = f.mapping_points[2 * i], &b = f.mapping_points[2 * i + 1];
    f.mapping_points[i] = b.bytes >= a.bytes ? b : a;
  }
  f.mapping_points.resize(kMappingPointsMax / 2);
}

void ReportBuilder::State::on_request(const Event& event, const Reply* reply, uint32_t track, uint64_t ns) {
  const uint64_t number = f.events - 1;
  ++f.requests;
  const uint64_t took_ns = reply != nullptr ? reply->duration_ns : 0;
  const Last now{true, number, plus(ns, took_ns), track, event.kind, event.address};
  if (is_register_read(event.kind)) {
    uint64_t value = 0;
    shown_value(event, reply, &value);
    polls.read({track, event.address, event.length, value, number, ns, now.end_ns});
  } else {
    polls.other();
  }
  if (last.any) {
    const uint64_t gap = gap_ns(last.end_ns, 0, ns);
    const auto limit = std::upper_bound(kGapLimitsNs.begin(), kGapLimitsNs.end(), gap);
    ++f.gaps[static_cast<size_t>(limit - kGapLimitsNs.begin())];
    if (gap >= kWaitNs) {
      ++f.gap_waits;
      f.gap_wait_ns = plus(f.gap_wait_ns, gap);
      wait({WaitKind::kGap, gap, last.end_ns, last, now});
    }
  }
  if (took_ns >= kWaitNs) wait({WaitKind::kReply, took_ns, ns, now, now});
  last = now;
}

void ReportBuilder::State::wait(const PendingWait& pending) {
  waits.push_back(pending);
  // A heap with the shortest on top would do the same with more words.
  if (waits.size() < 16 * kWaitsShown) return;
  keep_first(&waits, 8 * kWaitsShown, [](const PendingWait& a, const PendingWait& b) {
    return std::tie(b.ns, a.first_ns) < std::tie(a.ns, b.first_ns);
  });
}

void ReportBuilder::State::on_loop(const PollFinder::Loop& loop) {
  const PollFinder::Read& first = loop.round.front();
  const uint64_t ns = loop.last.to_ns > first.from_ns ? loop.last.to_ns - first.from_ns : 0;
  ++f.polls_total;
  f.poll_reads += loop.reads;
  f.poll_ns = plus(f.poll_ns, ns);
  std::vector<PollFigures::Place> places;
  for (const PollFinder::Read& read : loop.round) places.push_back({read.track, read.address, read.length, {}});
  std::rotate(places.begin(), std::min_element(places.begin(), places.end()), places.end());
  auto found = poll_groups.find(places);
  if (found == poll_groups.end()) {
    if (poll_groups.size() >= kPollGroupsMax) return;
    PollFigures group;
    group.places = places;
    found = poll_groups.emplace(std::move(places), std::move(group)).first;
  }
  PollFigures& p = found->second;
  ++p.polls;
  p.reads += loop.reads;
  p.ns = plus(p.ns, ns);
  if (loop.changed) ++p.changed;
  if (loop.reads > p.longest_reads) {
    p.longest_reads = loop.reads;
    p.longest_ns = ns;
    p.first_event = first.event;
    p.last_event = loop.last.event;
    p.first_ns = first.from_ns;
  }
  if (ns >= kWaitNs) {
    const Last from{true, first.event, first.to_ns, first.track, EventKind::kMmioRead, first.address};
    const Last to{true, loop.last.event, loop.last.to_ns, loop.last.track, EventKind::kMmioRead, loop.last.address};
    wait({WaitKind::kPoll, ns, first.from_ns, from, to});
  }
}

ReportBuilder::ReportBuilder(ReportOptions options) : state_(std::make_unique<State>(std::move(options))) {}
ReportBuilder::~ReportBuilder() = default;
ReportBuilder::ReportBuilder(ReportBuilder&&) noexcept = default;

void ReportBuilder::add(std::span<const Event> events, std::span<const Reply> replies) {
  for (const Event& event : events) state_->add(event, event.reply < replies.size() ? &replies[event.reply] : nullptr);
}

Result<ReportData> build_report(EventReader& reader, ReportOptions options) {
  ReportBuilder builder(std::move(options));
  EventBatch batch;
  for (;;) {
    auto more = reader.next(&batch);
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) break;
    builder.add(batch);
  }
  return builder.finish(reader.info(), reader.report());
}

ReportData build_report(const Session& session, ReportOptions options) {
  if (options.file.empty()) options.file = session.origin;
  ReportBuilder builder(std::move(options));
  builder.add(session.events, session.replies);
  TraceInfo info;
  info.clock = Clock::kMonotonic;
  info.devices.push_back({"", session.device});
  info.notes = session.device.notes;
  return builder.finish(info, ReadReport());
}

}  // namespace dartboard::traces
