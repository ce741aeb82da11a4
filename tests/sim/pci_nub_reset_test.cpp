// tests/sim/pci_nub_reset_test.cpp - FLR, hot reset, what both keep, what neither brings back, a dext's crash.
#include <gtest/gtest.h>

#include "model/capabilities.h"
#include "model/config_space.h"
#include "model/link.h"
#include "model/port_registers.h"
#include "rig.h"
#include "sim/macos/pci_nub.h"

namespace dartboard::macos {
namespace {

using sim_test::kClient;
using sim_test::RigTest;
using sim_test::test_profile;
namespace r = model::test_register;

class ResetTest : public RigTest {
 protected:
  void start(const model::TestEndpointOptions& options = {}) {
    boot(test_profile(), options);
    claim();
  }
  uint32_t raw(uint64_t offset, unsigned width) {
    return kernel().root(0).port.config_read(Rid(1, 0, 0), offset, width);
  }
};

class ResetKeeps : public ResetTest, public testing::WithParamInterface<uint32_t> {};
TEST_P(ResetKeeps, BarsCommandAndMessagesAndClearsTheDevice) {
  start();
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 2, 0), io_return::kSuccess);
  const uint32_t bar = raw(model::cfg::kBar0, 4), command = raw(model::cfg::kCommand, 2);
  set_reg(r::kScratch, 0x1234);
  ASSERT_EQ(nub().reset_device(GetParam(), 0), io_return::kSuccess);
  EXPECT_EQ(raw(model::cfg::kBar0, 4), bar);
  EXPECT_EQ(raw(model::cfg::kCommand, 2), command);
  EXPECT_EQ(reg(r::kScratch), 0u);
  uint64_t address = 0;
  ASSERT_EQ(nub().memory_read(kClient, 2, 16, 4, &address), io_return::kSuccess);
  EXPECT_EQ(address, model::port_reg::kMsiDoorbell);
  EXPECT_TRUE(nub().is_open_by(kClient));
}
INSTANTIATE_TEST_SUITE_P(PciNub, ResetKeeps, testing::Values(kResetFunction, kResetHot));

TEST_F(ResetTest, FlrTakesTheProfilesTime) {
  start();
  const uint64_t start_ns = now_ns();
  ASSERT_EQ(nub().reset_device(kResetFunction, 0), io_return::kSuccess);
  EXPECT_EQ(now_ns() - start_ns, 102 * kNsPerMs);  // one look at Transactions Pending, then 100 ms
}

TEST_F(ResetTest, HotResetHoldsAndWaitsForTheLink) {
  start();
  const uint64_t start_ns = now_ns();
  ASSERT_EQ(nub().reset_device(kResetHot, 0), io_return::kSuccess);
  EXPECT_GE(now_ns() - start_ns, 200 * kNsPerMs);
}

TEST_F(ResetTest, WithoutFlrTheFunctionResetIsUnsupported) {
  start({.flr = false});
  set_reg(r::kScratch, 1);
  EXPECT_EQ(nub().reset_device(kResetFunction, 0), io_return::kUnsupported);
  EXPECT_EQ(reg(r::kScratch), 1u);
  EXPECT_EQ(nub().reset_device(kResetHot, 0), io_return::kSuccess);
  EXPECT_EQ(reg(r::kScratch), 0u);
}

TEST_F(ResetTest, ADeviceThatStaysSilentAfterFlrIsNotReported) {
  start({.flr_fails = true});
  EXPECT_EQ(nub().reset_device(kResetFunction, 0), io_return::kSuccess);  // as IOPCIDevice::resetFunction
  EXPECT_EQ(nub().config_read(kClient, 0, 4) & 0xffff, 0xffffu);
}

TEST_F(ResetTest, AHotResetBringsASilentDeviceBackWithItsState) {
  start({.flr_fails = true});
  const uint32_t bar = raw(model::cfg::kBar0, 4);
  ASSERT_EQ(nub().reset_device(kResetFunction, 0), io_return::kSuccess);
  ASSERT_EQ(nub().reset_device(kResetHot, 0), io_return::kSuccess);
  EXPECT_EQ(raw(model::cfg::kBar0, 4), bar);
  EXPECT_EQ(reg(r::kId), r::kIdValue);
}

