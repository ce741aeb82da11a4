// sim/driverkit/collections.cpp - OSArray, OSDictionary and the shortcuts of OSCollections.h.
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <DriverKit/OSCollections.h>

struct OSArray_IVars {
  std::vector<OSObject*> objects;  ///< retained
};
struct OSDictionary_IVars {
  std::vector<std::pair<OSString*, OSObject*>> entries;  ///< both retained; in order of insertion
};

namespace {

void reclaim_array(OSMetaClassBase* object) {
  delete std::exchange(static_cast<OSArray*>(object)->ivars, nullptr);
}
void reclaim_dictionary(OSMetaClassBase* object) {
  delete std::exchange(static_cast<OSDictionary*>(object)->ivars, nullptr);
}
[[maybe_unused]] const bool reclaim_set =
    (gOSArrayMetaClassObject.reclaim = reclaim_array, gOSDictionaryMetaClassObject.reclaim = reclaim_dictionary, true);

/// Collections hold objects; the const in Apple's signatures is about the caller.
OSObject* retained(const OSMetaClassBase* object) {
  object->retain();
  return static_cast<OSObject*>(const_cast<OSMetaClassBase*>(object));
}

constexpr uint32_t kCapacityMax = 1u << 20;  // a hint, so a huge one is not an allocation

}  // namespace

// --- OSArray --------------------------------------------------------------------------------------------------------

OSArray* OSArray::withCapacity(uint32_t capacity) {
  OSArray* array = OSTypeAlloc(OSArray);
  array->ivars = new OSArray_IVars();
  array->ivars->objects.reserve(capacity < kCapacityMax ? capacity : kCapacityMax);
  array->init();
  return array;
}
OSArray* OSArray::withArray(const OSArray* other, uint32_t capacity) {
  if (other == nullptr) return nullptr;
  OSArray* array = withCapacity(capacity);
  for (OSObject* object : other->ivars->objects) array->setObject(object);
  return array;
}
void OSArray::free() {
  if (ivars != nullptr) flushCollection();
  reclaim_array(this);
  OSContainer::free();
}
uint32_t OSArray::getCount() const {
  return static_cast<uint32_t>(ivars->objects.size());
}
uint32_t OSArray::getCapacity() const {
  return static_cast<uint32_t>(ivars->objects.capacity());
}
bool OSArray::setObject(const OSMetaClassBase* object) {
  return setObject(getCount(), object);
}
bool OSArray::setObject(uint32_t index, const OSMetaClassBase* object) {
  if (object == nullptr || index > getCount()) return false;
  ivars->objects.insert(ivars->objects.begin() + index, retained(object));
  return true;
}
void OSArray::replaceObject(uint32_t index, const OSMetaClassBase* object) {
  if (object == nullptr || index >= getCount()) return;
  std::exchange(ivars->objects[index], retained(object))->release();
}
void OSArray::removeObject(uint32_t index) {
  if (index >= getCount()) return;
  OSObject* object = ivars->objects[index];
  ivars->objects.erase(ivars->objects.begin() + index);
  object->release();
}
void OSArray::flushCollection() {
  for (OSObject* object : std::exchange(ivars->objects, {})) object->release();
}
OSObject* OSArray::getObject(uint32_t index) const {
  return index < getCount() ? ivars->objects[index] : nullptr;
}
OSObject* OSArray::getLastObject() const {
  return ivars->objects.empty() ? nullptr : ivars->objects.back();
}
bool OSArray::iterateObjects(OSArrayIterateObjectsBlock block) const {
  for (uint32_t i = 0; i < getCount(); ++i) {
    if (block(ivars->objects[i])) return true;
  }
  return false;
}
bool OSArray::isEqualTo(const OSMetaClassBase* other) const {
  const OSArray* array = OSDynamicCast(OSArray, other);
  if (array == nullptr || array->getCount() != getCount()) return false;
  for (uint32_t i = 0; i < getCount(); ++i) {
    if (!ivars->objects[i]->isEqualTo(array->ivars->objects[i])) return false;
  }
  return true;
}

// --- OSDictionary ---------------------------------------------------------------------------------------------------

