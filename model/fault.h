// model/fault.h - the places where something can go wrong: what kinds of fault there are, and how a site asks.
//
// A fault site is one line: `if (fault(FaultKind::kCompletionAbort, address)) ...`. Without an injector (every normal
// run) that is a load and a compare. What the kinds mean and what a correct backend does about each is the catalogue in
// sim/faults; who decides (rule, sweep, tape) is the injector's business. Sites in every room that may include model/
// use this header; the injector is the process's, like the machine.
#pragma once

#include <cstdint>

namespace dartboard::model {

/// Grouped by what fails. New kinds go to the end of their group; the number is not part of any file format (names are).
enum class FaultKind : uint8_t {
  // L: link
  kLinkTrainingTimeout, kLinkWidthDown, kLinkSpeedDown, kLinkBounce, kLinkSurpriseDown, kLinkStuckInRecovery,
  kLinkAspmExitLate, kLinkReplayStorm, kLinkCorrectableBurst,
  // C: completion
  kCompletionUnsupported, kCompletionAbort, kCompletionRetryForever, kCompletionTimeout, kCompletionPoisoned,
  kCompletionShort, kCompletionWrongTag, kCompletionDuplicate, kCompletionLate,
  // D: DART
  kDartTranslationFault, kDartPermissionFault, kDartWrongStream, kDartStaleTlb, kDartInvalidateSlow,
  kDartTableSwitchRace, kDartWalkError, kDartFaultOverflow, kDartPowerGated,
  // V: IOVA and mapping
  kMapSpaceExhausted, kMapFragmented, kMapCountLimit, kMapByteLimit, kMapFailsAtPage, kUnmapFails, kMapSubPage,
  kMapLowWindowFull, kMapMultiSegment, kMapTruncated,
  // R: reset and power
  kResetFlrNever, kResetFlrDirty, kResetDuringDma, kResetInsideReset, kResetD3Late, kResetConfigLost,
  kResetSleepWake, kResetPowerTimeout,
  // I: interrupt
  kInterruptLost, kInterruptDuplicate, kInterruptSpurious, kInterruptLate, kInterruptBeforeEnable,
  kInterruptAfterDisable, kInterruptWrongVector, kInterruptStorm,
  // X: dext
  kDextCrash, kDextTerminated, kDextHang, kDextSlow, kDextRestarted, kDextVersionSkew, kDextQuota,
  // K: client process
  kClientKilled, kClientNeverReads, kClientRace, kClientReconnectStorm, kClientPaused,
  // U: unplug
  kUnplugDuringConfig, kUnplugDuringDma, kUnplugDuringMap, kUnplugDuringReset, kUnplugReplugOther, kUnplugReadPanic,
  // G: hostile guest
  kGuestRandomMmio, kGuestConfigWrite, kGuestDescriptorLoop, kGuestLengthWrap, kGuestDoubleFetch, kGuestBarOverlap,
  kGuestMsixRewrite,
  // E: hostile device
  kDeviceDmaUnmapped, kDeviceDmaPeer, kDeviceForgedMsi, kDeviceTranslatedRequest, kDeviceConfigChanges,
  kDeviceCapabilityLoop, kDeviceGiantBar,
  // Q: resources
  kResourceNoMemory, kResourceMapFails, kResourceQueueFull,
  // T: time and order
  kTimeJitter, kTimeSwizzle,
  // A: what people met on Apple silicon
  kAppleBarsUnassigned, kAppleReadsAllOnes, kAppleReadsGarbage, kAppleMmioWriteReboots, kAppleDmaStalls,
  kAppleVramWriteFaults, kAppleCrossBarReorder, kAppleCopyOnWriteUnseen, kApplePoisonedCommand,
  kAppleMessageTooLarge,
};
inline constexpr unsigned kFaultKindCount = static_cast<unsigned>(FaultKind::kAppleMessageTooLarge) + 1;

/// Decides which faults happen. Called on hot paths while one is installed: must not allocate per call without need.
class FaultInjector {
 public:
  /// Does a fault of `kind` happen at this pass of a site? `key` tells sites of a kind apart (an address, a selector, a
  /// vector): whatever the site has that a rule may want to match.
  virtual bool strikes(FaultKind kind, uint64_t key) = 0;
  /// How much of it: a delay in ns, a page number, a count; `standard` unless the rule says otherwise.
  virtual uint64_t amount(FaultKind kind, uint64_t standard) = 0;

 protected:
  ~FaultInjector() = default;
};

namespace detail {
inline FaultInjector* fault_injector = nullptr;
}  // namespace detail

/// The process's injector; null (the normal state) means that nothing ever fails by itself.
inline void install_faults(FaultInjector* injector) { detail::fault_injector = injector; }

/// Whether anything can fail by itself. A hot path with many sites asks once and takes a slower way that has them all.
inline bool faults_installed() { return detail::fault_injector != nullptr; }

/// A fault site. False in every normal run.
inline bool fault(FaultKind kind, uint64_t key = 0) {
  FaultInjector* const injector = detail::fault_injector;
  if (injector == nullptr) [[likely]]
    return false;
  return injector->strikes(kind, key);
}

/// The size of the fault that just struck.
inline uint64_t fault_amount(FaultKind kind, uint64_t standard) {
  return detail::fault_injector != nullptr ? detail::fault_injector->amount(kind, standard) : standard;
}

}  // namespace dartboard::model
