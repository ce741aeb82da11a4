// traces/export/timeline.cpp - see timeline.h.
#include "traces/export/timeline.h"

#include <algorithm>

#include <fmt/format.h>

#include "traces/export/text.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kRateWindowNs = 1'000'000;
constexpr uint64_t kWindowsPerSecond = 1000;
constexpr size_t kOutstandingMax = 4096;
constexpr unsigned kBarTracks = 7;  // with the ROM

using Form = TimelineArgument::Form;
using FlowStep = TimelineItem::FlowStep;

std::string device_name(const TraceInfo& info, uint16_t index) {
  if (index >= info.devices.size()) return fmt::format("device {}", index);
  const TraceDevice& device = info.devices[index];
  return fmt::format("{} {:04x}:{:04x}", device.address.empty() ? fmt::format("device {}", index) : device.address,
                     device.description.vendor_id, device.description.device_id);
}

std::string track_name(uint32_t track) {
  if (track >= kLaneTracks) return "DMA maps";  // the viewer merges siblings of one name
  if (track >= kVectorTracks) {
    const uint32_t n = track - kVectorTracks;
    return fmt::format("{} {}", to_string(static_cast<IrqKind>(n / kVectorsShown)), n % kVectorsShown);
  }
  if (track == kBarTrack + 6) return "ROM";
  if (track >= kBarTrack && track < kDmaTrack) return fmt::format("BAR{}", track - kBarTrack);
  switch (track) {
    case kConfigTrack: return "config";
    case kDmaTrack: return "DMA maps";
    case kIrqTrack: return "IRQ vectors";
    case kMappedBytesTrack: return "mapped bytes";
    case kMmioRateTrack: return "MMIO/s";
    case kOutstandingTrack: return "outstanding reads";
    default: return "resets and marks";
  }
}

uint32_t track_of_bar(uint32_t target) {
  return target < kBarTracks ? kBarTrack + target : static_cast<uint32_t>(kMarkTrack);
}

void add_hex(TimelineItem* item, std::string_view name, uint64_t number) {
  item->arguments.push_back({name, Form::kHex, number, {}});
}
void add_number(TimelineItem* item, std::string_view name, uint64_t number) {
  item->arguments.push_back({name, Form::kNumber, number, {}});
}
void add_text(TimelineItem* item, std::string_view name, std::string text) {
  item->arguments.push_back({name, Form::kText, 0, std::move(text)});
}

}  // namespace

Timeline::Timeline(TimelineSink& sink, const TraceInfo& info)
    : sink_(sink), info_(info), has_times_(info.clock != Clock::kNone) {}

Timeline::Device& Timeline::device(uint16_t index) {
  Device& d = devices_[index];
  if (!d.announced) {
    d.announced = true;
    d.name = device_name(info_, index);
    sink_.process(index, d.name);
  }
  return d;
}

void Timeline::use(uint16_t index, uint32_t track) {
  Device& d = device(index);
  if (!d.tracks.insert(track).second) return;
  TimelineTrack t{index, track, kFixedTracks, track_name(track), track, false, false};
  if (track >= kLaneTracks) {
    use(index, kDmaTrack);
    t.rank = kDmaTrack;
  } else if (track >= kVectorTracks) {
    use(index, kIrqTrack);
    t.parent = kIrqTrack;
    t.rank = track - kVectorTracks;
  }
  t.is_counter = track == kMappedBytesTrack || track == kMmioRateTrack || track == kOutstandingTrack;
  t.in_bytes = track == kMappedBytesTrack;
  sink_.track(t);
}

TimelineItem Timeline::item(const Event& event, uint32_t track, std::string name) const {
  TimelineItem i;
  i.device = event.device;
  i.track = track;
  i.begin_ns = i.end_ns = time_ns_;
  i.name = std::move(name);
  if (event.source == Source::kInferred) add_text(&i, "source", "inferred");
  return i;
}

