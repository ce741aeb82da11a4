// sim/guest/pattern.h - bytes that tell where they come from: each depends on a seed and its position alone.
//
// Two patterns with different seeds, and two positions of one pattern, agree in one byte of 256 by chance, so a byte
// that was lost, is stale or went to a wrong place is seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace dartboard::guest {

inline uint64_t pattern_word(uint64_t seed, uint64_t word) {
  uint64_t z = (seed * 0x9e37'79b9'7f4a'7c15) ^ (word * 0xd6e8'feb8'6659'fd93);
  z = (z ^ (z >> 32)) * 0xd6e8'feb8'6659'fd93;
  return z ^ (z >> 29);
}

/// Fills `data` with the bytes [position, position + size) of the pattern (the same on any byte order: Dartboard's
/// hosts are little-endian).
inline void fill_pattern(std::span<std::byte> data, uint64_t seed, uint64_t position) {
  size_t done = 0;
  while (done < data.size()) {
    const uint64_t at = position + done;
    const uint64_t word = pattern_word(seed, at / 8);
    const size_t skip = at % 8;
    const size_t count = data.size() - done < 8 - skip ? data.size() - done : 8 - skip;
    std::memcpy(data.data() + done, reinterpret_cast<const std::byte*>(&word) + skip, count);
    done += count;
  }
}

}  // namespace dartboard::guest
