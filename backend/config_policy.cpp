// backend/config_policy.cpp - THE TABLE, first 256 bytes: every register a guest can reach, and why it is so.
//
// Section numbers are those of PCI Express Base 6.0 unless another source is named.
#include "backend/config_policy.h"

namespace dartboard::backend {

namespace {

constexpr Row bar_row(uint16_t offset, const char* field) {
  return {.offset = offset,
          .width = 4,
          .shadowed = 0xffffffff,
          .writable = 0xffffffff,
          .hook = Hook::kBar,
          .field = field,
          .reason =
              "macOS assigned the real address; the guest's is its own. Size and type from GetBARInfo: a "
              "config read through the dext returns type bits only",
          .source = "s7.5.1.2.1; IOPCIDevice.cpp GetBARInfo"};
}

constexpr Row kHeader[] = {
    {.offset = 0x00,
     .width = 4,
     .field = "Vendor ID, Device ID",
     .reason = "read-only identity",
     .source = "s7.5.1.1.1"},
    {.offset = 0x04,
     .width = 2,
     .shadowed = 0xffff,
     .writable = 0x0547,
     .forwarded = 0x0006,
     .initial = 0,
     .hook = Hook::kCommand,
     .field = "Command",
     .reason = "The guest's view starts at its reset value whatever Claim set. Memory and bus master are the guest's "
               "decisions and reach the device, byte-wise. I/O space cannot be reached on Apple silicon; parity and "
               "SERR# steer error messages the host must handle; INTx on the wire is off (the dext uses MSI-X or MSI), "
               "so INTx disable gates our own delivery",
     .source = "s7.5.1.1.3; IOPCIDevice.cpp ConfigureInterrupts"},
    {.offset = 0x06,
     .width = 2,
     .shadowed = 0x0010,
     .field = "Status",
     .reason = "RW1C error bits are the host's to clear: swallowed. Capabilities List follows what we show",
     .source = "s7.5.1.1.4"},
    {.offset = 0x08,
     .width = 4,
     .field = "Revision ID, Class Code",
     .reason = "read-only identity",
     .source = "s7.5.1.1.5"},
    {.offset = 0x0c,
     .width = 1,
     .shadowed = 0xff,
     .writable = 0xff,
     .field = "Cache Line Size",
     .reason = "no effect in PCI Express; kept for legacy software",
     .source = "s7.5.1.1.7"},
    {.offset = 0x0d, .width = 1, .field = "Latency Timer", .reason = "hardwired to zero", .source = "s7.5.1.1.8"},
    {.offset = 0x0e,
     .width = 1,
     .shadowed = 0xff,
     .device_bits = 0x7f,
     .field = "Header Type",
     .reason = "one function is passed through: whether its slot has more is the VMM's to say",
     .source = "s7.5.1.1.9"},
    {.offset = 0x0f,
     .width = 1,
     .shadowed = 0xff,
     .field = "BIST",
     .reason = "a self-test takes the device away from the host for up to 2 s: reads as not capable",
     .source = "s7.5.1.1.10"},
    bar_row(0x10, "BAR0"),
    bar_row(0x14, "BAR1"),
    bar_row(0x18, "BAR2"),
    bar_row(0x1c, "BAR3"),
    bar_row(0x20, "BAR4"),
    bar_row(0x24, "BAR5"),
    {.offset = 0x28, .width = 4, .field = "Cardbus CIS Pointer", .reason = "read-only", .source = "s7.5.1.2.2"},
    {.offset = 0x2c, .width = 4, .field = "Subsystem IDs", .reason = "read-only identity", .source = "s7.5.1.2.3"},
    {.offset = 0x30,
     .width = 4,
     .shadowed = 0xffffffff,
     .field = "Expansion ROM BAR",
     .reason = "region 6 has size 0: the host maps ROMs of display devices only",
     .source = "IOPCIConfigurator.cpp"},
    {.offset = 0x34,
     .width = 1,
     .shadowed = 0xff,
     .field = "Capabilities Pointer",
     .reason = "start of the list as we show it",
     .source = "s7.5.1.1.11"},
    {.offset = 0x3c,
     .width = 1,
     .shadowed = 0xff,
     .writable = 0xff,
     .field = "Interrupt Line",
     .reason = "the guest firmware's notebook",
     .source = "s7.5.1.1.12"},
    {.offset = 0x3d,
     .width = 1,
     .shadowed = 0xff,
     .device_bits = 0xff,
     .field = "Interrupt Pin",
     .reason = "zero when no vector could be had, because INTx is made from vector 0",
     .source = "s7.5.1.1.13"},
    {.offset = 0x3e, .width = 2, .field = "Min_Gnt, Max_Lat", .reason = "hardwired to zero", .source = "s7.5.1.2.5"},
};

constexpr Row kPowerManagement[] = {
    {.offset = 0x02,
     .width = 2,
     .shadowed = 0xfe00,
     .field = "PM Capabilities",
     .reason = "no PME (wake is the host's) and no D1, D2: only states we can play",
     .source = "s7.5.2.1"},
    {.offset = 0x04,
     .width = 2,
     .shadowed = 0x810b,
     .writable = 0x0003,
     .initial = 0x0008,
     .hook = Hook::kPowerState,
     .field = "PM Control/Status",
     .reason = "The device stays in D0: macOS owns power, and a D3hot it does not know of would reset BARs and Command "
               "behind its back. No_Soft_Reset says so to the guest. PME is off, its status swallowed",
     .source = "s7.5.2.2, s5.3.1.4"},
};

constexpr Row kVpd[] = {
    {.offset = 0x02,
     .width = 2,
     .forwarded = 0xffff,
     .field = "VPD Address",
     .reason = "the device's own storage; macOS does not use it while the device is open",
     .source = "s6.27; PCI 3.0 appendix I"},
    {.offset = 0x04, .width = 4, .forwarded = 0xffffffff, .field = "VPD Data", .reason = "as above", .source = "s6.27"},
};

constexpr const char* kMsiReason = "macOS owns enable, address and data: the doorbell is the host's. Never forwarded";
constexpr const char* kMsiSource = "s7.7.1; IOPCIDevice.cpp ConfigureInterrupts";

constexpr Row msi_control() {
  return {.offset = 0x02,
          .width = 2,
          .shadowed = 0xffff,
          .writable = 0x0071,
          .device_bits = 0x018e,
          .field = "MSI Message Control",
          .reason = kMsiReason,
          .source = kMsiSource};
}
constexpr Row msi_word(uint16_t offset, uint8_t width, uint32_t writable, Hook hook, const char* field) {
  const uint32_t all = width == 2 ? 0xffffu : 0xffffffffu;
  return {.offset = offset,
          .width = width,
          .shadowed = all,
          .writable = writable,
          .hook = hook,
          .field = field,
          .reason = kMsiReason,
          .source = kMsiSource};
}
constexpr Row kMsi32[] = {
    msi_control(),
    msi_word(0x04, 4, 0xfffffffc, Hook::kNone, "MSI Address"),
    msi_word(0x08, 2, 0xffff, Hook::kNone, "MSI Data"),
};
constexpr Row kMsi64[] = {
    msi_control(),
    msi_word(0x04, 4, 0xfffffffc, Hook::kNone, "MSI Address"),
    msi_word(0x08, 4, 0xffffffff, Hook::kNone, "MSI Upper Address"),
    msi_word(0x0c, 2, 0xffff, Hook::kNone, "MSI Data"),
};
constexpr Row kMsi32Masked[] = {
    msi_control(),
    msi_word(0x04, 4, 0xfffffffc, Hook::kNone, "MSI Address"),
    msi_word(0x08, 2, 0xffff, Hook::kNone, "MSI Data"),
    msi_word(0x0a, 2, 0, Hook::kNone, "MSI Extended Data"),
    msi_word(0x0c, 4, 0xffffffff, Hook::kMsiMask, "MSI Mask Bits"),
    msi_word(0x10, 4, 0, Hook::kMsiPending, "MSI Pending Bits"),
};
constexpr Row kMsi64Masked[] = {
    msi_control(),
    msi_word(0x04, 4, 0xfffffffc, Hook::kNone, "MSI Address"),
    msi_word(0x08, 4, 0xffffffff, Hook::kNone, "MSI Upper Address"),
    msi_word(0x0c, 2, 0xffff, Hook::kNone, "MSI Data"),
    msi_word(0x0e, 2, 0, Hook::kNone, "MSI Extended Data"),
    msi_word(0x10, 4, 0xffffffff, Hook::kMsiMask, "MSI Mask Bits"),
    msi_word(0x14, 4, 0, Hook::kMsiPending, "MSI Pending Bits"),
};

constexpr Row kMsix[] = {
    {.offset = 0x02,
     .width = 2,
     .shadowed = 0xffff,
     .writable = 0xc000,
     .device_bits = 0x07ff,
     .hook = Hook::kMsixControl,
     .field = "MSI-X Message Control",
     .reason = "macOS owns enable and function mask; Table Size shrinks to the vectors we got",
     .source = "s7.7.2.2"},
    {.offset = 0x04,
     .width = 4,
     .shadowed = 0xffffffff,
     .device_bits = 0xffffffff,
     .field = "MSI-X Table",
     .reason = "fixed at open: the hole in the BAR depends on it",
     .source = "s7.7.2.3"},
    {.offset = 0x08,
     .width = 4,
     .shadowed = 0xffffffff,
     .device_bits = 0xffffffff,
     .field = "MSI-X PBA",
     .reason = "fixed at open: the hole in the BAR depends on it",
     .source = "s7.7.2.4"},
};

constexpr Row kExpress[] = {
    {.offset = 0x02, .width = 2, .field = "PCIe Capabilities", .reason = "read-only", .source = "s7.5.3.2"},
    {.offset = 0x04, .width = 4, .field = "Device Capabilities", .reason = "read-only", .source = "s7.5.3.3"},
    {.offset = 0x08,
     .width = 2,
     .shadowed = 0xffff,
     .writable = 0x7dff,
     .initial = 0x2810,
     .hook = Hook::kDeviceControl,
     .field = "Device Control",
     .reason = "MPS and MRRS belong to the whole path and a wrong one ends in completion timeouts; error reporting is "
               "the host's. Starts at the specification's defaults. Initiate FLR becomes the reset ladder; phantom "
               "functions cannot be translated by requester id",
     .source = "s7.5.3.4; IOPCIBridge.cpp configWriteFilter"},
    {.offset = 0x0a,
     .width = 2,
     .field = "Device Status",
     .reason = "RW1C error bits are the host's: swallowed",
     .source = "s7.5.3.5"},
    {.offset = 0x0c, .width = 4, .field = "Link Capabilities", .reason = "read-only", .source = "s7.5.3.6"},
    {.offset = 0x10,
     .width = 2,
     .field = "Link Control",
     .reason = "ASPM, retrain and clocking belong to both ends of the link: the true state is shown, writes swallowed",
     .source = "s7.5.3.7; IOPCIDevice.cpp SetASPMState"},
    {.offset = 0x12, .width = 2, .field = "Link Status", .reason = "read-only to the guest", .source = "s7.5.3.8"},
    {.offset = 0x24, .width = 4, .field = "Device Capabilities 2", .reason = "read-only", .source = "s7.5.3.15"},
    {.offset = 0x28,
     .width = 2,
     .shadowed = 0xffff,
     .writable = 0x775f,
     .field = "Device Control 2",
     .reason = "completion timeout, LTR, atomics and OBFF belong to the path; ARI forwarding to a port",
     .source = "s7.5.3.16"},
    {.offset = 0x2a,
     .width = 2,
     .field = "Device Status 2",
     .reason = "RW1C, the host's: swallowed",
     .source = "s7.5.3.17"},
    {.offset = 0x2c, .width = 4, .field = "Link Capabilities 2", .reason = "read-only", .source = "s7.5.3.18"},
    {.offset = 0x30,
     .width = 2,
     .field = "Link Control 2",
     .reason = "target speed is the host's (SetLinkSpeed)",
     .source = "s7.5.3.19"},
    {.offset = 0x32, .width = 2, .field = "Link Status 2", .reason = "read-only to the guest", .source = "s7.5.3.20"},
};

constexpr Row kAdvancedFeatures[] = {
    {.offset = 0x02,
     .width = 2,
     .field = "AF Length, Capabilities",
     .reason = "read-only",
     .source = "PCI AF ECN 2006"},
    {.offset = 0x04,
     .width = 1,
     .shadowed = 0xff,
     .hook = Hook::kAfControl,
     .field = "AF Control",
     .reason = "Initiate FLR becomes the reset ladder; the bit reads zero",
     .source = "PCI AF ECN 2006"},
    {.offset = 0x05, .width = 1, .field = "AF Status", .reason = "read-only", .source = "PCI AF ECN 2006"},
};

constexpr CapabilityPolicy kCapabilities[] = {
    {.id = kCapPowerManagement,
     .name = "Power Management",
     .host_owned = true,
     .bytes = 8,
     .rows = kPowerManagement,
     .reason = "virtual power state",
     .source = "s7.5.2"},
    {.id = 0x03, .name = "Vital Product Data", .bytes = 8, .rows = kVpd, .reason = "forwarded", .source = "s6.27"},
    {.id = kCapMsi, .name = "MSI", .host_owned = true, .reason = kMsiReason, .source = kMsiSource},
    {.id = 0x09,
     .name = "Vendor-Specific",
     .body = Body::kForwarded,
     .reason = "only the guest's driver knows what it means",
     .source = "s7.9.4"},
    {.id = kCapExpress,
     .name = "PCI Express",
     .host_owned = true,
     .bytes = 0x3c,
     .rows = kExpress,
     .reason = "the path belongs to the host",
     .source = "s7.5.3"},
    {.id = kCapMsix,
     .name = "MSI-X",
     .host_owned = true,
     .bytes = 12,
     .rows = kMsix,
     .reason = "macOS owns the table; the guest has a shadow",
     .source = "s7.7.2"},
    {.id = kCapAf,
     .name = "Advanced Features",
     .host_owned = true,
     .bytes = 6,
     .rows = kAdvancedFeatures,
     .reason = "reset by the ladder",
     .source = "PCI AF ECN 2006"},
    {.id = 0x14,
     .name = "Enhanced Allocation",
     .hidden = true,
     .host_owned = true,
     .reason = "it states fixed host addresses",
     .source = "s7.8.5"},
};

}  // namespace

std::span<const Row> header_policy() {
  return kHeader;
}

CapabilityPolicy capability_policy(uint8_t id, uint16_t control) {
  for (const CapabilityPolicy& known : kCapabilities) {
    if (known.id != id) continue;
    CapabilityPolicy policy = known;
    if (id == kCapMsi) {  // s7.7.1: bit 7 64-bit address, bit 8 per-vector masking
      const bool wide = (control & 0x0080) != 0, masked = (control & 0x0100) != 0;
      if (wide)
        policy.rows = masked ? std::span<const Row>(kMsi64Masked) : std::span<const Row>(kMsi64);
      else
        policy.rows = masked ? std::span<const Row>(kMsi32Masked) : std::span<const Row>(kMsi32);
      const Row& last = policy.rows.back();
      policy.bytes = static_cast<uint16_t>(last.offset + last.width);
    } else if (id == kCapExpress && (control & 0xf) < 2) {
      policy.bytes = 0x14;  // version 1 of the structure ends after the link registers of an endpoint
    }
    return policy;
  }
  return {.id = id, .name = "Capability", .reason = "no policy: shown, read-only", .source = "s7.5.1.1.11"};
}

}  // namespace dartboard::backend
