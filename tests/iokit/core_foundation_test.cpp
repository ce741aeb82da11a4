// tests/iokit/core_foundation_test.cpp - reference counts, equality, conversions of the CoreFoundation subset.
#include <CoreFoundation/CoreFoundation.h>
#include <gtest/gtest.h>

#include <cstring>

namespace dartboard::iokit {
namespace {

CFStringRef text(const char* utf8) { return CFStringCreateWithCString(nullptr, utf8, kCFStringEncodingUTF8); }

TEST(CfReferences, ACollectionRetainsAndReleasesWhatItHolds) {
  CFStringRef value = text("v");
  CFMutableDictionaryRef dictionary =
      CFDictionaryCreateMutable(nullptr, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
  CFDictionarySetValue(dictionary, CFSTR("k"), value);
  EXPECT_EQ(CFGetRetainCount(value), 2);
  CFDictionarySetValue(dictionary, CFSTR("k"), kCFBooleanTrue);
  EXPECT_EQ(CFGetRetainCount(value), 1);
  CFMutableArrayRef array = CFArrayCreateMutable(nullptr, 0, &kCFTypeArrayCallBacks);
  CFArrayAppendValue(array, value);
  CFRelease(array);
  EXPECT_EQ(CFGetRetainCount(value), 1);
  CFRelease(value);
  CFRelease(dictionary);
}

TEST(CfReferences, ACollectionWithoutCallbacksDoesNot) {
  CFStringRef value = text("v");
  CFMutableArrayRef array = CFArrayCreateMutable(nullptr, 0, nullptr);
  CFArrayAppendValue(array, value);
  EXPECT_EQ(CFGetRetainCount(value), 1);
  CFRelease(array);
  CFRelease(value);
}

TEST(CfReferences, ConstantsAreNeverFreed) {
  CFStringRef constant = CFSTR("constant");
  for (int i = 0; i < 4; ++i) CFRelease(constant);
  EXPECT_EQ(CFSTR("constant"), constant);
  CFRelease(kCFBooleanTrue);
  EXPECT_TRUE(CFBooleanGetValue(kCFBooleanTrue));
}

TEST(CfReferences, NullIsNothing) {
  CFRelease(nullptr);
  EXPECT_EQ(CFRetain(nullptr), nullptr);
  EXPECT_EQ(CFGetTypeID(nullptr), 0u);
}

TEST(CfReferences, TheWrongTypeIsEmptyNotACrash) {
  EXPECT_EQ(CFArrayGetCount(reinterpret_cast<CFArrayRef>(CFSTR("text"))), 0);
  EXPECT_EQ(CFDictionaryGetValue(reinterpret_cast<CFDictionaryRef>(CFSTR("text")), CFSTR("k")), nullptr);
  EXPECT_EQ(CFDataGetBytePtr(reinterpret_cast<CFDataRef>(CFSTR("text"))), nullptr);
}

TEST(CfEqual, ComparesByValueWithinOneType) {
  CFStringRef a = text("same"), b = text("same");
  EXPECT_TRUE(CFEqual(a, b));
  EXPECT_EQ(CFHash(a), CFHash(b));
  EXPECT_FALSE(CFEqual(a, kCFBooleanTrue));
  const int32_t small = 5;
  const int64_t large = 5;
  CFNumberRef n = CFNumberCreate(nullptr, kCFNumberSInt32Type, &small);
  CFNumberRef m = CFNumberCreate(nullptr, kCFNumberSInt64Type, &large);
  EXPECT_TRUE(CFEqual(n, m));
  for (CFTypeRef object : {CFTypeRef(a), CFTypeRef(b), CFTypeRef(n), CFTypeRef(m)}) CFRelease(object);
}

TEST(CfEqual, DictionariesIgnoreOrder) {
  const void* keys[] = {CFSTR("a"), CFSTR("b")};
  const void* values[] = {kCFBooleanTrue, kCFBooleanFalse};
  const void* keys_back[] = {CFSTR("b"), CFSTR("a")};
  const void* values_back[] = {kCFBooleanFalse, kCFBooleanTrue};
  CFDictionaryRef x = CFDictionaryCreate(nullptr, keys, values, 2, &kCFTypeDictionaryKeyCallBacks,
                                         &kCFTypeDictionaryValueCallBacks);
  CFDictionaryRef y = CFDictionaryCreate(nullptr, keys_back, values_back, 2, &kCFTypeDictionaryKeyCallBacks,
                                         &kCFTypeDictionaryValueCallBacks);
  EXPECT_TRUE(CFEqual(x, y));
  CFRelease(x);
  CFRelease(y);
}

TEST(CfString, LengthIsInUtf16Units) {
  CFStringRef string = text("a\xc3\xa9\xf0\x9f\x98\x80");   // a, e acute, an emoji (a surrogate pair)
  EXPECT_EQ(CFStringGetLength(string), 4);
  CFRelease(string);
}

TEST(CfString, BytesThatAreNotTextAreRefused) {
  EXPECT_EQ(text("\xff"), nullptr);
  EXPECT_EQ(text("\xc0\x80"), nullptr);       // overlong
  EXPECT_EQ(text("\xed\xa0\x80"), nullptr);   // half a surrogate pair
  EXPECT_EQ(CFStringCreateWithCString(nullptr, "\xc3\xa9", kCFStringEncodingASCII), nullptr);
  EXPECT_EQ(text(nullptr), nullptr);
}

TEST(CfString, CopiesOnlyIntoABufferWithRoomForTheEnd) {
  char buffer[4] = {};
  EXPECT_TRUE(CFStringGetCString(CFSTR("abc"), buffer, 4, kCFStringEncodingUTF8));
  EXPECT_STREQ(buffer, "abc");
  EXPECT_FALSE(CFStringGetCString(CFSTR("abcd"), buffer, 4, kCFStringEncodingUTF8));
}

TEST(CfNumber, SaysWhenAValueDoesNotFit) {
  const int64_t value = 0x1'0000'0005;
  CFNumberRef number = CFNumberCreate(nullptr, kCFNumberSInt64Type, &value);
  int32_t narrow = 0;
  EXPECT_FALSE(CFNumberGetValue(number, kCFNumberSInt32Type, &narrow));
  EXPECT_EQ(narrow, 5);
  double real = 0;
  EXPECT_TRUE(CFNumberGetValue(number, kCFNumberDoubleType, &real));
  EXPECT_EQ(real, 4294967301.0);
  CFRelease(number);
}

TEST(CfNumber, AnUnknownTypeIsRefused) {
  const int value = 1;
  EXPECT_EQ(CFNumberCreate(nullptr, 99, &value), nullptr);
}

TEST(CfData, CopiesItsBytes) {
  UInt8 bytes[] = {1, 2, 3};
  CFDataRef data = CFDataCreate(nullptr, bytes, 3);
  bytes[1] = 9;
  EXPECT_EQ(CFDataGetLength(data), 3);
  EXPECT_EQ(CFDataGetBytePtr(data)[1], 2);
  UInt8 out[2] = {};
  CFDataGetBytes(data, CFRangeMake(1, 2), out);
  EXPECT_EQ(out[1], 3);
  CFDataGetBytes(data, CFRangeMake(2, 2), out);   // past the end: nothing
  EXPECT_EQ(out[0], 2);
  CFRelease(data);
}

TEST(CfDictionary, AddKeepsSetReplacesRemoveRemoves) {
  CFMutableDictionaryRef dictionary =
      CFDictionaryCreateMutable(nullptr, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
  CFDictionaryAddValue(dictionary, CFSTR("k"), kCFBooleanTrue);
  CFDictionaryAddValue(dictionary, CFSTR("k"), kCFBooleanFalse);
  EXPECT_EQ(CFDictionaryGetValue(dictionary, CFSTR("k")), kCFBooleanTrue);
  CFDictionarySetValue(dictionary, CFSTR("k"), kCFBooleanFalse);
  EXPECT_EQ(CFDictionaryGetValue(dictionary, CFSTR("k")), kCFBooleanFalse);
  CFDictionaryRemoveValue(dictionary, CFSTR("k"));
  EXPECT_EQ(CFDictionaryGetCount(dictionary), 0);
  CFRelease(dictionary);
}

}  // namespace
}  // namespace dartboard::iokit
