// model/config_space.cpp - the header tables (PCIe 6.0 s7.5.1) and the two capability chains.
#include "model/config_space.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::model {
namespace {

using A = Access;

constexpr FieldDecl kVendorFields[] = {{"Vendor ID", 15, 0, A::kHwInit, 0xffff}};
constexpr FieldDecl kDeviceFields[] = {{"Device ID", 15, 0, A::kHwInit, 0xffff}};
constexpr FieldDecl kCommandFields[] = {
    {"I/O Space Enable", 0, 0, A::kRW},
    {"Memory Space Enable", 1, 1, A::kRW},
    {"Bus Master Enable", 2, 2, A::kRW},
    {"Special Cycle Enable", 3, 3, A::kRO},
    {"Memory Write and Invalidate", 4, 4, A::kRO},
    {"VGA Palette Snoop", 5, 5, A::kRO},
    {"Parity Error Response", 6, 6, A::kRW},
    {"IDSEL Stepping", 7, 7, A::kRO},
    {"SERR# Enable", 8, 8, A::kRW},
    {"Fast Back-to-Back", 9, 9, A::kRO},
    {"Interrupt Disable", 10, 10, A::kRW},
    {"Reserved", 15, 11, A::kRsvd},
};
constexpr FieldDecl kStatusFields[] = {
    {"Immediate Readiness", 0, 0, A::kRO},
    {"Reserved", 2, 1, A::kRsvd},
    {"Interrupt Status", 3, 3, A::kRO},
    {"Capabilities List", 4, 4, A::kHwInit},
    {"66 MHz Capable", 5, 5, A::kRO},
    {"Reserved", 6, 6, A::kRsvd},
    {"Fast Back-to-Back", 7, 7, A::kRO},
    {"Master Data Parity Error", 8, 8, A::kRW1C},
    {"DEVSEL Timing", 10, 9, A::kRO},
    {"Signaled Target Abort", 11, 11, A::kRW1C},
    {"Received Target Abort", 12, 12, A::kRW1C},
    {"Received Master Abort", 13, 13, A::kRW1C},
    {"Signaled System Error", 14, 14, A::kRW1C},
    {"Detected Parity Error", 15, 15, A::kRW1C},
};
constexpr FieldDecl kRevisionFields[] = {{"Revision ID", 7, 0, A::kHwInit}};
constexpr FieldDecl kInterfaceFields[] = {{"Programming Interface", 7, 0, A::kHwInit}};
constexpr FieldDecl kSubClassFields[] = {{"Sub-Class", 7, 0, A::kHwInit}};
constexpr FieldDecl kBaseClassFields[] = {{"Base Class", 7, 0, A::kHwInit}};
constexpr FieldDecl kCacheLineFields[] = {{"Cache Line Size", 7, 0, A::kRW}};
constexpr FieldDecl kLatencyFields[] = {{"Latency Timer", 7, 0, A::kRO}};
constexpr FieldDecl kHeaderTypeFields[] = {
    {"Header Layout", 6, 0, A::kHwInit},
    {"Multi-Function", 7, 7, A::kHwInit},
};
constexpr FieldDecl kBistFields[] = {{"BIST", 7, 0, A::kRO}};
constexpr FieldDecl kCapabilitiesPointerFields[] = {{"Capabilities Pointer", 7, 0, A::kHwInit}};
constexpr FieldDecl kInterruptLineFields[] = {{"Interrupt Line", 7, 0, A::kRW}};
constexpr FieldDecl kInterruptPinFields[] = {{"Interrupt Pin", 7, 0, A::kHwInit}};

constexpr RegisterDecl kCommonRegisters[] = {
    {"Vendor ID", 0x00, 2, kVendorFields, "PCIe 6.0 s7.5.1.1.1"},
    {"Device ID", 0x02, 2, kDeviceFields, "PCIe 6.0 s7.5.1.1.2"},
    {"Command", 0x04, 2, kCommandFields, "PCIe 6.0 s7.5.1.1.3"},
    {"Status", 0x06, 2, kStatusFields, "PCIe 6.0 s7.5.1.1.4"},
    {"Revision ID", 0x08, 1, kRevisionFields, "PCIe 6.0 s7.5.1.1.5"},
    {"Programming Interface", 0x09, 1, kInterfaceFields, "PCIe 6.0 s7.5.1.1.6"},
    {"Sub-Class", 0x0a, 1, kSubClassFields, "PCIe 6.0 s7.5.1.1.6"},
    {"Base Class", 0x0b, 1, kBaseClassFields, "PCIe 6.0 s7.5.1.1.6"},
    {"Cache Line Size", 0x0c, 1, kCacheLineFields, "PCIe 6.0 s7.5.1.1.7"},
    {"Latency Timer", 0x0d, 1, kLatencyFields, "PCIe 6.0 s7.5.1.1.8"},
    {"Header Type", 0x0e, 1, kHeaderTypeFields, "PCIe 6.0 s7.5.1.1.9"},
    {"BIST", 0x0f, 1, kBistFields, "PCIe 6.0 s7.5.1.1.10"},
    {"Capabilities Pointer", 0x34, 1, kCapabilitiesPointerFields, "PCIe 6.0 s7.5.1.1.11"},
    {"Interrupt Line", 0x3c, 1, kInterruptLineFields, "PCIe 6.0 s7.5.1.1.12"},
    {"Interrupt Pin", 0x3d, 1, kInterruptPinFields, "PCIe 6.0 s7.5.1.1.13"},
};
static_assert(well_formed(kCommonRegisters));

// Declared fully writable; the owner of the BARs takes away size and type bits (limit_writable).
constexpr FieldDecl kBarFields[] = {
    {"Type", 3, 0, A::kHwInit},
    {"Base Address", 31, 4, A::kRW},
};
constexpr FieldDecl kCisFields[] = {{"Cardbus CIS Pointer", 31, 0, A::kRO}};
constexpr FieldDecl kSubsystemVendorFields[] = {{"Subsystem Vendor ID", 15, 0, A::kHwInit}};
constexpr FieldDecl kSubsystemFields[] = {{"Subsystem ID", 15, 0, A::kHwInit}};
constexpr FieldDecl kRomFields[] = {   // made writable by a function that has one (BarDecoder::declare_rom)
    {"Expansion ROM Enable", 0, 0, A::kRO},
    {"Expansion ROM Base Address", 31, 11, A::kRO},
};
constexpr FieldDecl kMinGntFields[] = {{"Min_Gnt", 7, 0, A::kRO}};
constexpr FieldDecl kMaxLatFields[] = {{"Max_Lat", 7, 0, A::kRO}};

constexpr RegisterDecl kType0Registers[] = {
    {"BAR", 0x10, 4, kBarFields, "PCIe 6.0 s7.5.1.2.1", 6, 4},
    {"Cardbus CIS Pointer", 0x28, 4, kCisFields, "PCIe 6.0 s7.5.1.2.2"},
    {"Subsystem Vendor ID", 0x2c, 2, kSubsystemVendorFields, "PCIe 6.0 s7.5.1.2.3"},
    {"Subsystem ID", 0x2e, 2, kSubsystemFields, "PCIe 6.0 s7.5.1.2.3"},
    {"Expansion ROM Base Address", 0x30, 4, kRomFields, "PCIe 6.0 s7.5.1.2.4"},
    {"Min_Gnt", 0x3e, 1, kMinGntFields, "PCIe 6.0 s7.5.1.2.5"},
    {"Max_Lat", 0x3f, 1, kMaxLatFields, "PCIe 6.0 s7.5.1.2.5"},
};
static_assert(well_formed(kType0Registers));

constexpr FieldDecl kCapabilityIdFields[] = {{"Capability ID", 7, 0, A::kHwInit}};
constexpr FieldDecl kCapabilityNextFields[] = {{"Next Capability Pointer", 7, 0, A::kHwInit}};
constexpr RegisterDecl kStandardHeader[] = {
    {"Capability ID", 0, 1, kCapabilityIdFields, "PCIe 6.0 s7.6"},
    {"Next Capability Pointer", 1, 1, kCapabilityNextFields, "PCIe 6.0 s7.6"},
};
constexpr FieldDecl kExtendedHeaderFields[] = {
    {"Extended Capability ID", 15, 0, A::kHwInit},
    {"Capability Version", 19, 16, A::kHwInit},
    {"Next Capability Offset", 31, 20, A::kHwInit},
};
constexpr RegisterDecl kExtendedHeader[] = {
    {"Extended Capability Header", 0, 4, kExtendedHeaderFields, "PCIe 6.0 s7.6.3"},
};

// A chain has at most this many entries, as each takes a dword: the bound of every walk.
constexpr unsigned kStandardChainMax = (kFirstExtendedOffset - kFirstCapabilityOffset) / 4;
constexpr unsigned kExtendedChainMax = (kConfigBytes - kFirstExtendedOffset) / 4;

}  // namespace

