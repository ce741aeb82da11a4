// sim/iokit/properties.h - registry properties as CoreFoundation objects, and back.
#pragma once

#include <CoreFoundation/CoreFoundation.h>

#include "sim/macos/registry.h"

namespace dartboard::iokit {

inline constexpr unsigned kPropertyDepthMax = 32;   ///< a dictionary nested deeper (or in itself) is cut off

/// A new object (the caller releases it). Numbers of up to 32 bits become SInt32 with the same bits, larger SInt64,
/// as IOCFUnserialize makes them.
CFTypeRef create_cf(const macos::Property& property);
CFMutableDictionaryRef create_cf(const macos::PropertyDictionary& properties);

/// Types without a counterpart become `false`; keys that are not strings are left out.
macos::Property to_property(CFTypeRef object);
macos::PropertyDictionary to_properties(CFDictionaryRef dictionary);

bool equal(const macos::Property& a, const macos::Property& b);

}  // namespace dartboard::iokit
