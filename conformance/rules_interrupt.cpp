// conformance/rules_interrupt.cpp - INTx and MSI.
#include "conformance/bench.h"
#include "conformance/rule.h"
#include "conformance/stimulus.h"

namespace dartboard::conformance {
namespace {

using model::Outcome;
namespace cfg = model::cfg;
namespace msi = model::msi;

constexpr uint16_t kBothOn = cfg::kCommandMemory | cfg::kCommandBusMaster;
constexpr const char* kNoStimulus = "how to make this device interrupt is not known";
constexpr uint32_t kWide = 1u << 7;
constexpr uint32_t kMasking = 1u << 8;

bool status_interrupt(Bench& b) { return (b.config16(cfg::kStatus) & cfg::kStatusInterrupt) != 0; }

// INTx ----------------------------------------------------------------------------------------------------------------

/// Why the INTx rules cannot be tried, or empty.
std::string no_intx(Bench& b) {
  if (b.config(cfg::kInterruptPin, 1) == 0) return "the function has no INTx";
  return b.stimulus() == nullptr ? kNoStimulus : "";
}
unsigned pin(Bench& b) { return (b.config(cfg::kInterruptPin, 1) - 1) & 3; }

Verdict intx_level(Bench& b) {
  if (const std::string why = no_intx(b); !why.empty()) return skipped("{}", why);
  if (b.intx(pin(b)) || status_interrupt(b)) return failed("INTx is asserted before the device has a reason");
  b.stimulus()->interrupt(b, 0);
  if (!b.intx(pin(b))) return failed("the device has an interrupt, and INT{:c} is not asserted", 'A' + pin(b));
  b.stimulus()->acknowledge(b);
  return b.intx(pin(b)) ? failed("the interrupt was acknowledged, and the line is still asserted") : passed();
}

Verdict intx_status(Bench& b) {
  if (const std::string why = no_intx(b); !why.empty()) return skipped("{}", why);
  b.stimulus()->interrupt(b, 0);
  if (!status_interrupt(b)) return failed("the device has an interrupt, and Interrupt Status is 0");
  b.write(cfg::kStatus, cfg::kStatusInterrupt, 2);
  if (!status_interrupt(b)) return failed("writing 1 cleared Interrupt Status, which is read-only");
  b.stimulus()->acknowledge(b);
  return status_interrupt(b) ? failed("the interrupt was acknowledged, and Interrupt Status is still 1") : passed();
}

Verdict intx_disable(Bench& b) {
  if (const std::string why = no_intx(b); !why.empty()) return skipped("{}", why);
  b.set_command(kBothOn | cfg::kCommandIntxDisable);
  b.stimulus()->interrupt(b, 0);
  if (b.intx(pin(b))) return failed("Interrupt Disable is set, and the line is asserted");
  if (!status_interrupt(b)) return failed("Interrupt Disable is set, and Interrupt Status does not show the interrupt");
  b.set_command(kBothOn);
  return b.intx(pin(b)) ? passed() : failed("Interrupt Disable was cleared, and the line is not asserted");
}

Verdict intx_withdrawn(Bench& b) {
  if (const std::string why = no_intx(b); !why.empty()) return skipped("{}", why);
  b.stimulus()->interrupt(b, 0);
  b.set_command(kBothOn | cfg::kCommandIntxDisable);
  return b.intx(pin(b)) ? failed("Interrupt Disable was set while the line was asserted, and it stayed") : passed();
}

Verdict intx_pin(Bench& b) {
  if (const std::string why = no_intx(b); !why.empty()) return skipped("{}", why);
  b.stimulus()->interrupt(b, 0);
  for (unsigned line = 0; line < 4; ++line) {
    if (b.intx(line) != (line == pin(b))) {
      return failed("Interrupt Pin is INT{:c}, and INT{:c} is {}", 'A' + pin(b), 'A' + line,
                    b.intx(line) ? "asserted" : "not asserted");
    }
  }
  return passed();
}

Verdict intx_off_with_messages(Bench& b) {
  if (const std::string why = no_intx(b); !why.empty()) return skipped("{}", why);
  const uint32_t msi_at = b.capability(msi::kId);
  const uint32_t msix_at = b.capability(model::msix::kId);
  if (msi_at == 0 && msix_at == 0) return skipped("the function has neither MSI nor MSI-X");
  if (msi_at != 0) {
    b.write(msi_at + msi::kControl, b.config16(msi_at + msi::kControl) | msi::kEnable, 2);
  } else {
    b.write(msix_at + model::msix::kControl, model::msix::kEnable, 2);
  }
  b.stimulus()->interrupt(b, 0);
  return b.intx(pin(b)) ? failed("{} is enabled, and the line is asserted", msi_at != 0 ? "MSI" : "MSI-X") : passed();
}

constexpr Rule kIntxRules[] = {
    {"intx-level", "intx", "PCIe 6.0 s6.1.2", "INTx is a level: asserted while the device has an interrupt.", nullptr,
     intx_level},
    {"intx-status", "intx", "PCIe 6.0 s7.5.1.1.4", "Interrupt Status shows the interrupt and is read-only.", nullptr,
     intx_status},
    {"intx-disable", "intx", "PCIe 6.0 s7.5.1.1.3",
     "Interrupt Disable keeps the line deasserted, not Interrupt Status.", nullptr, intx_disable},
    {"intx-withdrawn", "intx", "PCIe 6.0 s7.5.1.1.3", "Setting Interrupt Disable deasserts an asserted line.", nullptr,
     intx_withdrawn},
    {"intx-pin", "intx", "PCIe 6.0 s7.5.1.1.13", "The line is the one that Interrupt Pin names.", nullptr, intx_pin},
    {"intx-off-with-messages", "intx", "PCIe 6.0 s6.1.4.3", "With MSI or MSI-X enabled there is no INTx.", nullptr,
     intx_off_with_messages},
};

// MSI -----------------------------------------------------------------------------------------------------------------

/// The capability's layout depends on two of its bits (PCIe 6.0 s7.7.1).
struct Msi {
  uint32_t at = 0;
  bool wide = false, masking = false;
  unsigned capable = 0;
  uint32_t data() const { return at + (wide ? 12 : 8); }
  uint32_t mask() const { return at + (wide ? 16 : 12); }
  uint32_t pending() const { return mask() + 4; }
};

Msi find_msi(Target& t) {
  Msi m;
  m.at = standard_capabilities(t).find(msi::kId);
  if (m.at == 0) return m;
  const uint32_t control = t.config(m.at + msi::kControl, 2);
  m.wide = (control & kWide) != 0;
  m.masking = (control & kMasking) != 0;
  m.capable = (control >> msi::kMultipleMessageCapableShift) & 7;
  return m;
}

void set_up(Bench& b, const Msi& m, uint64_t address, uint16_t data, unsigned granted_log2) {
  b.write(m.at + msi::kAddressLow, static_cast<uint32_t>(address));
  if (m.wide) b.write(m.at + msi::kAddressHigh, static_cast<uint32_t>(address >> 32));
  b.write(m.data(), data, 2);
  b.write(m.at + msi::kControl, msi::kEnable | granted_log2 << msi::kMultipleMessageEnableShift, 2);
  b.forget();
}

Verdict msi_wide(Target& t) {
  const Msi m = find_msi(t);
  if (m.at == 0) return skipped("the function has no MSI");
  if (!is_pcie(t)) return skipped("the function has no PCI Express capability");
  return m.wide ? passed() : failed("the message address is 32 bits; a PCI Express function takes 64");
}

Verdict msi_capable(Target& t) {
  const Msi m = find_msi(t);
  if (m.at == 0) return skipped("the function has no MSI");
  return m.capable <= 5 ? passed() : failed("Multiple Message Capable is the reserved value {}", m.capable);
}

Verdict msi_control(Bench& b) {
  const Msi m = find_msi(b);
  if (m.at == 0) return skipped("the function has no MSI");
  const uint16_t before = b.config16(m.at + msi::kControl);
  b.write(m.at + msi::kControl, 0xffffu & ~uint32_t{msi::kEnable}, 2);
  const uint16_t ones = b.config16(m.at + msi::kControl);
  b.write(m.at + msi::kControl, 0, 2);
  const uint16_t zeros = b.config16(m.at + msi::kControl);
  if (((ones ^ before) & 0x018e) != 0 || ((zeros ^ before) & 0x018e) != 0) {
    return failed("read-only fields of Message Control changed: {:#06x}, {:#06x} after ones, {:#06x} after zeros",
                  before, ones, zeros);
  }
  if ((ones & 0x70) == 0 && m.capable != 0) return failed("Multiple Message Enable cannot be written: {:#06x}", ones);
  b.write(m.at + msi::kControl, msi::kEnable, 2);
  return (b.config16(m.at + msi::kControl) & msi::kEnable) != 0 ? passed() : failed("MSI Enable cannot be set");
}

Verdict msi_address(Bench& b) {
  const Msi m = find_msi(b);
  if (m.at == 0) return skipped("the function has no MSI");
  for (const uint32_t value : {0xffff'ffffu, 0xa5a5'a5a7u, 0u}) {
    b.write(m.at + msi::kAddressLow, value);
    const uint32_t low = b.config32(m.at + msi::kAddressLow);
    if (low != (value & ~3u)) return failed("Message Address is {:#010x} after {:#010x} was written", low, value);
    if (m.wide) {
      b.write(m.at + msi::kAddressHigh, value);
      const uint32_t high = b.config32(m.at + msi::kAddressHigh);
      if (high != value) return failed("Message Upper Address is {:#010x} after {:#010x} was written", high, value);
    }
    b.write(m.data(), value & 0xffff, 2);
    const uint16_t data = b.config16(m.data());
    if (data != (value & 0xffff)) return failed("Message Data is {:#06x} after {:#06x} was written", data, value & 0xffff);
  }
  return passed();
}

Verdict msi_mask_bits(Bench& b) {
  const Msi m = find_msi(b);
  if (m.at == 0 || !m.masking) return skipped("the function has no MSI masks");
  const uint32_t expected = m.capable >= 5 ? 0xffff'ffff : (1u << (1u << m.capable)) - 1;
  b.write(m.mask(), 0xffff'ffff);
  const uint32_t ones = b.config32(m.mask());
  if (ones != expected) return failed("Mask Bits read {:#010x} after ones; {} vectors have {:#010x}", ones, 1u << m.capable, expected);
  b.write(m.pending(), 0xffff'ffff);
  const uint32_t pending = b.config32(m.pending());
  if (pending != 0) return failed("Pending Bits could be written: {:#010x}", pending);
  b.write(m.mask(), 0);
  return b.config32(m.mask()) == 0 ? passed() : failed("Mask Bits cannot be cleared");
}

/// Why the rules about sending cannot be tried, or empty.
std::string no_msi(Bench& b, const Msi& m, bool masking = false) {
  if (m.at == 0) return "the function has no MSI";
  if (masking && !m.masking) return "the function has no MSI masks";
  return b.stimulus() == nullptr ? kNoStimulus : "";
}

Verdict one_message(Bench& b, uint64_t address, uint32_t data) {
  const auto messages = b.messages(address);
  if (messages.size() != 1) return failed("{} messages were sent to {:#x}; expected 1", messages.size(), address);
  if (messages[0].length != 4) return failed("the message is {} bytes long; expected 4", messages[0].length);
  if (messages[0].data != data) return failed("the message is {:#x}; expected {:#x}", messages[0].data, data);
  return passed();
}

Verdict msi_send(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m); !why.empty()) return skipped("{}", why);
  set_up(b, m, Bench::kDoorbell, 0x0008, 0);
  b.stimulus()->interrupt(b, 0);
  return one_message(b, Bench::kDoorbell, 0x0008);
}

Verdict msi_upper_address(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m); !why.empty()) return skipped("{}", why);
  if (!m.wide) return skipped("the message address is 32 bits");
  constexpr uint64_t kAddress = 0x0012'3456'7000;
  set_up(b, m, kAddress, 0x0011, 0);
  b.stimulus()->interrupt(b, 0);
  return one_message(b, kAddress, 0x0011);
}

