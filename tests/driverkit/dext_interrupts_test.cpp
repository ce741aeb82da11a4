// tests/driverkit/dext_interrupts_test.cpp - interrupts and reset of VFIOUserPCIDriver.
#include "tests/driverkit/mac.h"

namespace dartboard::driverkit {
namespace {

namespace reg = model::test_register;
using io_return::kSuccess;
using Words = std::vector<uint64_t>;

class DextInterrupts : public Mac {
 protected:
  void ready(const model::TestEndpointOptions& options = {}) {
    boot(options);
    connection_.emplace_back(open());
    ASSERT_EQ(client().claim(), kSuccess);
    const Answer answer = client().call(kSelectorSetupInterrupts, {}, 1);
    ASSERT_EQ(answer.code, kSuccess) << io_return::name(answer.code);
    vectors_ = answer.out.at(0);
  }
  void TearDown() override {
    connection_.clear();
    Mac::TearDown();
  }
  Connection& client() { return connection_.front(); }
  void raise(uint32_t vector) {
    ASSERT_EQ(client().call(kSelectorMMIOWrite, {0, reg::kRaise, 4, vector}).code, kSuccess);
  }
  Words pending() { return client().call(kSelectorCheckInterrupt, {}, 4).out; }
  macos::Ref<CountingTarget> wait() {
    auto target = macos::make_object<CountingTarget>();
    EXPECT_EQ(client().call(kSelectorWaitInterrupt, {}, 0, target.get()).code, kSuccess);
    return target;
  }
  uint64_t vectors_ = 0;

