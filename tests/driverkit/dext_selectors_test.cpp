// tests/driverkit/dext_selectors_test.cpp - every selector of VFIOUserPCIDriver: argument counts, before and after
// claim.
#include "tests/driverkit/mac.h"

namespace dartboard::driverkit {
namespace {

namespace reg = model::test_register;

std::byte g_memory alignas(16384)[65536];

struct SelectorRow {
  const char* name;
  uint32_t selector;
  std::vector<uint64_t> in;
  uint32_t outputs;
  io_return::Code before_claim;
  io_return::Code after_claim;
  bool asynchronous = false;
};

std::vector<SelectorRow> rows() {
  using namespace io_return;
  const uint64_t address = reinterpret_cast<uintptr_t>(g_memory);
  return {
      {"GetIdentity", kSelectorGetIdentity, {}, 6, kSuccess, kSuccess},
      {"Claim", kSelectorClaim, {}, 0, kSuccess, kSuccess},
      {"Terminate", kSelectorTerminate, {}, 0, kSuccess, kSuccess},
      {"AllocateDMABuffer", kSelectorAllocateDMABuffer, {65536, 0}, 6, kNotOpen, kSuccess},
      {"FreeDMABuffer", kSelectorFreeDMABuffer, {}, 0, kSuccess, kSuccess},
      {"RegisterDMARegion", kSelectorRegisterDMARegion, {0x1000, address, 16384}, 3, kNotOpen, kSuccess},
      {"UnregisterDMARegion", kSelectorUnregisterDMARegion, {0x1000}, 0, kNotFound, kNotFound},
      {"ProbeDMARegion", kSelectorProbeDMARegion, {0x1000, 0}, 1, kNotFound, kNotFound},
      {"ConfigRead", kSelectorConfigRead, {0, 4}, 1, kSuccess, kSuccess},
      {"ConfigWrite", kSelectorConfigWrite, {0x3c, 1, 0}, 0, kSuccess, kSuccess},
      {"GetBARInfo", kSelectorGetBARInfo, {0}, 3, kSuccess, kSuccess},
      {"MMIORead", kSelectorMMIORead, {0, 0, 4}, 1, kSuccess, kSuccess},
      {"MMIOWrite", kSelectorMMIOWrite, {0, reg::kScratch, 4, 1}, 0, kSuccess, kSuccess},
      {"SetupInterrupts", kSelectorSetupInterrupts, {}, 1, kNotOpen, kSuccess},
      {"CheckInterrupt", kSelectorCheckInterrupt, {}, 4, kNotReady, kNotReady},
      {"WaitInterrupt", kSelectorWaitInterrupt, {}, 0, kNotReady, kNotReady, true},
      {"SetIRQMask", kSelectorSetIRQMask, {1, 2, 3, 4}, 0, kNotReady, kNotReady},
      {"ResetDevice", kSelectorResetDevice, {}, 0, kNotOpen, kSuccess},
  };
}

class DextSelectors : public Mac {
 protected:
  Answer call(Connection& connection, const SelectorRow& row) {
    const auto target = macos::make_object<CountingTarget>();
    return connection.call(row.selector, row.in, row.outputs, row.asynchronous ? target.get() : nullptr);
  }
};

TEST_F(DextSelectors, TableHasEverySelectorOnce) {
  const std::vector<SelectorRow> table = rows();
  ASSERT_EQ(table.size(), static_cast<size_t>(kSelectorCount));
  for (uint32_t i = 0; i < table.size(); ++i) EXPECT_EQ(table[i].selector, i) << table[i].name;
}

TEST_F(DextSelectors, RightCountsBeforeClaim) {
  for (const SelectorRow& row : rows()) {
    boot();
    Connection connection = open();
    const Answer answer = call(connection, row);
    EXPECT_EQ(answer.code, row.before_claim) << row.name << ": " << io_return::name(answer.code);
    EXPECT_EQ(answer.out.size(), row.before_claim == io_return::kSuccess ? row.outputs : 0) << row.name;
  }
}

TEST_F(DextSelectors, RightCountsAfterClaim) {
  for (const SelectorRow& row : rows()) {
    boot();
    Connection connection = open();
    ASSERT_EQ(connection.claim(), io_return::kSuccess);
    const Answer answer = call(connection, row);
    EXPECT_EQ(answer.code, row.after_claim) << row.name << ": " << io_return::name(answer.code);
  }
}

TEST_F(DextSelectors, TooFewInputsAreBadArgument) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  for (SelectorRow row : rows()) {
    while (!row.in.empty()) {
      row.in.pop_back();
      EXPECT_EQ(call(connection, row).code, io_return::kBadArgument) << row.name << " with " << row.in.size();
    }
  }
}

TEST_F(DextSelectors, TooManyInputsAreBadArgument) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  for (SelectorRow row : rows()) {
    row.in.push_back(0);
    EXPECT_EQ(call(connection, row).code, io_return::kBadArgument) << row.name;
  }
}