Verdict msi_disabled(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m); !why.empty()) return skipped("{}", why);
  set_up(b, m, Bench::kDoorbell, 0x0008, 0);
  b.write(m.at + msi::kControl, 0, 2);
  b.stimulus()->interrupt(b, 0);
  return b.messages(Bench::kDoorbell).empty() ? passed() : failed("MSI is disabled, and a message was sent");
}

Verdict msi_bus_master(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m); !why.empty()) return skipped("{}", why);
  set_up(b, m, Bench::kDoorbell, 0x0008, 0);
  b.set_command(cfg::kCommandMemory);
  b.stimulus()->interrupt(b, 0);
  return b.sent().empty() ? passed() : failed("Bus Master Enable is off, and the device sent {} requests", b.sent().size());
}

Verdict msi_mask(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m, true); !why.empty()) return skipped("{}", why);
  set_up(b, m, Bench::kDoorbell, 0x0008, 0);
  b.write(m.mask(), 1);
  b.stimulus()->interrupt(b, 0);
  if (!b.messages(Bench::kDoorbell).empty()) return failed("the vector is masked, and a message was sent");
  if ((b.config32(m.pending()) & 1) == 0) return failed("the vector is masked, and not pending");
  b.write(m.mask(), 0);
  if (const Verdict sent = one_message(b, Bench::kDoorbell, 0x0008); sent.status != Status::kPass) return sent;
  return (b.config32(m.pending()) & 1) == 0 ? passed() : failed("the message was sent, and the vector is still pending");
}

