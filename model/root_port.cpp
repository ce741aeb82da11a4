// model/root_port.cpp - the type 1 header's declarations and what writing them does.
#include "model/root_port.h"

#include <fmt/format.h>

#include "model/capabilities.h"

namespace dartboard::model {

namespace {

using A = Access;

constexpr FieldDecl kBarFields[] = {{"BAR", 31, 0, A::kRO}};
constexpr FieldDecl kBusFields[] = {{"Bus Number", 7, 0, A::kRW}};
constexpr FieldDecl kTimerFields[] = {{"Secondary Latency Timer", 7, 0, A::kRO}};
constexpr FieldDecl kIoFields[] = {{"I/O Window", 7, 0, A::kRO}};  // no I/O space on Apple silicon: not implemented
constexpr FieldDecl kSecondaryStatusFields[] = {
    {"Reserved", 7, 0, A::kRsvd},
    {"Master Data Parity Error", 8, 8, A::kRW1C},
    {"Reserved", 10, 9, A::kRsvd},
    {"Signaled Target Abort", 11, 11, A::kRW1C},
    {"Received Target Abort", 12, 12, A::kRW1C},
    {"Received Master Abort", 13, 13, A::kRW1C},
    {"Received System Error", 14, 14, A::kRW1C},
    {"Detected Parity Error", 15, 15, A::kRW1C},
};
constexpr FieldDecl kMemoryFields[] = {{"Reserved", 3, 0, A::kRsvd}, {"Address 31:20", 15, 4, A::kRW}};
constexpr FieldDecl kPrefetchFields[] = {{"64-bit", 3, 0, A::kRO, 1}, {"Address 31:20", 15, 4, A::kRW}};
constexpr FieldDecl kUpperFields[] = {{"Address 63:32", 31, 0, A::kRW}};
constexpr FieldDecl kIoUpperFields[] = {{"I/O Upper 16 Bits", 15, 0, A::kRO}};
constexpr FieldDecl kRomFields[] = {{"Expansion ROM", 31, 0, A::kRO}};
constexpr FieldDecl kBridgeControlFields[] = {
    {"Parity Error Response Enable", 0, 0, A::kRW},
    {"SERR# Enable", 1, 1, A::kRW},
    {"ISA Enable", 2, 2, A::kRO},
    {"VGA Enable", 3, 3, A::kRO},
    {"VGA 16-bit Decode", 4, 4, A::kRO},
    {"Master Abort Mode", 5, 5, A::kRO},
    {"Secondary Bus Reset", 6, 6, A::kRW},
    {"Fast Back-to-Back", 7, 7, A::kRO},
    {"Discard Timers", 11, 8, A::kRO},
    {"Reserved", 15, 12, A::kRsvd},
};
constexpr RegisterDecl kType1Registers[] = {
    {"BAR", 0x10, 4, kBarFields, "PCIe 6.0 s7.5.1.2.1 (none)", 2, 4},
    {"Primary Bus Number", 0x18, 1, kBusFields, "PCIe 6.0 s7.5.1.3.2"},
    {"Secondary Bus Number", 0x19, 1, kBusFields, "PCIe 6.0 s7.5.1.3.3"},
    {"Subordinate Bus Number", 0x1a, 1, kBusFields, "PCIe 6.0 s7.5.1.3.4"},
    {"Secondary Latency Timer", 0x1b, 1, kTimerFields, "PCIe 6.0 s7.5.1.3.5"},
    {"I/O Base", 0x1c, 1, kIoFields, "PCIe 6.0 s7.5.1.3.6"},
    {"I/O Limit", 0x1d, 1, kIoFields, "PCIe 6.0 s7.5.1.3.6"},
    {"Secondary Status", 0x1e, 2, kSecondaryStatusFields, "PCIe 6.0 s7.5.1.3.7"},
    {"Memory Base", 0x20, 2, kMemoryFields, "PCIe 6.0 s7.5.1.3.8"},
    {"Memory Limit", 0x22, 2, kMemoryFields, "PCIe 6.0 s7.5.1.3.8"},
    {"Prefetchable Memory Base", 0x24, 2, kPrefetchFields, "PCIe 6.0 s7.5.1.3.9"},
    {"Prefetchable Memory Limit", 0x26, 2, kPrefetchFields, "PCIe 6.0 s7.5.1.3.9"},
    {"Prefetchable Base Upper", 0x28, 4, kUpperFields, "PCIe 6.0 s7.5.1.3.10"},
    {"Prefetchable Limit Upper", 0x2c, 4, kUpperFields, "PCIe 6.0 s7.5.1.3.10"},
    {"I/O Base Upper", 0x30, 2, kIoUpperFields, "PCIe 6.0 s7.5.1.3.11"},
    {"I/O Limit Upper", 0x32, 2, kIoUpperFields, "PCIe 6.0 s7.5.1.3.11"},
    {"Expansion ROM", 0x38, 4, kRomFields, "PCIe 6.0 s7.5.1.2.4 (none)"},
    {"Bridge Control", 0x3e, 2, kBridgeControlFields, "PCIe 6.0 s7.5.1.3.13"},
};
static_assert(well_formed(kType1Registers));

// PCI Express capability of a root port (PCIe 6.0 s7.5.3): version 2, device/port type 4.
constexpr FieldDecl kPcieCapabilitiesFields[] = {
    {"Capability Version", 3, 0, A::kHwInit, 2},
    {"Device/Port Type", 7, 4, A::kHwInit, 4},
    {"Slot Implemented", 8, 8, A::kHwInit},
    {"Interrupt Message Number", 13, 9, A::kRO},
};
constexpr FieldDecl kDeviceCapabilitiesFields[] = {
    {"Max_Payload_Size Supported", 2, 0, A::kHwInit, 0},
    {"Extended Tag Field Supported", 5, 5, A::kHwInit, 1},
    {"Role-Based Error Reporting", 15, 15, A::kHwInit, 1},
};
constexpr FieldDecl kDeviceControlFields[] = {
    {"Correctable Error Reporting Enable", 0, 0, A::kRW},
    {"Non-Fatal Error Reporting Enable", 1, 1, A::kRW},
    {"Fatal Error Reporting Enable", 2, 2, A::kRW},
    {"Unsupported Request Reporting Enable", 3, 3, A::kRW},
    {"Max_Payload_Size", 7, 5, A::kRW},
    {"Extended Tag Field Enable", 8, 8, A::kRW},
    {"Max_Read_Request_Size", 14, 12, A::kRW, 2},
};
constexpr FieldDecl kDeviceStatusFields[] = {
    {"Correctable Error Detected", 0, 0, A::kRW1C}, {"Non-Fatal Error Detected", 1, 1, A::kRW1C},
    {"Fatal Error Detected", 2, 2, A::kRW1C},       {"Unsupported Request Detected", 3, 3, A::kRW1C},
    {"AUX Power Detected", 4, 4, A::kRO},           {"Transactions Pending", 5, 5, A::kRO},
};
constexpr FieldDecl kLinkCapabilitiesFields[] = {
    {"Max Link Speed", 3, 0, A::kHwInit, 4},
    {"Maximum Link Width", 9, 4, A::kHwInit, 4},
    {"Surprise Down Error Reporting Capable", 19, 19, A::kHwInit, 1},
    {"Data Link Layer Link Active Reporting Capable", 20, 20, A::kHwInit, 1},
    {"Link Bandwidth Notification Capability", 21, 21, A::kHwInit, 1},
    {"Port Number", 31, 24, A::kHwInit},
};
constexpr FieldDecl kLinkControlFields[] = {
    {"ASPM Control", 1, 0, A::kRW},
    {"Read Completion Boundary", 3, 3, A::kRO},
    {"Link Disable", 4, 4, A::kRW},
    {"Retrain Link", 5, 5, A::kWO},  // always reads 0
    {"Common Clock Configuration", 6, 6, A::kRW},
    {"Extended Synch", 7, 7, A::kRW},
    {"Link Bandwidth Management Interrupt Enable", 10, 10, A::kRW},
    {"Link Autonomous Bandwidth Interrupt Enable", 11, 11, A::kRW},
};
constexpr FieldDecl kLinkStatusFields[] = {
    {"Current Link Speed", 3, 0, A::kRO, bridge::kLinkSpeedMax},
    {"Negotiated Link Width", 9, 4, A::kRO, bridge::kLinkWidthMax},
    {"Link Training", 11, 11, A::kRO},
    {"Slot Clock Configuration", 12, 12, A::kHwInit, 1},
    {"Data Link Layer Link Active", 13, 13, A::kRO},
    {"Link Bandwidth Management Status", 14, 14, A::kRW1C},
    {"Link Autonomous Bandwidth Status", 15, 15, A::kRW1C},
};
// A port faster than 5 GT/s has these two (PCIe 6.0 s7.5.3.18).
constexpr FieldDecl kLinkCapabilities2Fields[] = {{"Supported Link Speeds Vector", 7, 1, A::kHwInit, 0xf}};
constexpr FieldDecl kLinkControl2Fields[] = {
    {"Target Link Speed", 3, 0, A::kRWS, bridge::kLinkSpeedMax},
    {"Enter Compliance", 4, 4, A::kRWS},
    {"Hardware Autonomous Speed Disable", 5, 5, A::kRWS},
};
constexpr FieldDecl kRootControlFields[] = {
    {"System Error on Correctable Error Enable", 0, 0, A::kRW},
    {"System Error on Non-Fatal Error Enable", 1, 1, A::kRW},
    {"System Error on Fatal Error Enable", 2, 2, A::kRW},
    {"PME Interrupt Enable", 3, 3, A::kRW},
    {"RRS Software Visibility Enable", 4, 4, A::kRW},
};
constexpr FieldDecl kRootCapabilitiesFields[] = {{"RRS Software Visibility", 0, 0, A::kHwInit, 1}};
constexpr FieldDecl kRootStatusFields[] = {
    {"PME Requester ID", 15, 0, A::kRO},
    {"PME Status", 16, 16, A::kRW1C},
    {"PME Pending", 17, 17, A::kRO},
};
constexpr RegisterDecl kPcieRootRegisters[] = {
    {"PCI Express Capabilities", 2, 2, kPcieCapabilitiesFields, "PCIe 6.0 s7.5.3.2"},
    {"Device Capabilities", 4, 4, kDeviceCapabilitiesFields, "PCIe 6.0 s7.5.3.3"},
    {"Device Control", 8, 2, kDeviceControlFields, "PCIe 6.0 s7.5.3.4"},
    {"Device Status", 10, 2, kDeviceStatusFields, "PCIe 6.0 s7.5.3.5"},
    {"Link Capabilities", 12, 4, kLinkCapabilitiesFields, "PCIe 6.0 s7.5.3.6"},
    {"Link Control", bridge::kLinkControl, 2, kLinkControlFields, "PCIe 6.0 s7.5.3.7"},
    {"Link Status", bridge::kLinkStatus, 2, kLinkStatusFields, "PCIe 6.0 s7.5.3.8"},
    {"Root Control", bridge::kRootControl, 2, kRootControlFields, "PCIe 6.0 s7.5.3.12"},
    {"Root Capabilities", 30, 2, kRootCapabilitiesFields, "PCIe 6.0 s7.5.3.13"},
    {"Root Status", 32, 4, kRootStatusFields, "PCIe 6.0 s7.5.3.14"},
    {"Link Capabilities 2", 44, 4, kLinkCapabilities2Fields, "PCIe 6.0 s7.5.3.18"},
    {"Link Control 2", bridge::kLinkControl2, 2, kLinkControl2Fields, "PCIe 6.0 s7.5.3.19"},
};
static_assert(well_formed(kPcieRootRegisters));
constexpr CapabilityDecl kPcieRootCapability = {"PCI Express (root port)", 0x10, 60, kPcieRootRegisters,
                                                "PCIe 6.0 s7.5.3"};

// Apple's root port as Linux lists it: 106b:100c, PCI-PCI bridge.
constexpr HeaderIdentity kIdentity = {.vendor_id = 0x106b,
                                      .device_id = 0x100c,
                                      .revision = 1,
                                      .class_code = 0x060400,
                                      .header_type = 1,
                                      .interrupt_pin = 1};

}  // namespace

RootPort::RootPort(RootPortOwner& owner) : owner_(owner), config_(kType1Registers, kIdentity) {
  pcie_ = config_.add_capability(kPcieRootCapability);
  aer_ = config_.add_capability(kAerRootCapability);
  RegisterFile& file = config_.file();
  file.hook(cfg::kCommand, 4, {nullptr, wrote}, this);
  file.hook(bridge::kPrimaryBus, 4, {nullptr, wrote}, this);
  file.hook(bridge::kMemoryBase, 16, {nullptr, wrote}, this);
  file.hook(0x3c, 4, {nullptr, wrote_bridge_control}, this);
  file.hook(pcie_ + bridge::kLinkControl, 4, {nullptr, wrote_link_control}, this);
  file.hook(aer_ + aer::kRootCommand, 4, {nullptr, wrote_root_error_command}, this);
  reset();
}

void RootPort::refresh() {
  const RegisterFile& file = config_.file();
  const uint16_t command = config_.command();
  memory_enable_ = (command & cfg::kCommandMemory) != 0;
  bus_master_ = (command & cfg::kCommandBusMaster) != 0;
  secondary_bus_ = static_cast<uint8_t>(file.peek(bridge::kSecondaryBus, 1));
  subordinate_bus_ = static_cast<uint8_t>(file.peek(bridge::kSubordinateBus, 1));
  // A window is [base, limit + 1 MiB); a base above its limit claims nothing (PCIe 6.0 s7.5.1.3.8).
  const auto low = [&file](uint32_t offset) { return uint64_t{file.peek16(offset) & 0xfff0u} << 16; };
  const auto high = [&file](uint32_t offset) { return uint64_t{file.peek32(offset)} << 32; };
  memory_ = {low(bridge::kMemoryBase), low(bridge::kMemoryLimit) + kMiB};
  prefetch_ = {low(bridge::kPrefetchBase) | high(bridge::kPrefetchBaseUpper),
               (low(bridge::kPrefetchLimit) | high(bridge::kPrefetchLimitUpper)) + kMiB};
  if (prefetch_.end < kMiB) prefetch_.end = UINT64_MAX;  // up to the top of the address space
  for (Window* window : {&memory_, &prefetch_}) {
    if (window->base >= window->end) *window = Window();
  }
}

bool RootPort::rrs_visible() const {
  return (config_.file().peek16(pcie_ + bridge::kRootControl) & bridge::kRrsVisibility) != 0;
}

void RootPort::wrote(void* self, const RegisterWrite&) {
  static_cast<RootPort*>(self)->refresh();
}

void RootPort::wrote_bridge_control(void* self, const RegisterWrite& write) {
  constexpr uint32_t kReset = uint32_t{bridge::kSecondaryBusReset} << 16;
  if (((write.value ^ write.old_value) & kReset) == 0) return;
  static_cast<RootPort*>(self)->owner_.secondary_reset((write.value & kReset) != 0);
}

void RootPort::wrote_link_control(void* self, const RegisterWrite& write) {
  auto& port = *static_cast<RootPort*>(self);
  if ((write.written & bridge::kRetrainLink) != 0) {
    port.owner_.link_retrained();
    if (port.link_active()) port.mark_bandwidth_managed();  // at the same rate too (PCIe 6.0 s7.5.3.8)
  }
  if (((write.value ^ write.old_value) & bridge::kLinkDisable) == 0) return;
  port.owner_.link_disabled((write.value & bridge::kLinkDisable) != 0);
}

void RootPort::set_link_active(bool active) {
  RegisterFile& file = config_.file();
  const uint32_t at = pcie_ + bridge::kLinkStatus;
  const uint16_t status = file.peek16(at);
  file.poke16(at, static_cast<uint16_t>(active ? status | bridge::kDataLinkActive : status & ~bridge::kDataLinkActive));
}

void RootPort::declare_max_payload(uint32_t bytes) {
  uint32_t code = 0;
  while (128u << code < bytes) ++code;
  RegisterFile& file = config_.file();
  const uint32_t at = pcie_ + pcie::kDeviceCapabilities;
  file.set_initial(at, (file.peek32(at) & ~7u) | code, 4);
}

void RootPort::reset() {
  config_.reset(ResetKind::kPowerOn);
  refresh();
}

void RootPort::inspect(InspectNode& node) const {
  node.child("secondary bus", fmt::format("{}", secondary_bus_));
  const auto show = [&node](const char* name, const Window& window) {
    node.child(name, window.base < window.end ? fmt::format("{:#x}..{:#x}", window.base, window.end) : "closed");
  };
  show("memory window", memory_);
  show("prefetchable window", prefetch_);
  config_.inspect(node.child("configuration space"));
}

}  // namespace dartboard::model
