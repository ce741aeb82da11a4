// tests/model/root_port_errors_test.cpp - Root Error Status, Source and interrupt, message by message.
#include <gtest/gtest.h>

#include <vector>

#include "model/capabilities.h"
#include "model/root_port.h"

namespace dartboard::model {
namespace {

class RootPortErrors : public testing::Test, protected RootPortOwner {
 protected:
  RootPortErrors() { port.config_write(bridge::kBridgeControl, bridge::kSerrEnable, 2); }
  void secondary_reset(bool) override {}
  void link_disabled(bool) override {}
  void link_retrained() override { ++retrained; }
  void root_error(const RootError& error) override { errors.push_back(error); }
  uint32_t aer(uint32_t offset) {
    return static_cast<uint32_t>(port.config_read(port.config().find_extended_capability(aer::kId) + offset, 4));
  }
  void set_aer(uint32_t offset, uint32_t value) {
    port.config_write(port.config().find_extended_capability(aer::kId) + offset, value, 4);
  }
  RootPort port{*this};
  std::vector<RootError> errors;
  unsigned retrained = 0;
};

using M = ErrorMessage;

TEST_F(RootPortErrors, MessagesAreCountedWithTheFirstSourceOfEachKind) {
  const Rid first(1, 0, 0), second(1, 0, 1);
  struct Row {
    std::vector<M> messages;
    uint32_t status;
    uint32_t source;
  };
  const Row rows[] = {
      {{M::kCorrectable}, aer::kCorReceived, 0x0000'0100},
      {{M::kCorrectable, M::kCorrectable}, aer::kCorReceived | aer::kMultipleCorReceived, 0x0000'0100},
      {{M::kNonFatal}, aer::kUncorReceived | aer::kNonFatalReceived, 0x0100'0000},
      {{M::kFatal}, aer::kUncorReceived | aer::kFirstUncorFatal | aer::kFatalReceived, 0x0100'0000},
      {{M::kNonFatal, M::kFatal},
       aer::kUncorReceived | aer::kMultipleUncorReceived | aer::kNonFatalReceived | aer::kFatalReceived,
       0x0100'0000},
      {{M::kFatal, M::kCorrectable},
       aer::kUncorReceived | aer::kFirstUncorFatal | aer::kFatalReceived | aer::kCorReceived,
       0x0100'0101},
      {{M::kNone}, 0, 0},
  };
  for (const Row& row : rows) {
    set_aer(aer::kRootStatus, 0xffff'ffff);
    port.reset();
    port.config_write(bridge::kBridgeControl, bridge::kSerrEnable, 2);
    Rid source = first;
    for (const M message : row.messages) {
      port.receive(message, source);
      source = second;
    }
    EXPECT_EQ(aer(aer::kRootStatus), row.status);
    EXPECT_EQ(aer(aer::kErrorSource), row.source);
  }
}

TEST_F(RootPortErrors, BridgeControlGatesMessagesFromBelow) {
  port.config_write(bridge::kBridgeControl, 0, 2);
  port.receive(M::kFatal, Rid(1, 0, 0));
  EXPECT_EQ(aer(aer::kRootStatus), 0u);
  EXPECT_NE(port.config_read(bridge::kSecondaryStatus, 2) & bridge::kReceivedSystemError, 0u) << "seen all the same";
  port.receive(M::kCorrectable, Rid(1, 0, 0));
  EXPECT_TRUE(errors.empty());
}

TEST_F(RootPortErrors, CommandSerrSignalsASystemError) {
  port.receive(M::kNonFatal, Rid(1, 0, 0));
  EXPECT_EQ(port.config_read(cfg::kStatus, 2) & cfg::kStatusSignaledSystemError, 0u);
  port.config_write(cfg::kCommand, cfg::kCommandSerr, 2);
  port.receive(M::kCorrectable, Rid(1, 0, 0));
  EXPECT_EQ(port.config_read(cfg::kStatus, 2) & cfg::kStatusSignaledSystemError, 0u);
  port.receive(M::kNonFatal, Rid(1, 0, 0));
  EXPECT_NE(port.config_read(cfg::kStatus, 2) & cfg::kStatusSignaledSystemError, 0u);
}

TEST_F(RootPortErrors, TheInterruptIsRaisedOncePerCleaningByWhatIsEnabled) {
  const struct {
    M message;
    uint32_t enable;
  } rows[] = {{M::kCorrectable, 1}, {M::kNonFatal, 2}, {M::kFatal, 4}};
  for (const auto& row : rows) {
    for (const uint32_t enables : {7u & ~row.enable, row.enable}) {
      set_aer(aer::kRootStatus, 0xffff'ffff);
      set_aer(aer::kRootCommand, enables);
      errors.clear();
      port.receive(row.message, Rid(1, 0, 0));
      port.receive(row.message, Rid(1, 0, 0));
      ASSERT_EQ(errors.size(), 2u);
      EXPECT_EQ(errors[0].interrupt, enables == row.enable);
      EXPECT_FALSE(errors[1].interrupt) << "the level is up already";
      EXPECT_EQ(errors[0].source, Rid(1, 0, 0));
    }
  }
}

TEST_F(RootPortErrors, TheInterruptIsRaisedWhenItIsEnabledForWhatWaits) {
  const struct {
    std::vector<M> waiting;
    std::vector<uint32_t> commands;
    unsigned interrupts;  // of the writes of Root Error Command
  } rows[] = {
      {{}, {7}, 0},
      {{M::kCorrectable}, {1}, 1},
      {{M::kCorrectable}, {6}, 0},
      {{M::kNonFatal}, {5, 2}, 1},
      {{M::kFatal}, {4, 4, 7}, 1},                   // up already
      {{M::kFatal}, {4, 0, 4}, 2},                   // down and up again
      {{M::kCorrectable, M::kFatal}, {1, 5, 4}, 1},  // one level for all three
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(&row - rows);
    set_aer(aer::kRootCommand, 0);
    set_aer(aer::kRootStatus, 0xffff'ffff);
    for (const M message : row.waiting) port.receive(message, Rid(1, 0, 0));
    errors.clear();
    for (const uint32_t command : row.commands) set_aer(aer::kRootCommand, command);
    EXPECT_EQ(errors.size(), row.interrupts);
    for (const RootError& error : errors) {
      EXPECT_TRUE(error.interrupt);
      EXPECT_EQ(error.message, M::kNone) << "none came";
      EXPECT_FALSE(error.system_error);
    }
  }
}

TEST_F(RootPortErrors, SourceAndFirstFatalStayUntilTheirOwnBitsAreCleared) {
  const Rid first(1, 0, 0), second(1, 0, 1);
  port.receive(M::kFatal, first);
  port.receive(M::kCorrectable, first);
  set_aer(aer::kRootStatus, aer::kCorReceived);
  port.receive(M::kCorrectable, second);
  port.receive(M::kNonFatal, second);
  EXPECT_EQ(aer(aer::kErrorSource), 0x0100'0101u) << "each half by its own Received bit";
  EXPECT_EQ(aer(aer::kRootStatus), aer::kCorReceived | aer::kUncorReceived | aer::kMultipleUncorReceived |
                                       aer::kFirstUncorFatal | aer::kFatalReceived | aer::kNonFatalReceived);
  set_aer(aer::kRootStatus, aer::kUncorReceived);
  port.receive(M::kNonFatal, second);
  EXPECT_EQ(aer(aer::kErrorSource), 0x0101'0101u);
  set_aer(aer::kRootStatus, 0xffff'ffff);
  EXPECT_EQ(aer(aer::kRootStatus), 0u);
  EXPECT_EQ(aer(aer::kErrorSource), 0x0101'0101u) << "read-only and sticky: meaningless, not cleared";
}

TEST_F(RootPortErrors, RootControlAsksForSystemErrorsBySeverity) {
  const uint32_t root_control = port.config().find_capability(pcie::kId) + bridge::kRootControl;
  for (unsigned severity = 0; severity < 3; ++severity) {
    port.config_write(root_control, 1u << severity, 2);
    errors.clear();
    for (const M message : {M::kCorrectable, M::kNonFatal, M::kFatal}) port.receive(message, Rid(1, 0, 0));
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(errors[i].system_error, i == severity);
  }
}

TEST_F(RootPortErrors, ItsOwnErrorsNeedDeviceControlNotBridgeControl) {
  port.config_write(bridge::kBridgeControl, 0, 2);
  port.report(PcieError::kCompletionTimeout, nullptr);
  EXPECT_EQ(aer(aer::kUncorrectableStatus), aer::kCompletionTimeout);
  EXPECT_EQ(aer(aer::kRootStatus), 0u);
  port.config_write(port.config().find_capability(pcie::kId) + pcie::kDeviceControl, 0xf, 2);
  port.report(PcieError::kCompletionTimeout, nullptr);
  EXPECT_EQ(aer(aer::kRootStatus), aer::kUncorReceived | aer::kNonFatalReceived);
  EXPECT_EQ(aer(aer::kErrorSource), 0u) << "the root port is 00:00.0";
}

TEST_F(RootPortErrors, ALowerRateIsShownUntilRetrained) {
  const uint32_t status = port.config().find_capability(pcie::kId) + bridge::kLinkStatus;
  port.set_link_active(true);
  port.set_link_rate(4, 4);
  EXPECT_EQ(port.config_read(status, 2) & bridge::kBandwidthManaged, 0u) << "no change, no mark";
  port.set_link_rate(1, 2);
  EXPECT_EQ(port.config_read(status, 2) & 0x3ff, 0x21u);
  EXPECT_NE(port.config_read(status, 2) & bridge::kBandwidthManaged, 0u);
  port.config_write(status, bridge::kBandwidthManaged, 2);
  EXPECT_EQ(port.config_read(status, 2) & bridge::kBandwidthManaged, 0u) << "RW1C";
  port.config_write(port.config().find_capability(pcie::kId) + bridge::kLinkControl, bridge::kRetrainLink, 2);
  EXPECT_EQ(retrained, 1u);
}

TEST_F(RootPortErrors, BandwidthManagementStatusIsSetByRetrainingAnActiveLinkOnly) {
  const uint32_t link_control = port.config().find_capability(pcie::kId) + bridge::kLinkControl;
  const auto managed = [&] {
    const bool set = (port.config_read(link_control + 2, 2) & bridge::kBandwidthManaged) != 0;
    port.config_write(link_control + 2, bridge::kBandwidthManaged, 2);
    return set;
  };
  port.set_link_active(true);
  port.config_write(link_control, bridge::kRetrainLink, 2);
  EXPECT_TRUE(managed()) << "every write of Retrain Link, at the same rate too";
  port.config_write(link_control, bridge::kRetrainLink | uint32_t{bridge::kBandwidthManaged} << 16, 4);
  EXPECT_TRUE(managed()) << "set after the clearing in the same write";
  port.config_write(link_control, 0, 2);
  EXPECT_FALSE(managed());
  port.set_link_active(false);
  port.config_write(link_control, bridge::kRetrainLink, 2);
  port.set_link_rate(1, 1);
  EXPECT_FALSE(managed()) << "the link was down in between";
}

TEST(SwizzleTest, PinsRotateByDeviceNumber) {
  for (unsigned device = 0; device < 32; ++device) {
    for (unsigned pin = 0; pin < 4; ++pin) EXPECT_EQ(swizzle_intx(pin, device), (pin + device % 4) % 4);
  }
  EXPECT_EQ(swizzle_intx(3, 1), 0u) << "INTD of device 1 is INTA upstream";
}

}  // namespace
}  // namespace dartboard::model
