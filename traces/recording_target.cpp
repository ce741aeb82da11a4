// traces/recording_target.cpp - see recording_target.h.
#include "traces/recording_target.h"

#include <bit>
#include <utility>

#include "base/types.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kBusPageBytes = 4096;
static_assert(std::endian::native == std::endian::little, "bus addresses are recorded as they lie in memory");
constexpr uint64_t kFailed = 1;  // the TinyGPU protocol's only failure, which ReplayTarget speaks of too

Event request(EventKind kind, uint32_t target = 0, uint64_t address = 0, uint64_t length = 0, uint64_t value = 0) {
  Event event;
  event.kind = kind;
  event.target = target;
  event.address = address;
  event.length = length;
  event.value = value;
  return event;
}

/// What a driver mostly does, for which the recorder has a short way.
bool is_access(std::span<const std::byte> data) {
  return !data.empty() && data.size() <= kValueBytesMax;
}

}  // namespace

template <class T>
Result<T> RecordingTarget::answered(Event& event, uint64_t from_ns, Result<T>&& result, Reply reply) {
  if (!result) reply = {kFailed, 0, 0, 0, {}};
  recorder_.record_request(event, from_ns, reply);
  return std::move(result);
}

Result<void> RecordingTarget::read(EventKind kind, uint32_t target, uint64_t offset, std::span<std::byte> data,
                                   uint64_t from_ns, Result<void>&& result) {
  Event event = request(kind, target, offset, data.size());
  return answered(event, from_ns, std::move(result), {0, 0, 0, 0, compact(data)});
}

Result<void> RecordingTarget::written(EventKind kind, uint32_t target, uint64_t offset, std::span<const std::byte> data,
                                      uint64_t from_ns, Result<void>&& result) {
  if (in_fill_ && result && !data.empty()) {
    // One request, however many pieces it is written in; and nobody needs to look whether its bytes are alike.
    if (fill_.length == 0) {
      fill_ = request(kind, target, offset);
      fill_.time_ns = from_ns;
    }
    fill_.length += data.size();
    fill_.data = Payload::filled(data.front(), fill_.length);
    return std::move(result);
  }
  record_fill();
  Event event = request(kind, target, offset, data.size());
  event.data = compact(data);
  if (!result) return answered(event, from_ns, std::move(result));
  event.time_ns = from_ns;  // posted: nothing comes back
  recorder_.record(event, nullptr);
  return std::move(result);
}

void RecordingTarget::record_fill() {
  if (fill_.length == 0) return;
  recorder_.record(fill_, nullptr);
  fill_ = Event();
}

Result<uint64_t> RecordingTarget::probe(const ProbeQuery& query) {
  const uint64_t from_ns = recorder_.now_ns();
  auto count = target_.probe(query);
  Event event = request(EventKind::kProbe, 0, query.base_class, 0, query.vendor_id);
  event.data = query.filters;
  return answered(event, from_ns, std::move(count), {0, 0, count ? *count : 0, 0, {}});
}

Result<uint64_t> RecordingTarget::map_bar(unsigned bar) {
  const uint64_t from_ns = recorder_.now_ns();
  auto size = target_.map_bar(bar);
  Event event = request(EventKind::kMapBar, bar);
  return answered(event, from_ns, std::move(size), {0, 0, size ? *size : 0, 0, {}});
}

Result<void> RecordingTarget::resize_bar(unsigned bar, uint64_t size) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.resize_bar(bar, size);
  Event event = request(EventKind::kResizeBar, bar, 0, 0, size);
  return answered(event, from_ns, std::move(result));
}

Result<void> RecordingTarget::reset() {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.reset();
  Event event = request(EventKind::kReset);
  return answered(event, from_ns, std::move(result));
}

Result<uint32_t> RecordingTarget::config_read(uint64_t offset, unsigned width) {
  const uint64_t from_ns = recorder_.now_ns();
  auto value = target_.config_read(offset, width);
  Event event = request(EventKind::kConfigRead, 0, offset, width);
  return answered(event, from_ns, std::move(value), {0, value ? *value : 0, 0, 0, {}});
}

Result<void> RecordingTarget::config_write(uint64_t offset, unsigned width, uint32_t value) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.config_write(offset, width, value);
  Event event = request(EventKind::kConfigWrite, 0, offset, width, value);
  return answered(event, from_ns, std::move(result));
}

Result<void> RecordingTarget::region_read(unsigned bar, uint64_t offset, std::span<std::byte> data) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.region_read(bar, offset, data);
  if (is_access(data) && result) [[likely]] {
    recorder_.record_access(EventKind::kMmioRead, bar, offset, data, from_ns);
    return result;
  }
  return read(EventKind::kMmioRead, bar, offset, data, from_ns, std::move(result));
}

