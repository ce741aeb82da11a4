// sim/driverkit/properties.h - registry properties as DriverKit objects and back.
#pragma once

#include <DriverKit/OSCollections.h>

#include "sim/macos/registry.h"

namespace dartboard::driverkit {

/// New objects; the reference is the caller's.
OSContainer* to_container(const macos::Property& property);
OSDictionary* to_dictionary(const macos::PropertyDictionary& properties);
/// Objects of classes that properties cannot hold become an empty string.
macos::Property from_object(const OSObject* object);

}  // namespace dartboard::driverkit
