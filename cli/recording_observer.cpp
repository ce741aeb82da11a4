// cli/recording_observer.cpp - see recording_observer.h.
#include "cli/recording_observer.h"

#include <algorithm>

namespace dartboard::cli {

namespace {

using traces::Event;
using traces::EventKind;
using traces::Reply;

// Events number kinds of interrupts as the backend does.
static_assert(static_cast<unsigned>(traces::IrqKind::kIntx) == static_cast<unsigned>(backend::IrqKind::kIntx) &&
              static_cast<unsigned>(traces::IrqKind::kMsix) == static_cast<unsigned>(backend::IrqKind::kMsix) &&
              static_cast<unsigned>(traces::IrqKind::kRequest) == static_cast<unsigned>(backend::IrqKind::kReq));

/// Calls `piece(offset, bytes)` for each naturally aligned piece of at most 4 bytes, as the backend cuts them too.
template <class Piece>
void config_pieces(uint64_t offset, uint64_t length, Piece piece) {
  for (uint64_t done = 0; done < length;) {
    unsigned width = 4;
    while ((offset + done) % width != 0 || length - done < width) width /= 2;
    piece(offset + done, done, width);
    done += width;
  }
}

uint32_t value_of(std::span<const std::byte> data) {
  uint32_t value = 0;
  for (size_t i = data.size(); i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(data[i]);
  return value;
}

}  // namespace

template <class T>
void RecordingObserver::end(Event event, uint64_t begun, const Result<T>& result, Reply reply) {
  if (!result) reply = {status_of(result.error()), 0, 0, 0, {}};
  recorder_->record_request(event, begun, reply);
}

void RecordingObserver::on_read(uint64_t begun, backend::Region region, uint64_t offset,
                                std::span<const std::byte> data, const Result<void>& result) {
  if (region != backend::Region::kConfig) {
    if (result && !data.empty() && data.size() <= traces::kValueBytesMax) {
      return recorder_->record_access(EventKind::kMmioRead, static_cast<uint32_t>(region), offset, data, begun);
    }
    end(request(EventKind::kMmioRead, static_cast<uint32_t>(region), offset, data.size()), begun, result,
        {0, 0, 0, 0, traces::compact(data)});
    return;
  }
  config_pieces(offset, data.size(), [&](uint64_t at, uint64_t done, unsigned width) {
    const uint32_t value = value_of(data.subspan(done, width));
    for (unsigned i = 0; result && i < width; ++i) {
      if (!config_written_[at + i]) config_.learn(at + i, 1, value >> (8 * i) & 0xff);
    }
    end(request(EventKind::kConfigRead, 0, at, width), begun, result, {0, value, 0, 0, {}});
  });
}

void RecordingObserver::on_write(uint64_t begun, backend::Region region, uint64_t offset,
                                 std::span<const std::byte> data, const Result<void>& result) {
  if (region == backend::Region::kConfig) {
    config_pieces(offset, data.size(), [&](uint64_t at, uint64_t done, unsigned width) {
      for (unsigned i = 0; result && i < width; ++i) config_written_.set(at + i);
      end(request(EventKind::kConfigWrite, 0, at, width, value_of(data.subspan(done, width))), begun, result);
    });
    return;
  }
  if (result && !data.empty() && data.size() <= traces::kValueBytesMax) {
    return recorder_->record_access(EventKind::kMmioWrite, static_cast<uint32_t>(region), offset, data, begun);
  }
  Event event = request(EventKind::kMmioWrite, static_cast<uint32_t>(region), offset, data.size());
  event.data = traces::compact(data);
  if (!result) return end(event, begun, result);
  event.time_ns = begun;  // posted: nothing comes back
  recorder_->record(event, nullptr);
}

void RecordingObserver::on_set_irqs(uint64_t begun, backend::IrqKind kind, backend::IrqAction action, uint32_t start,
                                    uint32_t count, std::span<const backend::IrqSink> sinks,
                                    const Result<void>& result) {
  if (action != backend::IrqAction::kTrigger) return;
  const auto target = static_cast<uint32_t>(kind);
  if (sinks.empty()) {
    // Without sinks vectors are triggered, or all of them disabled.
    if (count == 0) end(request(EventKind::kIrqSetup, target, 0, 0, 0), begun, result);
    return;
  }
  for (uint32_t from = 0; from < sinks.size();) {
    const bool on = sinks[from] != nullptr;
    uint32_t to = from;
    while (to < sinks.size() && (sinks[to] != nullptr) == on) ++to;
    end(request(EventKind::kIrqSetup, target, start + from, to - from, on ? 1 : 0), begun, result);
    from = to;
  }
}

void RecordingObserver::on_reset(uint64_t begun, const Result<void>& result) {
  end(request(EventKind::kReset), begun, result);
}

void RecordingObserver::on_dma_map(uint64_t begun, uint64_t key, uint64_t size,
                                   const Result<backend::DmaMapping>& result) {
  const Event event = request(EventKind::kDmaMap, handles_.next(), key, size, result ? 1 : 0);
  if (result) handles_.mapped(key);
  end(event, begun, result, {0, result ? result->iova.value : 0, event.target, 0, {}});
}

void RecordingObserver::on_dma_unmap(uint64_t begun, uint64_t key, const Result<void>& result) {
  end(request(EventKind::kDmaUnmap, handles_.of(key)), begun, result);
  if (result) handles_.unmapped(key);
}

void RecordingObserver::on_dma_buffer(uint64_t begun, uint64_t size, const Result<dext::DmaBuffer>& result) {
  const Event event = request(EventKind::kDmaMap, handles_.next(), 0, size, result && result->segments == 1 ? 1 : 0);
  if (result) handles_.buffer_mapped();
  end(event, begun, result, {0, result ? result->iova.value : 0, event.target, 0, {}});
}

void RecordingObserver::on_dma_buffer_freed(uint64_t begun, const Result<void>& result) {
  end(request(EventKind::kDmaUnmap, handles_.buffer()), begun, result);
  if (result) handles_.buffer_freed();
}

void RecordingObserver::on_interrupt(backend::IrqKind kind, uint32_t vector) {
  Event event = request(EventKind::kInterrupt, static_cast<uint32_t>(kind), 0, 0, vector);
  event.source = traces::Source::kDevice;
  event.time_ns = recorder_->now_ns();
  recorder_->record(event, nullptr);
}

}  // namespace dartboard::cli
