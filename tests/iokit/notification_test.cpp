// tests/iokit/notification_test.cpp - callbacks: asynchronous completions, interest, matching; who runs them and when.
#include <IOKit/IOKitLib.h>
#include <IOKit/IOMessage.h>
#include <mach/mach.h>

#include <array>

#include "world.h"

namespace dartboard::iokit {
namespace {

using macos::MethodCall;

/// What the callbacks saw.
struct Seen {
  int calls = 0;
  IOReturn result = 0;
  uint32_t message = 0;
  io_object_t object = IO_OBJECT_NULL;
  std::vector<uint64_t> arguments;
};

void callback0(void* refcon, IOReturn result) {
  auto* seen = static_cast<Seen*>(refcon);
  ++seen->calls;
  seen->result = result;
}
void callback1(void* refcon, IOReturn result, void* a) {
  callback0(refcon, result);
  static_cast<Seen*>(refcon)->arguments = {reinterpret_cast<uint64_t>(a)};
}
void callback2(void* refcon, IOReturn result, void* a, void* b) {
  callback0(refcon, result);
  static_cast<Seen*>(refcon)->arguments = {reinterpret_cast<uint64_t>(a), reinterpret_cast<uint64_t>(b)};
}
void callback_n(void* refcon, IOReturn result, void** args, uint32_t count) {
  callback0(refcon, result);
  for (uint32_t i = 0; i < count; ++i) {
    static_cast<Seen*>(refcon)->arguments.push_back(reinterpret_cast<uint64_t>(args[i]));
  }
}
void interest(void* refcon, io_service_t service, uint32_t message, void*) {
  auto* seen = static_cast<Seen*>(refcon);
  ++seen->calls;
  seen->message = message;
  seen->object = service;
}
void matched(void* refcon, io_iterator_t iterator) {
  auto* seen = static_cast<Seen*>(refcon);
  ++seen->calls;
  seen->object = iterator;
}

class Notification : public IoKitTest {
 protected:
  void SetUp() override {
    IoKitTest::SetUp();
    connect = open();
    queue = dispatch_queue_create("test", DISPATCH_QUEUE_SERIAL);
    port = IONotificationPortCreate(kIOMainPortDefault);
    IONotificationPortSetDispatchQueue(port, queue);
    driver->method = [this](uint32_t, MethodCall& call) {
      completion = macos::Ref<macos::AsyncTarget>(call.completion);
      return io_return::kSuccess;
    };
  }
  void TearDown() override {
    completion.reset();
    IONotificationPortDestroy(port);
    dispatch_release(queue);
    IoKitTest::TearDown();
  }
  template <class F>
  kern_return_t call_async(F* callback) {
    uint64_t reference[kIOAsyncCalloutCount] = {0, reinterpret_cast<uint64_t>(callback),
                                                reinterpret_cast<uint64_t>(&seen)};
    return IOConnectCallAsyncScalarMethod(connect, 15, IONotificationPortGetMachPort(port), reference,
                                          kIOAsyncCalloutCount, nullptr, 0, nullptr, nullptr);
  }
  io_iterator_t watch(const char* type, CFMutableDictionaryRef matching) {
    io_iterator_t iterator = IO_OBJECT_NULL;
    EXPECT_EQ(IOServiceAddMatchingNotification(port, type, matching, matched, &seen, &iterator), KERN_SUCCESS);
    return iterator;
  }
  static int drain(io_iterator_t iterator) {
    int found = 0;
    while (const io_object_t object = IOIteratorNext(iterator)) {
      ++found;
      IOObjectRelease(object);
    }
    return found;
  }

