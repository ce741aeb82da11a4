// tests/traces/tools_support.h - traces made in memory, for the tests of traces/tools.
#pragma once

#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "traces/event_stream.h"

namespace dartboard::traces {

/// Events by hand. Each begins 1 us after the one before, and answers come at once.
class TraceBuilder {
 public:
  struct Entry {
    Event event;
    Reply reply;
    bool replied = false;
  };
  std::vector<Entry> entries;
  uint64_t time_ns = 1'000'000;

  TraceBuilder& read(uint32_t bar, uint64_t offset, uint64_t value, uint64_t width = 4) {
    Entry& e = add(EventKind::kMmioRead, bar, offset, width);
    e.reply.data = bytes_of(value, width);
    e.replied = true;
    return *this;
  }
  TraceBuilder& write(uint32_t bar, uint64_t offset, uint64_t value, uint64_t width = 4) {
    add(EventKind::kMmioWrite, bar, offset, width).event.data = bytes_of(value, width);
    return *this;
  }
  TraceBuilder& write_bytes(uint32_t bar, uint64_t offset, Payload data) {
    add(EventKind::kMmioWrite, bar, offset, data.length).event.data = data;
    return *this;
  }
  TraceBuilder& config_read(uint64_t offset, uint64_t value) {
    Entry& e = add(EventKind::kConfigRead, 0, offset, 4);
    e.reply.value0 = value;
    e.replied = true;
    return *this;
  }
  TraceBuilder& map(uint32_t handle, uint64_t bytes, uint64_t address) {
    Entry& e = add(EventKind::kDmaMap, handle, 0, bytes);
    e.reply.value0 = address;
    e.replied = true;
    return *this;
  }
  TraceBuilder& unmap(uint32_t handle, uint64_t bytes) {
    add(EventKind::kDmaUnmap, handle, 0, bytes).replied = true;
    return *this;
  }
  TraceBuilder& interrupt(IrqKind kind, uint64_t vector) {
    Entry& e = add(EventKind::kInterrupt, static_cast<uint32_t>(kind), 0, 0);
    e.event.value = vector;
    e.event.source = Source::kDevice;
    return *this;
  }
  TraceBuilder& mark(std::string_view text) {
    Entry& e = add(EventKind::kMark, 0, 0, 0);
    e.event.source = Source::kRecorder;
    e.event.data = Payload::of(std::as_bytes(std::span(keep(std::string(text)))));
    return *this;
  }
  TraceBuilder& device(uint16_t index) {
    entries.back().event.device = index;
    return *this;
  }
  TraceBuilder& pass(uint64_t ns) {
    time_ns += ns;
    return *this;
  }
  Entry& last() { return entries.back(); }

  const std::string& keep(std::string bytes) {
    bytes_.push_back(std::move(bytes));
    return bytes_.back();
  }
  Payload bytes_of(uint64_t value, uint64_t width) {
    std::string bytes(width, '\0');
    std::memcpy(bytes.data(), &value, width);
    return Payload::of(std::as_bytes(std::span(keep(std::move(bytes)))));
  }

 private:
  Entry& add(EventKind kind, uint32_t target, uint64_t address, uint64_t length) {
    Entry entry;
    entry.event.kind = kind;
    entry.event.target = target;
    entry.event.address = address;
    entry.event.length = length;
    entry.event.time_ns = time_ns;
    time_ns += 1000;
    entries.push_back(entry);
    return entries.back();
  }
  std::deque<std::string> bytes_;
};

/// Reads what was built, `batch_events` at a time.
class BuiltReader final : public EventReader {
 public:
  explicit BuiltReader(const std::vector<TraceBuilder::Entry>& entries, size_t batch_events = 7)
      : entries_(entries), batch_events_(batch_events) {
    info_.devices.resize(1);
    info_.clock = Clock::kMonotonic;
  }
  explicit BuiltReader(const TraceBuilder& trace, size_t batch_events = 7) : BuiltReader(trace.entries, batch_events) {}

  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override { return report_; }
  Result<bool> next(EventBatch* batch) override {
    batch->clear();
    batch->first_event = at_;
    for (; at_ < entries_.size() && batch->events.size() < batch_events_; ++at_) {
      Event event = entries_[at_].event;
      event.request = requests_;
      requests_ += event.is_request() ? 1 : 0;
      if (entries_[at_].replied) {
        batch->add(event, entries_[at_].reply);
      } else {
        batch->events.push_back(event);
      }
    }
    return !batch->events.empty();
  }
  TraceInfo info_;

 private:
  const std::vector<TraceBuilder::Entry>& entries_;
  const size_t batch_events_;
  ReadReport report_;
  size_t at_ = 0;
  uint64_t requests_ = 0;
};

}  // namespace dartboard::traces
