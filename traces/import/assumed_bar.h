// traces/import/assumed_bar.h - the size a BAR is given when a recording does not tell it.
#pragma once

#include <bit>
#include <cstdint>

#include "base/types.h"
#include "traces/device_description.h"

namespace dartboard::traces {

/// What a device of the simulation can have (traces/device_description.cpp).
inline constexpr uint64_t kImportedBarBytesMax = 64 * kGiB;
inline constexpr uint64_t kImportedBarBytesMin = 4096;

/// BAR5 has no other behind it to be 64 bits wide with; a ROM has 32.
inline constexpr uint64_t bar_bytes_max(unsigned slot) { return slot < 5 ? kImportedBarBytesMax : 2 * kGiB; }

/// A register BAR of the smallest power of two from 4 KiB that has `end_bytes`, which is at most
/// bar_bytes_max(index). `index`: 0 to 5.
inline BarDescription bar_that_holds(uint64_t end_bytes, unsigned index) {
  BarDescription bar;
  bar.kind = BarKind::kRegisters;
  bar.size = std::bit_ceil(end_bytes < kImportedBarBytesMin ? kImportedBarBytesMin : end_bytes);
  bar.is_64bit = bar.size > 2 * kGiB && index < 5;
  return bar;
}

}  // namespace dartboard::traces
