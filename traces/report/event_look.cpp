// traces/report/event_look.cpp - see event_look.h.
#include "traces/report/event_look.h"

#include "traces/report/figures.h"

namespace dartboard::traces {
namespace {

bool payload_value(const Payload& data, uint64_t* value) {
  if (data.length == 0 || data.length > kValueBytesMax || !data.is_whole()) return false;
  *value = 0;
  for (uint64_t i = data.length; i-- > 0;) *value = *value << 8 | std::to_integer<uint64_t>(data.at(i));
  return true;
}

}  // namespace

TrackKind track_kind(EventKind kind) {
  switch (kind) {
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite:
    case EventKind::kDeviceConfig: return TrackKind::kConfig;
    case EventKind::kMapBar:
    case EventKind::kResizeBar:
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite:
    case EventKind::kDeviceMemory: return TrackKind::kBar;
    case EventKind::kDmaMap:
    case EventKind::kDmaUnmap: return TrackKind::kMappings;
    case EventKind::kHostRead:
    case EventKind::kHostWrite: return TrackKind::kHostMemory;
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite: return TrackKind::kDeviceDma;
    case EventKind::kInterrupt:
    case EventKind::kIrqSetup: return TrackKind::kInterrupts;
    case EventKind::kReset: return TrackKind::kResets;
    case EventKind::kProbe:
    case EventKind::kPing:
    case EventKind::kMark: return TrackKind::kOther;
  }
  return TrackKind::kOther;
}

bool is_register_access(EventKind kind) {
  return kind == EventKind::kConfigRead || kind == EventKind::kConfigWrite || kind == EventKind::kMmioRead ||
         kind == EventKind::kMmioWrite;
}

bool is_register_read(EventKind kind) {
  return kind == EventKind::kConfigRead || kind == EventKind::kMmioRead;
}

bool shown_value(const Event& event, const Reply* reply, uint64_t* value) {
  const bool answered = reply != nullptr && reply->status == 0;
  switch (event.kind) {
    case EventKind::kConfigRead: *value = answered ? reply->value0 : 0; return answered;
    case EventKind::kMmioRead:
    case EventKind::kHostRead: return answered && payload_value(reply->data, value);
    case EventKind::kMmioWrite:
    case EventKind::kHostWrite:
    case EventKind::kDeviceMemory:
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite: return payload_value(event.data, value);
    case EventKind::kDmaMap:
    case EventKind::kDmaUnmap: *value = event.target; return true;
    case EventKind::kMapBar: *value = answered ? reply->value1 : 0; return answered;
    case EventKind::kConfigWrite:
    case EventKind::kDeviceConfig:
    case EventKind::kResizeBar:
    case EventKind::kIrqSetup:
    case EventKind::kInterrupt: *value = event.value; return true;
    default: return false;
  }
}

uint64_t shown_address(const Event& event, const Reply* reply) {
  if (event.kind == EventKind::kMapBar && reply != nullptr) return reply->value0;
  if (event.kind != EventKind::kDmaMap || reply == nullptr || reply->status != 0) return event.address;
  if (reply->data.empty()) return reply->value0;
  return reply->data.is_whole() && reply->data.length >= 8 ? reply->data.le64(0) : event.address;
}

bool is_inward(EventKind kind) {
  switch (kind) {
    case EventKind::kConfigWrite:
    case EventKind::kMmioWrite:
    case EventKind::kHostWrite:
    case EventKind::kDmaUnmap:
    case EventKind::kResizeBar:
    case EventKind::kDeviceDmaRead:
    case EventKind::kIrqSetup:
    case EventKind::kReset: return false;
    default: return true;
  }
}

bool moves_bytes(EventKind kind) {
  switch (kind) {
    case EventKind::kProbe:
    case EventKind::kMapBar:
    case EventKind::kResizeBar:
    case EventKind::kInterrupt:
    case EventKind::kIrqSetup:
    case EventKind::kReset:
    case EventKind::kPing:
    case EventKind::kMark: return false;
    default: return true;
  }
}

std::string_view to_string(TrackKind kind) {
  switch (kind) {
    case TrackKind::kConfig: return "config";
    case TrackKind::kBar: return "bar";
    case TrackKind::kMappings: return "mappings";
    case TrackKind::kHostMemory: return "host-memory";
    case TrackKind::kDeviceDma: return "device-dma";
    case TrackKind::kInterrupts: return "interrupts";
    case TrackKind::kResets: return "resets";
    case TrackKind::kOther: return "other";
  }
  return "other";
}

std::string_view to_string(WaitKind kind) {
  switch (kind) {
    case WaitKind::kGap: return "gap";
    case WaitKind::kPoll: return "poll";
    case WaitKind::kReply: return "reply";
  }
  return "gap";
}

}  // namespace dartboard::traces
