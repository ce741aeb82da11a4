// sim/macos/root_context.h - one root complex as macOS drives it: CPU port, DART driver, mapper, vectors, what is on
// it.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "model/root_complex.h"
#include "sim/macos/cpu_port.h"
#include "sim/macos/dart_driver.h"
#include "sim/macos/interrupts.h"
#include "sim/macos/mapper.h"
#include "sim/macos/pci_nub.h"
#include "sim/macos/registry.h"

namespace dartboard::sim {
struct PortProfile;
}

namespace dartboard::macos {

class Kernel;

/// Where a nub's stream goes: SID 0 is unused on Apple's Thunderbolt ports, and a slot holds one function.
inline constexpr Sid kDeviceSid{1};

struct RootContext {
  RootContext(Kernel& kernel_in, model::RootComplex& model_in, unsigned index_in, const char* port_name,
              model::HostMemory& memory, model::Timeline& timeline, sim::Tape& tape, sim::TraceHash& hash)
      : kernel(kernel_in),
        model(model_in),
        index(index_in),
        port(port_name),
        dart(port, memory, timeline),
        mapper({dart, memory, timeline, tape, hash, index_in}) {
    port.socket.bind(model_in.cpu);
  }

  Kernel& kernel;
  model::RootComplex& model;
  unsigned index;
  CpuPort port;
  DartDriver dart;
  Mapper mapper;
  VectorPool vectors;
  const sim::PortProfile* profile = nullptr;  ///< null: the machine has no such port

  // What IOPCIFamily made of it.
  Ref<Service> host_bridge;    ///< AppleT8132PCIeC and the like
  Ref<Service> bridge;         ///< the topmost IOPCIDevice, named by the profile ("pcic0-bridge")
  Ref<Service> bridge_driver;  ///< IOPCI2PCIBridge
  Ref<PciNub> nub;             ///< the device in the slot, if any
  uint64_t bridge_pcie = 0;    ///< offset of the root port's PCI Express capability
  bool in_reset = false;       ///< hot reset under way: children's configuration space is all-ones

  // A DART error is acknowledged in work of its own; until then the first one stands for all.
  bool dart_error_posted = false;
  bool dart_error_is_write = false;  ///< of the first one
  uint64_t dart_errors_acknowledged = 0;
  uint64_t dart_events = 0;  ///< of those, told to whoever has the device open

  // Leaks of the real kernel that the simulation only counts.
  uint64_t descriptors_leaked = 0;
};

}  // namespace dartboard::macos
