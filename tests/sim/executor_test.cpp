// tests/sim/executor_test.cpp - order, nesting, deadlock and livelock of the deterministic executor.
#include "sim/macos/executor.h"

#include <gtest/gtest.h>

namespace dartboard::macos {
namespace {

struct ExecutorTest : testing::Test {
  Executor executor;
  WorkQueue a{executor, "a"}, b{executor, "b"};
  std::string log;
  std::function<void()> note(char c) {
    return [this, c] { log += c; };
  }
};

TEST_F(ExecutorTest, RunsItemsOfAllQueuesInTheOrderTheyWerePosted) {
  b.post(note('1'));
  a.post(note('2'));
  b.post(note('3'));
  EXPECT_TRUE(executor.run_until_idle());
  EXPECT_EQ(log, "123");
}

TEST_F(ExecutorTest, EnterRunsWhatWasPostedBefore) {
  a.post(note('1'));
  a.post(note('2'));
  ASSERT_TRUE(a.enter());
  log += 'e';
  a.leave();
  EXPECT_EQ(log, "12e");
}

TEST_F(ExecutorTest, EnterLeavesItemsThatEarlierItemsPosted) {
  a.post([this] { a.post(note('2')); });
  ASSERT_TRUE(a.enter());
  EXPECT_EQ(log, "");
  a.leave();
  executor.run_until_idle();
  EXPECT_EQ(log, "2");
}

TEST_F(ExecutorTest, EnteringARunningQueueIsADeadlock) {
  bool entered = true;
  a.post([&] { entered = a.enter(); });
  executor.run_until_idle();
  EXPECT_FALSE(entered);
}

TEST_F(ExecutorTest, AnItemMayEnterAnotherQueue) {
  b.post(note('1'));
  a.post([&] {
    if (b.enter()) log += 'e';
    b.leave();
  });
  ASSERT_TRUE(a.enter());  // runs a's item, which enters b
  a.leave();
  EXPECT_EQ(log, "1e");
}

TEST_F(ExecutorTest, ABlockedQueueDoesNotStopTheOthers) {
  ASSERT_TRUE(a.enter());
  a.post(note('1'));
  b.post(note('2'));
  EXPECT_TRUE(executor.run_until_idle());
  EXPECT_EQ(log, "2");
  EXPECT_TRUE(executor.pending());
  a.leave();
}

TEST_F(ExecutorTest, WorkThatWaitsForAQueueFurtherUpTheStackIsNotRunnable) {
  ASSERT_TRUE(a.enter());
  a.post(note('1'));
  EXPECT_TRUE(executor.pending());
  EXPECT_FALSE(executor.runnable());
  b.post(note('2'));
  EXPECT_TRUE(executor.runnable());
  a.leave();
}

TEST_F(ExecutorTest, AHeldQueueRunsNothingUntilItsItemGoesOn) {
  a.post([&] {
    log += '1';
    a.hold();
  });
  a.post(note('3'));
  b.post(note('b'));
  EXPECT_TRUE(executor.run_until_idle());
  EXPECT_EQ(log, "1b");
  EXPECT_FALSE(a.enter()) << "who comes from outside would wait too";
  a.go_on(note('2'));
  EXPECT_TRUE(executor.run_until_idle());
  EXPECT_EQ(log, "1b23");
}

TEST_F(ExecutorTest, EnteringAQueueWhoseItemHoldsItFails) {
  a.post([&] { a.hold(); });
  a.post(note('1'));
  EXPECT_FALSE(a.enter());
  EXPECT_EQ(log, "");
  a.go_on(note('0'));
  EXPECT_TRUE(a.enter()) << "the rest of the item first, then what waited behind it";
  EXPECT_EQ(log, "01");
  a.leave();
}

TEST_F(ExecutorTest, DepthCountsItemsInsideItems) {
  std::string depths;
  const auto add = [&] { depths += static_cast<char>('0' + executor.depth()); };
  a.post([&] {
    add();
    b.post(add);
    executor.run_until_idle();
    add();
  });
  executor.run_until_idle();
  add();
  EXPECT_EQ(depths, "1210");
}

TEST_F(ExecutorTest, LivelockIsReported) {
  std::function<void()> again = [&] { a.post(again); };
  a.post(again);
  EXPECT_FALSE(executor.run_until_idle(1000));
}

TEST_F(ExecutorTest, ClearDropsWhatHasNotRun) {
  a.post(note('1'));
  a.clear();
  EXPECT_FALSE(executor.pending());
  executor.run_until_idle();
  EXPECT_EQ(log, "");
}

TEST_F(ExecutorTest, ResetDropsWorkOfAllQueues) {
  a.post(note('1'));
  b.post(note('2'));
  executor.reset();
  executor.run_until_idle();
  EXPECT_EQ(log, "");
}

TEST_F(ExecutorTest, AnItemMayDestroyItsQueue) {
  auto c = std::make_unique<WorkQueue>(executor, "c");
  c->post([&] { c.reset(); });
  c->post(note('1'));
  EXPECT_TRUE(executor.run_until_idle());
  EXPECT_EQ(log, "");
}

TEST_F(ExecutorTest, AnItemMayDestroyItsQueueAfterAnotherRanInsideIt) {
  // IODispatchQueue::Sleep: the item lets go of the queue, another one runs, then the sleeper goes on.
  auto c = std::make_unique<WorkQueue>(executor, "c");
  c->post([&] {
    c->leave();
    executor.run_until_idle();
    c.reset();
  });
  c->post(note('1'));
  EXPECT_TRUE(executor.run_until_idle());
  EXPECT_EQ(log, "1");
}

}  // namespace
}  // namespace dartboard::macos
