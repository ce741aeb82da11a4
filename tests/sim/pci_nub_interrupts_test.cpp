// tests/sim/pci_nub_interrupts_test.cpp - ConfigureInterrupts, the device's real table, delivery.
#include <vector>

#include <gtest/gtest.h>

#include "model/capabilities.h"
#include "model/config_space.h"
#include "model/port_registers.h"
#include "rig.h"
#include "sim/macos/pci_nub.h"

namespace dartboard::macos {
namespace {

using sim_test::kClient;
using sim_test::Rig;
using sim_test::RigTest;
using sim_test::test_profile;
namespace r = model::test_register;

struct Handler final : InterruptHandler {
  std::vector<uint32_t> seen;
  void on_interrupt(uint32_t index, uint64_t) override { seen.push_back(index); }
};

class InterruptsTest : public RigTest {
 protected:
  void SetUp() override {
    boot();
    claim();
  }
  uint32_t cfg(uint64_t offset, unsigned width) {
    return kernel().root(0).port.config_read(nub().rid(), offset, width);
  }
  uint64_t capability(uint8_t id) {
    uint64_t at = 0;
    EXPECT_EQ(nub().find_capability(id, 0, &at), io_return::kSuccess);
    return at;
  }
  uint32_t entry(uint32_t index, uint32_t offset) {
    uint64_t value = 0;
    EXPECT_EQ(nub().memory_read(kClient, 2, 16 * index + offset, 4, &value), io_return::kSuccess);
    return static_cast<uint32_t>(value);
  }
  Handler handler_;
};

struct ConfigureCase {
  uint32_t type, required, requested;
  uint64_t options;
  io_return::Code code;
  uint32_t count;
};
class Configure : public InterruptsTest, public testing::WithParamInterface<ConfigureCase> {};
TEST_P(Configure, Answers) {
  const ConfigureCase& c = GetParam();
  EXPECT_EQ(nub().configure_interrupts(c.type, c.required, c.requested, c.options), c.code);
  EXPECT_EQ(nub().interrupt_count(), c.count);
}
INSTANTIATE_TEST_SUITE_P(PciNub, Configure,
                         testing::Values(ConfigureCase{kInterruptMsiX, 1, 4, 0, io_return::kSuccess, 4},
                                         ConfigureCase{kInterruptMsiX, 1, 256, 0, io_return::kSuccess, 32},
                                         ConfigureCase{kInterruptMsiX, 33, 64, 0, io_return::kNoSpace, 0},
                                         ConfigureCase{kInterruptMsi, 1, 1, 0, io_return::kSuccess, 1},
                                         ConfigureCase{kInterruptMsi, 1, 3, 0, io_return::kSuccess, 4},
                                         ConfigureCase{kInterruptMsi, 1, UINT32_MAX, 0, io_return::kSuccess, 32},
                                         ConfigureCase{kInterruptMsiX, 0, 1, 0, io_return::kBadArgument, 0},
                                         ConfigureCase{kInterruptMsiX, 1, 0, 0, io_return::kBadArgument, 0},
                                         ConfigureCase{kInterruptMsiX, 2, 1, 0, io_return::kBadArgument, 0},
                                         ConfigureCase{kInterruptMsiX, 1, 1, 1, io_return::kBadArgument, 0},
                                         ConfigureCase{1, 1, 1, 0, io_return::kBadArgument, 0}));

TEST_F(InterruptsTest, WithoutTheCapabilityTheTypeIsABadArgument) {
  boot(test_profile(), {.msix = false});
  EXPECT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 1, 0), io_return::kBadArgument);
  EXPECT_EQ(nub().configure_interrupts(kInterruptMsi, 1, 1, 0), io_return::kSuccess);
}

TEST_F(InterruptsTest, ASecondConfigurationOnlyConfirmsTheFirst) {
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 4, 0), io_return::kSuccess);
  EXPECT_EQ(nub().configure_interrupts(kInterruptMsiX, 4, 8, 0), io_return::kSuccess);
  EXPECT_EQ(nub().interrupt_count(), 4u);
  EXPECT_EQ(nub().configure_interrupts(kInterruptMsiX, 5, 8, 0), io_return::kUnsupported);
  EXPECT_EQ(nub().configure_interrupts(kInterruptMsi, 1, 1, 0), io_return::kUnsupported);
}

TEST_F(InterruptsTest, ThePoolOfTheRootComplexShrinksTheGrant) {
  sim::Profile profile = test_profile();
  profile.ports[0].msi_vectors = 12;
  boot(profile);
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 32, 0), io_return::kSuccess);
  EXPECT_EQ(nub().interrupt_count(), 12u);
  boot(profile);
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsi, 1, 32, 0), io_return::kSuccess);
  EXPECT_EQ(nub().interrupt_count(), 8u);
}

TEST_F(InterruptsTest, TheDevicesMsiXTableHoldsDoorbellAndVectors) {
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 3, 0), io_return::kSuccess);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(entry(i, 0), model::port_reg::kMsiDoorbell);
    EXPECT_EQ(entry(i, 4), 0u);
    EXPECT_EQ(entry(i, 8), i);
    EXPECT_EQ(entry(i, 12) & 1, 0u);
  }
}

TEST_F(InterruptsTest, TheTableIsProgrammedWithMemorySpaceOff) {
  nub().config_write(kClient, model::cfg::kCommand, 2, 0);
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 1, 0), io_return::kSuccess);
  EXPECT_EQ(cfg(model::cfg::kCommand, 2), 0u);
  nub().config_write(kClient, model::cfg::kCommand, 2, model::cfg::kCommandMemory);
  EXPECT_EQ(entry(0, 0), model::port_reg::kMsiDoorbell);
}

