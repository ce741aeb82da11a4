// tests/sim/registry_test.cpp - tree, ids, matching hooks, termination order.
#include "sim/macos/registry.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace dartboard::macos {
namespace {

struct Listener final : Interest {
  std::string* log = nullptr;
  void message(Service& service, ServiceMessage message) override {
    EXPECT_EQ(message, ServiceMessage::kIsTerminated);
    *log += service.name();
  }
};

struct RegistryTest : testing::Test {
  Registry registry;
  Ref<Service> add(const char* name, RegistryEntry& parent, const char* class_name = "IOUserService") {
    Ref<Service> service = make_object<Service>(name, class_name);
    registry.add(service, parent);
    return service;
  }
};

TEST_F(RegistryTest, IdsCountUpFromAboveFourGiBAndStartOverAtReset) {
  EXPECT_EQ(add("a", registry.root())->id(), 0x1'0000'0001u);
  EXPECT_EQ(add("b", registry.root())->id(), 0x1'0000'0002u);
  registry.reset();
  EXPECT_EQ(add("c", registry.root())->id(), 0x1'0000'0001u);
}

TEST_F(RegistryTest, VisitsParentsBeforeChildrenInOrderOfAttachment) {
  const Ref<Service> a = add("a", registry.root());
  add("b", registry.root());
  add("c", *a);
  std::string order;
  registry.for_each([&](RegistryEntry& e) { order += e.name() + " "; });
  EXPECT_EQ(order, "Root a c b ");
}

TEST_F(RegistryTest, FindsByIdUntilDetached) {
  const Ref<Service> a = add("a", registry.root());
  EXPECT_EQ(registry.find(a->id()), a.get());
  a->terminate();
  EXPECT_EQ(registry.find(a->id()), nullptr);
}

TEST_F(RegistryTest, PathNamesEveryEntryWithItsLocation) {
  const Ref<Service> a = add("pcic0-bridge", registry.root());
  a->set_location("0");
  EXPECT_EQ(add("IOPP", *a)->path(), "IOService:/pcic0-bridge@0/IOPP");
}

struct ClassCase {
  const char* class_name;
  const char* ancestor;
  bool conforms;
};
class ConformsTo : public testing::TestWithParam<ClassCase> {};
TEST_P(ConformsTo, KernelClassesKnowTheirAncestors) {
  const ClassCase& c = GetParam();
  EXPECT_EQ(make_object<Service>("x", c.class_name)->conforms_to(c.ancestor), c.conforms);
}
INSTANTIATE_TEST_SUITE_P(Registry, ConformsTo,
                         testing::Values(ClassCase{"IOPCIDevice", "IOPCIDevice", true},
                                         ClassCase{"IOPCIDevice", "IOService", true},
                                         ClassCase{"IOPCIDevice", "IORegistryEntry", true},
                                         ClassCase{"IOPCIDevice", "OSObject", true},
                                         ClassCase{"IOPCI2PCIBridge", "IOPCIBridge", true},
                                         ClassCase{"IOPCI2PCIBridge", "IOPCIDevice", false},
                                         ClassCase{"IOUserUserClient", "IOUserClient", true},
                                         ClassCase{"IOService", "IOUserService", false}));

TEST_F(RegistryTest, PublishHooksRunInOrderOfAddition) {
  std::string log;
  registry.add_publish_hook([&](Service&) { log += '1'; });
  const int second = registry.add_publish_hook([&](Service&) { log += '2'; });
  const Ref<Service> a = add("a", registry.root());
  a->register_service();
  EXPECT_TRUE(a->registered());
  registry.remove_publish_hook(second);
  a->register_service();
  EXPECT_EQ(log, "121");
}

TEST_F(RegistryTest, AHookMayRemoveItself) {
  int token = 0, calls = 0;
  token = registry.add_publish_hook([&](Service&) {
    ++calls;
    registry.remove_publish_hook(token);
  });
  const Ref<Service> a = add("a", registry.root());
  a->register_service();
  a->register_service();
  EXPECT_EQ(calls, 1);
}

TEST_F(RegistryTest, TerminationGoesFromTheLeavesUpAndTellsTheInterested) {
  std::string log;
  Listener listener;
  listener.log = &log;
  const Ref<Service> a = add("a", registry.root());
  const Ref<Service> b = add("b", *a);
  const Ref<Service> c = add("c", *b);
  for (const Ref<Service>& s : {a, b, c}) s->add_interest(&listener);
  a->terminate();
  EXPECT_EQ(log, "cba");
  EXPECT_TRUE(c->terminated());
  EXPECT_EQ(c->parent(), nullptr);
}

TEST_F(RegistryTest, TerminatingTwiceTellsOnce) {
  std::string log;
  Listener listener;
  listener.log = &log;
  const Ref<Service> a = add("a", registry.root());
  a->add_interest(&listener);
  a->terminate();
  a->terminate();
  EXPECT_EQ(log, "a");
}

TEST_F(RegistryTest, ATerminatedServiceCannotRegister) {
  const Ref<Service> a = add("a", registry.root());
  a->terminate();
  a->register_service();
  EXPECT_FALSE(a->registered());
}

TEST_F(RegistryTest, AServiceRefusesUserClientsByDefault) {
  Ref<UserClient> client;
  EXPECT_EQ(add("a", registry.root())->new_user_client(0, &client), io_return::kUnsupported);
}

}  // namespace
}  // namespace dartboard::macos
