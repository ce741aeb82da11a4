// backend/devicetree/merger.cpp - see merger.h.
#include "backend/devicetree/merger.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "backend/devicetree/device_node.h"
#include "backend/devicetree/edit.h"
#include "backend/devicetree/guest_memory.h"
#include "backend/devicetree/host_bridge.h"

namespace dartboard::devicetree {

namespace {

constexpr uint32_t kMemorySpace = 0x02000000;  // IEEE 1275 PCI binding: memory, not relocatable, not prefetchable

void put(std::vector<uint32_t>* cells, uint64_t value, unsigned count) {
  if (count == 2) cells->push_back(static_cast<uint32_t>(value >> 32));
  cells->push_back(static_cast<uint32_t>(value));
}

/// One merge: looks, then collects what each node gets.
class Merger {
 public:
  Merger(const Tree& tree, const Pool& pool, const GpaSet& ram, const ReservedMemory& reserved,
         const HostBridge& bridge)
      : tree_(tree), pool_(pool), ram_(ram), reserved_(reserved), bridge_(bridge) {}

  Result<Merged> run(const Addition& addition) {
    out_.bridge = tree_.path(bridge_.node);
    out_.pool = pool_.range;
    add_pool();
    const auto* const device = std::get_if<Rid>(&addition.user);
    if (auto used = device != nullptr ? add_device(*device) : add_whole_bridge(); !used)
      return tl::unexpected(used.error());
    if (auto windows = add_windows(); !windows) return tl::unexpected(windows.error());
    note(device == nullptr);

    std::vector<NodeEdit> edits;
    for (auto& [node, edit] : edits_) edits.push_back(std::move(edit));
    auto dtb = apply_edits(tree_, std::move(edits));
    if (!dtb) return tl::unexpected(dtb.error());
    out_.dtb = std::move(*dtb);
    return std::move(out_);
  }

 private:
  NodeEdit& edit(NodeIndex node) {
    NodeEdit& e = edits_[node];
    e.node = node;
    return e;
  }

  void add_pool() {
    if (reserved_.pool) {
      out_.pool_node = tree_.path(*reserved_.pool);
      out_.phandle = tree_.phandle(*reserved_.pool);
      found_phandle_ = out_.phandle;
      if (out_.phandle != 0) return;
      out_.phandle = tree_.free_phandle(kFirstPhandle);
      edit(*reserved_.pool).properties.push_back(NewProperty::cells("phandle", {out_.phandle}));
      return;
    }
    out_.pool_added = true;
    out_.phandle = tree_.free_phandle(kFirstPhandle);
    std::vector<uint32_t> reg;
    put(&reg, pool_.range.start.value, reserved_.cells.address);
    put(&reg, pool_.range.bytes, reserved_.cells.size);
    NewNode pool{pool_name(pool_.range),
                 {NewProperty::text("compatible", "restricted-dma-pool"), NewProperty::cells("reg", reg),
                  NewProperty::cells("phandle", {out_.phandle})},
                 {}};
    if (reserved_.node) {
      out_.pool_node = tree_.path(*reserved_.node) + "/" + pool.name;
      edit(*reserved_.node).children.push_back(std::move(pool));
      return;
    }
    out_.pool_node = "/reserved-memory/" + pool.name;
    edit(kRoot).children.push_back(
        {"reserved-memory",
         {NewProperty::cells("#address-cells", {reserved_.cells.address}),
          NewProperty::cells("#size-cells", {reserved_.cells.size}), NewProperty::empty("ranges")},
         {std::move(pool)}});
  }

  Result<void> add_device(Rid device) {
    // The bridge's memory-region is for functions without one, so another pool there would be a second one on this
    // bridge.
    if (auto used = uses_pool(tree_, bridge_.node, found_phandle_); !used) return tl::unexpected(used.error());
    const auto node = find_device(tree_, bridge_, device);
    if (!node) return tl::unexpected(node.error());
    if (!*node) {
      out_.user_node = out_.bridge + "/" + device_name(device);
      out_.user_added = true;
      edit(bridge_.node)
          .children.push_back(
              {device_name(device),
               {NewProperty::cells("reg", device_reg(device)), NewProperty::cells("memory-region", {out_.phandle})},
               {}});
      return {};
    }
    out_.user_node = tree_.path(**node);
    return add_region(**node);
  }