TEST_F(ResetTest, WhenBothFailTheDeviceReadsAllOnesAndTimeHasPassed) {
  start({.flr = false, .hot_reset_fails = true});
  EXPECT_EQ(nub().reset_device(kResetFunction, 0), io_return::kUnsupported);
  const uint64_t start_ns = now_ns();
  EXPECT_EQ(nub().reset_device(kResetHot, 0), io_return::kSuccess);
  EXPECT_GE(now_ns() - start_ns, 3 * kNsPerS);  // 1 s for ready, 2 s in the restore
  EXPECT_EQ(nub().config_read(kClient, 0, 4) & 0xffff, 0xffffu);
}

TEST_F(ResetTest, ALinkThatStaysDownIsATimeoutAndTheNubGoes) {
  start();
  const Ref<PciNub> gone(&nub());
  kernel().root(0).model.link().hold(model::Link::kDisabled);
  EXPECT_EQ(nub().reset_device(kResetHot, 0), io_return::kTimeout);
  EXPECT_FALSE(gone->terminated()) << "another thread does it: the caller may be the driver";
  kernel().executor().run_until_idle();
  EXPECT_TRUE(gone->terminated());
  EXPECT_EQ(kernel().nub(0), nullptr);
}

TEST_F(ResetTest, WithTheTerminateOptionTheDeviceIsProbedAgain) {
  start();
  const Ref<PciNub> gone(&nub());
  EXPECT_EQ(nub().reset_device(kResetFunction, kResetOptionTerminate), io_return::kSuccess);
  kernel().executor().run_until_idle();
  EXPECT_TRUE(gone->terminated());
  ASSERT_NE(kernel().nub(0), nullptr);
  EXPECT_NE(kernel().nub(0), gone.get());
}

struct BadResetCase {
  uint32_t type;
  uint64_t options;
};
class BadReset : public ResetTest, public testing::WithParamInterface<BadResetCase> {};
TEST_P(BadReset, IsABadArgument) {
  start();
  EXPECT_EQ(nub().reset_device(GetParam().type, GetParam().options), io_return::kBadArgument);
}
INSTANTIATE_TEST_SUITE_P(PciNub, BadReset,
                         testing::Values(BadResetCase{0, 0}, BadResetCase{3, 0}, BadResetCase{kResetWarm, 0},
                                         BadResetCase{0x20, 0}, BadResetCase{kResetHot, 4}));

TEST_F(ResetTest, ASlowDeviceIsWaitedForBeforeItsStateIsRestored) {
  start({.reset_ready_ns = 500 * kNsPerMs});
  const uint32_t bar = raw(model::cfg::kBar0, 4);
  ASSERT_EQ(nub().reset_device(kResetFunction, 0), io_return::kSuccess);
  EXPECT_EQ(raw(model::cfg::kBar0, 4), bar);
}

TEST_F(ResetTest, SaveAndRestoreAreThePairTheDriverCalls) {
  start();
  EXPECT_EQ(nub().restore_state(0), io_return::kNoResources);
  ASSERT_EQ(nub().save_state(0), io_return::kSuccess);
  const uint32_t bar = raw(model::cfg::kBar0, 4);
  nub().config_write(kClient, model::cfg::kBar0, 4, 0);
  ASSERT_EQ(nub().restore_state(0), io_return::kSuccess);
  EXPECT_EQ(raw(model::cfg::kBar0, 4), bar);
}

TEST_F(ResetTest, ACrashedClientsDeviceIsStoppedResetAndClosed) {
  start();
  set_reg(r::kScratch, 1);
  const uint32_t bar = raw(model::cfg::kBar0, 4);
  nub().config_write(kClient, model::cfg::kBar0, 4, 0);  // died in the middle of a reset
  nub().client_crashed(kClient);
  EXPECT_FALSE(nub().is_open_by(kClient));
  EXPECT_EQ(raw(model::cfg::kBar0, 4), bar);
  EXPECT_EQ(raw(model::cfg::kCommand, 2) & (model::cfg::kCommandBusMaster | model::cfg::kCommandMemory), 0u);
  claim();
  EXPECT_EQ(reg(r::kScratch), 0u);
}

TEST_F(ResetTest, ACrashOfSomebodyElseChangesNothing) {
  start();
  nub().client_crashed(kClient + 1);
  EXPECT_TRUE(nub().is_open_by(kClient));
}

}  // namespace
}  // namespace dartboard::macos
