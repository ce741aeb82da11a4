// traces/export/timeline.h - a trace as tracks of slices, instants and counters: what Perfetto and Chrome JSON both
// show.
//
// A process for each device, "0000:01:00.0 1002:74a1", and in it, in this order:
//   config           reads and writes of configuration space
//   BAR0 .. BAR5     reads are slices as long as their round trip (instants where that was not recorded), posted
//   ROM              writes are instants
//   DMA maps         a slice from each map to its unmap; what CPU and device do with that memory, as instants
//   IRQ vectors      an instant for each interrupt, on a track of its vector
//   resets and marks and whatever has no place above
//   mapped bytes, MMIO/s (accesses in a millisecond of the recording), outstanding reads: counters
// A flow leads from a doorbell over the DMA to the interrupt. No recording says which write was the doorbell: the last
// posted write to a BAR before the device's DMA is taken for it.
//
// Memory: mappings that live, reads under way and tracks in use; each with a limit, beyond which is counted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "traces/event_stream.h"
#include "traces/export/left_out.h"

namespace dartboard::traces {

/// A track within a device.
enum Track : uint32_t {
  kConfigTrack,
  kBarTrack,  // + index; 6 is the ROM
  kDmaTrack = kBarTrack + 7,
  kIrqTrack,
  kMarkTrack,
  kMappedBytesTrack,
  kMmioRateTrack,
  kOutstandingTrack,
  kFixedTracks,
  kVectorTracks = 0x10000,  // + kind * kVectorsShown + vector
  kLaneTracks = 0x20000,    // + lane: where the slice of a mapping lies while it lives
};
inline constexpr uint32_t kVectorsShown = 4096;  ///< of each IRQ kind: MSI-X has 2048
inline constexpr uint32_t kLanesMax = 65536;     ///< mappings that live at once

struct TimelineArgument {
  enum class Form : uint8_t { kNumber, kHex, kText };
  std::string_view name;  // a constant of the program
  Form form = Form::kNumber;
  uint64_t number = 0;
  std::string text;
};

/// A slice, an instant, or one end of an open slice.
struct TimelineItem {
  uint16_t device = 0;
  uint32_t track = 0;
  uint64_t begin_ns = 0;
  uint64_t end_ns = 0;  ///< slices only
  std::string name;
  std::vector<TimelineArgument> arguments;
  uint64_t flow = 0;  ///< 0: none
  enum class FlowStep : uint8_t { kNone, kStart, kStep, kEnd } flow_step = FlowStep::kNone;
};

struct TimelineTrack {
  uint16_t device = 0;
  uint32_t track = 0;
  uint32_t parent = 0;  ///< a track; kFixedTracks: the device
  std::string name;
  uint32_t rank = 0;  ///< among its siblings
  bool is_counter = false;
  bool in_bytes = false;  ///< of a counter
};

/// Where a timeline goes. Items of one track do not come in order of time: a doorbell is known only once its DMA is.
class TimelineSink {
 public:
  virtual ~TimelineSink() = default;
  virtual void process(uint16_t device, const std::string& name) = 0;  ///< before its tracks; again if the name changed
  virtual void track(const TimelineTrack& track) = 0;                  ///< before its items
  virtual void slice(const TimelineItem& item) = 0;
  virtual void instant(const TimelineItem& item) = 0;
  virtual void begin(const TimelineItem& item) = 0;  ///< of a mapping
  virtual void end(const TimelineItem& item) = 0;
  virtual void counter(uint16_t device, uint32_t track, uint64_t time_ns, uint64_t value) = 0;
};

class Timeline {
 public:
  Timeline(TimelineSink& sink, const TraceInfo& info);
  void add(uint64_t number, const Event& event, const Reply* reply);
  void finish(const TraceInfo& info);
  const LeftOut& left_out() const { return left_out_; }

 private:
  struct Mapping {
    uint32_t lane;
    uint64_t bytes;
  };
  struct Device {
    std::string name;
    bool announced = false;
    std::set<uint32_t> tracks;
    std::map<uint32_t, uint64_t> slice_ends;  // of a track: its latest
    std::map<uint32_t, Mapping> mappings;     // by handle
    std::set<uint32_t> free_lanes;
    uint32_t lanes = 0;
    uint64_t mapped_bytes = 0;
    std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> outstanding;  // when they end
    uint64_t window = 0, window_accesses = 0;
    bool window_open = false;
    std::optional<TimelineItem> doorbell;  // the last posted write: held until it is known whether DMA follows
    uint64_t flow = 0;                     // that a DMA is part of
  };

  Device& device(uint16_t index);
  void use(uint16_t device, uint32_t track);
  TimelineItem item(const Event& event, uint32_t track, std::string name) const;
  void add_read(TimelineItem item, const Event& event, const Reply* reply, std::optional<uint64_t> value);
  void add_instant(TimelineItem item);
  void add_write(TimelineItem item, bool to_bar);
  void add_map(TimelineItem item, const Event& event, const Reply* reply);
  void add_unmap(TimelineItem item, const Event& event);
  void add_dma(TimelineItem item);
  void add_interrupt(TimelineItem item, const Event& event);
  void count_access(uint16_t device, uint64_t time_ns);
  void release_doorbell(Device& device);
  void settle_reads(uint16_t device, uint64_t time_ns);

  TimelineSink& sink_;
  const TraceInfo info_;
  const bool has_times_;
  std::map<uint16_t, Device> devices_;
  uint64_t time_ns_ = 0;  // of the event at hand
  uint64_t flows_ = 0;
  bool noted_ = false;
  LeftOut left_out_;
};

}  // namespace dartboard::traces
