// cli/recording_client.cpp - see recording_client.h.
#include "cli/recording_client.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/types.h"

namespace dartboard::cli {

namespace {

using traces::Event;
using traces::EventKind;
using traces::IrqKind;
using traces::Reply;

// PCIe 6.0 s7.5.1.1, s7.7.2.
constexpr uint64_t kStatus = 0x06, kCapabilityPointer = 0x34;
constexpr uint32_t kStatusCapabilities = 0x10;
constexpr uint32_t kMsixCapability = 0x11;
constexpr unsigned kCapabilitiesMax = 48;

/// Calls `run(first, count)` for each run of vectors in `bits`.
template <class Run>
void runs_of(const dext::VectorSet& bits, Run run) {
  const auto is_set = [&](uint32_t vector) { return (bits[vector / 64] >> (vector % 64) & 1) != 0; };
  constexpr uint32_t kVectors = 256;
  for (uint32_t first = 0; first < kVectors;) {
    uint32_t end = first;
    while (end < kVectors && is_set(end)) ++end;
    if (end != first) run(first, end - first);
    first = end + 1;
  }
}

void record_vectors(traces::Recorder& recorder, IrqKind kind, const dext::VectorSet& pending) {
  runs_of(pending, [&](uint32_t first, uint32_t count) {
    for (uint32_t vector = first; vector < first + count; ++vector) {
      Event event = request(EventKind::kInterrupt, static_cast<uint32_t>(kind), 0, 0, vector);
      event.source = traces::Source::kDevice;
      event.time_ns = recorder.now_ns();
      recorder.record(event, nullptr);
    }
  });
}

}  // namespace

void SeenDevice::config_was_read(uint64_t offset, unsigned width, uint32_t value) {
  for (unsigned i = 0; i < width && offset + i < traces::ConfigImage::kBytes; ++i) {
    if (!written_[offset + i]) config.learn(offset + i, 1, value >> (8 * i) & 0xff);
  }
}
void SeenDevice::config_was_written(uint64_t offset, unsigned width) {
  for (unsigned i = 0; i < width && offset + i < traces::ConfigImage::kBytes; ++i) written_.set(offset + i);
}

traces::MsixDescription msix_of(const traces::ConfigImage& config) {
  traces::MsixDescription msix;
  if ((config.value(kStatus, 2) & kStatusCapabilities) == 0) return msix;
  uint64_t at = config.at(kCapabilityPointer) & 0xfcu;
  for (unsigned i = 0; i < kCapabilitiesMax && at >= 0x40; ++i) {
    if (config.at(at) == kMsixCapability) {
      if (!config.known(at, 12)) return msix;
      const uint32_t table = config.value(at + 4, 4), pba = config.value(at + 8, 4);
      if ((table & 7) > 5 || (pba & 7) > 5) return msix;  // no such BAR
      msix.entries = (config.value(at + 2, 2) & 0x7ff) + 1;
      msix.table_bar = table & 7;
      msix.table_offset = table & ~7u;
      msix.pba_bar = pba & 7;
      msix.pba_offset = pba & ~7u;
      return msix;
    }
    at = config.at(at + 1) & 0xfcu;
  }
  return msix;
}

RecordingClient::RecordingClient(std::unique_ptr<dext::Client> client, std::shared_ptr<SeenDevice> seen,
                                 std::shared_ptr<traces::Recorder> recorder)
    : client_(std::move(client)), seen_(std::move(seen)), recorder_(std::move(recorder)) {}

void RecordingClient::end(Event event, uint64_t from_ns, const Error* error, Reply reply) {
  if (recorder_ == nullptr) return;
  if (error != nullptr) reply = {status_of(*error), 0, 0, 0, {}};
  recorder_->record_request(event, from_ns, reply);
}

uint32_t RecordingClient::bar_of(uint8_t memory_index) const {
  for (uint32_t bar = 0; bar < seen_->bars.size(); ++bar) {
    if (seen_->bars[bar].info.size != 0 && seen_->bars[bar].info.memory_index == memory_index) return bar;
  }
  return memory_index;
}

Result<dext::Identity> RecordingClient::identity() {
  auto identity = client_->identity();
  if (identity) {
    seen_->identity = *identity;
    // What the dext has read already: the backend does not read it again.
    seen_->config_was_read(0x00, 2, identity->vendor_id);
    seen_->config_was_read(0x02, 2, identity->device_id);
    seen_->config_was_read(0x09, 3, identity->class_code);
  }
  return identity;
}

Result<dext::BarInfo> RecordingClient::bar_info(unsigned bar) {
  auto info = client_->bar_info(bar);
  if (info && bar < seen_->bars.size()) seen_->bars[bar].info = *info;
  return info;
}

Result<dext::Mapping> RecordingClient::map_bar(unsigned bar) {
  const uint64_t from_ns = begin();
  auto mapping = client_->map_bar(bar);
  if (mapping && bar < seen_->bars.size()) seen_->bars[bar].accessible = mapping->accessible;
  // Where it lies in this process is nobody's business.
  end(request(EventKind::kMapBar, bar), from_ns, mapping ? nullptr : &mapping.error(),
      {0, 0, mapping ? mapping->size : 0, 0, {}});
  return mapping;
}

Result<dext::DmaBuffer> RecordingClient::allocate_dma_buffer(uint64_t size, uint64_t alignment) {
  const uint64_t from_ns = begin();
  auto buffer = client_->allocate_dma_buffer(size, alignment);
  const Event event = request(EventKind::kDmaMap, handles_.next(), 0, size, buffer && buffer->segments == 1 ? 1 : 0);
  if (buffer) handles_.buffer_mapped();
  end(event, from_ns, buffer ? nullptr : &buffer.error(),
      {0, buffer ? buffer->iova.value : 0, handles_.buffer(), 0, {}});
  return buffer;
}

Result<void> RecordingClient::free_dma_buffer() {
  const uint64_t from_ns = begin();
  auto freed = client_->free_dma_buffer();
  end(request(EventKind::kDmaUnmap, handles_.buffer()), from_ns, freed ? nullptr : &freed.error());
  if (freed) handles_.buffer_freed();
  return freed;
}

Result<dext::DmaRegion> RecordingClient::register_dma_region(uint64_t key, void* base, uint64_t size) {
  const uint64_t from_ns = begin();
  auto region = client_->register_dma_region(key, base, size);
  const Event event = request(EventKind::kDmaMap, handles_.next(), key, size, region && region->segments == 1 ? 1 : 0);
  if (region) handles_.mapped(key);
  end(event, from_ns, region ? nullptr : &region.error(),
      {0, region ? region->iova.value : 0, region ? event.target : 0, 0, {}});
  return region;
}

Result<void> RecordingClient::unregister_dma_region(uint64_t key) {
  const uint64_t from_ns = begin();
  auto unregistered = client_->unregister_dma_region(key);
  end(request(EventKind::kDmaUnmap, handles_.of(key)), from_ns, unregistered ? nullptr : &unregistered.error());
  if (unregistered) handles_.unmapped(key);
  return unregistered;
}

Result<uint32_t> RecordingClient::config_read(uint64_t offset, unsigned width) {
  const uint64_t from_ns = begin();
  auto value = client_->config_read(offset, width);
  if (value) seen_->config_was_read(offset, width, *value);
  end(request(EventKind::kConfigRead, 0, offset, width), from_ns, value ? nullptr : &value.error(),
      {0, value ? *value : 0, 0, 0, {}});
  return value;
}

Result<void> RecordingClient::config_write(uint64_t offset, unsigned width, uint32_t value) {
  const uint64_t from_ns = begin();
  auto written = client_->config_write(offset, width, value);
  seen_->config_was_written(offset, width);
  end(request(EventKind::kConfigWrite, 0, offset, width, value), from_ns, written ? nullptr : &written.error());
  return written;
}

namespace {

/// The lowest bytes of `value`, as they lie on the bus.
class BusWord {
 public:
  BusWord(uint64_t value, unsigned width) : width_(std::min<size_t>(width, bytes_.size())) {
    for (size_t i = 0; i < width_; ++i) bytes_[i] = static_cast<std::byte>(value >> (8 * i));
  }
  std::span<const std::byte> bytes() const { return std::span(bytes_).first(width_); }

