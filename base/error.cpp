// base/error.cpp - the stable names of errors.
#include "base/error.h"

namespace dartboard {

std::string_view to_string(ErrorName name) {
  switch (name) {
    case ErrorName::kBadArgument: return "bad-argument";
    case ErrorName::kOutOfRange: return "out-of-range";
    case ErrorName::kNotSupported: return "not-supported";
    case ErrorName::kNotFound: return "not-found";
    case ErrorName::kBusy: return "busy";
    case ErrorName::kNotClaimed: return "not-claimed";
    case ErrorName::kDeviceGone: return "device-gone";
    case ErrorName::kResetFailed: return "reset-failed";
    case ErrorName::kBudgetBytes: return "budget-bytes";
    case ErrorName::kBudgetMappings: return "budget-mappings";
    case ErrorName::kMapperFailed: return "mapper-failed";
    case ErrorName::kCallFailed: return "call-failed";
    case ErrorName::kScriptInvalid: return "script-invalid";
    case ErrorName::kProfileInvalid: return "profile-invalid";
    case ErrorName::kTreeConflict: return "tree-conflict";
    case ErrorName::kFileUnreadable: return "file-unreadable";
    case ErrorName::kFileCorrupt: return "file-corrupt";
    case ErrorName::kPlacement: return "placement";
    case ErrorName::kWrongPlatform: return "wrong-platform";
    case ErrorName::kHostPanic: return "host-panic";
    case ErrorName::kInternal: return "internal";
  }
  return "internal";
}

}  // namespace dartboard
