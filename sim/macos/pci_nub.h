// sim/macos/pci_nub.h - IOPCIDevice, the kernel half: what IOPCIFamily does for one function.
//
// Source of the rules: IOPCIFamily IOPCIDevice.cpp, IOPCIBridge.cpp, PCIDriverKit/IOPCIDevice.cpp
// (facts: apple-pcie.md s3). sim/driverkit's IOPCIDevice calls this; it reaches the device only through TLPs
// (ECAM configuration requests and memory requests on the root complex's CPU socket).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/inspect.h"
#include "base/io_return.h"
#include "base/types.h"
#include "model/device.h"
#include "sim/macos/memory_object.h"
#include "sim/macos/registry.h"

namespace dartboard::macos {

class Kernel;
class Mapper;
struct RootContext;   // kernel.h: one root complex with its mapper, MSI pool and CPU port

/// PCIDriverKit BAR types equal the BAR's low bits.
enum class BarType : uint8_t { kM32 = 0x0, kIo = 0x1, kM64 = 0x4, kM32Prefetchable = 0x8, kM64Prefetchable = 0xc };

struct BarInfo { uint8_t memory_index; uint64_t size; BarType type; uint64_t bus_address; uint8_t bar; };

inline constexpr uint32_t kResetHot = 0x1, kResetWarm = 0x2, kResetFunction = 0x10;
inline constexpr uint32_t kInterruptMsi = 0x10000, kInterruptMsiX = 0x20000;

/// Receives the interrupts of one index (IOInterruptDispatchSource). Called from post context: must only post work.
class InterruptHandler {
 public:
  virtual void on_interrupt(uint32_t index, uint64_t time_ns) = 0;
 protected:
  ~InterruptHandler() = default;
};

class PciNub final : public Service {
 public:
  PciNub(Kernel& kernel, RootContext& root, Rid rid);
  Rid rid() const;
  RootContext& root_context() const;
  Kernel& kernel() const;

  // Sessions. `owner` identifies the client service (any stable id; 0 is invalid).
  /// kNotOpen if another owner has it, kError if inactive. Maps nothing; does not touch Command.
  io_return::Code open(uint64_t owner);
  /// Ignored unless `owner` has it open. Clears bus master and memory space.
  void close(uint64_t owner);
  bool is_open_by(uint64_t owner) const;

  // Configuration space; width 1, 2 or 4. Not open, in reset, inactive, or past the end: all-ones / dropped.
  uint32_t config_read(uint64_t owner, uint64_t offset, unsigned width);
  void config_write(uint64_t owner, uint64_t offset, unsigned width, uint32_t data);

  /// BAR 0..5, ROM 6. kBadArgument past 6, kNotFound if absent.
  io_return::Code bar_info(unsigned bar, BarInfo* info) const;
  const std::vector<BarInfo>& memory() const;     ///< IODeviceMemory: one entry per BAR that exists, in BAR order
  io_return::Code copy_device_memory(uint64_t owner, uint64_t memory_index, Ref<MemoryObject>* memory);

  /// One register access of `width` 1, 2, 4, 8. kNotOpen, kBadArgument (index), kOverrun (past the end).
  /// A failed read (UR, timeout, link down) is kSuccess with all-ones, as on the machine. The hot path.
  io_return::Code memory_read(uint64_t owner, unsigned memory_index, uint64_t offset, unsigned width, uint64_t* data);
  io_return::Code memory_write(uint64_t owner, unsigned memory_index, uint64_t offset, unsigned width, uint64_t data);
  /// The bytes behind a BAR, if the device offers them for direct access and Command lets requests through.
  model::DirectMemory direct_memory(unsigned memory_index);

  io_return::Code find_capability(uint32_t id, uint64_t search_offset, uint64_t* found);
  io_return::Code configure_interrupts(uint32_t type, uint32_t required, uint32_t requested, uint64_t options);
  uint32_t interrupt_count() const;               ///< allocated vectors
  uint32_t interrupt_type() const;                ///< kInterruptMsi, kInterruptMsiX or 0
  /// kNoResources if the index already has a handler, kBadArgument (NoInterrupt) if there is no such index.
  io_return::Code register_interrupt(uint32_t index, InterruptHandler* handler);
  void unregister_interrupt(uint32_t index, InterruptHandler* handler);
  io_return::Code reset_device(uint32_t type, uint64_t options);
  io_return::Code link_speed(uint32_t* speed);
  io_return::Code set_link_speed(uint32_t speed, bool retrain);
  io_return::Code save_state(uint64_t options);
  io_return::Code restore_state(uint64_t options);
  io_return::Code set_aspm(uint32_t control);
  bool has_power_management(uint64_t state);
  io_return::Code enable_power_management(uint64_t state);
  /// The dext died with the device open (IOPCIDevice::ClientCrashed).
  void client_crashed(uint64_t owner);

  void terminate() override;
  bool conforms_to(std::string_view class_name) const override;
  void inspect(InspectNode& node) const;
  // Private part: the implementer's.
};

}  // namespace dartboard::macos
