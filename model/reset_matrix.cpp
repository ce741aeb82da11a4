// model/reset_matrix.cpp - names of the rows and cells.
#include "model/reset_matrix.h"

namespace dartboard::model {
namespace {

using S = ResetState;
constexpr ResetStateDecl kStates[kResetStateCount] = {
    {S::kMsixPending, "MSI-X pending bits", "PCIe 6.0 s7.7.2.9"},
    {S::kIntxCondition, "INTx condition of the device", "PCIe 6.0 s2.2.8.1"},
    {S::kCapturedRid, "captured bus and device number", "PCIe 6.0 s2.2.9.1"},
    {S::kReadiness, "not responding", "PCIe 6.0 s6.6.2 (only a conventional reset helps)"},
    {S::kDeviceMemory, "device memory", "defined by this model: contents outlive every reset but power-on"},
    {S::kPowerTransition, "return from D3hot under way", "PCIe 6.0 s5.3.1.4"},
    {S::kIntxWires, "INTx wires at the port", "PCIe 6.0 s2.2.8.1"},
    {S::kHeldWrites, "posted writes on their way", "PCIe 6.0 s2.9.1"},
    {S::kLinkDegraded, "lost link speed or width", "PCIe 6.0 s4.2.7"},
    {S::kRootPortRegisters, "the root port's configuration space", "PCIe 6.0 s6.6.1 (a bridge is not behind itself)"},
    {S::kPortRegisters, "the port's registers", "Linux pcie-apple.c"},
    {S::kDartRegisters, "the DART", "Linux apple-dart.c"},
};
constexpr bool in_order() {
  for (unsigned i = 0; i < kResetStateCount; ++i) {
    if (static_cast<unsigned>(kStates[i].state) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

std::span<const ResetStateDecl, kResetStateCount> reset_states() { return kStates; }

std::string_view to_string(ResetClass reset_class) {
  switch (reset_class) {
    case ResetClass::kEvery: return "every reset";
    case ResetClass::kSurvivesFlr: return "survives FLR";
    case ResetClass::kSticky: return "sticky";
    case ResetClass::kHwInit: return "HwInit";
  }
  return "?";
}

std::string_view to_string(ResetEffect effect) {
  switch (effect) {
    case ResetEffect::kResets: return "resets";
    case ResetEffect::kSurvives: return "survives";
    case ResetEffect::kSticky: return "sticky";
  }
  return "?";
}

}  // namespace dartboard::model
