// backend/dma/page_log.h - which pages of guest RAM were marked since they were last collected.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/key_table.h"
#include "base/types.h"

namespace dartboard::backend::dma {

class PageLog {
 public:
  /// Every 4 KiB page that [gpa, gpa+bytes) touches. The range is not empty and does not wrap.
  void mark(Gpa gpa, uint64_t bytes);
  /// Sets the bits of the marked pages of [from, from+bytes) and forgets them. Layout and conditions as Strategy::dirty;
  /// the caller has checked.
  void collect(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap);

 private:
  static constexpr unsigned kPageShift = 12, kWordShift = 6, kChunkShift = 6;   // 64 pages a word, 64 words a chunk
  using Chunk = std::array<uint64_t, size_t{1} << kChunkShift>;
  uint64_t& word(uint64_t number);

  KeyTable numbers_;             ///< page number / (64 * 64) -> which chunk
  std::vector<Chunk> chunks_;
};

}  // namespace dartboard::backend::dma
