// backend/devicetree/host_bridge.cpp - see host_bridge.h.
#include "backend/devicetree/host_bridge.h"

#include <fmt/format.h>

namespace dartboard::devicetree {

namespace {

constexpr size_t kPathsShown = 8;

bool is_pci(const Tree& tree, NodeIndex node) {
  return tree.lists(node, "device_type", "pci");
}

std::vector<NodeIndex> host_bridges(const Tree& tree) {
  // In the order of the structure block a parent stands before its children, so one pass knows what is below a bridge.
  std::vector<NodeIndex> out;
  std::vector<bool> below(tree.nodes().size());
  for (NodeIndex i = 1; i < tree.nodes().size(); ++i) {
    below[i] = below[tree.nodes()[i].parent];
    if (below[i] || !is_pci(tree, i)) continue;
    below[i] = true;
    if (tree.is_available(i)) out.push_back(i);
  }
  return out;
}

std::string list_of(const Tree& tree, const std::vector<NodeIndex>& bridges) {
  std::string out;
  for (size_t i = 0; i < bridges.size() && i < kPathsShown; ++i) out += (i ? ", " : "") + tree.path(bridges[i]);
  return bridges.size() > kPathsShown ? out + ", ..." : out;
}

Result<NodeIndex> choose(const Tree& tree, const std::string& path) {
  const std::vector<NodeIndex> bridges = host_bridges(tree);
  if (bridges.empty()) {
    return tree.refuse(
        ErrorName::kNotFound, kRoot,
        "no PCI host bridge (an enabled node with device_type \"pci\") is in the tree; give the tree of a "
        "machine that has one, such as QEMU's virt");
  }
  if (path.empty()) {
    if (bridges.size() == 1) return bridges.front();
    return tree.refuse(ErrorName::kBadArgument, kRoot,
                       fmt::format("the tree has {} PCI host bridges ({}); choose one with --bridge PATH",
                                   bridges.size(), list_of(tree, bridges)));
  }
  for (const NodeIndex bridge : bridges) {
    if (tree.path(bridge) == path) return bridge;
  }
  return tree.refuse(ErrorName::kNotFound, fmt::format("{:.200}: no PCI host bridge has this path; --bridge may be {}",
                                                       path, list_of(tree, bridges)));
}

Result<void> check_no_translation(const Tree& tree, const HostBridge& bridge) {
  for (const char* const name : {"iommu-map", "iommus"}) {
    if (!tree.has(bridge.node, name)) continue;
    return tree.refuse(
        ErrorName::kTreeConflict, bridge.node,
        fmt::format("'{}' puts an IOMMU before the devices, and Linux then ignores the pool; make the base "
                    "tree without one (QEMU: no iommu=smmuv3)",
                    name));
  }
  for (NodeIndex above = tree.nodes()[bridge.node].parent; above != kRoot; above = tree.nodes()[above].parent) {
    const auto translation = tree.property(above, "dma-ranges");
    if (!translation || translation->empty()) continue;
    return tree.refuse(ErrorName::kTreeConflict, above,
                       fmt::format("'dma-ranges' translates once more above the host bridge {}; only a bus without "
                                   "translation is supported: remove the property or make it empty",
                                   tree.path(bridge.node)));
  }
  return {};
}

}  // namespace

Result<HostBridge> find_host_bridge(const Tree& tree, const std::string& path) {
  const auto node = choose(tree, path);
  if (!node) return tl::unexpected(node.error());
  HostBridge bridge;
  bridge.node = *node;

  const auto address_cells = tree.cell(*node, "#address-cells"), size_cells = tree.cell(*node, "#size-cells");
  if (address_cells != 3u || size_cells != 2u) {
    return tree.refuse(ErrorName::kTreeConflict, *node,
                       "a PCI host bridge has '#address-cells' 3 and '#size-cells' 2; correct the base tree");
  }
  auto parent_cells = tree.child_cells(tree.nodes()[*node].parent);
  if (!parent_cells) return tl::unexpected(parent_cells.error());
  bridge.parent_cells = *parent_cells;

  if (tree.has(*node, "bus-range")) {
    const auto buses = tree.cells(*node, "bus-range");
    if (!buses || buses->size() != 2 || (*buses)[0] > 0xff || (*buses)[1] > 0xff || (*buses)[0] > (*buses)[1]) {
      return tree.refuse(ErrorName::kTreeConflict, *node,
                         "'bus-range' is no pair of a first and a last bus, 0 to 0xff; correct the base tree");
    }
    bridge.first_bus = static_cast<uint8_t>((*buses)[0]);
  }
  for (NodeIndex above = *node;; above = tree.nodes()[above].parent) {
    bridge.coherent = bridge.coherent || tree.has(above, "dma-coherent");
    if (above == kRoot) break;
  }
  if (auto checked = check_no_translation(tree, bridge); !checked) return tl::unexpected(checked.error());
  return bridge;
}

}  // namespace dartboard::devicetree
