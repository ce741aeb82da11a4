// tests/model/error_report_test.cpp - figure 6-2 of the specification as a truth table: every error x mask x severity x
// advisory x enables.
#include "model/error_report.h"

#include <gtest/gtest.h>

#include "model/capabilities.h"

namespace dartboard::model {
namespace {

class ErrorReport : public testing::Test {
 protected:
  ErrorReport()
      : config(kType0Header, {0x1b36, 0x00db}),
        pcie_at(config.add_capability(kPcieEndpointCapability)),
        aer_at(config.add_capability(kAerCapability)) {}
  uint32_t aer(uint32_t offset) { return config.file().peek32(aer_at + offset); }
  void set_aer(uint32_t offset, uint32_t value) { config.write(aer_at + offset, value, 4); }
  uint16_t device_status() { return config.file().peek16(pcie_at + pcie::kDeviceStatus); }
  void enable(uint16_t bits) { config.write(pcie_at + pcie::kDeviceControl, bits, 2); }
  ErrorMessage report(PcieError error, bool advisory = false) {
    return ErrorReporter(config, pcie_at, aer_at).report(error, &header, advisory);
  }
  uint32_t first_error() { return aer(aer::kControl) & aer::kFirstErrorPointerMask; }

  ConfigSpace config;
  uint32_t pcie_at;
  uint32_t aer_at;
  TlpHeader header{{0x11, 0x22, 0x33, 0x44}};
};

TEST_F(ErrorReport, EveryCombinationFollowsTheFlow) {
  const uint32_t all_errors = kPcieErrorCount;
  for (uint32_t e = 0; e < all_errors; ++e) {
    for (unsigned bits = 0; bits < 64; ++bits) {
      const auto error = static_cast<PcieError>(e);
      const PcieErrorDecl& decl = declaration_of(error);
      const uint32_t bit = 1u << decl.bit;
      const bool masked = (bits & 1) != 0, fatal = (bits & 2) != 0, advisory = (bits & 4) != 0;
      const bool advisory_masked = (bits & 8) != 0, enabled = (bits & 16) != 0, serr = (bits & 32) != 0;
      config.reset(ResetKind::kPowerOn);
      set_aer(aer::kUncorrectableMask, masked ? bit : 0);
      set_aer(aer::kUncorrectableSeverity, fatal ? bit : 0);
      set_aer(aer::kCorrectableMask,
              (decl.correctable && masked ? bit : 0) | (advisory_masked ? aer::kAdvisoryNonFatal : 0));
      enable(enabled ? 0xf : 0);
      config.write(cfg::kCommand, serr ? cfg::kCommandSerr : 0, 2);
      const ErrorMessage message = report(error, advisory);
      SCOPED_TRACE(std::string(decl.name) + " " + std::to_string(bits));

      const bool unsupported = error == PcieError::kUnsupportedRequest;
      if (decl.correctable) {
        EXPECT_EQ(device_status(), pcie::kCorrectableDetected);
        EXPECT_EQ(aer(aer::kCorrectableStatus), bit);
        EXPECT_EQ(message, enabled && !masked ? ErrorMessage::kCorrectable : ErrorMessage::kNone);
        EXPECT_EQ(aer(aer::kHeaderLog), 0u);
      } else if (advisory && !fatal) {
        EXPECT_EQ(device_status(), pcie::kCorrectableDetected | (unsupported ? pcie::kUnsupportedRequestDetected : 0));
        EXPECT_EQ(aer(aer::kCorrectableStatus), aer::kAdvisoryNonFatal);
        EXPECT_EQ(aer(aer::kUncorrectableStatus), advisory_masked ? 0 : bit);
        EXPECT_EQ(aer(aer::kHeaderLog), advisory_masked || masked ? 0 : 0x11u);
        EXPECT_EQ(message, enabled && !advisory_masked ? ErrorMessage::kCorrectable : ErrorMessage::kNone);
      } else {
        EXPECT_EQ(device_status(), (fatal ? pcie::kFatalDetected : pcie::kNonFatalDetected) |
                                       (unsupported ? pcie::kUnsupportedRequestDetected : 0));
        EXPECT_EQ(aer(aer::kUncorrectableStatus), bit);
        EXPECT_EQ(aer(aer::kCorrectableStatus), 0u);
        EXPECT_EQ(aer(aer::kHeaderLog + 12), masked ? 0 : 0x44u);
        EXPECT_EQ(first_error(), masked ? 0u : decl.bit);
        const bool sent = !masked && (enabled || serr);
        EXPECT_EQ(message, !sent ? ErrorMessage::kNone : fatal ? ErrorMessage::kFatal : ErrorMessage::kNonFatal);
        EXPECT_EQ((config.status() & cfg::kStatusSignaledSystemError) != 0, !masked && serr);
      }
    }
  }
}

TEST_F(ErrorReport, TheFirstErrorKeepsTheLogUntilItsStatusIsCleared) {
  report(PcieError::kCompletionTimeout);
  header.dwords[0] = 0x55;
  report(PcieError::kPoisoned);
  EXPECT_EQ(first_error(), 14u);
  EXPECT_EQ(aer(aer::kHeaderLog), 0x11u);
  EXPECT_EQ(aer(aer::kUncorrectableStatus), aer::kCompletionTimeout | aer::kPoisoned);
  set_aer(aer::kUncorrectableStatus, aer::kCompletionTimeout);
  report(PcieError::kMalformed);
  EXPECT_EQ(first_error(), 18u);
  EXPECT_EQ(aer(aer::kHeaderLog), 0x55u);
}

TEST_F(ErrorReport, UnsupportedRequestReportingHasItsOwnEnable) {
  set_aer(aer::kCorrectableMask, 0);
  enable(pcie::kReportCorrectable | pcie::kReportNonFatal);
  EXPECT_EQ(report(PcieError::kUnsupportedRequest, true), ErrorMessage::kNone);
  EXPECT_EQ(report(PcieError::kUnsupportedRequest, false), ErrorMessage::kNone);
  EXPECT_EQ(report(PcieError::kCompleterAbort, true), ErrorMessage::kCorrectable);
  enable(pcie::kReportCorrectable | pcie::kReportNonFatal | pcie::kReportUnsupported);
  EXPECT_EQ(report(PcieError::kUnsupportedRequest, true), ErrorMessage::kCorrectable);
  EXPECT_EQ(report(PcieError::kUnsupportedRequest, false), ErrorMessage::kNonFatal);
}

TEST_F(ErrorReport, WithoutAerSeverityIsTheDefaultAndNothingIsMasked) {
  enable(0xf);
  ErrorReporter without(config, pcie_at, 0);
  EXPECT_EQ(without.report(PcieError::kMalformed, &header), ErrorMessage::kFatal);
  EXPECT_EQ(without.report(PcieError::kPoisoned, &header), ErrorMessage::kNonFatal);
  EXPECT_EQ(without.report(PcieError::kUnsupportedRequest, &header, true), ErrorMessage::kCorrectable);
  EXPECT_EQ(aer(aer::kUncorrectableStatus), 0u);
  EXPECT_EQ(aer(aer::kHeaderLog), 0u);
}

TEST_F(ErrorReport, AConventionalFunctionRecordsNothing) {
  EXPECT_EQ(ErrorReporter(config, 0, 0).report(PcieError::kMalformed, &header), ErrorMessage::kNone);
  EXPECT_EQ(device_status(), 0u);
}

TEST(ErrorMessageTest, MessagesHaveTheirSpecificationNames) {
  EXPECT_EQ(to_string(ErrorMessage::kNone), "none");
  EXPECT_EQ(to_string(ErrorMessage::kCorrectable), "ERR_COR");
  EXPECT_EQ(to_string(ErrorMessage::kNonFatal), "ERR_NONFATAL");
  EXPECT_EQ(to_string(ErrorMessage::kFatal), "ERR_FATAL");
}

}  // namespace
}  // namespace dartboard::model
