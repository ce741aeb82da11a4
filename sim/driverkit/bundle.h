// sim/driverkit/bundle.h - a dext's Info.plist as constant data.
//
// bundle/plist2cpp.py reads the Info.plist when the dext is built (Python's plistlib knows the whole format, and a
// mistake is a build error) and writes these tables; matching at run time then costs no parsing and no allocation.
// Plain C++ without other rooms' headers: the tables are compiled with the dext's own flags.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string_view>

namespace dartboard::driverkit {

struct PlistValue {
  enum Kind : uint8_t { kString, kInteger, kBoolean, kData, kArray, kDictionary };
  const char* key;  ///< in a dictionary
  Kind kind;
  std::string_view text;       ///< kString, kData
  uint64_t number;             ///< kInteger, kBoolean
  const PlistValue* children;  ///< kArray, kDictionary
  size_t count;

  /// The dictionary's value for `name`, or null.
  const PlistValue* find(std::string_view name) const {
    for (size_t i = 0; i < count; ++i) {
      if (children[i].key != nullptr && name == children[i].key) return &children[i];
    }
    return nullptr;
  }
  std::string_view string(std::string_view name) const {
    const PlistValue* value = find(name);
    return value != nullptr && value->kind == kString ? value->text : std::string_view();
  }
  bool boolean(std::string_view name) const {
    const PlistValue* value = find(name);
    return value != nullptr && value->kind == kBoolean && value->number != 0;
  }
};

/// A linked dext. Registers itself before main.
class Bundle {
 public:
  Bundle(const char* identifier, const PlistValue& personalities);
  const char* identifier() const { return identifier_; }
  const PlistValue& personalities() const { return personalities_; }
  bool enabled = true;
  Bundle* next() const { return next_; }
  /// Linked dexts by bundle identifier, so that nothing depends on the order of static constructors.
  static Bundle* first();

 private:
  const char* identifier_;
  const PlistValue& personalities_;
  Bundle* next_ = nullptr;
};

}  // namespace dartboard::driverkit
