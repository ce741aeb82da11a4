// tests/conformance/planted_bugs.cpp - bugs that PCIe models had, or have, each with the rule that is there for it.
//
// Sources: VCML (machineware-gmbh/vcml) fixed nine in December 2025, #147 to #151 and #153 to #156, after up to 20 months;
// those without a fix were found by reading VCML, gem5 (src/dev/pci), Xilinx pcie-model (libpcie) and libsystemctlm-soc,
// and alexforencich/cocotbext-pcie.
#include "tests/conformance/buggy_endpoint.h"

namespace dartboard::conformance::test {
namespace {

using model::Outcome;
using model::ResetKind;
namespace cfg = model::cfg;
namespace aer = model::aer;
namespace msi = model::msi;
namespace msix = model::msix;
namespace pcie = model::pcie;
namespace pm = model::pm;
using D = BuggyEndpoint;
using R = Request;

constexpr uint32_t kVectors = 32;

uint64_t table(D& d) { return d.bar(model::kTestMsixBar); }
uint64_t pba(D& d) { return table(d) + model::kTestMsixPbaOffset; }
bool in_table(D& d, const R& r) { return r.address() >= table(d) && r.address() < table(d) + kVectors * 16; }
bool in_pba(D& d, const R& r) { return r.address() >= pba(d) && r.address() < pba(d) + 8; }
bool is_message(const R& r) { return r.kind() == model::TlpKind::kMemWrite && r.length() == 4; }

/// Reads of the register at `offset` give `value`.
auto reads_as(uint32_t offset, unsigned bytes, uint32_t value) {
  return [=](D&, R& r) {
    if (r.reads_config()) r.overlay(offset, bytes, value);
  };
}

/// A register of plain storage over the real one: slot 0 of the scratch, valid when slot 1 is set.
bool store_plain(D& d, R& r, uint32_t offset, unsigned bytes) {
  if (!r.writes_config()) return false;
  bool hit = false;
  for (unsigned i = 0; i < bytes; ++i) hit = hit || r.touches(offset + i);
  if (!hit) return false;
  d.memory[0] = r.merged(offset, bytes, d.memory[1] != 0 ? d.memory[0] : d.config(offset, bytes));
  d.memory[1] = 1;
  return false;
}
auto plain_before(uint32_t offset, unsigned bytes) {
  return [=](D& d, R& r) { return store_plain(d, r, offset, bytes); };
}
auto plain_after(uint32_t offset, unsigned bytes) {
  return [=](D& d, R& r) {
    if (r.reads_config() && d.memory[1] != 0) r.overlay(offset, bytes, static_cast<uint32_t>(d.memory[0]));
  };
}

/// Command reads as written, but the endpoint gets it with `set` and without `clear`.
auto command_before(uint16_t set, uint16_t clear) {
  return [=](D& d, R& r) {
    if (!r.writes_config() || !(r.touches(cfg::kCommand) || r.touches(cfg::kCommand + 1))) return false;
    const auto seen = static_cast<uint16_t>(r.merged(cfg::kCommand, 2, d.memory[0]));
    d.memory[0] = seen & 0x0547;
    d.set_config(cfg::kCommand, (seen | set) & ~uint32_t{clear}, 2);
    complete(r.payload, &r.extension, Outcome::kSuccess);
    return true;
  };
}
auto command_after() {
  return [](D& d, R& r) {
    if (r.reads_config()) r.overlay(cfg::kCommand, 2, static_cast<uint32_t>(d.memory[0]));
  };
}
bool forget_command(D& d, ResetKind) {
  d.memory[0] = 0;
  return true;
}

bool writes_flr(D& d, const R& r) {
  const uint32_t at = d.capability(pcie::kId) + pcie::kDeviceControl;
  return r.writes_config() && r.touches(at + 1) && (r.merged(at, 2, 0) & pcie::kInitiateFlr) != 0;
}

std::vector<Bug> make() {
  std::vector<Bug> bugs;
  const auto add = [&bugs](Bug bug) { bugs.push_back(std::move(bug)); };

  // VCML, fixed in December 2025 ----------------------------------------------------------------------------------------
  add({.id = "pba-read-writes", .what = "a read of the PBA takes the write path and returns what was in the buffer",
       .source = "VCML #154", .rule = "msix-pba-read",
       .before = [](D& d, R& r) {
         if (!r.reads_memory() || !in_pba(d, r)) return false;
         d.store(table(d) + model::msix_entry::kData, 0xa5);
         r.answer_value(0xa5a5'a5a5);
         return true;
       }});
  add({.id = "msix-table-offset-ignored", .what = "the table is served at offset 0 of its BAR, whatever the register says",
       .source = "VCML #155", .rule = "msix-table-dword",
       .after = [](D& d, R& r) {
         if (r.reads_config()) r.overlay(d.capability(msix::kId) + msix::kTable, 4, 0x400 | model::kTestMsixBar);
       }});
  add({.id = "msix-table-out-of-bounds", .what = "a read past the table returns memory behind it",
       .source = "VCML #148", .rule = "msix-table-end",
       .before = [](D& d, R& r) {
         const uint64_t end = table(d) + kVectors * 16;
         if (!r.reads_memory() || r.address() < end || r.address() >= end + 16) return false;
         r.answer_value(d.load(table(d) + r.address() - end));
         return true;
       }});
  add({.id = "bar-unimplemented-bits", .what = "a BAR that is not implemented keeps what is written to it",
       .source = "VCML #149", .rule = "bar-unimplemented", .before = plain_before(cfg::kBar0 + 4, 4),
       .after = plain_after(cfg::kBar0 + 4, 4)});
  add({.id = "latency-timer-rw", .what = "Latency Timer can be written", .source = "VCML #150",
       .rule = "cfg-ro-latency-timer", .before = plain_before(0x0d, 1), .after = plain_after(0x0d, 1)});
  add({.id = "header-type-wrong", .what = "Header Type says bridge", .source = "PCILeech dumps",
       .rule = "cfg-header-type", .after = reads_as(cfg::kHeaderType, 1, 0x01)});
  add({.id = "pm-missing", .what = "the Power Management capability is not there", .source = "VCML #153",
       .rule = "cap-power-management",
       .after = [](D& d, R& r) {
         if (r.reads_config()) r.overlay(cfg::kCapabilitiesPointer, 1, d.config(d.capability(pm::kId) + 1, 1));
       }});
  add({.id = "ro-write-refused", .what = "a write to Header Type is an error instead of ignored", .source = "VCML #151",
       .rule = "cfg-ro-write-completes",
       .before = [](D&, R& r) {
         if (!r.writes_config() || !r.touches(cfg::kHeaderType)) return false;
         r.answer(Outcome::kCompleterAbort);
         return true;
       }});
  add({.id = "header-type-rw", .what = "Header Type can be written", .source = "register file without access bits",
       .rule = "cfg-ro-header-type", .before = plain_before(cfg::kHeaderType, 1), .after = plain_after(cfg::kHeaderType, 1)});

  add({.id = "pcie-missing", .what = "a function with extended configuration space says that it is conventional",
       .source = "VCML #147", .rule = "cap-extended-needs-pcie",
       .after = [](D& d, R& r) {
         if (r.reads_config()) r.overlay(d.capability(msi::kId) + 1, 1, d.config(d.capability(pcie::kId) + 1, 1));
       }});
  add({.id = "pba-range-short", .what = "the last dword of the PBA does not belong to it", .source = "VCML #156",
       .rule = "msix-pba-read",
       .before = [](D& d, R& r) {
         if (!r.reads_memory() || !in_pba(d, r) || r.address() + r.length() < pba(d) + 8) return false;
         r.answer(Outcome::kUnsupportedRequest);
         return true;
       }});

  // VCML, open ------------------------------------------------------------------------------------------------------------
  add({.id = "dma-not-gated", .what = "DMA ignores Bus Master Enable", .source = "VCML, open", .rule = "dma-bus-master",
       .before = command_before(cfg::kCommandBusMaster, 0), .after = command_after(), .reset = forget_command});
  add({.id = "msi-not-gated", .what = "MSI ignores Bus Master Enable", .source = "VCML, open", .rule = "msi-bus-master",
       .before = command_before(cfg::kCommandBusMaster, 0), .after = command_after(), .reset = forget_command});
  add({.id = "msi-gated-by-memory", .what = "MSI is gated by Memory Space Enable", .source = "VCML, open",
       .rule = "msi-without-memory",
       .upstream = [](D& d, R& r) { return !is_message(r) || (d.config(cfg::kCommand, 2) & cfg::kCommandMemory) != 0; }});
  add({.id = "msix-gated-by-memory", .what = "MSI-X is gated by Memory Space Enable", .source = "VCML, open",
       .rule = "msix-without-memory",
       .upstream = [](D& d, R& r) { return !is_message(r) || (d.config(cfg::kCommand, 2) & cfg::kCommandMemory) != 0; }});
  add({.id = "intx-wrong-line", .what = "the interrupt comes out at the wrong line", .source = "VCML, open",
       .rule = "intx-pin", .pin = [](unsigned pin) { return (pin + 1) % 4; }});
  add({.id = "bar-8-gib", .what = "the upper half of an 8 GiB BAR has no size bits, so it looks like 4 GiB",
       .source = "VCML, open", .rule = "bar-decode-outside", .before = plain_before(cfg::kBar0 + 12, 4),
       .after = plain_after(cfg::kBar0 + 12, 4), .options = {.memory_bytes = 8 * kGiB}});
  add({.id = "msix-dword-only", .what = "an 8-byte access to the table is an error", .source = "VCML, open",
       .rule = "msix-table-qword",
       .before = [](D& d, R& r) {
         if (r.length() != 8 || !in_table(d, r)) return false;
         r.answer(Outcome::kCompleterAbort);
         return true;
       }});
  add({.id = "d3-does-nothing", .what = "Power State is stored and has no effect", .source = "VCML", .rule = "pm-d3-memory-off",
       .before = [](D& d, R& r) {
         const uint32_t at = d.capability(pm::kId) + pm::kControlStatus;
         if (!r.writes_config() || !r.touches(at)) return false;
         d.memory[0] = r.merged(at, 1, 0) & 3;
         r.overlay(at, 1, 0);
         return false;
       },
       .after = [](D& d, R& r) {
         const uint32_t at = d.capability(pm::kId) + pm::kControlStatus;
         if (r.reads_config()) r.overlay(at, 1, static_cast<uint32_t>(d.memory[0]));
       }});

  // gem5 ----------------------------------------------------------------------------------------------------------------
  add({.id = "command-8-bit", .what = "a 16-bit write to Command loses its upper byte", .source = "gem5 dev/pci/device.cc",
       .rule = "cfg-command-intx-disable",
       .before = [](D& d, R& r) {
         if (r.writes_config()) r.overlay(cfg::kCommand + 1, 1, d.config(cfg::kCommand + 1, 1));
         return false;
       }});
  add({.id = "absent-function-answers", .what = "a function that is not there reads as zeros", .source = "gem5 dev/pci/host.cc",
       .rule = "cfg-absent-function",
       .before = [](D&, R& r) {
         if (!r.reads_config() || r.extension.completer.function() == 0) return false;
         r.answer_value(0);
         return true;
       }});
  add({.id = "no-extended-space", .what = "configuration space ends at 256 bytes", .source = "gem5 dev/pci/device.cc",
       .rule = "cfg-unimplemented-completes",
       .before = [](D&, R& r) {
         if (!is_config(r.kind()) || r.address() < 0x100) return false;
         r.answer(Outcome::kUnsupportedRequest);
         return true;
       }});

  // Xilinx pcie-model and libsystemctlm-soc ---------------------------------------------------------------------------------
  add({.id = "flr-keeps-bars", .what = "FLR clears Command only: the BARs survive", .source = "pcie-model libpcie, pcie_do_flr",
       .rule = "flr-bars",
       .before = [](D& d, R& r) {
         if (!writes_flr(d, r)) return false;
         std::array<uint32_t, 6> bars{};
         for (unsigned i = 0; i < 6; ++i) bars.at(i) = d.config(cfg::kBar0 + 4 * i);
         d.forward(r);
         for (unsigned i = 0; i < 6; ++i) d.set_config(cfg::kBar0 + 4 * i, bars.at(i));
         return true;
       }});
  add({.id = "flr-keeps-msix", .what = "MSI-X survives FLR", .source = "pcie-model libpcie, pcie_do_flr", .rule = "flr-msix",
       .before = [](D& d, R& r) {
         if (!writes_flr(d, r)) return false;
         const uint32_t at = d.capability(msix::kId) + msix::kControl;
         const uint32_t control = d.config(at, 2);
         d.forward(r);
         d.set_config(at, control, 2);
         return true;
       }});
  add({.id = "pba-location-is-table", .what = "the PBA register is read from the table's",
       .source = "pcie-model pf-config.h, GetPBABIR", .rule = "msix-no-overlap",
       .after = [](D& d, R& r) {
         const uint32_t at = d.capability(msix::kId);
         if (r.reads_config()) r.overlay(at + msix::kPba, 4, d.config(at + msix::kTable));
       }});
  add({.id = "w1c-clears-all", .what = "any write to a register clears all its write-one-to-clear bits",
       .source = "libsystemctlm-soc regapi.h", .rule = "pcie-device-status-rw1c",
       .before = [](D& d, R& r) {
         const uint32_t at = d.capability(pcie::kId) + pcie::kDeviceStatus;
         if (r.writes_config()) r.overlay(at, 2, 0xf);
         return false;
       }});
  add({.id = "type1-accepted", .what = "a type 1 request is taken for type 0", .source = "libsystemctlm-soc tlm2tlp-bridge.h",
       .rule = "cfg-type1",
       .before = [](D&, R& r) {
         if (r.kind() == model::TlpKind::kCfgRead1) r.extension.kind = model::TlpKind::kCfgRead0;
         return false;
       }});
  add({.id = "zero-length-ur", .what = "a read without data is taken for a failure", .source = "pcie-model pseudocore.c",
       .rule = "bar-zero-length-read",
       .before = [](D&, R& r) {
         const unsigned char* enables = r.payload.get_byte_enable_ptr();
         if (!r.reads_memory() || enables == nullptr || enables[0] == TLM_BYTE_ENABLED) return false;
         r.answer(Outcome::kUnsupportedRequest);
         return true;
       }});

  // cocotbext-pcie --------------------------------------------------------------------------------------------------------
  add({.id = "flr-does-nothing", .what = "Initiate FLR has no effect", .source = "cocotbext-pcie caps/pcie.py",
       .rule = "flr-command",
       .before = [](D& d, R& r) {
         if (writes_flr(d, r)) r.overlay(d.capability(pcie::kId) + pcie::kDeviceControl + 1, 1, 0x20);
         return false;
       }});
  add({.id = "msix-mask-ignored", .what = "a message is sent whatever its vector's mask", .source = "cocotbext-pcie caps/msix.py",
       .rule = "msix-vector-mask",
       .before = [](D& d, R& r) {
         if (!r.writes_memory() || !in_table(d, r) || r.length() != 4 || (r.address() - table(d)) % 16 != 12) return false;
         d.memory.at((r.address() - table(d)) / 16) = r.value() & 1;
         r.set_value(0);
         return false;
       },
       .after = [](D& d, R& r) {
         if (r.reads_memory() && in_table(d, r) && r.length() == 4 && (r.address() - table(d)) % 16 == 12) {
           r.set_value(d.memory.at((r.address() - table(d)) / 16));
         }
       }});
  add({.id = "msix-no-pending", .what = "nothing is ever pending", .source = "cocotbext-pcie caps/msix.py", .rule = "msix-pends",
       .after = [](D& d, R& r) {
         if (r.reads_memory() && in_pba(d, r)) r.set_value(0);
       }});
  add({.id = "hot-reset-does-nothing", .what = "a hot reset is stored and has no effect", .source = "cocotbext-pcie bridge.py",
       .rule = "hot-reset-command", .reset = [](D&, ResetKind kind) { return kind != ResetKind::kHotReset; }});
  add({.id = "aer-never-set", .what = "AER is a register file that nothing drives", .source = "cocotbext-pcie caps/aer.py",
       .rule = "aer-unsupported-request",
       .after = [](D& d, R& r) {
         if (r.reads_config()) r.overlay(d.extended(aer::kId) + aer::kUncorrectableStatus, 4, 0);
       }});

  // Others: devices in the field, dumps, and what a script can get wrong ----------------------------------------------------
  add({.id = "capability-loop", .what = "the capability list is a circle", .source = "PCILeech dumps", .rule = "cap-list-valid",
       .after = [](D& d, R& r) {
         if (r.reads_config()) r.overlay(d.capability(model::vendor::kId) + 1, 1, d.capability(pm::kId));
       }});
  add({.id = "extended-loop", .what = "the extended list leads back to itself", .source = "PCILeech dumps",
       .rule = "cap-extended-valid",
       .after = [](D& d, R& r) {
         const uint32_t at = d.extended(model::serial::kId);
         if (r.reads_config()) r.overlay(at, 4, (d.config(at) & 0xf'ffff) | 0x100u << 20);
       }});
  add({.id = "config-lies", .what = "the Device ID is another one at each read", .source = "hostile device", .rule = "cfg-stable",
       .after = [](D& d, R& r) {
         if (r.reads_config() && r.touches(cfg::kDeviceId)) r.overlay(cfg::kDeviceId, 2, static_cast<uint32_t>(++d.memory[0] & 0xff));
       }});
  add({.id = "vendor-writable", .what = "Vendor ID can be written", .source = "register file without access bits",
       .rule = "cfg-ro-vendor", .before = plain_before(cfg::kVendorId, 2), .after = plain_after(cfg::kVendorId, 2)});
  add({.id = "byte-enables-ignored", .what = "a configuration write writes disabled bytes too", .source = "dword-only register file",
       .rule = "cfg-byte-enables",
       .before = [](D&, R& r) {
         if (r.writes_config()) r.payload.set_byte_enable_ptr(nullptr);
         return false;
       }});
  add({.id = "bar-type-writable", .what = "the type bits of a BAR can be written", .source = "register file without access bits",
       .rule = "bar-low-bits", .before = plain_before(cfg::kBar0, 1), .after = plain_after(cfg::kBar0, 1)});
  add({.id = "bar-reserved-type", .what = "a BAR has the reserved type 1", .source = "PCILeech dumps", .rule = "bar-type-bits",
       .after = [](D& d, R& r) {
         if (r.reads_config()) r.overlay(cfg::kBar0, 1, d.config(cfg::kBar0, 1) | 2);
       }});
  add({.id = "memory-not-gated", .what = "BARs answer while Memory Space Enable is off", .source = "recorded devices",
       .rule = "bar-memory-enable", .before = command_before(cfg::kCommandMemory, 0), .after = command_after(),
       .reset = forget_command});
  add({.id = "command-clears-status", .what = "a write to Command clears Status", .source = "dword-only register file",
       .rule = "cfg-status-untouched",
       .before = [](D& d, R& r) {
         if (r.writes_config() && r.touches(cfg::kCommand)) d.set_config(cfg::kStatus, 0xffff, 2);
         return false;
       }});
  add({.id = "function-mask-ignored", .what = "Function Mask is stored and has no effect", .source = "cocotbext-pcie caps/msix.py",
       .rule = "msix-function-mask",
       .before = [](D& d, R& r) {
         const uint32_t at = d.capability(msix::kId) + msix::kControl;
         if (!r.writes_config() || !r.touches(at + 1)) return false;
         r.overlay(at + 1, 1, r.merged(at + 1, 1, 0) & 0x80);
         return false;
       }});
  add({.id = "message-twice", .what = "every message is sent twice", .source = "level taken for an edge", .rule = "msix-send",
       .upstream = [](D& d, R& r) {
         if (is_message(r)) {
           sc_core::sc_time delay;
           d.above()->b_transport(r.payload, delay);
         }
         return true;
       }});
  add({.id = "message-address-32", .what = "the upper half of a message's address is lost", .source = "32-bit data path",
       .rule = "msix-upper-address",
       .upstream = [](D&, R& r) {
         if (is_message(r)) r.payload.set_address(r.address() & 0xffff'ffff);
         return true;
       }});
  add({.id = "msi-vector-lost", .what = "all vectors send the same data", .source = "MSI without multiple messages",
       .rule = "msi-multiple",
       .upstream = [](D&, R& r) {
         if (is_message(r)) r.set_value(r.value() & ~uint64_t{3});
         return true;
       }});
  add({.id = "requester-id-zero", .what = "requests come from 00:00.0", .source = "libsystemctlm-soc requester defaults",
       .rule = "dma-requester-id",
       .upstream = [](D&, R& r) {
         r.extension.requester = Rid();
         return true;
       }});
  add({.id = "intx-disable-ignored", .what = "Interrupt Disable is stored and has no effect", .source = "gem5 dev/pci/device.cc",
       .rule = "intx-disable", .before = command_before(0, cfg::kCommandIntxDisable), .after = command_after(),
       .reset = forget_command});
  add({.id = "intx-status-missing", .what = "Interrupt Status is always 0", .source = "cocotbext-pcie function.py",
       .rule = "intx-status",
       .after = [](D& d, R& r) {
         if (r.reads_config()) r.overlay(cfg::kStatus, 2, d.config(cfg::kStatus, 2) & ~uint32_t{cfg::kStatusInterrupt});
       }});
  add({.id = "intx-beside-msi", .what = "INTx is asserted although MSI is enabled", .source = "two interrupt paths",
       .rule = "intx-off-with-messages",
       .upstream = [](D& d, R& r) {
         if (is_message(r)) d.above()->set_intx(0, true);
         return true;
       }});
  add({.id = "flr-resets-payload", .what = "FLR resets Max_Payload_Size", .source = "reset of the whole register file",
       .rule = "flr-keeps-payload",
       .before = [](D& d, R& r) {
         if (!writes_flr(d, r)) return false;
         d.forward(r);
         d.set_config(d.capability(pcie::kId) + pcie::kDeviceControl, 0x2810, 2);
         return true;
       }});
  add({.id = "aer-not-sticky", .what = "a hot reset clears the error status", .source = "reset of the whole register file",
       .rule = "aer-sticky",
       .reset = [](D& d, ResetKind kind) {
         if (kind == ResetKind::kHotReset) d.set_config(d.extended(aer::kId) + aer::kUncorrectableStatus, 0xffff'ffff);
         return true;
       }});
  add({.id = "header-log-last", .what = "the header log holds the last error instead of the first", .source = "AER without First Error Pointer",
       .rule = "aer-first-error",
       .before = [](D& d, R& r) {
         if (r.writes_memory()) d.set_config(d.extended(aer::kId) + aer::kUncorrectableStatus, 0xffff'ffff);
         return false;
       }});
  add({.id = "no-rrs", .what = "a function that is not ready answers UR", .source = "Arm bsa-acs #194",
       .rule = "hot-reset-ready",
       .after = [](D&, R& r) {
         if (r.extension.outcome == Outcome::kRequestRetry) r.answer(Outcome::kUnsupportedRequest);
       },
       .options = {.reset_ready_ns = 5'000'000}});
  add({.id = "d3-is-deaf", .what = "in D3hot configuration requests are not answered", .source = "devices that lose power",
       .rule = "pm-d3-config-on",
       .before = [](D& d, R& r) {
         const uint32_t at = d.capability(pm::kId) + pm::kControlStatus;
         if (!r.reads_config() || (d.config(at, 1) & 3) != 3) return false;
         r.answer(Outcome::kUnsupportedRequest);
         return true;
       }});
  add({.id = "d1-accepted", .what = "a power state that is not supported is taken", .source = "PMCSR without support bits",
       .rule = "pm-unsupported-state",
       .before = [](D& d, R& r) {
         const uint32_t at = d.capability(pm::kId) + pm::kControlStatus;
         if (r.writes_config() && r.touches(at)) d.memory[0] = r.merged(at, 1, 0) & 3;
         return false;
       },
       .after = [](D& d, R& r) {
         const uint32_t at = d.capability(pm::kId) + pm::kControlStatus;
         if (r.reads_config()) r.overlay(at, 1, static_cast<uint32_t>(d.memory[0]));
       }});
  add({.id = "msi-lost-on-unmask", .what = "what was pending is dropped when it is unmasked", .source = "mask without pending",
       .rule = "msi-mask",
       .before = [](D& d, R& r) {
         d.memory[0] = r.writes_config() && r.touches(d.capability(msi::kId) + msi::kMask) ? 1 : 0;
         return false;
       },
       .upstream = [](D& d, R&) { return d.memory[0] == 0; }});
  return bugs;
}

}  // namespace

const std::vector<Bug>& planted_bugs() {
  static const std::vector<Bug> bugs = make();
  return bugs;
}

}  // namespace dartboard::conformance::test
