// model/dart_tables.h - the DART's page tables as data: entry format, index split, walk.
//
// The format is Apple's "DART2" (t6000, t8110): a tree of tables of one page each, 8-byte entries. With 16 KiB pages a
// table has 2048 entries and the split is L2 = iova[24:14], L1 = iova[35:25], L0 = iova[46:36]; with 4 KiB pages 512
// entries and 9 bits a level. L0 exists only with TCR.FOUR_LEVELS (the stream's TTBR counts as a level).
// The hardware (model/dart) walks with these declarations and whoever writes tables (the mapper) writes with them.
// Sources: m1n1 src/dart.c and hw/dart8110.py, Linux drivers/iommu/io-pgtable-dart.c.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/types.h"
#include "model/host_memory.h"

namespace dartboard::model {

inline constexpr uint64_t kPteValid = 1u << 0;
inline constexpr uint64_t kPteNoCache = 1u << 1;
inline constexpr uint64_t kPteNoWrite = 1u << 2;
inline constexpr uint64_t kPteNoRead = 1u << 3;
inline constexpr unsigned kPteAddressShift = 4;        ///< the entry holds address >> 4
inline constexpr unsigned kPteSubpageEndLow = 40;      ///< 51:40 last unit of 4 bytes that may be accessed
inline constexpr unsigned kPteSubpageStartLow = 52;    ///< 63:52 first one
inline constexpr uint64_t kPteSubpageMask = 0xfff;
inline constexpr uint64_t kPteSubpageUnitBytes = 4;
inline constexpr uint64_t kPteBytes = 8;
/// The root table's address is TTBR.ADDR << 14 whatever the page size.
inline constexpr uint64_t kRootTableAlign = 1u << 14;

/// Shape of the tables of one DART.
struct TableGeometry {
  unsigned page_shift = 14;   ///< 12 or 14
  unsigned pa_width = 42;     ///< at most 44: the entry's address field ends below the sub-page fields

  constexpr uint64_t page_bytes() const { return uint64_t{1} << page_shift; }
  constexpr unsigned index_bits() const { return page_shift - 3; }
  constexpr uint64_t entries() const { return uint64_t{1} << index_bits(); }
  constexpr uint64_t table_bytes() const { return page_bytes(); }
  /// Bits of IOVA that `tables` tables in a row translate (2: TTBR -> L1 -> L2; 3: FOUR_LEVELS).
  constexpr unsigned reach_bits(unsigned tables) const { return page_shift + tables * index_bits(); }
  /// True if an IOVA of `va_width` bits needs TCR.FOUR_LEVELS.
  constexpr bool needs_four_levels(unsigned va_width) const { return va_width > reach_bits(2); }
  /// Index into the table `height` above the leaf (0: leaf table L2, 1: L1, 2: L0).
  constexpr uint64_t index(Iova iova, unsigned height) const {
    return (iova.value >> (page_shift + height * index_bits())) & (entries() - 1);
  }
  /// Bits of an entry that hold the address.
  constexpr uint64_t address_mask() const {
    return ((uint64_t{1} << (pa_width - kPteAddressShift)) - 1) &
           ~((uint64_t{1} << (page_shift - kPteAddressShift)) - 1);
  }
  friend constexpr bool operator==(const TableGeometry&, const TableGeometry&) = default;
};

/// A leaf entry (or a table entry, of which only `valid` and `address` mean anything), decoded.
struct Pte {
  bool valid = false;
  Hpa address;                   ///< of the page or of the next table
  bool no_read = false;
  bool no_write = false;
  bool no_cache = false;
  uint16_t subpage_start = 0;    ///< in units of 4 bytes
  uint16_t subpage_end = 0xfff;  ///< last unit, inclusive
  friend constexpr bool operator==(const Pte&, const Pte&) = default;
};

constexpr uint64_t encode_pte(const TableGeometry& geometry, const Pte& pte) {
  if (!pte.valid) return 0;
  return kPteValid | (pte.no_cache ? kPteNoCache : 0) | (pte.no_write ? kPteNoWrite : 0) |
         (pte.no_read ? kPteNoRead : 0) | ((pte.address.value >> kPteAddressShift) & geometry.address_mask()) |
         (uint64_t{pte.subpage_end} & kPteSubpageMask) << kPteSubpageEndLow |
         (uint64_t{pte.subpage_start} & kPteSubpageMask) << kPteSubpageStartLow;
}

/// Entry of an upper table: points at the next one.
constexpr uint64_t encode_table_entry(const TableGeometry& geometry, Hpa table) {
  return kPteValid | ((table.value >> kPteAddressShift) & geometry.address_mask());
}

constexpr Hpa pte_address(const TableGeometry& geometry, uint64_t entry) {
  return Hpa((entry & geometry.address_mask()) << kPteAddressShift);
}

constexpr Pte decode_pte(const TableGeometry& geometry, uint64_t entry) {
  Pte pte;
  pte.valid = (entry & kPteValid) != 0;
  pte.address = pte_address(geometry, entry);
  pte.no_read = (entry & kPteNoRead) != 0;
  pte.no_write = (entry & kPteNoWrite) != 0;
  pte.no_cache = (entry & kPteNoCache) != 0;
  pte.subpage_start = static_cast<uint16_t>((entry >> kPteSubpageStartLow) & kPteSubpageMask);
  pte.subpage_end = static_cast<uint16_t>((entry >> kPteSubpageEndLow) & kPteSubpageMask);
  return pte;
}

/// True if the entry restricts its page to a part of it.
constexpr bool has_subpage(const TableGeometry& geometry, const Pte& pte) {
  return pte.subpage_start != 0 ||
         (uint64_t{pte.subpage_end} + 1) * kPteSubpageUnitBytes < geometry.page_bytes();
}

enum class WalkEnd : uint8_t {
  kLeaf,        ///< found
  kNoPgd,       ///< L0 entry invalid
  kNoPmd,       ///< L1 entry invalid
  kNoPte,       ///< leaf entry invalid
  kBusError,    ///< a table is where there is no memory
};

struct WalkResult {
  WalkEnd end;
  uint64_t entry = 0;   ///< the leaf entry, undecoded
  Hpa leaf_table;       ///< the last table read
};

/// Walks from the table at `root` over `tables` tables: 2, or 3 with FOUR_LEVELS; 1 starts at a leaf table.
/// The caller checks that the IOVA is within reach.
WalkResult walk_tables(const HostMemory& memory, const TableGeometry& geometry, Hpa root, unsigned tables, Iova iova);

/// One entry as memory holds it (little endian, and so is every host the model runs on). False: no memory there.
inline bool load_entry(const HostMemory& memory, Hpa table, uint64_t index, uint64_t* entry) {
  const std::byte* at = memory.at(table + index * kPteBytes);
  if (at == nullptr) return false;
  std::memcpy(entry, at, kPteBytes);
  return true;
}
inline bool store_entry(HostMemory& memory, Hpa table, uint64_t index, uint64_t entry) {
  std::byte* at = memory.at(table + index * kPteBytes);
  if (at == nullptr) return false;
  std::memcpy(at, &entry, kPteBytes);
  return true;
}

}  // namespace dartboard::model
