// tests/driverkit/collections_test.cpp - reference counts, shared pointers and the property-list classes.
#include <DriverKit/DriverKit.h>

#include <cstring>

#include <gtest/gtest.h>

#include "sim/driverkit/runtime.h"

namespace dartboard::driverkit {
namespace {

class Collections : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(live_objects(), 0u); }
};

TEST_F(Collections, CollectionsRetainAndRelease) {
  OSString* string = OSString::withCString("x");
  OSArray* array = OSArray::withCapacity(1);
  EXPECT_TRUE(array->setObject(string));
  EXPECT_EQ(string->getRetainCount(), 2u);
  array->removeObject(0);
  EXPECT_EQ(string->getRetainCount(), 1u);
  array->setObject(string);
  OSSafeReleaseNULL(array);
  EXPECT_EQ(array, nullptr);
  EXPECT_EQ(string->getRetainCount(), 1u);
  OSSafeReleaseNULL(string);
}

TEST_F(Collections, ArrayBounds) {
  OSArray* array = OSArray::withCapacity(0);
  OSNumber* number = OSNumber::withNumber(5, 8);
  EXPECT_FALSE(array->setObject(1, number));
  EXPECT_FALSE(array->setObject(nullptr));
  EXPECT_EQ(array->getObject(0), nullptr);
  EXPECT_TRUE(array->setObject(0, number));
  EXPECT_EQ(array->getLastObject(), number);
  array->removeObject(7);
  EXPECT_EQ(array->getCount(), 1u);
  OSSafeReleaseNULL(number);
  OSSafeReleaseNULL(array);
}

TEST_F(Collections, DictionaryReplacesAndKeepsOrder) {
  OSDictionary* dictionary = OSDictionary::withCapacity(2);
  EXPECT_TRUE(OSDictionarySetUInt64Value(dictionary, "b", 1));
  EXPECT_TRUE(OSDictionarySetStringValue(dictionary, "a", "text"));
  EXPECT_TRUE(OSDictionarySetUInt64Value(dictionary, "b", 2));
  EXPECT_EQ(dictionary->getCount(), 2u);
  EXPECT_EQ(OSDictionaryGetUInt64Value(dictionary, "b"), 2u);
  EXPECT_STREQ(OSDictionaryGetStringValue(dictionary, "a"), "text");
  EXPECT_EQ(OSDictionaryGetStringValue(dictionary, "b"), nullptr) << "another class";
  __block std::string order;
  dictionary->iterateObjects(^bool(OSObject* key, OSObject*) {
    order += OSDynamicCast(OSString, key)->getCStringNoCopy();
    return false;
  });
  EXPECT_EQ(order, "ba");
  dictionary->removeObject("b");
  EXPECT_EQ(dictionary->getObject("b"), nullptr);
  OSSafeReleaseNULL(dictionary);
}

TEST_F(Collections, NumbersAreCutToTheirBits) {
  const struct {
    uint64_t value;
    size_t bits;
    uint64_t kept;
  } table[] = {{0x1ff, 8, 0xff}, {UINT64_MAX, 64, UINT64_MAX}, {UINT64_MAX, 1, 1}, {0x12345678, 32, 0x12345678}};
  for (const auto& row : table) {
    OSNumber* number = OSNumber::withNumber(row.value, row.bits);
    EXPECT_EQ(number->unsigned64BitValue(), row.kept);
    OSSafeReleaseNULL(number);
  }
  EXPECT_EQ(OSNumber::withNumber(uint64_t{1}, 65), nullptr);
  EXPECT_EQ(OSNumber::withNumber(uint64_t{1}, 0), nullptr);
}

TEST_F(Collections, DataRanges) {
  OSData* data = OSData::withBytes("abcdef", 6);
  EXPECT_EQ(std::memcmp(data->getBytesNoCopy(2, 3), "cde", 3), 0);
  EXPECT_EQ(data->getBytesNoCopy(4, 3), nullptr);
  EXPECT_EQ(data->getBytesNoCopy(7, 0), nullptr);
  EXPECT_TRUE(data->appendBytes("g", 1));
  EXPECT_TRUE(data->isEqualTo("abcdefg", 7));
  OSSafeReleaseNULL(data);
}

TEST_F(Collections, BooleansAreTwoObjects) {
  EXPECT_EQ(kOSBooleanTrue, OSBoolean::withBoolean(true));
  EXPECT_NE(kOSBooleanTrue, kOSBooleanFalse);
  kOSBooleanTrue->release();
  EXPECT_TRUE(kOSBooleanTrue->isTrue());
}

TEST_F(Collections, SharedPointersOwn) {
  OSString* string = OSString::withCString("x");
  {
    auto retained = OSSharedPtr(string, OSRetain);
    OSSharedPtr<OSContainer> other = retained;
    EXPECT_EQ(string->getRetainCount(), 3u);
    other.reset();
    EXPECT_EQ(string->getRetainCount(), 2u);
    EXPECT_EQ(OSDynamicPtrCast<OSData>(retained), nullptr);
    auto moved = std::move(retained);
    EXPECT_EQ(retained.get(), nullptr);
    EXPECT_EQ(moved->getLength(), 1u);
  }
  EXPECT_EQ(string->getRetainCount(), 1u);
  OSSharedPtr(string, OSNoRetain);
}

TEST_F(Collections, ZeroedMemoryIsAnEmptySharedPointer) {
  struct Variables {
    OSSharedPtr<OSString> string;
  };
  Variables* variables = IONewZero(Variables, 1);
  EXPECT_EQ(variables->string, nullptr);
  variables->string = OSSharedPtr(OSString::withCString("x"), OSNoRetain);
  variables->string.reset();
  IOSafeDeleteNULL(variables, Variables, 1);
}

TEST_F(Collections, FreeTakesMemoryFromNew) {
  struct Variables {
    int number = 3;
  };
  auto* variables = new Variables();
  IOSafeDeleteNULL(variables, Variables, 1);
  EXPECT_EQ(variables, nullptr);
}

}  // namespace
}  // namespace dartboard::driverkit
