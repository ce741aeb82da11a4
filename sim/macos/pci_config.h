// sim/macos/pci_config.h - walking capability lists through configuration requests.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "sim/macos/cpu_port.h"

namespace dartboard::macos {

/// Offset of the first capability with `id` behind offset `after` (0: from the start), or 0.
uint64_t find_capability(CpuPort& port, Rid rid, uint8_t id, uint64_t after = 0);
uint64_t find_extended_capability(CpuPort& port, Rid rid, uint16_t id, uint64_t after = 0);

}  // namespace dartboard::macos
