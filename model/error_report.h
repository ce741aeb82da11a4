// model/error_report.h - what an error leaves behind in a function: Device Status, Status, AER, and the message it
// sends.
//
// The errors are rows of a table; report() is the flow of PCIe 6.0 s6.2.5 (figure 6-2) over the function's own
// registers, for endpoints and root ports alike. Where the message goes is the caller's business: an endpoint sends it
// up the link, a root port counts it in its Root Error Status.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/config_space.h"
#include "model/tlp_header.h"

namespace dartboard::model {

enum class PcieError : uint8_t {
  kDataLinkProtocol,
  kSurpriseDown,
  kPoisoned,
  kCompletionTimeout,
  kCompleterAbort,
  kUnexpectedCompletion,
  kMalformed,
  kUnsupportedRequest,
  // Correctable.
  kReceiverError,
  kBadTlp,
  kBadDllp,
  kReplayRollover,
  kReplayTimeout,
};
inline constexpr unsigned kPcieErrorCount = 13;

struct PcieErrorDecl {
  std::string_view name;
  bool correctable;
  uint8_t bit;            ///< in AER's Uncorrectable or Correctable Error Status
  bool fatal_by_default;  ///< severity of a function without AER
  std::string_view spec;
};
const PcieErrorDecl& declaration_of(PcieError error);

/// The message that an error sends to the root complex (PCIe 6.0 s2.2.8.3).
enum class ErrorMessage : uint8_t { kNone, kCorrectable, kNonFatal, kFatal };
std::string_view to_string(ErrorMessage message);

class ErrorReporter {
 public:
  /// Offsets of the function's capabilities; 0: it has none. Without PCI Express nothing is recorded.
  ErrorReporter(ConfigSpace& config, uint32_t pcie_capability, uint32_t aer_capability)
      : config_(config), pcie_(pcie_capability), aer_(aer_capability) {}

  /// Records `error`. `header`: of the packet it is about, or null. `advisory`: one of the cases that role-based error
  /// reporting downgrades to a correctable error while their severity is non-fatal (PCIe 6.0 s6.2.3.2.4).
  /// Returns the message to send; Command and Device Control decide whether there is one.
  ErrorMessage report(PcieError error, const TlpHeader* header, bool advisory = false);

 private:
  ErrorMessage report_correctable(uint32_t status_bit);
  ErrorMessage report_advisory(PcieError error, const TlpHeader* header);
  ErrorMessage report_uncorrectable(PcieError error, bool fatal, const TlpHeader* header);
  bool fatal(const PcieErrorDecl& decl) const;
  bool masked(uint32_t mask_register, uint32_t bit) const;
  void set_device_status(uint16_t bits);
  void set_aer(uint32_t status_register, uint32_t bit);
  void log_header(uint32_t bit, const TlpHeader* header);

  ConfigSpace& config_;
  uint32_t pcie_;
  uint32_t aer_;
};

}  // namespace dartboard::model