  io_connect_t connect = IO_OBJECT_NULL;
  dispatch_queue_t queue = nullptr;
  IONotificationPortRef port = nullptr;
  macos::Ref<macos::AsyncTarget> completion;
  Seen seen;
};

TEST_F(Notification, ACompletionIsNeverDeliveredInsideTheCall) {
  driver->method = [](uint32_t, MethodCall& call) {
    call.completion->complete(io_return::kSuccess, nullptr, 0);
    return io_return::kSuccess;
  };
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  EXPECT_EQ(seen.calls, 0);
  pump();
  EXPECT_EQ(seen.calls, 1);
}

TEST_F(Notification, ACompletionWithoutArgumentsHasTheResult) {
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  completion->complete(io_return::kAborted, nullptr, 0);
  pump();
  EXPECT_EQ(seen.result, kIOReturnAborted);
}

TEST_F(Notification, OneArgumentIsPassedByValue) {
  ASSERT_EQ(call_async(callback1), KERN_SUCCESS);
  const uint64_t arguments[] = {0x1122334455667788};
  completion->complete(io_return::kSuccess, arguments, 1);
  pump();
  EXPECT_EQ(seen.arguments, std::vector<uint64_t>{0x1122334455667788});
}

TEST_F(Notification, TwoArgumentsArePassedByValue) {
  ASSERT_EQ(call_async(callback2), KERN_SUCCESS);
  const uint64_t arguments[] = {1, 2};
  completion->complete(io_return::kSuccess, arguments, 2);
  pump();
  EXPECT_EQ(seen.arguments, (std::vector<uint64_t>{1, 2}));
}

TEST_F(Notification, ThreeToSixteenArgumentsAreAnArray) {
  for (const uint32_t count : {3u, 16u, 17u}) {
    seen = {};
    ASSERT_EQ(call_async(callback_n), KERN_SUCCESS);
    std::array<uint64_t, 17> arguments{};
    for (size_t i = 0; i < arguments.size(); ++i) arguments[i] = 100 + i;
    completion->complete(io_return::kSuccess, arguments.data(), count);
    pump();
    EXPECT_EQ(seen.arguments.size(), std::min(count, 16u));
    EXPECT_EQ(seen.arguments.back(), 100u + std::min(count, 16u) - 1);
  }
}

TEST_F(Notification, ArgumentsMayBeNull) {
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  completion->complete(io_return::kSuccess, nullptr, 4);
  pump();
  EXPECT_EQ(seen.calls, 1);
}

TEST_F(Notification, AReferenceHasOneToEightWords) {
  uint64_t reference[9] = {};
  const mach_port_t wake = IONotificationPortGetMachPort(port);
  const auto call = [&](uint32_t count) {
    return IOConnectCallAsyncScalarMethod(connect, 15, wake, reference, count, nullptr, 0, nullptr, nullptr);
  };
  EXPECT_EQ(call(0), kIOReturnBadArgument);
  EXPECT_EQ(call(8), KERN_SUCCESS);
  EXPECT_EQ(call(9), MIG_ARRAY_TOO_LARGE);
}

TEST_F(Notification, TheWakePortMustBeAReceiveRight) {
  uint64_t reference[3] = {};
  EXPECT_EQ(IOConnectCallAsyncScalarMethod(connect, 15, 0x123456, reference, 3, nullptr, 0, nullptr, nullptr),
            MACH_SEND_INVALID_RIGHT);
  EXPECT_EQ(IOConnectCallAsyncScalarMethod(connect, 15, connect, reference, 3, nullptr, 0, nullptr, nullptr),
            MACH_SEND_INVALID_RIGHT);
}

TEST_F(Notification, ACompletionAfterThePortIsGoneIsDropped) {
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  IONotificationPortDestroy(port);
  completion->complete(io_return::kSuccess, nullptr, 0);
  pump();
  EXPECT_EQ(seen.calls, 0);
}

TEST_F(Notification, APortWithoutQueueOrRunLoopKeepsItsMessages) {
  IONotificationPortSetDispatchQueue(port, nullptr);
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  completion->complete(io_return::kSuccess, nullptr, 0);
  pump();
  EXPECT_EQ(seen.calls, 0);
  IONotificationPortSetDispatchQueue(port, queue);
  pump();
  EXPECT_EQ(seen.calls, 1);
}

TEST_F(Notification, ASuspendedQueueKeepsItsMessages) {
  dispatch_suspend(queue);
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  completion->complete(io_return::kSuccess, nullptr, 0);
  pump();
  EXPECT_EQ(seen.calls, 0);
  dispatch_resume(queue);
  pump();
  EXPECT_EQ(seen.calls, 1);
}

TEST_F(Notification, ARunLoopSourceDeliversInsideTheRunLoop) {
  IONotificationPortSetDispatchQueue(port, nullptr);
  CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port), kCFRunLoopDefaultMode);
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  completion->complete(io_return::kSuccess, nullptr, 0);
  EXPECT_EQ(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, true), kCFRunLoopRunHandledSource);
  EXPECT_EQ(seen.calls, 1);
}