TEST_F(InterruptsTest, TheMsiCapabilityHoldsDoorbellAndCount) {
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsi, 1, 4, 0), io_return::kSuccess);
  const uint64_t msi = capability(model::msi::kId);
  EXPECT_EQ(cfg(msi + model::msi::kAddressLow, 4), model::port_reg::kMsiDoorbell);
  EXPECT_EQ(cfg(msi + model::msi::kControl, 2) >> model::msi::kMultipleMessageEnableShift & 7, 2u);
}

TEST_F(InterruptsTest, MessagesAreOnWhileThereIsAHandler) {
  nub().config_write(kClient, model::cfg::kCommand, 2, model::cfg::kCommandMemory);
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 2, 0), io_return::kSuccess);
  const uint64_t control = capability(model::msix::kId) + model::msix::kControl;
  EXPECT_EQ(cfg(control, 2) & model::msix::kEnable, 0u);
  ASSERT_EQ(nub().register_interrupt(0, &handler_), io_return::kSuccess);
  EXPECT_NE(cfg(control, 2) & model::msix::kEnable, 0u);
  EXPECT_NE(cfg(model::cfg::kCommand, 2) & model::cfg::kCommandBusMaster, 0u);
  nub().unregister_interrupt(0, &handler_);
  EXPECT_EQ(cfg(control, 2) & model::msix::kEnable, 0u);
  EXPECT_EQ(entry(0, 12) & 1, 1u);
}

TEST_F(InterruptsTest, RegistrationRules) {
  EXPECT_EQ(nub().register_interrupt(0, &handler_), io_return::kNoInterrupt);
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 2, 0), io_return::kSuccess);
  EXPECT_EQ(nub().register_interrupt(2, &handler_), io_return::kNoInterrupt);
  EXPECT_EQ(nub().register_interrupt(0, nullptr), io_return::kBadArgument);
  EXPECT_EQ(nub().register_interrupt(0, &handler_), io_return::kSuccess);
  EXPECT_EQ(nub().register_interrupt(0, &handler_), io_return::kNoResources);
}

class Delivery : public InterruptsTest, public testing::WithParamInterface<uint32_t> {};
TEST_P(Delivery, AMessageReachesItsIndex) {
  ASSERT_EQ(nub().configure_interrupts(GetParam(), 4, 4, 0), io_return::kSuccess);
  for (uint32_t i : {0u, 3u}) ASSERT_EQ(nub().register_interrupt(i, &handler_), io_return::kSuccess);
  set_reg(r::kRaise, 3);
  set_reg(r::kRaise, 0);
  set_reg(r::kRaise, 1);  // nobody is registered there
  EXPECT_EQ(handler_.seen, (std::vector<uint32_t>{3, 0}));
}
INSTANTIATE_TEST_SUITE_P(PciNub, Delivery, testing::Values(kInterruptMsi, kInterruptMsiX));

TEST_F(InterruptsTest, NothingIsDeliveredAfterUnregistering) {
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 2, 0), io_return::kSuccess);
  ASSERT_EQ(nub().register_interrupt(0, &handler_), io_return::kSuccess);
  ASSERT_EQ(nub().register_interrupt(1, &handler_), io_return::kSuccess);
  nub().unregister_interrupt(0, &handler_);
  set_reg(r::kRaise, 0);
  EXPECT_TRUE(handler_.seen.empty());
}

TEST_F(InterruptsTest, NothingIsDeliveredAfterClose) {
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 1, 0), io_return::kSuccess);
  ASSERT_EQ(nub().register_interrupt(0, &handler_), io_return::kSuccess);
  nub().close(kClient);
  ASSERT_EQ(nub().open(kClient), io_return::kSuccess);
  nub().config_write(kClient, model::cfg::kCommand, 2, model::cfg::kCommandMemory);
  set_reg(r::kRaise, 0);  // Bus Master is off: the message never leaves
  EXPECT_TRUE(handler_.seen.empty());
}

TEST_F(InterruptsTest, NothingIsDeliveredAfterAPanic) {
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 1, 0), io_return::kSuccess);
  ASSERT_EQ(nub().register_interrupt(0, &handler_), io_return::kSuccess);
  kernel().panic(PanicCause::kDextWatchdog, "test");
  kernel().platform()->on_msi(0, 0);
  EXPECT_TRUE(handler_.seen.empty());
}

TEST_F(InterruptsTest, VectorsReturnToThePoolWithTheNub) {
  ASSERT_EQ(nub().configure_interrupts(kInterruptMsiX, 1, 32, 0), io_return::kSuccess);
  kernel().device_removed(0);
  EXPECT_EQ(kernel().root(0).vectors.free(), 32u);
}

TEST_F(InterruptsTest, MsiVectorsAreAligned) {
  VectorPool& pool = kernel().root(0).vectors;
  ASSERT_EQ(pool.allocate(nub(), 1, false), 0u);
  EXPECT_EQ(pool.allocate(nub(), 4, true), 4u);
  EXPECT_EQ(pool.allocate(nub(), 3, false), 1u);
  EXPECT_EQ(pool.allocate(nub(), 32, true), VectorPool::kNone);
  pool.release(0, 8);
  EXPECT_EQ(pool.free(), 32u);
}

TEST_F(InterruptsTest, AMessageThatNobodyHasIsCountedNotDelivered) {
  EXPECT_FALSE(kernel().root(0).vectors.deliver(5));
  EXPECT_FALSE(kernel().root(0).vectors.deliver(500));
}

}  // namespace
}  // namespace dartboard::macos
