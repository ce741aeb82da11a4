// model/root_port.h - the root port: a PCI-PCI bridge with its type 1 header, bus numbers, windows and link controls.
//
// The header is declared data; this room works out from it where a request goes: which configuration requests reach
// the device, which memory addresses lie in a window, and whether DMA may pass upstream.
#pragma once

#include <cstdint>

#include "base/inspect.h"
#include "base/types.h"
#include "model/config_space.h"
#include "model/error_report.h"
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
inline constexpr uint16_t kParityResponse = 1u << 0;      ///< in Bridge Control
inline constexpr uint16_t kSerrEnable = 1u << 1;
inline constexpr uint16_t kSecondaryBusReset = 1u << 6;
inline constexpr uint16_t kMasterDataParityError = 1u << 8;  ///< in Secondary Status
inline constexpr uint16_t kSignaledTargetAbort = 1u << 11;
inline constexpr uint16_t kReceivedTargetAbort = 1u << 12;
inline constexpr uint16_t kReceivedMasterAbort = 1u << 13;
inline constexpr uint16_t kReceivedSystemError = 1u << 14;
inline constexpr uint16_t kDetectedParityError = 1u << 15;
/// Relative to the root port's PCI Express capability.
inline constexpr uint32_t kLinkControl = 16;
inline constexpr uint32_t kLinkStatus = 18;
inline constexpr uint32_t kRootControl = 28;
inline constexpr uint32_t kLinkControl2 = 48;
inline constexpr uint16_t kLinkDisable = 1u << 4;
inline constexpr uint16_t kRetrainLink = 1u << 5;
inline constexpr uint16_t kDataLinkActive = 1u << 13;     ///< in Link Status
inline constexpr uint16_t kBandwidthManaged = 1u << 14;   ///< in Link Status
inline constexpr uint16_t kSystemErrorOnCorrectable = 1u << 0;   ///< in Root Control; then non-fatal, fatal
inline constexpr uint16_t kRrsVisibility = 1u << 4;
inline constexpr unsigned kLinkSpeedMax = 4;              ///< 16 GT/s
inline constexpr unsigned kLinkWidthMax = 4;
}  // namespace bridge

/// INTx pin (0 = INTA) at the upstream side of a bridge for `pin` of device `device` behind it (PCIe 6.0 s2.2.8.1).
/// On a link there is only device 0, whose pins pass unchanged.
constexpr unsigned swizzle_intx(unsigned pin, unsigned device) { return (pin + device) % 4; }

/// An error message that reached the root port from below, or an error of its own; or no message at all, when software
/// enables the interrupt for one that is waiting.
struct RootError {
  ErrorMessage message = ErrorMessage::kNone;
  Rid source;
  bool interrupt = false;      ///< Root Error Command asks for one, and no earlier one is waiting for software
  bool system_error = false;   ///< Root Control asks for one
};

/// What a write to the root port's registers makes the root complex do.
class RootPortOwner {
 public:
  /// Bridge Control's Secondary Bus Reset was set or cleared.
  virtual void secondary_reset(bool asserted) = 0;
  /// Link Control's Link Disable was set or cleared.
  virtual void link_disabled(bool disabled) = 0;
  /// Link Control's Retrain Link was set.
  virtual void link_retrained() {}
  /// An error was counted in Root Error Status, or the interrupt for one was enabled.
  virtual void root_error(const RootError&) {}

 protected:
  ~RootPortOwner() = default;
};

enum class ConfigRoute : uint8_t {
  kRootPort,   ///< the root port's own registers
  kDevice,     ///< type 0 to a function of the device on the secondary bus
  kBehind,     ///< type 1 to the device on the secondary bus: a bus behind it
  kNobody,     ///< no such function: unsupported request
};

class RootPort {
 public:
  explicit RootPort(RootPortOwner& owner);

  ConfigRoute route(unsigned bus, unsigned device, unsigned function) const {
    if (bus == 0) return device == 0 && function == 0 ? ConfigRoute::kRootPort : ConfigRoute::kNobody;
    // A link has one device, so a downstream port answers for all others itself (PCIe 6.0 s7.3.1).
    if (bus == secondary_bus_) return device == 0 ? ConfigRoute::kDevice : ConfigRoute::kNobody;
    return secondary_bus_ != 0 && bus > secondary_bus_ && bus <= subordinate_bus_ ? ConfigRoute::kBehind
                                                                                  : ConfigRoute::kNobody;
  }
  /// True if a window claims every byte of [address, +length) and Memory Space Enable is set.
  bool claims(uint64_t address, uint64_t length) const {
    return memory_enable_ && (memory_.has(address, length) || prefetch_.has(address, length));
  }
  /// Whether the prefetchable window claims `address`.
  bool prefetchable(uint64_t address) const { return prefetch_.has(address, 1); }
  /// True if a request from below goes up: Bus Master Enable is set and no window claims the address
  /// (PCI-to-PCI Bridge 1.2 s4.2; a root port without peer-to-peer support refuses what its own windows claim).
  bool forwards_upstream(uint64_t address, uint64_t length) const {
    return bus_master_ && !memory_.touches(address, length) && !prefetch_.touches(address, length);
  }
  /// Bus number of the device's requester id; 0 before enumeration.
  uint8_t secondary_bus() const { return secondary_bus_; }
  bool rrs_visible() const;

  uint64_t config_read(uint32_t offset, unsigned length) { return config_.read(offset, length); }
  void config_write(uint32_t offset, uint64_t value, unsigned length, uint8_t byte_enables = 0xff) {
    config_.write(offset, value, length, byte_enables);
  }
  ConfigSpace& config() { return config_; }
  const ConfigSpace& config() const { return config_; }

  // Hardware's side.
  /// Max_Payload_Size Supported: a power of two from 128 to 4096 bytes. HwInit: at once, and after every power-on.
  void declare_max_payload(uint32_t bytes);
  void set_link_active(bool active);
  /// What Link Status says about the link: speed 1..4, lanes 1..4. A change of an active link sets Link Bandwidth
  /// Management Status; a link that went down in between starts anew and sets nothing (PCIe 6.0 s7.5.3.8).
  void set_link_rate(unsigned speed, unsigned width);
  /// Link Control 2's Target Link Speed: what the link trains to at best, 1..4.
  unsigned target_link_speed() const;
  void set_secondary_status(uint16_t bits);
  bool parity_response() const;
  /// An error that the root port found itself.
  void report(PcieError error, const TlpHeader* header, bool advisory = false);
  /// An error message from below.
  void receive(ErrorMessage message, Rid source);

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
  void count(ErrorMessage message, Rid source);
  void mark_bandwidth_managed();
  bool link_active() const;
  static void wrote(void* self, const RegisterWrite& write);
  static void wrote_bridge_control(void* self, const RegisterWrite& write);
  static void wrote_link_control(void* self, const RegisterWrite& write);
  static void wrote_root_error_command(void* self, const RegisterWrite& write);

  RootPortOwner& owner_;
  ConfigSpace config_;
  uint32_t pcie_ = 0;   // offsets of the capabilities
  uint32_t aer_ = 0;
  // Worked out from the header when it is written.
  bool memory_enable_ = false;
  bool bus_master_ = false;
  uint8_t secondary_bus_ = 0;
  uint8_t subordinate_bus_ = 0;
  Window memory_;
  Window prefetch_;
};

}  // namespace dartboard::model
