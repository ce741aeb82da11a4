// traces/tools/statistics.h - what a trace consists of, in numbers, in memory that does not grow with it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "traces/event_stream.h"
#include "traces/tools/names.h"

namespace dartboard::traces {

/// One register (or one place in memory, read or written as values of at most 8 bytes).
struct HotRegister {
  uint16_t device = 0;
  uint32_t space = 0;
  uint64_t offset = 0;
  std::string name;  ///< empty: none
  uint64_t reads = 0, writes = 0;
  uint64_t polls = 0;         ///< runs of reads with nothing else between, of kPollReadsMin or more
  uint64_t longest_poll = 0;  ///< reads
  uint64_t longest_poll_ns = 0;
  uint64_t last_value = 0;
  uint64_t total() const { return reads + writes; }
};

inline constexpr uint64_t kPollReadsMin = 3;

struct Gap {
  uint64_t ns = 0;
  uint64_t event = 0;  ///< number of the event after it
};

struct IrqCount {
  uint32_t kind = 0;
  uint64_t vector = 0, count = 0;
};

struct Statistics {
  uint64_t events = 0, requests = 0, failed = 0;
  uint64_t first_ns = 0, last_ns = 0;  ///< begin of the first, end of the last to end
  uint64_t duration_ns() const { return last_ns - first_ns; }

  struct Kind {
    uint64_t count = 0, bytes = 0, total_ns = 0, longest_ns = 0;  ///< times are round trips
  };
  std::array<Kind, kEventKindCount> kinds{};
  std::array<uint64_t, 4> sources{};                      ///< by Source
  std::array<uint64_t, 5> read_widths{}, write_widths{};  ///< MMIO and config: 1, 2, 4, 8 bytes, others
  std::array<uint64_t, 8> space_accesses{};               ///< by space
  std::vector<uint64_t> device_events;                    ///< by device, at most kDevicesMax

  std::vector<HotRegister> hottest;  ///< most accesses first
  uint64_t registers = 0;            ///< different ones seen, if nothing was evicted
  uint64_t hot_error_max = 0;        ///< counts in `hottest` are too low by at most this; 0: exact
  uint64_t polls = 0, poll_reads = 0;
  uint64_t longest_poll = 0, longest_poll_event = 0;  ///< reads, and the number of its first event

  std::array<uint64_t, 8> gap_histogram{};  ///< [i]: up to 10^i us, and the last beyond
  uint64_t gaps = 0, gaps_ns = 0;           ///< longer than the threshold
  std::vector<Gap> longest_gaps;            ///< longest first

  uint64_t maps = 0, unmaps = 0, mapped_bytes_total = 0;
  uint64_t mapped_bytes = 0, mapped_bytes_peak = 0, mappings = 0, mappings_peak = 0;
  bool mappings_complete = true;     ///< false: more at once than are followed
  std::vector<IrqCount> interrupts;  ///< most first
  uint64_t interrupts_other = 0;     ///< of vectors beyond those that are followed
};

struct StatisticsOptions {
  size_t top = 20;                 ///< rows of hottest, longest_gaps and interrupts
  uint64_t gap_ns = 100'000;       ///< what counts as a gap
  size_t registers_max = 1 << 17;  ///< followed at once: about 16 MiB
  size_t mappings_max = 1 << 18;
};

class StatisticsCollector {
 public:
  /// `names` may be null; neither is owned.
  StatisticsCollector(const RegisterNames* names, const TraceInfo* info, StatisticsOptions options = {});
  void add(const EventBatch& batch);
  Statistics finish();  ///< once

 private:
  struct Place {
    uint64_t offset;
    uint32_t space;
    uint16_t device;
    bool operator==(const Place&) const = default;
    auto key() const { return std::tie(device, space, offset); }
  };
  struct PlaceHash {
    size_t operator()(const Place& p) const {
      uint64_t h = p.offset + (uint64_t{p.space} << 56) + (uint64_t{p.device} << 40);
      h = (h ^ h >> 32) * 0x9e3779b97f4a7c15;
      return static_cast<size_t>(h ^ h >> 29);
    }
  };
  struct Counter {
    uint64_t reads = 0, writes = 0, polls = 0, longest_poll = 0, longest_poll_ns = 0, last_value = 0;
    uint64_t evicted = 0;  // subtracted so far
    uint64_t weight() const { return reads + writes - evicted; }
  };

  void add(const Event& event, const Reply* reply);
  void add_access(const Event& event, const Reply* reply);
  void add_gap(const Event& event);
  void add_mapping(const Event& event, const Reply* reply);
  void end_poll();
  void evict();

  const StatisticsOptions options_;
  const RegisterNames* const names_;
  const TraceInfo* const info_;
  Statistics out_;
  std::unordered_map<Place, Counter, PlaceHash> registers_;
  std::map<std::pair<uint16_t, uint32_t>, uint64_t> live_;  // bytes of each mapping
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> vectors_;
  Place poll_{};
  uint64_t poll_reads_ = 0, poll_first_event_ = 0, poll_first_ns_ = 0, poll_last_ns_ = 0;
  uint64_t last_end_ns_ = 0;
};

}  // namespace dartboard::traces
