// traces/inference.cpp - one pass over the events with a shadow of every memory the CPU can write.
#include "traces/inference.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/sparse_shadow.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kBusPageBytes = 4096;  // one recorded bus address per 4 KiB

// Configuration space, type 0 header (PCIe 6.0 s7.5.1).
constexpr uint64_t kStatusBegin = 0x06, kStatusEnd = 0x08;
constexpr uint64_t kHeaderBytes = 0x40;

/// What the guest has of its own there, whatever the device holds: Command, Cache Line Size, BARs, ROM BAR, Interrupt
/// Line.
constexpr bool is_guests_own(uint64_t offset) {
  return offset == 0x04 || offset == 0x05 || offset == 0x0c || (offset >= 0x10 && offset < 0x28) ||
         (offset >= 0x30 && offset < 0x34) || offset == 0x3c;
}

}  // namespace

class Inference {
 public:
  Inference(std::vector<const DeviceDescription*> devices, std::string origin, uint64_t shadow_bytes_max)
      : origin_(std::move(origin)), shadow_bytes_max_(shadow_bytes_max) {
    devices_.resize(devices.size());
    for (size_t i = 0; i < devices.size(); ++i) {
      for (unsigned bar = 0; bar < 6; ++bar) {
        devices_[i].is_memory[bar] = devices[i]->bars[bar].kind == BarKind::kMemory;
      }
      devices_[i].has_config = !devices[i]->config.empty();
      if (!devices_[i].has_config) continue;
      devices_[i].config = devices[i]->config;
      for (uint64_t at = 0; at < ConfigImage::kBytes; ++at) devices_[i].now[at] = devices[i]->config.at(at);
    }
  }

  const InferenceCounts& counts() const { return counts_; }

  /// Appends `event` to `out`, behind the events it shows.
  Result<void> event(const Event& event, const Reply* reply, std::vector<Event>* out) {
    out_ = out;
    if (event.device < devices_.size()) [[likely]]
      look(devices_[event.device], event, reply);
    if (shadow_bytes_ > shadow_bytes_max_) {
      return fail(ErrorName::kFileCorrupt,
                  fmt::format("{}: request {}: more than {} bytes of memory written; that is more than a session may.",
                              origin_, event.request, shadow_bytes_max_));
    }
    out->push_back(event);
    return {};
  }

 private:
  struct HostMemory {
    SparseShadow shadow;
    std::vector<uint64_t> pages;  // recorded bus addresses; empty: `base` and what follows
    uint64_t base = 0;
    uint64_t bus_address(uint64_t offset) const {
      if (pages.empty()) return base + offset;
      const uint64_t page = offset / kBusPageBytes;
      return (page < pages.size() ? pages[page] : 0) + offset % kBusPageBytes;
    }
  };
  struct Device {
    std::array<bool, 6> is_memory{};
    bool has_config = false;
    ConfigImage config;
    std::array<uint8_t, ConfigImage::kBytes> now{};  // configuration space by our knowledge
    std::map<uint32_t, HostMemory> host;
    std::map<uint32_t, SparseShadow> bars;
    bool memory_bar(uint32_t bar) const { return bar < 6 && is_memory[bar]; }
  };

  void look(Device& device, const Event& event, const Reply* reply) {
    const bool answered = reply != nullptr && reply->status == 0;
    switch (event.kind) {
      case EventKind::kDmaMap:
        if (answered) map(device, event, *reply);
        break;
      case EventKind::kDmaUnmap: device.host.erase(event.target); break;
      case EventKind::kHostWrite:
        if (event.data.is_whole()) write(device.host[event.target].shadow, event.address, event.data);
        break;
      case EventKind::kDeviceDmaWrite:
        if (event.data.is_whole()) write(device.host[event.target].shadow, event.value, event.data);
        break;
      case EventKind::kHostRead:
        if (answered && reply->data.is_whole()) read_host(device, event, reply->data);
        break;
      case EventKind::kMmioWrite:
      case EventKind::kDeviceMemory:
        if (device.memory_bar(event.target) && event.data.is_whole()) {
          write(device.bars[event.target], event.address, event.data);
        }
        break;
      case EventKind::kMmioRead:
        if (answered && device.memory_bar(event.target) && reply->data.is_whole()) {
          read_bar(device, event, reply->data);
        }
        break;
      case EventKind::kConfigRead:
        if (answered && device.has_config) read_config(device, event, static_cast<uint32_t>(reply->value0));
        break;
      case EventKind::kConfigWrite:
        if (device.has_config) write_config(device, event);
        break;
      case EventKind::kDeviceConfig:
        for (uint64_t i = 0; i < event.length && event.address + i < ConfigImage::kBytes; ++i) {
          device.now[event.address + i] = static_cast<uint8_t>(event.value >> (8 * i));
        }
        break;
      default: break;
    }
  }

