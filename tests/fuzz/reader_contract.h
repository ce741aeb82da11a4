// tests/fuzz/reader_contract.h - what every reader of traces keeps to, whatever bytes it is given.
#pragma once

#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "traces/byte_source.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// Looks at every byte behind `payload`, so that a sanitizer sees one that is not there.
inline uint64_t touch(const traces::Payload& payload) {
  uint64_t sum = 0;
  if (payload.bytes == nullptr) return sum;
  const uint64_t bytes = payload.is_whole() ? payload.length : 8;  // a hash
  for (uint64_t i = 0; i < bytes; ++i) sum += std::to_integer<uint64_t>(payload.bytes[i]);
  return sum;
}
inline uint64_t touch(const traces::EventBatch& batch) {
  uint64_t sum = 0;
  for (const traces::Event& event : batch.events) {
    sum += touch(event.data);
    if (const traces::Reply* const reply = batch.reply_of(event)) sum += touch(reply->data);
  }
  return sum;
}

/// Reads all of what was recorded by a program of ours or a protocol of others: any order of times and replies goes.
inline void drain(traces::EventReader& reader) {
  traces::EventBatch batch;
  uint64_t events = 0, sum = 0;
  for (;;) {
    const auto more = reader.next(&batch);
    if (!more || !*more) break;
    require(batch.first_event >= events);
    events = batch.first_event + batch.events.size();
    sum += touch(batch);
  }
  volatile uint64_t keep = sum;
  static_cast<void>(keep);
  require(!reader.info().devices.empty());
}

/// Reads all of it and holds it to the contract of EventBatch; every record is counted once.
inline void read_all(traces::EventReader& reader) {
  using namespace traces;
  EventBatch batch;
  uint64_t events = 0, time_ns = 0, requests = 0;
  for (;;) {
    const auto more = reader.next(&batch);
    if (!more || !*more) break;
    require(batch.first_event == events && batch.events.size() <= kBatchEvents);
    events += batch.events.size();
    for (const Event& event : batch.events) {
      const Reply* const reply = batch.reply_of(event);
      require((reply != nullptr) == (event.is_request() && event.kind != EventKind::kMmioWrite));
      require(event.time_ns >= time_ns && event.request == requests);
      if (event.kind == EventKind::kMmioRead) require(reply->status != 0 || reply->data.length == event.length);
      time_ns = event.time_ns;
      requests += event.is_request() ? 1 : 0;
    }
  }
  const ReadReport& report = reader.report();
  uint64_t records = report.unknown;
  for (const RecordCount& kind : report.kinds) records += kind.count;
  require(records == report.records);
  require(report.first_unknown.size() <= kUnknownKept);
  require(!reader.info().devices.empty());
  for (const TraceDevice& device : reader.info().devices) {
    require(device.address.find('/') == std::string::npos);
    // A device that is imported can be written beside a .jsonl, and read.
    require(parse_device_description(format_device_description(device.description), "device").has_value());
  }
}

/// All of libFuzzer's entry for a format.
inline void read_bytes(std::span<const uint8_t> input, int (*detect)(std::string_view),
                       Result<std::unique_ptr<traces::EventReader>> (*open)(std::unique_ptr<traces::ByteSource>,
                                                                            const traces::ReadOptions&)) {
  detect({reinterpret_cast<const char*>(input.data()), input.size()});
  auto reader = open(traces::ByteSource::of(std::as_bytes(input), "input"), {});
  if (reader) read_all(**reader);
}

}  // namespace dartboard::fuzz