TEST_F(Notification, ARunLoopWithoutSourcesIsFinished) {
  EXPECT_EQ(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1, false), kCFRunLoopRunFinished);
}

TEST_F(Notification, ARunLoopWaitTakesSimulatedTime) {
  CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port), kCFRunLoopCommonModes);
  const uint64_t before = timeline().now().value;
  EXPECT_EQ(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.25, false), kCFRunLoopRunTimedOut);
  EXPECT_EQ(timeline().now().value - before, 250'000'000u);
}

TEST_F(Notification, AnEndlessRunLoopReturnsWhenNothingCanHappen) {
  CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port), kCFRunLoopDefaultMode);
  CFRunLoopRun();
  SUCCEED() << "it came back";
}

TEST_F(Notification, InterestHearsOfTerminationOnce) {
  const io_service_t service = name_of(*driver);
  io_object_t notification = IO_OBJECT_NULL;
  ASSERT_EQ(IOServiceAddInterestNotification(port, service, kIOGeneralInterest, interest, &seen, &notification),
            KERN_SUCCESS);
  driver->terminate();
  driver->terminate();
  EXPECT_EQ(seen.calls, 0);
  pump();
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.message, kIOMessageServiceIsTerminated);
  EXPECT_EQ(seen.object, service);
}

TEST_F(Notification, ReleasedInterestHearsNothingEvenOfWhatIsUnderWay) {
  const io_service_t service = name_of(*driver);
  io_object_t notification = IO_OBJECT_NULL;
  ASSERT_EQ(IOServiceAddInterestNotification(port, service, kIOGeneralInterest, interest, &seen, &notification),
            KERN_SUCCESS);
  driver->terminate();
  EXPECT_EQ(IOObjectRelease(notification), KERN_SUCCESS);
  pump();
  EXPECT_EQ(seen.calls, 0);
}

TEST_F(Notification, InterestNeedsALiveServiceAndAKnownType) {
  io_object_t notification = IO_OBJECT_NULL;
  const io_service_t service = name_of(*driver);
  EXPECT_EQ(IOServiceAddInterestNotification(port, service, "NoSuchInterest", interest, &seen, &notification),
            kIOReturnBadArgument);
  EXPECT_EQ(IOServiceAddInterestNotification(port, 0x12345, kIOGeneralInterest, interest, &seen, &notification),
            MACH_SEND_INVALID_DEST);
  EXPECT_EQ(IOServiceAddInterestNotification(nullptr, service, kIOGeneralInterest, interest, &seen, &notification),
            kIOReturnBadArgument);
  driver->terminate();
  EXPECT_EQ(IOServiceAddInterestNotification(port, service, kIOGeneralInterest, interest, &seen, &notification),
            kIOReturnNotFound);
}

TEST_F(Notification, MatchingGivesWhatIsThereAndThenWhatComes) {
  const io_iterator_t iterator = watch(kIOFirstMatchNotification, IOServiceMatching("IOUserService"));
  EXPECT_EQ(drain(iterator), 1);
  publish("second");
  pump();
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.object, iterator);
  EXPECT_EQ(drain(iterator), 1);
}

TEST_F(Notification, AMatchingIteratorThatWasNotDrainedIsNotArmed) {
  const io_iterator_t iterator = watch(kIOPublishNotification, IOServiceMatching("IOUserService"));
  publish("second");
  pump();
  EXPECT_EQ(seen.calls, 0);
  EXPECT_EQ(drain(iterator), 2);
}

TEST_F(Notification, OneMessageTellsOfSeveralArrivals) {
  const io_iterator_t iterator = watch(kIOPublishNotification, IOServiceMatching("IOUserService"));
  drain(iterator);
  publish("second");
  publish("third");
  pump();
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(drain(iterator), 2);
}

