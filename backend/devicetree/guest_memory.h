// backend/devicetree/guest_memory.h - what the base tree says about guest memory: RAM, and who has reserved parts of
// it.
#pragma once

#include <optional>

#include "backend/devicetree/gpa_range.h"
#include "backend/devicetree/tree.h"

namespace dartboard::devicetree {

/// RAM as Linux finds it (early_init_dt_scan_memory): available children of the root with device_type "memory",
/// linux,usable-memory before reg. kNotFound: none. kTreeConflict: malformed, or a range past 2^64.
Result<GpaSet> guest_ram(const Tree& tree);

/// Where the pool's node is or comes.
struct ReservedMemory {
  std::optional<NodeIndex> node;  ///< /reserved-memory; none: it must be created
  std::optional<NodeIndex> pool;  ///< a restricted-dma-pool of exactly the wanted range
  CellCounts cells;               ///< of its children, as of the root's
};

/// Looks for room for `pool` in /reserved-memory and the memory reservation block. kTreeConflict: other cells than the
/// root's or no empty ranges (Linux then ignores all of /reserved-memory, __reserved_mem_check_root), another node of
/// the pool's name, a pool there that Linux would not take, or a reservation that overlaps the pool.
Result<ReservedMemory> find_reserved_memory(const Tree& tree, GpaRange pool);

/// "dma-pool@50000000"
std::string pool_name(GpaRange pool);

}  // namespace dartboard::devicetree
