// conformance/rules_config.cpp - what configuration writes do to the header, and who answers at all.
#include "conformance/bench.h"
#include "conformance/rule.h"

namespace dartboard::conformance {
namespace {

using model::Outcome;
namespace cfg = model::cfg;

/// Writes ones, zeros and the complement over `bytes` at `offset`: nothing may change.
Verdict read_only(Bench& b, uint32_t offset, unsigned bytes, std::string_view name) {
  const uint32_t before = b.config(offset, bytes);
  for (const uint32_t value : {0xffff'ffffu, 0u, ~before}) {
    b.write(offset, value, bytes);
    const uint32_t after = b.config(offset, bytes);
    if (after != before) {
      b.write(offset, before, bytes);
      return failed("{} changed from {:#x} to {:#x} when {:#x} was written", name, before, after, value);
    }
  }
  return passed();
}

Verdict ro_vendor(Bench& b) { return read_only(b, cfg::kVendorId, 2, "Vendor ID"); }
Verdict ro_device(Bench& b) { return read_only(b, cfg::kDeviceId, 2, "Device ID"); }
Verdict ro_revision(Bench& b) { return read_only(b, cfg::kRevisionId, 4, "Revision ID and Class Code"); }
Verdict ro_header_type(Bench& b) { return read_only(b, cfg::kHeaderType, 1, "Header Type"); }
Verdict ro_subsystem(Bench& b) { return read_only(b, cfg::kSubsystemVendorId, 4, "Subsystem Vendor ID and ID"); }
Verdict ro_pointer(Bench& b) { return read_only(b, cfg::kCapabilitiesPointer, 4, "Capabilities Pointer"); }
Verdict ro_pin(Bench& b) { return read_only(b, cfg::kInterruptPin, 1, "Interrupt Pin"); }
Verdict ro_latency(Bench& b) { return read_only(b, 0x0d, 1, "Latency Timer"); }
Verdict ro_cardbus(Bench& b) { return read_only(b, 0x28, 4, "Cardbus CIS Pointer"); }
Verdict ro_grant(Bench& b) { return read_only(b, 0x3e, 2, "Min_Gnt and Max_Lat"); }
Verdict ro_reserved(Bench& b) { return read_only(b, 0x38, 4, "the reserved dword 38h"); }

Verdict ro_write_completes(Bench& b) {
  for (const uint32_t offset : {cfg::kVendorId, cfg::kRevisionId, 0x0cu, 0x28u, 0x38u}) {
    const Outcome outcome = b.write(offset, 0xffff'ffff);
    if (outcome != Outcome::kSuccess) {
      return failed("a write to {:#04x} was answered {}; a write to a read-only register succeeds and is ignored",
                    offset, to_string(outcome));
    }
  }
  return passed();
}

Verdict unimplemented_completes(Bench& b) {
  const uint32_t end = is_pcie(b) ? model::kConfigBytes : 0x100;
  for (uint32_t offset = 0; offset < end; offset += 4) {
    const Reply reply = b.read(offset);
    if (!reply.ok()) return failed("a read of {:#05x} was answered {}", offset, to_string(reply.outcome));
  }
  return passed();
}

Verdict command_bits(Bench& b) {
  b.set_command(0xffff);
  const uint16_t ones = b.config16(cfg::kCommand);
  if ((ones & 0xf800) != 0) return failed("Command reads {:#06x} after ones: bits 15:11 are reserved", ones);
  b.set_command(0);
  const uint16_t zeros = b.config16(cfg::kCommand);
  if ((zeros & ~0x03f8u & 0x7ff) != 0) return failed("Command reads {:#06x} after zeros", zeros);
  for (const uint16_t bit : {cfg::kCommandMemory, cfg::kCommandBusMaster}) {
    if ((ones & bit) == 0) continue;
    b.set_command(bit);
    const uint16_t now = b.config16(cfg::kCommand);
    if ((now & 0x407) != bit) return failed("Command reads {:#06x} after {:#06x} was written", now, bit);
  }
  return passed();
}

Verdict command_memory(Bench& b) {
  if (b.first_bar() == nullptr) return skipped("the function has no memory BAR");
  b.set_command(cfg::kCommandMemory);
  const uint16_t now = b.config16(cfg::kCommand);
  return (now & cfg::kCommandMemory) != 0 ? passed()
                                          : failed("Command is {:#06x}; Memory Space Enable could not be set", now);
}

// A 16-bit write must reach the upper byte too.
Verdict command_intx_disable(Bench& b) {
  if (b.config(cfg::kInterruptPin, 1) == 0) return skipped("the function has no INTx");
  b.set_command(cfg::kCommandIntxDisable | cfg::kCommandMemory);
  const uint16_t on = b.config16(cfg::kCommand);
  if ((on & cfg::kCommandIntxDisable) == 0) return failed("Command is {:#06x}; Interrupt Disable was written", on);
  b.set_command(cfg::kCommandMemory);
  const uint16_t off = b.config16(cfg::kCommand);
  return (off & cfg::kCommandIntxDisable) == 0 ? passed() : failed("Interrupt Disable stays set: {:#06x}", off);
}

Verdict conventional_command(Bench& b) {
  if (!is_pcie(b)) return skipped("the function has no PCI Express capability");
  b.set_command(0x02b8);
  const uint16_t now = b.config16(cfg::kCommand);
  return (now & 0x02b8) == 0 ? passed()
                             : failed("Command is {:#06x}; bits 3, 4, 5, 7 and 9 are hardwired to 0", now);
}

Verdict cache_line(Bench& b) {
  for (const uint32_t value : {0x10u, 0xefu}) {
    b.write(0x0c, value, 1);
    const uint32_t now = b.config(0x0c, 1);
    if (now != value) return failed("Cache Line Size is {:#04x} after {:#04x} was written", now, value);
  }
  return passed();
}

Verdict interrupt_line(Bench& b) {
  if (b.config(cfg::kInterruptPin, 1) == 0) return skipped("the function has no INTx");
  for (const uint32_t value : {0x5au, 0xa5u}) {
    b.write(0x3c, value, 1);
    const uint32_t now = b.config(0x3c, 1);
    if (now != value) return failed("Interrupt Line is {:#04x} after {:#04x} was written", now, value);
  }
  return passed();
}

Verdict byte_enables(Bench& b) {
  b.set_command(0);
  b.write(0x0c, 0x11, 1);
  // All four bytes of the dword are written, with only Cache Line Size enabled, then with only the others.
  b.write(0x0c, 0xffff'ff22, 4, 0x1);
  if (b.config(0x0c, 1) != 0x22) return failed("an enabled byte was not written: {:#04x}", b.config(0x0c, 1));
  b.write(0x0c, 0xffff'ff33, 4, 0xe);
  if (b.config(0x0c, 1) != 0x22) return failed("a disabled byte was written: {:#04x}", b.config(0x0c, 1));
  b.write(0x0c, 0xffff'ff44, 4, 0x0);
  return b.config(0x0c, 1) == 0x22 ? passed() : failed("a write without enabled bytes wrote");
}

Verdict command_byte_enables(Bench& b) {
  b.set_command(cfg::kCommandMemory);
  b.write(cfg::kCommand, 0, 4, 0xe);
  if ((b.config16(cfg::kCommand) & cfg::kCommandMemory) == 0) return failed("a disabled byte of Command was written");
  b.write(cfg::kCommand + 1, 0, 1);
  return (b.config16(cfg::kCommand) & cfg::kCommandMemory) != 0
             ? passed()
             : failed("a write to the upper byte of Command changed the lower one");
}

Verdict absent_function(Bench& b) {
  if ((b.config(cfg::kHeaderType, 1) & 0x80) != 0) return skipped("the device has several functions");
  for (unsigned function = 1; function < 8; ++function) {
    const Reply reply = b.read(cfg::kVendorId, 4, function);
    if (reply.outcome != Outcome::kUnsupportedRequest || reply.value != 0xffff'ffff) {
      return failed("function {} answered {} with {:#010x}; a function that is not there is an unsupported request",
                    function, to_string(reply.outcome), reply.value);
    }
  }
  return passed();
}

Verdict absent_function_write(Bench& b) {
  if ((b.config(cfg::kHeaderType, 1) & 0x80) != 0) return skipped("the device has several functions");
  b.write(0x0c, 0x11, 1);
  b.write(0x0c, 0x77, 1, 0xff, 3);
  const uint32_t now = b.config(0x0c, 1);
  return now == 0x11 ? passed() : failed("a write to function 3 reached function 0: {:#04x}", now);
}

Verdict multi_function(Bench& b) {
  if ((b.config(cfg::kHeaderType, 1) & 0x80) == 0) return skipped("the device has one function");
  for (unsigned function = 1; function < 8; ++function) {
    if (b.read(cfg::kVendorId, 4, function).ok()) return passed();
  }
  return failed("the multi-function bit is set, but functions 1 to 7 do not answer");
}

Verdict type1(Bench& b) {
  const Reply reply = b.read_type1(cfg::kVendorId);
  return reply.outcome == Outcome::kUnsupportedRequest && reply.value == 0xffff'ffff
             ? passed()
             : failed("a type 1 configuration read was answered {} with {:#010x}; an endpoint has nothing behind it",
                      to_string(reply.outcome), reply.value);
}

constexpr Rule kRules[] = {
    {"cfg-ro-vendor", "config", "PCIe 6.0 s7.5.1.1.1", "Vendor ID cannot be written.", nullptr, ro_vendor},
    {"cfg-ro-device", "config", "PCIe 6.0 s7.5.1.1.2", "Device ID cannot be written.", nullptr, ro_device},
    {"cfg-ro-revision-class", "config", "PCIe 6.0 s7.5.1.1.5", "Revision ID and Class Code cannot be written.", nullptr,
     ro_revision},
    {"cfg-ro-header-type", "config", "PCIe 6.0 s7.5.1.1.9", "Header Type cannot be written.", nullptr, ro_header_type},
    {"cfg-ro-subsystem", "config", "PCIe 6.0 s7.5.1.2.3", "Subsystem IDs cannot be written.", nullptr, ro_subsystem},
    {"cfg-ro-capabilities-pointer", "config", "PCIe 6.0 s7.5.1.1.11", "The Capabilities Pointer cannot be written.",
     nullptr, ro_pointer},
    {"cfg-ro-interrupt-pin", "config", "PCIe 6.0 s7.5.1.1.13", "Interrupt Pin cannot be written.", nullptr, ro_pin},
    {"cfg-ro-latency-timer", "config", "PCIe 6.0 s7.5.1.1.8", "Latency Timer is hardwired to 0.", nullptr, ro_latency},
    {"cfg-ro-cardbus", "config", "PCIe 6.0 s7.5.1.2.2", "The Cardbus CIS Pointer cannot be written.", nullptr,
     ro_cardbus},
    {"cfg-ro-min-gnt-max-lat", "config", "PCIe 6.0 s7.5.1.2.5", "Min_Gnt and Max_Lat cannot be written.", nullptr,
     ro_grant},
    {"cfg-ro-reserved", "config", "PCIe 6.0 s7.4", "Reserved registers ignore writes.", nullptr, ro_reserved},
    {"cfg-ro-write-completes", "config", "PCIe 6.0 s7.5.1",
     "A write to a read-only register completes successfully and is ignored.", nullptr, ro_write_completes},
    {"cfg-unimplemented-completes", "config", "PCIe 6.0 s2.3.1",
     "Every offset of configuration space can be read, whether a register is there or not.", nullptr,
     unimplemented_completes},
    {"cfg-command-bits", "config", "PCIe 6.0 s7.5.1.1.3",
     "Command bits are set and cleared one by one; reserved bits read 0.", nullptr, command_bits},
    {"cfg-command-memory", "config", "PCIe 6.0 s7.5.1.1.3",
     "A function with a memory BAR has Memory Space Enable.", nullptr, command_memory},
    {"cfg-command-intx-disable", "config", "PCIe 6.0 s7.5.1.1.3",
     "Interrupt Disable, in the upper byte of Command, can be set and cleared by a 16-bit write.", nullptr,
     command_intx_disable},
    {"cfg-command-conventional", "config", "PCIe 6.0 s7.5.1.1.3",
     "Command bits of the conventional bus are hardwired to 0.", nullptr, conventional_command},
    {"cfg-cache-line-rw", "config", "PCIe 6.0 s7.5.1.1.7", "Cache Line Size is read-write and has no effect.", nullptr,
     cache_line},
    {"cfg-interrupt-line-rw", "config", "PCIe 6.0 s7.5.1.1.12",
     "Interrupt Line is read-write if the function has an interrupt pin.", nullptr, interrupt_line},
    {"cfg-byte-enables", "config", "PCIe 6.0 s2.2.5", "A configuration write changes enabled bytes only.", nullptr,
     byte_enables},
    {"cfg-command-byte-enables", "config", "PCIe 6.0 s2.2.5", "The two bytes of Command can be written alone.", nullptr,
     command_byte_enables},
    {"cfg-absent-function", "config", "PCIe 6.0 s2.3.1",
     "A configuration request to a function that is not there is an unsupported request.", nullptr, absent_function},
    {"cfg-absent-function-write", "config", "PCIe 6.0 s2.3.1",
     "A write to a function that is not there changes nothing.", nullptr, absent_function_write},
    {"cfg-multi-function", "config", "PCIe 6.0 s7.5.1.1.9", "The multi-function bit tells the truth.", nullptr,
     multi_function},
    {"cfg-type1", "config", "PCIe 6.0 s7.3.3", "An endpoint answers type 1 configuration requests UR.", nullptr, type1},
};

}  // namespace

std::span<const Rule> config_rules() { return kRules; }

}  // namespace dartboard::conformance
