// backend/capability_list.h - the capability lists of a device, walked once at open and owned from then on.
//
// The lists come from a device that may be broken or hostile: both walks are bounded, loops and pointers out of range
// cut the list with a note, and no two capabilities own the same byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/config_policy.h"
#include "base/error.h"
#include "dext/client/client.h"

namespace dartboard::backend {

struct Capability {
  uint16_t offset = 0;
  uint16_t bytes = 0;   ///< what it owns, its header included
  uint32_t header = 0;  ///< the first 32 bits as the device has them
  CapabilityPolicy policy;
  bool hidden = false;  ///< by policy, or because its bytes belong to another
  std::string note;     ///< why it is hidden or shorter than it should be
};

struct CapabilityLists {
  std::vector<Capability> standard;  ///< in list order
  std::vector<Capability> extended;
  std::vector<std::string> notes;  ///< where a list was cut
  bool express = false;            ///< has a PCI Express capability, so bytes 0x100..0xfff exist

  /// First shown standard capability with `id`, or nullptr.
  const Capability* find(uint8_t id) const;
};

/// Reads both lists. At most 48 + 960 list entries are visited; only config reads are made.
Result<CapabilityLists> walk_capabilities(dext::Client& client);

}  // namespace dartboard::backend