 private:
  std::vector<Connection> connection_;
};

TEST_F(DextInterrupts, MsixTableSizeDecides) {
  model::TestEndpointOptions options;
  options.msix_vectors = 8;
  ready(options);
  EXPECT_EQ(vectors_, 8u);
}

TEST_F(DextInterrupts, MoreVectorsThanTheRootComplexHasAreCutToItsPool) {
  model::TestEndpointOptions options;
  options.msix_vectors = 128;
  ready(options);
  EXPECT_EQ(vectors_, 32u);
}

TEST_F(DextInterrupts, MsiWithoutMsix) {
  model::TestEndpointOptions options;
  options.msix = false;
  ready(options);
  EXPECT_GE(vectors_, 1u);
  raise(0);
  run();
  EXPECT_EQ(pending(), (Words{1, 0, 0, 0}));
}

TEST_F(DextInterrupts, NoMessagesIsAnError) {
  model::TestEndpointOptions options;
  options.msix = options.msi = false;
  boot(options);
  Connection connection = open();
  ASSERT_EQ(connection.claim(), kSuccess);
  EXPECT_NE(connection.call(kSelectorSetupInterrupts, {}, 1).code, kSuccess);
  EXPECT_EQ(connection.call(kSelectorCheckInterrupt, {}, 4).code, io_return::kNotReady);
}

TEST_F(DextInterrupts, SecondSetupIsStillOpen) {
  ready();
  EXPECT_EQ(client().call(kSelectorSetupInterrupts, {}, 1).code, io_return::kStillOpen);
}

TEST_F(DextInterrupts, PendingBitsAreReadAndCleared) {
  ready();
  raise(0);
  raise(31);
  run();
  EXPECT_EQ(pending(), (Words{0x8000'0001, 0, 0, 0}));
  EXPECT_EQ(pending(), (Words{0, 0, 0, 0}));
}

TEST_F(DextInterrupts, ManyOfOneVectorAreOneBit) {
  ready();
  for (int i = 0; i < 100; ++i) raise(3);
  run();
  EXPECT_EQ(pending(), (Words{8, 0, 0, 0}));
}

TEST_F(DextInterrupts, WaitCompletesOnce) {
  ready();
  const auto target = wait();
  EXPECT_EQ(target->completions, 0);
  raise(1);
  run();
  EXPECT_EQ(target->completions, 1);
  EXPECT_EQ(target->last_status, kSuccess);
  EXPECT_EQ(target->last_count, 0u);
  raise(2);
  run();
  EXPECT_EQ(target->completions, 1) << "must be armed again";
}

TEST_F(DextInterrupts, WaitCompletesAtOnceIfSomethingIsPending) {
  ready();
  raise(1);
  run();
  EXPECT_EQ(wait()->completions, 1);
}

TEST_F(DextInterrupts, NewWaitReplacesTheOld) {
  ready();
  const auto old_target = wait();
  const auto new_target = wait();
  raise(0);
  run();
  EXPECT_EQ(old_target->completions, 0);
  EXPECT_EQ(old_target->references(), 1u) << "its reference is given back without a message";
  EXPECT_EQ(new_target->completions, 1);
}

TEST_F(DextInterrupts, MaskedVectorsAreDroppedNotRemembered) {
  ready();
  ASSERT_EQ(client().call(kSelectorSetIRQMask, {~uint64_t{2}, ~0ull, ~0ull, ~0ull}).code, kSuccess);
  const auto target = wait();
  raise(1);
  run();
  EXPECT_EQ(pending(), (Words{0, 0, 0, 0}));
  EXPECT_EQ(target->completions, 0);
  ASSERT_EQ(client().call(kSelectorSetIRQMask, {~0ull, ~0ull, ~0ull, ~0ull}).code, kSuccess);
  run();
  EXPECT_EQ(pending(), (Words{0, 0, 0, 0}));
  raise(1);
  run();
  EXPECT_EQ(target->completions, 1);
}

TEST_F(DextInterrupts, SharedPageCarriesPendingAndEnable) {
  ready();
  macos::Ref<macos::MemoryObject> page;
  ASSERT_EQ(client().memory(kMemoryTypeIRQPage, &page), kSuccess);
  auto* words = reinterpret_cast<uint64_t*>(page->ranges()[0].base);
  raise(5);
  run();
  EXPECT_EQ(words[0], 0x20u);
  words[0] = 0;
  words[4] = ~uint64_t{0x20};
  raise(5);
  run();
  EXPECT_EQ(words[0], 0u);
  EXPECT_EQ(pending(), (Words{0, 0, 0, 0}));
}

TEST_F(DextInterrupts, CloseGivesTheWaitBackWithoutAMessage) {
  ready();
  const auto target = wait();
  client().close();
  EXPECT_EQ(target->completions, 0);
  EXPECT_EQ(target->references(), 1u);
}

TEST_F(DextInterrupts, VectorsAreFreeAgainAfterClose) {
  ready();
  client().close();
  Connection again = open();
  ASSERT_EQ(again.claim(), kSuccess);
  EXPECT_EQ(again.call(kSelectorSetupInterrupts, {}, 1).code, kSuccess);
}

// Reset ---------------------------------------------------------------------------------------------------------------

class DextReset : public Mac {
 protected:
  void check(const model::TestEndpointOptions& options, bool resets, bool hot) {
    boot(options);
    Connection connection = open();
    ASSERT_EQ(connection.claim(), kSuccess);
    ASSERT_EQ(connection.call(kSelectorMMIOWrite, {0, reg::kScratch, 4, 0x1234}).code, kSuccess);
    ASSERT_EQ(connection.call(kSelectorMMIOWrite, {0, reg::kFlrKept, 4, 0x5678}).code, kSuccess);
    const io_return::Code code = connection.call(kSelectorResetDevice).code;
    EXPECT_EQ(code == kSuccess, resets) << io_return::name(code);
    if (!resets) return;
    EXPECT_EQ(connection.call(kSelectorMMIORead, {0, reg::kScratch, 4}, 1).out.at(0), 0u);
    EXPECT_EQ(connection.call(kSelectorMMIORead, {0, reg::kFlrKept, 4}, 1).out.at(0), hot ? 0u : 0x5678u);
    EXPECT_EQ(connection.call(kSelectorConfigRead, {4, 2}, 1).out.at(0) & 6, 6u) << "Command is restored";
  }
};

TEST_F(DextReset, FlrIfThereIsOne) {
  check({}, true, false);
}

TEST_F(DextReset, HotResetWithoutFlr) {
  model::TestEndpointOptions options;
  options.flr = false;
  check(options, true, true);
}

TEST_F(DextReset, HotResetIfTheDeviceDoesNotComeBackFromFlr) {
  model::TestEndpointOptions options;
  options.flr_fails = true;
  check(options, true, true);
}

TEST_F(DextReset, ErrorIfBothFail) {
  model::TestEndpointOptions options;
  options.flr = false;
  options.hot_reset_fails = true;
  check(options, false, true);
}

}  // namespace
}  // namespace dartboard::driverkit
