// sim/faults/catalogue.h - what each kind of fault is, and what a correct backend does about it.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "model/fault.h"

namespace dartboard::sim {

using model::FaultKind;
using model::kFaultKindCount;

/// What a run may look like after the fault, when everything above it is correct.
enum class FaultEffect : uint8_t {
  kNone,      ///< nobody above can tell: only time passes, or it is repaired below
  kRefused,   ///< the call that met it fails with a named error; everything is as it was before the call
  kAnswer,    ///< the guest sees a wrong or all-ones answer, as on hardware; no state is lost
  kLost,      ///< something that was sent is lost (a write, an interrupt); the guest's driver must notice
  kGone,      ///< the device or its driver is gone; the backend says so and keeps answering
  kPanic,     ///< the host goes down on a platform that panics; elsewhere kAnswer
};
std::string_view to_string(FaultEffect effect);

struct FaultInfo {
  FaultKind kind;
  std::string_view name;      ///< stable: "completion-abort"
  char group;                 ///< L C D V R I X K U G E Q T A, as in model/fault.h
  FaultEffect effect;         ///< the worst that may be seen from above
  std::string_view what;      ///< what happens
  std::string_view duty;      ///< what a correct backend must do
};

/// Every kind, in the order of FaultKind.
std::span<const FaultInfo> fault_catalogue();
inline const FaultInfo& info(FaultKind kind) { return fault_catalogue()[static_cast<unsigned>(kind)]; }
std::optional<FaultKind> fault_by_name(std::string_view name);
/// "link", "completion", ... for a group's letter.
std::string_view group_name(char group);

}  // namespace dartboard::sim
