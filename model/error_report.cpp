// model/error_report.cpp - the table of errors and the reporting flow.
#include "model/error_report.h"

#include "model/capabilities.h"

namespace dartboard::model {
namespace {

constexpr PcieErrorDecl kErrors[kPcieErrorCount] = {
    {"Data Link Protocol Error", false, 4, true, "PCIe 6.0 s3.6.2.2"},
    {"Surprise Down Error", false, 5, true, "PCIe 6.0 s3.2.1"},
    {"Poisoned TLP Received", false, 12, false, "PCIe 6.0 s2.7.2.1"},
    {"Completion Timeout", false, 14, false, "PCIe 6.0 s2.8"},
    {"Completer Abort", false, 15, false, "PCIe 6.0 s2.3.1"},
    {"Unexpected Completion", false, 16, false, "PCIe 6.0 s2.3.2"},
    {"Malformed TLP", false, 18, true, "PCIe 6.0 s2.3"},
    {"Unsupported Request", false, 20, false, "PCIe 6.0 s2.3.1"},
    {"Receiver Error", true, 0, false, "PCIe 6.0 s4.2.1"},
    {"Bad TLP", true, 6, false, "PCIe 6.0 s3.6.3.1"},
    {"Bad DLLP", true, 7, false, "PCIe 6.0 s3.6.2.1"},
    {"REPLAY_NUM Rollover", true, 8, false, "PCIe 6.0 s3.6.2.1"},
    {"Replay Timer Timeout", true, 12, false, "PCIe 6.0 s3.6.2.1"},
};

}  // namespace

const PcieErrorDecl& declaration_of(PcieError error) {
  return kErrors[static_cast<unsigned>(error)];
}

std::string_view to_string(ErrorMessage message) {
  switch (message) {
    case ErrorMessage::kNone: return "none";
    case ErrorMessage::kCorrectable: return "ERR_COR";
    case ErrorMessage::kNonFatal: return "ERR_NONFATAL";
    case ErrorMessage::kFatal: return "ERR_FATAL";
  }
  return "?";
}

ErrorMessage ErrorReporter::report(PcieError error, const TlpHeader* header, bool advisory) {
  if (pcie_ == 0) return ErrorMessage::kNone;
  const PcieErrorDecl& decl = declaration_of(error);
  if (decl.correctable) return report_correctable(1u << decl.bit);
  const bool is_fatal = fatal(decl);
  return advisory && !is_fatal ? report_advisory(error, header) : report_uncorrectable(error, is_fatal, header);
}

ErrorMessage ErrorReporter::report_correctable(uint32_t status_bit) {
  set_device_status(pcie::kCorrectableDetected);
  set_aer(aer::kCorrectableStatus, status_bit);
  if (masked(aer::kCorrectableMask, status_bit)) return ErrorMessage::kNone;
  const uint16_t control = config_.file().peek16(pcie_ + pcie::kDeviceControl);
  return (control & pcie::kReportCorrectable) != 0 ? ErrorMessage::kCorrectable : ErrorMessage::kNone;
}

/// While advisory errors are masked, as after power-on, the uncorrectable status shows nothing (PCIe 6.0 figure 6-2).
ErrorMessage ErrorReporter::report_advisory(PcieError error, const TlpHeader* header) {
  if (error == PcieError::kUnsupportedRequest) set_device_status(pcie::kUnsupportedRequestDetected);
  const uint32_t bit = 1u << declaration_of(error).bit;
  if (aer_ != 0 && !masked(aer::kCorrectableMask, aer::kAdvisoryNonFatal)) {
    if (!masked(aer::kUncorrectableMask, bit)) log_header(bit, header);
    set_aer(aer::kUncorrectableStatus, bit);
  }
  // Unsupported requests have an enable of their own (PCIe 6.0 s6.2.5).
  const uint16_t control = config_.file().peek16(pcie_ + pcie::kDeviceControl);
  const ErrorMessage message = report_correctable(aer::kAdvisoryNonFatal);
  if (error == PcieError::kUnsupportedRequest && (control & pcie::kReportUnsupported) == 0) return ErrorMessage::kNone;
  return message;
}

ErrorMessage ErrorReporter::report_uncorrectable(PcieError error, bool is_fatal, const TlpHeader* header) {
  set_device_status(is_fatal ? pcie::kFatalDetected : pcie::kNonFatalDetected);
  if (error == PcieError::kUnsupportedRequest) set_device_status(pcie::kUnsupportedRequestDetected);
  const uint32_t bit = 1u << declaration_of(error).bit;
  const bool is_masked = masked(aer::kUncorrectableMask, bit);
  if (!is_masked) log_header(bit, header);
  set_aer(aer::kUncorrectableStatus, bit);
  if (is_masked) return ErrorMessage::kNone;

  const uint16_t control = config_.file().peek16(pcie_ + pcie::kDeviceControl);
  const bool system_error = (config_.command() & cfg::kCommandSerr) != 0;
  if (error == PcieError::kUnsupportedRequest && !system_error && (control & pcie::kReportUnsupported) == 0) {
    return ErrorMessage::kNone;
  }
  const uint16_t enable = is_fatal ? pcie::kReportFatal : pcie::kReportNonFatal;
  if (!system_error && (control & enable) == 0) return ErrorMessage::kNone;
  if (system_error) config_.set_status(cfg::kStatusSignaledSystemError);
  return is_fatal ? ErrorMessage::kFatal : ErrorMessage::kNonFatal;
}

bool ErrorReporter::fatal(const PcieErrorDecl& decl) const {
  if (aer_ == 0) return decl.fatal_by_default;
  return ((config_.file().peek32(aer_ + aer::kUncorrectableSeverity) >> decl.bit) & 1) != 0;
}

bool ErrorReporter::masked(uint32_t mask_register, uint32_t bit) const {
  return aer_ != 0 && (config_.file().peek32(aer_ + mask_register) & bit) != 0;
}

void ErrorReporter::set_device_status(uint16_t bits) {
  RegisterFile& file = config_.file();
  const uint32_t at = pcie_ + pcie::kDeviceStatus;
  file.poke16(at, static_cast<uint16_t>(file.peek16(at) | bits));
}

void ErrorReporter::set_aer(uint32_t status_register, uint32_t bit) {
  if (aer_ == 0) return;
  RegisterFile& file = config_.file();
  file.poke32(aer_ + status_register, file.peek32(aer_ + status_register) | bit);
}

/// The first error keeps the log until software clears its status bit (PCIe 6.0 s6.2.4.2): First Error Pointer is valid
/// while the bit that it points to is set. Called before the status bit is set.
void ErrorReporter::log_header(uint32_t bit, const TlpHeader* header) {
  if (aer_ == 0) return;
  RegisterFile& file = config_.file();
  const uint32_t control = file.peek32(aer_ + aer::kControl);
  const uint32_t first = control & aer::kFirstErrorPointerMask;
  const uint32_t status = file.peek32(aer_ + aer::kUncorrectableStatus);
  if (((status >> first) & 1) != 0) return;
  uint32_t pointer = 0;
  while ((bit >> pointer) != 1) ++pointer;
  file.poke32(aer_ + aer::kControl, (control & ~aer::kFirstErrorPointerMask) | pointer);
  for (uint32_t i = 0; i < 4; ++i) {
    file.poke32(aer_ + aer::kHeaderLog + 4 * i, header != nullptr ? header->dwords[i] : 0);
  }
}

}  // namespace dartboard::model