OSDictionary* OSDictionary::withCapacity(uint32_t capacity) {
  OSDictionary* dictionary = OSTypeAlloc(OSDictionary);
  dictionary->ivars = new OSDictionary_IVars();
  dictionary->ivars->entries.reserve(capacity < kCapacityMax ? capacity : kCapacityMax);
  dictionary->init();
  return dictionary;
}
OSDictionary* OSDictionary::withDictionary(const OSDictionary* other, uint32_t capacity) {
  if (other == nullptr) return nullptr;
  OSDictionary* dictionary = withCapacity(capacity);
  dictionary->merge(other);
  return dictionary;
}
void OSDictionary::free() {
  if (ivars != nullptr) flushCollection();
  reclaim_dictionary(this);
  OSContainer::free();
}
uint32_t OSDictionary::getCount() const {
  return static_cast<uint32_t>(ivars->entries.size());
}
uint32_t OSDictionary::getCapacity() const {
  return static_cast<uint32_t>(ivars->entries.capacity());
}
bool OSDictionary::setObject(const OSString* key, const OSMetaClassBase* object) {
  if (key == nullptr || object == nullptr) return false;
  for (auto& entry : ivars->entries) {
    if (!entry.first->isEqualTo(key)) continue;
    std::exchange(entry.second, retained(object))->release();
    return true;
  }
  key->retain();
  ivars->entries.emplace_back(const_cast<OSString*>(key), retained(object));
  return true;
}
bool OSDictionary::setObject(const char* key, const OSMetaClassBase* object) {
  OSString* string = OSString::withCString(key);
  const bool set = setObject(string, object);
  OSSafeReleaseNULL(string);
  return set;
}
void OSDictionary::removeObject(const char* key) {
  if (key == nullptr) return;
  for (size_t i = 0; i < ivars->entries.size(); ++i) {
    if (!ivars->entries[i].first->isEqualTo(key)) continue;
    const auto entry = ivars->entries[i];
    ivars->entries.erase(ivars->entries.begin() + static_cast<ptrdiff_t>(i));
    entry.first->release();
    entry.second->release();
    return;
  }
}
void OSDictionary::removeObject(const OSString* key) {
  if (key != nullptr) removeObject(key->getCStringNoCopy());
}
OSObject* OSDictionary::getObject(const char* key) const {
  for (const auto& [name, object] : ivars->entries) {
    if (name->isEqualTo(key)) return object;
  }
  return nullptr;
}
OSObject* OSDictionary::getObject(const OSString* key) const {
  return key != nullptr ? getObject(key->getCStringNoCopy()) : nullptr;
}
bool OSDictionary::merge(const OSDictionary* other) {
  if (other == nullptr || other == this) return false;
  for (const auto& [key, object] : other->ivars->entries) setObject(key, object);
  return true;
}
void OSDictionary::flushCollection() {
  for (const auto& [key, object] : std::exchange(ivars->entries, {})) {
    key->release();
    object->release();
  }
}
bool OSDictionary::iterateObjects(OSDictionaryIterateObjectsBlock block) const {
  for (size_t i = 0; i < ivars->entries.size(); ++i) {
    if (block(ivars->entries[i].first, ivars->entries[i].second)) return true;
  }
  return false;
}
bool OSDictionary::isEqualTo(const OSMetaClassBase* other) const {
  const OSDictionary* dictionary = OSDynamicCast(OSDictionary, other);
  if (dictionary == nullptr || dictionary->getCount() != getCount()) return false;
  for (const auto& [key, object] : ivars->entries) {
    const OSObject* theirs = dictionary->getObject(key);
    if (theirs == nullptr || !object->isEqualTo(theirs)) return false;
  }
  return true;
}

// --- shortcuts ------------------------------------------------------------------------------------------------------

namespace {
bool set_and_release(OSDictionary* dictionary, const char* key, OSObject* value) {
  const bool set = OSDictionarySetValue(dictionary, key, value);
  OSSafeReleaseNULL(value);
  return set;
}
}  // namespace

bool OSDictionarySetValue(OSDictionary* dictionary, const char* key, OSObject* value) {
  return dictionary != nullptr && dictionary->setObject(key, value);
}
bool OSDictionarySetStringValue(OSDictionary* dictionary, const char* key, const char* value) {
  return set_and_release(dictionary, key, OSString::withCString(value));
}
bool OSDictionarySetUInt64Value(OSDictionary* dictionary, const char* key, uint64_t value) {
  return set_and_release(dictionary, key, OSNumber::withNumber(value, 64));
}
bool OSDictionarySetDataValue(OSDictionary* dictionary, const char* key, const void* bytes, size_t length) {
  return set_and_release(dictionary, key, OSData::withBytes(bytes, length));
}
OSObject* OSDictionaryGetValue(const OSDictionary* dictionary, const char* key) {
  return dictionary != nullptr ? dictionary->getObject(key) : nullptr;
}
const char* OSDictionaryGetStringValue(const OSDictionary* dictionary, const char* key) {
  const OSString* value = OSDynamicCast(OSString, OSDictionaryGetValue(dictionary, key));
  return value != nullptr ? value->getCStringNoCopy() : nullptr;
}
uint64_t OSDictionaryGetUInt64Value(const OSDictionary* dictionary, const char* key) {
  const OSNumber* value = OSDynamicCast(OSNumber, OSDictionaryGetValue(dictionary, key));
  return value != nullptr ? value->unsigned64BitValue() : 0;
}
const void* OSDictionaryGetDataValue(const OSDictionary* dictionary, const char* key, size_t* length) {
  const OSData* value = OSDynamicCast(OSData, OSDictionaryGetValue(dictionary, key));
  if (length != nullptr) *length = value != nullptr ? value->getLength() : 0;
  return value != nullptr ? value->getBytesNoCopy() : nullptr;
}
