// sim/iokit/core_foundation/cf_object.h - what is behind the opaque CoreFoundation references.
//
// The reference-counting rules are CoreFoundation's: Create and Copy give a reference, Get does not, collections made
// with the kCFType callbacks retain what they hold. Counting is not atomic: one thread by design.
#pragma once

#include <CoreFoundation/CoreFoundation.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dartboard::iokit {

/// Type ids are small constants here; programs may only compare them.
enum class CfType : CFTypeID { kAllocator = 2, kString = 7, kData = 20, kNumber = 22, kBoolean = 21, kArray = 19,
                               kDictionary = 18, kRunLoop = 40, kRunLoopSource = 41 };

struct CfObject {
  explicit CfObject(CfType object_type, bool is_immortal = false) : type(object_type), immortal(is_immortal) {}
  CfObject(const CfObject&) = delete;
  CfObject& operator=(const CfObject&) = delete;
  virtual ~CfObject() = default;

  CfType type;
  bool immortal;
  CFIndex references = 1;
};

inline CfObject* cf_object(CFTypeRef reference) {
  return const_cast<CfObject*>(static_cast<const CfObject*>(reference));
}

/// The object if it is of the type asked for, else null: a wrong reference is an answer, not a crash.
template <class T>
T* cf_cast(CFTypeRef reference, CfType type) {
  CfObject* const object = cf_object(reference);
  return object != nullptr && object->type == type ? static_cast<T*>(object) : nullptr;
}

/// A CFTypeRef that points at the CfObject base, whatever the class layout.
inline CFTypeRef cf_reference(const CfObject* object) { return object; }

}  // namespace dartboard::iokit

// The names are CoreFoundation's: the opaque struct tags of its public headers.
struct __CFString final : dartboard::iokit::CfObject {
  explicit __CFString(std::string utf8, bool is_immortal = false)
      : CfObject(dartboard::iokit::CfType::kString, is_immortal), text(std::move(utf8)) {}
  std::string text;
};

struct __CFData final : dartboard::iokit::CfObject {
  __CFData() : CfObject(dartboard::iokit::CfType::kData) {}
  std::vector<uint8_t> bytes;
};

struct __CFNumber final : dartboard::iokit::CfObject {
  explicit __CFNumber(CFNumberType number_type) : CfObject(dartboard::iokit::CfType::kNumber), type_code(number_type) {}
  CFNumberType type_code;      ///< one of kCFNumberSInt8Type .. kCFNumberFloat64Type
  int64_t integer = 0;
  double real = 0;
};

struct __CFBoolean final : dartboard::iokit::CfObject {
  explicit __CFBoolean(bool truth) : CfObject(dartboard::iokit::CfType::kBoolean, true), value(truth) {}
  bool value;
};

struct __CFArray final : dartboard::iokit::CfObject {
  explicit __CFArray(bool retains_values) : CfObject(dartboard::iokit::CfType::kArray), retains(retains_values) {}
  ~__CFArray() override;
  bool retains;
  std::vector<const void*> values;
};

struct __CFDictionary final : dartboard::iokit::CfObject {
  __CFDictionary(bool retain_keys, bool retain_values)
      : CfObject(dartboard::iokit::CfType::kDictionary), retains_keys(retain_keys), retains_values(retain_values) {}
  ~__CFDictionary() override;
  bool retains_keys, retains_values;
  /// In order of insertion: dictionaries are small, and walking them must be the same in every run.
  std::vector<std::pair<const void*, const void*>> entries;
};

struct __CFAllocator final : dartboard::iokit::CfObject {
  __CFAllocator() : CfObject(dartboard::iokit::CfType::kAllocator, true) {}
};