constinit const std::span<const RegisterDecl> kCommonHeader{kCommonRegisters};
constinit const std::span<const RegisterDecl> kType0Header{kType0Registers};

ConfigSpace::ConfigSpace(std::span<const RegisterDecl> header, const HeaderIdentity& identity) : file_(kConfigBytes) {
  file_.declare(kCommonHeader);
  file_.declare(header);
  file_.set_initial(cfg::kVendorId, identity.vendor_id, 2);
  file_.set_initial(cfg::kDeviceId, identity.device_id, 2);
  file_.set_initial(cfg::kRevisionId, identity.revision, 1);
  file_.set_initial(cfg::kClassCode, identity.class_code, 3);
  file_.set_initial(cfg::kHeaderType, identity.header_type, 1);
  file_.set_initial(cfg::kInterruptPin, identity.interrupt_pin, 1);
}

uint32_t ConfigSpace::add_capability(const CapabilityDecl& capability, uint32_t offset) {
  uint32_t& next_free = capability.extended ? next_extended_ : next_standard_;
  uint32_t& last = capability.extended ? last_extended_ : last_standard_;
  [[maybe_unused]] const uint32_t end = capability.extended ? kConfigBytes : kFirstExtendedOffset;
  if (offset == 0) offset = next_free;
  assert(offset % 4 == 0 && offset >= next_free && in_range(offset, capability.bytes, end));
  assert((!capability.extended || last != 0 || offset == kFirstExtendedOffset) && "the extended chain starts at 100h");
  next_free = static_cast<uint32_t>(round_up(offset + capability.bytes, 4));

  if (capability.extended) {
    file_.declare(kExtendedHeader, offset);
    file_.set_initial(offset, capability.id | (uint32_t{capability.version} << 16), 4);
    if (last != 0) file_.set_initial(last, file_.peek32(last) | (offset << 20), 4);
  } else {
    file_.declare(kStandardHeader, offset);
    file_.set_initial(offset, capability.id, 1);
    file_.set_initial(last != 0 ? last + 1 : cfg::kCapabilitiesPointer, offset, 1);
    file_.set_initial(cfg::kStatus, status() | cfg::kStatusCapabilities, 2);
  }
  file_.declare(capability.registers, offset);
  last = offset;
  capabilities_.push_back({capability, offset});
  return offset;
}

