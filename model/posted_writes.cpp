// model/posted_writes.cpp - a ring of small writes.
#include "model/posted_writes.h"

#include <cassert>
#include <cstring>

namespace dartboard::model {

bool PostedWrites::holds(bool prefetchable) const {
  for (unsigned i = 0; i < count_; ++i) {
    if (writes_[(first_ + i) % kEntriesMax].prefetchable == prefetchable) return true;
  }
  return false;
}

void PostedWrites::hold(uint64_t address, const std::byte* data, uint32_t length, bool prefetchable) {
  assert(takes(length));
  Write& write = writes_[(first_ + count_) % kEntriesMax];
  write.address = address;
  write.length = length;
  write.prefetchable = prefetchable;
  if (length != 0) std::memcpy(write.data.data(), data, length);
  ++count_;
}

PostedWrites::Write PostedWrites::take() {
  assert(count_ != 0);
  const Write write = writes_[first_];
  first_ = (first_ + 1) % kEntriesMax;
  --count_;
  return write;
}

}  // namespace dartboard::model
