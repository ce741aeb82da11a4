// tests/sim/pci_nub_test.cpp - sessions, configuration access, memory access, capabilities, termination.
#include "sim/macos/pci_nub.h"

#include <gtest/gtest.h>

#include "model/capabilities.h"
#include "model/config_space.h"
#include "rig.h"

namespace dartboard::macos {
namespace {

using sim_test::kClient;
using sim_test::RigTest;
using sim_test::test_profile;
namespace r = model::test_register;

constexpr uint64_t kOther = kClient + 1;

class PciNubTest : public RigTest {
 protected:
  void SetUp() override { boot(); }
  uint32_t command() { return kernel().root(0).port.config_read(nub().rid(), model::cfg::kCommand, 2); }
};

// Sessions ------------------------------------------------------------------------------------------------------------

TEST_F(PciNubTest, OpenDoesNotTouchCommand) {
  EXPECT_EQ(nub().open(kClient), io_return::kSuccess);
  EXPECT_EQ(command(), 0u);
}

TEST_F(PciNubTest, ASecondOpenIsNotOpenWhoeverAsks) {
  ASSERT_EQ(nub().open(kClient), io_return::kSuccess);
  EXPECT_EQ(nub().open(kOther), io_return::kNotOpen);
  EXPECT_EQ(nub().open(kClient), io_return::kNotOpen);
}

TEST_F(PciNubTest, ImpossibleOwnersAreBadArguments) {
  EXPECT_EQ(nub().open(0), io_return::kBadArgument);
  EXPECT_EQ(nub().open(UINT64_MAX), io_return::kBadArgument);
}

TEST_F(PciNubTest, OnlyTheOpenerCloses) {
  claim();
  nub().close(kOther);
  EXPECT_TRUE(nub().is_open_by(kClient));
  nub().close(kClient);
  EXPECT_FALSE(nub().is_open_by(kClient));
  EXPECT_EQ(nub().open(kOther), io_return::kSuccess);
}

TEST_F(PciNubTest, CloseClearsBusMasterAndMemorySpace) {
  claim();
  nub().config_write(kClient, model::cfg::kCommand, 2,
                     model::cfg::kCommandMemory | model::cfg::kCommandBusMaster | model::cfg::kCommandIntxDisable);
  nub().close(kClient);
  EXPECT_EQ(command(), model::cfg::kCommandIntxDisable);
}

// Configuration space -------------------------------------------------------------------------------------------------

TEST_F(PciNubTest, ConfigReadsOfEveryWidth) {
  claim();
  EXPECT_EQ(nub().config_read(kClient, 0, 4), 0x00db'1b36u);
  EXPECT_EQ(nub().config_read(kClient, 2, 2), 0x00dbu);
  EXPECT_EQ(nub().config_read(kClient, 1, 1), 0x1bu);
}

struct ConfigCase {
  uint64_t owner, offset;
  unsigned width;
  uint32_t value;
};
class ConfigRefusal : public PciNubTest, public testing::WithParamInterface<ConfigCase> {};
TEST_P(ConfigRefusal, ReadsAllOnes) {
  claim();
  EXPECT_EQ(nub().config_read(GetParam().owner, GetParam().offset, GetParam().width), GetParam().value);
}
INSTANTIATE_TEST_SUITE_P(PciNub, ConfigRefusal,
                         testing::Values(ConfigCase{kOther, 0, 4, 0xffff'ffff}, ConfigCase{kOther, 0, 2, 0xffff},
                                         ConfigCase{kOther, 0, 1, 0xff}, ConfigCase{kClient, 0xffd, 4, 0xffff'ffff},
                                         ConfigCase{kClient, 0x1000, 1, 0xff},
                                         ConfigCase{kClient, UINT64_MAX, 2, 0xffff},
                                         ConfigCase{kClient, 0, 3, 0xffff'ffff}));

TEST_F(PciNubTest, ConfigWritesWithoutASessionAreDropped) {
  nub().config_write(kClient, model::cfg::kCommand, 2, model::cfg::kCommandMemory);
  EXPECT_EQ(command(), 0u);
}

TEST_F(PciNubTest, ConfigIsAllOnesWhileChildrenAreInReset) {
  claim();
  kernel().root(0).in_reset = true;
  EXPECT_EQ(nub().config_read(kClient, 0, 4), 0xffff'ffffu);
  kernel().root(0).in_reset = false;
  EXPECT_EQ(nub().config_read(kClient, 0, 4), 0x00db'1b36u);
}

// Memory --------------------------------------------------------------------------------------------------------------

TEST_F(PciNubTest, MemoryReadsAndWritesReachTheDevice) {
  claim();
  EXPECT_EQ(reg(r::kId), r::kIdValue);
  set_reg(r::kScratch, 0x1234'5678);
  uint64_t value = 0;
  ASSERT_EQ(nub().memory_read(kClient, 0, r::kScratch + 2, 2, &value), io_return::kSuccess);
  EXPECT_EQ(value, 0x1234u);
}

TEST_F(PciNubTest, AReadThatNobodyAnswersIsAllOnesAndSuccess) {
  ASSERT_EQ(nub().open(kClient), io_return::kSuccess);  // Memory Space stays off
  for (unsigned width : {1u, 2u, 4u, 8u}) {
    uint64_t value = 0;
    EXPECT_EQ(nub().memory_read(kClient, 0, 0, width, &value), io_return::kSuccess);
    EXPECT_EQ(value, UINT64_MAX >> (64 - 8 * width));
  }
}

struct AccessCase {
  uint64_t owner;
  unsigned index;
  uint64_t offset;
  unsigned width;
  io_return::Code code;
};
class MemoryRefusal : public PciNubTest, public testing::WithParamInterface<AccessCase> {};
TEST_P(MemoryRefusal, ReadsAndWritesAlike) {
  claim();
  const AccessCase& c = GetParam();
  uint64_t value = 0;
  EXPECT_EQ(nub().memory_read(c.owner, c.index, c.offset, c.width, &value), c.code);
  EXPECT_EQ(nub().memory_write(c.owner, c.index, c.offset, c.width, 0), c.code);
}
INSTANTIATE_TEST_SUITE_P(PciNub, MemoryRefusal,
                         testing::Values(AccessCase{kOther, 0, 0, 4, io_return::kNotOpen},
                                         AccessCase{0, 0, 0, 4, io_return::kNotOpen},
                                         AccessCase{kClient, 3, 0, 4, io_return::kBadArgument},
                                         AccessCase{kClient, 0, 0, 3, io_return::kBadArgument},
                                         AccessCase{kClient, 0, 0, 16, io_return::kBadArgument},
                                         AccessCase{kClient, 0, 0, 0, io_return::kBadArgument},
                                         AccessCase{kClient, 0, 16 * kKiB, 4, io_return::kOverrun},
                                         AccessCase{kClient, 0, 16 * kKiB - 4, 8, io_return::kOverrun},
                                         AccessCase{kClient, 0, UINT64_MAX, 1, io_return::kOverrun},
                                         AccessCase{kClient, 0, 2, 4, io_return::kNotAligned}));

TEST_F(PciNubTest, DirectMemoryNeedsMemorySpace) {
  EXPECT_FALSE(nub().direct_memory(1));
  claim();
  const model::DirectMemory memory = nub().direct_memory(1);
  ASSERT_TRUE(memory);
  EXPECT_GE(memory.length, kMiB);
  EXPECT_FALSE(nub().direct_memory(0)) << "registers have no memory behind them";
  EXPECT_FALSE(nub().direct_memory(9));
}

TEST_F(PciNubTest, DeviceMemoryIsTheSameObjectEachTime) {
  claim();
  Ref<MemoryObject> first, second;
  ASSERT_EQ(nub().copy_device_memory(kClient, 1, &first), io_return::kSuccess);
  ASSERT_EQ(nub().copy_device_memory(kClient, 1, &second), io_return::kSuccess);
  EXPECT_TRUE(first == second);
  EXPECT_EQ(first->length(), kMiB);
  EXPECT_EQ(first->nub(), &nub());
}

TEST_F(PciNubTest, DeviceMemoryIsForTheOpener) {
  Ref<MemoryObject> memory;
  EXPECT_EQ(nub().copy_device_memory(kClient, 0, &memory), io_return::kNotOpen);
  claim();
  EXPECT_EQ(nub().copy_device_memory(kOther, 0, &memory), io_return::kNotOpen);
  EXPECT_EQ(nub().copy_device_memory(kClient, 7, &memory), io_return::kBadArgument);
  EXPECT_EQ(nub().copy_device_memory(kClient, 3, &memory), io_return::kUnsupported);
}

// Capabilities, link, power -------------------------------------------------------------------------------------------

struct CapabilityCase {
  int32_t id;
  io_return::Code code;
};
class FindCapability : public PciNubTest, public testing::WithParamInterface<CapabilityCase> {};
TEST_P(FindCapability, Answers) {
  uint64_t found = 77;
  EXPECT_EQ(nub().find_capability(static_cast<uint32_t>(GetParam().id), 0, &found), GetParam().code);
  if (GetParam().code != io_return::kSuccess) {
    EXPECT_EQ(found, 0u);
    return;
  }
  const uint32_t header = kernel().root(0).port.config_read(nub().rid(), found, 2);
  EXPECT_EQ(GetParam().id < 0 ? header : header & 0xff, static_cast<uint32_t>(std::abs(GetParam().id)));
}
INSTANTIATE_TEST_SUITE_P(
    PciNub, FindCapability,
    testing::Values(CapabilityCase{model::pcie::kId, io_return::kSuccess},
                    CapabilityCase{model::msix::kId, io_return::kSuccess},
                    CapabilityCase{model::pm::kId, io_return::kSuccess}, CapabilityCase{-1, io_return::kSuccess},
                    CapabilityCase{0x7f, io_return::kNotFound}, CapabilityCase{-0x7777, io_return::kNotFound},
                    CapabilityCase{INT32_MIN, io_return::kNotFound}, CapabilityCase{0x1234, io_return::kNotFound}));

TEST_F(PciNubTest, FindCapabilityGoesOnBehindTheSearchOffset) {
  uint64_t first = 0, second = 0;
  ASSERT_EQ(nub().find_capability(model::msix::kId, 0, &first), io_return::kSuccess);
  EXPECT_EQ(nub().find_capability(model::msix::kId, first, &second), io_return::kNotFound);
  EXPECT_EQ(nub().find_capability(model::msix::kId, UINT64_MAX, &second), io_return::kNotFound);
}

TEST_F(PciNubTest, AspmGoesToLinkControl) {
  uint64_t pcie = 0;
  ASSERT_EQ(nub().find_capability(model::pcie::kId, 0, &pcie), io_return::kSuccess);
  EXPECT_EQ(nub().set_aspm(2), io_return::kSuccess);
  EXPECT_EQ(kernel().root(0).port.config_read(nub().rid(), pcie + model::pcie::kLinkControl, 2) & 3, 2u);
}

TEST_F(PciNubTest, LinkSpeedOutOfRangeIsABadArgument) {
  EXPECT_EQ(nub().set_link_speed(0, false), io_return::kBadArgument);
  EXPECT_EQ(nub().set_link_speed(6, false), io_return::kBadArgument);
  uint32_t speed = 0;
  EXPECT_EQ(nub().link_speed(&speed), io_return::kSuccess);
  EXPECT_GE(speed, 1u);
}

TEST_F(PciNubTest, PowerManagementIsTheCapabilitys) {
  EXPECT_TRUE(nub().has_power_management(0));
  EXPECT_EQ(nub().enable_power_management(3), io_return::kSuccess);
}

// Termination ---------------------------------------------------------------------------------------------------------

TEST_F(PciNubTest, ATerminatedNubRefusesEverything) {
  claim();
  const Ref<PciNub> gone(&nub());
  kernel().device_removed(0);
  uint64_t value = 0;
  EXPECT_EQ(gone->memory_read(kClient, 0, 0, 4, &value), io_return::kNotOpen);
  EXPECT_EQ(gone->config_read(kClient, 0, 4), 0xffff'ffffu);
  EXPECT_EQ(gone->open(kClient), io_return::kError);
  EXPECT_EQ(gone->configure_interrupts(kInterruptMsiX, 1, 1, 0), io_return::kNoDevice);
  EXPECT_EQ(gone->reset_device(kResetFunction, 0), io_return::kNoDevice);
  Ref<MemoryObject> memory;
  EXPECT_EQ(gone->copy_device_memory(kClient, 0, &memory), io_return::kNotOpen);
}

TEST_F(PciNubTest, TerminationStopsTheDevice) {
  claim();
  const Rid rid = nub().rid();
  kernel().device_removed(0);  // the device is still there: only the service goes
  EXPECT_EQ(kernel().root(0).port.config_read(rid, model::cfg::kCommand, 2), 0u);
}

}  // namespace
}  // namespace dartboard::macos
