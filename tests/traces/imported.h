// tests/traces/imported.h - reading a text or binary trace from memory, whole.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "export_support.h"
#include "traces/byte_source.h"
#include "traces/formats.h"

namespace dartboard::traces {

/// All of a trace. The bytes of payloads are copied, so that batches may go.
struct WholeTrace {
  std::vector<Event> events;
  std::vector<Reply> replies;
  Arena arena;
  TraceInfo info;
  ReadReport report;

  const Reply* reply_of(const Event& event) const { return event.reply == kNoReply ? nullptr : &replies[event.reply]; }
  /// The kind's count, or that of the kind with `why` in its reason.
  uint64_t count(std::string_view name, std::string_view why = {}) const {
    uint64_t count = 0;
    for (const RecordCount& kind : report.kinds) {
      if (kind.name == name && kind.why.find(why) != std::string::npos) count += kind.count;
    }
    return count;
  }
  /// Everything is accounted for: as a kind, or as not understood.
  uint64_t accounted() const {
    uint64_t count = report.unknown;
    for (const RecordCount& kind : report.kinds) count += kind.count;
    return count;
  }
  EventBatch batch() const {
    EventBatch out;
    out.events = events;
    out.replies = replies;
    return out;
  }
};

using Open = Result<std::unique_ptr<EventReader>> (*)(std::unique_ptr<ByteSource>, const ReadOptions&);

inline Payload copy(const Payload& payload, Arena* arena) {
  if (payload.bytes == nullptr) return payload;
  Payload out = payload;
  std::byte* const to = arena->allocate(payload.length);
  std::memcpy(to, payload.bytes, payload.length);
  out.bytes = to;
  return out;
}

inline void read_batches(EventReader& reader, WholeTrace* out) {
  EventBatch batch;
  for (;;) {
    const auto more = reader.next(&batch);
    ASSERT_TRUE(more) << more.error().sentence;
    if (!*more) break;
    EXPECT_EQ(batch.first_event, out->events.size());
    for (const Event& event : batch.events) {
      Event copied = event;
      copied.data = copy(event.data, &out->arena);
      if (const Reply* reply = batch.reply_of(event)) {
        copied.reply = static_cast<uint32_t>(out->replies.size());
        out->replies.push_back(*reply);
        out->replies.back().data = copy(reply->data, &out->arena);
      }
      out->events.push_back(copied);
    }
  }
  out->info = reader.info();
  out->report = reader.report();
}

inline WholeTrace read_whole(Open open, std::string_view bytes, const ReadOptions& options = {}) {
  WholeTrace out;
  auto reader = open(ByteSource::of(std::as_bytes(std::span(bytes)), "test"), options);
  if (!reader) {
    ADD_FAILURE() << reader.error().sentence;
    return out;
  }
  read_batches(**reader, &out);
  EXPECT_GE(out.info.devices.size(), 1u);
  return out;
}

/// "mmio-read 0/2+10 4 = cafe @1004000": device, BAR, offset, width, value, time.
inline std::string to_text(const WholeTrace& trace, const Event& event) {
  std::string out = fmt::format("{} {}", to_string(event.kind), event.device);
  const Reply* const reply = trace.reply_of(event);
  switch (event.kind) {
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite: {
      const Payload& data = event.kind == EventKind::kMmioRead ? reply->data : event.data;
      out += fmt::format("/{}+{:x} {} = {:x}", event.target, event.address, event.length, value_of(data).value_or(0));
      break;
    }
    case EventKind::kMapBar: out += fmt::format("/{} {:x} {:x}", event.target, reply->value0, reply->value1); break;
    case EventKind::kConfigRead:
      out += fmt::format("+{:x} {} = {:x}", event.address, event.length, reply->value0);
      break;
    case EventKind::kConfigWrite:
      out += fmt::format("+{:x} {} = {:x}", event.address, event.length, event.value);
      break;
    case EventKind::kInterrupt:
      out += fmt::format(" {} {}", to_string(static_cast<IrqKind>(event.target)), event.value);
      break;
    case EventKind::kMark: out += " " + text_of(event.data); break;
    default: out += fmt::format("/{} {:x} {}", event.target, event.address, event.length); break;
  }
  return out + fmt::format(" @{}", event.time_ns);
}
inline std::vector<std::string> to_text(const WholeTrace& trace) {
  std::vector<std::string> out;
  for (const Event& event : trace.events) out.push_back(to_text(trace, event));
  return out;
}

}  // namespace dartboard::traces
