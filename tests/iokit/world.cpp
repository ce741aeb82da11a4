// tests/iokit/world.cpp - see world.h.
#include "world.h"

namespace dartboard::iokit {
namespace {

struct Hardware {   // built once: SystemC elaborates once a process
  model::Timeline timeline{"timeline"};
  model::HostMemory memory{1 * kMiB};
  sim::Tape tape;
  sim::TraceHash hash;
  macos::Kernel kernel{timeline, memory, tape, hash, {}};
};

Hardware& hardware() {
  static auto* const built = new Hardware;
  return *built;
}

}  // namespace

macos::Kernel& IoKitTest::kernel() { return hardware().kernel; }
model::Timeline& IoKitTest::timeline() { return hardware().timeline; }
sim::TraceHash& IoKitTest::hash() { return hardware().hash; }

void IoKitTest::SetUp() {
  kernel().make_current();
  timeline().reset();
  hash().reset();
  sim::Profile profile;
  profile.timings.user_client_call_ns = kCallNs;
  kernel().boot(profile);
  driver = publish("test-driver");
  driver->properties()["IOUserClass"] = {std::string("TestDriver")};
}

void IoKitTest::TearDown() {
  kernel().shutdown();
  driver.reset();
}

macos::Ref<FakeService> IoKitTest::publish(const std::string& name, const std::string& class_name,
                                           macos::RegistryEntry* parent) {
  auto service = macos::make_object<FakeService>(name, class_name);
  kernel().registry().add(macos::Ref<macos::RegistryEntry>(service.get()),
                          parent != nullptr ? *parent : kernel().registry().root());
  service->register_service();
  return service;
}

io_service_t IoKitTest::name_of(const macos::Service& service) {
  return IOServiceGetMatchingService(kIOMainPortDefault, IORegistryEntryIDMatching(service.id()));
}

io_connect_t IoKitTest::open() {
  io_connect_t connect = IO_OBJECT_NULL;
  const io_service_t service = name_of(*driver);
  EXPECT_EQ(IOServiceOpen(service, mach_task_self(), 0, &connect), KERN_SUCCESS);
  IOObjectRelease(service);
  return connect;
}

}  // namespace dartboard::iokit