// Memory Space Enable is about requests to the function, not about what it sends.
Verdict msi_without_memory(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m, true); !why.empty()) return skipped("{}", why);
  set_up(b, m, Bench::kDoorbell, 0x0008, 0);
  b.write(m.mask(), 1);
  b.stimulus()->interrupt(b, 0);
  b.forget();
  b.set_command(cfg::kCommandBusMaster);
  b.write(m.mask(), 0);
  return one_message(b, Bench::kDoorbell, 0x0008);
}

Verdict msi_multiple(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m); !why.empty()) return skipped("{}", why);
  if (m.capable < 2 || b.stimulus()->vectors() < 4) return skipped("fewer than four vectors can be tried");
  set_up(b, m, Bench::kDoorbell, 0x0010, 2);
  b.stimulus()->interrupt(b, 3);
  return one_message(b, Bench::kDoorbell, 0x0013);
}

Verdict msi_shared(Bench& b) {
  const Msi m = find_msi(b);
  if (const std::string why = no_msi(b, m); !why.empty()) return skipped("{}", why);
  if (m.capable < 2 || b.stimulus()->vectors() < 4) return skipped("fewer than four vectors can be tried");
  set_up(b, m, Bench::kDoorbell, 0x0015, 0);
  b.stimulus()->interrupt(b, 3);
  return one_message(b, Bench::kDoorbell, 0x0015);
}

