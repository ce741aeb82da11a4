// tests/devicetree/kernel_walk.cpp - see kernel_walk.h.
#include "kernel_walk.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <libfdt.h>

namespace dartboard::devicetree {

namespace {

constexpr uint64_t kPage = 4096, kSegment = 256 * 1024;

Cells cells_of(const void* blob, int node, const char* name) {
  int length = 0;
  const auto* const value = static_cast<const fdt32_t*>(fdt_getprop(blob, node, name, &length));
  Cells out;
  for (int i = 0; value != nullptr && i < length / 4; ++i) out.push_back(fdt32_ld(value + i));
  return out;
}

uint64_t wide(const Cells& cells, size_t at) {
  return static_cast<uint64_t>(cells.at(at)) << 32 | cells.at(at + 1);
}

}  // namespace

KernelWalk::KernelWalk(const Blob& tree, const std::string& bridge)
    : tree_(tree), bridge_(fdt_path_offset(tree_.data(), bridge.c_str())) {
  const Cells cells = cells_of(tree_.data(), bridge_, "dma-ranges");
  for (size_t i = 0; i + 7 <= cells.size(); i += 7) {
    windows_.push_back({wide(cells, i + 1), wide(cells, i + 3), wide(cells, i + 5)});
  }
}

std::optional<GpaRange> KernelWalk::region_of(int node) const {
  for (const uint32_t phandle : cells_of(tree_.data(), node, "memory-region")) {
    const int region = fdt_node_offset_by_phandle(tree_.data(), phandle);
    if (region < 0 || fdt_node_check_compatible(tree_.data(), region, "restricted-dma-pool") != 0) continue;
    const Cells reg = cells_of(tree_.data(), region, "reg");
    return GpaRange{Gpa(wide(reg, 0)), wide(reg, 2)};
  }
  return std::nullopt;
}

std::optional<GpaRange> KernelWalk::pool_of(uint8_t devfn) const {
  if (fdt_getprop(tree_.data(), bridge_, "iommu-map", nullptr) != nullptr) return std::nullopt;
  int child = 0;
  fdt_for_each_subnode(child, tree_.data(), bridge_) {
    const Cells reg = cells_of(tree_.data(), child, "reg");
    if (reg.size() < 5 || ((reg[0] >> 8) & 0xff) != devfn) continue;
    if (!cells_of(tree_.data(), child, "memory-region").empty()) return region_of(child);
    break;
  }
  return region_of(bridge_);
}

std::optional<uint64_t> KernelWalk::phys_to_dma(uint64_t address) const {
  if (windows_.empty()) return address;
  for (const Window& w : windows_) {
    if (address >= w.cpu && address - w.cpu < w.bytes) return address - (w.cpu - w.bus);
  }
  return std::nullopt;
}

std::optional<uint64_t> KernelWalk::dma_to_phys(uint64_t bus) const {
  if (windows_.empty()) return bus;
  for (const Window& w : windows_) {
    if (bus >= w.bus && bus - w.bus < w.bytes) return bus + (w.cpu - w.bus);
  }
  return std::nullopt;
}

std::string check_walk(const KernelWalk& walk, const Addition& addition, const std::vector<GpaRange>& ram) {
  const auto both = [&](uint64_t address, uint64_t bus) -> std::string {
    if (walk.phys_to_dma(address) != bus) {
      return fmt::format("memory {:#x} has bus address {:#x}, expected {:#x}", address,
                         walk.phys_to_dma(address).value_or(~uint64_t{0}), bus);
    }
    if (walk.dma_to_phys(bus) != address) {
      return fmt::format("bus address {:#x} is memory {:#x}, expected {:#x}", bus,
                         walk.dma_to_phys(bus).value_or(~uint64_t{0}), address);
    }
    return {};
  };
  uint64_t start = ~uint64_t{0}, end = 0;
  for (const PoolPiece& piece : addition.pool) {
    start = std::min(start, piece.gpa.value);
    end = std::max(end, piece.gpa.value + piece.bytes);
    for (uint64_t offset = 0; offset < piece.bytes; offset += kPage) {
      if (auto wrong = both(piece.gpa.value + offset, piece.iova.value + offset); !wrong.empty()) return wrong;
    }
    const uint64_t last = piece.bytes - 1;
    if (auto wrong = both(piece.gpa.value + last, piece.iova.value + last); !wrong.empty()) return wrong;
  }
  for (uint64_t segment = start; segment < end; segment += kSegment) {
    for (uint64_t offset = 0; offset < kSegment; offset += kPage) {
      if (*walk.phys_to_dma(segment + offset) != *walk.phys_to_dma(segment) + offset) {
        return fmt::format("the segment at {:#x} is torn at {:#x}", segment, offset);
      }
    }
  }
  for (const GpaRange& bank : ram) {
    for (uint64_t at = bank.start.value; at < bank.end().value; at += kPage) {
      if (at >= start && at < end) continue;
      if (auto wrong = both(at, at); !wrong.empty()) return wrong;
    }
  }
  const auto* const device = std::get_if<Rid>(&addition.user);
  const auto pool = walk.pool_of(device != nullptr ? static_cast<uint8_t>(device->value) : 0x38);
  if (pool != GpaRange{Gpa(start), end - start}) return "the device does not get the pool";
  return {};
}

}  // namespace dartboard::devicetree
