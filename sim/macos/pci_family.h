// sim/macos/pci_family.h - IOPCIFamily at boot and on hot plug: from a link to a nub with memory and properties.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "sim/macos/pci_nub.h"

namespace dartboard::macos {

class Kernel;
struct RootContext;

/// Registry entries above the device, bus numbers, bridge windows, streams. After the root complex's power-on.
void bring_up_root(Kernel& kernel, RootContext& root, RegistryEntry& platform);
/// Finds the device, sizes and places its BARs and publishes its nub (not yet offered to drivers). Null: no device.
Ref<PciNub> probe_slot(Kernel& kernel, RootContext& root);
/// Terminates the nub, waits for its mappings to go (at most 100 ms) and takes its stream away.
void withdraw_nub(Kernel& kernel, RootContext& root);
/// Takes the registry entries away again. Only without a nub.
void take_down_root(RootContext& root);

/// Polls the root port's link status. False: the link did not come up in time.
bool wait_link_up(RootContext& root, uint64_t limit_ns);

/// Where BARs of these sizes go: natural alignment, largest first, lowest address that fits. Sets bus_address of those
/// that found a place. `bars` of one window.
struct BarRequest {
  uint64_t size;
  uint64_t address = 0;
  bool placed = false;
};
void place_bars(uint64_t window_base, uint64_t window_bytes, std::vector<BarRequest*>& bars);

}  // namespace dartboard::macos
