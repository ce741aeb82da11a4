// sim/driverkit/pci_device.h - what the dext's side of IOPCIDevice holds.
#pragma once

#include <cstdint>

#include <PCIDriverKit/IOPCIDevice.h>

#include "sim/macos/pci_nub.h"

struct IOPCIDevice_IVars {
  dartboard::macos::PciNub* nub = nullptr;  ///< kept alive by IOService's registry entry
  uint64_t owner = 0;                       ///< session of the client that has it open through this object, or 0
};

namespace dartboard::driverkit {

/// The provider that a dext's Start is given. One reference, the caller's.
IOPCIDevice* make_pci_device(macos::PciNub& nub);

}  // namespace dartboard::driverkit
