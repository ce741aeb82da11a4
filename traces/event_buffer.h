// traces/event_buffer.h - events packed into bytes, on their way from the thread where they happen to the one that
// writes them.
//
// An Event and its Reply have 136 bytes, of which a register access needs 48: what crosses from one core's cache to
// another's is what recording costs. The layout is private to a process; what goes into files is traces/dbt's.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "traces/event.h"

namespace dartboard::traces {

/// Events in order with their replies and payloads, in one block of memory that is kept from one filling to the next.
/// On a cache line of its own: while one is filled, another thread reads its neighbour.
class alignas(64) EventBuffer {
 public:
  explicit EventBuffer(uint64_t capacity_bytes) { grow(capacity_bytes); }

  /// Appends. Payloads are copied. Event::request and Event::reply are not kept.
  void put(const Event& event, const Reply* reply) {
    const uint64_t needed = kBytesMax + bytes_of(event.data) + (reply != nullptr ? bytes_of(reply->data) : 0);
    if (needed > capacity_ - size_) [[unlikely]] {
      grow(needed);
    }
    std::byte* const begin = bytes_.get() + size_;
    Head head{event.time_ns, event.address, event.target, event.device, event.kind, event.source};
    head.has_reply = reply != nullptr;
    head.width = event.length < 256 ? static_cast<uint8_t>(event.length) : 0;
    std::byte* to = begin + sizeof head;
    if (event.length >= 256) word(to, event.length, head.words, kLength);
    word(to, event.value, head.words, kValue);
    head.data_fill = event.data.fill;
    head.data = payload(to, event.data, event.length);
    if (reply != nullptr) {
      word(to, reply->status, head.words, kStatus);
      word(to, reply->value0, head.words, kValue0);
      word(to, reply->value1, head.words, kValue1);
      word(to, reply->duration_ns, head.words, kDuration);
      head.reply_fill = reply->data.fill;
      head.reply = payload(to, reply->data, event.length);
    }
    std::memcpy(begin, &head, sizeof head);
    size_ += static_cast<uint64_t>(to - begin);
    ++events_;
  }

  /// Appends an access of 1 to 8 bytes that succeeded, as put() would: a write's `value` is its data, a read's its
  /// reply. By far most of what is recorded is this, and it needs no Event. There must be room: accesses_up_to().
  void put_access(EventKind kind, bool is_read, uint32_t target, uint64_t address, std::span<const std::byte> value,
                  uint64_t time_ns, uint64_t duration_ns) {
    assert(!value.empty() && value.size() <= 8 && kAccessBytes <= capacity_ - size_);
    std::byte* const begin = bytes_.get() + size_;
    std::byte* to = begin + sizeof(Head);
    Head head{time_ns, address, target, 0, kind, Source::kGuest};
    head.data = is_read ? Shape::kNone : Shape::kAsLong;
    head.reply = is_read ? Shape::kAsLong : Shape::kNone;
    head.has_reply = is_read;
    head.width = static_cast<uint8_t>(value.size());
    if (duration_ns != 0) {
      std::memcpy(to, &duration_ns, 8);
      to += 8;
      head.words = kDuration;
    }
    std::memcpy(begin, &head, sizeof head);
    copy(to, value.data(), value.size());
    size_ = static_cast<uint64_t>(to - bytes_.get());
    ++events_;
  }

  uint64_t events() const { return events_; }
  uint64_t size_bytes() const { return size_; }
  /// How many put_access() fit into the first `bytes` of it, at least.
  uint64_t accesses_up_to(uint64_t bytes) const { return size_ < bytes ? (bytes - size_) / kAccessBytes : 0; }
  bool empty() const { return events_ == 0; }

