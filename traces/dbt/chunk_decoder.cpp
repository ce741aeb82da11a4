// traces/dbt/chunk_decoder.cpp - columns to events, a few hundred at a time so that the values stay in the cache.
//
// Everything in a chunk comes from a file. Sizes are checked once, before the loop: every column has as many values as
// it must, and the payload streams hold what the forms and lengths ask for (checked as they are used, since only the
// walk knows). The loop itself then cannot leave the chunk.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "traces/dbt/chunk.h"

namespace dartboard::traces::dbt {

namespace {

constexpr size_t kBlock = 256;

template <unsigned kWidth>
void join_planes(const std::byte* planes, size_t stride, size_t count, uint64_t* out) {
  for (size_t i = 0; i < count; ++i) {
    uint64_t value = 0;
    for (unsigned k = 0; k < kWidth; ++k) value |= std::to_integer<uint64_t>(planes[k * stride + i]) << (8 * k);
    out[i] = value;
  }
}

/// One column: its planes in the chunk, and a block of values taken out of them.
struct Cursor {
  const std::byte* planes = nullptr;
  uint32_t count = 0;  // values in the chunk
  uint8_t width = 0;
  Coding coding = Coding::kPlain;
  uint64_t previous = 0;  // kDelta
  size_t next = 0;        // value of the column that values[0] of the next load() is
  size_t at = 0;          // one_by_one(): position in values
  size_t loaded = 0;
  std::array<uint64_t, kBlock> values;

  void load(size_t how_many) {
    const std::byte* const from = planes + next;
    switch (width) {
      case 0: std::fill_n(values.begin(), how_many, uint64_t{0}); break;
      case 1: join_planes<1>(from, count, how_many, values.data()); break;
      case 2: join_planes<2>(from, count, how_many, values.data()); break;
      case 3: join_planes<3>(from, count, how_many, values.data()); break;
      case 4: join_planes<4>(from, count, how_many, values.data()); break;
      case 5: join_planes<5>(from, count, how_many, values.data()); break;
      case 6: join_planes<6>(from, count, how_many, values.data()); break;
      case 7: join_planes<7>(from, count, how_many, values.data()); break;
      default: join_planes<8>(from, count, how_many, values.data()); break;
    }
    if (coding == Coding::kDelta) {
      uint64_t sum = previous;
      for (size_t i = 0; i < how_many; ++i) {
        const uint64_t v = values[i];
        sum += v >> 1 ^ (uint64_t{0} - (v & 1));
        values[i] = sum;
      }
      previous = sum;
    }
    next += how_many;
    loaded = how_many;
    at = 0;
  }
  /// For columns that have a value for some events only. False: there is none left.
  bool one(uint64_t* value) {
    if (at == loaded) {
      if (next == count) return false;
      load(std::min<size_t>(kBlock, count - next));
    }
    *value = values[at++];
    return true;
  }
};

tl::unexpected<Error> wrong(std::string what) {
  return fail(ErrorName::kFileCorrupt, std::move(what));
}

class Decoder {
 public:
  Decoder(std::span<const std::byte> raw, const ChunkHead& head, EventBatch& batch)
      : raw_(raw), head_(head), batch_(batch) {}

