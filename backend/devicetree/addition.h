// backend/devicetree/addition.h - what is to be added to a guest's device tree: a bounce pool, and who uses it.
//
// A guest on a Mac cannot choose its DMA addresses: the mapper assigns them. A pool of guest memory whose bus addresses
// are known before the guest boots, and a device that bounces through it, need no change in the guest's kernel. See
// docs/device-tree.md.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/types.h"

namespace dartboard::devicetree {

/// A part of the pool: `bytes` of guest memory at `gpa` that the device reaches at `iova`.
struct PoolPiece {
  Gpa gpa;
  Iova iova;
  uint64_t bytes = 0;
  friend bool operator==(const PoolPiece&, const PoolPiece&) = default;
};

/// Every device behind the host bridge uses the pool, those that the hypervisor emulates too.
struct WholeBridge {};

struct Addition {
  std::vector<PoolPiece> pool;          ///< in any order; side by side they are one range of guest memory
  std::variant<Rid, WholeBridge> user;  ///< the function that uses the pool, by its address in the guest
  std::string bridge;                   ///< full path of the PCI host bridge; empty: the only one
};

}  // namespace dartboard::devicetree
