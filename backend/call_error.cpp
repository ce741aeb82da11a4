// backend/call_error.cpp
#include "backend/call_error.h"

#include <fmt/format.h>

#include "base/format.h"

namespace dartboard::backend {

namespace {
// mach/message.h MACH_SEND_INVALID_DEST: the user client's port died with its service.
constexpr io_return::Code kMachSendInvalidDest = 0x10000003;
}  // namespace

bool means_gone(io_return::Code code) {
  return code == io_return::kNoDevice || code == io_return::kNotAttached || code == io_return::kOffline ||
         code == kMachSendInvalidDest;
}

bool means_gone(const Error& error) {
  return error.name == ErrorName::kDeviceGone || means_gone(error.io_return);
}

Error because(std::string_view doing, const Error& cause, std::optional<ErrorName> name) {
  ErrorName chosen = name.value_or(cause.name);
  if (means_gone(cause)) chosen = ErrorName::kDeviceGone;
  return Error{chosen, cause.io_return, compiled_text(FMT_COMPILE("{}: {}"), doing, cause.sentence)};
}

Error from_code(std::string_view doing, io_return::Code code) {
  if (means_gone(code)) {
    Error error = device_gone(doing);
    error.io_return = code;
    return error;
  }
  return Error{
      ErrorName::kCallFailed, code,
      compiled_text(FMT_COMPILE("{}: the dext answered {} ({:#010x}); see `dartboard inspect` for the device's state"),
                    doing, io_return::name(code), code)};
}

Error device_gone(std::string_view doing) {
  return Error{
      ErrorName::kDeviceGone, io_return::kNoDevice,
      compiled_text(
          FMT_COMPILE("{}: the device is gone (unplugged, or its dext stopped); plug it in and open it again"), doing)};
}

}  // namespace dartboard::backend
