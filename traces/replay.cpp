// traces/replay.cpp - the replay loop. Per request: one switch, one call of the target, one comparison; nothing is
// allocated unless something diverges.
#include "traces/replay.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

namespace dartboard::traces {

namespace {

/// Reads and fills go through a buffer of this size; writes of recorded bytes go as they are.
constexpr uint64_t kChunkBytes = 64 * kKiB;
constexpr uint64_t kSysmemPageBytes = 4096;

bool ends_replay(ErrorName name) {
  return name == ErrorName::kPlacement || name == ErrorName::kHostPanic || name == ErrorName::kWrongPlatform ||
         name == ErrorName::kInternal;
}

template <class T>
std::string hex_bytes(const T& data, uint64_t from, uint64_t count) {
  std::string out;
  for (uint64_t i = from; i < from + count; ++i) {
    if (i != from && i % 4 == 0) out += ' ';
    out += fmt::format("{:02x}", std::to_integer<unsigned>(data(i)));
  }
  return out;
}

class Driver final : private MismatchSink {
 public:
  Driver(const Session& guest, const Session& device, ReplayTarget& target, const ReplayOptions& options)
      : guest_(guest), device_(device), target_(target), options_(options), chunk_(new std::byte[kChunkBytes]()) {}

  ReplayReport run() {
    target_.start(*this);
    auto device_event = device_.events.begin();
    for (const Event& event : guest_.events) {
      if (!event.is_request()) continue;
      event_ = &event;
      diverged_ = resync_ = false;
      device_request_ = &event;
      for (; device_event != device_.events.end() && device_event->request <= event.request; ++device_event) {
        if (!device_event->is_request()) {
          perform(*device_event);
        } else if (&guest_ != &device_ && device_event->request == event.request) {
          device_request_ = &*device_event;
          compare_memory_write(event, *device_event);
        }
      }
      if (!report_.stopped) request(event);
      ++report_.requests;
      if (resync_) target_.resync(event.request + 1);
      if (report_.stopped) {
        report_.stopped_at = event.request;
        break;
      }
      if (options_.progress && report_.requests % options_.progress_every == 0) options_.progress(report_.requests);
    }
    if (!report_.stopped) {
      diverged_ = false;
      target_.finish();
    }
    if (options_.progress) options_.progress(report_.requests);
    return std::move(report_);
  }

 private:
  // Divergences.
  // -------------------------------------------------------------------------------------------------------
  void diverge(Layer layer, std::string expected, std::string got) {
    if (diverged_) return;
    diverged_ = true;
    ++report_.divergences;
    if (report_.first.size() < kDivergencesKept) {
      report_.first.push_back({event_->request, layer, std::move(expected), std::move(got)});
    }
  }
  void device_mismatch(std::string_view expected, std::string_view got) override {
    resync_ = true;
    diverge(Layer::kEndpoint, std::string(expected), std::string(got));
  }
  /// Compares how the request ended; true when it succeeded here and in the recording.
  template <class T>
  bool ended(const Result<T>& result) {
    const Reply* const reply = guest_.reply_of(*event_);
    const uint64_t recorded = reply == nullptr ? 0 : reply->status;
    if (result.has_value() && recorded == 0) [[likely]]
      return true;
    if (!result.has_value() && ends_replay(result.error().name)) {
      report_.stopped = result.error();
      return false;
    }
    if (result.has_value() != (recorded == 0)) {
      diverge(Layer::kReply, fmt::format("status {}", recorded),
              result.has_value() ? "status 0" : fmt::format("status 1: {}", result.error().sentence));
    }
    return false;
  }
  void compare(std::string_view what, uint64_t expected, uint64_t got) {
    if (expected == got) [[likely]]
      return;
    diverge(Layer::kReply, fmt::format("{} 0x{:x}", what, expected), fmt::format("{} 0x{:x}", what, got));
  }
  void compare_bytes(const Payload& expected, std::span<const std::byte> got, uint64_t at) {
    const uint64_t first = expected.first_difference(got);
    if (first == expected.length) [[likely]]
      return;
    diverge_at(Layer::kReply, first, at, expected, [&](uint64_t i) { return got[i]; });
  }
  template <class Got>
  void diverge_at(Layer layer, uint64_t first, uint64_t at, const Payload& expected, Got got) {
    const uint64_t from = round_down(first, 4);
    const uint64_t count = std::min<uint64_t>(16, expected.length - from);
    const std::string where = at + from == 0 && expected.length == count ? "" : fmt::format("+0x{:x}: ", at + from);
    diverge(layer, where + hex_bytes([&](uint64_t i) { return expected.at(i); }, from, count),
            where + hex_bytes(got, from, count));
  }

