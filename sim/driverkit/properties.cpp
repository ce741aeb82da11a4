// sim/driverkit/properties.cpp - conversions between the registry's property types, plists and DriverKit objects.
#include "sim/driverkit/properties.h"

#include <string>
#include <utility>

#include "sim/driverkit/bundle.h"
#include "sim/driverkit/service.h"

namespace dartboard::driverkit {

OSDictionary* to_dictionary(const macos::PropertyDictionary& properties) {
  OSDictionary* dictionary = OSDictionary::withCapacity(static_cast<uint32_t>(properties.size()));
  for (const auto& [key, property] : properties) {
    OSContainer* value = to_container(property);
    dictionary->setObject(key.c_str(), value);
    OSSafeReleaseNULL(value);
  }
  return dictionary;
}

OSContainer* to_container(const macos::Property& property) {
  struct Converter {
    OSContainer* operator()(bool v) const { return OSBoolean::withBoolean(v); }
    OSContainer* operator()(const macos::PropertyNumber& v) const { return OSNumber::withNumber(v.value, v.bits); }
    OSContainer* operator()(const std::string& v) const { return OSString::withCString(v.c_str(), v.size()); }
    OSContainer* operator()(const macos::PropertyData& v) const { return OSData::withBytes(v.data(), v.size()); }
    OSContainer* operator()(const macos::PropertyArray& v) const {
      OSArray* array = OSArray::withCapacity(static_cast<uint32_t>(v.size()));
      for (const macos::Property& element : v) {
        OSContainer* object = to_container(element);
        array->setObject(object);
        OSSafeReleaseNULL(object);
      }
      return array;
    }
    OSContainer* operator()(const macos::PropertyDictionary& v) const { return to_dictionary(v); }
  };
  return std::visit(Converter{}, property.value);
}

macos::Property from_object(const OSObject* object) {
  if (const OSString* string = OSDynamicCast(OSString, object)) {
    return {std::string(string->getCStringNoCopy(), string->getLength())};
  }
  if (const OSNumber* number = OSDynamicCast(OSNumber, object)) {
    return {macos::PropertyNumber{number->unsigned64BitValue(), static_cast<unsigned>(number->numberOfBits())}};
  }
  if (const OSBoolean* boolean = OSDynamicCast(OSBoolean, object)) return {boolean->getValue()};
  if (const OSData* data = OSDynamicCast(OSData, object)) {
    const auto* bytes = static_cast<const uint8_t*>(data->getBytesNoCopy());
    return {macos::PropertyData(bytes, bytes + data->getLength())};
  }
  if (const OSArray* array = OSDynamicCast(OSArray, object)) {
    macos::PropertyArray elements;
    for (uint32_t i = 0; i < array->getCount(); ++i) elements.push_back(from_object(array->getObject(i)));
    return {std::move(elements)};
  }
  if (const OSDictionary* dictionary = OSDynamicCast(OSDictionary, object)) {
    macos::PropertyDictionary properties;
    macos::PropertyDictionary* into = &properties;
    dictionary->iterateObjects(^bool(OSObject* key, OSObject* value) {
      const OSString* name = OSDynamicCast(OSString, key);
      if (name != nullptr) into->insert_or_assign(name->getCStringNoCopy(), from_object(value));
      return false;
    });
    return {std::move(properties)};
  }
  return {std::string()};
}

macos::Property to_property(const PlistValue& value) {
  switch (value.kind) {
    case PlistValue::kString: return {std::string(value.text)};
    case PlistValue::kInteger: return {macos::PropertyNumber{value.number, 64}};
    case PlistValue::kBoolean: return {value.number != 0};
    case PlistValue::kData: return {macos::PropertyData(value.text.begin(), value.text.end())};
    case PlistValue::kArray: {
      macos::PropertyArray elements;
      for (size_t i = 0; i < value.count; ++i) elements.push_back(to_property(value.children[i]));
      return {std::move(elements)};
    }
    case PlistValue::kDictionary: break;
  }
  macos::PropertyDictionary dictionary;
  for (size_t i = 0; i < value.count; ++i) dictionary.emplace(value.children[i].key, to_property(value.children[i]));
  return {std::move(dictionary)};
}

}  // namespace dartboard::driverkit
