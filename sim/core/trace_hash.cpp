// sim/core/trace_hash.cpp - XXH3-128 over blocks of events, chained.
#include "sim/core/trace_hash.h"

#include <fmt/format.h>
#ifdef DARTBOARD_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>   // XXH3_128bits is then the one for this processor
#else
#include <xxhash.h>
#endif

namespace dartboard::sim {
namespace {

Hash128 hash(const void* data, size_t bytes) {
  const XXH128_hash_t h = XXH3_128bits(data, bytes);
  return {h.low64, h.high64};
}

}  // namespace

void TraceHash::reset() {
  deliver();
  block_.before = {};
  used_ = 0;
  delivered_ = 0;
  events_ = 0;
  if (listener_ != nullptr) listener_->on_restart();
}

void TraceHash::flush() {
  deliver();
  block_.before = value();
  used_ = 0;
  delivered_ = 0;
}

void TraceHash::set_listener(TraceListener* listener) {
  deliver();
  listener_ = listener;
  delivered_ = used_;
}

void TraceHash::deliver() {
  if (listener_ == nullptr) return;
  while (delivered_ < used_) {
    const uint64_t* const at = &block_.words[delivered_];
    const size_t words = at[0] >> 6 & 0xf;
    delivered_ += 1 + words;   // first: a listener may look at the hash
    listener_->on_event({at[0] >> 18, static_cast<TraceKind>(at[0] & 0x3f), static_cast<uint8_t>(at[0] >> 10),
                         std::span(at + 1, words)});
  }
}

void TraceHash::add_bytes(const void* data, size_t bytes) {
  const Hash128 h = hash(data, bytes);
  add(0, TraceKind::kBytes, 0, bytes, h.low, h.high);
}

Hash128 TraceHash::value() const { return hash(&block_, sizeof block_.before + used_ * sizeof(uint64_t)); }

std::string Hash128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

}  // namespace dartboard::sim
