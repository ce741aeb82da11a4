// model/reset_matrix.h - which reset touches what, as data: every class of register field, every other piece of state.
//
// Rows are reset classes (each field of each register declaration has one) and the state that is not a register;
// columns are the kinds of reset. RegisterFile, Endpoint and RootComplex reset from these tables, the documentation
// prints them, and a test walks every cell. Cell values:
//   resets     back to the declared value
//   survives   kept, because this kind of reset does not reach it
//   sticky     kept on purpose, so that errors and their reporting set-up outlive a hot reset (PCIe 6.0 s7.4)
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/observer.h"

namespace dartboard::model {

/// Which resets bring a field back to its reset value.
enum class ResetClass : uint8_t {
  kEvery,        ///< every reset
  kSurvivesFlr,  ///< not by function level reset and D3hot->D0 (PCIe 6.0 s6.6.2 lists them)
  kSticky,       ///< only by a fundamental reset: power-on or PERST
  kHwInit,       ///< only by power-on
};
inline constexpr unsigned kResetClassCount = 4;
std::string_view to_string(ResetClass reset_class);

/// State that is no register field of its own.
enum class ResetState : uint8_t {
  // Of a function.
  kMsixPending,        ///< the pending bit array
  kIntxCondition,      ///< the device's wish to assert INTx
  kCapturedRid,        ///< bus and device number from the last type 0 configuration write
  kReadiness,          ///< a function that stopped responding (a reset that never finished)
  kDeviceMemory,       ///< bytes behind memory BARs
  kPowerTransition,    ///< a return from D3hot that is still under way
  // Of the root complex.
  kIntxWires,          ///< INTA..INTD at the port
  kHeldWrites,         ///< posted writes on their way down
  kLinkDegraded,       ///< lost speed or width
  kRootPortRegisters,  ///< the root port's own configuration space
  kPortRegisters,      ///< RID2SID, MSI set-up, INTMSK
  kDartRegisters,
};
inline constexpr unsigned kResetStateCount = 12;

enum class ResetEffect : uint8_t { kResets, kSurvives, kSticky };
std::string_view to_string(ResetEffect effect);

namespace detail {
inline constexpr ResetEffect R = ResetEffect::kResets;
inline constexpr ResetEffect S = ResetEffect::kSurvives;
inline constexpr ResetEffect T = ResetEffect::kSticky;
// Columns in the order of ResetKind: power-on, PERST, hot reset, FLR, D3hot->D0, link down.
// A link that goes down resets what is behind it like a hot reset (PCIe 6.0 s2.9.1, s6.6.1).
inline constexpr ResetEffect kClassMatrix[kResetClassCount][kResetKindCount] = {
    /* kEvery       */ {R, R, R, R, R, R},
    /* kSurvivesFlr */ {R, R, R, S, S, R},
    /* kSticky      */ {R, R, T, T, T, T},
    /* kHwInit      */ {R, S, S, S, S, S},
};
inline constexpr ResetEffect kStateMatrix[kResetStateCount][kResetKindCount] = {
    /* kMsixPending       */ {R, R, R, R, R, R},
    /* kIntxCondition     */ {R, R, R, R, R, R},
    /* kCapturedRid       */ {R, R, R, S, S, R},
    /* kReadiness         */ {R, R, R, S, S, R},
    /* kDeviceMemory      */ {R, S, S, S, S, S},
    /* kPowerTransition   */ {R, R, R, R, R, R},
    /* kIntxWires         */ {R, R, R, R, R, R},
    /* kHeldWrites        */ {R, R, R, S, S, R},
    /* kLinkDegraded      */ {R, R, R, S, S, R},
    /* kRootPortRegisters */ {R, S, S, S, S, S},
    /* kPortRegisters     */ {R, S, S, S, S, S},
    /* kDartRegisters     */ {R, S, S, S, S, S},
};
}  // namespace detail

constexpr ResetEffect effect(ResetKind kind, ResetClass reset_class) {
  return detail::kClassMatrix[static_cast<unsigned>(reset_class)][static_cast<unsigned>(kind)];
}
constexpr ResetEffect effect(ResetKind kind, ResetState state) {
  return detail::kStateMatrix[static_cast<unsigned>(state)][static_cast<unsigned>(kind)];
}
constexpr bool resets(ResetKind kind, ResetClass c) { return effect(kind, c) == ResetEffect::kResets; }
constexpr bool resets(ResetKind kind, ResetState s) { return effect(kind, s) == ResetEffect::kResets; }

struct ResetStateDecl {
  ResetState state;
  std::string_view name;
  std::string_view spec;
};
/// One row per ResetState, in order.
std::span<const ResetStateDecl, kResetStateCount> reset_states();

}  // namespace dartboard::model
