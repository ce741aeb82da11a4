// traces/tools/statistics.cpp - see statistics.h.
//
// The hottest registers are counted exactly until there are more than `registers_max`; then the lighter half is
// dropped and its largest count taken off all others, so that memory stays and every count is too low by at most the
// sum of what was taken off (frequent items after Misra and Gries).
#include "traces/tools/statistics.h"

#include <algorithm>

#include "traces/tools/access.h"

namespace dartboard::traces {

namespace {

constexpr size_t kDevicesMax = 256;
constexpr size_t kVectorsMax = 4096;
constexpr uint64_t kHistogramFirstNs = 1'000;

size_t width_slot(uint64_t length) {
  switch (length) {
    case 1: return 0;
    case 2: return 1;
    case 4: return 2;
    case 8: return 3;
    default: return 4;
  }
}

}  // namespace

StatisticsCollector::StatisticsCollector(const RegisterNames* names, const TraceInfo* info, StatisticsOptions options)
    : options_(options), names_(names), info_(info) {}

void StatisticsCollector::add(const EventBatch& batch) {
  for (const Event& event : batch.events) add(event, batch.reply_of(event));
}

void StatisticsCollector::add(const Event& event, const Reply* reply) {
  add_gap(event);
  Statistics::Kind& kind = out_.kinds[static_cast<unsigned>(event.kind)];
  ++kind.count;
  if (const Payload* const data = payload_of(event, reply)) kind.bytes += data->length;
  if (event.is_request()) ++out_.requests;
  ++out_.sources[static_cast<unsigned>(event.source)];
  const uint64_t duration = reply == nullptr ? 0 : reply->duration_ns;
  if (reply != nullptr) {
    if (reply->status != 0) ++out_.failed;
    kind.total_ns += duration;
    kind.longest_ns = std::max(kind.longest_ns, duration);
  }
  out_.last_ns = std::max(out_.last_ns, event.time_ns + duration);
  last_end_ns_ = event.time_ns + duration;
  const size_t device = std::min<size_t>(event.device, kDevicesMax - 1);
  if (out_.device_events.size() <= device) out_.device_events.resize(device + 1);
  ++out_.device_events[device];

  add_access(event, reply);
  if (event.kind == EventKind::kDmaMap || event.kind == EventKind::kDmaUnmap) add_mapping(event, reply);
  if (event.kind == EventKind::kInterrupt) {
    const std::pair key(event.target, event.value);
    if (vectors_.size() < kVectorsMax || vectors_.contains(key)) {
      ++vectors_[key];
    } else {
      ++out_.interrupts_other;
    }
  }
  ++out_.events;
}

void StatisticsCollector::add_gap(const Event& event) {
  if (out_.events == 0) {
    out_.first_ns = out_.last_ns = event.time_ns;
    return;
  }
  const uint64_t gap = event.time_ns > last_end_ns_ ? event.time_ns - last_end_ns_ : 0;
  uint64_t limit = kHistogramFirstNs;
  size_t slot = 0;
  while (slot + 1 < out_.gap_histogram.size() && gap > limit) {
    ++slot;
    limit *= 10;
  }
  ++out_.gap_histogram[slot];
  if (gap <= options_.gap_ns) return;
  ++out_.gaps;
  out_.gaps_ns += gap;
  auto& longest = out_.longest_gaps;
  if (longest.size() == options_.top && (longest.empty() || longest.back().ns >= gap)) return;
  if (longest.size() == options_.top) longest.pop_back();
  const auto place = std::upper_bound(longest.begin(), longest.end(), gap,
                                      [](uint64_t ns, const Gap& other) { return ns > other.ns; });
  longest.insert(place, Gap{gap, out_.events});
}

void StatisticsCollector::add_access(const Event& event, const Reply* reply) {
  const uint32_t space = space_of(event);
  const Direction direction = direction_of(event.kind);
  const bool is_access = space != kNoSpace && direction != Direction::kNone;
  if (is_access) {
    ++out_.space_accesses[space];
    ++(direction == Direction::kRead ? out_.read_widths : out_.write_widths)[width_slot(event.length)];
  }
  if (!is_access || event.length > kValueBytesMax) return end_poll();
  const Place place{event.address, space, event.device};
  if (direction != Direction::kRead || poll_reads_ == 0 || place != poll_) end_poll();
  Counter& counter = registers_[place];
  ++(direction == Direction::kRead ? counter.reads : counter.writes);
  if (const auto value = value_of(event, reply)) counter.last_value = *value;
  if (direction == Direction::kRead) {
    if (poll_reads_++ == 0) {
      poll_ = place;
      poll_first_event_ = out_.events;
      poll_first_ns_ = event.time_ns;
    }
    poll_last_ns_ = event.time_ns;
  }
  if (registers_.size() > options_.registers_max) evict();
}

void StatisticsCollector::end_poll() {
  if (poll_reads_ >= kPollReadsMin) {
    ++out_.polls;
    out_.poll_reads += poll_reads_;
    if (poll_reads_ > out_.longest_poll) {
      out_.longest_poll = poll_reads_;
      out_.longest_poll_event = poll_first_event_;
    }
    const auto found = registers_.find(poll_);
    if (found != registers_.end()) {
      Counter& counter = found->second;
      ++counter.polls;
      counter.longest_poll = std::max(counter.longest_poll, poll_reads_);
      if (poll_last_ns_ > poll_first_ns_) {
        counter.longest_poll_ns = std::max(counter.longest_poll_ns, poll_last_ns_ - poll_first_ns_);
      }
    }
  }
  poll_reads_ = 0;
}

void StatisticsCollector::evict() {
  std::vector<uint64_t> weights;
  weights.reserve(registers_.size());
  for (const auto& [place, counter] : registers_) weights.push_back(counter.weight());
  const auto middle = weights.begin() + static_cast<std::ptrdiff_t>(weights.size() / 2);
  std::nth_element(weights.begin(), middle, weights.end());
  const uint64_t taken = *middle;
  out_.hot_error_max += taken;
  std::erase_if(registers_, [&](const auto& entry) { return entry.second.weight() <= taken; });
  for (auto& [place, counter] : registers_) counter.evicted += taken;
}

void StatisticsCollector::add_mapping(const Event& event, const Reply* reply) {
  const std::pair key(event.device, event.target);
  if (event.kind == EventKind::kDmaMap) {
    if (reply != nullptr && reply->status != 0) return;
    ++out_.maps;
    out_.mapped_bytes_total += event.length;
    if (live_.size() >= options_.mappings_max && !live_.contains(key)) {
      out_.mappings_complete = false;
      return;
    }
    uint64_t& bytes = live_[key];
    out_.mapped_bytes += event.length - bytes;  // a handle that is given again replaces what it was
    bytes = event.length;
  } else {
    ++out_.unmaps;
    const auto found = live_.find(key);
    if (found == live_.end()) return;
    out_.mapped_bytes -= found->second;
    live_.erase(found);
  }
  out_.mappings = live_.size();
  out_.mappings_peak = std::max(out_.mappings_peak, out_.mappings);
  out_.mapped_bytes_peak = std::max(out_.mapped_bytes_peak, out_.mapped_bytes);
}

Statistics StatisticsCollector::finish() {
  end_poll();
  out_.registers = registers_.size();
  std::vector<std::pair<Place, Counter>> rows(registers_.begin(), registers_.end());
  const size_t count = std::min(options_.top, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), rows.end(),
                    [](const auto& a, const auto& b) {
                      const uint64_t left = a.second.reads + a.second.writes, right = b.second.reads + b.second.writes;
                      return left != right ? left > right : a.first.key() < b.first.key();
                    });
  for (size_t i = 0; i < count; ++i) {
    const auto& [place, counter] = rows[i];
    Event event;  // to ask for the name as an access of that place would
    event.kind = place.space == kConfigSpace ? EventKind::kConfigRead : EventKind::kMmioRead;
    event.target = place.space;
    event.address = place.offset;
    event.device = place.device;
    const Named named = NameTracker(names_, info_).see(event, nullptr);
    out_.hottest.push_back({place.device, place.space, place.offset, named ? named.text() : std::string(),
                            counter.reads, counter.writes, counter.polls, counter.longest_poll, counter.longest_poll_ns,
                            counter.last_value});
  }
  for (const auto& [key, times] : vectors_) out_.interrupts.push_back({key.first, key.second, times});
  std::stable_sort(out_.interrupts.begin(), out_.interrupts.end(),
                   [](const IrqCount& a, const IrqCount& b) { return a.count > b.count; });
  if (out_.interrupts.size() > options_.top) {
    for (size_t i = options_.top; i < out_.interrupts.size(); ++i) out_.interrupts_other += out_.interrupts[i].count;
    out_.interrupts.resize(options_.top);
  }
  return std::move(out_);
}

}  // namespace dartboard::traces
