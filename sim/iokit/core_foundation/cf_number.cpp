// sim/iokit/core_foundation/cf_number.cpp - numbers, booleans, data.
#include <cstring>
#include <limits>

#include "sim/iokit/core_foundation/cf_object.h"

using dartboard::iokit::cf_cast;
using dartboard::iokit::CfType;

namespace {

const __CFBoolean kTrueObject(true);
const __CFBoolean kFalseObject(false);

/// The fixed-size type behind a C type; 0 for a type that does not exist.
CFNumberType canonical(CFNumberType type) {
  switch (type) {
    case kCFNumberCharType: return kCFNumberSInt8Type;
    case kCFNumberShortType: return kCFNumberSInt16Type;
    case kCFNumberIntType: return kCFNumberSInt32Type;
    case kCFNumberLongType:
    case kCFNumberLongLongType:
    case kCFNumberCFIndexType: return kCFNumberSInt64Type;
    case kCFNumberFloatType: return kCFNumberFloat32Type;
    case kCFNumberDoubleType: return kCFNumberFloat64Type;
    default: return type >= kCFNumberSInt8Type && type <= kCFNumberFloat64Type ? type : 0;
  }
}

template <class T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Stores the low bytes; false if the value does not fit.
template <class T>
bool store(int64_t value, void* to) {
  const T narrowed = static_cast<T>(value);
  std::memcpy(to, &narrowed, sizeof narrowed);
  return narrowed == value;
}

int64_t to_integer(double value) {
  if (!(value > -9.2e18)) return std::numeric_limits<int64_t>::min();
  return value < 9.2e18 ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::max();
}

}  // namespace

extern "C" {

const CFBooleanRef kCFBooleanTrue = &kTrueObject;
const CFBooleanRef kCFBooleanFalse = &kFalseObject;

CFTypeID CFBooleanGetTypeID(void) { return static_cast<CFTypeID>(CfType::kBoolean); }

Boolean CFBooleanGetValue(CFBooleanRef boolean) {
  const auto* object = cf_cast<__CFBoolean>(boolean, CfType::kBoolean);
  return object != nullptr && object->value;
}

CFTypeID CFNumberGetTypeID(void) { return static_cast<CFTypeID>(CfType::kNumber); }

CFNumberRef CFNumberCreate(CFAllocatorRef, CFNumberType theType, const void* valuePtr) {
  const CFNumberType type = canonical(theType);
  if (type == 0 || valuePtr == nullptr) return nullptr;
  auto* number = new __CFNumber(type);
  switch (type) {
    case kCFNumberSInt8Type: number->integer = load<int8_t>(valuePtr); break;
    case kCFNumberSInt16Type: number->integer = load<int16_t>(valuePtr); break;
    case kCFNumberSInt32Type: number->integer = load<int32_t>(valuePtr); break;
    case kCFNumberSInt64Type: number->integer = load<int64_t>(valuePtr); break;
    case kCFNumberFloat32Type: number->real = static_cast<double>(load<float>(valuePtr)); break;
    default: number->real = load<double>(valuePtr); break;
  }
  return number;
}

CFNumberType CFNumberGetType(CFNumberRef number) {
  const auto* object = cf_cast<__CFNumber>(number, CfType::kNumber);
  return object != nullptr ? object->type_code : 0;
}

CFIndex CFNumberGetByteSize(CFNumberRef number) {
  switch (CFNumberGetType(number)) {
    case kCFNumberSInt8Type: return 1;
    case kCFNumberSInt16Type: return 2;
    case kCFNumberSInt32Type:
    case kCFNumberFloat32Type: return 4;
    case kCFNumberSInt64Type:
    case kCFNumberFloat64Type: return 8;
    default: return 0;
  }
}

Boolean CFNumberIsFloatType(CFNumberRef number) {
  const CFNumberType type = CFNumberGetType(number);
  return type == kCFNumberFloat32Type || type == kCFNumberFloat64Type;
}

Boolean CFNumberGetValue(CFNumberRef number, CFNumberType theType, void* valuePtr) {
  const auto* object = cf_cast<__CFNumber>(number, CfType::kNumber);
  if (object == nullptr || valuePtr == nullptr) return false;
  const bool real = CFNumberIsFloatType(number);
  const int64_t integer = real ? to_integer(object->real) : object->integer;
  switch (canonical(theType)) {
    case kCFNumberSInt8Type: return store<int8_t>(integer, valuePtr);
    case kCFNumberSInt16Type: return store<int16_t>(integer, valuePtr);
    case kCFNumberSInt32Type: return store<int32_t>(integer, valuePtr);
    case kCFNumberSInt64Type: return store<int64_t>(integer, valuePtr);
    case kCFNumberFloat32Type: {
      const auto value = static_cast<float>(real ? object->real : static_cast<double>(integer));
      std::memcpy(valuePtr, &value, sizeof value);
      return true;
    }
    case kCFNumberFloat64Type: {
      const double value = real ? object->real : static_cast<double>(integer);
      std::memcpy(valuePtr, &value, sizeof value);
      return true;
    }
    default: return false;
  }
}

CFTypeID CFDataGetTypeID(void) { return static_cast<CFTypeID>(CfType::kData); }

CFDataRef CFDataCreate(CFAllocatorRef, const UInt8* bytes, CFIndex length) {
  if (length < 0 || (bytes == nullptr && length != 0)) return nullptr;
  auto* data = new __CFData;
  if (length != 0) data->bytes.assign(bytes, bytes + length);
  return data;
}

CFDataRef CFDataCreateCopy(CFAllocatorRef, CFDataRef theData) { return static_cast<CFDataRef>(CFRetain(theData)); }

CFIndex CFDataGetLength(CFDataRef theData) {
  const auto* data = cf_cast<__CFData>(theData, CfType::kData);
  return data != nullptr ? static_cast<CFIndex>(data->bytes.size()) : 0;
}

const UInt8* CFDataGetBytePtr(CFDataRef theData) {
  const auto* data = cf_cast<__CFData>(theData, CfType::kData);
  return data != nullptr ? data->bytes.data() : nullptr;
}

void CFDataGetBytes(CFDataRef theData, CFRange range, UInt8* buffer) {
  const auto* data = cf_cast<__CFData>(theData, CfType::kData);
  if (data == nullptr || buffer == nullptr || range.location < 0 || range.length <= 0) return;
  const auto size = static_cast<CFIndex>(data->bytes.size());
  if (range.location > size || range.length > size - range.location) return;
  std::memcpy(buffer, data->bytes.data() + range.location, static_cast<size_t>(range.length));
}

}  // extern "C"
