// model/port_registers.h - the register file of an Apple PCIe port: interrupt status, MSI set-up, PERST, RID to SID.
//
// Offsets are those of the t602x where it differs from the t8103. Sources: Linux drivers/pci/controller/pcie-apple.c,
// m1n1 src/pcie.c. Reset values are what firmware leaves behind: MSIs on, 32 vectors, PERST released; whoever wants to
// program them as a driver does, can.
#pragma once

#include <array>
#include <cstdint>

#include "base/inspect.h"
#include "base/types.h"
#include "model/registers.h"

namespace dartboard::model {

namespace port_reg {
inline constexpr uint32_t kFileBytes = 0x4000;
inline constexpr uint32_t kInterruptStatus = 0x100;
inline constexpr uint32_t kInterruptMask = 0x104;
inline constexpr uint32_t kMsiConfig = 0x124;
inline constexpr uint32_t kMsiBase = 0x128;
inline constexpr uint32_t kMsiAddress = 0x16c;
inline constexpr uint32_t kMsiAddressHigh = 0x170;
inline constexpr uint32_t kLinkStatus = 0x208;
inline constexpr uint32_t kStatus = 0x804;
inline constexpr uint32_t kPerst = 0x82c;
inline constexpr uint32_t kRidToSid = 0x3000;
inline constexpr unsigned kRidToSidEntriesMax = 64;

// INTSTAT
inline constexpr uint32_t kIntA = 1u << 0;                ///< to bit 3, INTD: levels
inline constexpr uint32_t kAerCorrectable = 1u << 4;      ///< which of the four AER bits means what is not documented
inline constexpr uint32_t kAerNonFatal = 1u << 5;
inline constexpr uint32_t kAerFatal = 1u << 6;
inline constexpr uint32_t kBandwidthManagement = 1u << 11;
inline constexpr uint32_t kLinkUp = 1u << 12;
inline constexpr uint32_t kLinkDown = 1u << 14;
inline constexpr uint32_t kAddressOverflow = 1u << 17;    ///< REQADDR_GT32
inline constexpr uint32_t kMsiError = 1u << 18;
inline constexpr uint32_t kMsiBadData = 1u << 19;
inline constexpr uint32_t kCompleterAbort = 1u << 21;
inline constexpr uint32_t kRidToSidMapError = 1u << 22;
inline constexpr uint32_t kCompletionTimeout = 1u << 23;

inline constexpr uint32_t kMsiDoorbell = 0xffff'f000;
inline constexpr uint32_t kMsiVectors = 32;               ///< of a root complex
inline constexpr uint32_t kPerstReleased = 1u << 0;
inline constexpr uint32_t kRidToSidValid = 1u << 31;
inline constexpr uint32_t kRidToSidSidLow = 16;
}  // namespace port_reg

/// What a write to the port's registers makes the root complex do.
class PortOwner {
 public:
  virtual void perst_changed(bool asserted) = 0;

 protected:
  ~PortOwner() = default;
};

class PortRegisters {
 public:
  explicit PortRegisters(PortOwner& owner);

  /// `rid_to_sid_entries`: 1..64 (t602x 16, t8103 up to 64).
  void configure(unsigned rid_to_sid_entries);

  uint64_t read(uint32_t offset, unsigned length) { return file_.read(offset, length); }
  void write(uint32_t offset, uint64_t value, unsigned length) { file_.write(offset, value, length); }

  /// Sets INTSTAT bits.
  void raise(uint32_t bits) {
    file_.poke32(port_reg::kInterruptStatus, file_.peek32(port_reg::kInterruptStatus) | bits);
  }
  /// INTx level in INTSTAT. True if it changed.
  bool set_intx(unsigned pin, bool asserted);
  void set_link_up(bool up) { file_.poke32(port_reg::kLinkStatus, up ? 1 : 0); }

  /// True if a 4-byte memory write to this address is an MSI.
  bool is_doorbell(uint64_t address) const { return address == doorbell_; }
  /// Vectors enabled by MSICFG.
  uint32_t msi_vectors() const { return msi_vectors_; }

  /// Stream of a requester, or -1.
  int stream_of(Rid rid) const {
    if (rid == last_rid_) [[likely]] return last_sid_;
    return stream_of_slow(rid);
  }
  /// Writes a free RID2SID entry, or the one that has this RID. False: full.
  bool map_stream(Rid rid, Sid sid);
  void unmap_stream(Rid rid);

  const RegisterFile& registers() const { return file_; }
  void reset();
  void inspect(InspectNode& node) const;

 private:
  int stream_of_slow(Rid rid) const;
  void refresh();
  static void wrote(void* self, const RegisterWrite& write);

  PortOwner& owner_;
  unsigned rid_to_sid_entries_ = 16;
  RegisterFile file_;
  // Worked out from the registers when they are written.
  uint64_t doorbell_ = UINT64_MAX;
  uint32_t msi_vectors_ = 0;
  mutable Rid last_rid_;
  mutable int last_sid_ = -1;
};

}  // namespace dartboard::model
