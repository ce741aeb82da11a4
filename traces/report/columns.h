// traces/report/columns.h - numbers as text for a page: bytes of equal weight side by side, deflated, in base64.
//
// A column of n numbers is stored as planes of n bytes: first the lowest byte of each, then the next one, as many
// planes as the largest number needs. Planes of equal bytes cost nothing after deflate, and a script spreads them into
// a typed array without looking at a number.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace dartboard::traces {

struct Column {
  unsigned planes = 0;  ///< 0 to 8; 0: all are zero
  std::string base64;   ///< of a zlib stream (RFC 1950)
};

template <class T>
Column encode_column(std::span<const T> numbers);

std::string base64(std::span<const unsigned char> bytes);

}  // namespace dartboard::traces
