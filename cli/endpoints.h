// cli/endpoints.h - the device in the slot of a simulated Mac, by name: the test endpoint or a script.
//
//   test                 the test endpoint (model/endpoint/test.h)
//   edu, nvme, ...       a script that ships
//   script:FILE.lua      a script from a file
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "model/device.h"

namespace dartboard::cli {

inline constexpr const char* kTestEndpoint = "test";
inline constexpr const char* kDefaultStorage = "64M";

/// `storage`: what the script's storage is (model/endpoint/script/storage.h), empty for kDefaultStorage.
/// Script errors and dev.log() go to standard error. kNotFound, kFileUnreadable, kBadArgument, kScriptInvalid.
Result<std::unique_ptr<model::PcieDevice>> make_endpoint(const std::string& notation, const std::string& storage);

}  // namespace dartboard::cli