void Timeline::add(uint64_t number, const Event& event, const Reply* reply) {
  time_ns_ = has_times_ ? event.time_ns : number * 1000;
  if (!noted_) {
    noted_ = true;
    std::vector<std::string> notes = info_.notes;
    if (!has_times_) notes.insert(notes.begin(), "The recording has no times: an event is a microsecond here.");
    for (const std::string& note : notes) {
      TimelineItem i = item(Event(), kMarkTrack, "note");
      add_text(&i, "text", note);
      add_instant(std::move(i));
    }
  }
  settle_reads(event.device, time_ns_);

  switch (event.kind) {
    case EventKind::kConfigRead: {
      TimelineItem i = item(event, kConfigTrack, fmt::format("read 0x{:x}", event.address));
      add_read(std::move(i), event, reply, reply == nullptr ? std::nullopt : std::optional(reply->value0));
      break;
    }
    case EventKind::kConfigWrite:
    case EventKind::kDeviceConfig: {
      const char* const what = event.kind == EventKind::kConfigWrite ? "write" : "device changed";
      TimelineItem i = item(event, kConfigTrack, fmt::format("{} 0x{:x}", what, event.address));
      add_number(&i, "bytes", event.length);
      add_hex(&i, "value", event.value);
      add_instant(std::move(i));
      break;
    }
    case EventKind::kMmioRead:
    case EventKind::kHostRead: {
      const bool mmio = event.kind == EventKind::kMmioRead;
      TimelineItem i = item(event, mmio ? track_of_bar(event.target) : static_cast<uint32_t>(kDmaTrack),
                            fmt::format("{} 0x{:x}", mmio ? "read" : "CPU read", event.address));
      if (!mmio) add_number(&i, "handle", event.target);
      add_read(std::move(i), event, reply, reply == nullptr ? std::nullopt : value_of(reply->data));
      if (mmio) count_access(event.device, time_ns_);
      break;
    }
    case EventKind::kMmioWrite:
    case EventKind::kHostWrite:
    case EventKind::kDeviceMemory: {
      const bool host = event.kind == EventKind::kHostWrite;
      const char* const what = host ? "CPU write" : event.kind == EventKind::kMmioWrite ? "write" : "device changed";
      TimelineItem i = item(event, host ? static_cast<uint32_t>(kDmaTrack) : track_of_bar(event.target),
                            fmt::format("{} 0x{:x}", what, event.address));
      if (host) add_number(&i, "handle", event.target);
      add_number(&i, "bytes", event.length);
      if (const auto value = value_of(event.data)) add_hex(&i, "value", *value);
      add_write(std::move(i), event.kind == EventKind::kMmioWrite);
      if (event.kind == EventKind::kMmioWrite) count_access(event.device, time_ns_);
      break;
    }
    case EventKind::kMapBar:
    case EventKind::kResizeBar: {
      TimelineItem i = item(event, track_of_bar(event.target), std::string(to_string(event.kind)));
      if (event.kind == EventKind::kResizeBar) add_number(&i, "size", event.value);
      if (reply != nullptr && event.kind == EventKind::kMapBar) {
        add_hex(&i, "address", reply->value0);
        add_number(&i, "size", reply->value1);
      }
      if (reply != nullptr && reply->status != 0) add_number(&i, "status", reply->status);
      add_instant(std::move(i));
      break;
    }
    case EventKind::kDmaMap: add_map(item(event, kDmaTrack, fmt::format("map {}", event.target)), event, reply); break;
    case EventKind::kDmaUnmap: add_unmap(item(event, kDmaTrack, fmt::format("map {}", event.target)), event); break;
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite: {
      const char* const what = event.kind == EventKind::kDeviceDmaRead ? "device read" : "device write";
      TimelineItem i = item(event, kDmaTrack, fmt::format("{} 0x{:x}", what, event.address));
      add_number(&i, "handle", event.target);
      add_number(&i, "bytes", event.length);
      add_dma(std::move(i));
      break;
    }
    case EventKind::kInterrupt: add_interrupt(item(event, kIrqTrack, "interrupt"), event); break;
    case EventKind::kIrqSetup: {
      TimelineItem i =
          item(event, kIrqTrack,
               fmt::format("{} {}", to_string(static_cast<IrqKind>(event.target)), event.value != 0 ? "on" : "off"));
      add_number(&i, "first vector", event.address);
      add_number(&i, "vectors", event.length);
      add_instant(std::move(i));
      break;
    }
    case EventKind::kMark: {
      TimelineItem i = item(event, kMarkTrack, "mark");
      add_text(&i, "text", text_of(event.data));
      add_instant(std::move(i));
      break;
    }
    case EventKind::kProbe:
    case EventKind::kReset:
    case EventKind::kPing: {
      TimelineItem i = item(event, kMarkTrack, std::string(to_string(event.kind)));
      if (reply != nullptr && reply->status != 0) add_number(&i, "status", reply->status);
      add_instant(std::move(i));
      break;
    }
  }
}

