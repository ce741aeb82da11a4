// traces/event.cpp - names of events and comparison of payloads.
#include "traces/event.h"

#include <algorithm>

namespace dartboard::traces {

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::kProbe: return "probe";
    case EventKind::kMapBar: return "map-bar";
    case EventKind::kResizeBar: return "resize-bar";
    case EventKind::kConfigRead: return "config-read";
    case EventKind::kConfigWrite: return "config-write";
    case EventKind::kMmioRead: return "mmio-read";
    case EventKind::kMmioWrite: return "mmio-write";
    case EventKind::kDmaMap: return "dma-map";
    case EventKind::kDmaUnmap: return "dma-unmap";
    case EventKind::kHostRead: return "host-read";
    case EventKind::kHostWrite: return "host-write";
    case EventKind::kDeviceMemory: return "device-memory";
    case EventKind::kDeviceDmaRead: return "device-dma-read";
    case EventKind::kDeviceDmaWrite: return "device-dma-write";
    case EventKind::kInterrupt: return "interrupt";
    case EventKind::kReset: return "reset";
    case EventKind::kPing: return "ping";
    case EventKind::kMark: return "mark";
    case EventKind::kIrqSetup: return "irq-setup";
    case EventKind::kDeviceConfig: return "device-config";
  }
  return "mark";
}

std::string_view to_string(IrqKind kind) {
  switch (kind) {
    case IrqKind::kIntx: return "INTx";
    case IrqKind::kMsi: return "MSI";
    case IrqKind::kMsix: return "MSI-X";
    case IrqKind::kError: return "error";
    case IrqKind::kRequest: return "request";
  }
  return "request";
}

uint64_t Payload::first_difference(std::span<const std::byte> other) const {
  const uint64_t count = std::min<uint64_t>(length, other.size());
  if (bytes != nullptr) {
    if (std::memcmp(bytes, other.data(), count) == 0) return length;
    return static_cast<uint64_t>(std::mismatch(bytes, bytes + count, other.begin()).first - bytes);
  }
  const auto found = std::find_if(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(count),
                                  [this](std::byte b) { return b != fill; });
  return found == other.begin() + static_cast<std::ptrdiff_t>(count) ? length
                                                                     : static_cast<uint64_t>(found - other.begin());
}

}  // namespace dartboard::traces
