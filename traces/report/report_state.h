// traces/report/report_state.h - what a ReportBuilder knows while events come: report_builder.cpp fills it,
// report_finish.cpp makes the figures of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "traces/report/poll_finder.h"
#include "traces/report/report.h"

namespace dartboard::traces {

/// Orders by `less` and keeps the first `count`.
template <class T, class Less>
void keep_first(std::vector<T>* items, size_t count, Less less) {
  std::sort(items->begin(), items->end(), less);
  if (items->size() > count) items->resize(count);
}

struct ReportBuilder::State {
  using Place = std::pair<uint32_t, uint64_t>;  // track, address
  struct PlaceHash {
    size_t operator()(const std::pair<uint32_t, uint64_t>& place) const {
      uint64_t x = place.second * 0x9e3779b97f4a7c15u ^ (uint64_t{place.first} << 32);
      x ^= x >> 29;
      return static_cast<size_t>(x * 0xbf58476d1ce4e5b9u);
    }
  };
  struct Mapping {
    uint64_t bytes = 0;
  };
  struct Last {
    bool any = false;
    uint64_t event = 0, end_ns = 0;
    uint32_t track = 0;
    EventKind kind = EventKind::kMark;
    uint64_t address = 0;
  };
  struct PendingWait {
    WaitKind kind = WaitKind::kGap;
    uint64_t ns = 0, first_ns = 0;
    Last before, after;
  };

  explicit State(ReportOptions o) : options(std::move(o)), polls([this](const PollFinder::Loop& l) { on_loop(l); }) {}

  void add(const Event& event, const Reply* reply);
  uint32_t track_of(const Event& event);
  void slice(uint64_t x, uint32_t track, bool outward);
  void on_register(const Event& event, uint32_t track, bool has_value, uint64_t value, uint64_t ns);
  void on_mapping(const Event& event, const Reply* reply, uint64_t ns);
  void on_loop(const PollFinder::Loop& loop);
  void on_request(const Event& event, const Reply* reply, uint32_t track, uint64_t ns);
  void wait(const PendingWait& wait);
  std::string name_of(const TraceInfo& info, uint32_t track, uint64_t address) const;
  std::string what(const TraceInfo& info, const Last& last) const;

  ReportOptions options;
  Figures f;
  ReportTimeline t;
  std::map<std::tuple<uint16_t, TrackKind, uint32_t>, uint32_t> tracks;
  uint32_t overflow_track = UINT32_MAX;
  std::map<ReportTimeline::EventClass, uint16_t> classes;
  std::vector<uint64_t> last_address;  // by track
  std::unordered_map<Place, RegisterFigures, PlaceHash> registers;
  std::map<std::pair<uint16_t, uint32_t>, Mapping> mappings;  // by device and handle
  uint64_t mapped_bytes = 0;
  uint64_t point_step = 1, points_skipped = 0;
  MappingPoint pending_point;
  PollFinder polls;
  std::map<std::vector<PollFigures::Place>, PollFigures> poll_groups;
  std::vector<PendingWait> waits;
  std::map<std::tuple<uint16_t, IrqKind, uint64_t>, VectorFigures> vectors;
  Last last;
  uint64_t first_ns = 0, now_ns = 0, last_raw_ns = 0;
  bool any_time = false;
};

}  // namespace dartboard::traces
