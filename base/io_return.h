// base/io_return.h - the kIOReturn codes by name, usable in rooms that may not include an Apple header.
//
// Values: xnu iokit/IOKit/IOReturn.h. A test holds these equal to the macros of <IOKit/IOReturn.h>.
#pragma once

#include <cstdint>
#include <string_view>

namespace dartboard::io_return {

using Code = uint32_t;

inline constexpr Code kSuccess = 0;
inline constexpr Code kError = 0xe00002bc;
inline constexpr Code kNoMemory = 0xe00002bd;
inline constexpr Code kNoResources = 0xe00002be;
inline constexpr Code kIPCError = 0xe00002bf;
inline constexpr Code kNoDevice = 0xe00002c0;
inline constexpr Code kNotPrivileged = 0xe00002c1;
inline constexpr Code kBadArgument = 0xe00002c2;
inline constexpr Code kExclusiveAccess = 0xe00002c5;
inline constexpr Code kUnsupported = 0xe00002c7;
inline constexpr Code kVMError = 0xe00002c8;
inline constexpr Code kInternalError = 0xe00002c9;
inline constexpr Code kIOError = 0xe00002ca;
inline constexpr Code kNotOpen = 0xe00002cd;
inline constexpr Code kNotAligned = 0xe00002d0;
inline constexpr Code kStillOpen = 0xe00002d2;
inline constexpr Code kDMAError = 0xe00002d4;
inline constexpr Code kBusy = 0xe00002d5;
inline constexpr Code kTimeout = 0xe00002d6;
inline constexpr Code kOffline = 0xe00002d7;
inline constexpr Code kNotReady = 0xe00002d8;
inline constexpr Code kNotAttached = 0xe00002d9;
inline constexpr Code kNoSpace = 0xe00002db;
inline constexpr Code kCannotWire = 0xe00002de;
inline constexpr Code kNoInterrupt = 0xe00002df;
inline constexpr Code kMessageTooLarge = 0xe00002e1;
inline constexpr Code kNotPermitted = 0xe00002e2;
inline constexpr Code kUnderrun = 0xe00002e7;
inline constexpr Code kOverrun = 0xe00002e8;
inline constexpr Code kDeviceError = 0xe00002e9;
inline constexpr Code kNoCompletion = 0xe00002ea;
inline constexpr Code kAborted = 0xe00002eb;
inline constexpr Code kNotResponding = 0xe00002ed;
inline constexpr Code kNotFound = 0xe00002f0;
inline constexpr Code kInvalid = 0xe0000001;

/// The Apple name of a code ("kIOReturnNotOpen"), or "kern_return_t" for a value outside the table.
constexpr std::string_view name(Code code) {
  switch (code) {
    case kSuccess: return "kIOReturnSuccess";
    case kError: return "kIOReturnError";
    case kNoMemory: return "kIOReturnNoMemory";
    case kNoResources: return "kIOReturnNoResources";
    case kIPCError: return "kIOReturnIPCError";
    case kNoDevice: return "kIOReturnNoDevice";
    case kNotPrivileged: return "kIOReturnNotPrivileged";
    case kBadArgument: return "kIOReturnBadArgument";
    case kExclusiveAccess: return "kIOReturnExclusiveAccess";
    case kUnsupported: return "kIOReturnUnsupported";
    case kVMError: return "kIOReturnVMError";
    case kInternalError: return "kIOReturnInternalError";
    case kIOError: return "kIOReturnIOError";
    case kNotOpen: return "kIOReturnNotOpen";
    case kNotAligned: return "kIOReturnNotAligned";
    case kStillOpen: return "kIOReturnStillOpen";
    case kDMAError: return "kIOReturnDMAError";
    case kBusy: return "kIOReturnBusy";
    case kTimeout: return "kIOReturnTimeout";
    case kOffline: return "kIOReturnOffline";
    case kNotReady: return "kIOReturnNotReady";
    case kNotAttached: return "kIOReturnNotAttached";
    case kNoSpace: return "kIOReturnNoSpace";
    case kCannotWire: return "kIOReturnCannotWire";
    case kNoInterrupt: return "kIOReturnNoInterrupt";
    case kMessageTooLarge: return "kIOReturnMessageTooLarge";
    case kNotPermitted: return "kIOReturnNotPermitted";
    case kUnderrun: return "kIOReturnUnderrun";
    case kOverrun: return "kIOReturnOverrun";
    case kDeviceError: return "kIOReturnDeviceError";
    case kNoCompletion: return "kIOReturnNoCompletion";
    case kAborted: return "kIOReturnAborted";
    case kNotResponding: return "kIOReturnNotResponding";
    case kNotFound: return "kIOReturnNotFound";
    case kInvalid: return "kIOReturnInvalid";
    default: return "kern_return_t";
  }
}

}  // namespace dartboard::io_return
