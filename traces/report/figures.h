// traces/report/figures.h - what a report says about a trace, as plain numbers: the page and --json are made from this
// one struct, so that they cannot differ.
//
// Times are nanoseconds since the first event, never running backwards; events are counted from 0.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/event.h"
#include "traces/replay.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

/// What a lane of the timeline shows of one device.
enum class TrackKind : uint8_t { kConfig, kBar, kMappings, kHostMemory, kDeviceDma, kInterrupts, kResets, kOther };

/// Towards the CPU (reads, maps, the device's writes to memory, interrupts) or away from it.
bool is_inward(EventKind kind);
/// Events whose length is a number of bytes that moved, changed or were mapped.
bool moves_bytes(EventKind kind);

struct TrackFigures {
  uint16_t device = 0;
  TrackKind kind = TrackKind::kOther;
  uint32_t index = 0;  ///< of a BAR
  std::string name;    ///< "BAR0", with the device's address where there are several
  uint64_t inward = 0, outward = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  uint64_t events() const { return inward + outward; }
};

struct KindFigures {
  uint64_t count = 0, bytes = 0;
};

/// A place that was read or written: a register, or the start of a block.
struct RegisterFigures {
  uint32_t track = 0;  ///< index into Figures::tracks
  uint64_t address = 0;
  std::string name;  ///< given by the caller; may be empty
  uint64_t reads = 0, writes = 0;
  uint64_t length_min = 0, length_max = 0;  ///< bytes of an access
  uint64_t read_changes = 0;                ///< reads that gave another value than the access before
  uint64_t value = 0;                       ///< the last one read or written, of up to 8 bytes
  bool has_value = false;
  uint64_t first_event = 0, last_event = 0, first_ns = 0, last_ns = 0;
};

/// Registers that were read again and again with nothing in between, as one loop of `period` reads.
struct PollFigures {
  struct Place {
    uint32_t track = 0;
    uint64_t address = 0, length = 0;
    std::string name;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<Place> places;  ///< of one round, the smallest first
  uint64_t polls = 0;         ///< loops
  uint64_t reads = 0, ns = 0;
  uint64_t changed = 0;  ///< loops that ended with another value than they read before
  // The longest by reads:
  uint64_t longest_reads = 0, longest_ns = 0, first_event = 0, last_event = 0, first_ns = 0;
};

enum class WaitKind : uint8_t { kGap, kPoll, kReply };
struct WaitFigures {
  WaitKind kind = WaitKind::kGap;
  uint64_t ns = 0, first_ns = 0;
  uint64_t first_event = 0, last_event = 0;  ///< before and after a gap, or of a poll
  std::string before, after;                 ///< "BAR5 + 0x16060 read"
};

inline constexpr std::array<uint64_t, 7> kGapLimitsNs = {1'000,      10'000,      100'000,      1'000'000,
                                                         10'000'000, 100'000'000, 1'000'000'000};
/// A shorter time between two requests is the driver's own; from here on it is a wait.
inline constexpr uint64_t kWaitNs = 100'000;

struct MappingPoint {
  uint64_t event = 0, ns = 0, bytes = 0, mappings = 0;
};

struct VectorFigures {
  uint16_t device = 0;
  IrqKind kind = IrqKind::kMsix;
  uint64_t vector = 0, count = 0;
  uint64_t first_ns = 0, last_ns = 0, first_event = 0, last_event = 0;
  uint64_t gap_min_ns = UINT64_MAX;  ///< between two; of one that came once: UINT64_MAX
};

/// A reset, a mark, or a request that failed.
struct NotableFigures {
  EventKind kind = EventKind::kMark;
  uint32_t track = 0;
  uint64_t event = 0, ns = 0, address = 0, status = 0;
  std::string text;
};

/// How a replay of the trace went. Filled in by who replayed it.
struct ReplayFigures {
  std::string world;  ///< "sim:m1-tb4"
  uint64_t requests = 0, requests_total = 0;
  uint64_t divergences = 0;
  std::vector<Divergence> first;
  struct Policy {
    std::string what;
    uint64_t count = 0;
  };
  std::vector<Policy> by_policy;  ///< differences that are meant to be
  struct Wait {
    uint64_t request = 0, ns = 0;
    std::string what;
  };
  std::vector<Wait> waits;
  std::string stopped;  ///< why it ended early; empty: it did not
  uint64_t stopped_at = 0;
};

struct Figures {
  std::string file;  ///< its name, without directories
  TraceInfo info;
  ReadReport read;
  uint64_t events = 0, requests = 0, failed_requests = 0;
  uint64_t duration_ns = 0;      ///< from the first event to the last
  uint64_t out_of_order = 0;     ///< events with a time before that of the event before
  uint64_t detailed_events = 0;  ///< that the page shows one by one; of the rest it has counts
  std::array<KindFigures, kEventKindCount> kinds;
  std::vector<TrackFigures> tracks;

  std::vector<RegisterFigures> registers;  ///< the hottest
  uint64_t registers_total = 0, registers_uncounted_accesses = 0;

  std::vector<PollFigures> polls;  ///< the most reads first
  uint64_t polls_total = 0, poll_reads = 0, poll_ns = 0;

  std::vector<WaitFigures> waits;                        ///< the longest first
  std::array<uint64_t, kGapLimitsNs.size() + 1> gaps{};  ///< requests by the time since the one before
  uint64_t gap_waits = 0, gap_wait_ns = 0;

  std::vector<MappingPoint> mapping_points;
  bool mapping_points_thinned = false;
  uint64_t peak_mapped_bytes = 0, peak_mappings = 0, mapped_bytes_at_end = 0, mappings_at_end = 0;
  uint64_t unmaps_of_unknown = 0;

  std::vector<VectorFigures> vectors;
  std::vector<NotableFigures> resets, marks, failures;
  std::optional<ReplayFigures> replay;

  const KindFigures& kind(EventKind k) const { return kinds[static_cast<size_t>(k)]; }
  bool has_times() const { return info.clock != Clock::kNone; }
};

std::string_view to_string(TrackKind kind);
std::string_view to_string(WaitKind kind);

/// One JSON object ("schema": "dartboard-report-1"), without a newline. docs/report.md names the members.
std::string to_json(const Figures& figures);

}  // namespace dartboard::traces
