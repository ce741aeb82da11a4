// dext/client/describe.cpp - what a failed call means and what to do about it.

#include <fmt/format.h>

#include "base/format.h"
#include "dext/client/client.h"
#include "dext/client/codes.h"

namespace dartboard::dext {
namespace {

struct Meaning {
  io_return::Code code;
  ErrorName name;
  const char* advice;
};

// Codes that say the same whatever the call was. Advice completes the sentence.
constexpr Meaning kMeanings[] = {
    {io_return::kNotOpen, ErrorName::kNotClaimed, "the device is not claimed by this connection; claim it first"},
    {io_return::kNotReady, ErrorName::kCallFailed,
     "the driver is not ready for this call; set up what it needs first (interrupts: SetupInterrupts)"},
    {io_return::kExclusiveAccess, ErrorName::kBusy, "another program has the device; close it there"},
    {io_return::kBusy, ErrorName::kBusy, "the device is busy with another request; try again"},
    {io_return::kStillOpen, ErrorName::kBusy, "this was set up before and must be taken down first"},
    {io_return::kBadArgument, ErrorName::kBadArgument, "the driver does not accept one of the arguments"},
    {io_return::kOverrun, ErrorName::kOutOfRange, "the offset is past the end"},
    {io_return::kUnderrun, ErrorName::kCallFailed,
     "the driver answered with fewer values than its interface has; it may be another version"},
    {io_return::kNotFound, ErrorName::kNotFound, "there is no such object on this device"},
    {io_return::kUnsupported, ErrorName::kNotSupported, "the driver or device cannot do this"},
    {io_return::kNotAligned, ErrorName::kMapperFailed,
     "the memory did not become one contiguous range of bus addresses; use smaller or aligned ranges"},
    {io_return::kNoSpace, ErrorName::kMapperFailed, "no free slot or address space is left; unmap something first"},
    {io_return::kNoResources, ErrorName::kMapperFailed, "the system ran out of resources; unmap something first"},
    {io_return::kNoMemory, ErrorName::kMapperFailed, "the system ran out of memory; unmap something first"},
    {io_return::kVMError, ErrorName::kMapperFailed,
     "the memory could not be wired; it must stay allocated, readable and writable"},
    {io_return::kDMAError, ErrorName::kMapperFailed, "the mapper refused the range"},
    {io_return::kCannotWire, ErrorName::kMapperFailed, "the memory could not be wired"},
    {io_return::kNotPermitted, ErrorName::kCallFailed,
     "macOS does not let this program open the driver: sign it with the entitlement "
     "com.apple.developer.driverkit.userclient-access for the driver's bundle id, or have the driver allow any client "
     "(com.apple.developer.driverkit.allow-any-userclient-access)"},
    {io_return::kNotPrivileged, ErrorName::kCallFailed,
     "macOS wants more rights: run as root, or sign the program with the driver's user-client entitlement"},
    {io_return::kNotResponding, ErrorName::kDeviceGone,
     "the device or the driver's host does not answer (a simulated Mac that panicked answers so too)"},
    {io_return::kTimeout, ErrorName::kCallFailed, "the driver did not answer in time"},
    {io_return::kAborted, ErrorName::kCallFailed, "the call was taken back because the connection closed"},
};

}  // namespace

bool means_gone(io_return::Code code) {
  return code == io_return::kNoDevice || code == io_return::kNotAttached || code == io_return::kOffline ||
         code == kSendInvalidDest || code == kServerDied;
}

Error describe(io_return::Code code, const char* call, const std::string& detail) {
  const std::string what = detail.empty() ? std::string(call) : compiled_text(FMT_COMPILE("{} ({})"), call, detail);
  if (means_gone(code)) {
    return Error{
        ErrorName::kDeviceGone, code,
        compiled_text(
            FMT_COMPILE("{} failed: the device is gone or its driver stopped ({} {:#010x}); plug it in, wait for "
                        "the driver to start and open it again"),
            what, io_return::name(code), code)};
  }
  for (const Meaning& meaning : kMeanings) {
    if (meaning.code != code) continue;
    return Error{meaning.name, code,
                 compiled_text(FMT_COMPILE("{} failed with {} ({:#010x}): {}"), what, io_return::name(code), code,
                               meaning.advice)};
  }
  return Error{ErrorName::kCallFailed, code,
               compiled_text(FMT_COMPILE("{} failed with {} ({:#010x}); the driver's log may say why "
                                         "(log show --predicate 'sender CONTAINS \"{}\"')"),
                             what, io_return::name(code), code, "VFIOUserPCIDriver")};
}

}  // namespace dartboard::dext
