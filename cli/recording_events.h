// cli/recording_events.h - what both seams share in making events: handles of DMA memory, statuses, requests.
#pragma once

#include <cstdint>
#include <map>

#include "base/error.h"
#include "traces/event.h"

namespace dartboard::cli {

/// A recording's names for memory that is mapped for DMA: small numbers instead of keys.
class DmaHandles {
 public:
  /// A new handle for `key`, used once the mapping is there.
  uint32_t next() const { return last_ + 1; }
  void mapped(uint64_t key) { by_key_[key] = ++last_; }
  /// The handle of `key`; 0: not mapped.
  uint32_t of(uint64_t key) const {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? 0 : found->second;
  }
  void unmapped(uint64_t key) { by_key_.erase(key); }
  /// The DMA buffer is no key.
  uint32_t buffer() const { return buffer_; }
  void buffer_mapped() { buffer_ = ++last_; }
  void buffer_freed() { buffer_ = 0; }

 private:
  std::map<uint64_t, uint32_t> by_key_;
  uint32_t last_ = 0, buffer_ = 0;
};

/// What a recording keeps of a failure: the kIOReturn, or 1. Sentences may hold names and stay out.
inline uint64_t status_of(const Error& error) {
  return error.io_return != io_return::kSuccess ? error.io_return : uint64_t{1};
}

inline traces::Event request(traces::EventKind kind, uint32_t target = 0, uint64_t address = 0, uint64_t length = 0,
                             uint64_t value = 0) {
  traces::Event event;
  event.kind = kind;
  event.target = target;
  event.address = address;
  event.length = length;
  event.value = value;
  return event;
}

}  // namespace dartboard::cli
