// sim/macos/pci_nub.h - IOPCIDevice, the kernel half: what IOPCIFamily does for one function.
//
// Source of the rules: IOPCIFamily IOPCIDevice.cpp, IOPCIBridge.cpp, PCIDriverKit/IOPCIDevice.cpp.
// sim/driverkit's IOPCIDevice calls this; it reaches the device only through TLPs
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
#include "model/fault.h"
#include "sim/core/trace_hash.h"
#include "sim/macos/dart_events.h"
#include "sim/macos/memory_object.h"
#include "sim/macos/registry.h"

namespace dartboard::macos {

class Kernel;
class Mapper;
struct RootContext;   // root_context.h: one root complex with its mapper, MSI pool and CPU port
class CpuPort;

/// PCIDriverKit BAR types equal the BAR's low bits.
enum class BarType : uint8_t { kM32 = 0x0, kIo = 0x1, kM64 = 0x4, kM32Prefetchable = 0x8, kM64Prefetchable = 0xc };

struct BarInfo {
  uint8_t memory_index;
  uint64_t size;
  BarType type;
  uint64_t bus_address;   ///< 0: not assigned (I/O space, which Apple silicon does not reach)
  uint8_t bar;            ///< 0..5, 6 the expansion ROM
};
inline constexpr unsigned kBarsMax = 7;
inline constexpr uint8_t kRomBar = 6;

inline constexpr uint32_t kResetHot = 0x1, kResetWarm = 0x2, kResetFunction = 0x10;
inline constexpr uint32_t kResetOptionTerminate = 0x1;
inline constexpr uint32_t kConfigShadowPermanent = 0x8000'0000;   ///< save_state, restore_state
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

  /// The root complex it sits behind.
  unsigned root_index() const;

  // Sessions. `owner` identifies the client service (any stable id but 0 and UINT64_MAX).
  /// kNotOpen if it is open already, whoever asks (IOService::handleOpen); kError if inactive; kBadArgument for an
  /// impossible owner. Maps nothing; does not touch Command.
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

  /// One register access of `width` 1, 2, 4, 8, at a multiple of it. kNotOpen, kBadArgument (index, width), kOverrun
  /// (past the end), kNotAligned, kUnsupported (I/O space). The error order is this one.
  /// A failed read (UR, timeout, link down) is kSuccess with all-ones, as on the machine. The hot path.
  io_return::Code memory_read(uint64_t owner, unsigned memory_index, uint64_t offset, unsigned width, uint64_t* data);
  io_return::Code memory_write(uint64_t owner, unsigned memory_index, uint64_t offset, unsigned width, uint64_t data);
  /// The same for an access whose width is known when it is compiled (T: uint8_t to uint64_t): what the ways of a
  /// guest's register accesses use. Defined in sim/macos/pci_nub_word.h.
  template <class T>
  io_return::Code read_word(uint64_t owner, unsigned memory_index, uint64_t offset, T* data);
  template <class T>
  io_return::Code write_word(uint64_t owner, unsigned memory_index, uint64_t offset, T data);
  /// The bytes behind a BAR, if the device offers them for direct access and Command lets requests through.
  model::DirectMemory direct_memory(unsigned memory_index);

  io_return::Code find_capability(uint32_t id, uint64_t search_offset, uint64_t* found);
  io_return::Code configure_interrupts(uint32_t type, uint32_t required, uint32_t requested, uint64_t options);
  uint32_t interrupt_count() const;               ///< allocated vectors
  uint32_t interrupt_type() const;                ///< kInterruptMsi, kInterruptMsiX or 0
  /// kNoResources if the index already has a handler, kNoInterrupt if there is no such index, kBadArgument without a
  /// handler. The first one switches messages on, and with them Bus Master (IOPCIMessagedInterruptController.cpp).
  io_return::Code register_interrupt(uint32_t index, InterruptHandler* handler);
  void unregister_interrupt(uint32_t index, InterruptHandler* handler);
  /// kUnsupported: no FLR. kTimeout: no link after a hot reset; the nub is terminated and the bus probed again.
  /// kBadArgument: other types. kSuccess does not mean that the device is back: a device that stays silent after the
  /// reset is left as it is, as on the machine, and reads all-ones; whoever resets should look at the vendor id.
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