void Timeline::add_instant(TimelineItem item) {
  use(item.device, item.track);
  sink_.instant(item);
}

void Timeline::add_read(TimelineItem i, const Event& event, const Reply* reply, std::optional<uint64_t> value) {
  add_number(&i, "bytes", event.length);
  if (reply != nullptr && reply->status != 0) {
    add_number(&i, "status", reply->status);
  } else if (value) {
    add_hex(&i, "value", *value);
  }
  const uint64_t duration_ns = reply != nullptr && has_times_ ? reply->duration_ns : 0;
  if (duration_ns == 0 || duration_ns > UINT64_MAX - i.begin_ns) return add_instant(std::move(i));
  use(i.device, i.track);
  Device& d = device(i.device);
  // Slices of a track nest or follow each other. One that would outlive the one it began in is drawn to that one's end.
  uint64_t& latest = d.slice_ends[i.track];
  i.end_ns = i.begin_ns + duration_ns;
  if (i.begin_ns < latest && i.end_ns > latest) {
    i.end_ns = latest;
    add_number(&i, "duration_ns", duration_ns);
    left_out_.add("end of a read", "it overlaps the read before it: drawn shorter, 'duration_ns' tells");
  }
  latest = std::max(latest, i.end_ns);
  sink_.slice(i);
  if (d.outstanding.size() >= kOutstandingMax) return;
  use(i.device, kOutstandingTrack);
  d.outstanding.push(i.begin_ns + duration_ns);
  sink_.counter(i.device, kOutstandingTrack, i.begin_ns, d.outstanding.size());
}

void Timeline::settle_reads(uint16_t index, uint64_t time_ns) {
  Device& d = device(index);
  while (!d.outstanding.empty() && d.outstanding.top() <= time_ns) {
    const uint64_t end_ns = d.outstanding.top();
    d.outstanding.pop();
    sink_.counter(index, kOutstandingTrack, end_ns, d.outstanding.size());
  }
}

void Timeline::add_write(TimelineItem i, bool to_bar) {
  if (!to_bar) return add_instant(std::move(i));
  use(i.device, i.track);
  Device& d = device(i.device);
  release_doorbell(d);
  d.flow = 0;
  d.doorbell = std::move(i);
}

void Timeline::release_doorbell(Device& d) {
  if (d.doorbell) sink_.instant(*d.doorbell);
  d.doorbell.reset();
}

void Timeline::add_dma(TimelineItem i) {
  Device& d = device(i.device);
  use(i.device, i.track);
  const bool begins = d.flow == 0;
  if (begins) d.flow = ++flows_;
  i.flow = d.flow;
  i.flow_step = begins && !d.doorbell ? FlowStep::kStart : FlowStep::kStep;
  if (begins && d.doorbell) {
    d.doorbell->flow = d.flow;
    d.doorbell->flow_step = FlowStep::kStart;
    release_doorbell(d);
  }
  sink_.instant(i);
}

