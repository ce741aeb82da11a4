// tests/traces/import_support.h - a whole import at once, and its events as short text.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "traces/byte_source.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::traces {

struct Imported {
  std::vector<Event> events;  ///< without their payloads, which are gone with the batch: see `values`
  std::vector<Reply> replies;
  std::vector<uint64_t> values;  ///< read or written, by event
  TraceInfo info;
  ReadReport report;
  size_t largest_batch = 0;

  /// "mmio-read 0:0x4+4 = 0x1"; "#N " before it for a device other than 0, "@+NS " when time has passed.
  std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (size_t i = 0; i < events.size(); ++i) out.push_back(text(i));
    return out;
  }
  std::vector<uint64_t> gaps_ns() const {
    std::vector<uint64_t> out;
    for (size_t i = 0; i < events.size(); ++i) out.push_back(i == 0 ? 0 : events[i].time_ns - events[i - 1].time_ns);
    return out;
  }
  /// Records called `name`; only those whose reason has `why` in it, if given.
  uint64_t count(std::string_view name, std::string_view why = {}) const {
    uint64_t out = 0;
    for (const RecordCount& kind : report.kinds) {
      if (kind.name == name && (why.empty() || kind.why.find(why) != std::string::npos)) out += kind.count;
    }
    return out;
  }

 private:
  std::string text(size_t i) const {
    const Event& e = events[i];
    std::string out;
    if (i > 0 && e.time_ns != events[i - 1].time_ns) out += fmt::format("@+{} ", e.time_ns - events[i - 1].time_ns);
    if (e.device != 0) out += fmt::format("#{} ", e.device);
    out += to_string(e.kind);
    const uint64_t status = e.reply == kNoReply ? 0 : replies[e.reply].status;
    switch (e.kind) {
      case EventKind::kMmioRead:
      case EventKind::kMmioWrite: out += fmt::format(" {}:0x{:x}+{}", e.target, e.address, e.length); break;
      case EventKind::kConfigRead:
      case EventKind::kConfigWrite: out += fmt::format(" 0x{:x}+{}", e.address, e.length); break;
      case EventKind::kDmaMap:
        return out + fmt::format(" h{} 0x{:x}+{} iova 0x{:x}", e.target, e.address, e.length, replies[e.reply].value0);
      case EventKind::kDmaUnmap: return out + fmt::format(" h{} +{}", e.target, e.length);
      case EventKind::kInterrupt:
        return out + fmt::format(" {} {}", to_string(static_cast<IrqKind>(e.target)), e.value);
      case EventKind::kIrqSetup:
        return out + fmt::format(" {} {}+{} {}", to_string(static_cast<IrqKind>(e.target)), e.address, e.length,
                                 e.value != 0 ? "on" : "off");
      default: return out;
    }
    return status != 0 ? out + fmt::format(" failed 0x{:x}", status) : out + fmt::format(" = 0x{:x}", values[i]);
  }
};

inline uint64_t little_endian(const Payload& data) {
  uint64_t out = 0;
  for (uint64_t i = std::min<uint64_t>(data.length, 8); i-- > 0;)
    out = out << 8 | std::to_integer<uint64_t>(data.at(i));
  return out;
}

/// Reads all of it, and holds the reader to the contract of EventBatch.
inline Imported import_all(EventReader& reader) {
  Imported out;
  EventBatch batch;
  for (;;) {
    const auto more = reader.next(&batch);
    if (!more) {
      ADD_FAILURE() << more.error().sentence;
      break;
    }
    if (!*more) break;
    EXPECT_EQ(batch.first_event, out.events.size());
    out.largest_batch = std::max(out.largest_batch, batch.events.size());
    for (Event event : batch.events) {
      const Reply* const reply = batch.reply_of(event);
      EXPECT_EQ(reply != nullptr, event.is_request() && event.kind != EventKind::kMmioWrite) << to_string(event.kind);
      uint64_t value = event.value;
      if (event.kind == EventKind::kMmioWrite) value = little_endian(event.data);
      if (event.kind == EventKind::kConfigRead) value = reply->value0;
      if (event.kind == EventKind::kMmioRead) {
        value = little_endian(reply->data);
        EXPECT_EQ(reply->data.length, reply->status == 0 ? event.length : 0);
      }
      out.values.push_back(value);
      event.data = {};
      if (reply != nullptr) {
        event.reply = static_cast<uint32_t>(out.replies.size());
        out.replies.push_back(*reply);
        out.replies.back().data = {};
      }
      out.events.push_back(event);
    }
  }
  out.info = reader.info();
  out.report = reader.report();
  uint64_t records = out.report.unknown;
  for (const RecordCount& kind : out.report.kinds) records += kind.count;
  EXPECT_EQ(records, out.report.records) << "every record is counted once";
  return out;
}

inline Imported import_bytes(std::string_view bytes,
                             Result<std::unique_ptr<EventReader>> (*open)(std::unique_ptr<ByteSource>,
                                                                          const ReadOptions&)) {
  auto reader = open(ByteSource::of(std::as_bytes(std::span(bytes)), "memory"), {});
  if (!reader) {
    ADD_FAILURE() << reader.error().sentence;
    return {};
  }
  return import_all(**reader);
}

inline Imported import_file(const std::string& path) {
  auto reader = open_trace(path);
  if (!reader) {
    ADD_FAILURE() << reader.error().sentence;
    return {};
  }
  return import_all(**reader);
}

}  // namespace dartboard::traces
