// tests/iokit/matching_test.cpp - matching dictionaries, key by key, and what becomes of the dictionary.
#include <IOKit/IOKitLib.h>

#include <string>

#include "world.h"

namespace dartboard::iokit {
namespace {

CFMutableDictionaryRef dictionary() {
  return CFDictionaryCreateMutable(nullptr, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
}

class Matching : public IoKitTest {
 protected:
  void SetUp() override {
    IoKitTest::SetUp();
    parent = publish("pcic0-bridge", "IOPCIDevice");
    device = publish("display", "IOPCIDevice", parent.get());
    device->set_location("0,0");
    device->properties()["compatible"] = {macos::PropertyData{'p', 'c', 'i', '1', 0, 'p', 'c', 'i', '2', 0}};
    device->properties()["vendor"] = {macos::PropertyNumber{0x1002, 16}};
  }
  /// Names of everything that matches, joined.
  static std::string found(CFDictionaryRef matching) {
    io_iterator_t iterator = IO_OBJECT_NULL;
    EXPECT_EQ(IOServiceGetMatchingServices(kIOMainPortDefault, matching, &iterator), KERN_SUCCESS);
    std::string names;
    while (const io_object_t object = IOIteratorNext(iterator)) {
      io_name_t name;
      IORegistryEntryGetName(object, name);
      names += (names.empty() ? "" : " ") + std::string(name);
      IOObjectRelease(object);
    }
    IOObjectRelease(iterator);
    return names;
  }
  static CFMutableDictionaryRef with(const char* key, CFTypeRef value) {
    CFMutableDictionaryRef matching = dictionary();
    CFStringRef text = CFStringCreateWithCString(nullptr, key, kCFStringEncodingUTF8);
    CFDictionarySetValue(matching, text, value);
    CFRelease(text);
    return matching;
  }
  macos::Ref<FakeService> parent, device;
};

TEST_F(Matching, ByClassInRegistryOrder) { EXPECT_EQ(found(IOServiceMatching("IOPCIDevice")), "pcic0-bridge display"); }
TEST_F(Matching, ByAncestorClass) { EXPECT_EQ(found(IOServiceMatching("IOService")), "test-driver pcic0-bridge display"); }
TEST_F(Matching, ByAClassNobodyHasFindsNothing) { EXPECT_EQ(found(IOServiceMatching("IOUSBDevice")), ""); }
TEST_F(Matching, ByName) { EXPECT_EQ(found(IOServiceNameMatching("display")), "display"); }
TEST_F(Matching, ByCompatibleName) { EXPECT_EQ(found(IOServiceNameMatching("pci2")), "display"); }
TEST_F(Matching, APartOfACompatibleNameIsNotOne) { EXPECT_EQ(found(IOServiceNameMatching("pci")), ""); }
TEST_F(Matching, ByRegistryId) { EXPECT_EQ(found(IORegistryEntryIDMatching(device->id())), "display"); }
TEST_F(Matching, ByBsdNameFindsNothing) { EXPECT_EQ(found(IOBSDNameMatching(0, 0, "disk0")), ""); }
TEST_F(Matching, ByLocation) { EXPECT_EQ(found(with(kIOLocationMatchKey, CFSTR("0,0"))), "display"); }
TEST_F(Matching, ByPath) {
  EXPECT_EQ(found(with(kIOPathMatchKey, CFSTR("IOService:/pcic0-bridge/display@0,0"))), "display");
}
TEST_F(Matching, ByAnEmptyDictionaryFindsEverything) {
  EXPECT_EQ(found(dictionary()), "test-driver pcic0-bridge display");
}
TEST_F(Matching, AnUnknownKeySaysNothing) {
  EXPECT_EQ(found(with("NoSuchKey", kCFBooleanTrue)), "test-driver pcic0-bridge display");
}

TEST_F(Matching, ByProperty) {
  CFMutableDictionaryRef property = with("IOUserClass", CFSTR("TestDriver"));
  CFMutableDictionaryRef matching = IOServiceMatching("IOUserService");
  CFDictionarySetValue(matching, CFSTR(kIOPropertyMatchKey), property);
  CFRelease(property);
  EXPECT_EQ(found(matching), "test-driver");
}

TEST_F(Matching, ByAPropertyWithAnotherValueFindsNothing) {
  CFMutableDictionaryRef property = with("IOUserClass", CFSTR("OtherDriver"));
  CFMutableDictionaryRef matching = with(kIOPropertyMatchKey, property);
  CFRelease(property);
  EXPECT_EQ(found(matching), "");
}

TEST_F(Matching, ByANumberOfAnyWidth) {
  for (const CFNumberType type : {kCFNumberSInt16Type, kCFNumberSInt32Type, kCFNumberSInt64Type}) {
    const int64_t value = 0x1002;
    CFNumberRef number = CFNumberCreate(nullptr, type, &value);
    CFMutableDictionaryRef property = with("vendor", number);
    CFMutableDictionaryRef matching = with(kIOPropertyMatchKey, property);
    CFRelease(number);
    CFRelease(property);
    EXPECT_EQ(found(matching), "display");
  }
}

TEST_F(Matching, ByOneOfSeveralProperties) {
  CFMutableDictionaryRef first = with("IOUserClass", CFSTR("OtherDriver"));
  CFMutableDictionaryRef second = with("IOUserClass", CFSTR("TestDriver"));
  const void* either[] = {first, second};
  CFArrayRef array = CFArrayCreate(nullptr, either, 2, &kCFTypeArrayCallBacks);
  CFMutableDictionaryRef matching = with(kIOPropertyMatchKey, array);
  CFRelease(first);
  CFRelease(second);
  CFRelease(array);
  EXPECT_EQ(found(matching), "test-driver");
}

TEST_F(Matching, ByAPropertyThatExists) {
  EXPECT_EQ(found(with(kIOPropertyExistsMatchKey, CFSTR("vendor"))), "display");
}

TEST_F(Matching, ByParent) {
  CFMutableDictionaryRef above = with(kIONameMatchKey, CFSTR("pcic0-bridge"));
  CFMutableDictionaryRef matching = with(kIOParentMatchKey, above);
  CFRelease(above);
  EXPECT_EQ(found(matching), "display");
}

TEST_F(Matching, AServiceThatIsNotRegisteredDoesNotMatch) {
  auto quiet = macos::make_object<FakeService>("quiet", "IOUserService");
  kernel().registry().add(macos::Ref<macos::RegistryEntry>(quiet.get()), kernel().registry().root());
  EXPECT_EQ(found(IOServiceNameMatching("quiet")), "");
}

TEST_F(Matching, AServiceThatTerminatedDoesNotMatch) {
  device->terminate();
  EXPECT_EQ(found(IOServiceNameMatching("display")), "");
}

TEST_F(Matching, TheDictionaryIsConsumed) {
  CFMutableDictionaryRef matching = IOServiceMatching("IOUserService");
  CFRetain(matching);
  IOObjectRelease(IOServiceGetMatchingService(kIOMainPortDefault, matching));
  EXPECT_EQ(CFGetRetainCount(matching), 1);
  CFRelease(matching);
}

TEST_F(Matching, TheDictionaryIsConsumedByAFailedCallToo) {
  CFMutableDictionaryRef matching = IOServiceMatching("IOUserService");
  CFRetain(matching);
  EXPECT_EQ(IOServiceGetMatchingServices(kIOMainPortDefault, matching, nullptr), kIOReturnBadArgument);
  EXPECT_EQ(CFGetRetainCount(matching), 1);
  CFRelease(matching);
}

TEST_F(Matching, NoDictionaryIsABadArgument) {
  io_iterator_t iterator = IO_OBJECT_NULL;
  EXPECT_EQ(IOServiceGetMatchingServices(kIOMainPortDefault, nullptr, &iterator), kIOReturnBadArgument);
  EXPECT_EQ(IOServiceGetMatchingService(kIOMainPortDefault, nullptr), IO_OBJECT_NULL);
}

TEST_F(Matching, ADictionaryInItselfEnds) {
  CFMutableDictionaryRef matching = dictionary();
  CFDictionarySetValue(matching, CFSTR(kIOParentMatchKey), matching);
  CFRetain(matching);
  EXPECT_EQ(found(matching), "");
  CFDictionaryRemoveAllValues(matching);
  CFRelease(matching);
}

TEST_F(Matching, AnIteratorCanStartAgain) {
  io_iterator_t iterator = IO_OBJECT_NULL;
  ASSERT_EQ(IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceNameMatching("display"), &iterator),
            KERN_SUCCESS);
  const io_object_t first = IOIteratorNext(iterator);
  EXPECT_EQ(IOIteratorNext(iterator), IO_OBJECT_NULL);
  IOIteratorReset(iterator);
  EXPECT_EQ(IOIteratorNext(iterator), first);
  EXPECT_TRUE(IOIteratorIsValid(iterator));
  IOObjectRelease(iterator);
  EXPECT_FALSE(IOIteratorIsValid(iterator));
  EXPECT_EQ(IOIteratorNext(iterator), IO_OBJECT_NULL);
}

}  // namespace
}  // namespace dartboard::iokit
