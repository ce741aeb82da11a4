// conformance/target.cpp - the walks through the two capability lists.
#include "conformance/target.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/capabilities.h"

namespace dartboard::conformance {
namespace {

namespace cfg = model::cfg;

constexpr unsigned kStandardEntriesMax = (0x100 - 0x40) / 4;
constexpr unsigned kExtendedEntriesMax = (0x1000 - 0x100) / 4;

bool visited(const CapabilityList& list, uint32_t at) {
  return std::any_of(list.entries.begin(), list.entries.end(), [at](const Capability& c) { return c.offset == at; });
}

}  // namespace

uint32_t CapabilityList::find(uint16_t id) const {
  for (const Capability& c : entries) {
    if (c.id == id) return c.offset;
  }
  return 0;
}

CapabilityList standard_capabilities(Target& target) {
  CapabilityList list;
  if ((target.config(cfg::kStatus, 2) & cfg::kStatusCapabilities) == 0) return list;
  uint32_t from = cfg::kCapabilitiesPointer;
  uint32_t at = target.config(from, 1);
  while (at != 0 && list.entries.size() < kStandardEntriesMax) {
    // The two low bits are reserved and read 0 (PCIe 6.0 s7.5.1.1.11).
    if (at % 4 != 0) {
      list.problem = fmt::format("the pointer at {:#04x} is {:#04x}, not a multiple of 4", from, at);
      return list;
    }
    if (at < model::kFirstCapabilityOffset) {
      list.problem = fmt::format("the pointer at {:#04x} is {:#04x}, inside the header", from, at);
      return list;
    }
    if (visited(list, at)) {
      list.problem = fmt::format("the pointer at {:#04x} leads back to {:#04x}", from, at);
      return list;
    }
    list.entries.push_back({static_cast<uint16_t>(target.config(at, 1)), at});
    from = at + 1;
    at = target.config(from, 1);
  }
  return list;
}

CapabilityList extended_capabilities(Target& target) {
  CapabilityList list;
  if (!is_pcie(target)) return list;
  uint32_t at = model::kFirstExtendedOffset;
  while (list.entries.size() < kExtendedEntriesMax) {
    const uint32_t header = target.config(at, 4);
    if (header == 0 && list.entries.empty()) return list;   // no extended capability (PCIe 6.0 s7.6.3)
    if (header == 0xffff'ffff) {
      list.problem = fmt::format("the header at {:#05x} reads all-ones", at);
      return list;
    }
    list.entries.push_back({static_cast<uint16_t>(header), at});
    const uint32_t next = header >> 20;
    if (next == 0) return list;
    if (next % 4 != 0) {
      list.problem = fmt::format("the header at {:#05x} points to {:#05x}, not a multiple of 4", at, next);
      return list;
    }
    if (next < model::kFirstExtendedOffset) {
      list.problem = fmt::format("the header at {:#05x} points to {:#05x}, below 100h", at, next);
      return list;
    }
    if (visited(list, next)) {
      list.problem = fmt::format("the header at {:#05x} leads back to {:#05x}", at, next);
      return list;
    }
    at = next;
  }
  return list;
}

uint32_t capability_bytes(Target& target, const Capability& c) {
  switch (c.id) {
    case model::pm::kId: return 8;
    case model::msi::kId: {
      const uint32_t control = target.config(c.offset + model::msi::kControl, 2);
      const bool wide = (control & 0x80) != 0;
      const bool masking = (control & 0x100) != 0;
      return (wide ? 14u : 10u) + (masking ? 10u : 0u);
    }
    case model::msix::kId: return 12;
    case model::pcie::kId: return (target.config(c.offset + model::pcie::kCapabilities, 2) & 0xf) >= 2 ? 60 : 20;
    case model::vendor::kId: return target.config(c.offset + 2, 1);
    default: return 0;
  }
}

bool is_pcie(Target& target) { return standard_capabilities(target).find(model::pcie::kId) != 0; }

}  // namespace dartboard::conformance
