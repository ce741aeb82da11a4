// model/capabilities_extended.cpp - the extended capability tables. Register offsets are from the capability's first
// byte.
#include <array>
#include <cassert>

#include "model/capabilities.h"

namespace dartboard::model {
namespace {

using A = Access;

// Advanced Error Reporting ------------------------------------------------------------------------------------------
// Status, mask and severity have the same bits; `reset` holds the reset value of the whole register.
constexpr std::array<FieldDecl, 11> uncorrectable_fields(A access, uint32_t reset) {
  std::array<FieldDecl, 11> fields{{
      {"Data Link Protocol Error", 4, 4, access},
      {"Surprise Down Error", 5, 5, access},
      {"Poisoned TLP Received", 12, 12, access},
      {"Flow Control Protocol Error", 13, 13, access},
      {"Completion Timeout", 14, 14, access},
      {"Completer Abort", 15, 15, access},
      {"Unexpected Completion", 16, 16, access},
      {"Receiver Overflow", 17, 17, access},
      {"Malformed TLP", 18, 18, access},
      {"ECRC Error", 19, 19, access},
      {"Unsupported Request Error", 20, 20, access},
  }};
  for (FieldDecl& field : fields) field.reset = (reset >> field.lo) & 1;
  return fields;
}
constexpr auto kAerStatusFields = uncorrectable_fields(A::kRW1CS, 0);
constexpr auto kAerMaskFields = uncorrectable_fields(A::kRWS, 0);
constexpr auto kAerSeverityFields = uncorrectable_fields(A::kRWS, 0x0006'2030);
constexpr FieldDecl kAerCorrectableStatusFields[] = {
    {"Receiver Error", 0, 0, A::kRW1CS},
    {"Bad TLP", 6, 6, A::kRW1CS},
    {"Bad DLLP", 7, 7, A::kRW1CS},
    {"REPLAY_NUM Rollover", 8, 8, A::kRW1CS},
    {"Replay Timer Timeout", 12, 12, A::kRW1CS},
    {"Advisory Non-Fatal Error", 13, 13, A::kRW1CS},
};
constexpr FieldDecl kAerCorrectableMaskFields[] = {
    {"Receiver Error", 0, 0, A::kRWS},
    {"Bad TLP", 6, 6, A::kRWS},
    {"Bad DLLP", 7, 7, A::kRWS},
    {"REPLAY_NUM Rollover", 8, 8, A::kRWS},
    {"Replay Timer Timeout", 12, 12, A::kRWS},
    {"Advisory Non-Fatal Error", 13, 13, A::kRWS, 1},
};
constexpr FieldDecl kAerControlFields[] = {
    {"First Error Pointer", 4, 0, A::kROS},
    {"ECRC Generation Capable", 5, 5, A::kRO},
    {"ECRC Check Capable", 7, 7, A::kRO},
    {"Multiple Header Recording Capable", 9, 9, A::kRO},
    {"Completion Timeout Header Log Capable", 12, 12, A::kRO, 1},
};
constexpr FieldDecl kAerHeaderLogFields[] = {{"Header Log", 31, 0, A::kROS}};
constexpr FieldDecl kRootCommandFields[] = {
    {"Correctable Error Reporting Enable", 0, 0, A::kRW},
    {"Non-Fatal Error Reporting Enable", 1, 1, A::kRW},
    {"Fatal Error Reporting Enable", 2, 2, A::kRW},
};
constexpr FieldDecl kRootStatusFields[] = {
    {"ERR_COR Received", 0, 0, A::kRW1CS},
    {"Multiple ERR_COR Received", 1, 1, A::kRW1CS},
    {"ERR_FATAL/NONFATAL Received", 2, 2, A::kRW1CS},
    {"Multiple ERR_FATAL/NONFATAL Received", 3, 3, A::kRW1CS},
    {"First Uncorrectable Fatal", 4, 4, A::kRW1CS},
    {"Non-Fatal Error Messages Received", 5, 5, A::kRW1CS},
    {"Fatal Error Messages Received", 6, 6, A::kRW1CS},
    {"Advanced Error Interrupt Message Number", 31, 27, A::kRO},
};
constexpr FieldDecl kErrorSourceFields[] = {
    {"ERR_COR Source", 15, 0, A::kROS},
    {"ERR_FATAL/NONFATAL Source", 31, 16, A::kROS},
};
constexpr unsigned kAerEndpointRegisterCount = 7;
constexpr RegisterDecl kAerRegisters[] = {
    {"Uncorrectable Error Status", aer::kUncorrectableStatus, 4, kAerStatusFields, "PCIe 6.0 s7.8.4.2"},
    {"Uncorrectable Error Mask", aer::kUncorrectableMask, 4, kAerMaskFields, "PCIe 6.0 s7.8.4.3"},
    {"Uncorrectable Error Severity", aer::kUncorrectableSeverity, 4, kAerSeverityFields, "PCIe 6.0 s7.8.4.4"},
    {"Correctable Error Status", aer::kCorrectableStatus, 4, kAerCorrectableStatusFields, "PCIe 6.0 s7.8.4.5"},
    {"Correctable Error Mask", aer::kCorrectableMask, 4, kAerCorrectableMaskFields, "PCIe 6.0 s7.8.4.6"},
    {"AER Capabilities and Control", aer::kControl, 4, kAerControlFields, "PCIe 6.0 s7.8.4.7"},
    {"Header Log", aer::kHeaderLog, 4, kAerHeaderLogFields, "PCIe 6.0 s7.8.4.8", 4, 4},
    // Of root ports only: the endpoint's table is the part before it.
    {"Root Error Command", aer::kRootCommand, 4, kRootCommandFields, "PCIe 6.0 s7.8.4.9"},
    {"Root Error Status", aer::kRootStatus, 4, kRootStatusFields, "PCIe 6.0 s7.8.4.10"},
    {"Error Source Identification", aer::kErrorSource, 4, kErrorSourceFields, "PCIe 6.0 s7.8.4.11"},
};
static_assert(well_formed(kAerRegisters));

// Device Serial Number ----------------------------------------------------------------------------------------------
constexpr FieldDecl kSerialLowFields[] = {{"Serial Number, lower", 31, 0, A::kHwInit}};
constexpr FieldDecl kSerialHighFields[] = {{"Serial Number, upper", 31, 0, A::kHwInit}};
constexpr RegisterDecl kSerialRegisters[] = {
    {"Serial Number Lower", 4, 4, kSerialLowFields, "PCIe 6.0 s7.9.3.2"},
    {"Serial Number Upper", 8, 4, kSerialHighFields, "PCIe 6.0 s7.9.3.2"},
};
static_assert(well_formed(kSerialRegisters));

// Address Translation Services --------------------------------------------------------------------------------------
// Shown, so that software which looks for it finds it; Enable cannot be set, because no translation agent is behind it.
constexpr FieldDecl kAtsCapabilityFields[] = {
    {"Invalidate Queue Depth", 4, 0, A::kHwInit, 0},  // 32 entries
    {"Page Aligned Request", 5, 5, A::kHwInit, 1},
    {"Global Invalidate Supported", 6, 6, A::kHwInit, 0},
    {"Relaxed Ordering Supported", 7, 7, A::kHwInit, 0},
};
constexpr FieldDecl kAtsControlFields[] = {
    {"Smallest Translation Unit", 4, 0, A::kRW},
    {"Enable", 15, 15, A::kRO},
};
constexpr RegisterDecl kAtsRegisters[] = {
    {"ATS Capability", ats::kCapability, 2, kAtsCapabilityFields, "PCIe 6.0 s10.5.1.2"},
    {"ATS Control", ats::kControl, 2, kAtsControlFields, "PCIe 6.0 s10.5.1.3"},
};
static_assert(well_formed(kAtsRegisters));

// Resizable BAR -----------------------------------------------------------------------------------------------------
constexpr FieldDecl kRebarCapabilityFields[] = {{"BAR Sizes 1 MiB..128 TiB", 31, 4, A::kHwInit}};
constexpr FieldDecl kRebarControlFields[] = {
    {"BAR Index", 2, 0, A::kHwInit},
    {"Number of Resizable BARs", 7, 5, A::kHwInit},
    {"BAR Size", 13, 8, A::kRW},  // its reset value is the declared size
    {"BAR Sizes above 128 TiB", 31, 16, A::kHwInit},
};
template <unsigned kBars>
constexpr RegisterDecl kRebarRegisters[] = {
    {"Resizable BAR Capability", rebar::kCapability, 4, kRebarCapabilityFields, "PCIe 6.0 s7.8.6.2", kBars, 8},
    {"Resizable BAR Control", rebar::kControl, 4, kRebarControlFields, "PCIe 6.0 s7.8.6.3", kBars, 8},
};
template <unsigned kBars>
constexpr CapabilityDecl kRebarCapability{"Resizable BAR",   rebar::kId, 4 + 8 * kBars, kRebarRegisters<kBars>,
                                          "PCIe 6.0 s7.8.6", 1,          true};
static_assert(well_formed(kRebarRegisters<6>));

// Vendor-Specific Extended Capability -------------------------------------------------------------------------------
constexpr FieldDecl kVsecHeaderFields[] = {
    {"VSEC ID", 15, 0, A::kHwInit, vsec::kVsecId},
    {"VSEC Revision", 19, 16, A::kHwInit, 1},
    {"VSEC Length", 31, 20, A::kHwInit, vsec::kBytes},
};
constexpr FieldDecl kVsecScratchFields[] = {{"Scratch", 31, 0, A::kRW}};
constexpr FieldDecl kVsecStickyFields[] = {{"Sticky Scratch", 31, 0, A::kRWS}};
constexpr RegisterDecl kVsecRegisters[] = {
    {"Vendor-Specific Header", 4, 4, kVsecHeaderFields, "PCIe 6.0 s7.9.5.2"},
    {"VSEC Scratch", vsec::kScratch, 4, kVsecScratchFields, "defined by this model"},
    {"VSEC Sticky Scratch", vsec::kSticky, 4, kVsecStickyFields, "defined by this model"},
};
static_assert(well_formed(kVsecRegisters));

}  // namespace

constinit const CapabilityDecl kAerCapability{
    "Advanced Error Reporting", aer::kId, 72,  std::span(kAerRegisters).first(kAerEndpointRegisterCount),
    "PCIe 6.0 s7.8.4",          2,        true};
constinit const CapabilityDecl kAerRootCapability{
    "Advanced Error Reporting (root port)", aer::kId, 72, kAerRegisters, "PCIe 6.0 s7.8.4", 2, true};
constinit const CapabilityDecl kSerialNumberCapability{"Device Serial Number", serial::kId, 12,  kSerialRegisters,
                                                       "PCIe 6.0 s7.9.3",      1,           true};
constinit const CapabilityDecl kAtsCapability{
    "Address Translation Services", ats::kId, 8, kAtsRegisters, "PCIe 6.0 s10.5.1", 1, true};
constinit const CapabilityDecl kVendorExtendedCapability{
    "Vendor-Specific Extended", vsec::kId, vsec::kBytes, kVsecRegisters, "PCIe 6.0 s7.9.5", 1, true};

const CapabilityDecl& resizable_bar_capability(unsigned bars) {
  assert(bars >= 1 && bars <= 6);
  constexpr const CapabilityDecl* kByCount[] = {&kRebarCapability<1>, &kRebarCapability<2>, &kRebarCapability<3>,
                                                &kRebarCapability<4>, &kRebarCapability<5>, &kRebarCapability<6>};
  return *kByCount[bars - 1];
}

}  // namespace dartboard::model