TEST_F(DextSelectors, TooLittleRoomForOutputsIsBadArgument) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  for (SelectorRow row : rows()) {
    while (row.outputs > 0) {
      --row.outputs;
      EXPECT_EQ(call(connection, row).code, io_return::kBadArgument) << row.name << " with room for " << row.outputs;
    }
  }
}

TEST_F(DextSelectors, MoreRoomThanNeededIsFineAndCountedDown) {
  boot();
  Connection connection = open();
  const Answer answer = connection.call(kSelectorGetIdentity, {}, 16);
  EXPECT_EQ(answer.code, io_return::kSuccess);
  EXPECT_EQ(answer.out.size(), 6u);
}

TEST_F(DextSelectors, UnknownSelectorIsUnsupported) {
  boot();
  Connection connection = open();
  for (uint32_t selector : {18u, 64u, 0xffffffffu}) {
    EXPECT_EQ(connection.call(selector).code, io_return::kUnsupported) << selector;
  }
}

TEST_F(DextSelectors, MoreThanSixteenScalarsAreRefusedBeforeTheDext) {
  boot();
  Connection connection = open();
  EXPECT_EQ(connection.call(kSelectorSetIRQMask, std::vector<uint64_t>(17)).code, io_return::kBadArgument);
}

TEST_F(DextSelectors, WaitInterruptNeedsACompletion) {
  boot();
  Connection connection = open();
  EXPECT_EQ(connection.call(kSelectorWaitInterrupt).code, io_return::kBadArgument);
}

TEST_F(DextSelectors, OtherUserClientTypesAreUnsupported) {
  boot();
  macos::Ref<macos::UserClient> client;
  EXPECT_EQ(service()->new_user_client(1, &client), io_return::kUnsupported);
  EXPECT_FALSE(client);
}

TEST_F(DextSelectors, IdentityIsTheDevicesWithoutClaim) {
  boot();
  Connection connection = open();
  const Answer answer = connection.call(kSelectorGetIdentity, {}, 6);
  ASSERT_EQ(answer.out.size(), 6u);
  const Rid rid = nub().rid();
  EXPECT_EQ(answer.out[0], rid.bus());
  EXPECT_EQ(answer.out[1], rid.device());
  EXPECT_EQ(answer.out[2], rid.function());
  EXPECT_EQ(answer.out[3], model::kTestVendorId);
  EXPECT_EQ(answer.out[4], model::kTestDeviceId);
}

// Claims --------------------------------------------------------------------------------------------------------------

uint64_t command_of(Connection& connection) {
  return connection.call(kSelectorConfigRead, {4, 2}, 1).out.at(0);
}

TEST_F(DextSelectors, ClaimSetsMemorySpaceAndBusMaster) {
  boot();
  Connection connection = open();
  EXPECT_EQ(command_of(connection), 0xffffu) << "unclaimed: all-ones";
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  EXPECT_EQ(command_of(connection) & 6, 6u);
}

TEST_F(DextSelectors, ClaimTwiceByOneClientIsOneClaim) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  Connection other = open();
  connection.close();
  EXPECT_EQ(command_of(other), 0xffffu);
}

TEST_F(DextSelectors, LastClaimantsCloseClosesTheDevice) {
  boot();
  Connection first = open(), second = open();
  ASSERT_EQ(first.claim(), io_return::kSuccess);
  ASSERT_EQ(second.claim(), io_return::kSuccess);
  first.close();
  EXPECT_EQ(command_of(second) & 6, 6u);
  Connection bystander = open();
  second.close();
  EXPECT_EQ(command_of(bystander), 0xffffu);
}

TEST_F(DextSelectors, DeviceCanBeClaimedAgainAfterClose) {
  boot();
  Connection first = open();
  ASSERT_EQ(first.claim(), io_return::kSuccess);
  first.close();
  Connection second = open();
  EXPECT_EQ(second.claim(), io_return::kSuccess);
  EXPECT_EQ(command_of(second) & 6, 6u);
}

// Configuration and BARs ----------------------------------------------------------------------------------------------

TEST_F(DextSelectors, ConfigWidths) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  EXPECT_EQ(connection.call(kSelectorConfigRead, {0, 1}, 1).out.at(0), 0x36u);
  EXPECT_EQ(connection.call(kSelectorConfigRead, {0, 2}, 1).out.at(0), 0x1b36u);
  EXPECT_EQ(connection.call(kSelectorConfigRead, {0, 4}, 1).out.at(0), 0x00db1b36u);
  for (uint64_t width : {0ull, 3ull, 8ull, ~0ull}) {
    EXPECT_EQ(connection.call(kSelectorConfigRead, {0, width}, 1).code, io_return::kBadArgument) << width;
    EXPECT_EQ(connection.call(kSelectorConfigWrite, {0, width, 0}).code, io_return::kBadArgument) << width;
  }
  EXPECT_EQ(connection.call(kSelectorConfigRead, {4096, 4}, 1).out.at(0), 0xffffffffu) << "past the end";
}

