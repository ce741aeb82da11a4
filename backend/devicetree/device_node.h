// backend/devicetree/device_node.h - the node of one function below its host bridge.
//
// Linux matches a PCI function with a child of the bus's node by device and function alone (of_pci_find_child_device);
// the first match wins, so there must be one node for each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/devicetree/host_bridge.h"
#include "backend/devicetree/tree.h"
#include "base/types.h"

namespace dartboard::devicetree {

/// "dev@4,0": device and function in hexadecimal, as the PCI binding has it.
std::string device_name(Rid device);

/// The five cells of its reg: the address of its configuration space and no size.
std::vector<uint32_t> device_reg(Rid device);

/// The node that is there for `device`, or none.
/// kNotSupported: it is not on the bridge's own bus. kTreeConflict: its name stands for something else, its slot has a
/// node of another name, or its node is disabled or names an IOMMU.
Result<std::optional<NodeIndex>> find_device(const Tree& tree, const HostBridge& bridge, Rid device);

/// What stands in the way of a pool with `phandle` (0: it has none yet) at `node`. True: it is used already.
/// kTreeConflict: memory-region names something else.
Result<bool> uses_pool(const Tree& tree, NodeIndex node, uint32_t phandle);

}  // namespace dartboard::devicetree
