// tests/fuzz/mutator.cpp - mutations that keep operations whole: insert, drop, copy, move, splice, change a field.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tests/fuzz/operations.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t size_max);

namespace {

using dartboard::fuzz::kRecordBytes;

/// libFuzzer gives a seed for each mutation; all that is drawn here comes from it.
class Draws {
 public:
  explicit Draws(unsigned seed) : state_(seed * 0x9e37'79b9'7f4a'7c15ull + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    return state_ ^= state_ << 17;
  }
  size_t below(size_t bound) { return bound == 0 ? 0 : next() % bound; }

 private:
  uint64_t state_;
};

void random_record(Draws& draws, uint8_t* to) {
  const uint64_t words[2] = {draws.next(), draws.below(3) == 0 ? draws.next() : draws.next() >> draws.below(64)};
  std::memcpy(to, words, kRecordBytes);
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max, unsigned seed) {
  Draws draws(seed);
  if (size_max < 1 + kRecordBytes) return size;
  if (size == 0) data[0] = static_cast<uint8_t>(draws.next());
  const size_t count = size == 0 ? 0 : (size - 1) / kRecordBytes;
  const size_t room = (size_max - 1) / kRecordBytes;
  uint8_t* const records = data + 1;
  const auto at = [&](size_t i) { return records + i * kRecordBytes; };
  const auto bytes = [](size_t records_in) { return 1 + records_in * kRecordBytes; };
  switch (draws.below(8)) {
    case 0:
    case 1:
      if (count < room) {   // insert
        const size_t place = draws.below(count + 1);
        std::memmove(at(place + 1), at(place), (count - place) * kRecordBytes);
        random_record(draws, at(place));
        return bytes(count + 1);
      }
      [[fallthrough]];
    case 2:
      if (count > 1) {   // drop
        const size_t place = draws.below(count);
        std::memmove(at(place), at(place + 1), (count - place - 1) * kRecordBytes);
        return bytes(count - 1);
      }
      [[fallthrough]];
    case 3:
      if (count != 0 && count < room) {   // copy one to the end
        std::memcpy(at(count), at(draws.below(count)), kRecordBytes);
        return bytes(count + 1);
      }
      [[fallthrough]];
    case 4:
      if (count > 1) {   // exchange two
        const size_t a = draws.below(count), b = draws.below(count);
        std::swap_ranges(at(a), at(a) + kRecordBytes, at(b));
        return bytes(count);
      }
      [[fallthrough]];
    case 5:
      if (draws.below(16) == 0) data[0] = static_cast<uint8_t>(draws.next());   // another platform
      [[fallthrough]];
    default: break;
  }
  if (count == 0) {
    random_record(draws, at(0));
    return bytes(1);
  }
  // One field group of one record, by libFuzzer's own mutations (which know what comparisons looked for).
  uint8_t* const record = at(draws.below(count));
  const size_t parts[][2] = {{0, 1}, {1, 1}, {2, 2}, {4, 4}, {8, 8}, {0, kRecordBytes}};
  const auto& part = parts[draws.below(std::size(parts))];
  LLVMFuzzerMutate(record + part[0], part[1], part[1]);
  return bytes(count);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* first, size_t first_size, const uint8_t* second,
                                            size_t second_size, uint8_t* out, size_t out_size_max, unsigned seed) {
  if (first_size == 0 || second_size == 0 || out_size_max < 1 + kRecordBytes) return 0;
  Draws draws(seed);
  const size_t room = (out_size_max - 1) / kRecordBytes;
  const size_t head = std::min(draws.below((first_size - 1) / kRecordBytes + 1), room);
  const size_t skip = draws.below((second_size - 1) / kRecordBytes + 1);
  const size_t tail = std::min((second_size - 1) / kRecordBytes - skip, room - head);
  out[0] = first[0];
  std::memcpy(out + 1, first + 1, head * kRecordBytes);
  std::memcpy(out + 1 + head * kRecordBytes, second + 1 + skip * kRecordBytes, tail * kRecordBytes);
  return 1 + (head + tail) * kRecordBytes;
}