  Result<void> run(uint64_t* unknown) {
    if (auto opened = open(); !opened) return opened;
    batch_.events.resize(events_);
    batch_.replies.resize(replies_);
    batch_.first_event = head_.first_event;
    uint64_t request = head_.first_request;
    uint32_t reply = 0;
    size_t kept = 0;
    for (size_t begin = 0; begin < events_; begin += kBlock) {
      const size_t count = std::min<size_t>(kBlock, events_ - begin);
      for (unsigned c = 0; c <= static_cast<unsigned>(Column::kDataForm); ++c) cursors_[c].load(count);
      for (size_t i = 0; i < count; ++i) {
        Event& e = batch_.events[kept];
        const auto tag = static_cast<unsigned>(value(Column::kTag, i));
        e.kind = static_cast<EventKind>(tag & 0x1f);
        e.source = static_cast<Source>(tag >> 5 & 3);
        e.device = static_cast<uint16_t>(value(Column::kDevice, i));
        e.target = static_cast<uint32_t>(value(Column::kTarget, i));
        e.time_ns = value(Column::kTime, i);
        e.address = value(Column::kAddress, i);
        e.length = value(Column::kLength, i);
        e.value = value(Column::kValue, i);
        e.request = request;
        request += e.is_request() ? 1 : 0;
        if (!payload(static_cast<unsigned>(value(Column::kDataForm, i)), e.length, Column::kDataLength,
                     Column::kDataFill, &e.data)) {
          return wrong("a payload is not where it should be");
        }
        e.reply = kNoReply;
        if ((tag & 0x80) != 0) {
          if (reply == replies_) return wrong("an event has a reply that is not there");
          if (!take_reply(reply, e.length)) return wrong("the payload of a reply is not where it should be");
          e.reply = reply++;
        }
        // A kind of a newer minor version: nobody here could make sense of it.
        if ((tag & 0x1f) >= kEventKindCount) [[unlikely]] {
          ++*unknown;
        } else {
          ++kept;
        }
      }
    }
    if (reply != replies_) return wrong("there are replies without an event");
    batch_.events.resize(kept);
    return {};
  }

 private:
  uint64_t value(Column c, size_t i) const { return cursors_[static_cast<unsigned>(c)].values[i]; }

  Result<void> open() {
    if (raw_.size() < kChunkPrefixBytes) return wrong("a chunk is shorter than its prefix");
    const auto u32 = [&](size_t at) { return static_cast<uint32_t>(get(raw_.data() + at, 4)); };
    events_ = u32(0);
    replies_ = u32(4);
    const uint32_t columns = u32(8);
    const uint64_t short_bytes = u32(12), long_bytes = u32(16);
    if (events_ != head_.events || events_ > kChunkEventsMax || replies_ > events_) {
      return wrong(
          fmt::format("a chunk has {} events and {} replies; expected {} events", events_, replies_, head_.events));
    }
    if (columns > 255 || raw_.size() < kChunkPrefixBytes + columns * kColumnHeadBytes) {
      return wrong(fmt::format("a chunk of {} bytes says it has {} columns", raw_.size(), columns));
    }
    uint64_t at = kChunkPrefixBytes + columns * kColumnHeadBytes;
    std::array<bool, kColumnCount> seen{};
    for (uint32_t i = 0; i < columns; ++i) {
      const std::byte* const column = raw_.data() + kChunkPrefixBytes + i * kColumnHeadBytes;
      const auto id = static_cast<unsigned>(get(column, 1)), width = static_cast<unsigned>(get(column + 1, 1));
      const auto coding = static_cast<unsigned>(get(column + 2, 1));
      const auto count = static_cast<uint32_t>(get(column + 4, 4));
      if (width > 8 || count > kChunkEventsMax || uint64_t{width} * count > raw_.size() - at) {
        return wrong(fmt::format("column {} of {} values of {} bytes is larger than its chunk", id, count, width));
      }
      if (id < kColumnCount) {  // one of a newer minor version is stepped over
        if (seen[id] || coding > static_cast<unsigned>(Coding::kDelta)) {
          return wrong(fmt::format("column {} is there twice or coded in a way this version does not know", id));
        }
        seen[id] = true;
        Cursor& cursor = cursors_[id];
        cursor.planes = raw_.data() + at;
        cursor.count = count;
        cursor.width = static_cast<uint8_t>(width);
        cursor.coding = static_cast<Coding>(coding);
        if (id == static_cast<unsigned>(Column::kTime)) cursor.previous = head_.first_time_ns;
      }
      at += uint64_t{width} * count;
    }
    for (unsigned c = 0; c < kColumnCount; ++c) {
      const auto id = static_cast<Column>(c);
      const bool some = id == Column::kDataLength || id == Column::kDataFill || id == Column::kReplyLength ||
                        id == Column::kReplyFill;
      const uint32_t expected = id < Column::kStatus ? events_ : replies_;
      if (some ? cursors_[c].count > expected : cursors_[c].count != expected) {
        return wrong(fmt::format("column {} has {} values; expected {}", c, cursors_[c].count, expected));
      }
    }
    if (raw_.size() - at != short_bytes + long_bytes) {
      return wrong(fmt::format("{} bytes of payloads follow the columns; expected {}", raw_.size() - at,
                               short_bytes + long_bytes));
    }
    short_ = raw_.data() + at;
    short_end_ = long_ = short_ + short_bytes;
    long_end_ = long_ + long_bytes;
    return {};
  }

