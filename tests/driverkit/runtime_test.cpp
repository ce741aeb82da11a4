// tests/driverkit/runtime_test.cpp - the runtime under a probe dext: lifecycle, generated messages, queues, sources.
#include <DriverKit/DriverKit.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "Probe.h"
#include "tests/driverkit/mac.h"
#include "tests/driverkit/probe/probe_state.h"
#include "tests/model/one_fault.h"

namespace dartboard::driverkit {
namespace {

class Runtime : public Mac {
 protected:
  void SetUp() override {
    only(kProbeBundle);
    probe_log = ProbeLog();
    set_log_sink([](void*, LogLevel, std::string_view) {}, nullptr);
  }
  ProbeService* probe() { return probe_log.service; }
  IODispatchQueue* make_queue(const char* name = "test") {
    IODispatchQueue* queue = nullptr;
    EXPECT_EQ(IODispatchQueue::Create(name, 0, 0, &queue), kIOReturnSuccess);
    return queue;
  }
};

// Lifecycle -----------------------------------------------------------------------------------------------------------

TEST_F(Runtime, MatchStartStopFree) {
  boot();
  EXPECT_EQ(probe_log.inits, 1);
  EXPECT_TRUE(probe_log.ivars_null_before_start);
  EXPECT_EQ(probe_log.starts, 1);
  ASSERT_TRUE(service());
  EXPECT_EQ(service()->name(), "probe");
  sim::Machine::instance().power_off();
  EXPECT_EQ(probe_log.stops, 1);
  EXPECT_EQ(probe_log.frees, 1);
}

TEST_F(Runtime, FailedStartIsNotPublishedAndNotStopped) {
  probe_log.start_result = kIOReturnNoResources;
  boot();
  EXPECT_FALSE(service());
  EXPECT_EQ(probe_log.stops, 0);
  EXPECT_EQ(probe_log.frees, 1);
  EXPECT_EQ(stats().start_failures, 1u);
}

TEST_F(Runtime, StopWithoutSuperIsToleratedWithAWarning) {
  probe_log.forget_super_stop = true;
  boot();
  sim::Machine::instance().power_off();
  EXPECT_EQ(stats().warnings, 1u);
  EXPECT_EQ(probe_log.frees, 1);
}

TEST_F(Runtime, NewUserClientErrorsComeThrough) {
  boot();
  macos::Ref<macos::UserClient> client;
  EXPECT_EQ(service()->new_user_client(1, &client), io_return::kBadArgument) << "properties key that is not there";
  probe_log.refuse_client = true;
  EXPECT_EQ(service()->new_user_client(0, &client), io_return::kNotPermitted);
}

TEST_F(Runtime, ManyBootsLeaveNothing) {
  boot();
  for (int i = 0; i < 1000; ++i) {
    { Connection connection = open(); }
    ASSERT_TRUE(sim::Machine::instance().reset());
  }
  EXPECT_EQ(probe_log.inits, probe_log.frees + 1);
}

TEST_F(Runtime, LeakedObjectsAreReclaimedAndCounted) {
  boot();
  {
    Connection connection = open();
    EXPECT_EQ(connection.call(kProbeLeak).code, io_return::kSuccess);
  }
  sim::Machine::instance().power_off();
  EXPECT_EQ(stats().objects_leaked, 1u);
  EXPECT_EQ(live_objects(), 0u);
  reset_stats();
}

TEST_F(Runtime, CloseTwiceAndAfterPowerOffIsHarmless) {
  boot();
  Connection connection = open();
  macos::Ref<macos::UserClient> kept(&connection.client());
  connection.close();
  kept->client_close();
  sim::Machine::instance().power_off();
  kept->client_close();
  EXPECT_FALSE(kept->alive());
}

TEST_F(Runtime, MatchingNeedsTunnelCompatibleAndTheRightDevice) {
  only(kVfioBundle);
  boot();
  EXPECT_EQ(service()->name(), "VFIOUserPCIDriver");
  set_dext_enabled(kProbeBundle, true);  // no match category: the higher IOProbeScore wins
  boot();
  EXPECT_EQ(service()->name(), "probe");
}

// Generated code ------------------------------------------------------------------------------------------------------

TEST_F(Runtime, MessageWithArrays) {
  boot();
  const uint64_t a[4] = {1, 2, 3, 4}, b[4] = {10, 20, 30, 40};
  uint64_t sum = 0;
  EXPECT_EQ(probe()->Sum("abc", a, b, &sum), kIOReturnSuccess);
  EXPECT_EQ(sum, 113u);
}

TEST_F(Runtime, SuperDispatchSkipsTheOwnOverride) {
  boot();
  ProbeChild* child = OSTypeAlloc(ProbeChild);
  ASSERT_TRUE(child->init());
  const uint64_t a[4] = {1, 1, 1, 1};
  uint64_t sum = 0;
  ProbeService* base = child;
  EXPECT_EQ(base->Sum("", a, a, &sum), kIOReturnSuccess);
  EXPECT_EQ(sum, 1008u);
  OSSafeReleaseNULL(child);
}

TEST_F(Runtime, InheritedLocalOnlyMethodsArePlain) {
  boot();
  EXPECT_EQ(probe()->Plain(1), 8);
  EXPECT_EQ(probe()->Plain("four"), 4);
  EXPECT_EQ(probe()->Private(), 1);
}

TEST_F(Runtime, MetaClasses) {
  boot();
  OSObject* object = probe();
  EXPECT_EQ(OSDynamicCast(ProbeService, object), probe());
  EXPECT_EQ(OSDynamicCast(IOService, object), probe());
  EXPECT_EQ(OSDynamicCast(ProbeChild, object), nullptr);
  EXPECT_EQ(OSDynamicCast(IOUserClient, object), nullptr);
  EXPECT_STREQ(object->getMetaClass()->getClassName(), "ProbeService");
  EXPECT_EQ(OSMetaClass::withName("ProbeChild"), OSTypeID(ProbeChild));
  EXPECT_EQ(OSMetaClass::withName("OnlyForTheGenerator"), nullptr);
}

TEST_F(Runtime, ActionDeliversToItsTargetAfterTheSenderReturned) {
  boot();
  OSAction* action = nullptr;
  ASSERT_EQ(probe()->CreateActionAnnounced(16, &action), kIOReturnSuccess);
  std::memset(action->GetReference(), 0x5a, 16);
  {
    char name[8] = "short";
    uint64_t values[3] = {7, 8, 9};  // shorter than the declared array: the count says so
    probe()->Announce(action, name, values, 3);
    std::memset(name, 'x', sizeof name - 1);
    values[0] = 0;
  }
  EXPECT_EQ(probe_log.announced, 0) << "one-way: waits for the target's queue";
  run();
  EXPECT_EQ(probe_log.announced, 1);
  EXPECT_STREQ(probe_log.announced_name, "short");
  EXPECT_EQ(probe_log.announced_values[0], 7u);
  EXPECT_EQ(probe_log.announced_count, 3u);
  probe()->Announce(action, nullptr, nullptr, 0);
  run();
  EXPECT_STREQ(probe_log.announced_name, "(null)");
  OSSafeReleaseNULL(action);
}

TEST_F(Runtime, CancelledActionDeliversNothing) {
  boot();
  OSAction* action = nullptr;
  ASSERT_EQ(probe()->CreateActionAnnounced(0, &action), kIOReturnSuccess);
  __block int cancelled = 0;
  action->Cancel(^{
    ++cancelled;
  });
  probe()->Announce(action, "x", nullptr, 0);
  run();
  EXPECT_EQ(cancelled, 1);
  EXPECT_EQ(probe_log.announced, 0);
  OSSafeReleaseNULL(action);
}

TEST_F(Runtime, UnimplementedKernelMethodsAreUnsupportedAndCounted) {
  boot();
  IOUserServer* server = nullptr;
  EXPECT_EQ(IOUserServer::Create("x", 0, 0, nullptr, &server), kIOReturnUnsupported);
  EXPECT_EQ(stats().unimplemented, 1u);
  reset_stats();
}

// User client ---------------------------------------------------------------------------------------------------------

TEST_F(Runtime, DispatchTableChecksCounts) {
  boot();
  Connection connection = open();
  EXPECT_EQ(connection.call(kProbeTable, {2, 3}, 1).out, (std::vector<uint64_t>{5}));
  EXPECT_EQ(connection.call(kProbeTable, {2}, 1).code, io_return::kBadArgument);
  EXPECT_EQ(connection.call(kProbeTable, {2, 3, 4}, 1).code, io_return::kBadArgument);
  EXPECT_EQ(connection.call(kProbeTable, {2, 3}, 0).code, io_return::kBadArgument);
  const auto target = macos::make_object<CountingTarget>();
  EXPECT_EQ(connection.call(kProbeTable, {2, 3}, 1, target.get()).code, io_return::kBadArgument);
  EXPECT_EQ(connection.call(99).code, io_return::kUnsupported);
}

TEST_F(Runtime, StructuresInAndOut) {
  boot();
  Connection connection = open();
  const char in[] = "twelve bytes";
  const struct {
    size_t room;
    io_return::Code code;
    size_t bytes;
  } table[] = {{100, io_return::kSuccess, sizeof in},
               {sizeof in, io_return::kSuccess, sizeof in},
               {sizeof in - 1, io_return::kBadArgument, 0},
               {macos::kVariableOutputSize, io_return::kSuccess, sizeof in}};
  for (const auto& row : table) {
    char out[4096] = {};
    macos::MethodCall call;
    call.structure_input = in;
    call.structure_input_bytes = sizeof in;
    call.structure_output = out;
    call.structure_output_bytes = row.room;
    EXPECT_EQ(connection.client().external_method(kProbeStructure, call), row.code) << row.room;
    if (row.code != io_return::kSuccess) continue;
    EXPECT_EQ(call.structure_output_bytes, row.bytes);
    EXPECT_STREQ(out, in);
  }
}

TEST_F(Runtime, AsyncCompletionReachesTheClientNotTheOverride) {
  boot();
  Connection connection = open();
  const auto target = macos::make_object<CountingTarget>();
  EXPECT_EQ(connection.call(kProbeAsync, {}, 0, target.get()).code, io_return::kSuccess);
  EXPECT_EQ(target->completions, 1);
  EXPECT_EQ(target->last_status, io_return::kTimeout);
  EXPECT_EQ(target->last_count, 2u);
  EXPECT_EQ(probe_log.own_async_completions, 0);
}

TEST_F(Runtime, SynchronousWaitForTheOwnQueueIsAReportedDeadlock) {
  boot();
  Connection connection = open();
  EXPECT_EQ(connection.call(kProbeDeadlock).code, io_return::kSuccess);
  EXPECT_EQ(probe_log.announced, 0);
  EXPECT_EQ(stats().deadlocks, 1u);
  reset_stats();
}

TEST_F(Runtime, AWriteThroughAMappingIsSeenOnlyWithCopyOnWriteDisabled) {
  boot();
  Connection connection = open();
  const struct {
    uint64_t options;
    bool seen;
    uint64_t warnings;
  } table[] = {{kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite, true, 0},
               {kIOMemoryDirectionOut | kIOMemoryDisableCopyOnWrite, true, 0},
               {kIOMemoryDirectionOut, false, 0},
               {kIOMemoryDirectionInOut, false, 1}};
  for (const auto& row : table) {
    uint64_t memory = 0;
    reset_stats();
    ASSERT_EQ(connection.call(kProbeCopy, {reinterpret_cast<uintptr_t>(&memory), row.options}).code,
              io_return::kSuccess);
    EXPECT_EQ(memory == 0x1234, row.seen) << row.options;
    EXPECT_EQ(stats().warnings, row.warnings) << row.options;
  }
}

TEST_F(Runtime, AMappingThatFailsIsAnErrorOfCreateMapping) {
  boot();
  Connection connection = open();
  uint64_t memory = 0;
  const std::vector<uint64_t> in = {reinterpret_cast<uintptr_t>(&memory),
                                    kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite};
  {
    model::test::OneFault fault(model::FaultKind::kResourceMapFails);
    EXPECT_EQ(connection.call(kProbeCopy, in).code, io_return::kError);
    EXPECT_EQ(fault.hits, 1u);
  }
  EXPECT_EQ(connection.call(kProbeCopy, in).code, io_return::kSuccess);
  EXPECT_EQ(memory, 0x1234u);
}

// Queues --------------------------------------------------------------------------------------------------------------

TEST_F(Runtime, AsyncRunsLaterInOrderOnTheQueue) {
  boot();
  IODispatchQueue* queue = make_queue();
  __block std::string order;
  __block bool on_queue = false;
  queue->DispatchAsync(^{
    order += "a";
    on_queue = queue->OnQueue();
  });
  queue->DispatchAsync(^{
    order += "b";
  });
  EXPECT_EQ(order, "");
  queue->DispatchSync(^{
    order += "c";
  });
  EXPECT_EQ(order, "abc");
  EXPECT_TRUE(on_queue);
  EXPECT_FALSE(queue->OnQueue());
  EXPECT_STREQ(queue->GetName(), "test");
  OSSafeReleaseNULL(queue);
}

TEST_F(Runtime, RunActionOnTheOwnQueueRunsAtOnce) {
  boot();
  IODispatchQueue* queue = make_queue();
  __block kern_return_t inner = kIOReturnError;
  queue->DispatchSync(^{
    inner = queue->RunAction(^kern_return_t {
      return kIOReturnSuccess;
    });
  });
  EXPECT_EQ(inner, kIOReturnSuccess);
  OSSafeReleaseNULL(queue);
}

TEST_F(Runtime, WaitingForAQueueThatWaitsIsADeadlock) {
  boot();
  IODispatchQueue* a = make_queue("a");
  IODispatchQueue* b = make_queue("b");
  __block int ran = 0;
  a->DispatchSync(^{
    b->DispatchSync(^{
      a->DispatchSync(^{
        ++ran;
      });
    });
  });
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(stats().deadlocks, 1u);
  reset_stats();
  OSSafeReleaseNULL(a);
  OSSafeReleaseNULL(b);
}

TEST_F(Runtime, CancelRunsItsHandlerAndStopsLaterWork) {
  boot();
  IODispatchQueue* queue = make_queue();
  __block std::string order;
  queue->DispatchAsync(^{
    order += "a";
  });
  queue->Cancel(^{
    order += "c";
  });
  queue->DispatchAsync(^{
    order += "x";
  });
  run();
  EXPECT_EQ(order, "ac");
  OSSafeReleaseNULL(queue);
}

TEST_F(Runtime, SleepLetsOthersIntoTheQueueAndWakeupEndsIt) {
  boot();
  IODispatchQueue* queue = make_queue();
  __block kern_return_t slept = kIOReturnError;
  __block std::string order;
  int event = 0;
  int* address = &event;
  queue->DispatchAsync(^{
    order += "s";
    slept = queue->Sleep(address, 0);
    order += "e";
  });
  queue->DispatchAsync(^{
    order += "w";
    queue->Wakeup(address);
  });
  run();
  EXPECT_EQ(order, "swe");
  EXPECT_EQ(slept, kIOReturnSuccess);
  EXPECT_EQ(queue->Wakeup(address), kIOReturnNotFound);
  OSSafeReleaseNULL(queue);
}

TEST_F(Runtime, SleepTimesOutAlsoIfWorkWaitsForAQueueFurtherUpTheStack) {
  boot();
  IODispatchQueue* outer = make_queue("outer");
  IODispatchQueue* inner = make_queue("inner");
  __block kern_return_t slept = kIOReturnError;
  int event = 0;
  int* address = &event;
  outer->DispatchSync(^{
    outer->DispatchAsync(^{
    });
    inner->DispatchSync(^{
      slept = inner->SleepWithTimeout(address, 24'000);
    });
  });
  EXPECT_EQ(slept, kIOReturnTimeout);
  run();
  OSSafeReleaseNULL(inner);
  OSSafeReleaseNULL(outer);
}

TEST_F(Runtime, SleepTimesOutAtItsDeadline) {
  boot();
  IODispatchQueue* queue = make_queue();
  __block kern_return_t slept = kIOReturnError;
  int event = 0;
  int* address = &event;
  const uint64_t before = kernel().timeline().now().value;
  queue->DispatchSync(^{
    slept = queue->SleepWithTimeout(address, 24'000);
  });
  EXPECT_EQ(slept, kIOReturnTimeout);
  EXPECT_EQ(kernel().timeline().now().value - before, kNsPerMs);
  OSSafeReleaseNULL(queue);
}

TEST_F(Runtime, NamedQueues) {
  boot();
  IODispatchQueue* queue = make_queue("mine");
  IODispatchQueue* found = nullptr;
  EXPECT_EQ(probe()->CopyDispatchQueue("mine", &found), kIOReturnNotFound);
  EXPECT_EQ(probe()->SetDispatchQueue("mine", queue), kIOReturnSuccess);
  EXPECT_EQ(probe()->CopyDispatchQueue("mine", &found), kIOReturnSuccess);
  EXPECT_EQ(found, queue);
  OSSafeReleaseNULL(found);
  EXPECT_EQ(probe()->CopyDispatchQueue("Default", &found), kIOReturnSuccess);
  EXPECT_NE(found, queue);
  OSSafeReleaseNULL(found);
  OSSafeReleaseNULL(queue);
}

// Sources -------------------------------------------------------------------------------------------------------------

TEST_F(Runtime, TimerFiresAtItsDeadlineOnce) {
  boot();
  IODispatchQueue* queue = make_queue();
  IOTimerDispatchSource* timer = nullptr;
  OSAction* action = nullptr;
  ASSERT_EQ(IOTimerDispatchSource::Create(queue, &timer), kIOReturnSuccess);
  ASSERT_EQ(probe()->CreateActionTimerFired(0, &action), kIOReturnSuccess);
  ASSERT_EQ(timer->SetHandler(action), kIOReturnSuccess);
  const uint64_t deadline = mach_absolute_time() + 24'000;
  ASSERT_EQ(timer->WakeAtTime(kIOTimerClockMachAbsoluteTime, deadline, 0), kIOReturnSuccess);
  kernel().timeline().advance(kNsPerMs - 1);
  run();
  EXPECT_EQ(probe_log.timer_fired, 0);
  kernel().timeline().advance(1000);
  run();
  EXPECT_EQ(probe_log.timer_fired, 1);
  EXPECT_GE(probe_log.timer_time, deadline);
  kernel().timeline().advance(kNsPerS);
  run();
  EXPECT_EQ(probe_log.timer_fired, 1);
  __block bool cancelled = false;
  IOTimerDispatchSource* released = timer;
  timer->Cancel(^{
    cancelled = true;
    released->release();
  });
  EXPECT_FALSE(cancelled) << "asynchronous";
  run();
  EXPECT_TRUE(cancelled);
  OSSafeReleaseNULL(action);
  OSSafeReleaseNULL(queue);
}

TEST_F(Runtime, CancelledTimerDoesNotFire) {
  boot();
  IODispatchQueue* queue = make_queue();
  IOTimerDispatchSource* timer = nullptr;
  OSAction* action = nullptr;
  ASSERT_EQ(IOTimerDispatchSource::Create(queue, &timer), kIOReturnSuccess);
  ASSERT_EQ(probe()->CreateActionTimerFired(0, &action), kIOReturnSuccess);
  timer->SetHandler(action);
  timer->WakeAtTime(kIOTimerClockMachAbsoluteTime, mach_absolute_time() + 24, 0);
  timer->Cancel(nullptr);
  kernel().timeline().advance(kNsPerMs);
  run();
  EXPECT_EQ(probe_log.timer_fired, 0);
  EXPECT_EQ(timer->WakeAtTime(kIOTimerClockMachAbsoluteTime, 0, 0), kIOReturnUnsupported);
  OSSafeReleaseNULL(timer);
  OSSafeReleaseNULL(action);
  OSSafeReleaseNULL(queue);
}

class InterruptSource : public Runtime {
 protected:
  void boot_with_source() {
    boot();
    device_ = OSDynamicCast(IOPCIDevice, probe()->GetProvider());
    ASSERT_NE(device_, nullptr);
    ASSERT_EQ(device_->Open(probe()), kIOReturnSuccess);
    device_->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand, 6);
    ASSERT_EQ(device_->ConfigureInterrupts(kIOInterruptTypePCIMessagedX, 1, 4), kIOReturnSuccess);
    queue_ = make_queue();
    ASSERT_EQ(IOInterruptDispatchSource::Create(device_, 1, queue_, &source_), kIOReturnSuccess);
  }
  void TearDown() override {
    if (source_ != nullptr) source_->Cancel(nullptr);
    OSSafeReleaseNULL(source_);
    OSSafeReleaseNULL(queue_);
    Runtime::TearDown();
  }
  void raise(uint32_t vector) { device_->MemoryWrite32(0, model::test_register::kRaise, vector); }
  uint64_t undelivered() {
    uint64_t count = 0, time = 0;
    EXPECT_EQ(source_->GetLastInterrupt(&count, &time), kIOReturnSuccess);
    return count;
  }
  IOPCIDevice* device_ = nullptr;
  IODispatchQueue* queue_ = nullptr;
  IOInterruptDispatchSource* source_ = nullptr;
};

TEST_F(InterruptSource, OneRegistrationForEachIndex) {
  boot_with_source();
  IOInterruptDispatchSource* second = nullptr;
  EXPECT_EQ(IOInterruptDispatchSource::Create(device_, 1, queue_, &second), kIOReturnNoResources);
  EXPECT_EQ(second, nullptr);
  EXPECT_NE(IOInterruptDispatchSource::Create(device_, 99, queue_, &second), kIOReturnSuccess);
  source_->Cancel(nullptr);
  EXPECT_EQ(IOInterruptDispatchSource::Create(device_, 1, queue_, &second), kIOReturnSuccess);
  second->Cancel(nullptr);
  OSSafeReleaseNULL(second);
}

TEST_F(InterruptSource, CountsUntilDelivery) {
  boot_with_source();
  for (int i = 0; i < 5; ++i) raise(1);
  raise(2);
  EXPECT_EQ(undelivered(), 5u);
  run();
  EXPECT_EQ(undelivered(), 0u) << "without a handler they are consumed silently";
}

TEST_F(InterruptSource, DisabledInterruptsAreNotRemembered) {
  boot_with_source();
  ASSERT_EQ(source_->SetEnable(false), kIOReturnSuccess);
  raise(1);
  ASSERT_EQ(source_->SetEnable(true), kIOReturnSuccess);
  EXPECT_EQ(undelivered(), 0u);
  raise(1);
  EXPECT_EQ(undelivered(), 1u);
}

TEST_F(InterruptSource, EnableAfterCancelIsUnsupported) {
  boot_with_source();
  source_->Cancel(nullptr);
  EXPECT_EQ(source_->SetEnable(true), kIOReturnUnsupported);
  raise(1);
  EXPECT_EQ(undelivered(), 0u);
}

// IOPCIDevice ---------------------------------------------------------------------------------------------------------

TEST_F(InterruptSource, SessionRules) {
  boot_with_source();
  uint32_t value = 0;
  device_->MemoryRead32(0, model::test_register::kId, &value);
  EXPECT_EQ(value, model::test_register::kIdValue);
  EXPECT_EQ(device_->Open(probe()), kIOReturnNotOpen);
  device_->Close(probe());
  device_->MemoryRead32(0, model::test_register::kId, &value);
  EXPECT_EQ(value, 0xffffffffu);
  uint16_t vendor = 0;
  device_->ConfigurationRead16(kIOPCIConfigurationOffsetVendorID, &vendor);
  EXPECT_EQ(vendor, 0xffffu);
  uint64_t data = 0;
  EXPECT_EQ(
      device_->_MemoryAccess(kPCIDriverKitMemoryAccessOperationDeviceRead | kPCIDriverKitMemoryAccessOperation32Bit, 0,
                             0, &data, probe(), 0),
      kIOReturnNotOpen);
}

TEST_F(InterruptSource, MapsOfRegistersFaultAndMapsOfMemoryAreTheDevices) {
  boot_with_source();
  IOMemoryDescriptor* memory = nullptr;
  IOMemoryMap* map = nullptr;
  ASSERT_EQ(device_->_CopyDeviceMemoryWithIndex(1, &memory, probe()), kIOReturnSuccess);
  ASSERT_EQ(memory->CreateMapping(0, 0, 4096, 4096, 0, &map), kIOReturnSuccess);
  EXPECT_EQ(map->GetLength(), 4096u);
  *reinterpret_cast<volatile uint32_t*>(map->GetAddress()) = 0xfeedf00d;
  uint32_t value = 0;
  device_->MemoryRead32(1, 4096, &value);
  EXPECT_EQ(value, 0xfeedf00du);
  OSSafeReleaseNULL(map);
  EXPECT_EQ(memory->CreateMapping(0x300, 0, 0, 0, 0, &map), kIOReturnBadArgument) << "cache mode that is none";
  EXPECT_EQ(memory->CreateMapping(0, 0, 0, 2 * kMiB, 0, &map), kIOReturnError);
  OSSafeReleaseNULL(memory);
  ASSERT_EQ(device_->_CopyDeviceMemoryWithIndex(0, &memory, probe()), kIOReturnSuccess);
  ASSERT_EQ(memory->CreateMapping(0, 0, 0, 0, 0, &map), kIOReturnSuccess);
  EXPECT_NE(map->GetAddress(), 0u);
  EXPECT_EQ(map->GetLength(), 16 * kKiB);
  OSSafeReleaseNULL(map);
  OSSafeReleaseNULL(memory);
}

}  // namespace
}  // namespace dartboard::driverkit
