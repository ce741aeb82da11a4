// backend/devicetree/pool.cpp - see pool.h.
#include "backend/devicetree/pool.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::devicetree {

namespace {

std::string text(const PoolPiece& piece) {
  return fmt::format("pool piece {:#x},{:#x},{:#x} (GPA, IOVA, bytes)", piece.gpa.value, piece.iova.value, piece.bytes);
}

tl::unexpected<Error> refuse(const PoolPiece& piece, std::string_view sentence) {
  return fail(ErrorName::kBadArgument, fmt::format("{}: {}", text(piece), sentence));
}

Result<void> check_piece(const PoolPiece& piece) {
  if (piece.bytes == 0) return refuse(piece, "it is empty; give its size in bytes");
  if (piece.bytes % kSegmentBytes != 0) {
    return refuse(piece, "its size is no multiple of 256 KiB, the guest's unit of allocation; round it down");
  }
  if (is_empty_or_wraps(piece.gpa.value, piece.bytes) || is_empty_or_wraps(piece.iova.value, piece.bytes)) {
    return refuse(piece, "it ends past the last 64-bit address; correct address or size");
  }
  if (piece.gpa.value % kPageBytes != 0 || piece.iova.value % kPageBytes != 0) {
    return refuse(piece, "both addresses must be multiples of a page, 4 KiB; move it (a multiple of 2 MiB is best)");
  }
  if (piece.iova.value / kBoundaryBytes != (piece.iova.value + (piece.bytes - 1)) / kBoundaryBytes) {
    return refuse(piece,
                  "its bus addresses cross a multiple of 4 GiB, which a mapping must not; map it anew elsewhere, "
                  "or in two pieces");
  }
  return {};
}

}  // namespace

bool Pool::is_translated() const {
  return std::any_of(pieces.begin(), pieces.end(), [](const PoolPiece& p) { return p.gpa.value != p.iova.value; });
}

Result<Pool> make_pool(std::vector<PoolPiece> pieces) {
  if (pieces.empty() || pieces.size() > kPiecesMax) {
    return fail(
        ErrorName::kBadArgument,
        fmt::format("the pool has {} pieces; expected 1 to {}: GPA, IOVA and size of each", pieces.size(), kPiecesMax));
  }
  for (const PoolPiece& piece : pieces) {
    if (auto checked = check_piece(piece); !checked) return tl::unexpected(checked.error());
  }

  std::sort(pieces.begin(), pieces.end(), [](const PoolPiece& a, const PoolPiece& b) { return a.iova < b.iova; });
  for (size_t i = 1; i < pieces.size(); ++i) {
    if (pieces[i].iova - pieces[i - 1].iova < pieces[i - 1].bytes) {
      return refuse(pieces[i], fmt::format("its bus addresses overlap those of {}; each piece needs its own",
                                           text(pieces[i - 1])));
    }
  }
  std::sort(pieces.begin(), pieces.end(), [](const PoolPiece& a, const PoolPiece& b) { return a.gpa < b.gpa; });
  for (size_t i = 1; i < pieces.size(); ++i) {
    const Gpa end = pieces[i - 1].gpa + pieces[i - 1].bytes;
    if (pieces[i].gpa != end) {
      return refuse(pieces[i],
                    fmt::format("expected GPA {:#x}, the end of {}: the pieces must lie side by side in guest "
                                "memory",
                                end.value, text(pieces[i - 1])));
    }
  }
  for (const PoolPiece& piece : pieces) {
    // Offsets from the pool's start are multiples of 256 KiB, because all sizes are.
    if ((piece.iova - pieces.front().iova) % kCongruenceBytes != 0) {
      return refuse(piece,
                    fmt::format("its bus address lies at {:#x} in its 64 KiB and that of {} at {:#x}; the guest "
                                "computes alignment from the first piece alone: map the pieces with equal alignment",
                                piece.iova.value % kCongruenceBytes, text(pieces.front()),
                                pieces.front().iova.value % kCongruenceBytes));
    }
  }

  Pool pool;
  pool.range.start = pieces.front().gpa;
  pool.range.bytes = pieces.back().gpa + pieces.back().bytes - pieces.front().gpa;
  pool.pieces = std::move(pieces);
  return pool;
}

Result<void> check_pool_in_ram(const Pool& pool, const GpaSet& ram, const Tree& tree) {
  if (!ram.contains(pool.range)) {
    std::string has;
    for (size_t i = 0; i < ram.ranges().size() && i < 8; ++i) {
      has +=
          fmt::format("{}{:#x} to {:#x}", i ? ", " : "", ram.ranges()[i].start.value, ram.ranges()[i].end().value - 1);
    }
    return tree.refuse(
        ErrorName::kOutOfRange,
        fmt::format("/: the pool {:#x} to {:#x} is not all in the guest's memory, which is {}; move the pool "
                    "or give the tree of the machine that has this memory",
                    pool.range.start.value, pool.range.end().value - 1, has));
  }
  for (const PoolPiece& piece : pool.pieces) {
    if (piece.gpa.value == piece.iova.value) continue;
    if (const auto taken = ram.overlap(piece.iova.value, piece.bytes)) {
      return tree.refuse(
          ErrorName::kTreeConflict,
          fmt::format("/: {}: its bus addresses are also those of guest memory ({:#x} to {:#x}), so the "
                      "guest could not tell which is meant; give the guest memory elsewhere, or map anew",
                      text(piece), taken->start.value, taken->end().value - 1));
    }
  }
  return {};
}

std::vector<DmaWindow> dma_windows(const Pool& pool, const GpaSet& ram) {
  std::vector<DmaWindow> out;
  for (const PoolPiece& piece : pool.pieces) out.push_back({piece.iova, piece.gpa, piece.bytes});
  const GpaSet others = ram.without(pool.range);
  for (const GpaRange& other : others.ranges()) out.push_back({Iova(other.start.value), other.start, other.bytes});
  return out;
}

}  // namespace dartboard::devicetree