  /// Calls `each(event, reply or null)`, in order, until one says false. Payloads point into the buffer.
  template <class Each>
  void for_each(Each each) const {
    const std::byte* from = bytes_.get();
    for (uint64_t i = 0; i < events_; ++i) {
      Head head;
      std::memcpy(&head, from, sizeof head);
      from += sizeof head;
      Event event;
      event.time_ns = head.time_ns;
      event.address = head.address;
      event.target = head.target;
      event.device = head.device;
      event.kind = head.kind;
      event.source = head.source;
      event.length = head.width + word(from, head.words, kLength);
      event.value = word(from, head.words, kValue);
      event.data = payload(from, head.data, head.data_fill, event.length);
      Reply reply;
      if (head.has_reply) {
        reply.status = word(from, head.words, kStatus);
        reply.value0 = word(from, head.words, kValue0);
        reply.value1 = word(from, head.words, kValue1);
        reply.duration_ns = word(from, head.words, kDuration);
        reply.data = payload(from, head.reply, head.reply_fill, event.length);
      }
      if (!each(event, head.has_reply ? &reply : nullptr)) return;
    }
  }

  /// Empty again. Memory beyond `capacity_bytes` is given back.
  void clear(uint64_t capacity_bytes);

 private:
  /// Numbers that are mostly 0, each a word behind the head where it is not.
  enum Word : uint8_t { kLength = 1, kValue = 2, kStatus = 4, kValue0 = 8, kValue1 = 16, kDuration = 32 };
  /// How a payload stands behind them. All but the first three begin with its length.
  enum class Shape : uint8_t { kNone, kAsLong, kFillAsLong, kBytes, kFill, kHash, kOmitted };
  struct Head {
    uint64_t time_ns, address;
    uint32_t target;
    uint16_t device;
    EventKind kind;
    Source source;
    Shape data = Shape::kNone, reply = Shape::kNone;
    std::byte data_fill{}, reply_fill{};
    bool has_reply = false;
    uint8_t words = 0;  ///< a set of Word
    uint8_t width = 0;  ///< Event::length, where that is less than 256
  };
  /// Of an event without the bytes of its payloads: the head, six numbers, and two lengths; and padding.
  static constexpr uint64_t kBytesMax = sizeof(Head) + 6 * 8 + 2 * 16;
  static constexpr uint64_t kAccessBytes = sizeof(Head) + 2 * 8;

  static uint64_t bytes_of(const Payload& payload) {
    return payload.bytes == nullptr ? 0 : payload.is_whole() ? payload.length : 8;
  }

  static void word(std::byte*& to, uint64_t value, uint8_t& words, Word which) {
    // Written in any case, and kept by moving on: no branch depends on what is recorded.
    std::memcpy(to, &value, 8);
    to += value != 0 ? 8 : 0;
    words |= value != 0 ? which : 0;
  }
  static uint64_t word(const std::byte*& from, uint8_t words, Word which) {
    if ((words & which) == 0) return 0;
    uint64_t value = 0;
    std::memcpy(&value, from, 8);
    from += 8;
    return value;
  }

  static Shape payload(std::byte*& to, const Payload& payload, uint64_t length) {
    if (payload.is_whole() && payload.length == length && payload.bytes != nullptr) [[likely]] {
      copy(to, payload.bytes, length);
      return Shape::kAsLong;
    }
    if (payload.length == 0 && payload.is_whole()) return Shape::kNone;
    return unusual(to, payload, length);
  }
  static Shape unusual(std::byte*& to, const Payload& payload, uint64_t length);
  static Payload payload(const std::byte*& from, Shape shape, std::byte fill, uint64_t length);

  static void copy(std::byte*& to, const std::byte* from, uint64_t bytes) {
    if (bytes == 8) {
      std::memcpy(to, from, 8);
    } else if (bytes == 4) {
      std::memcpy(to, from, 4);
    } else {
      std::memcpy(to, from, bytes);
    }
    to += padded(bytes);
  }
  static uint64_t padded(uint64_t bytes) { return (bytes + 7) & ~uint64_t{7}; }

  void grow(uint64_t room);

  std::unique_ptr<std::byte[]> bytes_;
  uint64_t capacity_ = 0, size_ = 0, events_ = 0;
};

}  // namespace dartboard::traces
