// traces/dbt/chunk.h - a chunk's columns: events into them, one at a time, and out of them, a batch at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "traces/dbt/layout.h"
#include "traces/event_stream.h"

namespace dartboard::traces::dbt {

/// Collects events and lays them out as a decompressed chunk.
class ChunkBuilder {
 public:
  explicit ChunkBuilder(PayloadPolicy policy, uint32_t events_max = kChunkEvents)
      : policy_(policy), events_max_(events_max) {}

  void add(const Event& event, const Reply* reply);
  uint32_t events() const { return static_cast<uint32_t>(columns_[0].size()); }
  uint64_t payload_bytes() const { return short_.size() + long_.size(); }
  uint64_t first_time_ns() const { return first_time_ns_; }
  uint64_t requests() const { return requests_; }
  bool full() const { return events() >= events_max_ || payload_bytes() >= kChunkPayloadBytes; }

  /// Replaces `out` with the chunk, and is empty again. kOutOfRange: payloads larger than a chunk can be.
  Result<void> finish(std::vector<std::byte>* out);

 private:
  std::vector<uint64_t>& column(Column c) { return columns_[static_cast<unsigned>(c)]; }
  void add_payload(const Payload& payload, PayloadPolicy policy, uint64_t implied_length, Column form, Column length,
                   Column fill);

  PayloadPolicy policy_;
  uint32_t events_max_;
  std::array<std::vector<uint64_t>, kColumnCount> columns_;
  std::vector<std::byte> short_, long_;
  uint64_t first_time_ns_ = 0, last_time_ns_ = 0, last_address_ = 0, requests_ = 0;
};

/// What a chunk block says of the frame behind it.
struct ChunkHead {
  uint32_t events = 0;
  uint64_t first_event = 0, first_request = 0, first_time_ns = 0;
  uint32_t raw_bytes = 0, frame_bytes = 0;
};

/// Fills `batch` from a decompressed chunk that lies in its arena: payloads point into `raw`. Counts events of kinds
/// that this version does not know, and leaves them out. kFileCorrupt with what is wrong; nothing is read outside
/// `raw`.
Result<void> decode_chunk(std::span<const std::byte> raw, const ChunkHead& head, EventBatch* batch,
                          uint64_t* unknown_events);

}  // namespace dartboard::traces::dbt
