// tests/model/timeline_test.cpp - time moves, timers fire in order, the kernel is entered only when it must be.
#include "model/timeline.h"

#include <functional>
#include <vector>

#include "tests/model/fabric.h"

namespace dartboard::model::test {
namespace {

class FunctionTimer final : public Timer {
 public:
  explicit FunctionTimer(std::function<void()> work) : work_(std::move(work)) {}
  void expire() override { work_(); }

 private:
  std::function<void()> work_;
};

class TimelineTest : public testing::Test {
 protected:
  void SetUp() override { Fabric::instance().start(); }
  void TearDown() override {
    timeline.set_native_activity(false);
    Fabric::instance().ticker.stop();
  }
  Timeline& timeline = Fabric::instance().timeline;
  std::vector<int> fired;
  std::vector<uint64_t> times;
  FunctionTimer a{[this] {
    fired.push_back(1);
    times.push_back(timeline.now().value);
  }};
  FunctionTimer b{[this] {
    fired.push_back(2);
    times.push_back(timeline.now().value);
  }};
  FunctionTimer c{[this] {
    fired.push_back(3);
    times.push_back(timeline.now().value);
  }};
};

TEST_F(TimelineTest, AdvanceWithoutTimersOnlyMovesTime) {
  const auto before = sc_core::sc_time_stamp();
  timeline.advance(1'000'000);
  EXPECT_EQ(timeline.now(), TimeNs(1'000'000));
  EXPECT_EQ(sc_core::sc_time_stamp(), before);
}

TEST_F(TimelineTest, TimersFireByDeadlineAtTheirTime) {
  timeline.schedule(a, 300);
  timeline.schedule(b, 100);
  timeline.schedule(c, 200);
  timeline.advance(1000);
  EXPECT_EQ(fired, (std::vector<int>{2, 3, 1}));
  EXPECT_EQ(times, (std::vector<uint64_t>{100, 200, 300}));
  EXPECT_EQ(timeline.now(), TimeNs(1000));
}

TEST_F(TimelineTest, EqualDeadlinesFireInSchedulingOrder) {
  timeline.schedule(c, 50);
  timeline.schedule(a, 50);
  timeline.schedule(b, 50);
  timeline.advance(50);
  EXPECT_EQ(fired, (std::vector<int>{3, 1, 2}));
}

TEST_F(TimelineTest, TimerFiresWhenItsDeadlineIsReachedNotBefore) {
  timeline.schedule(a, 100);
  timeline.advance(99);
  EXPECT_TRUE(fired.empty());
  EXPECT_EQ(timeline.next_timer_in_ns(), 1u);
  timeline.advance(1);
  EXPECT_EQ(fired.size(), 1u);
  EXPECT_EQ(timeline.next_timer_in_ns(), UINT64_MAX);
}

TEST_F(TimelineTest, ZeroDelayFiresAtTheNextAdvance) {
  timeline.schedule(a, 0);
  EXPECT_TRUE(fired.empty());
  timeline.advance(0);
  EXPECT_EQ(times, (std::vector<uint64_t>{0}));
}

TEST_F(TimelineTest, ReschedulingMoves) {
  timeline.schedule(a, 100);
  timeline.schedule(a, 500);
  timeline.advance(200);
  EXPECT_TRUE(fired.empty());
  timeline.advance(300);
  EXPECT_EQ(times, (std::vector<uint64_t>{500}));
}

TEST_F(TimelineTest, CancelledAndDestroyedTimersDoNotFire) {
  timeline.schedule(a, 10);
  timeline.cancel(a);
  EXPECT_FALSE(a.scheduled());
  {
    FunctionTimer gone{[this] { fired.push_back(9); }};
    timeline.schedule(gone, 10);
  }
  timeline.advance(100);
  EXPECT_TRUE(fired.empty());
}

TEST_F(TimelineTest, CallbackMayScheduleAgain) {
  int left = 5;
  FunctionTimer periodic{[&] {
    times.push_back(timeline.now().value);
    if (--left > 0) timeline.schedule(periodic, 10);
  }};
  timeline.schedule(periodic, 10);
  timeline.advance(1000);
  EXPECT_EQ(times, (std::vector<uint64_t>{10, 20, 30, 40, 50}));
}

TEST_F(TimelineTest, SelfSchedulingWithZeroDelayCannotStopTime) {
  uint64_t count = 0;
  FunctionTimer busy{[&] {
    ++count;
    timeline.schedule(busy, 0);
  }};
  timeline.schedule(busy, 0);
  timeline.advance(100);
  EXPECT_EQ(timeline.now(), TimeNs(100));
  EXPECT_EQ(count, 101u);
}

TEST_F(TimelineTest, AdvanceInsideACallbackAddsTimeAndDoesNotNest) {
  FunctionTimer slow{[&] {
    timeline.advance(500);
    EXPECT_TRUE(fired.empty()) << "a timer ran inside a timer";
    times.push_back(timeline.now().value);
  }};
  timeline.schedule(slow, 100);
  timeline.schedule(a, 200);
  timeline.advance(300);
  EXPECT_EQ(times, (std::vector<uint64_t>{600, 600}));  // `a` was passed and runs late
  EXPECT_EQ(timeline.now(), TimeNs(600));
}

TEST_F(TimelineTest, ResetForgetsTimersAndStartsAtZero) {
  timeline.advance(12345);
  timeline.schedule(a, 10);
  timeline.reset();
  EXPECT_EQ(timeline.now(), TimeNs(0));
  EXPECT_FALSE(a.scheduled());
  timeline.advance(100);
  EXPECT_TRUE(fired.empty());
  timeline.schedule(b, 10);
  timeline.advance(10);
  EXPECT_EQ(times, (std::vector<uint64_t>{110}));
}

TEST_F(TimelineTest, NativeActivityRunsProcessesWithTheirOwnClock) {
  Ticker& ticker = Fabric::instance().ticker;
  ticker.ticks = 0;
  timeline.set_native_activity(true);
  ticker.start();
  timeline.schedule(a, 55);
  timeline.advance(100);
  EXPECT_EQ(ticker.ticks, 10u);
  EXPECT_EQ(times, (std::vector<uint64_t>{55}));
  EXPECT_EQ(timeline.now(), TimeNs(100));
}

TEST_F(TimelineTest, ManyTimersFireInOrderWhateverWasCancelled) {
  std::vector<std::unique_ptr<FunctionTimer>> timers;
  std::vector<uint64_t> seen;
  uint64_t state = 88172645463325252ull;
  const auto random = [&state] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  };
  for (int i = 0; i < 500; ++i) {
    timers.push_back(std::make_unique<FunctionTimer>([&] { seen.push_back(timeline.now().value); }));
    timeline.schedule(*timers.back(), random() % 1000);
  }
  for (int i = 0; i < 500; i += 3) timeline.cancel(*timers[static_cast<size_t>(i)]);
  timeline.advance(1000);
  EXPECT_EQ(seen.size(), 500u - 167u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

}  // namespace
}  // namespace dartboard::model::test
