// sim/iokit/core_foundation/cf_base.cpp - reference counting, type ids, equality.
#include <cstdio>
#include <string>

#include "sim/iokit/core_foundation/cf_object.h"

using dartboard::iokit::cf_object;
using dartboard::iokit::CfObject;
using dartboard::iokit::CfType;

namespace {
const __CFAllocator kAllocator;

CFHashCode hash_bytes(const void* data, size_t size) {   // FNV-1a: the same in every process
  uint64_t hash = 0xcbf29ce484222325ull;
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3ull;
  return static_cast<CFHashCode>(hash);
}

bool equal_arrays(const __CFArray& a, const __CFArray& b) {
  if (a.values.size() != b.values.size()) return false;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const bool same = a.retains && b.retains ? CFEqual(a.values[i], b.values[i]) != 0 : a.values[i] == b.values[i];
    if (!same) return false;
  }
  return true;
}

bool equal_dictionaries(const __CFDictionary& a, const __CFDictionary& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const void* other = nullptr;
    if (!CFDictionaryGetValueIfPresent(&b, key, &other)) return false;
    const bool same = a.retains_values && b.retains_values ? CFEqual(value, other) != 0 : value == other;
    if (!same) return false;
  }
  return true;
}

void describe(CFTypeRef reference, std::string& text) {
  const CfObject* object = cf_object(reference);
  if (object == nullptr) {
    text += "(null)";
    return;
  }
  switch (object->type) {
    case CfType::kString: text += static_cast<const __CFString*>(object)->text; break;
    case CfType::kBoolean: text += static_cast<const __CFBoolean*>(object)->value ? "true" : "false"; break;
    case CfType::kNumber: {
      const auto* number = static_cast<const __CFNumber*>(object);
      text += CFNumberIsFloatType(number) ? std::to_string(number->real) : std::to_string(number->integer);
      break;
    }
    case CfType::kData:
      text += "<" + std::to_string(static_cast<const __CFData*>(object)->bytes.size()) + " bytes>";
      break;
    case CfType::kArray: {
      const auto* array = static_cast<const __CFArray*>(object);
      text += "(";
      for (const void* value : array->values) {
        if (array->retains) describe(value, text);
        text += ";";
      }
      text += ")";
      break;
    }
    case CfType::kDictionary: {
      const auto* dictionary = static_cast<const __CFDictionary*>(object);
      text += "{";
      for (const auto& [key, value] : dictionary->entries) {
        if (dictionary->retains_keys) describe(key, text);
        text += " = ";
        if (dictionary->retains_values) describe(value, text);
        text += ";";
      }
      text += "}";
      break;
    }
    default: text += "<object>"; break;
  }
}

}  // namespace

extern "C" {

const CFAllocatorRef kCFAllocatorDefault = nullptr;
const CFAllocatorRef kCFAllocatorSystemDefault = &kAllocator;
const CFAllocatorRef kCFAllocatorMalloc = &kAllocator;
const CFAllocatorRef kCFAllocatorNull = &kAllocator;

CFTypeRef CFRetain(CFTypeRef cf) {
  if (CfObject* object = cf_object(cf); object != nullptr && !object->immortal) ++object->references;
  return cf;
}

void CFRelease(CFTypeRef cf) {
  CfObject* const object = cf_object(cf);
  if (object == nullptr || object->immortal) return;   // NULL traps on a Mac; here it must not take the process down
  if (--object->references == 0) delete object;
}

CFTypeID CFGetTypeID(CFTypeRef cf) { return cf != nullptr ? static_cast<CFTypeID>(cf_object(cf)->type) : 0; }

CFIndex CFGetRetainCount(CFTypeRef cf) { return cf != nullptr ? cf_object(cf)->references : 0; }

Boolean CFEqual(CFTypeRef cf1, CFTypeRef cf2) {
  if (cf1 == cf2) return true;
  const CfObject* a = cf_object(cf1);
  const CfObject* b = cf_object(cf2);
  if (a == nullptr || b == nullptr || a->type != b->type) return false;
  switch (a->type) {
    case CfType::kString: return static_cast<const __CFString*>(a)->text == static_cast<const __CFString*>(b)->text;
    case CfType::kData: return static_cast<const __CFData*>(a)->bytes == static_cast<const __CFData*>(b)->bytes;
    case CfType::kNumber: {
      const auto* x = static_cast<const __CFNumber*>(a);
      const auto* y = static_cast<const __CFNumber*>(b);
      const bool x_real = CFNumberIsFloatType(x), y_real = CFNumberIsFloatType(y);
      if (!x_real && !y_real) return x->integer == y->integer;
      const double left = x_real ? x->real : static_cast<double>(x->integer);
      const double right = y_real ? y->real : static_cast<double>(y->integer);
      return !(left < right) && !(right < left);
    }
    case CfType::kArray: return equal_arrays(*static_cast<const __CFArray*>(a), *static_cast<const __CFArray*>(b));
    case CfType::kDictionary:
      return equal_dictionaries(*static_cast<const __CFDictionary*>(a), *static_cast<const __CFDictionary*>(b));
    default: return false;   // the rest is equal only to itself
  }
}

CFHashCode CFHash(CFTypeRef cf) {
  const CfObject* object = cf_object(cf);
  if (object == nullptr) return 0;
  switch (object->type) {
    case CfType::kString: {
      const std::string& text = static_cast<const __CFString*>(object)->text;
      return hash_bytes(text.data(), text.size());
    }
    case CfType::kData: {
      const std::vector<uint8_t>& bytes = static_cast<const __CFData*>(object)->bytes;
      return hash_bytes(bytes.data(), bytes.size());
    }
    case CfType::kBoolean: return static_cast<const __CFBoolean*>(object)->value ? 1 : 0;
    case CfType::kNumber: {
      const auto* number = static_cast<const __CFNumber*>(object);
      return static_cast<CFHashCode>(CFNumberIsFloatType(number) ? static_cast<int64_t>(number->real)
                                                                 : number->integer);
    }
    case CfType::kArray: return static_cast<const __CFArray*>(object)->values.size();
    case CfType::kDictionary: return static_cast<const __CFDictionary*>(object)->entries.size();
    default: return static_cast<CFHashCode>(object->type);
  }
}

void CFShow(CFTypeRef obj) {
  std::string text;
  describe(obj, text);
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // extern "C"
