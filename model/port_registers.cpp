// model/port_registers.cpp - declarations and behaviour of the port's registers.
#include "model/port_registers.h"

#include <cassert>

namespace dartboard::model {

using namespace port_reg;

namespace {

using A = Access;
constexpr FieldDecl kInterruptStatusFields[] = {
    {"INTA", 0, 0, A::kRO},
    {"INTB", 1, 1, A::kRO},
    {"INTC", 2, 2, A::kRO},
    {"INTD", 3, 3, A::kRO},
    {"AER", 7, 4, A::kRW1C},
    {"BWMGMT", 11, 11, A::kRW1C},
    {"LINK_UP", 12, 12, A::kRW1C},
    {"LINK_DOWN", 14, 14, A::kRW1C},
    {"AF_TIMEOUT", 15, 15, A::kRW1C},
    {"REQADDR_GT32", 17, 17, A::kRW1C},
    {"MSI_ERR", 18, 18, A::kRW1C},
    {"MSI_BAD_DATA", 19, 19, A::kRW1C},
    {"CPL_ABORT", 21, 21, A::kRW1C},
    {"RID2SID_MAPERR", 22, 22, A::kRW1C},
    {"CPL_TIMEOUT", 23, 23, A::kRW1C},
    {"TUNNEL_ERR", 31, 31, A::kRW1C},
};
constexpr FieldDecl kInterruptMaskFields[] = {{"MASK", 31, 0, A::kRW}};
constexpr FieldDecl kMsiConfigFields[] = {{"LOG2_NUM", 7, 4, A::kRW, 5}, {"EN", 0, 0, A::kRW, 1}};
constexpr FieldDecl kMsiBaseFields[] = {{"BASE", 31, 0, A::kRW}};
constexpr FieldDecl kMsiAddressFields[] = {{"ADDRESS", 31, 0, A::kRW, kMsiDoorbell}};
constexpr FieldDecl kMsiAddressHighFields[] = {{"ADDRESS", 31, 0, A::kRW}};
constexpr FieldDecl kLinkStatusFields[] = {{"L2", 6, 6, A::kRO}, {"BUSY", 2, 2, A::kRO}, {"UP", 0, 0, A::kRO}};
constexpr FieldDecl kStatusFields[] = {{"RUN", 0, 0, A::kRO, 1}};
constexpr FieldDecl kPerstFields[] = {{"RELEASED", 0, 0, A::kRW, 1}};
constexpr FieldDecl kRidToSidFields[] = {
    {"VALID", 31, 31, A::kRW}, {"SID", 23, 16, A::kRW},    {"BUS", 15, 8, A::kRW},
    {"DEVICE", 7, 3, A::kRW},  {"FUNCTION", 2, 0, A::kRW},
};
constexpr std::string_view kSource = "Linux pcie-apple.c";
constexpr RegisterDecl kRegisters[] = {
    {"INTSTAT", kInterruptStatus, 4, kInterruptStatusFields, kSource},
    {"INTMSK", kInterruptMask, 4, kInterruptMaskFields, kSource},
    {"MSICFG", kMsiConfig, 4, kMsiConfigFields, kSource},
    {"MSIBASE", kMsiBase, 4, kMsiBaseFields, kSource},
    {"MSIADDR", kMsiAddress, 4, kMsiAddressFields, "Linux pcie-apple.c (t602x)"},
    {"MSIADDR_HI", kMsiAddressHigh, 4, kMsiAddressHighFields, "Linux pcie-apple.c (t602x)"},
    {"LINKSTS", kLinkStatus, 4, kLinkStatusFields, kSource},
    {"STATUS", kStatus, 4, kStatusFields, kSource},
    {"PERST", kPerst, 4, kPerstFields, "Linux pcie-apple.c (t602x)"},
    {"RID2SID", kRidToSid, 4, kRidToSidFields, "Linux pcie-apple.c (t602x)", kRidToSidEntriesMax, 4},
};
static_assert(well_formed(kRegisters));

}  // namespace

PortRegisters::PortRegisters(PortOwner& owner) : owner_(owner), file_(kFileBytes) {
  configure(16);
}

void PortRegisters::configure(unsigned rid_to_sid_entries) {
  assert(rid_to_sid_entries >= 1 && rid_to_sid_entries <= kRidToSidEntriesMax);
  rid_to_sid_entries_ = rid_to_sid_entries;
  file_ = RegisterFile(kFileBytes);
  file_.declare(kRegisters);
  for (unsigned i = rid_to_sid_entries; i < kRidToSidEntriesMax; ++i) file_.limit_writable(kRidToSid + 4 * i, 0, 4);
  file_.hook(kMsiConfig, 8, {nullptr, wrote}, this);
  file_.hook(kMsiAddress, 8, {nullptr, wrote}, this);
  file_.hook(kPerst, 4, {nullptr, wrote}, this);
  file_.hook(kRidToSid, kRidToSidEntriesMax * 4, {nullptr, wrote}, this);
  reset();
}

void PortRegisters::reset() {
  file_.reset(ResetKind::kPowerOn);
  refresh();
}

void PortRegisters::refresh() {
  const uint32_t config = file_.peek32(kMsiConfig);
  const bool enabled = (config & 1) != 0;
  doorbell_ = enabled ? file_.peek64(kMsiAddress) : UINT64_MAX;
  const uint32_t log2_vectors = (config >> 4) & 0xf;
  msi_vectors_ = enabled ? (log2_vectors >= 5 ? kMsiVectors : 1u << log2_vectors) : 0;
  last_rid_ = Rid(0);
  last_sid_ = stream_of_slow(Rid(0));
}

void PortRegisters::wrote(void* self, const RegisterWrite& write) {
  auto& port = *static_cast<PortRegisters*>(self);
  port.refresh();
  if (write.offset == kPerst && write.value != write.old_value) {
    port.owner_.perst_changed((write.value & kPerstReleased) == 0);
  }
}

bool PortRegisters::set_intx(unsigned pin, bool asserted) {
  assert(pin < 4);
  const uint32_t old_value = file_.peek32(kInterruptStatus);
  const uint32_t bit = kIntA << pin;
  const uint32_t value = asserted ? old_value | bit : old_value & ~bit;
  file_.poke32(kInterruptStatus, value);
  return value != old_value;
}

int PortRegisters::stream_of_slow(Rid rid) const {
  last_rid_ = rid;
  last_sid_ = -1;
  for (unsigned i = 0; i < rid_to_sid_entries_; ++i) {
    const uint32_t entry = file_.peek32(kRidToSid + 4 * i);
    if ((entry & kRidToSidValid) != 0 && (entry & 0xffff) == rid.value) {
      last_sid_ = static_cast<int>(entry >> kRidToSidSidLow & 0xff);
      break;
    }
  }
  return last_sid_;
}

bool PortRegisters::map_stream(Rid rid, Sid sid) {
  const uint32_t value = kRidToSidValid | uint32_t{sid.value} << kRidToSidSidLow | rid.value;
  int free_entry = -1;
  for (unsigned i = 0; i < rid_to_sid_entries_; ++i) {
    const uint32_t entry = file_.peek32(kRidToSid + 4 * i);
    const bool valid = (entry & kRidToSidValid) != 0;
    if (valid && (entry & 0xffff) == rid.value) {
      free_entry = static_cast<int>(i);
      break;
    }
    if (!valid && free_entry < 0) free_entry = static_cast<int>(i);
  }
  if (free_entry < 0) return false;
  write(kRidToSid + 4 * static_cast<uint32_t>(free_entry), value, 4);
  return true;
}

void PortRegisters::unmap_stream(Rid rid) {
  for (unsigned i = 0; i < rid_to_sid_entries_; ++i) {
    const uint32_t entry = file_.peek32(kRidToSid + 4 * i);
    if ((entry & kRidToSidValid) != 0 && (entry & 0xffff) == rid.value) write(kRidToSid + 4 * i, 0, 4);
  }
}

void PortRegisters::inspect(InspectNode& node) const {
  file_.inspect(node);
}

}  // namespace dartboard::model
