// sim/dtc.h - runs the device tree compiler on a user's profile source.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"

namespace dartboard::sim {

/// Compiles `path` with dtc from PATH. kNotFound: dtc is not installed; kProfileInvalid: dtc's own first message.
Result<std::vector<std::byte>> compile_device_tree(const std::string& path);

}  // namespace dartboard::sim