TEST_F(DextSelectors, BarRegistersReadAsTypeOnly) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  const struct {
    uint64_t offset;
    uint64_t value;
  } table[] = {{0x10, 0x0}, {0x14, 0x0}, {0x18, 0xc}, {0x1c, 0x0}, {0x20, 0x0}, {0x24, 0x0}};
  for (const auto& row : table) {
    EXPECT_EQ(connection.call(kSelectorConfigRead, {row.offset, 4}, 1).out.at(0), row.value) << row.offset;
  }
}

TEST_F(DextSelectors, BarInfo) {
  boot();
  Connection connection = open();
  const struct {
    uint64_t bar;
    io_return::Code code;
    std::vector<uint64_t> out;
  } table[] = {
      {0, io_return::kSuccess, {0, 16 * kKiB, 0x0}},
      {1, io_return::kNotFound, {}},
      {2, io_return::kSuccess, {1, kMiB, 0xc}},
      {3, io_return::kNotFound, {}},
      {4, io_return::kSuccess, {2, 4 * kKiB, 0x0}},
      {5, io_return::kNotFound, {}},
      {6, io_return::kBadArgument, {}},
      {256, io_return::kBadArgument, {}},
  };
  for (const auto& row : table) {
    const Answer answer = connection.call(kSelectorGetBARInfo, {row.bar}, 3);
    EXPECT_EQ(answer.code, row.code) << "BAR " << row.bar << ": " << io_return::name(answer.code);
    EXPECT_EQ(answer.out, row.out) << "BAR " << row.bar;
  }
}

// MMIO ----------------------------------------------------------------------------------------------------------------

TEST_F(DextSelectors, MmioOfEveryWidth) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  EXPECT_EQ(connection.call(kSelectorMMIORead, {0, reg::kId, 4}, 1).out.at(0), reg::kIdValue);
  for (uint64_t width : {1ull, 2ull, 4ull, 8ull}) {
    const uint64_t value = 0x8877665544332211ull >> (64 - 8 * width);
    ASSERT_EQ(connection.call(kSelectorMMIOWrite, {1, 64, width, value}).code, io_return::kSuccess);
    EXPECT_EQ(connection.call(kSelectorMMIORead, {1, 64, width}, 1).out.at(0), value) << width;
  }
  for (uint64_t width : {0ull, 3ull, 16ull}) {
    EXPECT_EQ(connection.call(kSelectorMMIORead, {0, 0, width}, 1).code, io_return::kBadArgument) << width;
    EXPECT_EQ(connection.call(kSelectorMMIOWrite, {0, 0, width, 0}).code, io_return::kBadArgument) << width;
  }
}

TEST_F(DextSelectors, MmioOfABarThatIsNotThereIsAllOnes) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  EXPECT_EQ(connection.call(kSelectorMMIORead, {5, 0, 4}, 1).out.at(0), 0xffffffffu);
  EXPECT_EQ(connection.call(kSelectorMMIOWrite, {5, 0, 4, 1}).code, io_return::kSuccess);
  EXPECT_EQ(connection.call(kSelectorMMIORead, {256, 0, 4}, 1).code, io_return::kBadArgument) << "not BAR 0";
}

TEST_F(DextSelectors, MmioPastTheEndIsAllOnesAndReported) {
  boot();
  set_log_sink([](void*, LogLevel, std::string_view) {}, nullptr);
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  EXPECT_EQ(connection.call(kSelectorMMIORead, {0, 16 * kKiB, 4}, 1).out.at(0), 0xffffffffu);
  EXPECT_EQ(stats().warnings, 1u);
}

// Terminate and unplug ------------------------------------------------------------------------------------------------

TEST_F(DextSelectors, TerminateEndsTheServiceAfterTheCall) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.call(kSelectorTerminate).code, io_return::kSuccess);
  run();
  EXPECT_FALSE(service());
  EXPECT_FALSE(connection.client().alive());
  EXPECT_EQ(connection.call(kSelectorGetIdentity, {}, 6).code, io_return::kOffline);
}

TEST_F(DextSelectors, UnplugEndsServiceAndClients) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  ASSERT_EQ(connection.call(kSelectorSetupInterrupts, {}, 1).code, io_return::kSuccess);
  kernel().device_removed(0);
  EXPECT_FALSE(service());
  EXPECT_EQ(connection.call(kSelectorMMIORead, {0, 0, 4}, 1).code, io_return::kOffline);
}

}  // namespace
}  // namespace dartboard::driverkit