Verdict requester_id(Bench& b) {
  if (b.stimulus() == nullptr) return skipped("{}", kNoStimulus);
  for (const uint8_t bus : {uint8_t{1}, uint8_t{7}}) {
    b.renumber(bus);
    b.write(cfg::kVendorId, 0);
    b.forget();
    b.stimulus()->write_memory(b);
    if (b.sent().empty()) return failed("the device was asked to write to memory and sent nothing");
    for (const model::TlpEvent& event : b.sent()) {
      if (event.requester != Rid(bus, 0, 0)) {
        return failed("a request came from {:#06x}; the last configuration write was to {:#06x}", event.requester.value,
                      Rid(bus, 0, 0).value);
      }
    }
  }
  return passed();
}

Verdict dma_bus_master(Bench& b) {
  if (b.stimulus() == nullptr) return skipped("{}", kNoStimulus);
  b.set_command(cfg::kCommandMemory);
  b.stimulus()->write_memory(b);
  if (!b.sent().empty()) return failed("Bus Master Enable is off, and the device sent {} requests", b.sent().size());
  b.start();
  b.stimulus()->write_memory(b);
  return !b.sent().empty() ? passed() : failed("the device was asked to write to memory and sent nothing");
}

constexpr Rule kMsiRules[] = {
    {"dma-bus-master", "dma", "PCIe 6.0 s7.5.1.1.3", "With Bus Master Enable off the function sends no request.", nullptr,
     dma_bus_master},
    {"dma-requester-id", "dma", "PCIe 6.0 s2.2.6.2",
     "Requests carry the bus and device number of the last configuration write.", nullptr, requester_id},
    {"msi-64-bit", "msi", "PCIe 6.0 s7.7.1", "A PCI Express function takes a 64-bit message address.", msi_wide},
    {"msi-capable", "msi", "PCIe 6.0 s7.7.1.2", "Multiple Message Capable is a defined value.", msi_capable},
    {"msi-control", "msi", "PCIe 6.0 s7.7.1.2",
     "MSI Enable and Multiple Message Enable can be written, the rest of Message Control cannot.", nullptr, msi_control},
    {"msi-address-data", "msi", "PCIe 6.0 s7.7.1.3", "Address and data are read-write; address bits 1:0 read 0.", nullptr,
     msi_address},
    {"msi-mask-bits", "msi", "PCIe 6.0 s7.7.1.7",
     "There is a mask bit for each vector and no other; pending bits are read-only.", nullptr, msi_mask_bits},
    {"msi-send", "msi", "PCIe 6.0 s6.1.4", "An interrupt is one 4-byte write of the data to the address.", nullptr, msi_send},
    {"msi-upper-address", "msi", "PCIe 6.0 s7.7.1.4", "The message goes to all 64 bits of the address.", nullptr,
     msi_upper_address},
    {"msi-disabled", "msi", "PCIe 6.0 s7.7.1.2", "Without MSI Enable no message is sent.", nullptr, msi_disabled},
    {"msi-bus-master", "msi", "PCIe 6.0 s7.5.1.1.3", "Without Bus Master Enable no message is sent.", nullptr,
     msi_bus_master},
    {"msi-mask", "msi", "PCIe 6.0 s6.1.4.5", "A masked vector is pending, and is sent when it is unmasked.", nullptr,
     msi_mask},
    {"msi-without-memory", "msi", "PCIe 6.0 s7.5.1.1.3", "Messages do not depend on Memory Space Enable.", nullptr,
     msi_without_memory},
    {"msi-multiple", "msi", "PCIe 6.0 s7.7.1.2", "With several vectors granted the low bits of the data tell which.",
     nullptr, msi_multiple},
    {"msi-shared", "msi", "PCIe 6.0 s7.7.1.2", "With one vector granted all interrupts share it, with the data as written.",
     nullptr, msi_shared},
};

}  // namespace

std::span<const Rule> intx_rules() { return kIntxRules; }
std::span<const Rule> msi_rules() { return kMsiRules; }

}  // namespace dartboard::conformance
