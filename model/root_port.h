// model/root_port.h - the root port: a PCI-PCI bridge with its type 1 header, bus numbers, windows and link controls.
//
// The header is declared data; this room works out from it where a request goes: which configuration requests reach
// the device, which memory addresses lie in a window, and whether DMA may pass upstream.
#pragma once

#include <cstdint>

#include "base/inspect.h"
#include "base/types.h"
#include "model/config_space.h"
#include "model/registers.h"

namespace dartboard::model {

/// Offsets and bits of the type 1 header (PCIe 6.0 s7.5.1.3).
namespace bridge {
inline constexpr uint32_t kPrimaryBus = 0x18;
inline constexpr uint32_t kSecondaryBus = 0x19;
inline constexpr uint32_t kSubordinateBus = 0x1a;
inline constexpr uint32_t kSecondaryStatus = 0x1e;
inline constexpr uint32_t kMemoryBase = 0x20;          ///< address bits 31:20 in 15:4
inline constexpr uint32_t kMemoryLimit = 0x22;
inline constexpr uint32_t kPrefetchBase = 0x24;
inline constexpr uint32_t kPrefetchLimit = 0x26;
inline constexpr uint32_t kPrefetchBaseUpper = 0x28;
inline constexpr uint32_t kPrefetchLimitUpper = 0x2c;
inline constexpr uint32_t kBridgeControl = 0x3e;
inline constexpr uint16_t kSecondaryBusReset = 1u << 6;   ///< in Bridge Control
inline constexpr uint16_t kReceivedTargetAbort = 1u << 12;   ///< in Secondary Status
inline constexpr uint16_t kReceivedMasterAbort = 1u << 13;
/// Relative to the root port's PCI Express capability.
inline constexpr uint32_t kLinkControl = 16;
inline constexpr uint32_t kLinkStatus = 18;
inline constexpr uint32_t kRootControl = 28;
inline constexpr uint16_t kLinkDisable = 1u << 4;
inline constexpr uint16_t kRetrainLink = 1u << 5;
inline constexpr uint16_t kDataLinkActive = 1u << 13;     ///< in Link Status
inline constexpr uint16_t kRrsVisibility = 1u << 4;       ///< in Root Control
}  // namespace bridge

/// What a write to the root port's registers makes the root complex do.
class RootPortOwner {
 public:
  /// Bridge Control's Secondary Bus Reset was set or cleared.
  virtual void secondary_reset(bool asserted) = 0;
  /// Link Control's Link Disable was set or cleared.
  virtual void link_disabled(bool disabled) = 0;

 protected:
  ~RootPortOwner() = default;
};

enum class ConfigRoute : uint8_t {
  kRootPort,   ///< the root port's own registers
  kDevice,     ///< type 0 to the device on the secondary bus
  kNobody,     ///< no such function: unsupported request
};

class RootPort {
 public:
  explicit RootPort(RootPortOwner& owner);

  ConfigRoute route(unsigned bus, unsigned device, unsigned function) const {
    if (bus == 0) return device == 0 && function == 0 ? ConfigRoute::kRootPort : ConfigRoute::kNobody;
    return bus == secondary_bus_ && device == 0 && function == 0 ? ConfigRoute::kDevice : ConfigRoute::kNobody;
  }
  /// True if a window claims every byte of [address, +length) and Memory Space Enable is set.
  bool claims(uint64_t address, uint64_t length) const {
    return memory_enable_ && (memory_.has(address, length) || prefetch_.has(address, length));
  }
  /// True if a request from below goes up: Bus Master Enable is set and no window claims the address
  /// (PCI-to-PCI Bridge 1.2 s4.2; a root port without peer-to-peer support refuses what its own windows claim).
  bool forwards_upstream(uint64_t address, uint64_t length) const {
    return bus_master_ && !memory_.touches(address, length) && !prefetch_.touches(address, length);
  }
  /// Bus number of the device's requester id; 0 before enumeration.
  uint8_t secondary_bus() const { return secondary_bus_; }
  bool rrs_visible() const;

  uint64_t config_read(uint32_t offset, unsigned length) { return config_.read(offset, length); }
  void config_write(uint32_t offset, uint64_t value, unsigned length) { config_.write(offset, value, length); }
  ConfigSpace& config() { return config_; }
  const ConfigSpace& config() const { return config_; }

  // Hardware's side.
  void set_link_active(bool active);
  void set_secondary_status(uint16_t bits);

  void reset();
  void inspect(InspectNode& node) const;

 private:
  /// [base, end); empty if base >= end.
  struct Window {
    uint64_t base = 0;
    uint64_t end = 0;
    bool has(uint64_t address, uint64_t length) const {
      return address >= base && address < end && length <= end - address;
    }
    bool touches(uint64_t address, uint64_t length) const {
      return base < end && address < end && (address >= base || length > base - address);
    }
  };
  void refresh();
  static void wrote(void* self, const RegisterWrite& write);
  static void wrote_bridge_control(void* self, const RegisterWrite& write);
  static void wrote_link_control(void* self, const RegisterWrite& write);

  RootPortOwner& owner_;
  ConfigSpace config_;
  uint32_t pcie_ = 0;   // offset of the PCI Express capability
  // Worked out from the header when it is written.
  bool memory_enable_ = false;
  bool bus_master_ = false;
  uint8_t secondary_bus_ = 0;
  Window memory_;
  Window prefetch_;
};

}  // namespace dartboard::model
