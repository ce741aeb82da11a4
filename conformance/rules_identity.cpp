// conformance/rules_identity.cpp - who the function says it is: what the header holds, read only.
#include "conformance/rule.h"
#include "conformance/target.h"
#include "model/config_space.h"

namespace dartboard::conformance {
namespace {

namespace cfg = model::cfg;

Verdict vendor_valid(Target& t) {
  const uint32_t id = t.config(cfg::kVendorId, 4);
  if ((id & 0xffff) == 0xffff || (id & 0xffff) == 0) {
    return failed("Vendor ID is {:#06x}, which says that there is no function", id & 0xffff);
  }
  return passed();
}

Verdict header_type(Target& t) {
  const uint32_t type = t.config(cfg::kHeaderType, 1);
  return (type & 0x7f) == 0 ? passed() : failed("Header Type is {:#04x}; an endpoint's layout is 0", type);
}

Verdict interrupt_pin(Target& t) {
  const uint32_t pin = t.config(cfg::kInterruptPin, 1);
  return pin <= 4 ? passed() : failed("Interrupt Pin is {}; it must be 0 to 4", pin);
}

Verdict status_reserved(Target& t) {
  const uint32_t status = t.config(cfg::kStatus, 2);
  return (status & 0x0046) == 0 ? passed() : failed("Status is {:#06x}; bits 1, 2 and 6 are reserved", status);
}

// What conventional PCI kept there says nothing on a link.
Verdict status_conventional(Target& t) {
  if (!is_pcie(t)) return skipped("the function has no PCI Express capability");
  const uint32_t status = t.config(cfg::kStatus, 2);
  return (status & 0x06a0) == 0 ? passed()
                                : failed("Status is {:#06x}; 66 MHz, fast back-to-back and DEVSEL timing read 0", status);
}

Verdict grant_latency(Target& t) {
  const uint32_t value = t.config(0x3e, 2);
  return value == 0 ? passed() : failed("Min_Gnt and Max_Lat are {:#06x}; they read 0", value);
}

Verdict cardbus(Target& t) {
  if (!is_pcie(t)) return skipped("the function has no PCI Express capability");
  const uint32_t value = t.config(0x28, 4);
  return value == 0 ? passed() : failed("the Cardbus CIS Pointer is {:#010x}; it reads 0", value);
}

Verdict header_reserved(Target& t) {
  const uint32_t pointer = t.config(0x34, 4);
  const uint32_t second = t.config(0x38, 4);
  if ((pointer >> 8) != 0) return failed("the reserved bytes 35h to 37h read {:#08x}", pointer >> 8);
  return second == 0 ? passed() : failed("the reserved dword 38h reads {:#010x}", second);
}

Verdict latency_zero(Target& t) {
  const uint32_t latency = t.config(0x0d, 1);
  return latency == 0 ? passed() : failed("Latency Timer is {:#04x}; it reads 0", latency);
}

Verdict bist(Target& t) {
  const uint32_t value = t.config(0x0f, 1);
  if ((value & 0x30) != 0) return failed("BIST is {:#04x}; bits 5:4 are reserved", value);
  return (value & 0x80) != 0 || value == 0 ? passed() : failed("BIST is {:#04x}, but it is not capable of one", value);
}

/// Interrupt Status and errors may change by themselves; all else is the same each time it is read.
Verdict stable(Target& t) {
  const uint32_t end = is_pcie(t) ? model::kConfigBytes : 0x100;
  for (uint32_t offset = 0; offset < 0x40; offset += 4) {
    if (offset == cfg::kCommand) continue;
    const uint32_t first = t.config(offset, 4);
    const uint32_t second = t.config(offset, 4);
    if (first != second) return failed("offset {:#04x} read {:#010x}, then {:#010x}", offset, first, second);
  }
  for (uint32_t offset = 0x100; offset < end; offset += 4) {
    const uint32_t first = t.config(offset, 4);
    if (first == t.config(offset, 4)) continue;
    return failed("offset {:#05x} read {:#010x}, then another value", offset, first);
  }
  return passed();
}

// Behind a dext the BAR registers are not the device's own: hosts hide the addresses that they gave.
bool is_bar(uint32_t offset) { return offset >= cfg::kBar0 && offset < cfg::kBar0 + 4 * kBars; }

Verdict widths(Target& t) {
  for (uint32_t offset = 0; offset < 0x40; offset += 4) {
    if (offset == cfg::kCommand || is_bar(offset)) continue;
    const uint32_t dword = t.config(offset, 4);
    const uint32_t words = t.config(offset, 2) | t.config(offset + 2, 2) << 16;
    if (words != dword) return failed("offset {:#04x}: the dword is {:#010x}, its words {:#010x}", offset, dword, words);
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < 4; ++i) bytes |= t.config(offset + i, 1) << (8 * i);
    if (bytes != dword) return failed("offset {:#04x}: the dword is {:#010x}, its bytes {:#010x}", offset, dword, bytes);
  }
  return passed();
}

constexpr Rule kRules[] = {
    {"cfg-vendor-valid", "config", "PCIe 6.0 s7.5.1.1.1", "A function that is there has a Vendor ID.", vendor_valid},
    {"cfg-header-type", "config", "PCIe 6.0 s7.5.1.1.9", "The header layout of an endpoint is type 0.", header_type},
    {"cfg-interrupt-pin", "config", "PCIe 6.0 s7.5.1.1.13", "Interrupt Pin is 0 (none) or 1 to 4 (INTA to INTD).",
     interrupt_pin},
    {"cfg-status-reserved", "config", "PCIe 6.0 s7.5.1.1.4", "Reserved bits of Status read 0.", status_reserved},
    {"cfg-status-conventional", "config", "PCIe 6.0 s7.5.1.1.4",
     "Status bits of the conventional bus read 0 on a PCI Express function.", status_conventional},
    {"cfg-min-gnt-max-lat", "config", "PCIe 6.0 s7.5.1.2.5", "Min_Gnt and Max_Lat read 0.", grant_latency},
    {"cfg-cardbus", "config", "PCIe 6.0 s7.5.1.2.2", "The Cardbus CIS Pointer reads 0.", cardbus},
    {"cfg-header-reserved", "config", "PCIe 6.0 s7.5.1.2", "Reserved bytes of the header read 0.", header_reserved},
    {"cfg-latency-timer-zero", "config", "PCIe 6.0 s7.5.1.1.8", "Latency Timer reads 0.", latency_zero},
    {"cfg-bist", "config", "PCIe 6.0 s7.5.1.1.10", "BIST reads 0 unless the function is capable of it.", bist},
    {"cfg-stable", "config", "PCIe 6.0 s7.5.1", "Configuration registers read the same value twice.", stable},
    {"cfg-read-widths", "config", "PCIe 6.0 s7.3", "Byte, word and dword reads of the header agree.", widths},
};

}  // namespace

std::span<const Rule> identity_rules() { return kRules; }

}  // namespace dartboard::conformance
