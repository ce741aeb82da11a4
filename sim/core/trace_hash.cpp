// sim/core/trace_hash.cpp - XXH3-128 over blocks of events, chained.
#include "sim/core/trace_hash.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace dartboard::sim {
namespace {

Hash128 hash(const void* data, size_t bytes) {
  const XXH128_hash_t h = XXH3_128bits(data, bytes);
  return {h.low64, h.high64};
}

}  // namespace

void TraceHash::reset() {
  block_.before = {};
  used_ = 0;
  events_ = 0;
}

void TraceHash::flush() {
  block_.before = value();
  used_ = 0;
}

void TraceHash::add_bytes(const void* data, size_t bytes) {
  const Hash128 h = hash(data, bytes);
  add(0, TraceKind::kBytes, bytes, h.low, h.high);
}

Hash128 TraceHash::value() const { return hash(&block_, sizeof block_.before + used_ * sizeof(uint64_t)); }

std::string Hash128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

}  // namespace dartboard::sim
