// tests/model/root_port_test.cpp - the type 1 header: access bits, routing, windows, resets.
#include "model/root_port.h"

#include "tests/model/fabric.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model::test {
namespace {

class RootPortTest : public testing::Test, protected RootPortOwner {
 protected:
  void secondary_reset(bool asserted) override { resets.push_back(asserted); }
  void link_disabled(bool is_disabled) override { disabled.push_back(is_disabled); }
  void write16(uint32_t offset, uint64_t value) { port.config_write(offset, value, 2); }
  RootPort port{*this};
  std::vector<bool> resets;
  std::vector<bool> disabled;
};

TEST_F(RootPortTest, EveryFieldHasItsDeclaredAccess) {
  expect_declared_access(port.config().file());
}
TEST_F(RootPortTest, EveryFieldIsResetAsDeclared) {
  expect_declared_resets(port.config().file());
}

TEST_F(RootPortTest, IsABridgeWithARootPortCapability) {
  EXPECT_EQ(port.config_read(cfg::kHeaderType, 1), 1u);
  EXPECT_EQ(port.config_read(cfg::kClassCode, 2) | port.config_read(0x0b, 1) << 16, 0x060400u);
  const uint32_t pcie = port.config().find_capability(0x10);
  ASSERT_NE(pcie, 0u);
  EXPECT_EQ(port.config_read(pcie + 2, 2) >> 4 & 0xf, 4u) << "root port";
}

TEST_F(RootPortTest, ConfigurationRequestsGoByBusNumber) {
  port.config_write(bridge::kSecondaryBus, 5, 1);
  port.config_write(bridge::kSubordinateBus, 7, 1);
  const struct {
    unsigned bus, device, function;
    ConfigRoute route;
  } rows[] = {
      {0, 0, 0, ConfigRoute::kRootPort}, {0, 1, 0, ConfigRoute::kNobody}, {0, 0, 1, ConfigRoute::kNobody},
      {5, 0, 0, ConfigRoute::kDevice},   {5, 1, 0, ConfigRoute::kNobody}, {5, 0, 3, ConfigRoute::kDevice},
      {6, 0, 0, ConfigRoute::kBehind},   {7, 2, 0, ConfigRoute::kBehind}, {8, 0, 0, ConfigRoute::kNobody},
      {4, 0, 0, ConfigRoute::kNobody},   {1, 0, 0, ConfigRoute::kNobody}, {255, 31, 7, ConfigRoute::kNobody},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(port.route(row.bus, row.device, row.function), row.route) << row.bus << ":" << row.device;
  }
}

TEST_F(RootPortTest, BusesAboveTheSubordinateAreNobodysHoweverTheNumbersLie) {
  const struct {
    unsigned secondary, subordinate, bus;
    ConfigRoute route;
  } rows[] = {
      {5, 5, 5, ConfigRoute::kDevice},       {5, 5, 6, ConfigRoute::kNobody},   {5, 4, 4, ConfigRoute::kNobody},
      {5, 4, 6, ConfigRoute::kNobody},       {5, 0, 6, ConfigRoute::kNobody},   {255, 255, 255, ConfigRoute::kDevice},
      {254, 255, 255, ConfigRoute::kBehind}, {0, 255, 1, ConfigRoute::kNobody}, {0, 255, 255, ConfigRoute::kNobody},
  };
  for (const auto& row : rows) {
    port.config_write(bridge::kPrimaryBus, 77, 1);  // of no consequence on PCIe
    port.config_write(bridge::kSecondaryBus, row.secondary, 1);
    port.config_write(bridge::kSubordinateBus, row.subordinate, 1);
    EXPECT_EQ(port.route(row.bus, 0, 0), row.route) << row.secondary << "-" << row.subordinate << ": " << row.bus;
    EXPECT_EQ(port.route(0, 0, 0), ConfigRoute::kRootPort) << "its own bus wins";
  }
}

TEST_F(RootPortTest, BeforeEnumerationNobodyIsBehindIt) {
  EXPECT_EQ(port.route(0, 0, 0), ConfigRoute::kRootPort);
  EXPECT_EQ(port.route(1, 0, 0), ConfigRoute::kNobody);
}

TEST_F(RootPortTest, WindowsClaimExactlyTheirRange) {
  port.config_write(bridge::kMemoryBase, 0x403f'4010, 4);    // 0x40100000..0x403fffff
  port.config_write(bridge::kPrefetchBase, 0x0011'0001, 4);  // 0x4_00000000..0x5_001fffff
  port.config_write(bridge::kPrefetchBaseUpper, 4, 4);
  port.config_write(bridge::kPrefetchLimitUpper, 5, 4);
  const struct {
    uint64_t address, length;
    bool claimed;
  } rows[] = {
      {0x400f'fffc, 4, false},          {0x4010'0000, 4, true},    {0x403f'fffc, 4, true},    {0x403f'fffe, 4, false},
      {0x4040'0000, 4, false},          {0x400f'fffe, 4, false},   {0x3'ffff'fffc, 4, false}, {0x4'0000'0000, 8, true},
      {0x5'001f'fff8, 8, true},         {0x5'0020'0000, 1, false}, {0x4'8000'0000, 4, true},  {UINT64_MAX, 1, false},
      {0x4010'0000, UINT64_MAX, false},
  };
  for (const auto& row : rows) EXPECT_FALSE(port.claims(row.address, row.length)) << "Memory Space Enable is clear";
  write16(cfg::kCommand, cfg::kCommandMemory);
  for (const auto& row : rows) EXPECT_EQ(port.claims(row.address, row.length), row.claimed) << std::hex << row.address;
}

TEST_F(RootPortTest, WindowWithBaseAboveLimitIsClosed) {
  write16(cfg::kCommand, cfg::kCommandMemory);
  EXPECT_TRUE(port.claims(0, 4)) << "after reset base = limit = 0: 1 MiB at 0";
  port.config_write(bridge::kMemoryBase, 0x0000'0010, 4);
  port.config_write(bridge::kPrefetchBase, 0x0000'0010, 4);
  for (const uint64_t address : {uint64_t{0}, uint64_t{0xfffff}, uint64_t{0x10'0000}}) {
    EXPECT_FALSE(port.claims(address, 4)) << std::hex << address;
  }
}

TEST_F(RootPortTest, WindowsAreComparedWithAllTheirBits) {
  struct Row {
    uint32_t memory, prefetch, base_upper, limit_upper;
    uint64_t address;
    bool claimed;
  };
  constexpr uint32_t kClosed = 0x0000'fff0;
  const Row rows[] = {
      // The memory window has no bits above 31, and ends there at the latest.
      {0xfff0'fff0, kClosed, 0, 0, 0xffff'fffc, true},
      {0xfff0'fff0, kClosed, 0, 0, 0x1'0000'0000, false},
      {0xfff0'fff0, kClosed, 0, 0, 0x1'fff0'0000, false},
      // Base above limit by the upper half alone: closed, whatever the lower halves say.
      {kClosed, 0xfff0'0000, 5, 4, 0x5'0000'0000, false},
      {kClosed, 0xfff0'0000, 5, 4, 0x4'8000'0000, false},
      // Base below limit by the upper half alone: open.
      {kClosed, 0x0000'fff0, 4, 5, 0x4'fff0'0000, true},
      {kClosed, 0x0000'fff0, 4, 5, 0x5'000f'fffc, true},
      {kClosed, 0x0000'fff0, 4, 5, 0x5'0010'0000, false},
      {kClosed, 0x0000'fff0, 4, 5, 0x4'ffef'fffc, false},
      // The low four bits tell the kind of window and are no address.
      {0x401f'401f, kClosed, 0, 0, 0x401f'fffc, true},
      {0x401f'401f, kClosed, 0, 0, 0x400f'fffc, false},
  };
  write16(cfg::kCommand, cfg::kCommandMemory);
  for (const Row& row : rows) {
    port.config_write(bridge::kMemoryBase, row.memory, 4);
    port.config_write(bridge::kPrefetchBase, row.prefetch, 4);
    port.config_write(bridge::kPrefetchBaseUpper, row.base_upper, 4);
    port.config_write(bridge::kPrefetchLimitUpper, row.limit_upper, 4);
    EXPECT_EQ(port.claims(row.address, 4), row.claimed) << "row " << &row - rows;
  }
}

TEST_F(RootPortTest, PrefetchableWindowMayReachTheTop) {
  write16(cfg::kCommand, cfg::kCommandMemory);
  port.config_write(bridge::kPrefetchBase, 0xfff0'fff0, 4);
  port.config_write(bridge::kPrefetchBaseUpper, 0xffff'ffff, 4);
  port.config_write(bridge::kPrefetchLimitUpper, 0xffff'ffff, 4);
  EXPECT_TRUE(port.claims(0xffff'ffff'fff0'0000, 8));
}

TEST_F(RootPortTest, UpstreamNeedsBusMasterAndAnAddressOutsideTheWindows) {
  port.config_write(bridge::kMemoryBase, 0x7ff0'4000, 4);
  port.config_write(bridge::kPrefetchBase, 0x0000'fff0, 4);
  EXPECT_FALSE(port.forwards_upstream(0x8000'0000, 4));
  write16(cfg::kCommand, cfg::kCommandBusMaster);
  EXPECT_TRUE(port.forwards_upstream(0x8000'0000, 4));
  EXPECT_FALSE(port.forwards_upstream(0x4000'0000, 4)) << "its own window";
  EXPECT_FALSE(port.forwards_upstream(0x3fff'ffff, 2)) << "reaches into it";
  EXPECT_TRUE(port.forwards_upstream(0x3fff'ffff, 1));
}

TEST_F(RootPortTest, SecondaryBusResetTellsItsEdgesOnly) {
  write16(bridge::kBridgeControl, bridge::kSecondaryBusReset | 1);
  write16(bridge::kBridgeControl, bridge::kSecondaryBusReset);
  port.config_write(0x3c, 0x55, 1);  // Interrupt Line, the same dword
  write16(bridge::kBridgeControl, 0);
  EXPECT_EQ(resets, (std::vector<bool>{true, false}));
}

TEST_F(RootPortTest, LinkDisableTellsItsEdges) {
  const uint32_t link_control = port.config().find_capability(0x10) + bridge::kLinkControl;
  write16(link_control, bridge::kLinkDisable);
  write16(link_control, bridge::kLinkDisable | bridge::kRetrainLink);
  write16(link_control, bridge::kRetrainLink);
  EXPECT_EQ(disabled, (std::vector<bool>{true, false}));
  EXPECT_EQ(port.config_read(link_control, 2), 0u) << "Retrain Link reads 0";
}

TEST_F(RootPortTest, ResetIsPowerOn) {
  const std::string fresh = inspect_text(port);
  port.config_write(bridge::kPrimaryBus, 0x01'01'00, 4);
  port.config_write(bridge::kMemoryBase, 0x7ff0'4000, 4);
  write16(cfg::kCommand, 6);
  port.set_link_active(true);
  port.reset();
  EXPECT_EQ(inspect_text(port), fresh);
  EXPECT_FALSE(port.claims(0x4000'0000, 4));
}

}  // namespace
}  // namespace dartboard::model::test
