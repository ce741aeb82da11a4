// sim/core/trace_hash.h - the 128-bit running hash of everything observable that happened in a run.
//
// Same tape, same hash, on any compiler: that is how determinism and reset() are proved. An event is a header word and
// up to 15 words that belong to its kind, without pointers or absolute host state. The hash is on the path of every
// TLP, so events are short, gathered, and hashed in blocks (XXH3); each block begins with the hash of what came before,
// which makes a chain of the blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace dartboard::sim {

/// What kind of event it is: 6 bits. New kinds go to the end.
enum class TraceKind : uint8_t {
  kTlp = 1, kDartFault, kMsi, kReset, kLink, kUserCall, kMap, kUnmap, kPanic, kInterruptDelivered, kMark,
  kServicePublished, kServiceTerminated, kBytes, kClientOpened, kClientClosing,
  kClientClosed, kVectorEnabled, kVectorDisabled, kInjected, kDartEvent,
};

struct Hash128 {
  uint64_t low = 0, high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  std::string hex() const;   ///< 32 digits
};

/// One event as a listener sees it.
struct TraceEvent {
  uint64_t time_ns;
  TraceKind kind;
  uint8_t detail;                    ///< kind-specific
  std::span<const uint64_t> words;   ///< kind-specific
};

/// Hears every event, in order and in batches: what the hash is made of, so nothing observable can pass unseen.
/// Listening costs the sites that report events nothing.
class TraceListener {
 public:
  virtual void on_event(const TraceEvent& event) = 0;
  /// A new run begins.
  virtual void on_restart() = 0;

 protected:
  ~TraceListener() = default;
};

class TraceHash {
 public:
  static constexpr size_t kWordsPerEventMax = 16;   ///< header included

  void reset();
  /// One event: when (ns since power-on, 46 bits: 19 hours), what, a byte of detail, and the words that say the rest.
  /// Detail and number of words are in the header, so that no two sequences of events make the same stream.
  template <class... Words>
  void add(uint64_t time_ns, TraceKind kind, uint8_t detail, Words... words) {
    static_assert(sizeof...(Words) < kWordsPerEventMax && (std::is_integral_v<Words> && ...));
    const size_t used = used_ + 1 + sizeof...(Words);
    uint64_t* const to = &block_.words[used_];
    to[0] = time_ns << 18 | uint64_t{detail} << 10 | sizeof...(Words) << 6 | static_cast<uint64_t>(kind);
    size_t i = 0;
    ((to[++i] = static_cast<uint64_t>(words)), ...);
    ++events_;
    used_ = used;
    if (used > kWordsPerBlock - kWordsPerEventMax) [[unlikely]] flush();   // last, so that callers need not save for it
  }
  /// Adds bytes that belong to the event just added (payloads), as their length and hash.
  void add_bytes(const void* data, size_t bytes);
  uint64_t events() const { return events_; }
  /// The hash so far. Does not end the stream.
  Hash128 value() const;

  /// Who hears the events from now on; null: nobody. Not owned. Events arrive when a block is full and at deliver().
  void set_listener(TraceListener* listener);
  /// Hands the listener what it has not heard yet.
  void deliver();

 private:
  static constexpr size_t kWordsPerBlock = 272;
  void flush();

  struct Block {
    Hash128 before;   ///< of everything in earlier blocks
    uint64_t words[kWordsPerBlock];
  };
  Block block_{};
  // Not side by side: the two that change at every event are cheaper to count one by one than as a pair.
  size_t used_ = 0;       ///< words
  size_t delivered_ = 0;  ///< words of this block that the listener has heard
  uint64_t events_ = 0;
  TraceListener* listener_ = nullptr;
};

}  // namespace dartboard::sim
