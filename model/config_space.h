// model/config_space.h - the 4 KiB configuration space of one function: header, capability chains, access rules.
//
// The header and every capability are register declarations; this room places them, links the standard chain (from
// offset 34h) and the extended chain (from 100h), and answers configuration requests. What it refuses: nothing. A write
// to a read-only or unimplemented place is ignored, a read of one returns 0; configuration space never answers UR for
// the offset (PCIe 6.0 s7.5).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/inspect.h"
#include "model/registers.h"

namespace dartboard::model {

inline constexpr uint32_t kConfigBytes = 4096;
inline constexpr uint32_t kFirstCapabilityOffset = 0x40;
inline constexpr uint32_t kFirstExtendedOffset = 0x100;

/// Offsets that type 0 and type 1 headers share (PCIe 6.0 s7.5.1.1).
namespace cfg {
inline constexpr uint32_t kVendorId = 0x00;
inline constexpr uint32_t kDeviceId = 0x02;
inline constexpr uint32_t kCommand = 0x04;
inline constexpr uint32_t kStatus = 0x06;
inline constexpr uint32_t kRevisionId = 0x08;
inline constexpr uint32_t kClassCode = 0x09;
inline constexpr uint32_t kHeaderType = 0x0e;
inline constexpr uint32_t kBar0 = 0x10;
inline constexpr uint32_t kSubsystemVendorId = 0x2c;
inline constexpr uint32_t kSubsystemId = 0x2e;
inline constexpr uint32_t kRomBar = 0x30;
inline constexpr uint32_t kCapabilitiesPointer = 0x34;
inline constexpr uint32_t kInterruptPin = 0x3d;

inline constexpr uint16_t kCommandIo = 1u << 0;
inline constexpr uint16_t kCommandMemory = 1u << 1;
inline constexpr uint16_t kCommandBusMaster = 1u << 2;
inline constexpr uint16_t kCommandParityResponse = 1u << 6;
inline constexpr uint16_t kCommandSerr = 1u << 8;
inline constexpr uint16_t kCommandIntxDisable = 1u << 10;

inline constexpr uint16_t kStatusInterrupt = 1u << 3;
inline constexpr uint16_t kStatusCapabilities = 1u << 4;
inline constexpr uint16_t kStatusMasterDataParityError = 1u << 8;
inline constexpr uint16_t kStatusSignaledTargetAbort = 1u << 11;
inline constexpr uint16_t kStatusReceivedTargetAbort = 1u << 12;
inline constexpr uint16_t kStatusReceivedMasterAbort = 1u << 13;
inline constexpr uint16_t kStatusSignaledSystemError = 1u << 14;
inline constexpr uint16_t kStatusDetectedParityError = 1u << 15;
}  // namespace cfg

// The Command and Status fields are the same in both headers; a type 1 table starts with kCommonHeader too.
extern const std::span<const RegisterDecl> kCommonHeader;   ///< 00h..0Fh without Header Type's value, 34h, 3Ch..3Dh
extern const std::span<const RegisterDecl> kType0Header;    ///< what type 0 adds: BARs, CIS, subsystem, ROM, 3Eh..3Fh

/// A capability as data. Register offsets are relative to the capability's first byte and start after its header,
/// which the chain supplies: 2 bytes for a standard capability, 4 for an extended one.
struct CapabilityDecl {
  std::string_view name;
  uint16_t id;
  uint32_t bytes;                            ///< with header
  std::span<const RegisterDecl> registers;   ///< with static storage
  std::string_view spec;
  uint8_t version = 1;                       ///< extended capabilities only
  bool extended = false;
};

/// Names and values in a type-0 or type-1 header that software only reads.
struct HeaderIdentity {
  uint16_t vendor_id = 0xffff;
  uint16_t device_id = 0xffff;
  uint8_t revision = 0;
  uint32_t class_code = 0;        ///< 24 bits: base class, sub-class, programming interface
  uint8_t header_type = 0;        ///< with bit 7 (multi-function)
  uint8_t interrupt_pin = 0;      ///< 0 none, 1..4 INTA..INTD
};

class ConfigSpace {
 public:
  /// Places kCommonHeader and `header` (kType0Header, or a type 1 table).
  ConfigSpace(std::span<const RegisterDecl> header, const HeaderIdentity& identity);

  /// Appends a capability to its chain and returns its offset. `offset` 0: the next free one (multiple of 4).
  uint32_t add_capability(const CapabilityDecl& capability, uint32_t offset = 0);

  /// Declares the registers of a capability at `offset` and leaves the chain to whoever holds its bytes. What stood
  /// there is lost.
  void declare_capability(const CapabilityDecl& capability, uint32_t offset);

  /// Offset of the first capability with this id as software finds it by walking the chain, or 0.
  uint32_t find_capability(uint8_t id) const;
  uint32_t find_extended_capability(uint16_t id) const;

  /// A configuration access: any length 1..8 and alignment; beyond 4 KiB reads 0.
  uint64_t read(uint32_t offset, unsigned length) { return file_.read(offset, length); }
  void write(uint32_t offset, uint64_t value, unsigned length, uint8_t byte_enables = 0xff) {
    file_.write(offset, value, length, byte_enables);
  }

  uint16_t command() const { return file_.peek16(cfg::kCommand); }
  uint16_t status() const { return file_.peek16(cfg::kStatus); }
  /// Sets Status bits from the hardware side (RW1C for software).
  void set_status(uint16_t bits) { file_.poke16(cfg::kStatus, static_cast<uint16_t>(status() | bits)); }
  void clear_status(uint16_t bits) { file_.poke16(cfg::kStatus, static_cast<uint16_t>(status() & ~bits)); }

  RegisterFile& file() { return file_; }
  const RegisterFile& file() const { return file_; }

  struct PlacedCapability {
    CapabilityDecl decl;
    uint32_t offset;
  };
  std::span<const PlacedCapability> capabilities() const { return capabilities_; }

  void reset(ResetKind kind) { file_.reset(kind); }
  void inspect(InspectNode& node) const;

 private:
  RegisterFile file_;
  std::vector<PlacedCapability> capabilities_;
  uint32_t next_standard_ = kFirstCapabilityOffset;
  uint32_t next_extended_ = kFirstExtendedOffset;
  uint32_t last_standard_ = 0;
  uint32_t last_extended_ = 0;
};

}  // namespace dartboard::model
