// backend/dma/page_log.cpp - see page_log.h.
#include "backend/dma/page_log.h"

#include <algorithm>
#include <bit>

namespace dartboard::backend::dma {

uint64_t& PageLog::word(uint64_t number) {
  const uint64_t chunk = number >> kChunkShift;
  const uint64_t* known = numbers_.find(chunk);
  size_t index = chunks_.size();
  if (known != nullptr) {
    index = *known;
  } else {
    numbers_.insert(chunk, index);
    chunks_.emplace_back();
  }
  return chunks_[index][number & ((1u << kChunkShift) - 1)];
}

void PageLog::mark(Gpa gpa, uint64_t bytes) {
  const uint64_t last = (gpa.value + (bytes - 1)) >> kPageShift;
  for (uint64_t page = gpa.value >> kPageShift; page <= last;) {
    const unsigned bit = page & 63;
    const uint64_t count = std::min<uint64_t>(64 - bit, last - page + 1);
    word(page >> kWordShift) |= (count == 64 ? UINT64_MAX : (uint64_t{1} << count) - 1) << bit;
    page += count;
  }
}

void PageLog::collect(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) {
  if (bytes == 0) return;
  const unsigned shift = static_cast<unsigned>(std::countr_zero(page_bytes)) - kPageShift;
  const uint64_t first = from.value >> kPageShift, last = (from.value + (bytes - 1)) >> kPageShift;
  for (const uint64_t number : numbers_.keys()) {
    Chunk& chunk = chunks_[*numbers_.find(number)];
    for (uint64_t i = 0; i < chunk.size(); ++i) {
      uint64_t left = 0;
      for (uint64_t bits = chunk[i]; bits != 0; bits &= bits - 1) {
        const uint64_t page = (((number << kChunkShift) + i) << kWordShift) + static_cast<unsigned>(std::countr_zero(bits));
        if (page < first || page > last) {
          left |= bits & -bits;
          continue;
        }
        const uint64_t n = (page - first) >> shift;
        bitmap[n / 64] |= uint64_t{1} << (n % 64);
      }
      chunk[i] = left;
    }
  }
}

}  // namespace dartboard::backend::dma