  /// Nobody but the two recordings can tell that a write to memory differs: the device does not see it.
  void compare_memory_write(const Event& got, const Event& expected) {
    const bool is_memory = expected.kind == EventKind::kHostWrite ||
                           (expected.kind == EventKind::kMmioWrite && device_.device.has_bar(expected.target) &&
                            device_.device.bars[expected.target].kind == BarKind::kMemory);
    if (!is_memory) return;
    if (got.kind != expected.kind || got.target != expected.target || got.address != expected.address ||
        got.length != expected.length) {
      diverge(Layer::kMemory, describe(expected), describe(got));
      return;
    }
    const uint64_t first = first_difference(expected.data, got.data);
    if (first == expected.length) return;
    diverge_at(Layer::kMemory, first, 0, expected.data, [&](uint64_t i) { return got.data.at(i); });
  }
  static std::string describe(const Event& e) {
    return fmt::format("{} of {} bytes at 0x{:x} of {}", to_string(e.kind), e.length, e.address, e.target);
  }
  static uint64_t first_difference(const Payload& a, const Payload& b) {
    if (!b.is_fill()) return a.first_difference({b.bytes, b.length});
    if (!a.is_fill()) return b.first_difference({a.bytes, a.length});
    return a.fill == b.fill ? a.length : 0;
  }

  // Requests.
  // ----------------------------------------------------------------------------------------------------------
  void request(const Event& e) {
    const Reply* const reply = guest_.reply_of(e);
    switch (e.kind) {
      case EventKind::kMmioWrite:
        write(e,
              [&](uint64_t offset, std::span<const std::byte> d) { return target_.region_write(e.target, offset, d); });
        break;
      case EventKind::kMmioRead:
        read(e, [&](uint64_t offset, std::span<std::byte> d) { return target_.region_read(e.target, offset, d); });
        break;
      case EventKind::kHostWrite:
        write(e,
              [&](uint64_t offset, std::span<const std::byte> d) { return target_.sysmem_write(e.target, offset, d); });
        break;
      case EventKind::kHostRead:
        read(e, [&](uint64_t offset, std::span<std::byte> d) { return target_.sysmem_read(e.target, offset, d); });
        break;
      case EventKind::kConfigRead: {
        const auto value = target_.config_read(e.address, static_cast<unsigned>(e.length));
        if (ended(value)) compare("value", reply->value0, *value);
        break;
      }
      case EventKind::kConfigWrite:
        ended(target_.config_write(e.address, static_cast<unsigned>(e.length), static_cast<uint32_t>(e.value)));
        break;
      case EventKind::kProbe: {
        const auto count = target_.probe({static_cast<uint8_t>(e.address), static_cast<uint16_t>(e.value), e.data});
        if (ended(count)) compare("count", reply->value1, *count);
        break;
      }
      case EventKind::kMapBar: {
        const auto size = target_.map_bar(e.target);
        if (ended(size)) compare("size", reply->value1, *size);
        break;
      }
      case EventKind::kResizeBar: ended(target_.resize_bar(e.target, e.value)); break;
      case EventKind::kReset: ended(target_.reset()); break;
      case EventKind::kDmaMap: map_sysmem(e, reply); break;
      case EventKind::kDmaUnmap: ended(target_.unmap_sysmem(e.target)); break;
      case EventKind::kPing:
      case EventKind::kDeviceMemory:
      case EventKind::kDeviceDmaRead:
      case EventKind::kDeviceDmaWrite:
      case EventKind::kInterrupt:
      case EventKind::kMark:
      case EventKind::kIrqSetup:
      case EventKind::kDeviceConfig: break;  // nobody below the guest is asked
    }
  }

  void map_sysmem(const Event& e, const Reply* reply) {
    const uint64_t count = round_up(e.length, kSysmemPageBytes) / kSysmemPageBytes;
    pages_.assign(count, 0);
    // Pages go where the device's recording has them: that is where its DMA goes.
    const Event& there = *device_request_;
    const Reply* placed = &there == &e ? reply : device_.reply_of(there);
    if (there.kind != e.kind || there.length != e.length || placed == nullptr || placed->status != 0) placed = reply;
    const Payload recorded = placed != nullptr && placed->status == 0 ? placed->data : Payload();
    if (!ended(target_.map_sysmem(e.target, e.length, e.value != 0, recorded, pages_))) return;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t expected = reply->data.le64(8 * i);
      if (expected == pages_[i]) continue;
      diverge(Layer::kReply, fmt::format("page {} at 0x{:x}", i, expected),
              fmt::format("page {} at 0x{:x}", i, pages_[i]));
      return;
    }
  }

