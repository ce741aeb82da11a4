// sim/iokit/core_foundation/cf_collections.cpp - arrays and dictionaries.
//
// Of the callback structures only two are honoured: the kCFType ones (values are CoreFoundation objects: retained,
// compared with CFEqual) and NULL (bare pointers). A caller's own callbacks are treated as the former.
#include <algorithm>

#include "sim/iokit/core_foundation/cf_object.h"

using dartboard::iokit::cf_cast;
using dartboard::iokit::CfType;

__CFArray::~__CFArray() {
  if (!retains) return;
  for (const void* value : values) CFRelease(value);
}

__CFDictionary::~__CFDictionary() {
  for (const auto& [key, value] : entries) {
    if (retains_keys) CFRelease(key);
    if (retains_values) CFRelease(value);
  }
}

namespace {

__CFArray* array(CFTypeRef reference) { return cf_cast<__CFArray>(reference, CfType::kArray); }
__CFDictionary* dictionary(CFTypeRef reference) { return cf_cast<__CFDictionary>(reference, CfType::kDictionary); }

auto find(__CFDictionary& d, const void* key) {
  return std::find_if(d.entries.begin(), d.entries.end(), [&](const auto& entry) {
    return entry.first == key || (d.retains_keys && CFEqual(entry.first, key));
  });
}

const void* retain_value(CFAllocatorRef, const void* value) { return CFRetain(value); }
void release_value(CFAllocatorRef, const void* value) { CFRelease(value); }

}  // namespace

