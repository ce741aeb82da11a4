// sim/macos/pci_nub_reset.cpp - state save and restore, function-level and hot reset, recovery from a dext's crash.
//
// Source of the sequences: IOPCIFamily IOPCIDevice.cpp (prepareFLR, flr, completeFLR, resetFunction), IOPCIBridge.cpp
// (resetDeviceGated, hotReset, _restoreDeviceState, childClientCrashRecoveryGated). Times that the sources give as
// constants are the profile's, so that a profile can be wrong on purpose.
#include <algorithm>
#include <bit>

#include "model/capabilities.h"
#include "model/config_space.h"
#include "model/root_port.h"
#include "model/timeline.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_family.h"
#include "sim/macos/pci_nub.h"
#include "sim/macos/root_context.h"
#include "sim/profile.h"

namespace dartboard::macos {

using io_return::Code;

namespace {

constexpr uint64_t kFlrPendingMaxNs = 50 * kNsPerMs;  // IOPCIDevice::prepareFLR
constexpr uint64_t kCrashPendingMaxNs = 1 * kNsPerS;  // childClientCrashRecoveryGated, 1 ms apart
constexpr uint64_t kCrashSettleNs = 100 * kNsPerMs;
constexpr uint64_t kLinkWaitMaxNs = 1 * kNsPerS;
constexpr uint64_t kReadyMaxNs = 1 * kNsPerS;         // waitForDeviceReady
constexpr uint64_t kRestoreReadyMaxNs = 2 * kNsPerS;  // _restoreDeviceState
constexpr uint64_t kReadyPollNs = 2 * kNsPerMs;
constexpr uint64_t kPollNs = 1 * kNsPerMs;
constexpr uint32_t kResetTypesConventional = 0xf;
constexpr uint32_t kResetOptions = 0x3;
constexpr uint64_t kDeviceControl2 = 0x28, kLinkControl2 = 0x30;  // PCIe 6.0 s7.5.3.16, s7.5.3.19
constexpr uint32_t kRetryVendor = 0x0001;                         // what RRS software visibility returns (s2.3.2)

}  // namespace

// Saved state ---------------------------------------------------------------------------------------------------------

void PciNub::save() {
  SavedState s;
  for (unsigned i = 0; i < s.header.size(); ++i) s.header[i] = cfg(4 * i, 4);
  if (s.header[0] == 0 || s.header[0] == UINT32_MAX) return;  // a dead device: the last good state stays
  s.command = static_cast<uint16_t>(s.header[1]);
  if (pcie_ != 0) {
    s.device_control = static_cast<uint16_t>(cfg(pcie_ + model::pcie::kDeviceControl, 2));
    s.link_control = static_cast<uint16_t>(cfg(pcie_ + model::pcie::kLinkControl, 2));
    s.device_control2 = static_cast<uint16_t>(cfg(pcie_ + kDeviceControl2, 2));
    s.link_control2 = static_cast<uint16_t>(cfg(pcie_ + kLinkControl2, 2));
  }
  s.valid = true;
  saved_ = s;
}

void PciNub::restore() {
  const SavedState& s = saved_;
  // BARs and the rest first, Command last: the device must not decode half-written addresses.
  for (unsigned i = 15; i >= 4; --i) {
    // 28h CardBus, 2Ch subsystem and 34h, 38h are read-only; 30h is the ROM.
    if (i == 10 || i == 11 || i == 13 || i == 14) continue;
    cfg_write(4 * i, 4, s.header[i]);
  }
  cfg_write(0x0c, 2, s.header[3] & 0xffff);  // cache line size, latency timer
  if (pcie_ != 0) {
    cfg_write(pcie_ + model::pcie::kDeviceControl, 2, s.device_control & ~uint32_t{model::pcie::kInitiateFlr});
    cfg_write(pcie_ + model::pcie::kLinkControl, 2, s.link_control);
    cfg_write(pcie_ + kDeviceControl2, 2, s.device_control2);
    cfg_write(pcie_ + kLinkControl2, 2, s.link_control2);
  }
  program_messages();
  cfg_write(model::cfg::kCommand, 2, s.command);
}

/// _restoreDeviceState: a device that does not answer with its own identity within 2 s is logged as dead and left
/// alone. Nobody is told: the reset that came before still returns success, and the driver finds all-ones.
void PciNub::restore_if_ready() {
  if (saved_.valid && wait_ready(kRestoreReadyMaxNs) && cfg(model::cfg::kVendorId, 4) == saved_.header[0]) restore();
}

Code PciNub::save_state(uint64_t options) {
  if (!alive()) return dead_code();
  const uint32_t id = cfg(model::cfg::kVendorId, 4);
  save();
  const bool dead = id == 0 || id == UINT32_MAX;
  return dead && (options & kConfigShadowPermanent) != 0 ? io_return::kOffline : io_return::kSuccess;
}

Code PciNub::restore_state(uint64_t) {
  if (!alive()) return dead_code();
  if (!saved_.valid) return io_return::kNoResources;
  restore_if_ready();
  return io_return::kSuccess;
}

// Waiting -------------------------------------------------------------------------------------------------------------

bool PciNub::supports_flr() const {
  return pcie_ != 0 && (cfg(pcie_ + model::pcie::kDeviceCapabilities, 4) & model::pcie::kFlrCapable) != 0;
}

void PciNub::wait_transactions(uint64_t limit_ns, uint64_t poll_ns) {
  if (pcie_ == 0) return;
  uint64_t waited = 0;
  while ((cfg(pcie_ + model::pcie::kDeviceStatus, 1) & model::pcie::kTransactionsPending) != 0 && waited < limit_ns) {
    kernel_.timeline().advance(poll_ns);
    waited += poll_ns;
  }
}

bool PciNub::wait_ready(uint64_t limit_ns) {
  for (uint64_t waited = 0;; waited += kReadyPollNs) {
    const uint32_t id = cfg(model::cfg::kVendorId, 4);
    if (id != UINT32_MAX && (id & 0xffff) != kRetryVendor && (id & 0xffff) != 0xffff && id != 0) return true;
    if (waited >= limit_ns) return false;
    kernel_.timeline().advance(kReadyPollNs);
  }
}

void PciNub::terminate_later() {
  // The caller may be the dext whose service goes: on a Mac another thread terminates it.
  const Ref<PciNub> keep(this);
  kernel_.work().post([keep] {
    Kernel& kernel = keep->kernel();
    const unsigned index = keep->root_context().index;
    if (kernel.nub(index) != keep.get()) return;  // gone by other ways
    kernel.device_removed(index);
    kernel.device_arrived(index);  // busProbe finds the device again, or nothing
  });
}

// Resets --------------------------------------------------------------------------------------------------------------

Code PciNub::reset_device(uint32_t type, uint64_t options) {
  if (!alive()) return dead_code();
  if (type == kResetFunction) return reset_function(options);
  return std::popcount(type) == 1 && (type & ~kResetTypesConventional) == 0 &&
                 (options & ~uint64_t{kResetOptions}) == 0 &&
                 type == kResetHot  // warm resets need platform support that no profile has
             ? reset_hot(options)
             : io_return::kBadArgument;
}

Code PciNub::reset_function(uint64_t options) {
  if (!supports_flr()) return io_return::kUnsupported;
  const sim::Timings& timings = kernel_.profile().timings;
  const bool keep_state = (options & kResetOptionTerminate) == 0;
  if (keep_state) save();

  const uint32_t command = cfg(model::cfg::kCommand, 2);
  cfg_write(model::cfg::kCommand, 2,
            (command & ~uint32_t{model::cfg::kCommandBusMaster | model::cfg::kCommandSerr}) |
                model::cfg::kCommandIntxDisable);
  const uint64_t poll_ns = timings.flr_poll_ns != 0 ? timings.flr_poll_ns : kPollNs;
  kernel_.timeline().advance(poll_ns);  // the loop sleeps once before it looks at the clock
  wait_transactions(kFlrPendingMaxNs - std::min(poll_ns, kFlrPendingMaxNs), poll_ns);

  const uint64_t control = pcie_ + model::pcie::kDeviceControl;
  cfg_write(control, 2, cfg(control, 2) | model::pcie::kInitiateFlr);
  kernel_.timeline().advance(timings.flr_ns);

  if (keep_state) {
    restore_if_ready();
  } else {
    terminate_later();
  }
  return io_return::kSuccess;
}

Code PciNub::reset_hot(uint64_t options) {
  model::Timeline& time = kernel_.timeline();
  const sim::Timings& timings = kernel_.profile().timings;
  const bool keep_state = (options & kResetOptionTerminate) == 0;
  if (keep_state) save();

  root_.in_reset = true;
  const Rid bridge;
  const uint32_t command = port_.config_read(bridge, model::cfg::kCommand, 2);
  port_.config_write(bridge, model::cfg::kCommand, 2,
                     command & ~uint32_t{model::cfg::kCommandIo | model::cfg::kCommandMemory});
  const uint32_t control = port_.config_read(bridge, model::bridge::kBridgeControl, 2);
  port_.config_write(bridge, model::bridge::kBridgeControl, 2, control | model::bridge::kSecondaryBusReset);
  time.advance(timings.hot_reset_hold_ns);
  port_.config_write(bridge, model::bridge::kBridgeControl, 2, control & ~uint32_t{model::bridge::kSecondaryBusReset});
  port_.config_write(bridge, model::cfg::kCommand, 2, command | model::cfg::kCommandMemory);

  const bool link = wait_link_up(root_, kLinkWaitMaxNs);
  if (link) time.advance(timings.hot_reset_link_ns);
  root_.in_reset = false;

  if (!link || !keep_state) terminate_later();
  if (!link) return io_return::kTimeout;
  if (keep_state) {
    wait_ready(kReadyMaxNs);  // its result is ignored in the source too
    restore_if_ready();
  }
  return io_return::kSuccess;
}

void PciNub::client_crashed(uint64_t owner) {
  if (owner == 0 || owner != owner_ || !alive()) return;
  // BARs may be wiped if the dext died in the middle of a reset.
  for (const BarInfo& bar : memory_) {
    if (bar.bus_address == 0) continue;
    const uint64_t at = bar.bar == kRomBar ? uint64_t{model::cfg::kRomBar} : model::cfg::kBar0 + 4ull * bar.bar;
    if ((cfg(at, 4) & ~0xfu) != static_cast<uint32_t>(bar.bus_address)) {
      cfg_write(at, 4, static_cast<uint32_t>(bar.bus_address));
    }
    const bool wide = bar.type == BarType::kM64 || bar.type == BarType::kM64Prefetchable;
    if (wide && cfg(at + 4, 4) != bar.bus_address >> 32) {
      cfg_write(at + 4, 4, static_cast<uint32_t>(bar.bus_address >> 32));
    }
  }
  disable_device();
  wait_transactions(kCrashPendingMaxNs, kPollNs);
  kernel_.timeline().advance(kCrashSettleNs);
  reset_device(supports_flr() ? kResetFunction : kResetHot, 0);
  close(owner);
}

}  // namespace dartboard::macos
