// sim/core/trace_hash.h - the 128-bit running hash of everything observable that happened in a run.
//
// Same tape, same hash, on any compiler: that is how determinism and reset() are proved. Events are fixed 40-byte
// records without pointers or absolute host state. The hash is on the path of every TLP, so records are gathered and
// hashed in blocks (XXH3); each block begins with the hash of what came before, which makes a chain of the blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace dartboard::sim {

/// What kind of event a record is. New kinds go to the end.
enum class TraceKind : uint32_t {
  kTlp = 1, kDartFault, kMsi, kReset, kLink, kUserCall, kMap, kUnmap, kPanic, kInterruptDelivered, kMark,
  kServicePublished, kServiceTerminated, kBytes,
};

struct TraceRecord {
  uint64_t time_ns;      ///< since power-on
  uint32_t kind;         ///< TraceKind
  uint32_t detail;       ///< kind-specific (packed small fields)
  uint64_t a, b, c;      ///< kind-specific
};
static_assert(sizeof(TraceRecord) == 40);

struct Hash128 {
  uint64_t low = 0, high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  std::string hex() const;   ///< 32 digits
};

class TraceHash {
 public:
  void reset();
  void add(uint64_t time_ns, TraceKind kind, uint32_t detail, uint64_t a, uint64_t b = 0, uint64_t c = 0) {
    block_.records[used_] = {time_ns, static_cast<uint32_t>(kind), detail, a, b, c};
    if (++used_ == kRecordsPerBlock) [[unlikely]] flush();
  }
  /// Adds bytes that belong to the event just added (payloads), as their length and hash.
  void add_bytes(const void* data, size_t bytes);
  uint64_t events() const { return flushed_ + used_; }
  /// The hash so far. Does not end the stream.
  Hash128 value() const;

 private:
  static constexpr size_t kRecordsPerBlock = 64;
  void flush();

  struct Block {
    Hash128 before;   ///< of everything in earlier blocks
    TraceRecord records[kRecordsPerBlock];
  };
  Block block_{};
  size_t used_ = 0;
  uint64_t flushed_ = 0;
};

}  // namespace dartboard::sim
