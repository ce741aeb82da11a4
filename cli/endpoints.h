// cli/endpoints.h - the device in the slot of a simulated Mac, by name: the test or RTL endpoint, or a script.
//
//   test                 the test endpoint (model/endpoint/test.h)
//   rtl, rtl:FILE.vcd    the RTL endpoint (model/endpoint/rtl), and with its waves
//   edu, nvme, ...       a script that ships
//   script:FILE.lua      a script from a file
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "model/device.h"

namespace dartboard::cli {

inline constexpr const char* kTestEndpoint = "test";
inline constexpr const char* kRtlEndpoint = "rtl";
inline constexpr const char* kDefaultStorage = "64M";

/// The notation of `device` with its waves in `file`; `device` itself if `file` is empty. kBadArgument: it has no waves.
Result<std::string> with_waves(const std::string& device, const std::string& file);

/// `storage`: what the script's storage is (model/endpoint/script/storage.h), empty for kDefaultStorage.
/// Script errors and dev.log() go to standard error. kNotFound, kFileUnreadable, kBadArgument, kScriptInvalid.
Result<std::unique_ptr<model::PcieDevice>> make_endpoint(const std::string& notation, const std::string& storage);

}  // namespace dartboard::cli
