// model/capabilities.h - the capabilities an endpoint can have, as register declarations with offsets and bits by name.
//
// Only data: ids, lengths, fields, access and reset classes. What writing Initiate FLR, PowerState or an MSI mask does
// is the endpoint's (model/endpoint.cpp) and the MSI-X table's (model/msix.cpp).
#pragma once

#include <cstdint>

#include "model/config_space.h"

namespace dartboard::model {

/// PCI Power Management (PCIe 6.0 s7.5.2).
namespace pm {
inline constexpr uint8_t kId = 0x01;
inline constexpr uint32_t kControlStatus = 4;               ///< PMCSR, 16 bits
inline constexpr uint16_t kPowerStateMask = 0x3;            ///< 0 = D0, 3 = D3hot
inline constexpr uint16_t kPowerStateD3Hot = 0x3;
inline constexpr uint16_t kNoSoftReset = 1u << 3;
}  // namespace pm
extern const CapabilityDecl kPowerManagementCapability;

/// MSI with 64-bit address and per-vector masking (PCIe 6.0 s7.7.1).
namespace msi {
inline constexpr uint8_t kId = 0x05;
inline constexpr uint32_t kControl = 2;                     ///< 16 bits
inline constexpr uint16_t kEnable = 1u << 0;
inline constexpr unsigned kMultipleMessageCapableShift = 1;
inline constexpr unsigned kMultipleMessageEnableShift = 4;
inline constexpr uint32_t kAddressLow = 4;
inline constexpr uint32_t kAddressHigh = 8;
inline constexpr uint32_t kData = 12;                       ///< 16 bits
inline constexpr uint32_t kMask = 16;
inline constexpr uint32_t kPending = 20;
}  // namespace msi
extern const CapabilityDecl kMsiCapability;

/// MSI-X (PCIe 6.0 s7.7.2). The table and the PBA are in a BAR: model/msix.h.
namespace msix {
inline constexpr uint8_t kId = 0x11;
inline constexpr uint32_t kControl = 2;                     ///< 16 bits
inline constexpr uint16_t kFunctionMask = 1u << 14;
inline constexpr uint16_t kEnable = 1u << 15;
inline constexpr uint32_t kTable = 4;                       ///< BIR in bits 2:0, offset above
inline constexpr uint32_t kPba = 8;
}  // namespace msix
extern const CapabilityDecl kMsixCapability;

/// PCI Express, version 2 layout (PCIe 6.0 s7.5.3).
namespace pcie {
inline constexpr uint8_t kId = 0x10;
inline constexpr uint32_t kCapabilities = 2;                ///< 16 bits
inline constexpr uint32_t kDeviceCapabilities = 4;
inline constexpr uint32_t kDeviceControl = 8;               ///< 16 bits
inline constexpr uint32_t kDeviceStatus = 10;               ///< 16 bits
inline constexpr uint32_t kLinkCapabilities = 12;
inline constexpr uint32_t kLinkControl = 16;                ///< 16 bits
inline constexpr uint32_t kLinkStatus = 18;                 ///< 16 bits
inline constexpr uint32_t kFlrCapable = 1u << 28;           ///< in Device Capabilities
inline constexpr uint16_t kInitiateFlr = 1u << 15;          ///< in Device Control
inline constexpr uint16_t kCorrectableDetected = 1u << 0;   ///< in Device Status
inline constexpr uint16_t kNonFatalDetected = 1u << 1;
inline constexpr uint16_t kFatalDetected = 1u << 2;
inline constexpr uint16_t kUnsupportedRequestDetected = 1u << 3;
inline constexpr uint16_t kTransactionsPending = 1u << 5;
}  // namespace pcie
extern const CapabilityDecl kPcieEndpointCapability;

/// Vendor-specific (PCIe 6.0 s7.9.4): 8 bytes, one scratch byte that software may write.
namespace vendor {
inline constexpr uint8_t kId = 0x09;
}  // namespace vendor
extern const CapabilityDecl kVendorCapability;

/// Advanced Error Reporting (PCIe 6.0 s7.8.4), extended; first in the chain.
namespace aer {
inline constexpr uint16_t kId = 0x0001;
inline constexpr uint32_t kUncorrectableStatus = 4;
inline constexpr uint32_t kUncorrectableMask = 8;
inline constexpr uint32_t kUncorrectableSeverity = 12;
inline constexpr uint32_t kCorrectableStatus = 16;
inline constexpr uint32_t kCorrectableMask = 20;
inline constexpr uint32_t kCompletionTimeout = 1u << 14;    ///< in Uncorrectable Status
inline constexpr uint32_t kCompleterAbort = 1u << 15;
inline constexpr uint32_t kPoisoned = 1u << 12;
inline constexpr uint32_t kUnsupportedRequest = 1u << 20;
inline constexpr uint32_t kAdvisoryNonFatal = 1u << 13;     ///< in Correctable Status
}  // namespace aer
extern const CapabilityDecl kAerCapability;

/// Device Serial Number (PCIe 6.0 s7.9.3), extended.
namespace serial {
inline constexpr uint16_t kId = 0x0003;
inline constexpr uint32_t kLow = 4;
inline constexpr uint32_t kHigh = 8;
}  // namespace serial
extern const CapabilityDecl kSerialNumberCapability;

}  // namespace dartboard::model
