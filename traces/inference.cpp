// traces/inference.cpp - one pass over the session with a shadow of every memory the CPU can write.
#include "traces/inference.h"

#include <map>
#include <vector>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/sparse_shadow.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kBusPageBytes = 4096;  // one recorded bus address per 4 KiB

class Inference {
 public:
  explicit Inference(Session* session) : session_(*session) { out_.reserve(session_.events.size() + 64); }

  Result<InferenceCounts> run(uint64_t shadow_bytes_max) {
    for (const Event& event : session_.events) {
      const Reply* const reply = session_.reply_of(event);
      const bool answered = reply != nullptr && reply->status == 0;
      switch (event.kind) {
        case EventKind::kDmaMap:
          if (answered) host_[event.target] = {SparseShadow{}, reply->data};
          break;
        case EventKind::kDmaUnmap: host_.erase(event.target); break;
        case EventKind::kHostWrite: write(host_[event.target].shadow, event.address, event.data); break;
        case EventKind::kHostRead:
          if (answered) read_host(event, reply->data);
          break;
        case EventKind::kMmioWrite:
          if (is_memory(event.target)) write(bars_[event.target], event.address, event.data);
          break;
        case EventKind::kMmioRead:
          if (answered && is_memory(event.target)) read_bar(event, reply->data);
          break;
        default: break;
      }
      if (shadow_bytes_ > shadow_bytes_max) {
        return fail(
            ErrorName::kFileCorrupt,
            fmt::format("{}: request {}: more than {} bytes of memory written; that is more than a session may.",
                        session_.origin, event.request, shadow_bytes_max));
      }
      out_.push_back(event);
    }
    session_.events = std::move(out_);
    return counts_;
  }

 private:
  struct HostMemory {
    SparseShadow shadow;
    Payload pages;  // recorded bus addresses, 8 bytes each
  };

  bool is_memory(uint32_t bar) const {
    return session_.device.has_bar(bar) && session_.device.bars[bar].kind == BarKind::kMemory;
  }
  void write(SparseShadow& shadow, uint64_t offset, const Payload& data) {
    const uint64_t before = shadow.bytes();
    shadow.write(offset, data);
    shadow_bytes_ += shadow.bytes() - before;
  }

  /// Spans of `data` that the shadow does not explain; spans less than a page apart are one.
  const std::vector<std::pair<uint64_t, uint64_t>>& unexplained(const SparseShadow& shadow, uint64_t offset,
                                                                const Payload& data) {
    spans_.clear();
    shadow.compare(offset, data, [&](uint64_t first, uint64_t last) {
      // A device writes whole 32-bit words; the bytes beside a changed one are the same either way.
      const uint64_t begin = round_down(offset + first, 4);
      const uint64_t from = begin < offset ? 0 : begin - offset;
      const uint64_t to = std::min(round_up(offset + last + 1, 4) - offset, data.length);
      if (!spans_.empty() && from <= spans_.back().second + SparseShadow::kPageBytes) {
        spans_.back().second = to;
      } else {
        spans_.emplace_back(from, to);
      }
    });
    return spans_;
  }

  Event inferred(EventKind kind, const Event& cause) const {
    Event event;
    event.kind = kind;
    event.source = Source::kInferred;
    event.time_ns = cause.time_ns;
    event.request = cause.request;
    event.device = cause.device;
    event.target = cause.target;
    return event;
  }

  void read_bar(const Event& cause, const Payload& data) {
    SparseShadow& shadow = bars_[cause.target];
    for (const auto& [from, to] : unexplained(shadow, cause.address, data)) {
      Event event = inferred(EventKind::kDeviceMemory, cause);
      event.address = cause.address + from;
      event.length = to - from;
      event.data = data.part(from, to - from);
      out_.push_back(event);
      ++counts_.device_memory_changes;
    }
    if (!spans_.empty()) write(shadow, cause.address, data);
  }

  void read_host(const Event& cause, const Payload& data) {
    HostMemory& memory = host_[cause.target];
    for (auto [from, to] : unexplained(memory.shadow, cause.address, data)) {
      while (from < to) {
        // As far as bus addresses run on.
        uint64_t end = from;
        const uint64_t iova = bus_address(memory, cause.address + from);
        while (end < to && bus_address(memory, cause.address + end) - iova == end - from) {
          end = std::min(to, round_down(cause.address + end, kBusPageBytes) + kBusPageBytes - cause.address);
        }
        Event event = inferred(EventKind::kDeviceDmaWrite, cause);
        event.address = iova;
        event.value = cause.address + from;
        event.length = end - from;
        event.data = data.part(from, end - from);
        out_.push_back(event);
        ++counts_.device_dma_writes;
        from = end;
      }
    }
    if (spans_.empty()) return;
    ++counts_.device_dma_reads_seen;
    write(memory.shadow, cause.address, data);
  }

  static uint64_t bus_address(const HostMemory& memory, uint64_t offset) {
    return memory.pages.le64(8 * (offset / kBusPageBytes)) + offset % kBusPageBytes;
  }

  Session& session_;
  std::vector<Event> out_;
  std::map<uint32_t, HostMemory> host_;
  std::map<uint32_t, SparseShadow> bars_;
  std::vector<std::pair<uint64_t, uint64_t>> spans_;
  InferenceCounts counts_;
  uint64_t shadow_bytes_ = 0;
};

}  // namespace

Result<InferenceCounts> infer_device_events(Session* session, uint64_t shadow_bytes_max) {
  return Inference(session).run(shadow_bytes_max);
}

}  // namespace dartboard::traces
