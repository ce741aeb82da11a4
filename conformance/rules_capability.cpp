// conformance/rules_capability.cpp - the two capability lists, and which capabilities a function must have.
#include <algorithm>

#include "conformance/bench.h"
#include "conformance/rule.h"

namespace dartboard::conformance {
namespace {

namespace cfg = model::cfg;

constexpr uint16_t kNullId = 0;

Verdict list_status(Target& t) {
  const bool said = (t.config(cfg::kStatus, 2) & cfg::kStatusCapabilities) != 0;
  const uint32_t pointer = t.config(cfg::kCapabilitiesPointer, 1);
  if (said && pointer == 0) return failed("Status says that there is a capability list, and the pointer is 0");
  return said || pointer == 0 ? passed() : failed("the pointer is {:#04x}, and Status says there is no list", pointer);
}

Verdict list_valid(Target& t) {
  const CapabilityList list = standard_capabilities(t);
  return list.problem.empty() ? passed() : failed("{}", list.problem);
}

Verdict list_overlap(Target& t) {
  std::vector<Capability> sorted = standard_capabilities(t).entries;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  for (size_t i = 0; i < sorted.size(); ++i) {
    const uint32_t end = sorted[i].offset + std::max(2u, capability_bytes(t, sorted[i]));
    if (end > 0x100) return failed("capability {:#04x} at {:#04x} reaches beyond offset ffh", sorted[i].id, sorted[i].offset);
    if (i + 1 < sorted.size() && end > sorted[i + 1].offset) {
      return failed("capability {:#04x} at {:#04x} ends at {:#04x}, inside capability {:#04x}", sorted[i].id,
                    sorted[i].offset, end, sorted[i + 1].id);
    }
  }
  return passed();
}

Verdict unique(Target& t) {
  const CapabilityList list = standard_capabilities(t);
  for (const uint8_t id : {model::pm::kId, model::msi::kId, model::msix::kId, model::pcie::kId}) {
    const auto count = std::count_if(list.entries.begin(), list.entries.end(), [id](const auto& c) { return c.id == id; });
    if (count > 1) return failed("capability {:#04x} is there {} times", id, count);
  }
  return passed();
}

Verdict known_id(Target& t) {
  for (const Capability& c : standard_capabilities(t).entries) {
    // PCI Code and ID Assignment 1.11 s2; 0 is the null capability, 16h and above are reserved.
    if (c.id == kNullId || c.id > 0x15) return failed("the capability at {:#04x} has the reserved id {:#04x}", c.offset, c.id);
  }
  return passed();
}

Verdict pm_required(Target& t) {
  if (!is_pcie(t)) return skipped("the function has no PCI Express capability");
  return standard_capabilities(t).find(model::pm::kId) != 0 ? passed()
                                                            : failed("there is no Power Management capability");
}

Verdict msi_required(Target& t) {
  if (!is_pcie(t)) return skipped("the function has no PCI Express capability");
  if (t.config(cfg::kInterruptPin, 1) == 0) return skipped("the function does not say that it interrupts");
  const CapabilityList list = standard_capabilities(t);
  return list.find(model::msi::kId) != 0 || list.find(model::msix::kId) != 0
             ? passed()
             : failed("the function has INTx, but neither MSI nor MSI-X");
}

Verdict extended_valid(Target& t) {
  if (!is_pcie(t)) return skipped("the function has no PCI Express capability");
  const CapabilityList list = extended_capabilities(t);
  return list.problem.empty() ? passed() : failed("{}", list.problem);
}

Verdict extended_needs_pcie(Target& t) {
  if (is_pcie(t)) return passed();
  const uint32_t first = t.config(model::kFirstExtendedOffset, 4);
  return first == 0 || first == 0xffff'ffff
             ? passed()
             : failed("offset 100h reads {:#010x}, and there is no PCI Express capability", first);
}

Verdict extended_versions(Target& t) {
  const CapabilityList list = extended_capabilities(t);
  if (list.entries.empty()) return skipped("the function has no extended capability");
  for (const Capability& c : list.entries) {
    const uint32_t header = t.config(c.offset, 4);
    if (c.id != kNullId && ((header >> 16) & 0xf) == 0) return failed("extended capability {:#06x} at {:#05x} has version 0", c.id, c.offset);
  }
  return passed();
}

Verdict extended_unique(Target& t) {
  const CapabilityList list = extended_capabilities(t);
  if (list.entries.empty()) return skipped("the function has no extended capability");
  for (const uint16_t id : {model::aer::kId, model::serial::kId, model::ats::kId, model::rebar::kId}) {
    const auto count = std::count_if(list.entries.begin(), list.entries.end(), [id](const auto& c) { return c.id == id; });
    if (count > 1) return failed("extended capability {:#06x} is there {} times", id, count);
  }
  return passed();
}

Verdict ro_headers(Bench& b) {
  for (const Capability& c : standard_capabilities(b).entries) {
    const uint32_t before = b.config(c.offset, 2);
    b.write(c.offset, ~before, 2);
    const uint32_t after = b.config(c.offset, 2);
    if (after != before) return failed("the header at {:#04x} changed from {:#06x} to {:#06x}", c.offset, before, after);
  }
  for (const Capability& c : extended_capabilities(b).entries) {
    const uint32_t before = b.config32(c.offset);
    b.write(c.offset, ~before);
    const uint32_t after = b.config32(c.offset);
    if (after != before) return failed("the header at {:#05x} changed from {:#010x} to {:#010x}", c.offset, before, after);
  }
  return passed();
}

Verdict serial_ro(Bench& b) {
  const uint32_t at = b.extended(model::serial::kId);
  if (at == 0) return skipped("the function has no serial number");
  for (const uint32_t offset : {at + model::serial::kLow, at + model::serial::kHigh}) {
    const uint32_t before = b.config32(offset);
    b.write(offset, ~before);
    if (b.config32(offset) != before) return failed("the serial number at {:#05x} could be written", offset);
  }
  return passed();
}

constexpr Rule kRules[] = {
    {"cap-list-status", "capability", "PCIe 6.0 s7.5.1.1.4", "Status and the pointer agree on whether there is a list.",
     list_status},
    {"cap-list-valid", "capability", "PCIe 6.0 s7.5.1.1.11",
     "The capability list is aligned, inside 40h to ffh, and ends.", list_valid},
    {"cap-list-overlap", "capability", "PCIe 6.0 s7.5", "Capabilities do not overlap.", list_overlap},
    {"cap-unique", "capability", "PCIe 6.0 s7.5.2", "A capability that may exist once is not listed twice.", unique},
    {"cap-known-id", "capability", "PCI Code and ID Assignment s2", "Capability ids are defined ones.", known_id},
    {"cap-power-management", "capability", "PCIe 6.0 s7.5.2", "Every PCI Express function has Power Management.",
     pm_required},
    {"cap-msi-or-msix", "capability", "PCIe 6.0 s6.1.4", "A function that interrupts has MSI or MSI-X.", msi_required},
    {"cap-extended-valid", "capability", "PCIe 6.0 s7.6.3",
     "The extended list is aligned, inside 100h to fffh, and ends.", extended_valid},
    {"cap-extended-needs-pcie", "capability", "PCIe 6.0 s7.2",
     "A function with extended configuration space has the PCI Express capability.", extended_needs_pcie},
    {"cap-extended-version", "capability", "PCIe 6.0 s7.6.3", "An extended capability has a version.", extended_versions},
    {"cap-extended-unique", "capability", "PCIe 6.0 s7.8.4", "An extended capability that may exist once is not listed twice.",
     extended_unique},
    {"cap-ro-headers", "capability", "PCIe 6.0 s7.6", "Capability headers cannot be written.", nullptr, ro_headers},
    {"cap-ro-serial", "capability", "PCIe 6.0 s7.9.3", "The serial number cannot be written.", nullptr, serial_ro},
};

}  // namespace

std::span<const Rule> capability_rules() { return kRules; }

}  // namespace dartboard::conformance
