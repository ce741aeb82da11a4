// model/msix.h - the MSI-X table and pending bit array that live in a BAR (PCIe 6.0 s7.7.2).
//
// A vector that may not be sent (masked, function masked, or the function may not master the bus) is pending, once,
// and is sent when the last obstacle goes. The table keeps no copy of Message Control: the endpoint says with
// set_gate() whether MSI-X is enabled and whether anything may be sent now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/inspect.h"
#include "model/registers.h"

namespace dartboard::model {

inline constexpr uint32_t kMsixVectorsMax = 2048;
inline constexpr uint32_t kMsixEntryBytes = 16;

namespace msix_entry {
inline constexpr uint32_t kAddressLow = 0;
inline constexpr uint32_t kAddressHigh = 4;
inline constexpr uint32_t kData = 8;
inline constexpr uint32_t kControl = 12;
inline constexpr uint32_t kMasked = 1u << 0;
}  // namespace msix_entry

/// One table entry as declarations: what the conformance tests walk.
extern const std::span<const RegisterDecl> kMsixEntryRegisters;

/// Sends the memory write of an interrupt message. Implemented by the endpoint.
class MessageSender {
 public:
  virtual void send_message(uint64_t address, uint32_t data) = 0;

 protected:
  ~MessageSender() = default;
};

class MsixTable {
 public:
  /// `vectors` 0 (no MSI-X) to kMsixVectorsMax.
  MsixTable(uint32_t vectors, MessageSender& sender);
  MsixTable(const MsixTable&) = delete;
  MsixTable& operator=(const MsixTable&) = delete;

  uint32_t vectors() const { return vectors_; }
  uint32_t table_bytes() const { return vectors_ * kMsixEntryBytes; }
  uint32_t pba_bytes() const { return static_cast<uint32_t>(pending_.size() * sizeof(uint64_t)); }

  /// Table accesses of any length and alignment; a dword or qword is what software uses.
  void read_table(uint32_t offset, std::byte* data, uint32_t length) { file_.read_bytes(offset, data, length); }
  void write_table(uint32_t offset, const std::byte* data, uint32_t length) { file_.write_bytes(offset, data, length); }
  /// PBA reads of any length; there is no PBA write (read-only).
  void read_pba(uint32_t offset, std::byte* data, uint32_t length) const;

  /// MSI-X Enable, and whether messages may leave (not function masked, Bus Master Enable, D0). Opening the gate sends
  /// what is pending.
  void set_gate(bool enabled, bool open);
  bool enabled() const { return enabled_; }

  /// The device wants vector `vector`: sent, or pending. Nothing happens if MSI-X is off or there is no such vector.
  void raise(uint32_t vector);
  /// A device that ignores the enable and every mask (a fault).
  void send_regardless(uint32_t vector) {
    if (vector < vectors_) send(vector);
  }
  bool pending(uint32_t vector) const;
  bool masked(uint32_t vector) const;

  /// Masks every vector and clears the pending bits (every reset does).
  void reset(ResetKind kind);
  /// Lists the entries that are unmasked, programmed or pending.
  void inspect(InspectNode& node) const;

 private:
  static void after_control_write(void* owner, const RegisterWrite& write);
  void send(uint32_t vector);
  void send_pending();

  uint32_t vectors_;
  MessageSender& sender_;
  RegisterFile file_;
  std::vector<uint64_t> pending_;   ///< the PBA
  uint32_t pending_count_ = 0;
  bool enabled_ = false;
  bool open_ = false;
};

}  // namespace dartboard::model