 private:
  std::array<std::byte, 8> bytes_{};
  size_t width_;
};

bool is_access(io_return::Code code, unsigned width) {
  return code == io_return::kSuccess && width != 0 && width <= traces::kValueBytesMax;
}

}  // namespace

io_return::Code RecordingClient::mmio_read(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t* value) {
  if (recorder_ == nullptr) return client_->mmio_read(memory_index, offset, width, value);
  const uint64_t from_ns = recorder_->now_ns();
  const io_return::Code code = client_->mmio_read(memory_index, offset, width, value);
  if (is_access(code, width)) {
    recorder_->record_access(EventKind::kMmioRead, bar_of(memory_index), offset, BusWord(*value, width).bytes(),
                             from_ns);
    return code;
  }
  Event event = request(EventKind::kMmioRead, bar_of(memory_index), offset, width);
  Reply reply{code, 0, 0, 0, {}};
  recorder_->record_request(event, from_ns, reply);
  return code;
}

io_return::Code RecordingClient::mmio_write(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t value) {
  if (recorder_ == nullptr) return client_->mmio_write(memory_index, offset, width, value);
  const uint64_t from_ns = recorder_->now_ns();
  const io_return::Code code = client_->mmio_write(memory_index, offset, width, value);
  const BusWord word(value, width);
  if (is_access(code, width)) {
    recorder_->record_access(EventKind::kMmioWrite, bar_of(memory_index), offset, word.bytes(), from_ns);
    return code;
  }
  Event event = request(EventKind::kMmioWrite, bar_of(memory_index), offset, width);
  event.data = traces::Payload::of(word.bytes());
  Reply reply{code, 0, 0, 0, {}};
  recorder_->record_request(event, from_ns, reply);
  return code;
}

Result<uint32_t> RecordingClient::setup_interrupts() {
  const uint64_t from_ns = begin();
  auto vectors = client_->setup_interrupts();
  if (msix_of(seen_->config).entries != 0) irq_kind_ = IrqKind::kMsix;
  end(request(EventKind::kIrqSetup, static_cast<uint32_t>(irq_kind_), 0, vectors ? *vectors : 0, 1), from_ns,
      vectors ? nullptr : &vectors.error());
  return vectors;
}

Result<dext::VectorSet> RecordingClient::check_interrupts() {
  auto pending = client_->check_interrupts();
  if (pending && recorder_ != nullptr) record_vectors(*recorder_, irq_kind_, *pending);
  return pending;
}

/// An event for each run of vectors that changes, so that it reads like what a guest asks.
Result<void> RecordingClient::set_irq_mask(const dext::VectorSet& enabled) {
  const uint64_t from_ns = begin();
  auto told = client_->set_irq_mask(enabled);
  for (const uint64_t on : {uint64_t{0}, uint64_t{1}}) {
    dext::VectorSet changed{};
    for (size_t i = 0; i < changed.size(); ++i) {
      changed[i] = on != 0 ? enabled[i] & ~enabled_[i] : enabled_[i] & ~enabled[i];
    }
    runs_of(changed, [&](uint32_t first, uint32_t count) {
      end(request(EventKind::kIrqSetup, static_cast<uint32_t>(irq_kind_), first, count, on), from_ns,
          told ? nullptr : &told.error());
    });
  }
  if (told) enabled_ = enabled;
  return told;
}

Result<void> RecordingClient::watch_interrupts(std::function<void(const dext::VectorSet&)> sink) {
  if (recorder_ == nullptr) return client_->watch_interrupts(std::move(sink));
  return client_->watch_interrupts(
      [recorder = recorder_, kind = irq_kind_, sink = std::move(sink)](const dext::VectorSet& pending) {
        record_vectors(*recorder, kind, pending);
        sink(pending);
      });
}

Result<void> RecordingClient::reset() {
  const uint64_t from_ns = begin();
  auto result = client_->reset();
  end(request(EventKind::kReset), from_ns, result ? nullptr : &result.error());
  return result;
}

}  // namespace dartboard::cli
