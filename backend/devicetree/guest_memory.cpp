// backend/devicetree/guest_memory.cpp - see guest_memory.h.
#include "backend/devicetree/guest_memory.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::devicetree {

namespace {

constexpr const char* kPoolCompatible = "restricted-dma-pool";

/// What makes Linux refuse a restricted pool (rmem_swiotlb_setup, and no-map takes it out of the linear map).
constexpr const char* kPoolRefused[] = {"no-map", "reusable", "linux,cma-default", "linux,dma-default"};

std::string text(GpaRange range) {
  return fmt::format("{:#x} to {:#x}", range.start.value, range.start.value + (range.bytes - 1));
}

bool overlap(GpaRange a, GpaRange b) {
  return ranges_overlap(a.start.value, a.bytes, b.start.value, b.bytes);
}

Result<std::optional<NodeIndex>> find_node(const Tree& tree) {
  std::optional<NodeIndex> found;
  for (const NodeIndex i : tree.children(kRoot)) {
    const std::string_view name = tree.nodes()[i].name;
    if (name.substr(0, name.find('@')) != "reserved-memory") continue;
    if (found) {
      return tree.refuse(
          ErrorName::kTreeConflict, i,
          fmt::format("{} is there too, and Linux reads only one of the two; merge them in the base tree",
                      tree.path(*found)));
    }
    found = i;
  }
  return found;
}

Result<void> check_node(const Tree& tree, NodeIndex node, CellCounts root) {
  if (tree.cell(node, "#address-cells") != root.address || tree.cell(node, "#size-cells") != root.size) {
    return tree.refuse(
        ErrorName::kTreeConflict, node,
        fmt::format("'#address-cells' and '#size-cells' are not the root's {} and {}, and Linux ignores the "
                    "whole node; correct the base tree",
                    root.address, root.size));
  }
  const auto ranges = tree.property(node, "ranges");
  if (!ranges || !ranges->empty()) {
    return tree.refuse(
        ErrorName::kTreeConflict, node,
        "an empty 'ranges' is expected, without which Linux ignores the whole node; correct the base tree");
  }
  return {};
}

Result<void> check_pool_node(const Tree& tree, NodeIndex node) {
  for (const char* const name : kPoolRefused) {
    if (!tree.has(node, name)) continue;
    return tree.refuse(
        ErrorName::kTreeConflict, node,
        fmt::format("this pool has '{}', with which Linux sets up no restricted pool; remove the property", name));
  }
  if ((tree.has(node, "phandle") || tree.has(node, "linux,phandle")) && !tree.is_only(tree.phandle(node), node)) {
    return tree.refuse(ErrorName::kTreeConflict, node,
                       "this pool's 'phandle' is malformed or also another node's; correct the base tree");
  }
  return {};
}

Result<void> check_reservations(const Tree& tree, GpaRange pool) {
  for (const GpaRange& reserved : tree.memory_reservations()) {
    if (!overlap(reserved, pool)) continue;
    return tree.refuse(ErrorName::kTreeConflict, kRoot,
                       fmt::format("the memory reservation (/memreserve/) {} overlaps the pool {}; move the pool",
                                   text(reserved), text(pool)));
  }
  return {};
}

}  // namespace

std::string pool_name(GpaRange pool) {
  return fmt::format("dma-pool@{:x}", pool.start.value);
}

Result<GpaSet> guest_ram(const Tree& tree) {
  const auto cells = tree.child_cells(kRoot);
  if (!cells) return tl::unexpected(cells.error());
  std::vector<GpaRange> all;
  for (const NodeIndex i : tree.children(kRoot)) {
    if (!tree.lists(i, "device_type", "memory") || !tree.is_available(i)) continue;
    const char* const name = tree.has(i, "linux,usable-memory") ? "linux,usable-memory" : "reg";
    const auto ranges = tree.ranges(i, name, *cells);
    if (!ranges) return tl::unexpected(ranges.error());
    for (const GpaRange& range : *ranges) {
      if (is_empty_or_wraps(range.start.value, range.bytes)) {
        return tree.refuse(
            ErrorName::kTreeConflict, i,
            fmt::format("'{}' has {:#x} bytes at {:#x}, past the last 64-bit address; correct the base tree", name,
                        range.bytes, range.start.value));
      }
      all.push_back(range);
    }
  }
  if (all.empty()) {
    return tree.refuse(
        ErrorName::kNotFound, kRoot,
        "the tree names no memory (an enabled node with device_type \"memory\" below the root); dump it from "
        "the machine with the memory that the guest will have");
  }
  return GpaSet(std::move(all));
}

Result<ReservedMemory> find_reserved_memory(const Tree& tree, GpaRange pool) {
  const auto cells = tree.child_cells(kRoot);
  if (!cells) return tl::unexpected(cells.error());
  if (auto checked = check_reservations(tree, pool); !checked) return tl::unexpected(checked.error());
  ReservedMemory out;
  out.cells = *cells;
  const auto node = find_node(tree);
  if (!node) return tl::unexpected(node.error());
  out.node = *node;
  if (!out.node) return out;
  if (auto checked = check_node(tree, *out.node, *cells); !checked) return tl::unexpected(checked.error());

  for (const NodeIndex i : tree.children(*out.node)) {
    // A region without reg is placed by Linux where there is room, after those with reg.
    std::vector<GpaRange> ranges;
    if (tree.has(i, "reg")) {
      auto read = tree.ranges(i, "reg", *cells);
      if (!read) return tl::unexpected(read.error());
      ranges = std::move(*read);
    }
    const bool available = tree.is_available(i);
    if (available && ranges == std::vector{pool} && tree.lists(i, "compatible", kPoolCompatible)) {
      if (auto checked = check_pool_node(tree, i); !checked) return tl::unexpected(checked.error());
      if (out.pool) {
        return tree.refuse(ErrorName::kTreeConflict, i,
                           fmt::format("{} is the same pool; remove one of the two", tree.path(*out.pool)));
      }
      out.pool = i;
      continue;
    }
    const auto taken = std::find_if(ranges.begin(), ranges.end(), [&](GpaRange r) { return overlap(r, pool); });
    if (available && taken != ranges.end()) {
      return tree.refuse(
          ErrorName::kTreeConflict, i,
          fmt::format("this reserved region {} overlaps the pool {}; move the pool", text(*taken), text(pool)));
    }
    if (tree.nodes()[i].name == pool_name(pool)) {
      return tree.refuse(
          ErrorName::kTreeConflict, i,
          fmt::format("a node of this name is there, and it is not the pool {}; rename or remove it", text(pool)));
    }
  }
  return out;
}

}  // namespace dartboard::devicetree
