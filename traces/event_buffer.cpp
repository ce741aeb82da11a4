// traces/event_buffer.cpp - see event_buffer.h.
#include "traces/event_buffer.h"

#include <algorithm>

namespace dartboard::traces {

EventBuffer::Shape EventBuffer::unusual(std::byte*& to, const Payload& payload, uint64_t length) {
  if (payload.is_fill() && payload.length == length) return Shape::kFillAsLong;
  std::memcpy(to, &payload.length, 8);
  to += 8;
  switch (payload.form) {
    case PayloadForm::kOmitted: return Shape::kOmitted;
    case PayloadForm::kHash: copy(to, payload.bytes, 8); return Shape::kHash;
    case PayloadForm::kWhole: break;
  }
  if (payload.is_fill()) return Shape::kFill;
  copy(to, payload.bytes, payload.length);
  return Shape::kBytes;
}

Payload EventBuffer::payload(const std::byte*& from, Shape shape, std::byte fill, uint64_t length) {
  if (shape == Shape::kNone) return {};
  if (shape == Shape::kFillAsLong) return Payload::filled(fill, length);
  if (shape != Shape::kAsLong) {
    std::memcpy(&length, from, 8);
    from += 8;
  }
  if (shape == Shape::kFill) return Payload::filled(fill, length);
  if (shape == Shape::kOmitted) return Payload::omitted(length);
  const std::byte* const bytes = from;
  from += shape == Shape::kHash ? 8 : padded(length);
  return shape == Shape::kHash ? Payload::hash_of(bytes, length) : Payload{bytes, length};
}

void EventBuffer::clear(uint64_t capacity_bytes) {
  size_ = events_ = 0;
  if (capacity_ <= capacity_bytes) return;
  capacity_ = 0;
  grow(capacity_bytes);
}

void EventBuffer::grow(uint64_t room) {
  const uint64_t capacity = std::max(size_ + room, 2 * capacity_);
  std::unique_ptr<std::byte[]> bytes(new std::byte[capacity]);
  if (size_ != 0) std::memcpy(bytes.get(), bytes_.get(), size_);
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

}  // namespace dartboard::traces