void Timeline::add_interrupt(TimelineItem i, const Event& event) {
  if (event.value < kVectorsShown && event.target <= static_cast<uint32_t>(IrqKind::kRequest)) {
    i.track = kVectorTracks + event.target * kVectorsShown + static_cast<uint32_t>(event.value);
  } else {
    add_number(&i, "vector", event.value);
  }
  Device& d = device(i.device);
  if (d.flow != 0) {
    i.flow = d.flow;
    i.flow_step = FlowStep::kEnd;
    d.flow = 0;
  }
  add_instant(std::move(i));
}

void Timeline::add_map(TimelineItem i, const Event& event, const Reply* reply) {
  Device& d = device(i.device);
  add_number(&i, "bytes", event.length);
  if (event.address != 0) add_hex(&i, "guest address", event.address);
  if (reply != nullptr && reply->status != 0) {
    add_number(&i, "status", reply->status);
    return add_instant(std::move(i));
  }
  if (reply != nullptr) {
    const bool paged = reply->data.is_whole() && reply->data.length >= 8;
    add_hex(&i, "IOVA", paged ? reply->data.le64(0) : reply->value0);
  }
  const bool known = d.mappings.count(event.target) != 0;
  if (known || d.mappings.size() >= kLanesMax) {
    left_out_.add("slice of a map", known ? "its handle is mapped already: drawn as an instant"
                                          : "more than 65536 mappings live: drawn as an instant");
    return add_instant(std::move(i));
  }
  uint32_t lane = d.lanes;
  if (d.free_lanes.empty()) {
    ++d.lanes;
  } else {
    lane = *d.free_lanes.begin();
    d.free_lanes.erase(d.free_lanes.begin());
  }
  d.mappings[event.target] = {lane, event.length};
  d.mapped_bytes += event.length;
  i.track = kLaneTracks + lane;
  use(i.device, i.track);
  sink_.begin(i);
  use(i.device, kMappedBytesTrack);
  sink_.counter(i.device, kMappedBytesTrack, i.begin_ns, d.mapped_bytes);
}

void Timeline::add_unmap(TimelineItem i, const Event& event) {
  Device& d = device(i.device);
  const auto found = d.mappings.find(event.target);
  if (found == d.mappings.end()) {
    i.name = fmt::format("unmap {}", event.target);
    return add_instant(std::move(i));
  }
  i.track = kLaneTracks + found->second.lane;
  d.mapped_bytes -= found->second.bytes;
  d.free_lanes.insert(found->second.lane);
  d.mappings.erase(found);
  sink_.end(i);
  sink_.counter(i.device, kMappedBytesTrack, i.begin_ns, d.mapped_bytes);
}

void Timeline::count_access(uint16_t index, uint64_t time_ns) {
  if (!has_times_) return;  // a rate needs a clock
  Device& d = device(index);
  const uint64_t window = time_ns / kRateWindowNs;
  if (d.window_open && window != d.window) {
    use(index, kMmioRateTrack);
    sink_.counter(index, kMmioRateTrack, d.window * kRateWindowNs, d.window_accesses * kWindowsPerSecond);
    // Nothing happens until the next access: without this the viewer would draw the rate on.
    if (window != d.window + 1) sink_.counter(index, kMmioRateTrack, (d.window + 1) * kRateWindowNs, 0);
    d.window_accesses = 0;
  }
  d.window_open = true;
  d.window = window;
  ++d.window_accesses;
}

void Timeline::finish(const TraceInfo& info) {
  for (auto& [index, d] : devices_) {
    release_doorbell(d);
    settle_reads(index, UINT64_MAX);
    if (d.window_open) {
      use(index, kMmioRateTrack);
      sink_.counter(index, kMmioRateTrack, d.window * kRateWindowNs, d.window_accesses * kWindowsPerSecond);
      sink_.counter(index, kMmioRateTrack, (d.window + 1) * kRateWindowNs, 0);
    }
    // Formats name their devices as they go.
    if (const std::string name = device_name(info, index); name != d.name) sink_.process(index, name);
  }
}

}  // namespace dartboard::traces
