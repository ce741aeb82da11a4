// sim/macos/pci_config.cpp - capability lists; a device decides what is in them, so every walk is bounded.
#include "sim/macos/pci_config.h"

#include "model/config_space.h"

namespace dartboard::macos {
namespace {

constexpr unsigned kStandardMax = (256 - 64) / 4;  // capabilities that fit, at 4 bytes each
constexpr unsigned kExtendedMax = (4096 - 256) / 8;

}  // namespace

uint64_t find_capability(CpuPort& port, Rid rid, uint8_t id, uint64_t after) {
  if ((port.config_read(rid, model::cfg::kStatus, 2) & model::cfg::kStatusCapabilities) == 0) return 0;
  uint64_t at = after == 0 ? port.config_read(rid, model::cfg::kCapabilitiesPointer, 1)
                           : port.config_read(rid, (after & 0xfc) + 1, 1);
  for (unsigned i = 0; i < kStandardMax && (at & 0xfc) >= 0x40; ++i) {
    at &= 0xfc;
    const uint32_t header = port.config_read(rid, at, 2);
    if (header == 0xffff) return 0;
    if ((header & 0xff) == id) return at;
    at = header >> 8;
  }
  return 0;
}

uint64_t find_extended_capability(CpuPort& port, Rid rid, uint16_t id, uint64_t after) {
  uint64_t at = after == 0 ? 0x100 : port.config_read(rid, after & 0xffc, 4) >> 20;
  for (unsigned i = 0; i < kExtendedMax && (at & 0xffc) >= 0x100; ++i) {
    at &= 0xffc;
    const uint32_t header = port.config_read(rid, at, 4);
    if (header == 0 || header == UINT32_MAX) return 0;
    if ((header & 0xffff) == id) return at;
    at = header >> 20;
  }
  return 0;
}

}  // namespace dartboard::macos
