// sim/core/trace_hash.h - the 128-bit running hash of everything observable that happened in a run.
//
// Same tape, same hash, on any compiler: that is how determinism and reset() are proved. An event is a header word and
// up to 15 words that belong to its kind, without pointers or absolute host state. The hash is on the path of every
// TLP, so events are short, gathered, and hashed in blocks (XXH3); each block begins with the hash of what came before,
// which makes a chain of the blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace dartboard::sim {

/// What kind of event it is: 6 bits. New kinds go to the end.
enum class TraceKind : uint8_t {
  kTlp = 1, kDartFault, kMsi, kReset, kLink, kUserCall, kMap, kUnmap, kPanic, kInterruptDelivered, kMark,
  kServicePublished, kServiceTerminated, kBytes,
};

struct Hash128 {
  uint64_t low = 0, high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  std::string hex() const;   ///< 32 digits
};

class TraceHash {
 public:
  void reset();
  /// One event: when (ns since power-on), what, and the words that say the rest. The number of words is part of the
  /// header, so that no two sequences of events make the same stream.
  template <class... Words>
  void add(uint64_t time_ns, TraceKind kind, Words... words) {
    static_assert(sizeof...(Words) < 16 && (std::is_integral_v<Words> && ...));
    if (used_ + 1 + sizeof...(Words) > kWordsPerBlock) [[unlikely]] flush();
    uint64_t* const to = &block_.words[used_];
    to[0] = time_ns << 10 | sizeof...(Words) << 6 | static_cast<uint64_t>(kind);
    size_t i = 0;
    ((to[++i] = static_cast<uint64_t>(words)), ...);
    used_ += 1 + sizeof...(Words);
    ++events_;
  }
  /// Adds bytes that belong to the event just added (payloads), as their length and hash.
  void add_bytes(const void* data, size_t bytes);
  uint64_t events() const { return events_; }
  /// The hash so far. Does not end the stream.
  Hash128 value() const;

 private:
  static constexpr size_t kWordsPerBlock = 256;
  void flush();

  struct Block {
    Hash128 before;   ///< of everything in earlier blocks
    uint64_t words[kWordsPerBlock];
  };
  Block block_{};
  size_t used_ = 0;   ///< words
  uint64_t events_ = 0;
};

}  // namespace dartboard::sim
