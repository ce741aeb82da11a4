// backend/devicetree/host_bridge.h - the PCI host bridge of a guest's tree, and whether Linux would translate behind
// it.
#pragma once

#include <string>

#include "backend/devicetree/tree.h"

namespace dartboard::devicetree {

struct HostBridge {
  NodeIndex node = kRoot;
  CellCounts parent_cells;  ///< how the CPU's addresses are written in its dma-ranges
  uint8_t first_bus = 0;
  bool coherent = false;  ///< it or a node above says dma-coherent
};

/// The host bridge at `path`, or the only one if `path` is empty. A host bridge is an available node of device_type
/// "pci" that is below no other. kNotFound: there is none, or none at `path`. kBadArgument: several, and no `path`.
/// kTreeConflict: other cells than PCI has, an IOMMU (Linux then gives no restricted pool, of_dma_configure_id), or a
/// translation on a bus above.
Result<HostBridge> find_host_bridge(const Tree& tree, const std::string& path);

}  // namespace dartboard::devicetree