void ConfigSpace::declare_capability(const CapabilityDecl& capability, uint32_t offset) {
  assert(in_range(offset, capability.bytes, kConfigBytes));
  for (uint32_t i = 0; i < capability.bytes; ++i) file_.set_initial(offset + i, 0, 1);
  if (capability.extended) {
    file_.declare(kExtendedHeader, offset);
    file_.set_initial(offset, capability.id | (uint32_t{capability.version} << 16), 4);
  } else {
    file_.declare(kStandardHeader, offset);
    file_.set_initial(offset, capability.id, 1);
  }
  file_.declare(capability.registers, offset);
  capabilities_.push_back({capability, offset});
}

uint32_t ConfigSpace::find_capability(uint8_t id) const {
  if ((status() & cfg::kStatusCapabilities) == 0) return 0;
  uint32_t at = file_.peek(cfg::kCapabilitiesPointer, 1) & 0xfc;
  for (unsigned i = 0; at != 0 && i < kStandardChainMax; ++i) {
    if (file_.peek(at, 1) == id) return at;
    at = file_.peek(at + 1, 1) & 0xfc;
  }
  return 0;
}

uint32_t ConfigSpace::find_extended_capability(uint16_t id) const {
  uint32_t at = kFirstExtendedOffset;
  for (unsigned i = 0; at >= kFirstExtendedOffset && i < kExtendedChainMax; ++i) {
    const uint32_t header = file_.peek32(at);
    if (header == 0) return 0;
    if ((header & 0xffff) == id) return at;
    at = (header >> 20) & 0xffc;
  }
  return 0;
}

void ConfigSpace::inspect(InspectNode& node) const {
  file_.inspect(node);
}

}  // namespace dartboard::model
