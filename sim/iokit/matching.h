// sim/iokit/matching.h - matching dictionaries: which services a client means.
//
// Keys as IOService::matchInternal knows them (xnu IOService.cpp): all present keys must hold, unknown keys say
// nothing. Only services that are registered and not terminated match.
#pragma once

#include <vector>

#include "sim/macos/kernel.h"
#include "sim/macos/registry.h"

namespace dartboard::iokit {

bool matches(const macos::PropertyDictionary& matching, macos::Service& service);

/// Every service that matches, in registry order (depth first).
std::vector<macos::Ref<macos::Service>> find_matching(macos::Kernel& kernel,
                                                      const macos::PropertyDictionary& matching);

}  // namespace dartboard::iokit
