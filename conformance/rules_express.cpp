// conformance/rules_express.cpp - the PCI Express capability, and AER: what an unsupported request leaves behind.
#include "conformance/bench.h"
#include "conformance/rule.h"

namespace dartboard::conformance {
namespace {

using model::Outcome;
namespace cfg = model::cfg;
namespace pcie = model::pcie;
namespace aer = model::aer;

constexpr const char* kNoPcie = "the function has no PCI Express capability";
constexpr const char* kNoAer = "the function has no AER capability";

// The capability ------------------------------------------------------------------------------------------------------

Verdict device_type(Target& t) {
  const uint32_t at = standard_capabilities(t).find(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  const uint32_t capabilities = t.config(at + pcie::kCapabilities, 2);
  const uint32_t type = (capabilities >> 4) & 0xf;
  const uint32_t version = capabilities & 0xf;
  if (version == 0) return failed("the capability has version 0");
  return type == 0 || type == 1 || type == 9 ? passed() : failed("Device/Port Type is {}, which is no endpoint", type);
}

Verdict link_status(Target& t) {
  const uint32_t at = standard_capabilities(t).find(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  if (((t.config(at + pcie::kCapabilities, 2) >> 4) & 0xf) == 9) return skipped("the function has no link");
  const uint32_t most = t.config(at + pcie::kLinkCapabilities, 4);
  const uint32_t now = t.config(at + pcie::kLinkStatus, 2);
  const uint32_t speed = now & 0xf;
  const uint32_t width = (now >> 4) & 0x3f;
  if (speed == 0 || speed > (most & 0xf)) return failed("the link's speed is {}, at most {} is possible", speed, most & 0xf);
  if (width == 0 || width > ((most >> 4) & 0x3f)) return failed("the link's width is {}, at most {} is possible", width, (most >> 4) & 0x3f);
  return passed();
}

Verdict role_based(Target& t) {
  const uint32_t at = standard_capabilities(t).find(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  return (t.config(at + pcie::kDeviceCapabilities, 4) & (1u << 15)) != 0 ? passed()
                                                                          : failed("Role-Based Error Reporting is 0");
}

Verdict payload_defaults(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  const uint16_t control = b.config16(at + pcie::kDeviceControl);
  const unsigned payload = (control >> pcie::kMaxPayloadShift) & 7;
  const unsigned request = (control >> pcie::kMaxReadRequestShift) & 7;
  if (payload != 0) return failed("Max_Payload_Size is {} bytes after power-on; 128 is the default", 128u << payload);
  return request == 2 ? passed() : failed("Max_Read_Request_Size is {} bytes after power-on; 512 is the default", 128u << request);
}

Verdict device_control(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  const uint32_t control = at + pcie::kDeviceControl;
  for (const uint32_t value : {0x000fu, 0x0000u, 0x2020u, 0x500fu}) {
    b.write(control, value, 2);
    const uint16_t now = b.config16(control);
    if ((now & 0x702f) != value) return failed("Device Control is {:#06x} after {:#06x} was written", now, value);
  }
  return passed();
}

Verdict flr_bit(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  if (!b.function_reset()) return skipped("the function has no FLR");
  b.wait_ready();
  const uint16_t control = b.config16(at + pcie::kDeviceControl);
  return (control & pcie::kInitiateFlr) == 0 ? passed() : failed("Initiate FLR reads 1: {:#06x}", control);
}

Verdict capability_ro(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  for (const uint32_t offset : {at + pcie::kDeviceCapabilities, at + pcie::kLinkCapabilities}) {
    const uint32_t before = b.config32(offset);
    b.write(offset, ~before);
    const uint32_t after = b.config32(offset);
    if (after != before) return failed("offset {:#04x} changed from {:#010x} to {:#010x}", offset, before, after);
  }
  const uint16_t before = b.config16(at + pcie::kCapabilities);
  b.write(at + pcie::kCapabilities, ~uint32_t{before}, 2);
  return b.config16(at + pcie::kCapabilities) == before ? passed() : failed("PCI Express Capabilities could be written");
}

Verdict ur_detected(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  b.write(at + pcie::kDeviceStatus, 0xf, 2);
  if ((b.config16(at + pcie::kDeviceStatus) & 0xf) != 0) return failed("error bits of Device Status could not be cleared");
  b.load(b.unclaimed());
  const uint16_t status = b.config16(at + pcie::kDeviceStatus);
  return (status & pcie::kUnsupportedRequestDetected) != 0
             ? passed()
             : failed("the function refused a request, and Device Status is {:#06x}", status);
}

Verdict device_status_rw1c(Bench& b) {
  const uint32_t at = b.capability(pcie::kId);
  if (at == 0) return skipped("{}", kNoPcie);
  const uint32_t status = at + pcie::kDeviceStatus;
  b.store(b.unclaimed(), 0);
  const uint16_t set = b.config16(status);
  const uint16_t both = pcie::kUnsupportedRequestDetected | pcie::kNonFatalDetected;
  if ((set & both) != both) return failed("a posted write was refused, and Device Status is {:#06x}", set);
  b.write(status, 0, 2);
  if (b.config16(status) != set) return failed("writing 0 changed Device Status to {:#06x}", b.config16(status));
  b.write(status, pcie::kNonFatalDetected, 2);
  const uint16_t one = b.config16(status);
  if (one != (set & ~uint32_t{pcie::kNonFatalDetected})) {
    return failed("1 was written to Non-Fatal Error Detected alone: {:#06x} became {:#06x}", set, one);
  }
  b.write(status, pcie::kUnsupportedRequestDetected, 2);
  return (b.config16(status) & both) == 0 ? passed() : failed("Device Status is {:#06x} after its bits were cleared", b.config16(status));
}

// Signaled System Error is the bit of Status that the bench can set by itself.
Verdict status_rw1c(Bench& b) {
  if (!is_pcie(b)) return skipped("{}", kNoPcie);
  b.set_command(cfg::kCommandMemory | cfg::kCommandBusMaster | cfg::kCommandSerr);
  b.store(b.unclaimed(), 0);
  const uint16_t set = b.config16(cfg::kStatus);
  if ((set & cfg::kStatusSignaledSystemError) == 0) return failed("an error was reported with SERR# Enable, and Status is {:#06x}", set);
  b.write(cfg::kStatus, 0, 2);
  if (b.config16(cfg::kStatus) != set) return failed("writing 0 changed Status to {:#06x}", b.config16(cfg::kStatus));
  b.write(cfg::kStatus, cfg::kStatusDetectedParityError, 2);
  if (b.config16(cfg::kStatus) != set) return failed("writing 1 to another bit cleared Signaled System Error");
  b.write(cfg::kStatus, cfg::kStatusSignaledSystemError, 2);
  const uint16_t cleared = b.config16(cfg::kStatus);
  return cleared == (set & ~uint32_t{cfg::kStatusSignaledSystemError}) ? passed() : failed("writing 1 left Status at {:#06x}", cleared);
}

Verdict status_untouched(Bench& b) {
  if (!is_pcie(b)) return skipped("{}", kNoPcie);
  b.set_command(cfg::kCommandMemory | cfg::kCommandSerr);
  b.store(b.unclaimed(), 0);
  b.set_command(cfg::kCommandMemory);
  return (b.config16(cfg::kStatus) & cfg::kStatusSignaledSystemError) != 0
             ? passed()
             : failed("a write to Command cleared a bit of Status");
}

constexpr Rule kExpressRules[] = {
    {"pcie-device-type", "pcie", "PCIe 6.0 s7.5.3.2", "Device/Port Type is an endpoint's.", device_type},
    {"pcie-link-status", "pcie", "PCIe 6.0 s7.5.3.8", "Link speed and width are not 0 and not above the maximum.",
     link_status},
    {"pcie-role-based", "pcie", "PCIe 6.0 s7.5.3.3", "Role-Based Error Reporting is set.", role_based},
    {"pcie-payload-defaults", "pcie", "PCIe 6.0 s7.5.3.4",
     "After power-on Max_Payload_Size is 128 and Max_Read_Request_Size 512 bytes.", nullptr, payload_defaults},
    {"pcie-device-control", "pcie", "PCIe 6.0 s7.5.3.4", "Error enables and sizes in Device Control are read-write.",
     nullptr, device_control},
    {"pcie-flr-bit", "pcie", "PCIe 6.0 s7.5.3.4", "Initiate Function Level Reset reads 0.", nullptr, flr_bit},
    {"pcie-capabilities-ro", "pcie", "PCIe 6.0 s7.5.3.3", "Capability registers cannot be written.", nullptr,
     capability_ro},
    {"pcie-ur-detected", "pcie", "PCIe 6.0 s7.5.3.5", "A refused request sets Unsupported Request Detected.", nullptr,
     ur_detected},
    {"pcie-device-status-rw1c", "pcie", "PCIe 6.0 s7.5.3.5", "Bits of Device Status are cleared by 1, each alone.", nullptr,
     device_status_rw1c},
    {"cfg-status-rw1c", "config", "PCIe 6.0 s7.5.1.1.4", "Bits of Status are cleared by 1, each alone.", nullptr,
     status_rw1c},
    {"cfg-status-untouched", "config", "PCIe 6.0 s7.5.1.1.4", "A 16-bit write to Command leaves Status alone.", nullptr,
     status_untouched},
};

// AER -----------------------------------------------------------------------------------------------------------------

uint32_t clear_errors(Bench& b) {
  const uint32_t at = b.extended(aer::kId);
  if (at == 0) return 0;
  b.write(at + aer::kUncorrectableStatus, 0xffff'ffff);
  b.write(at + aer::kCorrectableStatus, 0xffff'ffff);
  return at;
}

Verdict aer_ur(Bench& b) {
  const uint32_t at = clear_errors(b);
  if (at == 0) return skipped("{}", kNoAer);
  b.store(b.unclaimed(), 0);
  const uint32_t status = b.config32(at + aer::kUncorrectableStatus);
  return status == aer::kUnsupportedRequest ? passed() : failed("a posted write was refused, and Uncorrectable Status is {:#010x}", status);
}

Verdict aer_advisory(Bench& b) {
  const uint32_t at = clear_errors(b);
  if (at == 0) return skipped("{}", kNoAer);
  b.load(b.unclaimed());
  const uint32_t status = b.config32(at + aer::kCorrectableStatus);
  return (status & aer::kAdvisoryNonFatal) != 0 ? passed() : failed("a read was refused, and Correctable Status is {:#010x}", status);
}

Verdict aer_log(Bench& b) {
  const uint32_t at = clear_errors(b);
  if (at == 0) return skipped("{}", kNoAer);
  b.store(b.unclaimed() + 0x40, 0);
  // A 3-dword header of a memory write: fmt and type in the first dword, the address in the third.
  const uint32_t first = b.config32(at + aer::kHeaderLog);
  const uint32_t third = b.config32(at + aer::kHeaderLog + 8);
  if ((first & 0xff00'0000) != 0x4000'0000 || (first & 0x3ff) != 1) return failed("the header log begins with {:#010x}; the request was a memory write of one dword", first);
  if ((third & ~3u) != b.unclaimed() + 0x40) return failed("the logged address is {:#010x}; it was {:#010x}", third, b.unclaimed() + 0x40);
  const uint32_t pointer = b.config32(at + aer::kControl) & aer::kFirstErrorPointerMask;
  return pointer == 20 ? passed() : failed("First Error Pointer is {}; Unsupported Request is bit 20", pointer);
}

Verdict aer_first(Bench& b) {
  const uint32_t at = clear_errors(b);
  if (at == 0) return skipped("{}", kNoAer);
  b.store(b.unclaimed() + 0x40, 0);
  b.store(b.unclaimed() + 0x80, 0);
  const uint32_t kept = b.config32(at + aer::kHeaderLog + 8) & ~3u;
  if (kept != b.unclaimed() + 0x40) return failed("a second error replaced the header log: {:#010x}", kept);
  clear_errors(b);
  b.store(b.unclaimed() + 0x80, 0);
  const uint32_t next = b.config32(at + aer::kHeaderLog + 8) & ~3u;
  return next == b.unclaimed() + 0x80 ? passed() : failed("after the status was cleared the next error was not logged: {:#010x}", next);
}

Verdict aer_rw1c(Bench& b) {
  const uint32_t at = clear_errors(b);
  if (at == 0) return skipped("{}", kNoAer);
  b.store(b.unclaimed(), 0);
  for (const uint32_t value : {0u, ~aer::kUnsupportedRequest}) {
    b.write(at + aer::kUncorrectableStatus, value);
    if ((b.config32(at + aer::kUncorrectableStatus) & aer::kUnsupportedRequest) == 0) return failed("writing {:#010x} cleared Unsupported Request Error", value);
  }
  b.write(at + aer::kUncorrectableStatus, aer::kUnsupportedRequest);
  const uint32_t now = b.config32(at + aer::kUncorrectableStatus);
  return now == 0 ? passed() : failed("writing 1 left Uncorrectable Status at {:#010x}", now);
}

Verdict aer_severity(Bench& b) {
  const uint32_t at = b.extended(aer::kId);
  if (at == 0) return skipped("{}", kNoAer);
  const uint32_t severity = b.config32(at + aer::kUncorrectableSeverity);
  // Data link protocol, surprise down, flow control, overflow and malformed are fatal by default (s7.8.4.4).
  if ((severity & 0x0007'0010) != 0x0006'0010 || (severity & aer::kUnsupportedRequest) != 0) return failed("Uncorrectable Severity is {:#010x} after power-on", severity);
  b.write(at + aer::kUncorrectableSeverity, severity | aer::kUnsupportedRequest);
  return (b.config32(at + aer::kUncorrectableSeverity) & aer::kUnsupportedRequest) != 0 ? passed() : failed("Uncorrectable Severity cannot be written");
}

Verdict aer_mask(Bench& b) {
  const uint32_t at = clear_errors(b);
  if (at == 0) return skipped("{}", kNoAer);
  const uint32_t log = b.config32(at + aer::kHeaderLog + 8);
  b.write(at + aer::kUncorrectableMask, aer::kUnsupportedRequest);
  b.store(b.unclaimed() + 0x40, 0);
  if ((b.config32(at + aer::kUncorrectableStatus) & aer::kUnsupportedRequest) == 0) return failed("a masked error does not set its status bit");
  return b.config32(at + aer::kHeaderLog + 8) == log ? passed() : failed("a masked error changed the header log");
}

/// What the root port heard of the last error.
uint32_t root_status(Bench& b, uint32_t root_aer) { return b.root_config(root_aer + aer::kRootStatus, 4); }

uint32_t find_root_aer(Bench& b) {
  uint32_t at = 0x100;
  for (unsigned i = 0; i < 64 && at != 0; ++i) {
    const uint32_t header = b.root_config(at, 4);
    if ((header & 0xffff) == aer::kId) return at;
    at = header >> 20;
  }
  return 0;
}

Verdict aer_message(Bench& b) {
  const uint32_t at = clear_errors(b);
  const uint32_t pcie_at = b.capability(pcie::kId);
  const uint32_t root = find_root_aer(b);
  if (at == 0 || pcie_at == 0 || root == 0) return skipped("{}", kNoAer);
  b.root_write(root + aer::kRootStatus, 0xffff'ffff, 4);
  b.write(pcie_at + pcie::kDeviceControl, b.config16(pcie_at + pcie::kDeviceControl) & ~0xfu, 2);
  b.store(b.unclaimed(), 0);
  if ((root_status(b, root) & 0x7f) != 0) return failed("error reporting is off, and a message reached the root port: {:#x}", root_status(b, root));
  clear_errors(b);
  b.write(pcie_at + pcie::kDeviceControl, b.config16(pcie_at + pcie::kDeviceControl) | pcie::kReportNonFatal | pcie::kReportUnsupported, 2);
  b.store(b.unclaimed(), 0);
  if ((root_status(b, root) & aer::kNonFatalReceived) == 0) return failed("no ERR_NONFATAL reached the root port: {:#x}", root_status(b, root));
  const uint32_t source = b.root_config(root + aer::kErrorSource, 4) >> 16;
  return source == Rid(b.bus(), 0, 0).value ? passed() : failed("the message came from {:#06x}", source);
}

Verdict aer_sticky(Bench& b) {
  const uint32_t at = clear_errors(b);
  if (at == 0) return skipped("{}", kNoAer);
  b.store(b.unclaimed() + 0x40, 0);
  const uint32_t log = b.config32(at + aer::kHeaderLog + 8);
  b.hot_reset();
  b.wait_ready();
  const uint32_t status = b.config32(at + aer::kUncorrectableStatus);
  if ((status & aer::kUnsupportedRequest) == 0) return failed("a hot reset cleared Uncorrectable Status");
  return b.config32(at + aer::kHeaderLog + 8) == log ? passed() : failed("a hot reset changed the header log");
}

constexpr Rule kErrorRules[] = {
    {"aer-unsupported-request", "aer", "PCIe 6.0 s7.8.4.2", "A refused posted request sets Unsupported Request Error.",
     nullptr, aer_ur},
    {"aer-advisory", "aer", "PCIe 6.0 s6.2.3.2.4.1", "A refused read is an advisory error of its completer.", nullptr,
     aer_advisory},
    {"aer-header-log", "aer", "PCIe 6.0 s7.8.4.8", "The header log holds the request, and the pointer names the error.",
     nullptr, aer_log},
    {"aer-first-error", "aer", "PCIe 6.0 s6.2.4.2", "The header log keeps the first error until its status is cleared.",
     nullptr, aer_first},
    {"aer-rw1c", "aer", "PCIe 6.0 s7.8.4.2", "Bits of Uncorrectable Status are cleared by 1, each alone.", nullptr,
     aer_rw1c},
    {"aer-severity", "aer", "PCIe 6.0 s7.8.4.4", "Severity has its defaults and can be written.", nullptr, aer_severity},
    {"aer-mask", "aer", "PCIe 6.0 s6.2.3.2.1", "A masked error sets its status and logs no header.", nullptr, aer_mask},
    {"aer-message", "aer", "PCIe 6.0 s6.2.5", "An error is reported to the root port if Device Control says so.", nullptr,
     aer_message},
    {"aer-sticky", "aer", "PCIe 6.0 s7.4", "Error status and header log survive a hot reset.", nullptr, aer_sticky},
};

}  // namespace

std::span<const Rule> express_rules() { return kExpressRules; }
std::span<const Rule> error_rules() { return kErrorRules; }

}  // namespace dartboard::conformance
