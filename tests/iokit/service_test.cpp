// tests/iokit/service_test.cpp - opening and closing services, references to names, what a reset leaves.
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include "world.h"

namespace dartboard::iokit {
namespace {

class ServiceTest : public IoKitTest {};

TEST_F(ServiceTest, OpeningPassesTheTypeOn) {
  io_connect_t connect = IO_OBJECT_NULL;
  ASSERT_EQ(IOServiceOpen(name_of(*driver), mach_task_self(), 42, &connect), KERN_SUCCESS);
  EXPECT_EQ(driver->opened_type, 42u);
}

TEST_F(ServiceTest, ARefusalToOpenComesBackAsItIs) {
  for (const io_return::Code code :
       {io_return::kUnsupported, io_return::kNotPermitted, io_return::kNotPrivileged, io_return::kExclusiveAccess}) {
    driver->open_code = code;
    io_connect_t connect = 1;
    EXPECT_EQ(IOServiceOpen(name_of(*driver), mach_task_self(), 0, &connect), static_cast<kern_return_t>(code));
    EXPECT_EQ(connect, IO_OBJECT_NULL);
  }
}

TEST_F(ServiceTest, OpeningAServiceThatTerminatedIsOffline) {
  const io_service_t service = name_of(*driver);
  driver->terminate();
  io_connect_t connect = IO_OBJECT_NULL;
  EXPECT_EQ(IOServiceOpen(service, mach_task_self(), 0, &connect), kIOReturnOffline);
}

TEST_F(ServiceTest, OpeningWhatIsNoServiceFails) {
  io_connect_t connect = IO_OBJECT_NULL;
  EXPECT_EQ(IOServiceOpen(IO_OBJECT_NULL, mach_task_self(), 0, &connect), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(IOServiceOpen(open(), mach_task_self(), 0, &connect), kIOReturnBadArgument);
  EXPECT_EQ(IOServiceOpen(name_of(*driver), MACH_PORT_NULL, 0, &connect), kIOReturnBadArgument);
  EXPECT_EQ(IOServiceOpen(name_of(*driver), mach_task_self(), 0, nullptr), kIOReturnBadArgument);
}

TEST_F(ServiceTest, ClosingTellsTheDriverOnce) {
  const io_connect_t connect = open();
  EXPECT_EQ(IOServiceClose(connect), KERN_SUCCESS);
  EXPECT_EQ(driver->closes, 1);
  EXPECT_EQ(IOServiceClose(connect), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(driver->closes, 1);
}

TEST_F(ServiceTest, ReleasingTheLastReferenceToAConnectionClosesIt) {
  const io_connect_t connect = open();
  EXPECT_EQ(IOConnectAddRef(connect), KERN_SUCCESS);
  EXPECT_EQ(IOConnectRelease(connect), KERN_SUCCESS);
  EXPECT_EQ(driver->closes, 0);
  EXPECT_EQ(IOConnectRelease(connect), KERN_SUCCESS);
  EXPECT_EQ(driver->closes, 1);
}

TEST_F(ServiceTest, AFurtherReferenceToAClosedConnectionIsADeadName) {
  const io_connect_t connect = open();
  IOConnectAddRef(connect);
  EXPECT_EQ(IOServiceClose(connect), KERN_SUCCESS);
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, nullptr, nullptr), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(IOObjectRelease(connect), KERN_SUCCESS);
  EXPECT_EQ(IOObjectRelease(connect), KERN_INVALID_NAME);
}

TEST_F(ServiceTest, ClosingAfterTheServiceTerminatedSucceedsWithoutTheDriver) {
  const io_connect_t connect = open();
  driver->terminate();
  EXPECT_EQ(IOServiceClose(connect), KERN_SUCCESS);
  EXPECT_EQ(driver->closes, 0);   // its Stop ran when it terminated
}

TEST_F(ServiceTest, AConnectionKnowsItsService) {
  const io_connect_t connect = open();
  io_service_t service = IO_OBJECT_NULL;
  ASSERT_EQ(IOConnectGetService(connect, &service), KERN_SUCCESS);
  uint64_t id = 0;
  ASSERT_EQ(IORegistryEntryGetRegistryEntryID(service, &id), KERN_SUCCESS);
  EXPECT_EQ(id, driver->id());
}

TEST_F(ServiceTest, TheSameServiceHasTheSameNameWithOneMoreReference) {
  const io_service_t first = name_of(*driver);
  const io_service_t second = name_of(*driver);
  EXPECT_EQ(first, second);
  EXPECT_EQ(IOObjectGetUserRetainCount(first), 2u);
}

TEST_F(ServiceTest, AReleasedNameIsInvalid) {
  const io_service_t service = name_of(*driver);
  EXPECT_EQ(IOObjectRelease(service), KERN_SUCCESS);
  EXPECT_EQ(IOObjectRelease(service), KERN_INVALID_NAME);
  EXPECT_EQ(IOObjectRetain(service), KERN_INVALID_NAME);
  io_name_t name;
  EXPECT_EQ(IORegistryEntryGetName(service, name), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(IOObjectGetClass(service, name), MACH_SEND_INVALID_DEST);
}

TEST_F(ServiceTest, RetainingTheNullNameSucceedsReleasingItDoesNot) {
  EXPECT_EQ(IOObjectRetain(IO_OBJECT_NULL), KERN_SUCCESS);
  EXPECT_EQ(IOObjectRelease(IO_OBJECT_NULL), KERN_INVALID_NAME);
}

TEST_F(ServiceTest, RightsAreCheckedByKind) {
  mach_port_name_t port = MACH_PORT_NULL;
  ASSERT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
  EXPECT_EQ(mach_port_deallocate(mach_task_self(), port), KERN_INVALID_RIGHT);
  EXPECT_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 1), KERN_INVALID_RIGHT);
  EXPECT_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
  EXPECT_EQ(mach_port_destroy(mach_task_self(), port), KERN_INVALID_NAME);
}

TEST_F(ServiceTest, AResetClosesConnectionsAndInvalidatesNames) {
  const io_service_t service = name_of(*driver);
  const io_connect_t connect = open();
  reset();
  EXPECT_EQ(driver->closes, 1);
  EXPECT_EQ(IOServiceClose(connect), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(IOObjectRelease(service), KERN_INVALID_NAME);
}

TEST_F(ServiceTest, ShuttingTheKernelDownInvalidatesNames) {
  const io_connect_t connect = open();
  kernel().shutdown();
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, nullptr, nullptr), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(IOServiceClose(connect), MACH_SEND_INVALID_DEST);
}

TEST_F(ServiceTest, ANameFromBeforeAResetDoesNotNameWhatComesAfter) {
  const io_connect_t old = open();
  reset();
  const io_connect_t fresh = open();
  EXPECT_NE(old, fresh);
  EXPECT_EQ(IOServiceClose(old), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(IOConnectCallScalarMethod(fresh, 0, nullptr, 0, nullptr, nullptr), KERN_SUCCESS);
}

TEST_F(ServiceTest, AfterAPanicNothingOpens) {
  const io_service_t service = name_of(*driver);
  kernel().panic(macos::PanicCause::kDartFault, "test");
  io_connect_t connect = IO_OBJECT_NULL;
  EXPECT_EQ(IOServiceOpen(service, mach_task_self(), 0, &connect), kIOReturnNotResponding);
}

TEST_F(ServiceTest, TheInspectTreeCountsNames) {
  open();
  InspectNode node;
  inspect(node);
  ASSERT_FALSE(node.children.empty());
  EXPECT_EQ(node.children[0].name, "port names");
  EXPECT_EQ(node.children[0].children[1].name, "connections");
  EXPECT_EQ(node.children[0].children[1].value, "1");
}

TEST_F(ServiceTest, AServiceIsQuietAndCannotBeProbed) {
  const io_service_t service = name_of(*driver);
  uint32_t busy = 1;
  EXPECT_EQ(IOServiceGetBusyState(service, &busy), KERN_SUCCESS);
  EXPECT_EQ(busy, 0u);
  EXPECT_EQ(IOServiceWaitQuiet(service, nullptr), KERN_SUCCESS);
  EXPECT_EQ(IOServiceRequestProbe(service, 0), kIOReturnUnsupported);
}

TEST_F(ServiceTest, TheMainPortIsKnownByBothItsNames) {
  mach_port_t main_port = MACH_PORT_NULL;
  ASSERT_EQ(IOMainPort(MACH_PORT_NULL, &main_port), KERN_SUCCESS);
  for (const mach_port_t port : {main_port, kIOMainPortDefault}) {
    EXPECT_NE(IOServiceGetMatchingService(port, IOServiceMatching("IOUserService")), IO_OBJECT_NULL);
  }
  io_iterator_t iterator;
  EXPECT_EQ(IOServiceGetMatchingServices(0x9999, IOServiceMatching("IOUserService"), &iterator),
            MACH_SEND_INVALID_DEST);
}

}  // namespace
}  // namespace dartboard::iokit