  static void map(Device& device, const Event& event, const Reply& reply) {
    HostMemory memory;
    memory.base = reply.value0;
    if (reply.data.is_whole()) {
      for (uint64_t i = 0; i + 8 <= reply.data.length; i += 8) memory.pages.push_back(reply.data.le64(i));
    }
    device.host[event.target] = std::move(memory);
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

  static Event inferred(EventKind kind, const Event& cause) {
    Event event;
    event.kind = kind;
    event.source = Source::kInferred;
    event.time_ns = cause.time_ns;
    event.request = cause.request;
    event.device = cause.device;
    event.target = cause.target;
    return event;
  }

  void read_bar(Device& device, const Event& cause, const Payload& data) {
    SparseShadow& shadow = device.bars[cause.target];
    for (const auto& [from, to] : unexplained(shadow, cause.address, data)) {
      Event event = inferred(EventKind::kDeviceMemory, cause);
      event.address = cause.address + from;
      event.length = to - from;
      event.data = data.part(from, to - from);
      out_->push_back(event);
      ++counts_.device_memory_changes;
    }
    if (!spans_.empty()) write(shadow, cause.address, data);
  }

  void read_host(Device& device, const Event& cause, const Payload& data) {
    HostMemory& memory = device.host[cause.target];
    for (auto [from, to] : unexplained(memory.shadow, cause.address, data)) {
      while (from < to) {
        // As far as bus addresses run on.
        uint64_t end = from;
        const uint64_t iova = memory.bus_address(cause.address + from);
        while (end < to && memory.bus_address(cause.address + end) - iova == end - from) {
          end = std::min(to, round_down(cause.address + end, kBusPageBytes) + kBusPageBytes - cause.address);
        }
        Event event = inferred(EventKind::kDeviceDmaWrite, cause);
        event.address = iova;
        event.value = cause.address + from;
        event.length = end - from;
        event.data = data.part(from, end - from);
        out_->push_back(event);
        ++counts_.device_dma_writes;
        from = end;
      }
    }
    if (spans_.empty()) return;
    ++counts_.device_dma_reads_seen;
    write(memory.shadow, cause.address, data);
  }

  /// A write takes effect where nothing says otherwise: identity, capability pointers and the like are read-only.
  static void write_config(Device& device, const Event& event) {
    for (uint64_t i = 0; i < event.length && event.address + i < ConfigImage::kBytes; ++i) {
      const uint64_t at = event.address + i;
      const auto byte = static_cast<uint8_t>(event.value >> (8 * i));
      if (at >= kStatusBegin && at < kStatusEnd) {
        device.now[at] = static_cast<uint8_t>(device.now[at] & ~(at == kStatusBegin ? 0 : byte & 0xf9));
      } else if (at >= kHeaderBytes) {
        device.now[at] = byte;
      }
    }
  }

  void read_config(Device& device, const Event& cause, uint32_t value) {
    bool changed = false;
    for (uint64_t i = 0; i < cause.length && cause.address + i < ConfigImage::kBytes; ++i) {
      const uint64_t at = cause.address + i;
      const auto byte = static_cast<uint8_t>(value >> (8 * i));
      if (is_guests_own(at) || !device.config.known(at) || device.now[at] == byte) continue;
      device.now[at] = byte;
      changed = true;
    }
    if (!changed) return;
    Event event = inferred(EventKind::kDeviceConfig, cause);
    event.target = 0;
    event.address = cause.address;
    event.length = cause.length;
    event.value = value;
    out_->push_back(event);
    ++counts_.device_config_changes;
  }

  const std::string origin_;
  const uint64_t shadow_bytes_max_;
  std::vector<Device> devices_;
  std::vector<Event>* out_ = nullptr;
  std::vector<std::pair<uint64_t, uint64_t>> spans_;
  InferenceCounts counts_;
  uint64_t shadow_bytes_ = 0;
};

Result<InferenceCounts> infer_device_events(Session* session, uint64_t shadow_bytes_max) {
  Inference inference({&session->device}, session->origin, shadow_bytes_max);
  std::vector<Event> out;
  out.reserve(session->events.size() + 64);
  for (const Event& event : session->events) {
    if (auto done = inference.event(event, session->reply_of(event), &out); !done) return tl::unexpected(done.error());
  }
  session->events = std::move(out);
  return inference.counts();
}

InferenceReader::InferenceReader(std::unique_ptr<EventReader> source, const std::vector<TraceDevice>& devices,
                                 std::string origin, uint64_t shadow_bytes_max)
    : source_(std::move(source)), info_(source_->info()) {
  info_.devices = devices;
  std::vector<const DeviceDescription*> descriptions;
  for (const TraceDevice& device : devices) descriptions.push_back(&device.description);
  inference_ = std::make_unique<Inference>(std::move(descriptions), std::move(origin), shadow_bytes_max);
}

InferenceReader::~InferenceReader() = default;

const InferenceCounts& InferenceReader::counts() const {
  return inference_->counts();
}

Result<bool> InferenceReader::next(EventBatch* batch) {
  auto more = source_->next(batch);
  if (!more || !*more) return more;
  batch->first_event = events_;
  out_.clear();
  for (const Event& event : batch->events) {
    if (auto done = inference_->event(event, batch->reply_of(event), &out_); !done) {
      return tl::unexpected(done.error());
    }
  }
  batch->events.swap(out_);
  events_ += batch->events.size();
  return true;
}

}  // namespace dartboard::traces
