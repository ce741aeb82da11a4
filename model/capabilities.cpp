// model/capabilities.cpp - the standard capability tables. Register offsets are from the capability's first byte.
// The extended ones are in capabilities_extended.cpp.
#include "model/capabilities.h"

namespace dartboard::model {
namespace {

using A = Access;
constexpr ResetClass kFlrKeeps = ResetClass::kSurvivesFlr;   // the list of exceptions in PCIe 6.0 s6.6.2

// Power management --------------------------------------------------------------------------------------------------
constexpr FieldDecl kPmCapabilityFields[] = {
    {"Version", 2, 0, A::kHwInit, 3},
    {"PME Clock", 3, 3, A::kRO},
    {"Immediate Readiness on Return to D0", 4, 4, A::kRO},
    {"Device Specific Initialization", 5, 5, A::kRO},
    {"Aux Current", 8, 6, A::kRO},
    {"D1 Support", 9, 9, A::kRO},
    {"D2 Support", 10, 10, A::kRO},
    {"PME Support", 15, 11, A::kRO},
};
constexpr FieldDecl kPmControlFields[] = {
    {"Power State", 1, 0, A::kRW},
    {"Reserved", 2, 2, A::kRsvd},
    {"No Soft Reset", 3, 3, A::kHwInit},
    {"Reserved", 7, 4, A::kRsvd},
    {"PME Enable", 8, 8, A::kRO},
    {"Data Select", 12, 9, A::kRO},
    {"Data Scale", 14, 13, A::kRO},
    {"PME Status", 15, 15, A::kRO},
};
constexpr RegisterDecl kPmRegisters[] = {
    {"Power Management Capabilities", 2, 2, kPmCapabilityFields, "PCIe 6.0 s7.5.2.1"},
    {"Power Management Control/Status", 4, 2, kPmControlFields, "PCIe 6.0 s7.5.2.2"},
};
static_assert(well_formed(kPmRegisters));

// MSI ---------------------------------------------------------------------------------------------------------------
constexpr FieldDecl kMsiControlFields[] = {
    {"MSI Enable", 0, 0, A::kRW},
    {"Multiple Message Capable", 3, 1, A::kHwInit},
    {"Multiple Message Enable", 6, 4, A::kRW},
    {"64-bit Address Capable", 7, 7, A::kHwInit, 1},
    {"Per-Vector Masking Capable", 8, 8, A::kHwInit, 1},
    {"Reserved", 15, 9, A::kRsvd},
};
constexpr FieldDecl kMsiAddressFields[] = {
    {"Reserved", 1, 0, A::kRsvd},
    {"Message Address", 31, 2, A::kRW},
};
constexpr FieldDecl kMsiUpperFields[] = {{"Message Upper Address", 31, 0, A::kRW}};
constexpr FieldDecl kMsiDataFields[] = {{"Message Data", 15, 0, A::kRW}};
constexpr FieldDecl kMsiMaskFields[] = {{"Mask Bits", 31, 0, A::kRW}};
constexpr FieldDecl kMsiPendingFields[] = {{"Pending Bits", 31, 0, A::kRO}};
constexpr RegisterDecl kMsiRegisters[] = {
    {"MSI Message Control", 2, 2, kMsiControlFields, "PCIe 6.0 s7.7.1.2"},
    {"MSI Message Address", 4, 4, kMsiAddressFields, "PCIe 6.0 s7.7.1.3"},
    {"MSI Message Upper Address", 8, 4, kMsiUpperFields, "PCIe 6.0 s7.7.1.4"},
    {"MSI Message Data", 12, 2, kMsiDataFields, "PCIe 6.0 s7.7.1.5"},
    {"MSI Mask Bits", 16, 4, kMsiMaskFields, "PCIe 6.0 s7.7.1.7"},
    {"MSI Pending Bits", 20, 4, kMsiPendingFields, "PCIe 6.0 s7.7.1.8"},
};
static_assert(well_formed(kMsiRegisters));

// MSI-X -------------------------------------------------------------------------------------------------------------
constexpr FieldDecl kMsixControlFields[] = {
    {"Table Size", 10, 0, A::kHwInit},
    {"Reserved", 13, 11, A::kRsvd},
    {"Function Mask", 14, 14, A::kRW},
    {"MSI-X Enable", 15, 15, A::kRW},
};
constexpr FieldDecl kMsixTableFields[] = {
    {"Table BIR", 2, 0, A::kHwInit},
    {"Table Offset / 8", 31, 3, A::kHwInit},
};
constexpr FieldDecl kMsixPbaFields[] = {
    {"PBA BIR", 2, 0, A::kHwInit},
    {"PBA Offset / 8", 31, 3, A::kHwInit},
};
constexpr RegisterDecl kMsixRegisters[] = {
    {"MSI-X Message Control", 2, 2, kMsixControlFields, "PCIe 6.0 s7.7.2.2"},
    {"MSI-X Table Offset/BIR", 4, 4, kMsixTableFields, "PCIe 6.0 s7.7.2.3"},
    {"MSI-X PBA Offset/BIR", 8, 4, kMsixPbaFields, "PCIe 6.0 s7.7.2.4"},
};
static_assert(well_formed(kMsixRegisters));

// PCI Express -------------------------------------------------------------------------------------------------------
constexpr FieldDecl kPcieCapabilityFields[] = {
    {"Capability Version", 3, 0, A::kHwInit, 2},
    {"Device/Port Type", 7, 4, A::kHwInit, 0},
    {"Slot Implemented", 8, 8, A::kRO},
    {"Interrupt Message Number", 13, 9, A::kRO},
    {"Reserved", 15, 14, A::kRsvd},
};
constexpr FieldDecl kDeviceCapabilityFields[] = {
    {"Max Payload Size Supported", 2, 0, A::kHwInit, 1},      // 256 bytes
    {"Phantom Functions Supported", 4, 3, A::kRO},
    {"Extended Tag Supported", 5, 5, A::kHwInit, 1},
    {"Endpoint L0s Latency", 8, 6, A::kHwInit, 0},
    {"Endpoint L1 Latency", 11, 9, A::kHwInit, 0},
    {"Reserved", 14, 12, A::kRsvd},
    {"Role-Based Error Reporting", 15, 15, A::kHwInit, 1},
    {"Reserved", 17, 16, A::kRsvd},
    {"Captured Slot Power Limit Value", 25, 18, A::kRO, 0, kFlrKeeps},
    {"Captured Slot Power Limit Scale", 27, 26, A::kRO, 0, kFlrKeeps},
    {"Function Level Reset Capable", 28, 28, A::kHwInit},
    {"Reserved", 31, 29, A::kRsvd},
};
constexpr FieldDecl kDeviceControlFields[] = {
    {"Correctable Error Reporting Enable", 0, 0, A::kRW},
    {"Non-Fatal Error Reporting Enable", 1, 1, A::kRW},
    {"Fatal Error Reporting Enable", 2, 2, A::kRW},
    {"Unsupported Request Reporting Enable", 3, 3, A::kRW},
    {"Enable Relaxed Ordering", 4, 4, A::kRW, 1},
    {"Max Payload Size", 7, 5, A::kRW, 0, kFlrKeeps},
    {"Extended Tag Enable", 8, 8, A::kRW, 1},
    {"Phantom Functions Enable", 9, 9, A::kRO},
    {"Aux Power PM Enable", 10, 10, A::kRO},
    {"Enable No Snoop", 11, 11, A::kRW, 1},
    {"Max Read Request Size", 14, 12, A::kRW, 2},             // 512 bytes
    {"Initiate Function Level Reset", 15, 15, A::kWO},
};
constexpr FieldDecl kDeviceStatusFields[] = {
    {"Correctable Error Detected", 0, 0, A::kRW1C},
    {"Non-Fatal Error Detected", 1, 1, A::kRW1C},
    {"Fatal Error Detected", 2, 2, A::kRW1C},
    {"Unsupported Request Detected", 3, 3, A::kRW1C},
    {"Aux Power Detected", 4, 4, A::kRO},
    {"Transactions Pending", 5, 5, A::kRO},
    {"Reserved", 15, 6, A::kRsvd},
};
constexpr FieldDecl kLinkCapabilityFields[] = {
    {"Max Link Speed", 3, 0, A::kHwInit, 4},                  // 16 GT/s
    {"Maximum Link Width", 9, 4, A::kHwInit, 4},              // x4, what a Thunderbolt tunnel carries
    {"ASPM Support", 11, 10, A::kHwInit, 0},
    {"L0s Exit Latency", 14, 12, A::kHwInit, 0},
    {"L1 Exit Latency", 17, 15, A::kHwInit, 0},
    {"Clock Power Management", 18, 18, A::kRO},
    {"Surprise Down Reporting", 19, 19, A::kRO},
    {"DL Active Reporting", 20, 20, A::kRO},
    {"Bandwidth Notification", 21, 21, A::kRO},
    {"ASPM Optionality Compliance", 22, 22, A::kHwInit, 1},
    {"Reserved", 23, 23, A::kRsvd},
    {"Port Number", 31, 24, A::kHwInit},
};
constexpr FieldDecl kLinkControlFields[] = {
    {"ASPM Control", 1, 0, A::kRW, 0, kFlrKeeps},
    {"Reserved", 2, 2, A::kRsvd},
    {"Read Completion Boundary", 3, 3, A::kRW, 0, kFlrKeeps},
    {"Reserved", 5, 4, A::kRsvd},
    {"Common Clock Configuration", 6, 6, A::kRW, 0, kFlrKeeps},
    {"Extended Synch", 7, 7, A::kRW, 0, kFlrKeeps},
    {"Enable Clock Power Management", 8, 8, A::kRO},
    {"Hardware Autonomous Width Disable", 9, 9, A::kRO},
    {"Reserved", 15, 10, A::kRsvd},
};
constexpr FieldDecl kLinkStatusFields[] = {
    {"Current Link Speed", 3, 0, A::kRO, 4, kFlrKeeps},
    {"Negotiated Link Width", 9, 4, A::kRO, 4, kFlrKeeps},
    {"Reserved", 11, 10, A::kRsvd},
    {"Slot Clock Configuration", 12, 12, A::kHwInit, 1},
    {"Reserved", 15, 13, A::kRsvd},
};
constexpr FieldDecl kDeviceCapability2Fields[] = {
    {"Completion Timeout Ranges", 3, 0, A::kHwInit, 0},
    {"Completion Timeout Disable Supported", 4, 4, A::kHwInit, 1},
    {"Reserved", 31, 5, A::kRsvd},
};
constexpr FieldDecl kDeviceControl2Fields[] = {
    {"Completion Timeout Value", 3, 0, A::kRO},
    {"Completion Timeout Disable", 4, 4, A::kRW},
    {"Reserved", 15, 5, A::kRsvd},
};
constexpr FieldDecl kLinkCapability2Fields[] = {
    {"Reserved", 0, 0, A::kRsvd},
    {"Supported Link Speeds", 7, 1, A::kHwInit, 0xf},
    {"Reserved", 31, 8, A::kRsvd},
};
constexpr FieldDecl kLinkControl2Fields[] = {
    {"Target Link Speed", 3, 0, A::kRWS, 4},
    {"Enter Compliance", 4, 4, A::kRWS},
    {"Hardware Autonomous Speed Disable", 5, 5, A::kRWS},
    {"Reserved", 15, 6, A::kRsvd},
};
constexpr RegisterDecl kPcieRegisters[] = {
    {"PCI Express Capabilities", 2, 2, kPcieCapabilityFields, "PCIe 6.0 s7.5.3.2"},
    {"Device Capabilities", 4, 4, kDeviceCapabilityFields, "PCIe 6.0 s7.5.3.3"},
    {"Device Control", 8, 2, kDeviceControlFields, "PCIe 6.0 s7.5.3.4"},
    {"Device Status", 10, 2, kDeviceStatusFields, "PCIe 6.0 s7.5.3.5"},
    {"Link Capabilities", 12, 4, kLinkCapabilityFields, "PCIe 6.0 s7.5.3.6"},
    {"Link Control", 16, 2, kLinkControlFields, "PCIe 6.0 s7.5.3.7"},
    {"Link Status", 18, 2, kLinkStatusFields, "PCIe 6.0 s7.5.3.8"},
    {"Device Capabilities 2", 36, 4, kDeviceCapability2Fields, "PCIe 6.0 s7.5.3.15"},
    {"Device Control 2", 40, 2, kDeviceControl2Fields, "PCIe 6.0 s7.5.3.16"},
    {"Link Capabilities 2", 44, 4, kLinkCapability2Fields, "PCIe 6.0 s7.5.3.18"},
    {"Link Control 2", 48, 2, kLinkControl2Fields, "PCIe 6.0 s7.5.3.19"},
};
static_assert(well_formed(kPcieRegisters));

// Vendor-specific ---------------------------------------------------------------------------------------------------
constexpr FieldDecl kVendorLengthFields[] = {{"Length", 7, 0, A::kHwInit, 8}};
constexpr FieldDecl kVendorVersionFields[] = {{"Version", 7, 0, A::kHwInit, 1}};
constexpr FieldDecl kVendorScratchFields[] = {{"Scratch", 7, 0, A::kRW}};
constexpr RegisterDecl kVendorRegisters[] = {
    {"Vendor Capability Length", 2, 1, kVendorLengthFields, "PCIe 6.0 s7.9.4"},
    {"Vendor Capability Version", 3, 1, kVendorVersionFields, "defined by this model"},
    {"Vendor Scratch", 4, 1, kVendorScratchFields, "defined by this model"},
};
static_assert(well_formed(kVendorRegisters));

}  // namespace

constinit const CapabilityDecl kPowerManagementCapability{"Power Management", pm::kId, 8, kPmRegisters,
                                                          "PCIe 6.0 s7.5.2"};
constinit const CapabilityDecl kMsiCapability{"MSI", msi::kId, 24, kMsiRegisters, "PCIe 6.0 s7.7.1"};
constinit const CapabilityDecl kMsixCapability{"MSI-X", msix::kId, 12, kMsixRegisters, "PCIe 6.0 s7.7.2"};
constinit const CapabilityDecl kPcieEndpointCapability{"PCI Express", pcie::kId, 60, kPcieRegisters,
                                                       "PCIe 6.0 s7.5.3"};
constinit const CapabilityDecl kVendorCapability{"Vendor-Specific", vendor::kId, 8, kVendorRegisters,
                                                 "PCIe 6.0 s7.9.4"};

}  // namespace dartboard::model
