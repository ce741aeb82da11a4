// backend/devicetree/pool.h - the bounce pool: pieces with bus addresses that the mapper chose, side by side in guest
// memory, and the rules that Linux's swiotlb puts on them.
//
// swiotlb (kernel/dma/swiotlb.c) hands out slots from runs that never cross a 256 KiB segment, counted from the pool's
// start, and takes alignment and the 4 GiB boundary from the bus address of the first byte alone. Pieces that keep to
// these segments and agree with the first one cannot be told from one piece.
#pragma once

#include <vector>

#include "backend/devicetree/addition.h"
#include "backend/devicetree/gpa_range.h"
#include "backend/devicetree/tree.h"

namespace dartboard::devicetree {

inline constexpr uint64_t kSegmentBytes = 256 * kKiB;    // IO_TLB_SEGSIZE slots of 2 KiB
inline constexpr uint64_t kPageBytes = 4 * kKiB;         // the smallest page of a guest
inline constexpr uint64_t kCongruenceBytes = 64 * kKiB;  // the largest page, so the largest alignment a driver asks for
inline constexpr uint64_t kPreferredBytes = 2 * kMiB;    // a block of the guest's linear map
inline constexpr uint64_t kBoundaryBytes = 4 * kGiB;     // the segment boundary of a device that sets none
inline constexpr size_t kPiecesMax = 8192;               // 2 GiB in segments, more than one dext can map

struct Pool {
  std::vector<PoolPiece> pieces;  ///< in the order of their guest addresses, without gaps
  GpaRange range;                 ///< all of them
  bool is_translated() const;     ///< some piece has another bus than guest address
};

/// One line of dma-ranges: the device reaches [cpu, cpu+bytes) at `bus`.
struct DmaWindow {
  Iova bus;
  Gpa cpu;
  uint64_t bytes = 0;
  friend bool operator==(const DmaWindow&, const DmaWindow&) = default;
};

/// What can be said about the pieces alone. kBadArgument: none or too many, size zero or no multiple of 256 KiB, an end
/// past 2^64, not page-aligned, a gap or overlap in guest memory, bus addresses that overlap, are not congruent modulo
/// 64 KiB, or cross 4 GiB.
Result<Pool> make_pool(std::vector<PoolPiece> pieces);

/// The pool against the guest's memory. kOutOfRange: not all of it is RAM. kTreeConflict: a bus address is also the
/// address of RAM, so that Linux could not tell which is meant (dma_to_phys takes the first window).
Result<void> check_pool_in_ram(const Pool& pool, const GpaSet& ram, const Tree& tree);

/// dma-ranges for `pool` in `ram`: the pieces first, then all other RAM at its own address, for the devices beside.
std::vector<DmaWindow> dma_windows(const Pool& pool, const GpaSet& ram);

}  // namespace dartboard::devicetree
