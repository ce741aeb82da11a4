// traces/replay_waits.h - where a recording shows that the driver waited for the device.
//
// A recording that was taken by trapping is slow, and hides how long a device really needs: what was ready at once
// there may not be at full speed. So a replay looks for the places where the driver depends on the device:
//   - polls: one register, or one word of host memory, read again and again with no other request between, until its
//     value changed;
//   - DMA: a read of host memory that shows what the device wrote, and how long after the last write to a register.
// Polls whose value never changed are no waits (nobody knows what would have ended them) and are counted apart.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "traces/event.h"

namespace dartboard::traces {

enum class WaitEnd : uint8_t {
  kValue,      ///< the value that was polled changed
  kDma,        ///< the device wrote host memory
  kInterrupt,  ///< and the device had sent an interrupt just before
};
std::string_view to_string(WaitEnd end);

struct Wait {
  EventKind kind = EventKind::kMmioRead;  ///< kMmioRead, kConfigRead or kHostRead
  uint32_t target = 0;                    ///< BAR or memory handle
  uint64_t address = 0, length = 0;       ///< of the read
  uint64_t first_request = 0;             ///< first poll; for DMA the last write to a register before it
  uint64_t last_request = 0;              ///< the read that ended it
  uint64_t polls = 0;                     ///< reads, the last one included
  uint64_t recorded_ns = 0;
  uint64_t from_value = 0, to_value = 0;  ///< kValue, of at most 8 bytes
  WaitEnd end = WaitEnd::kValue;
};
inline constexpr size_t kWaitsKept = 100;

struct WaitReport {
  uint64_t waits = 0;          ///< all of them
  uint64_t polls = 0;          ///< reads of those that polled
  uint64_t recorded_ns = 0;    ///< their times added up
  std::vector<Wait> first;     ///< at most kWaitsKept
  uint64_t polls_unended = 0;  ///< repeated reads that saw no change
};

/// Sees the events of one device in order. Constant memory.
class WaitFinder {
 public:
  /// A request, with its recorded reply. True when the recording shows that the device had to act before it.
  bool request(const Event& event, const Reply* reply) {
    if (is_read(event.kind) && event.length <= 8 && reply != nullptr && reply->data.length == value_bytes(event)) {
      return read(event, event.kind == EventKind::kConfigRead ? reply->value0 : small_value(reply->data));
    }
    const bool waited = dma_before_ && event.kind == EventKind::kHostRead;
    if (waited) end_dma(event);
    forget_run();
    if (event.kind == EventKind::kMmioWrite) last_write_ = {event.request, event.time_ns, true};
    dma_before_ = interrupt_before_ = false;
    return waited;
  }
  /// What the device did before the next request.
  void device_event(const Event& event) {
    dma_before_ |= event.kind == EventKind::kDeviceDmaWrite;
    interrupt_before_ |= event.kind == EventKind::kInterrupt;
  }
  WaitReport finish() {
    forget_run();
    return std::move(report_);
  }

 private:
  struct Run {
    EventKind kind = EventKind::kMark;
    uint32_t target = 0;
    uint64_t address = 0, length = 0, value = 0, reads = 0, request = 0, time_ns = 0;
  };
  struct At {
    uint64_t request = 0, time_ns = 0;
    bool any = false;
  };

  static bool is_read(EventKind kind) {
    return kind == EventKind::kMmioRead || kind == EventKind::kHostRead || kind == EventKind::kConfigRead;
  }
  static uint64_t value_bytes(const Event& event) { return event.kind == EventKind::kConfigRead ? 0 : event.length; }
  static uint64_t small_value(const Payload& data) {
    uint64_t value = 0;
    if (!data.is_whole()) return 0;
    for (uint64_t i = data.length; i-- > 0;) value = value << 8 | static_cast<uint64_t>(data.at(i));
    return value;
  }
  bool read(const Event& event, uint64_t value);
  void end_dma(const Event& event);
  void add(const Wait& wait);
  void forget_run() {
    if (run_.reads > 1) report_.polls_unended += run_.reads - 1;
    run_.reads = 0;
  }

  Run run_;
  At last_write_;
  bool dma_before_ = false, interrupt_before_ = false;
  WaitReport report_;
};

}  // namespace dartboard::traces
