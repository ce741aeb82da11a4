// base/error.h - what an operating error is: a name a program can switch on, the kIOReturn behind it (if any),
// and one sentence a person can act on (what happened, where, what was expected, what to do).
//
// Programmer errors are not here: they are assertions. See CONTRIBUTING.md, "Two kinds of wrong".
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

#include "base/io_return.h"

namespace dartboard {

enum class ErrorName : uint8_t {
  kBadArgument,        ///< a value outside what the call accepts
  kOutOfRange,         ///< offset or length outside the region, BAR, buffer or window
  kNotSupported,       ///< the device, profile or platform cannot do this
  kNotFound,           ///< no such device, region, profile, file or id
  kBusy,               ///< somebody else holds it, or it is already set up
  kNotClaimed,         ///< the device was not claimed first
  kDeviceGone,         ///< unplugged, terminated or link down
  kResetFailed,        ///< every rung of the reset ladder failed
  kBudgetBytes,        ///< the mapped-bytes budget would be exceeded; refused before the mapper was asked
  kBudgetMappings,     ///< the mapping-count budget would be exceeded; refused before the mapper was asked
  kMapperFailed,       ///< the mapper or the dext refused a mapping that the budgets allowed
  kCallFailed,         ///< a user-client call failed; io_return says how
  kScriptInvalid,      ///< a device script does not compile, fails, or declares what cannot be
  kProfileInvalid,     ///< a profile misses a property or contradicts itself
  kTreeConflict,       ///< a guest's device tree contradicts what should be added to it
  kFileUnreadable,     ///< missing file, or the system refused to read it
  kFileCorrupt,        ///< truncated, damaged, or not the format it claims to be
  kPlacement,          ///< a page could not be placed where the recording had it
  kWrongPlatform,      ///< asked for a real dext where there is no IOKit
  kHostPanic,          ///< the simulated Mac panicked; the run is over
  kInternal,           ///< a bug in dartboard that was caught and reported
};

/// Stable lower-case name for logs and JSON ("budget-bytes").
std::string_view to_string(ErrorName name);

struct Error {
  ErrorName name = ErrorName::kInternal;
  io_return::Code io_return = io_return::kSuccess;  ///< kSuccess when no IOKit call was involved
  std::string sentence;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorName name, std::string sentence, io_return::Code code = io_return::kSuccess) {
  return tl::unexpected<Error>(Error{name, code, std::move(sentence)});
}

}  // namespace dartboard
