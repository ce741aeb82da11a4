// backend/msix_shadow.cpp
#include "backend/msix_shadow.h"

#include <algorithm>
#include <cassert>

#include "base/types.h"

namespace dartboard::backend {

namespace {
constexpr uint64_t kVectorControl = 12;  // byte of an entry; bit 0 is Mask (PCIe 6.0 s7.7.2.9)
// Writable bits of each byte of an entry: the address is dword-aligned, of Vector Control only Mask is not reserved.
constexpr uint8_t kWritable[kMsixEntryBytes] = {0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00};
}  // namespace

void MsixShadow::resize(unsigned entries) {
  table_.assign(kMsixEntryBytes * entries, 0);
  touched_.assign(entries, false);
  reset();
}

void MsixShadow::reset() {
  std::fill(table_.begin(), table_.end(), uint8_t{0});
  for (size_t entry = 0; entry < touched_.size(); ++entry) table_[entry * kMsixEntryBytes + kVectorControl] = 1;
  touched_.assign(touched_.size(), false);
}

void MsixShadow::read_table(uint64_t offset, std::span<std::byte> data) const {
  assert(in_range(offset, data.size(), table_.size()));
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(table_[offset + i]);
}

void MsixShadow::write_table(uint64_t offset, std::span<const std::byte> data) {
  assert(in_range(offset, data.size(), table_.size()));
  // The whole entry first, then its mask: unmasking may deliver at once, and the sink may look at the table.
  for (size_t i = 0; i < data.size(); ++i) {
    table_[offset + i] = static_cast<uint8_t>(data[i]) & kWritable[(offset + i) % kMsixEntryBytes];
  }
  if (data.empty()) return;
  const uint64_t first = offset / kMsixEntryBytes, last = (offset + data.size() - 1) / kMsixEntryBytes;
  for (uint64_t entry = first; entry <= last; ++entry) {
    touched_[entry] = true;
    const bool masked = (table_[entry * kMsixEntryBytes + kVectorControl] & 1) != 0;
    interrupts_.set_guest_mask(IrqKind::kMsix, static_cast<uint32_t>(entry), masked);
  }
}

void MsixShadow::read_pba(uint64_t offset, std::span<std::byte> data) const {
  for (size_t i = 0; i < data.size(); ++i) {
    uint8_t bits = 0;
    for (uint32_t k = 0; k < 8; ++k) {
      const auto vector = static_cast<uint32_t>((offset + i) * 8 + k);
      if (interrupts_.pending(IrqKind::kMsix, vector)) bits = static_cast<uint8_t>(bits | (1u << k));
    }
    data[i] = static_cast<std::byte>(bits);
  }
}

}  // namespace dartboard::backend
