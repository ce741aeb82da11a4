// sim/core/trace_hash.cpp - XXH3-128 over the event records, in bulk.
#include "sim/core/trace_hash.h"

#include <cassert>
#include <new>

#include <fmt/format.h>
#include <xxhash.h>

namespace dartboard::sim {

struct TraceHash::State {
  XXH3_state_t* xxh = XXH3_createState();   // 64-byte aligned by the library
  State() {
    if (xxh == nullptr) throw std::bad_alloc();
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

TraceHash::TraceHash() : state_(std::make_unique<State>()) { reset(); }
TraceHash::~TraceHash() = default;

void TraceHash::reset() {
  used_ = 0;
  flushed_ = 0;
  XXH3_128bits_reset(state_->xxh);
}

void TraceHash::flush() {
  XXH3_128bits_update(state_->xxh, buffer_.data(), used_ * sizeof(TraceRecord));
  flushed_ += used_;
  used_ = 0;
}

void TraceHash::add_bytes(const void* data, size_t bytes) {
  flush();
  XXH3_128bits_update(state_->xxh, data, bytes);
}

Hash128 TraceHash::value() const {
  State copy;
  XXH3_copyState(copy.xxh, state_->xxh);
  XXH3_128bits_update(copy.xxh, buffer_.data(), used_ * sizeof(TraceRecord));
  const XXH128_hash_t h = XXH3_128bits_digest(copy.xxh);
  return {h.low64, h.high64};
}

std::string Hash128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

}  // namespace dartboard::sim
