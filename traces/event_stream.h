// traces/event_stream.h - traces of any length: events come and go in batches, so that memory does not grow with them.
//
// A reader is one open file of some format (traces/formats.h finds which); a writer makes one. Filters are readers that
// read from a reader.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "traces/arena.h"
#include "traces/event.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

/// Some events in order, their replies, and the bytes behind both. Keeps its memory from one filling to the next.
/// As in a Session, every request but a posted write has a reply, and the reply of a whole read that succeeded has as
/// many bytes as the read asked for. Formats that show no replies to writes still give one (status 0).
struct EventBatch {
  std::vector<Event> events;
  std::vector<Reply> replies;  ///< Event::reply is an index
  Arena arena;
  uint64_t first_event = 0;  ///< number of events[0] in the trace, from 0

  const Reply* reply_of(const Event& event) const { return event.reply == kNoReply ? nullptr : &replies[event.reply]; }
  /// Appends; `reply` is wired to the event.
  void add(Event event, const Reply& reply) {
    event.reply = static_cast<uint32_t>(replies.size());
    replies.push_back(reply);
    events.push_back(event);
  }
  void clear() {
    events.clear();
    replies.clear();
    arena.clear();
  }
};

/// Events in a batch of any reader, unless one reads less at its end.
inline constexpr uint32_t kBatchEvents = 16384;
/// And a batch is full once its arena holds this, so that large payloads do not add up.
inline constexpr uint64_t kBatchPayloadBytes = uint64_t{8} << 20;

class EventReader {
 public:
  virtual ~EventReader() = default;
  /// What is known so far. Formats that name their devices as they go are complete only once next() said false; a
  /// device never changes its index.
  virtual const TraceInfo& info() const = 0;
  /// Clears `batch` and fills it with what comes next; false at the end. Event::request counts requests of the whole
  /// trace. kFileCorrupt only where nothing sensible can follow; what can be skipped is counted in report().
  virtual Result<bool> next(EventBatch* batch) = 0;
  virtual const ReadReport& report() const = 0;
};

class EventWriter {
 public:
  virtual ~EventWriter() = default;
  /// Events in order. kFileUnreadable when the system refuses (disk full).
  virtual Result<void> write(const EventBatch& batch) = 0;
  /// Nothing follows. `info` is what the reader knew at the end. Without finish() a file is truncated, and says so.
  virtual Result<void> finish(const TraceInfo& info) = 0;
  /// What the format could not carry so far, sorted by name: how much of it, and why. Complete after finish().
  virtual std::vector<RecordCount> left_out() const { return {}; }
  /// Of the events that were given so far, those of which nothing is in the file. Complete after finish().
  virtual uint64_t events_left_out() const { return 0; }
};

}  // namespace dartboard::traces
