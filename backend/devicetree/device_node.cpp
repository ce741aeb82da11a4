// backend/devicetree/device_node.cpp - see device_node.h.
#include "backend/devicetree/device_node.h"

#include <fmt/format.h>

namespace dartboard::devicetree {

namespace {

std::string text(Rid rid) {
  return fmt::format("{:02x}:{:02x}.{:x}", rid.bus(), rid.device(), rid.function());
}

}  // namespace

std::string device_name(Rid device) {
  return fmt::format("dev@{:x},{:x}", device.device(), device.function());
}

std::vector<uint32_t> device_reg(Rid device) {
  return {static_cast<uint32_t>(device.value) << 8, 0, 0, 0, 0};
}

Result<std::optional<NodeIndex>> find_device(const Tree& tree, const HostBridge& bridge, Rid device) {
  if (device.bus() != bridge.first_bus) {
    return tree.refuse(
        ErrorName::kNotSupported, bridge.node,
        fmt::format("device {} is not on the bridge's own bus {:02x}, and behind a port Linux looks for it below "
                    "the port's node; put it on bus {:02x} (QEMU: addr={:02x}.{:x} without a port)",
                    text(device), bridge.first_bus, bridge.first_bus, device.device(), device.function()));
  }
  std::optional<NodeIndex> found;
  for (const NodeIndex i : tree.children(bridge.node)) {
    const bool same_name = tree.nodes()[i].name == device_name(device);
    const auto reg = tree.cells(i, "reg");
    const bool same_slot = reg && reg->size() >= 5 && (((*reg)[0] >> 8) & 0xff) == (device.value & 0xff);
    if (same_name && !same_slot) {
      return tree.refuse(
          ErrorName::kTreeConflict, i,
          fmt::format("this node has the name of device {} and another 'reg'; correct or rename it", text(device)));
    }
    if (same_slot && !same_name) {
      return tree.refuse(ErrorName::kTreeConflict, i,
                         fmt::format("this node has the slot of device {}, and Linux takes one node for a slot; choose "
                                     "another slot, or rename it to {}",
                                     text(device), device_name(device)));
    }
    if (!same_name) continue;
    if (found) {
      return tree.refuse(ErrorName::kTreeConflict, i, "there are two nodes of this name; remove one");
    }
    found = i;
  }
  if (!found) return found;
  if (!tree.is_available(*found)) {
    return tree.refuse(ErrorName::kTreeConflict, *found, "this node is disabled; remove its 'status'");
  }
  if (tree.has(*found, "iommus")) {
    return tree.refuse(
        ErrorName::kTreeConflict, *found,
        "'iommus' puts an IOMMU before the device, and Linux then ignores the pool; remove the property");
  }
  return found;
}

Result<bool> uses_pool(const Tree& tree, NodeIndex node, uint32_t phandle) {
  if (!tree.has(node, "memory-region")) return false;
  if (phandle != 0 && tree.cell(node, "memory-region") == phandle) return true;
  return tree.refuse(
      ErrorName::kTreeConflict, node,
      "'memory-region' names other memory than the pool, and Linux takes one restricted pool; remove the "
      "property, or give that pool");
}

}  // namespace dartboard::devicetree
