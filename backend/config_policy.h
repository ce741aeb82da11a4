// backend/config_policy.h - configuration space as policy: what a guest sees, what it may change, what reaches
// hardware.
//
// Data only, to be reviewed against the specification. Four masks a register:
//   shadowed   the guest reads these bits from a shadow, the rest from the device
//   writable   the guest's writes change these bits of the shadow
//   forwarded  the guest's writes reach these bits of the device
//   w1c        bits the device clears when 1 is written: written as 0 unless the guest asked
// A bit in none of them is read from the device and its writes are swallowed. What no row covers is that, too, except
// device-specific bytes between 0x40 and 0xff that belong to no capability: those are the function's own registers and
// are forwarded.
#pragma once

#include <cstdint>
#include <span>

namespace dartboard::backend {

/// What else happens when the guest writes (or, for kMsiPending, reads) a register.
enum class Hook : uint8_t {
  kNone,
  kCommand,        ///< INTx disable gates our INTx; bus master is held back while the guest has the function in D3
  kBar,            ///< address bits below the size stay zero: sizing works
  kPowerState,     ///< D0 and D3hot only; D3hot holds bus master back
  kDeviceControl,  ///< bit 15, Initiate FLR: the reset ladder
  kAfControl,      ///< bit 0, Initiate FLR: the reset ladder
  kMsiMask,        ///< per-vector mask bits of MSI
  kMsiPending,     ///< pending bits of MSI, computed when read
  kMsixControl,    ///< function mask
};

struct Row {
  uint16_t offset = 0;  ///< from the start of the header or capability
  uint8_t width = 1;    ///< 1, 2 or 4 bytes
  uint32_t shadowed = 0;
  uint32_t writable = 0;
  uint32_t forwarded = 0;
  uint32_t w1c = 0;
  uint32_t device_bits = 0;  ///< initial shadow: these bits as the device has them at open ...
  uint32_t initial = 0;      ///< ... or'ed with these
  Hook hook = Hook::kNone;
  const char* field = "";
  const char* reason = "";
  const char* source = "";
};

/// What happens to the bytes of a capability that no row covers.
enum class Body : uint8_t { kReadOnly, kForwarded, kResizableBar };

struct CapabilityPolicy {
  uint16_t id = 0;
  const char* name = "";
  bool hidden = false;
  bool host_owned = false;  ///< its bytes are claimed before those of others, whatever a hostile list says
  uint16_t bytes = 0;       ///< 0: by its own length field, else up to the next capability
  Body body = Body::kReadOnly;
  std::span<const Row> rows{};
  const char* reason = "";
  const char* source = "";
};

/// The 64 bytes of a type 0 header.
std::span<const Row> header_policy();

/// Policy of a capability in the first 256 bytes. `control` is the 16-bit word after the list pointer: MSI and PCIe
/// have layouts that depend on it.
CapabilityPolicy capability_policy(uint8_t id, uint16_t control);

/// Policy of an extended capability (0x100 and above).
CapabilityPolicy extended_capability_policy(uint16_t id);

inline constexpr uint16_t kConfigBytes = 4096;
inline constexpr uint16_t kConventionalConfigBytes = 256;
inline constexpr uint16_t kHeaderBytes = 64;

inline constexpr uint16_t kCommandOffset = 0x04;
inline constexpr uint16_t kStatusOffset = 0x06;
inline constexpr uint16_t kHeaderTypeOffset = 0x0e;
inline constexpr uint16_t kBar0Offset = 0x10;
inline constexpr uint16_t kCapabilityPointerOffset = 0x34;
inline constexpr uint16_t kInterruptPinOffset = 0x3d;

inline constexpr uint16_t kCommandMemory = 0x0002;
inline constexpr uint16_t kCommandBusMaster = 0x0004;
inline constexpr uint16_t kCommandIntxDisable = 0x0400;
inline constexpr uint16_t kStatusCapabilityList = 0x0010;

inline constexpr uint8_t kCapPowerManagement = 0x01;
inline constexpr uint8_t kCapMsi = 0x05;
inline constexpr uint8_t kCapExpress = 0x10;
inline constexpr uint8_t kCapMsix = 0x11;
inline constexpr uint8_t kCapAf = 0x13;

}  // namespace dartboard::backend
