// sim/macos/power.cpp - see power.h. Source of the sequence: IOPCIFamily IOPCIBridge.cpp (saveDeviceState,
// restoreDeviceState, setDevicePowerState).
#include "sim/macos/power.h"

#include "model/fault.h"
#include "model/port_registers.h"
#include "model/timeline.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_family.h"
#include "sim/macos/pci_nub.h"
#include "sim/macos/root_context.h"
#include "sim/profile.h"

namespace dartboard::macos {
namespace {

constexpr uint64_t kAsleepNs = 1 * kNsPerS;
constexpr uint64_t kLinkWaitMaxNs = 1 * kNsPerS;
constexpr uint64_t kPowerTimeoutNs = 21'257 * kNsPerMs;   // seen in the field: "after 21257 ms in setPowerState"

}  // namespace

void sleep_and_wake(Kernel& kernel) {
  if (!kernel.booted() || kernel.panicked()) return;
  for (unsigned i = 0; i < kernel.root_count(); ++i) {
    RootContext& root = kernel.root(i);
    if (!root.nub || root.in_reset) continue;
    root.nub->save_state(0);
    root.in_reset = true;   // the link goes down on purpose: the device is not taken away for it
    root.model.port().write(model::port_reg::kPerst, 0, 4);
  }
  kernel.timeline().advance(model::fault_amount(model::FaultKind::kResetSleepWake, kAsleepNs));
  for (unsigned i = 0; i < kernel.root_count(); ++i) {
    RootContext& root = kernel.root(i);
    if (!root.nub || !root.in_reset) continue;
    root.model.port().write(model::port_reg::kPerst, model::port_reg::kPerstReleased, 4);
    const bool link = wait_link_up(root, kLinkWaitMaxNs);
    root.in_reset = false;
    if (link) {
      kernel.timeline().advance(kernel.profile().timings.hot_reset_link_ns);
      root.nub->restore_state(0);
    } else {
      kernel.work().post([&kernel, i] { kernel.device_removed(i); });
    }
  }
}

void power_change_times_out(Kernel& kernel) {
  if (!kernel.booted() || kernel.panicked()) return;
  kernel.timeline().advance(model::fault_amount(model::FaultKind::kResetPowerTimeout, kPowerTimeoutNs));
  kernel.panic(PanicCause::kDextWatchdog, "setPowerState(0 -> 2): a driver did not finish the change of power state in time");
}

}  // namespace dartboard::macos
