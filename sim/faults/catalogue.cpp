// sim/faults/catalogue.cpp - the table. One row a kind, in the order of model::FaultKind.
#include "sim/faults/catalogue.h"

#include <algorithm>
#include <array>

namespace dartboard::sim {
namespace {

using K = FaultKind;
using E = FaultEffect;

constexpr std::array<FaultInfo, kFaultKindCount> kCatalogue = {{
    // Link
    {K::kLinkTrainingTimeout, "link-training-timeout", 'L', E::kGone, "the link does not come up after a reset",
     "fail the reset with its reason; report the device gone, answer all-ones"},
    {K::kLinkWidthDown, "link-width-down", 'L', E::kNone, "the link trains with fewer lanes", "nothing: only slower"},
    {K::kLinkSpeedDown, "link-speed-down", 'L', E::kNone, "the link trains at a lower rate", "nothing: only slower"},
    {K::kLinkBounce, "link-bounce", 'L', E::kGone, "the link goes down and comes up again; the device was reset by it",
     "all-ones for what was under way; macOS takes the device away and brings a new one, so the old handle is gone"},
    {K::kLinkSurpriseDown, "link-surprise-down", 'L', E::kGone, "the link goes down and stays down",
     "all-ones at once, no CPU access to direct mappings, tell the guest that the device is gone"},
    {K::kLinkStuckInRecovery, "link-stuck-in-recovery", 'L', E::kGone, "the link is neither up nor down for a while",
     "answer all-ones meanwhile, without a wait; if macOS gives the device up, say that it is gone"},
    {K::kLinkAspmExitLate, "link-aspm-exit-late", 'L', E::kNone, "leaving L1 takes long", "nothing: only slower"},
    {K::kLinkReplayStorm, "link-replay-storm", 'L', E::kNone, "packets are sent again and again before they get through",
     "nothing: only slower"},
    {K::kLinkCorrectableBurst, "link-correctable-burst", 'L', E::kNone, "a burst of corrected link errors in AER",
     "nothing; the counters are there to see"},
    // Completion
    {K::kCompletionUnsupported, "completion-unsupported", 'C', E::kPanic,
     "a request is answered Unsupported Request; a write is lost, and if it held an address, the device uses another",
     "hand the all-ones to the guest; go on"},
    {K::kCompletionAbort, "completion-abort", 'C', E::kPanic,
     "a request is answered Completer Abort; a write is lost, and if it held an address, the device uses another",
     "hand the all-ones to the guest; go on"},
    {K::kCompletionRetryForever, "completion-retry-forever", 'C', E::kGone,
     "configuration requests are answered Request Retry without end", "give up after a limit: the device does not answer"},
    {K::kCompletionTimeout, "completion-timeout", 'C', E::kAnswer, "a request is never answered",
     "hand the all-ones to the guest after the timeout; go on"},
    {K::kCompletionPoisoned, "completion-poisoned", 'C', E::kAnswer, "the data of an answer is marked bad",
     "never hand the data on as good"},
    {K::kCompletionShort, "completion-short", 'C', E::kAnswer, "an answer has fewer bytes than were asked for",
     "treat the request as failed"},
    {K::kCompletionWrongTag, "completion-wrong-tag", 'C', E::kAnswer, "an answer belongs to no request",
     "the request it was meant for times out; go on"},
    {K::kCompletionDuplicate, "completion-duplicate", 'C', E::kNone, "an answer comes twice", "nothing"},
    {K::kCompletionLate, "completion-late", 'C', E::kAnswer, "an answer comes after its request was given up",
     "nothing: the request has failed already"},
    // DART
    {K::kDartTranslationFault, "dart-translation-fault", 'D', E::kPanic, "an access to a mapped page is not translated",
     "do not cause it; on a platform that panics the run ends with the cause"},
    {K::kDartPermissionFault, "dart-permission-fault", 'D', E::kPanic, "an access that the page allows is refused",
     "do not cause it; on a platform that panics the run ends with the cause"},
    {K::kDartWrongStream, "dart-wrong-stream", 'D', E::kPanic, "an access is looked up in another stream's tables",
     "do not cause it; on a platform that panics the run ends with the cause"},
    {K::kDartStaleTlb, "dart-stale-tlb", 'D', E::kLost, "an invalidate is dropped: unmapped pages stay reachable",
     "quiesce the device before unmapping, so that nothing uses the stale entry"},
    {K::kDartInvalidateSlow, "dart-invalidate-slow", 'D', E::kPanic,
     "an invalidate stays busy for long; for longer than the mapper waits, the host panics",
     "nothing can be done above; the run ends with the cause"},
    {K::kDartTableSwitchRace, "dart-table-switch-race", 'D', E::kPanic, "tables change while an access is translated",
     "do not map or unmap under a running transfer"},
    {K::kDartWalkError, "dart-walk-error", 'D', E::kPanic, "reading a page table fails",
     "do not cause it; on a platform that panics the run ends with the cause"},
    {K::kDartFaultOverflow, "dart-fault-overflow", 'D', E::kNone, "a second fault comes before the first was read",
     "nothing: the first is the one that is reported"},
    {K::kDartPowerGated, "dart-power-gated", 'D', E::kPanic, "the DART is off while the device is running",
     "do not cause it; on a platform that panics the run ends with the cause"},
    // IOVA and mapping
    {K::kMapSpaceExhausted, "map-space-exhausted", 'V', E::kRefused, "no bus addresses are left",
     "give back what the call took; the error names the limit"},
    {K::kMapFragmented, "map-fragmented", 'V', E::kRefused, "no hole is large enough",
     "give back what the call took; say that smaller pieces may fit"},
    {K::kMapCountLimit, "map-count-limit", 'V', E::kRefused, "the mapper has no more mappings to give",
     "refuse before it happens; else give back what the call took"},
    {K::kMapByteLimit, "map-byte-limit", 'V', E::kRefused, "the mapper has no more bytes to give",
     "refuse before it happens; else give back what the call took"},
    {K::kMapFailsAtPage, "map-fails-at-page", 'V', E::kRefused, "mapping fails in the middle of a range",
     "nothing of the range stays mapped or counted"},
    {K::kUnmapFails, "unmap-fails", 'V', E::kRefused, "taking a mapping away fails",
     "keep it counted and the memory pinned; the device may still reach it"},
    {K::kMapSubPage, "map-sub-page", 'V', E::kRefused, "a range that is not made of whole pages is refused",
     "round to pages, or use the pool"},
    {K::kMapLowWindowFull, "map-low-window-full", 'V', E::kRefused, "nothing is left below 4 GiB",
     "give back what the call took; the error names the window"},
    {K::kMapMultiSegment, "map-multi-segment", 'V', E::kRefused, "one range becomes several segments",
     "refuse what cannot be used as one range, and release it"},
    {K::kMapTruncated, "map-truncated", 'V', E::kRefused, "the answer has fewer segments than the range needs",
     "compare the lengths; never use a range that is only partly known"},
    // Reset and power
    {K::kResetFlrNever, "reset-flr-never", 'R', E::kRefused, "a function-level reset never ends",
     "go on with a hot reset, then say that every rung failed"},
    {K::kResetFlrDirty, "reset-flr-dirty", 'R', E::kAnswer, "a function-level reset ends, and registers keep old values",
     "set what the backend relies on again"},
    {K::kResetDuringDma, "reset-during-dma", 'R', E::kLost, "a reset strikes while a transfer is under way",
     "nothing of the transfer arrives later"},
    {K::kResetInsideReset, "reset-inside-reset", 'R', E::kNone, "another reset strikes inside a reset",
     "end once, in a clean state"},
    {K::kResetD3Late, "reset-d3-late", 'R', E::kAnswer, "the function needs long to leave D3hot",
     "answer all-ones meanwhile; wait with a limit"},
    {K::kResetConfigLost, "reset-config-lost", 'R', E::kAnswer, "configuration is gone after D3hot",
     "restore what the backend relies on"},
    {K::kResetSleepWake, "reset-sleep-wake", 'R', E::kLost, "the host sleeps and wakes: the device loses power",
     "restore, or say that the device was reset"},
    {K::kResetPowerTimeout, "reset-power-timeout", 'R', E::kPanic, "a change of power state does not end in time",
     "do not block the driver's power calls"},
    // Interrupts
    {K::kInterruptLost, "interrupt-lost", 'I', E::kLost, "a message does not arrive", "nothing: a driver polls or times out"},
    {K::kInterruptDuplicate, "interrupt-duplicate", 'I', E::kNone, "a message arrives twice", "deliver both or one"},
    {K::kInterruptSpurious, "interrupt-spurious", 'I', E::kNone, "a message arrives that nobody sent",
     "deliver it or drop it; never to a vector that is off"},
    {K::kInterruptLate, "interrupt-late", 'I', E::kNone, "a message arrives late", "nothing"},
    {K::kInterruptBeforeEnable, "interrupt-before-enable", 'I', E::kNone, "a message arrives before anybody listens",
     "drop it or keep it pending; never call a sink that is not there"},
    {K::kInterruptAfterDisable, "interrupt-after-disable", 'I', E::kNone, "a message arrives after its vector was switched off",
     "drop it"},
    {K::kInterruptWrongVector, "interrupt-wrong-vector", 'I', E::kLost, "a message arrives at another vector",
     "deliver it only if that vector is on"},
    {K::kInterruptStorm, "interrupt-storm", 'I', E::kNone, "a vector fires without end", "bounded work per pump"},
    // Dext
    {K::kDextCrash, "dext-crash", 'X', E::kGone, "the driver's process dies in the middle of a call",
     "report the device gone; bus master is off before memory is given back"},
    {K::kDextTerminated, "dext-terminated", 'X', E::kGone, "the driver is terminated in the middle of a call",
     "report the device gone and keep answering"},
    {K::kDextHang, "dext-hang", 'X', E::kRefused, "a call is not answered", "an error with a limit, never a wait without end"},
    {K::kDextSlow, "dext-slow", 'X', E::kNone, "a call takes long", "nothing"},
    {K::kDextRestarted, "dext-restarted", 'X', E::kGone, "the driver restarts while an old client is attached",
     "the old connection stays dead; opening again works"},
    {K::kDextVersionSkew, "dext-version-skew", 'X', E::kRefused, "the driver answers as another version would",
     "refuse what does not have the expected shape"},
    {K::kDextQuota, "dext-quota", 'X', E::kRefused, "the driver has no resources left", "give back what the call took"},
    // Client process
    {K::kClientKilled, "client-killed", 'K', E::kGone, "the program dies in the middle of a call",
     "the driver gives everything back, the device quiesced first"},
    {K::kClientNeverReads, "client-never-reads", 'K', E::kLost, "the program never takes its notifications",
     "bounded memory in the driver and in the kernel"},
    {K::kClientRace, "client-race", 'K', E::kRefused, "a second program opens the device at the same time",
     "one of them is refused by name"},
    {K::kClientReconnectStorm, "client-reconnect-storm", 'K', E::kNone, "connections open and close without end",
     "nothing is left behind"},
    {K::kClientPaused, "client-paused", 'K', E::kNone, "the program stands still for a while", "nothing"},
    // Unplug
    {K::kUnplugDuringConfig, "unplug-during-config", 'U', E::kGone, "the cable is pulled during a configuration access",
     "all-ones, gone, and it keeps answering"},
    {K::kUnplugDuringDma, "unplug-during-dma", 'U', E::kGone, "the cable is pulled during a transfer",
     "all-ones, gone; memory is given back"},
    {K::kUnplugDuringMap, "unplug-during-map", 'U', E::kGone, "the cable is pulled while memory is being mapped",
     "nothing stays mapped or counted"},
    {K::kUnplugDuringReset, "unplug-during-reset", 'U', E::kGone, "the cable is pulled during a reset",
     "the reset fails by name"},
    {K::kUnplugReplugOther, "unplug-replug-other", 'U', E::kGone, "another device is in the slot afterwards",
     "the old handle never reaches the new device"},
    {K::kUnplugReadPanic, "unplug-read-panic", 'U', E::kPanic, "the CPU reads a direct mapping of a device that is gone",
     "stop using direct mappings before the device can be gone; the run ends with the cause"},
    // Hostile guest
    {K::kGuestRandomMmio, "guest-random-mmio", 'G', E::kAnswer, "accesses of any width at any offset",
     "a reply or a named error each"},
    {K::kGuestConfigWrite, "guest-config-write", 'G', E::kAnswer, "writes to every configuration register",
     "what must not reach the device does not"},
    {K::kGuestDescriptorLoop, "guest-descriptor-loop", 'G', E::kAnswer, "descriptors that point at each other",
     "bounded work"},
    {K::kGuestLengthWrap, "guest-length-wrap", 'G', E::kRefused, "offset and length that wrap around", "a named error"},
    {K::kGuestDoubleFetch, "guest-double-fetch", 'G', E::kRefused, "shared memory changes between two looks",
     "fetch every word once"},
    {K::kGuestBarOverlap, "guest-bar-overlap", 'G', E::kAnswer, "a BAR is moved over another one",
     "the guest's view changes, the host's does not"},
    {K::kGuestMsixRewrite, "guest-msix-rewrite", 'G', E::kAnswer, "the MSI-X table is rewritten while messages are pending",
     "no message to a vector that is off"},
    // Hostile device
    {K::kDeviceDmaUnmapped, "device-dma-unmapped", 'E', E::kPanic, "the device reaches for memory that it was not given",
     "the DART refuses; on a platform that panics the run ends with the cause"},
    {K::kDeviceDmaPeer, "device-dma-peer", 'E', E::kPanic, "the device reaches for a BAR",
     "the DART takes the address for one of its own and refuses; on a platform that panics the run ends with the cause"},
    {K::kDeviceForgedMsi, "device-forged-msi", 'E', E::kNone, "the device writes to the doorbell by itself",
     "no message to a vector that is off"},
    {K::kDeviceTranslatedRequest, "device-translated-request", 'E', E::kAnswer,
     "the device claims that its address is translated already", "refused: ATS is off"},
    {K::kDeviceConfigChanges, "device-config-changes", 'E', E::kAnswer, "configuration differs from read to read",
     "what was checked is what is used"},
    {K::kDeviceCapabilityLoop, "device-capability-loop", 'E', E::kAnswer, "the capability list points back into itself",
     "cut the list, with a note"},
    {K::kDeviceGiantBar, "device-giant-bar", 'E', E::kAnswer, "a BAR of a size that no host can place",
     "leave the BAR out, with a note"},
    // Resources
    {K::kResourceNoMemory, "resource-no-memory", 'Q', E::kPanic,
     "the kernel has no memory for a buffer or a page table; before a driver runs, that is the end of the host",
     "give back what the call took"},
    {K::kResourceMapFails, "resource-map-fails", 'Q', E::kRefused, "memory cannot be mapped into the program",
     "reach it by calls, or fail by name"},
    {K::kResourceQueueFull, "resource-queue-full", 'Q', E::kLost, "a queue of notifications is full",
     "the state can be asked for; nothing waits for ever"},
    // Time
    {K::kTimeJitter, "time-jitter", 'T', E::kNone, "an access takes longer than usual", "nothing"},
    {K::kTimeSwizzle, "time-swizzle", 'T', E::kNone, "a queue stands still while others go on", "nothing"},
    // Apple silicon
    {K::kAppleBarsUnassigned, "apple-bars-unassigned", 'A', E::kRefused, "the device comes up without BAR addresses",
     "offer the regions that exist; say what to do (plug it in again)"},
    {K::kAppleReadsAllOnes, "apple-reads-all-ones", 'A', E::kAnswer, "register reads are all-ones for a while",
     "hand them to the guest"},
    {K::kAppleReadsGarbage, "apple-reads-garbage", 'A', E::kAnswer, "the first reads after attach return other registers' values",
     "hand them to the guest; identify the device by configuration space"},
    {K::kAppleMmioWriteReboots, "apple-mmio-write-reboots", 'A', E::kPanic, "a register write takes the host down",
     "the run ends with the cause"},
    {K::kAppleDmaStalls, "apple-dma-stalls", 'A', E::kLost, "a transfer does not make progress",
     "no wait without end; the guest's driver times out"},
    {K::kAppleVramWriteFaults, "apple-vram-write-faults", 'A', E::kPanic,
     "a write to device memory makes the device reach for unmapped memory", "the run ends with the cause"},
    {K::kAppleCrossBarReorder, "apple-cross-bar-reorder", 'A', E::kNone,
     "writes to two BARs arrive in the other order", "a read between them puts the order right"},
    {K::kAppleCopyOnWriteUnseen, "apple-copy-on-write-unseen", 'A', E::kLost,
     "the device writes into a copy of the program's memory", "ask for memory without copy-on-write"},
    {K::kApplePoisonedCommand, "apple-poisoned-command", 'A', E::kRefused,
     "an IODMACommand refuses everything after a failed prepare", "throw the command away and make a new one"},
    {K::kAppleMessageTooLarge, "apple-message-too-large", 'A', E::kRefused,
     "a prepare is refused because its answer would not fit", "ask for fewer segments"},
}};

constexpr bool in_order() {
  for (unsigned i = 0; i < kFaultKindCount; ++i) {
    if (kCatalogue[i].kind != static_cast<FaultKind>(i)) return false;
  }
  return true;
}
static_assert(in_order(), "the catalogue has one row a kind, in the order of FaultKind");

}  // namespace

std::span<const FaultInfo> fault_catalogue() { return kCatalogue; }

std::optional<FaultKind> fault_by_name(std::string_view name) {
  const auto row = std::find_if(kCatalogue.begin(), kCatalogue.end(), [&](const FaultInfo& i) { return i.name == name; });
  return row != kCatalogue.end() ? std::optional(row->kind) : std::nullopt;
}

std::string_view to_string(FaultEffect effect) {
  switch (effect) {
    case FaultEffect::kNone: return "none";
    case FaultEffect::kRefused: return "refused";
    case FaultEffect::kAnswer: return "answer";
    case FaultEffect::kLost: return "lost";
    case FaultEffect::kGone: return "gone";
    case FaultEffect::kPanic: return "panic";
  }
  return "?";
}

std::string_view group_name(char group) {
  switch (group) {
    case 'L': return "link";
    case 'C': return "completion";
    case 'D': return "DART";
    case 'V': return "mapping";
    case 'R': return "reset and power";
    case 'I': return "interrupt";
    case 'X': return "dext";
    case 'K': return "client process";
    case 'U': return "unplug";
    case 'G': return "hostile guest";
    case 'E': return "hostile device";
    case 'Q': return "resources";
    case 'T': return "time";
    case 'A': return "Apple silicon";
    default: return "?";
  }
}

}  // namespace dartboard::sim
