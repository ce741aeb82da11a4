// model/dart_tables.cpp - the walk.
#include "model/dart_tables.h"

namespace dartboard::model {

WalkResult walk_tables(const HostMemory& memory, const TableGeometry& geometry, Hpa root, unsigned tables, Iova iova) {
  constexpr WalkEnd kInvalidAtHeight[] = {WalkEnd::kNoPte, WalkEnd::kNoPmd, WalkEnd::kNoPgd};
  WalkResult result{WalkEnd::kBusError, 0, root};
  Hpa table = root;
  for (unsigned height = tables; height-- > 0;) {
    uint64_t entry = 0;
    if (!load_entry(memory, table, geometry.index(iova, height), &entry)) return result;
    result.leaf_table = table;
    if ((entry & kPteValid) == 0) {
      result.end = kInvalidAtHeight[height];
      return result;
    }
    result.entry = entry;
    table = pte_address(geometry, entry);
  }
  result.end = WalkEnd::kLeaf;
  return result;
}

}  // namespace dartboard::model
