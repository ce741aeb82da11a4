// sim/iokit/properties.cpp - see properties.h.
#include "sim/iokit/properties.h"

#include <algorithm>

#include "sim/iokit/core_foundation/cf_object.h"

namespace dartboard::iokit {
namespace {

using macos::Property;
using macos::PropertyArray;
using macos::PropertyData;
using macos::PropertyDictionary;
using macos::PropertyNumber;

uint64_t masked(const PropertyNumber& number) {
  return number.bits >= 64 ? number.value : number.value & ((uint64_t{1} << number.bits) - 1);
}

struct Creator {
  CFTypeRef operator()(bool value) const { return value ? kCFBooleanTrue : kCFBooleanFalse; }
  CFTypeRef operator()(const PropertyNumber& number) const {
    const auto wide = static_cast<int64_t>(masked(number));
    const auto narrow = static_cast<int32_t>(wide);
    return number.bits > 32 ? CFNumberCreate(nullptr, kCFNumberSInt64Type, &wide)
                            : CFNumberCreate(nullptr, kCFNumberSInt32Type, &narrow);
  }
  CFTypeRef operator()(const std::string& text) const { return new __CFString(text); }
  CFTypeRef operator()(const PropertyData& data) const {
    return CFDataCreate(nullptr, data.data(), static_cast<CFIndex>(data.size()));
  }
  CFTypeRef operator()(const PropertyArray& array) const {
    CFMutableArrayRef created = CFArrayCreateMutable(nullptr, 0, &kCFTypeArrayCallBacks);
    for (const Property& element : array) {
      CFTypeRef value = create_cf(element);
      CFArrayAppendValue(created, value);
      CFRelease(value);
    }
    return created;
  }
  CFTypeRef operator()(const PropertyDictionary& dictionary) const { return create_cf(dictionary); }
};

Property to_property(CFTypeRef reference, unsigned depth) {
  const CfObject* const object = cf_object(reference);
  if (object == nullptr || depth == 0) return {false};
  switch (object->type) {
    case CfType::kBoolean: return {static_cast<const __CFBoolean*>(object)->value};
    case CfType::kNumber: {
      int64_t value = 0;
      const auto* number = static_cast<const __CFNumber*>(object);
      CFNumberGetValue(number, kCFNumberSInt64Type, &value);
      return {PropertyNumber{static_cast<uint64_t>(value), static_cast<unsigned>(8 * CFNumberGetByteSize(number))}};
    }
    case CfType::kString: return {static_cast<const __CFString*>(object)->text};
    case CfType::kData: return {static_cast<const __CFData*>(object)->bytes};
    case CfType::kArray: {
      const auto* array = static_cast<const __CFArray*>(object);
      PropertyArray out;
      if (array->retains) {
        for (const void* value : array->values) out.push_back(to_property(value, depth - 1));
      }
      return {std::move(out)};
    }
    case CfType::kDictionary: {
      const auto* dictionary = static_cast<const __CFDictionary*>(object);
      PropertyDictionary out;
      if (dictionary->retains_keys && dictionary->retains_values) {
        for (const auto& [key, value] : dictionary->entries) {
          const auto* name = cf_cast<__CFString>(key, CfType::kString);
          if (name != nullptr) out.insert_or_assign(name->text, to_property(value, depth - 1));
        }
      }
      return {std::move(out)};
    }
    default: return {false};
  }
}

}  // namespace

CFTypeRef create_cf(const Property& property) { return std::visit(Creator{}, property.value); }

CFMutableDictionaryRef create_cf(const PropertyDictionary& properties) {
  CFMutableDictionaryRef created =
      CFDictionaryCreateMutable(nullptr, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
  for (const auto& [name, property] : properties) {
    const auto* key = new __CFString(name);
    CFTypeRef value = create_cf(property);
    CFDictionarySetValue(created, key, value);
    CFRelease(key);
    CFRelease(value);
  }
  return created;
}

Property to_property(CFTypeRef object) { return to_property(object, kPropertyDepthMax); }

PropertyDictionary to_properties(CFDictionaryRef dictionary) {
  Property property = to_property(dictionary);
  auto* entries = std::get_if<PropertyDictionary>(&property.value);
  return entries != nullptr ? std::move(*entries) : PropertyDictionary{};
}

bool equal(const Property& a, const Property& b) {
  if (a.value.index() != b.value.index()) return false;
  if (const auto* x = std::get_if<PropertyNumber>(&a.value)) {
    return masked(*x) == masked(std::get<PropertyNumber>(b.value));
  }
  if (const auto* x = std::get_if<PropertyArray>(&a.value)) {
    const auto& y = std::get<PropertyArray>(b.value);
    return std::equal(x->begin(), x->end(), y.begin(), y.end(), equal);
  }
  if (const auto* x = std::get_if<PropertyDictionary>(&a.value)) {
    const auto& y = std::get<PropertyDictionary>(b.value);
    return std::equal(x->begin(), x->end(), y.begin(), y.end(),
                      [](const auto& p, const auto& q) { return p.first == q.first && equal(p.second, q.second); });
  }
  if (const auto* x = std::get_if<bool>(&a.value)) return *x == std::get<bool>(b.value);
  if (const auto* x = std::get_if<std::string>(&a.value)) return *x == std::get<std::string>(b.value);
  return std::get<PropertyData>(a.value) == std::get<PropertyData>(b.value);
}

}  // namespace dartboard::iokit