TEST_F(Notification, AServiceThatDoesNotMatchIsNotTold) {
  drain(watch(kIOFirstMatchNotification, IOServiceNameMatching("wanted")));
  publish("other");
  pump();
  EXPECT_EQ(seen.calls, 0);
}

TEST_F(Notification, TerminationNotificationsTellOfServicesThatWent) {
  const io_iterator_t iterator = watch(kIOTerminatedNotification, IOServiceMatching("IOUserService"));
  EXPECT_EQ(drain(iterator), 0);
  const macos::Ref<FakeService> late = publish("late");
  late->terminate();
  pump();
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(drain(iterator), 1);
}

TEST_F(Notification, AnUnknownNotificationTypeIsUnsupported) {
  io_iterator_t iterator = IO_OBJECT_NULL;
  EXPECT_EQ(IOServiceAddMatchingNotification(port, "NoSuchType", IOServiceMatching("IOService"), matched, &seen,
                                             &iterator),
            kIOReturnUnsupported);
}

TEST_F(Notification, MessagesOfAllPortsComeInTheOrderTheyWereSent) {
  static std::vector<int>* order = nullptr;
  std::vector<int> got;
  order = &got;
  const auto note = [](void* refcon) { order->push_back(static_cast<int>(reinterpret_cast<intptr_t>(refcon))); };
  const dispatch_queue_t other = dispatch_queue_create("other", DISPATCH_QUEUE_SERIAL);
  dispatch_async_f(queue, reinterpret_cast<void*>(1), note);
  dispatch_async_f(other, reinterpret_cast<void*>(2), note);
  dispatch_async_f(queue, reinterpret_cast<void*>(3), note);
  pump();
  dispatch_release(other);
  EXPECT_EQ(got, (std::vector<int>{1, 2, 3}));
}

TEST_F(Notification, AFullPortDropsWhatComesOnTop) {
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  for (size_t i = 0; i < kMessagesMax + 5; ++i) completion->complete(io_return::kSuccess, nullptr, 0);
  pump();
  EXPECT_EQ(static_cast<size_t>(seen.calls), kMessagesMax);
}

TEST_F(Notification, ACallbackMayDestroyItsPort) {
  struct Both {
    IONotificationPortRef port;
    int calls = 0;
  } both{IONotificationPortCreate(kIOMainPortDefault)};
  IONotificationPortSetDispatchQueue(both.port, queue);
  const IOAsyncCallback0 destroy = [](void* refcon, IOReturn) {
    auto* b = static_cast<Both*>(refcon);
    ++b->calls;
    IONotificationPortDestroy(b->port);
  };
  uint64_t reference[3] = {0, reinterpret_cast<uint64_t>(destroy), reinterpret_cast<uint64_t>(&both)};
  ASSERT_EQ(IOConnectCallAsyncScalarMethod(connect, 15, IONotificationPortGetMachPort(both.port), reference, 3,
                                           nullptr, 0, nullptr, nullptr),
            KERN_SUCCESS);
  completion->complete(io_return::kSuccess, nullptr, 0);
  completion->complete(io_return::kSuccess, nullptr, 0);
  pump();
  EXPECT_EQ(both.calls, 1);
}

TEST_F(Notification, ADestroyedPortIsRecognised) {
  IONotificationPortRef gone = IONotificationPortCreate(kIOMainPortDefault);
  IONotificationPortDestroy(gone);
  EXPECT_EQ(IONotificationPortGetMachPort(gone), static_cast<mach_port_t>(MACH_PORT_NULL));
  IONotificationPortDestroy(gone);
  IONotificationPortDestroy(nullptr);
}

TEST_F(Notification, APortSurvivesAMachineResetEmptied) {
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  completion->complete(io_return::kSuccess, nullptr, 0);
  reset();
  pump();
  EXPECT_EQ(seen.calls, 0);
  connect = open();
  ASSERT_EQ(call_async(callback0), KERN_SUCCESS);
  completion->complete(io_return::kSuccess, nullptr, 0);
  pump();
  EXPECT_EQ(seen.calls, 1);
}

}  // namespace
}  // namespace dartboard::iokit
