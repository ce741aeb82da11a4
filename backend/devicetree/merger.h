// backend/devicetree/merger.h - a guest's device tree with the pool in it: the base tree and the addition made one.
//
// The additions are those of a recipe that was booted with an unchanged Linux: docs/device-tree.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/devicetree/addition.h"
#include "backend/devicetree/pool.h"
#include "base/error.h"

namespace dartboard::devicetree {

inline constexpr uint32_t kFirstPhandle = 0x9001;  ///< far from what dtc (1..) and QEMU (0x8000..) hand out

struct Merged {
  std::vector<uint8_t> dtb;
  std::string bridge;     ///< full path
  std::string pool_node;  ///< full path
  GpaRange pool;
  uint32_t phandle = 0;            ///< of the pool
  std::string user_node;           ///< the node with memory-region: the device's, or the bridge
  std::vector<DmaWindow> windows;  ///< of dma-ranges; empty: the pool's bus addresses are its guest addresses
  bool pool_added = false;         ///< false: it was there
  bool user_added = false;         ///< false: its memory-region was there
  bool windows_added = false;      ///< false: none are needed, or they were there
  std::vector<std::string> notes;  ///< what works and could be better
};

/// `base` with `addition`. What is there and says the same is kept, so a second time changes nothing; what is there and
/// says otherwise is refused. `origin` (the file) begins every sentence about the tree.
/// Errors: of Tree::open, make_pool, check_pool_in_ram, guest_ram, find_reserved_memory, find_host_bridge, find_device;
/// kTreeConflict: the bridge has dma-ranges or memory-region that say otherwise.
Result<Merged> merge(std::span<const uint8_t> base, const Addition& addition, std::string_view origin);

}  // namespace dartboard::devicetree
