// tests/devicetree/kernel_walk.h - what a Linux guest makes of a tree: which pool a device gets and how addresses
// become bus addresses and back. Written against kernel/dma/direct.c, drivers/of/device.c and drivers/of/address.c of
// Linux 6.1; shares no code with what is tested.
#pragma once

#include <optional>
#include <string>

#include "support.h"

namespace dartboard::devicetree {

class KernelWalk {
 public:
  /// The tree, and the host bridge's path.
  KernelWalk(const Blob& tree, const std::string& bridge);

  /// The restricted pool that function `devfn` on the bridge's bus gets, if any: the memory-region of its own node,
  /// else of the bridge, and none where an IOMMU is.
  std::optional<GpaRange> pool_of(uint8_t devfn) const;

  /// dma_map: a linear scan, the first window wins; no window at all: the same number. nullopt: DMA_MAPPING_ERROR.
  std::optional<uint64_t> phys_to_dma(uint64_t address) const;
  std::optional<uint64_t> dma_to_phys(uint64_t bus) const;

 private:
  struct Window {
    uint64_t bus, cpu, bytes;
  };
  std::optional<GpaRange> region_of(int node) const;

  Blob tree_;
  int bridge_;
  std::vector<Window> windows_;
};

/// Empty if every page of the pool goes to its piece's bus address and back, every 256 KiB segment of the pool is one
/// run of bus addresses, and every page of the other RAM is its own bus address both ways. Else what is wrong first.
std::string check_walk(const KernelWalk& walk, const Addition& addition, const std::vector<GpaRange>& ram);

}  // namespace dartboard::devicetree
