// cli/selectors.cpp - dext/abi.h in words.
#include "cli/selectors.h"

#include <fmt/format.h>

#include "dext/abi.h"

namespace dartboard::cli {

std::string selector_name(unsigned selector) {
  switch (selector) {
    case kSelectorGetIdentity: return "GetIdentity";
    case kSelectorClaim: return "Claim";
    case kSelectorTerminate: return "Terminate";
    case kSelectorAllocateDMABuffer: return "AllocateDMABuffer";
    case kSelectorFreeDMABuffer: return "FreeDMABuffer";
    case kSelectorRegisterDMARegion: return "RegisterDMARegion";
    case kSelectorUnregisterDMARegion: return "UnregisterDMARegion";
    case kSelectorProbeDMARegion: return "ProbeDMARegion";
    case kSelectorConfigRead: return "ConfigRead";
    case kSelectorConfigWrite: return "ConfigWrite";
    case kSelectorGetBARInfo: return "GetBARInfo";
    case kSelectorMMIORead: return "MMIORead";
    case kSelectorMMIOWrite: return "MMIOWrite";
    case kSelectorSetupInterrupts: return "SetupInterrupts";
    case kSelectorCheckInterrupt: return "CheckInterrupt";
    case kSelectorWaitInterrupt: return "WaitInterrupt";
    case kSelectorSetIRQMask: return "SetIRQMask";
    case kSelectorResetDevice: return "ResetDevice";
    default: return fmt::format("selector {}", selector);
  }
}

}  // namespace dartboard::cli
