// model/capabilities.h - the capabilities an endpoint can have, as register declarations with offsets and bits by name.
//
// Only data: ids, lengths, fields, access and reset classes. What writing Initiate FLR, PowerState or an MSI mask does
// is the endpoint's (model/endpoint.cpp) and the MSI-X table's (model/msix.cpp).
#pragma once

#include <cstdint>

#include "base/types.h"
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
inline constexpr uint16_t kReportCorrectable = 1u << 0;     ///< in Device Control: which messages may be sent
inline constexpr uint16_t kReportNonFatal = 1u << 1;
inline constexpr uint16_t kReportFatal = 1u << 2;
inline constexpr uint16_t kReportUnsupported = 1u << 3;
inline constexpr unsigned kMaxPayloadShift = 5;             ///< 3 bits, 128 bytes << n
inline constexpr unsigned kMaxReadRequestShift = 12;        ///< likewise
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
inline constexpr uint32_t kControl = 24;                    ///< AER Capabilities and Control
inline constexpr uint32_t kFirstErrorPointerMask = 0x1f;    ///< in it
inline constexpr uint32_t kHeaderLog = 28;                  ///< four dwords
inline constexpr uint32_t kSurpriseDown = 1u << 5;          ///< in Uncorrectable Status
inline constexpr uint32_t kCompletionTimeout = 1u << 14;
inline constexpr uint32_t kCompleterAbort = 1u << 15;
inline constexpr uint32_t kPoisoned = 1u << 12;
inline constexpr uint32_t kUnexpectedCompletion = 1u << 16;
inline constexpr uint32_t kMalformed = 1u << 18;
inline constexpr uint32_t kUnsupportedRequest = 1u << 20;
inline constexpr uint32_t kReceiverError = 1u << 0;         ///< in Correctable Status
inline constexpr uint32_t kBadTlp = 1u << 6;
inline constexpr uint32_t kReplayRollover = 1u << 8;
inline constexpr uint32_t kReplayTimeout = 1u << 12;
inline constexpr uint32_t kAdvisoryNonFatal = 1u << 13;
// Root ports.
inline constexpr uint32_t kRootCommand = 44;
inline constexpr uint32_t kRootStatus = 48;
inline constexpr uint32_t kErrorSource = 52;                ///< ERR_COR in 15:0, ERR_FATAL/NONFATAL in 31:16
inline constexpr uint32_t kCorReceived = 1u << 0;           ///< in Root Error Status
inline constexpr uint32_t kMultipleCorReceived = 1u << 1;
inline constexpr uint32_t kUncorReceived = 1u << 2;
inline constexpr uint32_t kMultipleUncorReceived = 1u << 3;
inline constexpr uint32_t kFirstUncorFatal = 1u << 4;
inline constexpr uint32_t kNonFatalReceived = 1u << 5;
inline constexpr uint32_t kFatalReceived = 1u << 6;
}  // namespace aer
extern const CapabilityDecl kAerCapability;
extern const CapabilityDecl kAerRootCapability;   ///< with Root Error Command, Status and Source

/// Device Serial Number (PCIe 6.0 s7.9.3), extended.
namespace serial {
inline constexpr uint16_t kId = 0x0003;
inline constexpr uint32_t kLow = 4;
inline constexpr uint32_t kHigh = 8;
}  // namespace serial
extern const CapabilityDecl kSerialNumberCapability;

/// Address Translation Services (PCIe 6.0 s10.5.1), extended: visible, cannot be enabled.
namespace ats {
inline constexpr uint16_t kId = 0x000f;
inline constexpr uint32_t kCapability = 4;                  ///< 16 bits
inline constexpr uint32_t kControl = 6;                     ///< 16 bits
inline constexpr uint16_t kEnable = 1u << 15;
}  // namespace ats
extern const CapabilityDecl kAtsCapability;

/// Resizable BAR (PCIe 6.0 s7.8.6), extended: one pair of registers, 8 bytes, for each such BAR.
namespace rebar {
inline constexpr uint16_t kId = 0x0015;
inline constexpr uint32_t kCapability = 4;                  ///< bit n+4: 1 MiB << n
inline constexpr uint32_t kControl = 8;
inline constexpr unsigned kCountShift = 5;                  ///< in the first Control
inline constexpr unsigned kSizeShift = 8;                   ///< 6 bits, 1 MiB << n
inline constexpr uint64_t kBytesMin = kMiB;
}  // namespace rebar
/// The declaration for 1 to 6 BARs.
const CapabilityDecl& resizable_bar_capability(unsigned bars);

/// Vendor-Specific Extended Capability (PCIe 6.0 s7.9.5): a scratch dword and one that is sticky.
namespace vsec {
inline constexpr uint16_t kId = 0x000b;
inline constexpr uint16_t kVsecId = 0x00db;
inline constexpr uint32_t kScratch = 8;
inline constexpr uint32_t kSticky = 12;
inline constexpr uint32_t kBytes = 16;
}  // namespace vsec
extern const CapabilityDecl kVendorExtendedCapability;

}  // namespace dartboard::model