  /// The next piece of [done, length) at `address`: a whole number of aligned 64-bit words unless it is the last, so
  /// that cutting never changes the accesses that a register BAR sees.
  static uint64_t piece(uint64_t address, uint64_t done, uint64_t length) {
    return std::min(kChunkBytes - ((address + done) & 7), length - done);
  }

  template <class Write>
  void write(const Event& e, Write put) {
    if (!e.data.is_fill()) [[likely]] {
      ended(put(e.address, {e.data.bytes, e.data.length}));
      return;
    }
    prepare_fill(e.data);
    for (uint64_t done = 0; done < e.length;) {
      const uint64_t count = piece(e.address, done, e.length);
      if (!ended(put(e.address + done, {chunk_.get(), count}))) return;
      done += count;
    }
  }

  template <class Read>
  void read(const Event& e, Read get) {
    const Reply& reply = *guest_.reply_of(e);
    for (uint64_t done = 0; done < e.length;) {
      const uint64_t count = piece(e.address, done, e.length);
      const std::span<std::byte> data(chunk_.get(), count);
      if (!ended(get(e.address + done, data))) return;
      compare_bytes(reply.data.part(done, count), data, done);
      done += count;
    }
  }

  void prepare_fill(const Payload& data) {
    std::memset(chunk_.get(), std::to_integer<int>(data.fill), std::min(data.length, kChunkBytes));
  }

  // The device's own doings.
  // -------------------------------------------------------------------------------------------
  void perform(const Event& e) {
    const bool is_dma = e.kind == EventKind::kDeviceDmaWrite;
    if (report_.stopped || (!is_dma && e.kind != EventKind::kDeviceMemory)) return;
    if (e.data.is_fill()) prepare_fill(e.data);
    for (uint64_t done = 0; done < e.length;) {
      const uint64_t count = e.data.is_fill() ? std::min(kChunkBytes, e.length - done) : e.length;
      const std::span<const std::byte> data(e.data.is_fill() ? chunk_.get() : e.data.bytes, count);
      const auto result = is_dma ? target_.device_dma_write(Iova(e.address + done), data)
                                 : target_.device_memory_change(e.target, e.address + done, data);
      if (!result) {
        if (ends_replay(result.error().name)) {
          report_.stopped = result.error();
        } else {
          diverge(Layer::kDevice, fmt::format("{} of {} bytes at 0x{:x}", to_string(e.kind), e.length, e.address),
                  result.error().sentence);
        }
        return;
      }
      done += count;
    }
  }

  const Session& guest_;
  const Session& device_;
  ReplayTarget& target_;
  const ReplayOptions& options_;
  const std::unique_ptr<std::byte[]> chunk_;
  std::vector<uint64_t> pages_;
  const Event* event_ = nullptr;           // the guest's request under way
  const Event* device_request_ = nullptr;  // the same request in the device's session (or the guest's own)
  bool diverged_ = false;                  // this request already has its divergence
  bool resync_ = false;                    // the device saw this request differently
  ReplayReport report_;
};

}  // namespace

std::string_view to_string(Layer layer) {
  switch (layer) {
    case Layer::kReply: return "reply";
    case Layer::kEndpoint: return "endpoint";
    case Layer::kMemory: return "memory";
    case Layer::kDevice: return "device";
  }
  return "reply";
}

bool ProbeQuery::matches(uint16_t vendor, uint16_t device, uint32_t class_code) const {
  if (vendor != vendor_id || (base_class != 0 && class_code >> 16 != base_class)) return false;
  if (filters.empty()) return true;
  for (uint64_t i = 0; i + 8 <= filters.length; i += 8) {
    const uint64_t pair = filters.le64(i);
    if ((device & static_cast<uint32_t>(pair)) == static_cast<uint32_t>(pair >> 32)) return true;
  }
  return false;
}

ReplayReport replay(const Session& guest, const Session& device, ReplayTarget& target, const ReplayOptions& options) {
  return Driver(guest, device, target, options).run();
}

}  // namespace dartboard::traces
