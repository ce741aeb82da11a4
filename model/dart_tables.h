// model/dart_tables.h - the DART's page tables as data: entry formats, index split, walk.
//
// A tree of tables of one page each, 8-byte entries. With 16 KiB pages a table has 2048 entries and the split is
// L2 = iova[24:14], L1 = iova[35:25]; with 4 KiB pages 512 entries and 9 bits a level. The bits above choose one of
// four TTBRs (t8020, t6000, usb4: iova[37:36]) or, with TCR.FOUR_LEVELS (t8110), the entry of a third table,
// L0 = iova[46:36]; the TTBR counts as a level.
// The entry is Apple's "DART1" (t8020, usb4) or "DART2" (t6000, t8110).
// The hardware (model/dart) walks with these declarations and whoever writes tables (the mapper) writes with them.
// Sources: m1n1 src/dart.c and hw/dart8110.py, Linux drivers/iommu/io-pgtable-dart.c.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/types.h"
#include "model/host_memory.h"

namespace dartboard::model {

inline constexpr uint64_t kPteValid = 1u << 0;
inline constexpr unsigned kPteSubpageEndLow = 40;      ///< 51:40 last unit of 4 bytes that may be accessed
inline constexpr unsigned kPteSubpageStartLow = 52;    ///< 63:52 first one
inline constexpr uint64_t kPteSubpageMask = 0xfff;
inline constexpr uint64_t kPteSubpageUnitBytes = 4;
inline constexpr uint64_t kPteBytes = 8;
/// The root table's address is TTBR.ADDR << 14 whatever the page size.
inline constexpr uint64_t kRootTableAlign = 1u << 14;

enum class PteFormat : uint8_t { kDart1, kDart2 };

/// Where an entry of each format has what. A bit that the format lacks is 0.
struct PteLayout {
  unsigned address_shift;     ///< the entry holds address >> this
  unsigned address_bits_max;  ///< physical address bits that the field has room for
  uint64_t no_read, no_write, no_cache;
  uint64_t no_subpage;        ///< SP_PROT_DISABLE: the sub-page fields mean nothing
};
inline constexpr PteLayout kPteLayouts[] = {
    {0, 40, 1u << 8, 1u << 7, 0, 1u << 1},
    {4, 44, 1u << 3, 1u << 2, 1u << 1, 0},
};

/// Shape of the tables of one DART.
struct TableGeometry {
  unsigned page_shift = 14;   ///< 12 or 14
  unsigned pa_width = 42;     ///< at most what the entry's format has room for
  PteFormat format = PteFormat::kDart2;

  constexpr const PteLayout& layout() const { return kPteLayouts[static_cast<unsigned>(format)]; }
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
    const unsigned shift = layout().address_shift;
    return ((uint64_t{1} << (pa_width - shift)) - 1) & ~((uint64_t{1} << (page_shift - shift)) - 1);
  }
  /// What consecutive pages add to an entry.
  constexpr uint64_t entry_step() const { return page_bytes() >> layout().address_shift; }
  /// True if an entry can hold every page of [address, +bytes).
  constexpr bool holds(Hpa address, uint64_t bytes) const {
    return bytes <= uint64_t{1} << pa_width && address.value <= (uint64_t{1} << pa_width) - bytes;
  }
  friend constexpr bool operator==(const TableGeometry&, const TableGeometry&) = default;
};

/// A leaf entry (or a table entry, of which only `valid` and `address` mean anything), decoded.
struct Pte {
  bool valid = false;
  Hpa address = {};              ///< of the page or of the next table
  bool no_read = false;
  bool no_write = false;
  bool no_cache = false;         ///< DART2 alone
  uint16_t subpage_start = 0;    ///< in units of 4 bytes
  uint16_t subpage_end = 0xfff;  ///< last unit, inclusive
  bool no_subpage = false;       ///< DART1 alone: the window is not looked at
  friend constexpr bool operator==(const Pte&, const Pte&) = default;
};

constexpr uint64_t encode_pte(const TableGeometry& geometry, const Pte& pte) {
  if (!pte.valid) return 0;
  const PteLayout& layout = geometry.layout();
  return kPteValid | (pte.no_cache ? layout.no_cache : 0) | (pte.no_write ? layout.no_write : 0) |
         (pte.no_read ? layout.no_read : 0) | (pte.no_subpage ? layout.no_subpage : 0) |
         ((pte.address.value >> layout.address_shift) & geometry.address_mask()) |
         (uint64_t{pte.subpage_end} & kPteSubpageMask) << kPteSubpageEndLow |
         (uint64_t{pte.subpage_start} & kPteSubpageMask) << kPteSubpageStartLow;
}

/// Entry of an upper table: points at the next one.
constexpr uint64_t encode_table_entry(const TableGeometry& geometry, Hpa table) {
  return kPteValid | ((table.value >> geometry.layout().address_shift) & geometry.address_mask());
}

constexpr Hpa pte_address(const TableGeometry& geometry, uint64_t entry) {
  return Hpa((entry & geometry.address_mask()) << geometry.layout().address_shift);
}

constexpr Pte decode_pte(const TableGeometry& geometry, uint64_t entry) {
  const PteLayout& layout = geometry.layout();
  Pte pte;
  pte.valid = (entry & kPteValid) != 0;
  pte.address = pte_address(geometry, entry);
  pte.no_read = (entry & layout.no_read) != 0;
  pte.no_write = (entry & layout.no_write) != 0;
  pte.no_cache = (entry & layout.no_cache) != 0;
  pte.no_subpage = (entry & layout.no_subpage) != 0;
  pte.subpage_start = static_cast<uint16_t>((entry >> kPteSubpageStartLow) & kPteSubpageMask);
  pte.subpage_end = static_cast<uint16_t>((entry >> kPteSubpageEndLow) & kPteSubpageMask);
  return pte;
}

/// The bytes [first, end) of its page that a leaf entry lets through.
struct PageWindow {
  uint32_t first, end;
};
constexpr PageWindow window_of(const TableGeometry& geometry, const Pte& pte) {
  const uint64_t page = geometry.page_bytes();
  if (pte.no_subpage) return {0, static_cast<uint32_t>(page)};
  const uint64_t end = (uint64_t{pte.subpage_end} + 1) * kPteSubpageUnitBytes;
  return {static_cast<uint32_t>(pte.subpage_start * kPteSubpageUnitBytes),
          static_cast<uint32_t>(end < page ? end : page)};
}

/// True if the entry restricts its page to a part of it.
constexpr bool has_subpage(const TableGeometry& geometry, const Pte& pte) {
  const PageWindow window = window_of(geometry, pte);
  return window.first != 0 || window.end != geometry.page_bytes();
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