  bool payload(unsigned form_number, uint64_t length, Column length_column, Column fill_column, Payload* out) {
    if (form_number == static_cast<unsigned>(Form::kNone)) {
      *out = Payload();
      return true;
    }
    if (form_number == static_cast<unsigned>(Form::kBytes)) [[likely]]
      return take_bytes(length, out);
    const auto form = static_cast<Form>(form_number);
    uint64_t fill = 0;
    if (form > Form::kNone && !cursors_[static_cast<unsigned>(length_column)].one(&length)) return false;
    switch (form) {
      case Form::kBytesOfLength: return take_bytes(length, out);
      case Form::kFill:
      case Form::kFillOfLength:
        if (!cursors_[static_cast<unsigned>(fill_column)].one(&fill)) return false;
        *out = Payload::filled(static_cast<std::byte>(fill), length);
        return true;
      case Form::kHash:
        if (long_end_ - long_ < 8) return false;
        *out = Payload::hash_of(long_, length);
        long_ += 8;
        return true;
      case Form::kOmitted: *out = Payload::omitted(length); return true;
      case Form::kBytes:
      case Form::kNone: break;
    }
    return false;  // a form of no version with this major number
  }
  bool take_bytes(uint64_t length, Payload* out) {
    const std::byte*& from = length <= kValueBytesMax ? short_ : long_;
    const std::byte* const end = length <= kValueBytesMax ? short_end_ : long_end_;
    if (length > static_cast<uint64_t>(end - from)) return false;
    *out = Payload::of({from, length});
    from += length;
    return true;
  }
  bool take_reply(uint32_t index, uint64_t length) {
    Reply& reply = batch_.replies[index];
    uint64_t form = 0;
    return cursors_[static_cast<unsigned>(Column::kStatus)].one(&reply.status) &&
           cursors_[static_cast<unsigned>(Column::kValue0)].one(&reply.value0) &&
           cursors_[static_cast<unsigned>(Column::kValue1)].one(&reply.value1) &&
           cursors_[static_cast<unsigned>(Column::kDuration)].one(&reply.duration_ns) &&
           cursors_[static_cast<unsigned>(Column::kReplyForm)].one(&form) &&
           payload(static_cast<unsigned>(form), length, Column::kReplyLength, Column::kReplyFill, &reply.data);
  }

  std::span<const std::byte> raw_;
  const ChunkHead& head_;
  EventBatch& batch_;
  uint32_t events_ = 0, replies_ = 0;
  std::array<Cursor, kColumnCount> cursors_;
  const std::byte* short_ = nullptr;
  const std::byte* short_end_ = nullptr;
  const std::byte* long_ = nullptr;
  const std::byte* long_end_ = nullptr;
};

}  // namespace

Result<void> decode_chunk(std::span<const std::byte> raw, const ChunkHead& head, EventBatch* batch,
                          uint64_t* unknown_events) {
  return Decoder(raw, head, *batch).run(unknown_events);
}

}  // namespace dartboard::traces::dbt
