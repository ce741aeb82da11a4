// backend/msix_shadow.h - the MSI-X table and pending bits a guest sees; the real ones are macOS's.
//
// A mask bit is honoured once the guest has written to its entry: a VMM that emulates the table itself (QEMU's
// vfio-user client never sends table writes) leaves every entry at its reset value, masked, and must not lose
// interrupts for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/interrupts.h"

namespace dartboard::backend {

inline constexpr uint64_t kMsixEntryBytes = 16;

class MsixShadow {
 public:
  explicit MsixShadow(Interrupts& interrupts) : interrupts_(interrupts) {}

  void resize(unsigned entries);
  unsigned entries() const { return static_cast<unsigned>(touched_.size()); }
  uint64_t table_bytes() const { return kMsixEntryBytes * touched_.size(); }
  uint64_t pba_bytes() const { return (touched_.size() + 63) / 64 * 8; }  // PCIe 6.0 s7.7.2.6: whole quadwords

  // Offsets are from the start of table or PBA; the caller keeps them in range.
  void read_table(uint64_t offset, std::span<std::byte> data) const;
  void write_table(uint64_t offset, std::span<const std::byte> data);
  void read_pba(uint64_t offset, std::span<std::byte> data) const;

  /// Every entry masked, addresses and data zero (PCIe 6.0 s7.7.2.9).
  void reset();

 private:
  Interrupts& interrupts_;
  std::vector<uint8_t> table_;
  std::vector<bool> touched_;
};

}  // namespace dartboard::backend