  Result<void> add_whole_bridge() {
    const std::vector<TreeNode>& nodes = tree_.nodes();
    for (NodeIndex i = bridge_.node + 1; i < nodes.size() && nodes[i].depth > nodes[bridge_.node].depth; ++i) {
      if (auto used = uses_pool(tree_, i, found_phandle_); !used) return tl::unexpected(used.error());
    }
    out_.user_node = out_.bridge;
    return add_region(bridge_.node);
  }

  Result<void> add_region(NodeIndex node) {
    const auto used = uses_pool(tree_, node, found_phandle_);
    if (!used) return tl::unexpected(used.error());
    if (*used) return {};
    out_.user_added = true;
    edit(node).properties.push_back(NewProperty::cells("memory-region", {out_.phandle}));
    return {};
  }

  Result<void> add_windows() {
    const std::vector<DmaWindow> windows = dma_windows(pool_, ram_);
    const CellCounts cpu = bridge_.parent_cells;
    std::vector<uint32_t> cells;
    for (const DmaWindow& window : windows) {
      if (cpu.address == 1 && window.cpu.value + (window.bytes - 1) > ~uint32_t{0}) {
        return tree_.refuse(
            ErrorName::kTreeConflict, tree_.nodes()[bridge_.node].parent,
            fmt::format("'#address-cells' is 1 here, too narrow for memory at {:#x} in the dma-ranges of {}; "
                        "make the base tree with 2",
                        window.cpu.value, out_.bridge));
      }
      cells.push_back(kMemorySpace);
      put(&cells, window.bus.value, 2);
      put(&cells, window.cpu.value, cpu.address);
      put(&cells, window.bytes, 2);
    }
    const auto there = tree_.property(bridge_.node, "dma-ranges");
    if (!there) {
      if (!pool_.is_translated()) return {};
      out_.windows = windows;
      out_.windows_added = true;
      edit(bridge_.node).properties.push_back(NewProperty::cells("dma-ranges", cells));
      return {};
    }
    if (there->empty() && !pool_.is_translated()) return {};
    if (tree_.cells(bridge_.node, "dma-ranges") == cells) {
      out_.windows = windows;
      return {};
    }
    return tree_.refuse(
        ErrorName::kTreeConflict, bridge_.node,
        "'dma-ranges' is there and says otherwise than the pool needs; remove the property, or start from a "
        "tree without it");
  }

  void note(bool whole_bridge) {
    if (pool_.range.start.value % kPreferredBytes != 0) {
      out_.notes.push_back(
          fmt::format("the pool starts at {:#x}: a multiple of 2 MiB is best, and one of the guest kernel's page "
                      "size is needed",
                      pool_.range.start.value));
    }
    if (!bridge_.coherent) {
      out_.notes.push_back(
          fmt::format("{} is not 'dma-coherent': Linux then takes some buffers from outside of the pool, which "
                      "the device cannot reach",
                      out_.bridge));
    }
    if (whole_bridge && pool_.is_translated()) {
      out_.notes.push_back(
          "every device behind the bridge gets bus addresses of the pool; one that the hypervisor emulates "
          "does not know them and fails");
    }
  }

  const Tree& tree_;
  const Pool& pool_;
  const GpaSet& ram_;
  const ReservedMemory& reserved_;
  const HostBridge& bridge_;
  uint32_t found_phandle_ = 0;  // of a pool that was there; 0: nothing can name it yet
  std::map<NodeIndex, NodeEdit> edits_;
  Merged out_;
};

}  // namespace

Result<Merged> merge(std::span<const uint8_t> base, const Addition& addition, std::string_view origin) {
  const auto pool = make_pool(addition.pool);
  if (!pool) return tl::unexpected(pool.error());
  const auto tree = Tree::open(base, origin);
  if (!tree) return tl::unexpected(tree.error());
  const auto ram = guest_ram(*tree);
  if (!ram) return tl::unexpected(ram.error());
  if (auto checked = check_pool_in_ram(*pool, *ram, *tree); !checked) return tl::unexpected(checked.error());
  const auto reserved = find_reserved_memory(*tree, pool->range);
  if (!reserved) return tl::unexpected(reserved.error());
  const auto bridge = find_host_bridge(*tree, addition.bridge);
  if (!bridge) return tl::unexpected(bridge.error());
  return Merger(*tree, *pool, *ram, *reserved, *bridge).run(addition);
}

}  // namespace dartboard::devicetree