  /// Whoever has it open: a panicked kernel has nobody.
  bool is_open() const { return owner_ != 0; }
  /// DART faults of this device, where the profile makes them events.
  DartEvents& dart_events() { return dart_events_; }
  void property_read(std::string_view key) override;

  void terminate() override;
  bool conforms_to(std::string_view class_name) const override;
  void inspect(InspectNode& node) const;

  // For sim/macos itself.
  /// The device's memory as the family assigned it. Once, before the nub is published.
  void set_memory(const std::vector<BarInfo>& memory);
  /// A message of this nub arrived: finds the handler. Inside a transaction.
  void interrupt(uint32_t index, uint32_t vector);
  /// No more accesses, whoever has it open (panic, terminated).
  void shut();

 private:
  static constexpr uint64_t kNobody = UINT64_MAX;   // no owner has this id
  struct Window {
    uint64_t cpu_address;   // 0: not reachable
    uint64_t bytes;
  };
  /// IOPCIBridge's shadow of a function's writable state.
  struct SavedState {
    bool valid = false;
    uint16_t command = 0;
    std::array<uint32_t, 16> header{};   // dwords 00h..3Ch
    uint16_t device_control = 0, link_control = 0, device_control2 = 0, link_control2 = 0;
  };

  bool word_allowed(uint64_t owner, unsigned memory_index, uint64_t offset, unsigned width) const {
    if (owner != gate_owner_ || memory_index >= window_count_) return false;
    const Window& window = windows_[memory_index];
    return in_range(offset, width, window.bytes) && (offset & (width - 1)) == 0 && window.cpu_address != 0;
  }
  bool alive() const;                                          // not terminated, no panic
  io_return::Code dead_code() const;                           // why not
  uint32_t cfg(uint64_t offset, unsigned width) const;         // the kernel's own accesses: no session needed
  void cfg_write(uint64_t offset, unsigned width, uint32_t value);
  void disable_device();                                       // Command: memory space and bus master off
  const BarInfo* bar_by_number(unsigned bar) const;
  io_return::Code refuse_access() const;
  bool strike_write(unsigned memory_index, uint64_t offset);

  // pci_nub_interrupts.cpp
  void program_messages();
  void set_messages_enabled(bool enabled);
  void mask_entry(uint32_t index, bool masked);
  void release_vectors();
  void note_vector(sim::TraceKind kind, uint32_t index);

  // pci_nub_reset.cpp
  bool supports_flr() const;
  void wait_transactions(uint64_t limit_ns, uint64_t poll_ns);
  bool wait_ready(uint64_t limit_ns);
  void save();
  void restore();
  void restore_if_ready();
  io_return::Code reset_function(uint64_t options);
  io_return::Code reset_hot(uint64_t options);
  void terminate_later();

  Kernel& kernel_;
  RootContext& root_;
  CpuPort& port_;
  // The hot path reads only these.
  uint64_t gate_owner_ = kNobody;       // the opener while accesses are allowed
  uint32_t window_count_ = 0;
  std::array<Window, kBarsMax> windows_{};

  Rid rid_;
  uint64_t owner_ = 0;                  // the opener; 0: closed
  uint64_t sessions_ = 0;               // opens since the nub was published
  std::vector<BarInfo> memory_;
  std::array<Ref<MemoryObject>, kBarsMax> memory_objects_;   // the same object each time it is asked for
  uint64_t pcie_ = 0;                   // offsets of capabilities; 0: absent
  uint64_t msi_ = 0, msix_ = 0, pm_ = 0;

  uint32_t interrupt_type_ = 0;
  uint32_t vector_first_ = 0;
  uint16_t message_control_ = 0;
  uint64_t message_table_ = 0;          // CPU address of the MSI-X table; 0: MSI, or the table cannot be reached
  uint32_t messages_enabled_ = 0;       // handlers registered
  struct Vector {
    InterruptHandler* handler = nullptr;
    bool masked = false;
  };
  std::vector<Vector> vectors_;
  SavedState saved_;
  DartEvents dart_events_{properties_};
};

}  // namespace dartboard::macos
