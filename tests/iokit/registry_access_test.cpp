// tests/iokit/registry_access_test.cpp - names, paths, properties and neighbours of registry entries.
#include <IOKit/IOKitLib.h>

#include <cstring>
#include <string>

#include "world.h"

namespace dartboard::iokit {
namespace {

class RegistryAccess : public IoKitTest {
 protected:
  void SetUp() override {
    IoKitTest::SetUp();
    root = publish("pcic1-bridge", "IOPCIDevice");
    root->properties()["RootOnly"] = {std::string("here")};
    bridge = publish("tb-port", "IOPCIDevice", root.get());
    device = publish("display", "IOPCIDevice", bridge.get());
    device->set_location("0,1");
    device->properties()["vendor-id"] = {macos::PropertyData{0x02, 0x10, 0, 0}};
    device->properties()["Wide"] = {macos::PropertyNumber{0x1'0000'0002, 64}};
    device->properties()["Narrow"] = {macos::PropertyNumber{0xffff'ffff, 32}};
    device->properties()["Flag"] = {true};
    device->properties()["List"] = {macos::PropertyArray{{std::string("a")}, {macos::PropertyNumber{1, 8}}}};
    device->properties()["Inner"] = {macos::PropertyDictionary{{"key", {std::string("value")}}}};
    entry = name_of(*device);
  }
  std::string name(io_registry_entry_t of) {
    io_name_t text = {};
    EXPECT_EQ(IORegistryEntryGetName(of, text), KERN_SUCCESS);
    return text;
  }
  macos::Ref<FakeService> root, bridge, device;
  io_registry_entry_t entry = IO_OBJECT_NULL;
};

TEST_F(RegistryAccess, NameClassAndId) {
  EXPECT_EQ(name(entry), "display");
  io_name_t text = {};
  EXPECT_EQ(IOObjectGetClass(entry, text), KERN_SUCCESS);
  EXPECT_STREQ(text, "IOPCIDevice");
  uint64_t id = 0;
  EXPECT_EQ(IORegistryEntryGetRegistryEntryID(entry, &id), KERN_SUCCESS);
  EXPECT_EQ(id, device->id());
}

TEST_F(RegistryAccess, ALongNameIsCut) {
  device->set_name(std::string(500, 'n'));
  EXPECT_EQ(name(entry), std::string(127, 'n'));
}

TEST_F(RegistryAccess, ConformsToItsClassAndAncestors) {
  EXPECT_TRUE(IOObjectConformsTo(entry, "IOPCIDevice"));
  EXPECT_TRUE(IOObjectConformsTo(entry, "IOService"));
  EXPECT_FALSE(IOObjectConformsTo(entry, "IOUserService"));
  EXPECT_FALSE(IOObjectConformsTo(0x4321, "IOService"));
}

TEST_F(RegistryAccess, Location) {
  io_name_t text = {};
  EXPECT_EQ(IORegistryEntryGetLocationInPlane(entry, kIOServicePlane, text), KERN_SUCCESS);
  EXPECT_STREQ(text, "0,1");
  EXPECT_EQ(IORegistryEntryGetLocationInPlane(name_of(*bridge), kIOServicePlane, text), kIOReturnNotFound);
}

TEST_F(RegistryAccess, PathAndBack) {
  io_string_t path = {};
  ASSERT_EQ(IORegistryEntryGetPath(entry, kIOServicePlane, path), KERN_SUCCESS);
  EXPECT_STREQ(path, "IOService:/pcic1-bridge/tb-port/display@0,1");
  EXPECT_EQ(IORegistryEntryFromPath(kIOMainPortDefault, path), entry);
  EXPECT_EQ(IORegistryEntryFromPath(kIOMainPortDefault, "IOService:/nowhere"), IO_OBJECT_NULL);
  EXPECT_EQ(IORegistryEntryFromPath(kIOMainPortDefault, "display"), IO_OBJECT_NULL);
}

TEST_F(RegistryAccess, APathThatDoesNotFitIsABadArgument) {
  device->set_name(std::string(600, 'n'));
  io_string_t path = {};
  EXPECT_EQ(IORegistryEntryGetPath(entry, kIOServicePlane, path), kIOReturnBadArgument);
}

TEST_F(RegistryAccess, OnlyTheServicePlaneExists) {
  io_string_t path = {};
  io_iterator_t iterator = IO_OBJECT_NULL;
  EXPECT_EQ(IORegistryEntryGetPath(entry, kIOPowerPlane, path), kIOReturnBadArgument);
  EXPECT_EQ(IORegistryEntryGetChildIterator(entry, kIODeviceTreePlane, &iterator), kIOReturnBadArgument);
  EXPECT_FALSE(IORegistryEntryInPlane(entry, kIOPowerPlane));
}

TEST_F(RegistryAccess, ParentsUpToTheRoot) {
  io_registry_entry_t parent = IO_OBJECT_NULL;
  ASSERT_EQ(IORegistryEntryGetParentEntry(entry, kIOServicePlane, &parent), KERN_SUCCESS);
  EXPECT_EQ(name(parent), "tb-port");
  EXPECT_EQ(IORegistryEntryGetParentEntry(IORegistryGetRootEntry(kIOMainPortDefault), kIOServicePlane, &parent),
            kIOReturnNoDevice);
}

TEST_F(RegistryAccess, ChildrenAndWholeSubtrees) {
  io_registry_entry_t child = IO_OBJECT_NULL;
  ASSERT_EQ(IORegistryEntryGetChildEntry(name_of(*root), kIOServicePlane, &child), KERN_SUCCESS);
  EXPECT_EQ(name(child), "tb-port");
  io_iterator_t iterator = IO_OBJECT_NULL;
  ASSERT_EQ(IORegistryEntryCreateIterator(name_of(*root), kIOServicePlane, kIORegistryIterateRecursively, &iterator),
            KERN_SUCCESS);
  EXPECT_EQ(name(IOIteratorNext(iterator)), "tb-port");
  EXPECT_EQ(name(IOIteratorNext(iterator)), "display");
  EXPECT_EQ(IOIteratorNext(iterator), IO_OBJECT_NULL);
}

TEST_F(RegistryAccess, PropertiesHaveTheirTypes) {
  CFMutableDictionaryRef all = nullptr;
  ASSERT_EQ(IORegistryEntryCreateCFProperties(entry, &all, kCFAllocatorDefault, 0), KERN_SUCCESS);
  const auto type = [&](CFStringRef key) { return CFGetTypeID(CFDictionaryGetValue(all, key)); };
  EXPECT_EQ(type(CFSTR("vendor-id")), CFDataGetTypeID());
  EXPECT_EQ(type(CFSTR("Wide")), CFNumberGetTypeID());
  EXPECT_EQ(type(CFSTR("Flag")), CFBooleanGetTypeID());
  EXPECT_EQ(type(CFSTR("List")), CFArrayGetTypeID());
  EXPECT_EQ(type(CFSTR("Inner")), CFDictionaryGetTypeID());
  CFRelease(all);
}

TEST_F(RegistryAccess, NumbersAreAsWideAsTheyWereMade) {
  auto* wide = static_cast<CFNumberRef>(IORegistryEntryCreateCFProperty(entry, CFSTR("Wide"), nullptr, 0));
  auto* narrow = static_cast<CFNumberRef>(IORegistryEntryCreateCFProperty(entry, CFSTR("Narrow"), nullptr, 0));
  EXPECT_EQ(CFNumberGetByteSize(wide), 8);
  uint32_t bits = 0;
  CFNumberGetValue(narrow, kCFNumberSInt32Type, &bits);
  EXPECT_EQ(bits, 0xffff'ffffu);
  CFRelease(wide);
  CFRelease(narrow);
}

TEST_F(RegistryAccess, TheServiceHearsWhatIsAskedForByNameAndNotOfCopiesOfEverything) {
  CFMutableDictionaryRef all = nullptr;
  ASSERT_EQ(IORegistryEntryCreateCFProperties(entry, &all, kCFAllocatorDefault, 0), KERN_SUCCESS);
  CFRelease(all);
  EXPECT_TRUE(device->read.empty());
  CFRelease(IORegistryEntryCreateCFProperty(entry, CFSTR("Wide"), nullptr, 0));
  CFRelease(IORegistryEntrySearchCFProperty(entry, kIOServicePlane, CFSTR("Flag"), nullptr, 0));
  EXPECT_EQ(IORegistryEntryCreateCFProperty(entry, CFSTR("absent"), nullptr, 0), nullptr);
  EXPECT_EQ(device->read, (std::vector<std::string>{"Wide", "Flag"}));
}

TEST_F(RegistryAccess, AnAbsentPropertyIsNull) {
  EXPECT_EQ(IORegistryEntryCreateCFProperty(entry, CFSTR("absent"), nullptr, 0), nullptr);
  EXPECT_EQ(IORegistryEntryCreateCFProperty(entry, nullptr, nullptr, 0), nullptr);
}

TEST_F(RegistryAccess, SearchesParentsOnlyWhenAsked) {
  const auto search = [&](IOOptionBits options) {
    CFTypeRef found = IORegistryEntrySearchCFProperty(entry, kIOServicePlane, CFSTR("RootOnly"), nullptr, options);
    CFRelease(found);
    return found != nullptr;
  };
  EXPECT_TRUE(search(kIORegistryIterateRecursively | kIORegistryIterateParents));
  EXPECT_FALSE(search(kIORegistryIterateRecursively));
  EXPECT_FALSE(search(0));
}

TEST_F(RegistryAccess, PropertiesCannotBeSet) {
  EXPECT_EQ(IORegistryEntrySetCFProperty(entry, CFSTR("a"), kCFBooleanTrue), kIOReturnUnsupported);
}

}  // namespace
}  // namespace dartboard::iokit
