// tests/driverkit/dart_error_test.cpp - IOPCIDevice::SetProperties, and a dext that waits in it for DART faults.
#include <functional>
#include <string>
#include <vector>

#include <DriverKit/DriverKit.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "Probe.h"
#include "model/root_complex.h"
#include "model/timeline.h"
#include "sim/driverkit/fiber.h"
#include "sim/macos/root_context.h"
#include "tests/driverkit/mac.h"
#include "tests/driverkit/probe/probe_state.h"

namespace dartboard::driverkit {
namespace {

constexpr Iova kNowhere{0x9000'0000};

class DartErrorTest : public Mac {
 protected:
  void SetUp() override {
    only(kProbeBundle);
    probe_log = ProbeLog();
    set_log_sink([](void*, LogLevel, std::string_view) {}, nullptr);
  }
  void TearDown() override {
    OSSafeReleaseNULL(queue_);
    Mac::TearDown();
    EXPECT_EQ(Fiber::in_use(), 0u);
  }

  void boot_with_policy(sim::FaultPolicy policy = sim::FaultPolicy::kEvent) {
    Result<sim::Profile> profile = sim::load_profile("m4pro-tb5");
    ASSERT_TRUE(profile);
    profile->on_dart_fault = policy;
    boot_with(std::move(*profile));
    ASSERT_EQ(IODispatchQueue::Create("faults", 0, 0, &queue_), kIOReturnSuccess);
  }
  void open_device() { ASSERT_EQ(device()->Open(probe_log.service, 0), kIOReturnSuccess); }
  void close_device() { device()->Close(probe_log.service, 0); }
  IOPCIDevice* device() { return OSDynamicCast(IOPCIDevice, probe_log.service->GetProvider()); }

  /// The device reads where nothing is mapped.
  void fault(Iova iova = kNowhere) {
    uint32_t word = 0;
    kernel().root(0).model.dart().access(Sid(1), nub().rid(), iova, &word, 4, false);
  }
  static kern_return_t get_error(IOPCIDevice* device) {
    OSDictionary* request = OSDictionary::withCapacity(1);
    request->setObject("pci-get-dart-error", kOSBooleanTrue);
    const kern_return_t result = device->SetProperties(request);
    OSSafeReleaseNULL(request);
    return result;
  }
  /// Asks for the data by name, as a dext does after a wait. The number of events in it.
  static size_t read_data(IOPCIDevice* device) {
    OSContainer* property = nullptr;
    if (device->SearchProperty("pci-dart-error-data", kIOServicePlane, 0, &property) != kIOReturnSuccess) return 0;
    const size_t bytes = OSDynamicCast(OSData, property)->getLength();
    OSSafeReleaseNULL(property);
    return bytes / macos::kDartEventBytes;
  }
  /// A dext's thread: waits, reads, and waits again until it gets an error.
  void watch(IODispatchQueue* queue = nullptr) {
    IOPCIDevice* const device = this->device();
    std::vector<kern_return_t>* const results = &results_;
    std::vector<size_t>* const read = &read_;
    (queue != nullptr ? queue : queue_)->DispatchAsync(^{
      kern_return_t result = kIOReturnSuccess;
      while (result == kIOReturnSuccess) {
        result = get_error(device);
        results->push_back(result);
        if (result == kIOReturnSuccess) read->push_back(read_data(device));
      }
    });
  }

  IODispatchQueue* queue_ = nullptr;
  std::vector<kern_return_t> results_;
  std::vector<size_t> read_;
};

// What SetProperties takes
// ---------------------------------------------------------------------------------------------

TEST_F(DartErrorTest, SetPropertiesTakesThreePowerKeysWithBooleansAndNothingElse) {
  boot_with_policy();
  struct Row {
    const char* key;
    bool is_boolean;
    kern_return_t result;
  };
  constexpr Row kRows[] = {
      {"IOPMPCIConfigSpaceVolatile", true, kIOReturnSuccess},
      {"IOPMPCISleepLinkDisable", true, kIOReturnSuccess},
      {"IOPMPCISleepReset", true, kIOReturnSuccess},
      {"IOPMPCISleepReset", false, kIOReturnBadArgument},
      {"vendor-id", true, kIOReturnBadArgument},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.key);
    OSDictionary* request = OSDictionary::withCapacity(2);
    OSString* text = OSString::withCString("yes");
    request->setObject(row.key, row.is_boolean ? static_cast<OSObject*>(kOSBooleanTrue) : text);
    request->setObject("beside-it", kOSBooleanTrue);
    nub().properties().erase(row.key);
    EXPECT_EQ(device()->SetProperties(request), row.result);
    EXPECT_EQ(nub().properties().count(row.key) != 0, row.result == kIOReturnSuccess);
    EXPECT_EQ(nub().properties().count("beside-it"), 0u);
    OSSafeReleaseNULL(text);
    OSSafeReleaseNULL(request);
  }
}

TEST_F(DartErrorTest, ADeviceThatIsNotOpenIsNotWaitedFor) {
  boot_with_policy();
  EXPECT_EQ(get_error(device()), kIOReturnNotOpen);
}

TEST_F(DartErrorTest, AnEventThatNobodyReadEndsEveryWaitAtOnceUntilItsDataIsRead) {
  boot_with_policy();
  open_device();
  fault();
  run();
  EXPECT_EQ(get_error(device()), kIOReturnSuccess);
  EXPECT_EQ(get_error(device()), kIOReturnSuccess);
  OSDictionary* all = nullptr;
  ASSERT_EQ(device()->CopyProperties(&all), kIOReturnSuccess);
  EXPECT_NE(all->getObject("pci-dart-error-data"), nullptr);
  OSSafeReleaseNULL(all);
  EXPECT_TRUE(nub().dart_events().pending()) << "a copy of all properties is not a read";
  EXPECT_EQ(read_data(device()), 1u);
  EXPECT_FALSE(nub().dart_events().pending());
  close_device();
}

// Waiting on a queue
// ---------------------------------------------------------------------------------------------------

TEST_F(DartErrorTest, AWaitOnAQueueStallsNobodyAndHearsEachFault) {
  boot_with_policy();
  open_device();
  watch();
  run();
  EXPECT_TRUE(results_.empty());
  EXPECT_EQ(Fiber::in_use(), 1u);
  uint64_t sum = 0;
  const uint64_t numbers[4] = {1, 2, 3, 4};
  EXPECT_EQ(probe_log.service->Sum("", numbers, numbers, &sum), kIOReturnSuccess) << "the dext's other queue works";
  for (size_t i = 1; i <= 3; ++i) {
    fault();
    run();
    ASSERT_EQ(results_.size(), i);
    EXPECT_EQ(results_.back(), kIOReturnSuccess);
    EXPECT_EQ(read_.back(), 1u);
  }
  close_device();
  run();
  ASSERT_EQ(results_.size(), 4u);
  EXPECT_EQ(results_.back(), kIOReturnNotOpen);
}

TEST_F(DartErrorTest, WhatIsBehindTheWaitOnItsQueueComesAfterIt) {
  boot_with_policy();
  open_device();
  watch();
  __block int ran = 0;
  queue_->DispatchAsync(^{
    ++ran;
  });
  run();
  fault();
  run();
  EXPECT_EQ(ran, 0);
  close_device();
  run();
  EXPECT_EQ(ran, 1);
}

TEST_F(DartErrorTest, EveryWaiterIsWoken) {
  boot_with_policy();
  open_device();
  IODispatchQueue* second = nullptr;
  ASSERT_EQ(IODispatchQueue::Create("second", 0, 0, &second), kIOReturnSuccess);
  watch();
  watch(second);
  run();
  EXPECT_EQ(Fiber::in_use(), 2u);
  fault();
  run();
  EXPECT_EQ(results_, (std::vector<kern_return_t>{kIOReturnSuccess, kIOReturnSuccess}));
  close_device();
  run();
  OSSafeReleaseNULL(second);
}

TEST_F(DartErrorTest, AWaitInsideASynchronousCallHoldsBothQueues) {
  boot_with_policy();
  open_device();
  IODispatchQueue* inner = nullptr;
  ASSERT_EQ(IODispatchQueue::Create("inner", 0, 0, &inner), kIOReturnSuccess);
  IOPCIDevice* const dev = device();
  __block kern_return_t result = kIOReturnError;
  __block bool on_inner = false;
  __block bool on_outer = false;
  IODispatchQueue* const outer = queue_;
  queue_->DispatchAsync(^{
    inner->DispatchSync(^{
      result = get_error(dev);
      on_inner = inner->OnQueue();
    });
    on_outer = outer->OnQueue();
  });
  run();
  __block int ran = 0;
  inner->DispatchAsync(^{
    ++ran;
  });
  run();
  EXPECT_EQ(ran, 0);
  fault();
  run();
  EXPECT_EQ(result, kIOReturnSuccess);
  EXPECT_TRUE(on_inner);
  EXPECT_TRUE(on_outer);
  EXPECT_EQ(ran, 1);
  close_device();
  OSSafeReleaseNULL(inner);
}

TEST_F(DartErrorTest, WhatEndsAWaitThatSeesNoFault) {
  struct Row {
    const char* what;
    sim::FaultPolicy policy;
    std::function<void()> happens;
    std::vector<kern_return_t> results;
  };
  const Row rows[] = {
      {"the driver is stopped and never closes",
       sim::FaultPolicy::kEvent,
       [&] { kernel().device_removed(0); },
       {kIOReturnAborted}},
      {"close, where faults are acknowledged in silence",
       sim::FaultPolicy::kAbort,
       [&] {
         fault();
         run();
         close_device();
       },
       {kIOReturnNotOpen}},
      {"a panic: nobody runs any more", sim::FaultPolicy::kPanic, [&] { fault(); }, {}},
      {"power off: the process ends in the middle of the call", sim::FaultPolicy::kEvent, [] {}, {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    results_.clear();
    boot_with_policy(row.policy);
    const macos::Ref<macos::PciNub> kept(&nub());
    open_device();
    watch();
    run();
    row.happens();
    run();
    EXPECT_EQ(results_, row.results);
    OSSafeReleaseNULL(queue_);
    sim::Machine::instance().power_off();
    reset_stats();  // a queue that waits when its process ends is an object left behind
    EXPECT_EQ(Fiber::in_use(), 0u);
    EXPECT_EQ(live_objects(), 0u);
    EXPECT_EQ(kept->references(), 1u) << "a forgotten stack owns nothing of the kernel's";
  }
}

// Waiting with the caller
// ----------------------------------------------------------------------------------------------

/// A device that faults by itself at its time.
struct FaultLater final : model::Timer {
  std::function<void()> act;
  void expire() override { act(); }
};

TEST_F(DartErrorTest, ASynchronousCallWaitsWhileTheMachineRunsOn) {
  boot_with_policy();
  open_device();
  FaultLater later;
  later.act = [&] { fault(); };
  kernel().timeline().schedule(later, 5 * kNsPerMs);
  const uint64_t before_ns = kernel().timeline().now().value;
  EXPECT_EQ(get_error(device()), kIOReturnSuccess);
  EXPECT_EQ(kernel().timeline().now().value - before_ns, 5 * kNsPerMs);
  close_device();
}

TEST_F(DartErrorTest, ASynchronousCallThatNothingCanEndIsReportedAsTheHangThatItIs) {
  boot_with_policy();
  open_device();
  EXPECT_EQ(get_error(device()), kIOReturnCannotLock);
  EXPECT_EQ(stats().deadlocks, 1u);
  reset_stats();
  close_device();
}

// The run as a whole
// ---------------------------------------------------------------------------------------------------

TEST_F(DartErrorTest, TheSameRunHasTheSameHashWithAWaiterInIt) {
  const auto once = [&] {
    OSSafeReleaseNULL(queue_);
    boot_with_policy();
    open_device();
    watch();
    run();
    fault();
    run();
    close_device();
    run();
    return sim::Machine::instance().hash().value();
  };
  const auto first = once();
  EXPECT_EQ(once(), first);
}

TEST_F(DartErrorTest, InspectSaysWhatArrivedAndWhoWaits) {
  boot_with_policy();
  open_device();
  watch();
  run();
  fault();
  run();
  InspectNode node;
  nub().inspect(node);
  const InspectNode* events = nullptr;
  for (const InspectNode& child : node.children) {
    if (child.name == "dart-events") events = &child;
  }
  ASSERT_NE(events, nullptr);
  EXPECT_EQ(events->value, "1");
  EXPECT_EQ(events->note, "0 unread, 0 dropped, 0 while closed, 1 waiting");
  ASSERT_EQ(events->children.size(), 1u);
  EXPECT_EQ(events->children[0].value, "0x90000000");
  close_device();
  run();
}

}  // namespace
}  // namespace dartboard::driverkit
