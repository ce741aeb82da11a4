// backend/call_error.h - what a failed client call becomes for the caller of the backend.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/io_return.h"

namespace dartboard::backend {

/// True for the codes that IOKit answers once the device, the dext or the connection is away.
bool means_gone(io_return::Code code);
/// The same for an Error: by its name or by the code behind it.
bool means_gone(const Error& error);

/// `cause` with `doing` put in front of its sentence, and renamed if `name` is given; an error that says the device
/// is away is always kDeviceGone.
Error because(std::string_view doing, const Error& cause, std::optional<ErrorName> name = std::nullopt);

/// The Error for a plain code (the client's hot path has no sentences).
Error from_code(std::string_view doing, io_return::Code code);

/// "the device is gone ..." for operations that cannot be answered with all-ones.
Error device_gone(std::string_view doing);

}  // namespace dartboard::backend
