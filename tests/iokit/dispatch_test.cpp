// tests/iokit/dispatch_test.cpp - queues and semaphores on one thread.
#include <dispatch/dispatch.h>

#include "world.h"

namespace dartboard::iokit {
namespace {

class Dispatch : public IoKitTest {
 protected:
  static void count(void* context) { ++*static_cast<int*>(context); }
  int runs = 0;
};

TEST_F(Dispatch, AsyncWorkRunsInThePump) {
  const dispatch_queue_t queue = dispatch_queue_create("q", DISPATCH_QUEUE_SERIAL);
  dispatch_async_f(queue, &runs, count);
  EXPECT_EQ(runs, 0);
  pump();
  EXPECT_EQ(runs, 1);
  dispatch_release(queue);
}

TEST_F(Dispatch, SyncWorkRunsAfterWhatWasBeforeIt) {
  const dispatch_queue_t queue = dispatch_queue_create("q", DISPATCH_QUEUE_SERIAL);
  int* const before = &runs;
  dispatch_async_f(queue, before, count);
  struct Probe { int* before; int seen; } probe{before, -1};
  dispatch_sync_f(queue, &probe, [](void* p) { static_cast<Probe*>(p)->seen = *static_cast<Probe*>(p)->before; });
  EXPECT_EQ(probe.seen, 1);
  dispatch_release(queue);
}

TEST_F(Dispatch, AReleasedQueueStillRunsItsWork) {
  const dispatch_queue_t queue = dispatch_queue_create("q", DISPATCH_QUEUE_SERIAL);
  dispatch_async_f(queue, &runs, count);
  dispatch_release(queue);
  pump();
  EXPECT_EQ(runs, 1);
}

TEST_F(Dispatch, SyncOnTheOwnSerialQueueIsReportedNotHung) {
  struct Both { dispatch_queue_t queue; int runs = 0; } both{dispatch_queue_create("q", DISPATCH_QUEUE_SERIAL)};
  dispatch_async_f(both.queue, &both, [](void* p) {
    auto* b = static_cast<Both*>(p);
    dispatch_sync_f(b->queue, &b->runs, count);
  });
  testing::internal::CaptureStderr();
  pump();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("deadlock"), std::string::npos);
  EXPECT_EQ(both.runs, 0);
  dispatch_release(both.queue);
}

TEST_F(Dispatch, ASemaphoreWaitRunsTheQueuesThatSignalIt) {
  const dispatch_semaphore_t semaphore = dispatch_semaphore_create(0);
  dispatch_async_f(dispatch_get_global_queue(DISPATCH_QUEUE_PRIORITY_HIGH, 0), semaphore,
                   [](void* s) { dispatch_semaphore_signal(static_cast<dispatch_semaphore_t>(s)); });
  EXPECT_EQ(dispatch_semaphore_wait(semaphore, DISPATCH_TIME_FOREVER), 0);
  dispatch_release(semaphore);
}

TEST_F(Dispatch, ASemaphoreWaitEndsWithItsTime) {
  const dispatch_semaphore_t semaphore = dispatch_semaphore_create(0);
  const uint64_t before = timeline().now().value;
  EXPECT_NE(dispatch_semaphore_wait(semaphore, dispatch_time(DISPATCH_TIME_NOW, 5000)), 0);
  EXPECT_EQ(timeline().now().value - before, 5000u);
  EXPECT_NE(dispatch_semaphore_wait(semaphore, DISPATCH_TIME_FOREVER), 0);   // nobody is left to signal
  dispatch_release(semaphore);
}

TEST_F(Dispatch, OnceIsOnce) {
  dispatch_once_t once = 0;
  dispatch_once_f(&once, &runs, count);
  dispatch_once_f(&once, &runs, count);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace dartboard::iokit
