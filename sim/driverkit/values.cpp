// sim/driverkit/values.cpp - OSContainer and its leaves: OSString, OSData, OSNumber, OSBoolean.
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <DriverKit/OSBoolean.h>
#include <DriverKit/OSData.h>
#include <DriverKit/OSNumber.h>
#include <DriverKit/OSString.h>

#include "sim/driverkit/internal.h"

struct OSString_IVars {
  std::string text;
};
struct OSData_IVars {
  std::vector<uint8_t> bytes;
  const uint8_t* external = nullptr;  ///< withBytesNoCopy: somebody else's memory
  size_t external_length = 0;
};
struct OSNumber_IVars {
  uint64_t value;
  size_t bits;
};

namespace {

template <class C>
void reclaim_variables(OSMetaClassBase* object) {
  delete std::exchange(static_cast<C*>(object)->ivars, nullptr);
}
[[maybe_unused]] const bool reclaim_set = (gOSStringMetaClassObject.reclaim = reclaim_variables<OSString>,
                                           gOSDataMetaClassObject.reclaim = reclaim_variables<OSData>,
                                           gOSNumberMetaClassObject.reclaim = reclaim_variables<OSNumber>, true);

/// Creates and initialises; init() of these classes cannot fail.
template <class C, class V>
C* make(V* variables) {
  C* object = OSTypeAlloc(C);
  object->ivars = variables;
  object->init();
  return object;
}

uint64_t mask(size_t bits) {
  return bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
}

}  // namespace

void OSContainer::free() {
  OSObject::free();
}

// --- OSString -------------------------------------------------------------------------------------------------------

OSString* OSString::withCString(const char* text, size_t length) {
  if (text == nullptr) return nullptr;
  return make<OSString>(new OSString_IVars{std::string(text, strnlen(text, length))});
}
OSString* OSString::withCString(const char* text) {
  return text != nullptr ? withCString(text, std::strlen(text)) : nullptr;
}
OSString* OSString::withCStringNoCopy(const char* text) {
  return withCString(text);
}
OSString* OSString::withString(const OSString* other) {
  return other != nullptr ? make<OSString>(new OSString_IVars{other->ivars->text}) : nullptr;
}
void OSString::free() {
  reclaim_variables<OSString>(this);
  OSContainer::free();
}
size_t OSString::getLength() const {
  return ivars->text.size();
}
char OSString::getChar(size_t index) const {
  return index < ivars->text.size() ? ivars->text[index] : '\0';
}
const char* OSString::getCStringNoCopy() const {
  return ivars->text.c_str();
}
bool OSString::isEqualTo(const char* text) const {
  return text != nullptr && ivars->text == text;
}
bool OSString::isEqualTo(const OSMetaClassBase* other) const {
  const OSString* string = OSDynamicCast(OSString, other);
  return string != nullptr && string->ivars->text == ivars->text;
}

// --- OSData ---------------------------------------------------------------------------------------------------------

