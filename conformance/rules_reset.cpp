// conformance/rules_reset.cpp - power states and resets: what they switch off, what they bring back, what they keep.
#include "conformance/bench.h"
#include "conformance/msix_view.h"
#include "conformance/rule.h"
#include "conformance/stimulus.h"

namespace dartboard::conformance {
namespace {

using model::Outcome;
namespace cfg = model::cfg;
namespace pcie = model::pcie;
namespace pm = model::pm;

constexpr const char* kNoPm = "the function has no Power Management";
constexpr const char* kNoFlr = "the function has no FLR";
constexpr uint64_t kFlrNs = 100 * kNsPerMs;   // PCIe 6.0 s6.6.2

// Power ---------------------------------------------------------------------------------------------------------------

Verdict pm_version(Target& t) {
  const uint32_t at = standard_capabilities(t).find(pm::kId);
  if (at == 0) return skipped("{}", kNoPm);
  const uint32_t version = t.config(at + 2, 2) & 7;
  return version == 3 || !is_pcie(t) ? passed() : failed("the capability's version is {}; it is 3 on PCI Express", version);
}

Verdict pm_memory_off(Bench& b) {
  if (b.first_bar() == nullptr) return skipped("no memory BAR could be placed");
  if (!b.set_power_state(3)) return skipped("{}", kNoPm);
  const Reply reply = b.load(b.first_bar()->address);
  return reply.outcome == Outcome::kUnsupportedRequest ? passed()
                                                        : failed("in D3hot a memory read was answered {}", to_string(reply.outcome));
}

Verdict pm_config_on(Bench& b) {
  const uint32_t before = b.config32(cfg::kVendorId);
  if (!b.set_power_state(3)) return skipped("{}", kNoPm);
  const Reply reply = b.read(cfg::kVendorId);
  if (!reply.ok() || reply.value != before) return failed("in D3hot Vendor ID reads {:#010x} ({})", reply.value, to_string(reply.outcome));
  const uint16_t state = b.config16(b.capability(pm::kId) + pm::kControlStatus) & pm::kPowerStateMask;
  return state == 3 ? passed() : failed("Power State reads {} after D3hot was written", state);
}

Verdict pm_return(Bench& b) {
  if (b.first_bar() == nullptr) return skipped("no memory BAR could be placed");
  if (!b.set_power_state(3)) return skipped("{}", kNoPm);
  b.set_power_state(0);
  const uint16_t state = b.config16(b.capability(pm::kId) + pm::kControlStatus) & pm::kPowerStateMask;
  if (state != 0) return failed("Power State reads {} 10 ms after D0 was written", state);
  b.enumerate();
  const Reply reply = b.load(b.first_bar()->address);
  return reply.outcome != Outcome::kUnsupportedRequest ? passed() : failed("back in D0, with memory on, a read was refused");
}

Verdict pm_soft_reset(Bench& b) {
  const uint32_t at = b.capability(pm::kId);
  if (at == 0) return skipped("{}", kNoPm);
  const bool keeps = (b.config16(at + pm::kControlStatus) & pm::kNoSoftReset) != 0;
  const uint16_t before = b.config16(cfg::kCommand);
  b.set_power_state(3);
  b.set_power_state(0);
  const uint16_t after = b.config16(cfg::kCommand);
  if (keeps) return after == before ? passed() : failed("No_Soft_Reset is 1, and Command became {:#06x}", after);
  return (after & 0x407) == 0 ? passed() : failed("No_Soft_Reset is 0, and Command is still {:#06x} back in D0", after);
}

Verdict pm_unsupported_state(Bench& b) {
  const uint32_t at = b.capability(pm::kId);
  if (at == 0) return skipped("{}", kNoPm);
  const uint32_t support = b.config16(at + 2);
  for (const unsigned state : {1u, 2u}) {
    if ((support & (state == 1 ? 1u << 9 : 1u << 10)) != 0) continue;
    b.set_power_state(state);
    const uint16_t now = b.config16(at + pm::kControlStatus) & pm::kPowerStateMask;
    if (now != 0) return failed("D{} is not supported, and Power State reads {} after it was written", state, now);
  }
  return passed();
}

Verdict pm_silent(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  if (b.stimulus() == nullptr) return skipped("how to make this device interrupt is not known");
  if (b.capability(pm::kId) == 0) return skipped("{}", kNoPm);
  v.program(0, Bench::kDoorbell, 5, 0);
  v.set_control(model::msix::kEnable | model::msix::kFunctionMask);
  b.stimulus()->interrupt(b, 0);
  b.forget();
  b.set_power_state(3);
  b.write(v.at + model::msix::kControl, model::msix::kEnable, 2);
  return b.sent().empty() ? passed() : failed("in D3hot the function sent {} requests", b.sent().size());
}

constexpr Rule kPowerRules[] = {
    {"pm-version", "power", "PCIe 6.0 s7.5.2.1", "The version of Power Management is 3.", pm_version},
    {"pm-d3-memory-off", "power", "PCIe 6.0 s5.3.1.4", "In D3hot memory requests are unsupported.", nullptr, pm_memory_off},
    {"pm-d3-config-on", "power", "PCIe 6.0 s5.3.1.4", "In D3hot configuration requests are answered.", nullptr,
     pm_config_on},
    {"pm-d0-returns", "power", "PCIe 6.0 s5.9", "10 ms after D0 was written the function works again.", nullptr, pm_return},
    {"pm-soft-reset", "power", "PCIe 6.0 s7.5.2.2", "From D3hot to D0 the function does what No_Soft_Reset says.", nullptr,
     pm_soft_reset},
    {"pm-unsupported-state", "power", "PCIe 6.0 s7.5.2.2", "Writing a state that is not supported changes nothing.",
     nullptr, pm_unsupported_state},
    {"pm-d3-silent", "power", "PCIe 6.0 s5.3.1.4", "In D3hot the function sends no interrupt.", nullptr, pm_silent},
};

// Resets --------------------------------------------------------------------------------------------------------------

enum class Kind { kFlr, kHot, kLink };
std::string_view name(Kind kind) { return kind == Kind::kFlr ? "FLR" : kind == Kind::kHot ? "a hot reset" : "a lost link"; }

/// Applies the reset and waits for the function. False: there is none of this kind.
bool reset(Bench& b, Kind kind) {
  switch (kind) {
    case Kind::kFlr:
      if (!b.function_reset()) return false;
      b.pass_ns(kFlrNs);
      break;
    case Kind::kHot: b.hot_reset(); break;
    case Kind::kLink:
      b.link_down();
      b.link_up();
      break;
  }
  b.wait_ready();
  return true;
}

template <Kind kKind>
Verdict clears_command(Bench& b) {
  b.set_command(cfg::kCommandMemory | cfg::kCommandBusMaster | cfg::kCommandIntxDisable);
  if (!reset(b, kKind)) return skipped("{}", kNoFlr);
  const uint16_t now = b.config16(cfg::kCommand);
  return now == 0 ? passed() : failed("Command is {:#06x} after {}", now, name(kKind));
}

template <Kind kKind>
Verdict clears_bars(Bench& b) {
  const PlacedBar* bar = b.first_bar();
  if (bar == nullptr) return skipped("no memory BAR could be placed");
  if (!reset(b, kKind)) return skipped("{}", kNoFlr);
  for (unsigned i = 0; i < kBars; ++i) {
    if (!b.placed()[i].placed) continue;
    const uint32_t low = b.config32(cfg::kBar0 + 4 * i) & ~0xfu;
    const uint32_t high = b.placed()[i].wide ? b.config32(cfg::kBar0 + 4 * i + 4) : 0;
    if (low == static_cast<uint32_t>(b.placed()[i].address) && high == b.placed()[i].address >> 32) {
      return failed("BAR{} still holds {:#x} after {}", i, b.placed()[i].address, name(kKind));
    }
  }
  return passed();
}

template <Kind kKind>
Verdict clears_msix(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  v.program(0, Bench::kDoorbell, 5, 0);
  v.set_control(model::msix::kEnable | model::msix::kFunctionMask);
  if (b.stimulus() != nullptr) b.stimulus()->interrupt(b, 0);
  if (!reset(b, kKind)) return skipped("{}", kNoFlr);
  const uint16_t control = b.config16(v.at + model::msix::kControl);
  if ((control & 0xc000) != 0) return failed("MSI-X Message Control is {:#06x} after {}", control, name(kKind));
  b.enumerate();
  if (v.pending(0)) return failed("a vector is still pending after {}", name(kKind));
  return (b.load(v.entry(0) + model::msix_entry::kControl).value & 1) != 0
             ? passed()
             : failed("vector 0 is not masked after {}", name(kKind));
}

template <Kind kKind>
Verdict clears_msi(Bench& b) {
  const uint32_t at = b.capability(model::msi::kId);
  if (at == 0) return skipped("the function has no MSI");
  b.write(at + model::msi::kControl, model::msi::kEnable | 1u << model::msi::kMultipleMessageEnableShift, 2);
  if (!reset(b, kKind)) return skipped("{}", kNoFlr);
  const uint16_t control = b.config16(at + model::msi::kControl);
  return (control & 0x71) == 0 ? passed() : failed("MSI Message Control is {:#06x} after {}", control, name(kKind));
}

template <Kind kKind>
Verdict keeps_identity(Bench& b) {
  const uint32_t before = b.config32(cfg::kVendorId);
  const uint32_t subsystem = b.config32(cfg::kSubsystemVendorId);
  if (!reset(b, kKind)) return skipped("{}", kNoFlr);
  const uint32_t after = b.config32(cfg::kVendorId);
  if (after != before) return failed("Vendor and Device ID became {:#010x} after {}", after, name(kKind));
  return b.config32(cfg::kSubsystemVendorId) == subsystem ? passed() : failed("the Subsystem IDs changed with {}", name(kKind));
}

template <Kind kKind>
Verdict drops_intx(Bench& b) {
  const unsigned pin = b.config(cfg::kInterruptPin, 1);
  if (pin == 0 || pin > 4) return skipped("the function has no INTx");
  if (b.stimulus() == nullptr) return skipped("how to make this device interrupt is not known");
  b.stimulus()->interrupt(b, 0);
  if (!reset(b, kKind)) return skipped("{}", kNoFlr);
  if (b.intx(pin - 1)) return failed("INTx is asserted after {}", name(kKind));
  return (b.config16(cfg::kStatus) & cfg::kStatusInterrupt) == 0 ? passed() : failed("Interrupt Status is 1 after {}", name(kKind));
}

Verdict flr_keeps_payload(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("{}", kNoFlr);
  const uint16_t control = b.config16(at + pcie::kDeviceControl);
  b.write(at + pcie::kDeviceControl, (control & ~0xe0u) | 1u << pcie::kMaxPayloadShift, 2);
  if (!reset(b, Kind::kFlr)) return skipped("{}", kNoFlr);
  const unsigned payload = (b.config16(at + pcie::kDeviceControl) >> pcie::kMaxPayloadShift) & 7;
  return payload == 1 ? passed() : failed("Max_Payload_Size was 256 and is {} after FLR", 128u << payload);
}

Verdict hot_clears_device_control(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("the function has no PCI Express capability");
  const uint16_t before = b.config16(at + pcie::kDeviceControl);
  b.write(at + pcie::kDeviceControl, 0x502f, 2);
  b.hot_reset();
  b.wait_ready();
  const uint16_t after = b.config16(at + pcie::kDeviceControl);
  return after == before ? passed() : failed("Device Control is {:#06x} after a hot reset; {:#06x} after power-on", after, before);
}

/// Until it is ready a function answers configuration requests RRS, never anything else that is wrong.
template <Kind kKind>
Verdict ready_in_time(Bench& b) {
  const uint32_t before = b.config32(cfg::kVendorId);
  if (kKind == Kind::kFlr) {
    if (!b.function_reset()) return skipped("{}", kNoFlr);
  } else {
    b.hot_reset();
  }
  for (unsigned ms = 0; ms <= 1000; ++ms) {
    const Reply reply = b.read(cfg::kVendorId);
    if (reply.ok()) return reply.value == before ? passed() : failed("Vendor ID reads {:#010x} after {}", reply.value, name(kKind));
    if (reply.outcome != Outcome::kRequestRetry) return failed("{} ms after {} a configuration read was answered {}", ms, name(kKind), to_string(reply.outcome));
    b.pass_ns(kNsPerMs);
  }
  return failed("a second after {} the function still answers RRS", name(kKind));
}

Verdict down_all_ones(Bench& b) {
  b.link_down();
  const Reply config = b.read(cfg::kVendorId);
  if (config.outcome != Outcome::kLinkDown || config.value != 0xffff'ffff) return failed("with the link down Vendor ID reads {:#010x} ({})", config.value, to_string(config.outcome));
  if (b.first_bar() == nullptr) return passed();
  const Reply memory = b.load(b.first_bar()->address);
  return memory.outcome == Outcome::kLinkDown && memory.value == 0xffff'ffff ? passed() : failed("with the link down memory reads {:#010x} ({})", memory.value, to_string(memory.outcome));
}

Verdict down_silent(Bench& b) {
  if (b.stimulus() == nullptr) return skipped("how to make this device interrupt is not known");
  b.stimulus()->interrupt(b, 0);
  b.link_down();
  for (unsigned line = 0; line < 4; ++line) {
    if (b.intx(line)) return failed("the link is down, and INT{:c} is asserted", 'A' + line);
  }
  return passed();
}

constexpr Rule kResetRules[] = {
    {"flr-command", "reset", "PCIe 6.0 s6.6.2", "FLR clears Command.", nullptr, clears_command<Kind::kFlr>},
    {"flr-bars", "reset", "PCIe 6.0 s6.6.2", "FLR resets the BARs.", nullptr, clears_bars<Kind::kFlr>},
    {"flr-msi", "reset", "PCIe 6.0 s6.6.2", "FLR disables MSI.", nullptr, clears_msi<Kind::kFlr>},
    {"flr-msix", "reset", "PCIe 6.0 s6.6.2", "FLR disables MSI-X, masks every vector and drops what is pending.", nullptr,
     clears_msix<Kind::kFlr>},
    {"flr-intx", "reset", "PCIe 6.0 s6.6.2", "FLR deasserts INTx.", nullptr, drops_intx<Kind::kFlr>},
    {"flr-identity", "reset", "PCIe 6.0 s6.6.2", "FLR keeps the identity.", nullptr, keeps_identity<Kind::kFlr>},
    {"flr-keeps-payload", "reset", "PCIe 6.0 s6.6.2", "FLR keeps Max_Payload_Size.", nullptr, flr_keeps_payload},
    {"flr-ready", "reset", "PCIe 6.0 s2.3.1", "After FLR the function answers RRS until it is ready.", nullptr,
     ready_in_time<Kind::kFlr>},
    {"hot-reset-command", "reset", "PCIe 6.0 s6.6.1", "A hot reset clears Command.", nullptr, clears_command<Kind::kHot>},
    {"hot-reset-bars", "reset", "PCIe 6.0 s6.6.1", "A hot reset resets the BARs.", nullptr, clears_bars<Kind::kHot>},
    {"hot-reset-msi", "reset", "PCIe 6.0 s6.6.1", "A hot reset disables MSI.", nullptr, clears_msi<Kind::kHot>},
    {"hot-reset-msix", "reset", "PCIe 6.0 s6.6.1", "A hot reset disables MSI-X and masks every vector.", nullptr,
     clears_msix<Kind::kHot>},
    {"hot-reset-intx", "reset", "PCIe 6.0 s6.6.1", "A hot reset deasserts INTx.", nullptr, drops_intx<Kind::kHot>},
    {"hot-reset-identity", "reset", "PCIe 6.0 s6.6.1", "A hot reset keeps the identity.", nullptr,
     keeps_identity<Kind::kHot>},
    {"hot-reset-device-control", "reset", "PCIe 6.0 s6.6.1", "A hot reset resets Device Control.", nullptr,
     hot_clears_device_control},
    {"hot-reset-ready", "reset", "PCIe 6.0 s2.3.1", "After a hot reset the function answers RRS until it is ready.",
     nullptr, ready_in_time<Kind::kHot>},
    {"link-down-all-ones", "reset", "PCIe 6.0 s2.9.1", "With the link down reads are all-ones.", nullptr, down_all_ones},
    {"link-down-intx", "reset", "PCIe 6.0 s2.2.8.1", "A link that goes down takes INTx with it.", nullptr, down_silent},
    {"link-down-command", "reset", "PCIe 6.0 s2.9.1", "A function whose link was lost comes back reset.", nullptr,
     clears_command<Kind::kLink>},
};

}  // namespace

std::span<const Rule> power_rules() { return kPowerRules; }
std::span<const Rule> reset_rules() { return kResetRules; }

}  // namespace dartboard::conformance
