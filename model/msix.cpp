// model/msix.cpp - mask, pend, unmask, send.
#include "model/msix.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::model {
namespace {

using A = Access;

constexpr FieldDecl kAddressLowFields[] = {
    {"Reserved", 1, 0, A::kRsvd},
    {"Message Address", 31, 2, A::kRW},
};
constexpr FieldDecl kAddressHighFields[] = {{"Message Upper Address", 31, 0, A::kRW}};
constexpr FieldDecl kDataFields[] = {{"Message Data", 31, 0, A::kRW}};
constexpr FieldDecl kControlFields[] = {
    {"Mask", 0, 0, A::kRW, 1},
    {"Reserved", 31, 1, A::kRsvd},
};
constexpr RegisterDecl kEntry[] = {
    {"Message Address", msix_entry::kAddressLow, 4, kAddressLowFields, "PCIe 6.0 s7.7.2.5"},
    {"Message Upper Address", msix_entry::kAddressHigh, 4, kAddressHighFields, "PCIe 6.0 s7.7.2.6"},
    {"Message Data", msix_entry::kData, 4, kDataFields, "PCIe 6.0 s7.7.2.7"},
    {"Vector Control", msix_entry::kControl, 4, kControlFields, "PCIe 6.0 s7.7.2.8"},
};
static_assert(well_formed(kEntry));

}  // namespace

constinit const std::span<const RegisterDecl> kMsixEntryRegisters{kEntry};

MsixTable::MsixTable(uint32_t vectors, MessageSender& sender)
    : vectors_(vectors), sender_(sender), file_(vectors * kMsixEntryBytes), pending_((vectors + 63) / 64) {
  assert(vectors <= kMsixVectorsMax);
  for (uint32_t v = 0; v < vectors; ++v) {
    const uint32_t entry = v * kMsixEntryBytes;
    file_.declare(kMsixEntryRegisters, entry);
    file_.hook(entry + msix_entry::kControl, 4, {nullptr, &MsixTable::after_control_write}, this);
  }
}

void MsixTable::read_pba(uint32_t offset, std::byte* data, uint32_t length) const {
  for (uint32_t i = 0; i < length; ++i) {
    const uint64_t at = uint64_t{offset} + i;
    data[i] = at < pba_bytes() ? static_cast<std::byte>(pending_[at / 8] >> (8 * (at % 8))) : std::byte{0};
  }
}

void MsixTable::set_gate(bool enabled, bool open) {
  enabled_ = enabled;
  open_ = open;
  if (enabled_ && open_ && pending_count_ != 0) send_pending();
}

void MsixTable::raise(uint32_t vector) {
  if (!enabled_ || vector >= vectors_) return;
  if (open_ && !masked(vector)) {
    send(vector);
    return;
  }
  if (pending(vector)) return;
  pending_[vector / 64] |= uint64_t{1} << (vector % 64);
  ++pending_count_;
}

bool MsixTable::pending(uint32_t vector) const {
  return vector < vectors_ && ((pending_[vector / 64] >> (vector % 64)) & 1) != 0;
}

bool MsixTable::masked(uint32_t vector) const {
  return vector >= vectors_ ||
         (file_.peek32(vector * kMsixEntryBytes + msix_entry::kControl) & msix_entry::kMasked) != 0;
}

void MsixTable::send(uint32_t vector) {
  const uint32_t entry = vector * kMsixEntryBytes;
  sender_.send_message(file_.peek64(entry + msix_entry::kAddressLow), file_.peek32(entry + msix_entry::kData));
}

void MsixTable::send_pending() {
  for (size_t word = 0; word < pending_.size() && pending_count_ != 0; ++word) {
    uint64_t candidates = pending_[word];
    while (candidates != 0) {
      const auto vector = static_cast<uint32_t>(word * 64 + static_cast<unsigned>(std::countr_zero(candidates)));
      candidates &= candidates - 1;
      // Pending is asked again: a message may come back as a request to this table.
      if (masked(vector) || !pending(vector)) continue;
      pending_[word] &= ~(uint64_t{1} << (vector % 64));
      --pending_count_;
      send(vector);
    }
  }
}

void MsixTable::after_control_write(void* owner, const RegisterWrite& write) {
  auto& table = *static_cast<MsixTable*>(owner);
  if ((write.fell() & msix_entry::kMasked) == 0) return;
  if (table.enabled_ && table.open_ && table.pending_count_ != 0) table.send_pending();
}

void MsixTable::reset(ResetKind kind) {
  file_.reset(kind);
  if (resets(kind, ResetState::kMsixPending)) {
    std::fill(pending_.begin(), pending_.end(), 0);
    pending_count_ = 0;
  }
  enabled_ = open_ = false;
}

void MsixTable::inspect(InspectNode& node) const {
  for (uint32_t v = 0; v < vectors_; ++v) {
    const uint64_t address = file_.peek64(v * kMsixEntryBytes + msix_entry::kAddressLow);
    const uint32_t data = file_.peek32(v * kMsixEntryBytes + msix_entry::kData);
    if (masked(v) && !pending(v) && address == 0 && data == 0) continue;
    node.child(fmt::format("vector {}", v), fmt::format("{:#x} <- {:#x}", address, data),
               fmt::format("{}{}", masked(v) ? "masked" : "unmasked", pending(v) ? ", pending" : ""));
  }
}

}  // namespace dartboard::model