extern "C" {

const CFArrayCallBacks kCFTypeArrayCallBacks = {0, retain_value, release_value, nullptr, CFEqual};
const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks = {0, retain_value, release_value, nullptr, CFEqual,
                                                                CFHash};
const CFDictionaryKeyCallBacks kCFCopyStringDictionaryKeyCallBacks = {0,       retain_value, release_value,
                                                                      nullptr, CFEqual,      CFHash};
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks = {0, retain_value, release_value, nullptr, CFEqual};

CFTypeID CFArrayGetTypeID(void) { return static_cast<CFTypeID>(CfType::kArray); }

CFArrayRef CFArrayCreate(CFAllocatorRef allocator, const void** values, CFIndex numValues,
                         const CFArrayCallBacks* callBacks) {
  if (numValues < 0 || (values == nullptr && numValues != 0)) return nullptr;
  CFMutableArrayRef created = CFArrayCreateMutable(allocator, numValues, callBacks);
  for (CFIndex i = 0; i < numValues; ++i) CFArrayAppendValue(created, values[i]);
  return created;
}

CFMutableArrayRef CFArrayCreateMutable(CFAllocatorRef, CFIndex, const CFArrayCallBacks* callBacks) {
  return new __CFArray(callBacks != nullptr && callBacks->retain != nullptr);
}

CFIndex CFArrayGetCount(CFArrayRef theArray) {
  const __CFArray* a = array(theArray);
  return a != nullptr ? static_cast<CFIndex>(a->values.size()) : 0;
}

const void* CFArrayGetValueAtIndex(CFArrayRef theArray, CFIndex idx) {
  const __CFArray* a = array(theArray);
  if (a == nullptr || idx < 0 || static_cast<size_t>(idx) >= a->values.size()) return nullptr;
  return a->values[static_cast<size_t>(idx)];
}

void CFArrayAppendValue(CFMutableArrayRef theArray, const void* value) {
  __CFArray* a = array(theArray);
  if (a == nullptr) return;
  if (a->retains) CFRetain(value);
  a->values.push_back(value);
}

void CFArrayRemoveValueAtIndex(CFMutableArrayRef theArray, CFIndex idx) {
  __CFArray* a = array(theArray);
  if (a == nullptr || idx < 0 || static_cast<size_t>(idx) >= a->values.size()) return;
  const void* value = a->values[static_cast<size_t>(idx)];
  a->values.erase(a->values.begin() + idx);
  if (a->retains) CFRelease(value);
}

void CFArrayRemoveAllValues(CFMutableArrayRef theArray) {
  while (CFArrayGetCount(theArray) != 0) CFArrayRemoveValueAtIndex(theArray, CFArrayGetCount(theArray) - 1);
}

CFTypeID CFDictionaryGetTypeID(void) { return static_cast<CFTypeID>(CfType::kDictionary); }

CFDictionaryRef CFDictionaryCreate(CFAllocatorRef allocator, const void** keys, const void** values, CFIndex numValues,
                                   const CFDictionaryKeyCallBacks* keyCallBacks,
                                   const CFDictionaryValueCallBacks* valueCallBacks) {
  if (numValues < 0 || (numValues != 0 && (keys == nullptr || values == nullptr))) return nullptr;
  CFMutableDictionaryRef created = CFDictionaryCreateMutable(allocator, numValues, keyCallBacks, valueCallBacks);
  for (CFIndex i = 0; i < numValues; ++i) CFDictionaryAddValue(created, keys[i], values[i]);
  return created;
}

CFMutableDictionaryRef CFDictionaryCreateMutable(CFAllocatorRef, CFIndex, const CFDictionaryKeyCallBacks* keyCallBacks,
                                                 const CFDictionaryValueCallBacks* valueCallBacks) {
  return new __CFDictionary(keyCallBacks != nullptr && keyCallBacks->retain != nullptr,
                            valueCallBacks != nullptr && valueCallBacks->retain != nullptr);
}

CFMutableDictionaryRef CFDictionaryCreateMutableCopy(CFAllocatorRef, CFIndex, CFDictionaryRef theDict) {
  const __CFDictionary* source = dictionary(theDict);
  if (source == nullptr) return nullptr;
  auto* copy = new __CFDictionary(source->retains_keys, source->retains_values);
  for (const auto& [key, value] : source->entries) CFDictionaryAddValue(copy, key, value);
  return copy;
}

CFIndex CFDictionaryGetCount(CFDictionaryRef theDict) {
  const __CFDictionary* d = dictionary(theDict);
  return d != nullptr ? static_cast<CFIndex>(d->entries.size()) : 0;
}

Boolean CFDictionaryContainsKey(CFDictionaryRef theDict, const void* key) {
  return CFDictionaryGetValueIfPresent(theDict, key, nullptr);
}

const void* CFDictionaryGetValue(CFDictionaryRef theDict, const void* key) {
  const void* value = nullptr;
  return CFDictionaryGetValueIfPresent(theDict, key, &value) ? value : nullptr;
}

Boolean CFDictionaryGetValueIfPresent(CFDictionaryRef theDict, const void* key, const void** value) {
  __CFDictionary* d = dictionary(theDict);
  if (d == nullptr) return false;
  const auto found = find(*d, key);
  if (found == d->entries.end()) return false;
  if (value != nullptr) *value = found->second;
  return true;
}

void CFDictionaryGetKeysAndValues(CFDictionaryRef theDict, const void** keys, const void** values) {
  const __CFDictionary* d = dictionary(theDict);
  if (d == nullptr) return;
  for (size_t i = 0; i < d->entries.size(); ++i) {
    if (keys != nullptr) keys[i] = d->entries[i].first;
    if (values != nullptr) values[i] = d->entries[i].second;
  }
}

void CFDictionaryApplyFunction(CFDictionaryRef theDict, CFDictionaryApplierFunction applier, void* context) {
  const __CFDictionary* d = dictionary(theDict);
  if (d == nullptr || applier == nullptr) return;
  for (const auto& [key, value] : d->entries) applier(key, value, context);
}

void CFDictionaryAddValue(CFMutableDictionaryRef theDict, const void* key, const void* value) {
  if (!CFDictionaryContainsKey(theDict, key)) CFDictionarySetValue(theDict, key, value);
}

void CFDictionarySetValue(CFMutableDictionaryRef theDict, const void* key, const void* value) {
  __CFDictionary* d = dictionary(theDict);
  if (d == nullptr) return;
  if (d->retains_values) CFRetain(value);
  const auto found = find(*d, key);
  if (found == d->entries.end()) {
    if (d->retains_keys) CFRetain(key);
    d->entries.emplace_back(key, value);
    return;
  }
  const void* const old = found->second;
  found->second = value;
  if (d->retains_values) CFRelease(old);
}

void CFDictionaryRemoveValue(CFMutableDictionaryRef theDict, const void* key) {
  __CFDictionary* d = dictionary(theDict);
  if (d == nullptr) return;
  const auto found = find(*d, key);
  if (found == d->entries.end()) return;
  const auto [old_key, old_value] = *found;
  d->entries.erase(found);
  if (d->retains_keys) CFRelease(old_key);
  if (d->retains_values) CFRelease(old_value);
}

void CFDictionaryRemoveAllValues(CFMutableDictionaryRef theDict) {
  __CFDictionary* d = dictionary(theDict);
  if (d == nullptr) return;
  while (!d->entries.empty()) {
    const void* key = d->entries.back().first;
    CFDictionaryRemoveValue(theDict, key);
  }
}

}  // extern "C"