OSData* OSData::withCapacity(size_t capacity) {
  auto* variables = new OSData_IVars();
  variables->bytes.reserve(capacity);
  return make<OSData>(variables);
}
OSData* OSData::withBytes(const void* bytes, size_t length) {
  if (bytes == nullptr && length != 0) return nullptr;
  const auto* begin = static_cast<const uint8_t*>(bytes);
  auto* variables = new OSData_IVars();
  variables->bytes.assign(begin, begin + length);
  return make<OSData>(variables);
}
OSData* OSData::withBytesNoCopy(void* bytes, size_t length) {
  if (bytes == nullptr && length != 0) return nullptr;
  auto* variables = new OSData_IVars();
  variables->external = static_cast<const uint8_t*>(bytes);
  variables->external_length = length;
  return make<OSData>(variables);
}
OSData* OSData::withData(const OSData* other) {
  return other != nullptr ? withBytes(other->getBytesNoCopy(), other->getLength()) : nullptr;
}
void OSData::free() {
  reclaim_variables<OSData>(this);
  OSContainer::free();
}
size_t OSData::getLength() const {
  return ivars->external != nullptr ? ivars->external_length : ivars->bytes.size();
}
size_t OSData::getCapacity() const {
  return ivars->external != nullptr ? ivars->external_length : ivars->bytes.capacity();
}
const void* OSData::getBytesNoCopy() const {
  return ivars->external != nullptr ? ivars->external : ivars->bytes.empty() ? nullptr : ivars->bytes.data();
}
const void* OSData::getBytesNoCopy(size_t start, size_t length) const {
  if (start > getLength() || length > getLength() - start || length == 0) return nullptr;
  return static_cast<const uint8_t*>(getBytesNoCopy()) + start;
}
bool OSData::appendBytes(const void* bytes, size_t length) {
  if (ivars->external != nullptr || (bytes == nullptr && length != 0)) return false;
  const auto* begin = static_cast<const uint8_t*>(bytes);
  ivars->bytes.insert(ivars->bytes.end(), begin, begin + length);
  return true;
}
bool OSData::appendData(const OSData* other) {
  return other != nullptr && other != this && appendBytes(other->getBytesNoCopy(), other->getLength());
}
bool OSData::isEqualTo(const void* bytes, size_t length) const {
  return length == getLength() && (length == 0 || std::memcmp(bytes, getBytesNoCopy(), length) == 0);
}
bool OSData::isEqualTo(const OSMetaClassBase* other) const {
  const OSData* data = OSDynamicCast(OSData, other);
  return data != nullptr && isEqualTo(data->getBytesNoCopy(), data->getLength());
}

// --- OSNumber -------------------------------------------------------------------------------------------------------

OSNumber* OSNumber::withNumber(uint64_t value, size_t numberOfBits) {
  if (numberOfBits == 0 || numberOfBits > 64) return nullptr;
  return make<OSNumber>(new OSNumber_IVars{value & mask(numberOfBits), numberOfBits});
}
OSNumber* OSNumber::withNumber(const char* value, size_t numberOfBits) {
  return value != nullptr ? withNumber(std::strtoull(value, nullptr, 0), numberOfBits) : nullptr;
}
void OSNumber::free() {
  reclaim_variables<OSNumber>(this);
  OSContainer::free();
}
size_t OSNumber::numberOfBits() const {
  return ivars->bits;
}
size_t OSNumber::numberOfBytes() const {
  return (ivars->bits + 7) / 8;
}
uint8_t OSNumber::unsigned8BitValue() const {
  return static_cast<uint8_t>(ivars->value);
}
uint16_t OSNumber::unsigned16BitValue() const {
  return static_cast<uint16_t>(ivars->value);
}
uint32_t OSNumber::unsigned32BitValue() const {
  return static_cast<uint32_t>(ivars->value);
}
uint64_t OSNumber::unsigned64BitValue() const {
  return ivars->value;
}
void OSNumber::setValue(uint64_t value) {
  ivars->value = value & mask(ivars->bits);
}
void OSNumber::addValue(int64_t value) {
  setValue(ivars->value + static_cast<uint64_t>(value));
}
bool OSNumber::isEqualTo(const OSMetaClassBase* other) const {
  const OSNumber* number = OSDynamicCast(OSNumber, other);
  return number != nullptr && number->ivars->value == ivars->value;
}

// --- OSBoolean: two objects for the life of the program; they are not in the list of live objects --------------------

namespace {

struct BooleanSlot {
  alignas(OSBoolean) unsigned char storage[sizeof(OSBoolean)];
  OSBoolean* object = nullptr;
};
BooleanSlot booleans[2];

}  // namespace

OSBoolean* OSBoolean::withBoolean(bool value) {
  BooleanSlot& slot = booleans[value ? 1 : 0];
  if (slot.object == nullptr) {
    slot.object = ::new (slot.storage) OSBoolean();
    dartboard::driverkit::make_immortal(slot.object);
  }
  return slot.object;
}
void OSBoolean::retain() const {}
void OSBoolean::release() const {}
void OSBoolean::free() {}
bool OSBoolean::getValue() const {
  return this == booleans[1].object;
}
bool OSBoolean::isTrue() const {
  return getValue();
}
bool OSBoolean::isFalse() const {
  return !getValue();
}
bool OSBoolean::isEqualTo(const OSMetaClassBase* other) const {
  return this == other;
}
