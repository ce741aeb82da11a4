// sim/iokit/core_foundation/cf_string.cpp - strings, kept as UTF-8; lengths are in UTF-16 units as on a Mac.
#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "sim/iokit/core_foundation/cf_object.h"

using dartboard::iokit::cf_cast;
using dartboard::iokit::CfType;

namespace {

const __CFString* string(CFStringRef reference) { return cf_cast<__CFString>(reference, CfType::kString); }

/// Length in UTF-16 units, or -1 if the bytes are not text in the encoding.
CFIndex utf16_length(std::string_view text, CFStringEncoding encoding) {
  CFIndex units = 0;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    unsigned tail = 0;
    if (lead < 0x80) {
      tail = 0;
    } else if (encoding != kCFStringEncodingUTF8) {
      return -1;   // only the common subset of the other encodings is kept
    } else if (lead >= 0xc2 && lead < 0xe0) {
      tail = 1;
    } else if (lead >= 0xe0 && lead < 0xf0) {
      tail = 2;
    } else if (lead >= 0xf0 && lead < 0xf5) {
      tail = 3;
    } else {
      return -1;
    }
    if (text.size() - i <= tail) return -1;
    uint32_t code = tail == 0 ? lead : lead & (0x3fu >> tail);
    for (unsigned k = 1; k <= tail; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xc0) != 0x80) return -1;
      code = (code << 6) | (byte & 0x3fu);
    }
    const bool overlong = (tail == 2 && code < 0x800) || (tail == 3 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return -1;
    units += code >= 0x10000 ? 2 : 1;
    i += tail + 1;
  }
  return units;
}

bool known_encoding(CFStringEncoding encoding) {
  return encoding == kCFStringEncodingUTF8 || encoding == kCFStringEncodingASCII ||
         encoding == kCFStringEncodingMacRoman;
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace

extern "C" {

CFTypeID CFStringGetTypeID(void) { return static_cast<CFTypeID>(CfType::kString); }

CFStringRef CFStringCreateWithCString(CFAllocatorRef alloc, const char* cStr, CFStringEncoding encoding) {
  if (cStr == nullptr) return nullptr;
  return CFStringCreateWithBytes(alloc, reinterpret_cast<const UInt8*>(cStr), static_cast<CFIndex>(std::strlen(cStr)),
                                 encoding, false);
}

CFStringRef CFStringCreateWithBytes(CFAllocatorRef, const UInt8* bytes, CFIndex numBytes, CFStringEncoding encoding,
                                    Boolean) {
  if (numBytes < 0 || (bytes == nullptr && numBytes != 0) || !known_encoding(encoding)) return nullptr;
  std::string text(reinterpret_cast<const char*>(bytes), static_cast<size_t>(numBytes));
  if (utf16_length(text, encoding) < 0) return nullptr;
  return new __CFString(std::move(text));
}

CFStringRef CFStringCreateCopy(CFAllocatorRef, CFStringRef theString) {
  return static_cast<CFStringRef>(CFRetain(theString));   // immutable: a copy is the same object
}

CFIndex CFStringGetLength(CFStringRef theString) {
  const __CFString* s = string(theString);
  return s != nullptr ? utf16_length(s->text, kCFStringEncodingUTF8) : 0;
}

CFIndex CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding) {
  return encoding == kCFStringEncodingUTF8 ? length * 3 : length;
}

Boolean CFStringGetCString(CFStringRef theString, char* buffer, CFIndex bufferSize, CFStringEncoding encoding) {
  const __CFString* s = string(theString);
  if (s == nullptr || buffer == nullptr || bufferSize <= 0 || !known_encoding(encoding)) return false;
  if (encoding != kCFStringEncodingUTF8 && !is_ascii(s->text)) return false;
  if (s->text.size() >= static_cast<size_t>(bufferSize)) return false;
  std::memcpy(buffer, s->text.c_str(), s->text.size() + 1);
  return true;
}

const char* CFStringGetCStringPtr(CFStringRef theString, CFStringEncoding encoding) {
  const __CFString* s = string(theString);
  if (s == nullptr || !known_encoding(encoding)) return nullptr;
  return encoding == kCFStringEncodingUTF8 || is_ascii(s->text) ? s->text.c_str() : nullptr;
}

CFComparisonResult CFStringCompare(CFStringRef theString1, CFStringRef theString2,
                                   CFStringCompareFlags compareOptions) {
  const __CFString* a = string(theString1);
  const __CFString* b = string(theString2);
  if (a == nullptr || b == nullptr) {
    return a == b ? kCFCompareEqualTo : (a == nullptr ? kCFCompareLessThan : kCFCompareGreaterThan);
  }
  std::string left = a->text, right = b->text;
  if ((compareOptions & kCFCompareCaseInsensitive) != 0) {
    for (std::string* text : {&left, &right}) {
      for (char& c : *text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      }
    }
  }
  const int order = left.compare(right);
  return order < 0 ? kCFCompareLessThan : (order > 0 ? kCFCompareGreaterThan : kCFCompareEqualTo);
}

Boolean CFStringHasPrefix(CFStringRef theString, CFStringRef prefix) {
  const __CFString* s = string(theString);
  const __CFString* p = string(prefix);
  return s != nullptr && p != nullptr && s->text.compare(0, p->text.size(), p->text) == 0;
}

CFStringRef __CFStringMakeConstantString(const char* cStr) {
  // By text, for the life of the process. Bounded by the literals in the program.
  static auto* const constants = new std::map<std::string, std::unique_ptr<__CFString>, std::less<>>;
  if (cStr == nullptr) return nullptr;
  auto found = constants->find(std::string_view(cStr));
  if (found == constants->end()) {
    found = constants->emplace(cStr, std::make_unique<__CFString>(cStr, true)).first;
  }
  return found->second.get();
}

}  // extern "C"