Result<void> RecordingTarget::region_write(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.region_write(bar, offset, data);
  if (is_access(data) && result && !in_fill_) [[likely]] {
    recorder_.record_access(EventKind::kMmioWrite, bar, offset, data, from_ns);
    return result;
  }
  return written(EventKind::kMmioWrite, bar, offset, data, from_ns, std::move(result));
}

Result<void> RecordingTarget::map_sysmem(uint32_t handle, uint64_t size, bool contiguous, const Payload& recorded,
                                         std::span<uint64_t> pages) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.map_sysmem(handle, size, contiguous, recorded, pages);
  Event event = request(EventKind::kDmaMap, handle, 0, size, contiguous ? 1 : 0);
  if (!result) return answered(event, from_ns, std::move(result));
  forget(handle);
  Run* run = nullptr;
  for (size_t i = 0; i < pages.size(); ++i) {
    if (i == 0 || pages[i] != pages[i - 1] + kBusPageBytes) {
      run = &(runs_[pages[i]] = {handle, i * kBusPageBytes, 0});
    }
    run->bytes += kBusPageBytes;
  }
  return answered(event, from_ns, std::move(result),
                  {0, pages.size_bytes(), handle, 0, Payload::of(std::as_bytes(pages))});
}

Result<void> RecordingTarget::unmap_sysmem(uint32_t handle) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.unmap_sysmem(handle);
  if (result) forget(handle);
  Event event = request(EventKind::kDmaUnmap, handle);
  return answered(event, from_ns, std::move(result));
}

void RecordingTarget::forget(uint32_t handle) {
  std::erase_if(runs_, [handle](const auto& run) { return run.second.handle == handle; });
}

Result<void> RecordingTarget::sysmem_read(uint32_t handle, uint64_t offset, std::span<std::byte> data) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.sysmem_read(handle, offset, data);
  if (is_access(data) && result) {
    recorder_.record_access(EventKind::kHostRead, handle, offset, data, from_ns);
    return result;
  }
  return read(EventKind::kHostRead, handle, offset, data, from_ns, std::move(result));
}

Result<void> RecordingTarget::sysmem_write(uint32_t handle, uint64_t offset, std::span<const std::byte> data) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.sysmem_write(handle, offset, data);
  if (is_access(data) && result && !in_fill_) {
    recorder_.record_access(EventKind::kHostWrite, handle, offset, data, from_ns);
    return result;
  }
  return written(EventKind::kHostWrite, handle, offset, data, from_ns, std::move(result));
}

Result<void> RecordingTarget::device_dma_write(Iova address, std::span<const std::byte> data) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.device_dma_write(address, data);
  if (device_source_ == Source::kGuest) return result;
  Event event = request(EventKind::kDeviceDmaWrite, 0, address.value, data.size());
  auto run = runs_.upper_bound(address.value);
  if (run != runs_.begin() && address.value - (--run)->first < run->second.bytes) {
    event.target = run->second.handle;
    event.value = run->second.offset + (address.value - run->first);
  }
  event.source = device_source_;
  event.time_ns = from_ns;
  event.data = compact(data);
  recorder_.record(event, nullptr);
  return result;
}

Result<void> RecordingTarget::device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.device_memory_change(bar, offset, data);
  if (device_source_ == Source::kGuest) return result;
  Event event = request(EventKind::kDeviceMemory, bar, offset, data.size());
  event.source = device_source_;
  event.time_ns = from_ns;
  event.data = compact(data);
  recorder_.record(event, nullptr);
  return result;
}

Result<void> RecordingTarget::device_config_change(uint64_t offset, unsigned width, uint32_t value) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.device_config_change(offset, width, value);
  if (device_source_ == Source::kGuest) return result;
  Event event = request(EventKind::kDeviceConfig, 0, offset, width, value);
  event.source = device_source_;
  event.time_ns = from_ns;
  recorder_.record(event, nullptr);
  return result;
}

Result<void> RecordingTarget::device_interrupt(IrqKind kind, uint32_t vector) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.device_interrupt(kind, vector);
  if (device_source_ == Source::kGuest) return result;
  Event event = request(EventKind::kInterrupt, static_cast<uint32_t>(kind), 0, 0, vector);
  event.source = Source::kDevice;
  event.time_ns = from_ns;
  recorder_.record(event, nullptr);
  return result;
}

Result<void> RecordingTarget::irq_setup(IrqKind kind, uint32_t first, uint32_t count, bool on) {
  const uint64_t from_ns = recorder_.now_ns();
  auto result = target_.irq_setup(kind, first, count, on);
  Event event = request(EventKind::kIrqSetup, static_cast<uint32_t>(kind), first, count, on ? 1 : 0);
  return answered(event, from_ns, std::move(result));
}

}  // namespace dartboard::traces
