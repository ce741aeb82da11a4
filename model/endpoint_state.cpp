// model/endpoint_state.cpp - a function's declaration, its resets and power states, and what it sends: DMA, interrupts.
#include <algorithm>

#include <fmt/format.h>

#include "model/capabilities.h"
#include "model/endpoint.h"

namespace dartboard::model {
namespace {

constexpr uint64_t kDmaChunkBytesMax = kGiB;   // a payload's length is 32 bits
constexpr uint32_t kMsiVectorsMax = 32;

Result<void> validate_msix_region(const EndpointDeclaration& d, std::string_view what, unsigned bar, uint64_t offset,
                                  uint64_t bytes) {
  if (bar >= kBarCount || !is_memory_space(d.bars[bar].kind)) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The MSI-X {} is in BAR{}, which is not a memory BAR.", what, bar));
  }
  if (offset % 8 != 0) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The MSI-X {} is at offset {:#x}: expected a multiple of 8.", what, offset));
  }
  if (!in_range(offset, bytes, d.bars[bar].size_bytes)) {
    return fail(ErrorName::kOutOfRange,
                fmt::format("The MSI-X {} ({} bytes at {:#x}) does not fit in BAR{} of {} bytes.", what, bytes, offset,
                            bar, d.bars[bar].size_bytes));
  }
  return {};
}

}  // namespace

Result<void> EndpointDeclaration::validate() const {
  if (vendor_id == 0xffff) {
    return fail(ErrorName::kBadArgument, "The vendor id is 0xffff, which means that no device is there.");
  }
  if (class_code > 0xff'ffff) {
    return fail(ErrorName::kBadArgument, fmt::format("The class code {:#x} has more than 24 bits.", class_code));
  }
  if (interrupt_pin > 4) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The interrupt pin is {}: expected 0 (none) or 1 to 4 (INTA to INTD).", interrupt_pin));
  }
  if (auto valid = model::validate(bars); !valid) return valid;
  if (msi_vectors != 0 && (!is_power_of_two(msi_vectors) || msi_vectors > kMsiVectorsMax)) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The number of MSI vectors is {}: expected 0, 1, 2, 4, 8, 16 or 32.", msi_vectors));
  }
  if (msix_vectors > kMsixVectorsMax) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The number of MSI-X vectors is {}: expected at most {}.", msix_vectors, kMsixVectorsMax));
  }
  if (msix_vectors != 0) {
    const uint64_t table_bytes = uint64_t{msix_vectors} * kMsixEntryBytes;
    const uint64_t pba_bytes = round_up(msix_vectors, 64) / 8;
    if (auto valid = validate_msix_region(*this, "table", msix_table_bar, msix_table_offset, table_bytes); !valid) {
      return valid;
    }
    if (auto valid = validate_msix_region(*this, "PBA", msix_pba_bar, msix_pba_offset, pba_bytes); !valid) {
      return valid;
    }
    if (msix_table_bar == msix_pba_bar && msix_table_offset < msix_pba_offset + pba_bytes &&
        msix_pba_offset < msix_table_offset + table_bytes) {
      return fail(ErrorName::kBadArgument, "The MSI-X table and PBA overlap.");
    }
  }
  if (!pcie && (flr || aer || serial_number.has_value())) {
    return fail(ErrorName::kBadArgument,
                "FLR, AER and a serial number need the PCI Express capability, which is switched off.");
  }
  return {};
}

Endpoint::Endpoint(const EndpointDeclaration& declaration)
    : declaration_(declaration),
      config_(kType0Header, HeaderIdentity{declaration.vendor_id, declaration.device_id, declaration.revision,
                                           declaration.class_code, 0, declaration.interrupt_pin}),
      msix_(declaration.msix_vectors, *this) {
  assert(declaration_.validate().has_value());
  build_config();
  for (unsigned i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = declaration_.bars[i];
    if (bar.role == BarRole::kMemory && bar.size_bytes != 0) memory_[i] = DeviceMemory(bar.size_bytes);
  }
  if (msix_.vectors() != 0) {
    const auto& d = declaration_;
    table_region_ = {d.msix_table_offset, uint64_t{d.msix_table_offset} + msix_.table_bytes()};
    pba_region_ = {d.msix_pba_offset, uint64_t{d.msix_pba_offset} + msix_.pba_bytes()};
    msix_bars_ = static_cast<uint8_t>((1u << d.msix_table_bar) | (1u << d.msix_pba_bar));
  }
  for (unsigned i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = declaration_.bars[i];
    if (is_memory_space(bar.kind) && bar.role == BarRole::kRegisters && ((msix_bars_ >> i) & 1) == 0) {
      plain_register_bars_ |= static_cast<uint8_t>(1u << i);
    }
  }
  refresh();
}

Endpoint::~Endpoint() = default;

void Endpoint::build_config() {
  const EndpointDeclaration& d = declaration_;
  RegisterFile& file = config_.file();
  file.set_initial(cfg::kSubsystemVendorId, d.subsystem_vendor_id, 2);
  file.set_initial(cfg::kSubsystemId, d.subsystem_id, 2);
  decoder_.declare(d.bars, config_);
  file.hook(cfg::kCommand, 4, {nullptr, &Endpoint::after_header_write}, this);
  file.hook(cfg::kBar0, 4 * kBarCount, {nullptr, &Endpoint::after_header_write}, this);

  if (d.power_management) {
    pm_ = config_.add_capability(kPowerManagementCapability);
    file.set_initial(pm_ + pm::kControlStatus, d.no_soft_reset ? pm::kNoSoftReset : 0, 2);
    file.hook(pm_ + pm::kControlStatus, 4, {nullptr, &Endpoint::after_power_write}, this);
  }
  if (d.msi_vectors != 0) {
    msi_ = config_.add_capability(kMsiCapability);
    unsigned capable = 0;
    while ((1u << capable) < d.msi_vectors) ++capable;
    file.set_initial(msi_ + msi::kControl,
                     file.peek16(msi_ + msi::kControl) | (capable << msi::kMultipleMessageCapableShift), 2);
    // Masks of vectors that do not exist are not implemented (PCIe 6.0 s7.7.1.7).
    file.limit_writable(msi_ + msi::kMask, low_bits(d.msi_vectors), 4);
    file.hook(msi_, 4, {nullptr, &Endpoint::after_interrupt_write}, this);
    file.hook(msi_ + msi::kMask, 4, {nullptr, &Endpoint::after_interrupt_write}, this);
  }
  if (d.pcie) {
    pcie_ = config_.add_capability(kPcieEndpointCapability);
    if (d.flr) {
      const uint32_t capabilities = pcie_ + pcie::kDeviceCapabilities;
      file.set_initial(capabilities, file.peek32(capabilities) | pcie::kFlrCapable, 4);
    }
    file.hook(pcie_ + pcie::kDeviceControl, 4, {nullptr, &Endpoint::after_device_control_write}, this);
  }
  if (d.msix_vectors != 0) {
    msix_cap_ = config_.add_capability(kMsixCapability);
    file.set_initial(msix_cap_ + msix::kControl, d.msix_vectors - 1, 2);
    file.set_initial(msix_cap_ + msix::kTable, d.msix_table_offset | d.msix_table_bar, 4);
    file.set_initial(msix_cap_ + msix::kPba, d.msix_pba_offset | d.msix_pba_bar, 4);
    file.hook(msix_cap_, 4, {nullptr, &Endpoint::after_interrupt_write}, this);
  }
  if (d.vendor_capability) config_.add_capability(kVendorCapability);
  if (d.aer) aer_ = config_.add_capability(kAerCapability);
  if (d.serial_number.has_value()) {
    const uint32_t at = config_.add_capability(kSerialNumberCapability);
    file.set_initial(at + serial::kLow, *d.serial_number & 0xffff'ffff, 4);
    file.set_initial(at + serial::kHigh, *d.serial_number >> 32, 4);
  }
}

// Resets and power ----------------------------------------------------------------------------------------------------

void Endpoint::attach(Upstream* upstream) {
  if (upstream_ != nullptr && intx_line_) {
    upstream_->set_intx(declaration_.interrupt_pin - 1u, false);
  }
  intx_line_ = false;
  upstream_ = upstream;
}

void Endpoint::reset(ResetKind kind) {
  config_.reset(kind);
  msix_.reset(kind);
  intx_ = false;
  const bool function_only = kind == ResetKind::kFlr || kind == ResetKind::kD3ToD0;
  if (!function_only) ready_at_ns_ = 0;   // even a function that had stopped responding starts again
  if (kind == ResetKind::kPowerOn) {
    for (DeviceMemory& memory : memory_) memory.reset();
    rid_ = Rid();
  } else if (kind != ResetKind::kD3ToD0 && declaration_.reset_ready_ns != 0 && upstream_ != nullptr &&
             ready_at_ns_ != UINT64_MAX) {
    ready_at_ns_ = upstream_->timeline().now().value + declaration_.reset_ready_ns;
  }
  refresh();
}

// Everything that follows from configuration registers, worked out once per change instead of once per request.
void Endpoint::refresh() {
  const RegisterFile& file = config_.file();
  const uint16_t command = config_.command();
  powered_ = pm_ == 0 || (file.peek16(pm_ + pm::kControlStatus) & pm::kPowerStateMask) == 0;
  bus_master_ = powered_ && (command & cfg::kCommandBusMaster) != 0;
  const bool memory = powered_ && ((command & cfg::kCommandMemory) != 0 || declaration_.memory_decode_ungated);
  decoder_.update(config_, memory, powered_ && (command & cfg::kCommandIo) != 0);

  msi_enabled_ = msi_ != 0 && (file.peek16(msi_ + msi::kControl) & msi::kEnable) != 0;
  if (msix_cap_ != 0) {
    const uint16_t control = file.peek16(msix_cap_ + msix::kControl);
    msix_.set_gate((control & msix::kEnable) != 0, bus_master_ && (control & msix::kFunctionMask) == 0);
  }
  drive_intx();
  if (msi_enabled_ && bus_master_) send_pending_msi();
}

void Endpoint::after_header_write(void* owner, const RegisterWrite& write) {
  if (write.value != write.old_value) static_cast<Endpoint*>(owner)->refresh();
}

void Endpoint::after_interrupt_write(void* owner, const RegisterWrite& write) {
  if (write.value != write.old_value) static_cast<Endpoint*>(owner)->refresh();
}

void Endpoint::after_power_write(void* owner, const RegisterWrite& write) {
  auto& self = *static_cast<Endpoint*>(owner);
  const uint32_t from = write.old_value & pm::kPowerStateMask;
  const uint32_t to = write.value & pm::kPowerStateMask;
  if (from == to) return;
  if (to != 0 && to != pm::kPowerStateD3Hot) {
    // D1 and D2 are not supported: the write completes and changes nothing (PCIe 6.0 s7.5.2.2).
    self.config_.file().poke32(write.offset, write.old_value);
    return;
  }
  if (from == pm::kPowerStateD3Hot && to == 0 && !self.declaration_.no_soft_reset) {
    self.reset(ResetKind::kD3ToD0);
    return;
  }
  self.refresh();
}

void Endpoint::after_device_control_write(void* owner, const RegisterWrite& write) {
  auto& self = *static_cast<Endpoint*>(owner);
  if (self.declaration_.flr && (write.written & pcie::kInitiateFlr) != 0) self.reset(ResetKind::kFlr);
}

void Endpoint::set_transactions_pending(bool pending) {
  if (pcie_ == 0) return;
  const uint32_t at = pcie_ + pcie::kDeviceStatus;
  const uint16_t status = config_.file().peek16(at);
  config_.file().poke16(at, pending ? status | pcie::kTransactionsPending : status & ~pcie::kTransactionsPending);
}

// DMA -----------------------------------------------------------------------------------------------------------------

Outcome Endpoint::dma(TlpKind kind, Iova address, std::byte* data, uint64_t length) {
  if (!bus_master_) [[unlikely]] return Outcome::kUnsupportedRequest;
  if (upstream_ == nullptr) [[unlikely]] return Outcome::kLinkDown;
  if (in_dma_) [[unlikely]] return Outcome::kCompleterAbort;
  in_dma_ = true;
  dma_delay_ = sc_core::SC_ZERO_TIME;
  Outcome outcome = Outcome::kSuccess;
  do {
    const auto chunk = static_cast<uint32_t>(std::min(length, kDmaChunkBytesMax));
    dma_tlp_.request(kind, rid_, address.value, data, chunk);
    upstream_->b_transport(dma_tlp_, dma_delay_);
    outcome = dma_tlp_.outcome();
    address = address + chunk;
    data += chunk;
    length -= chunk;
  } while (length != 0 && outcome == Outcome::kSuccess);
  in_dma_ = false;
  if (outcome != Outcome::kSuccess) [[unlikely]] record_dma_failure(outcome);
  return outcome;
}

uint64_t Endpoint::last_dma_ns() const {
  static const sc_core::sc_time kOneNs(1, sc_core::SC_NS);
  return dma_delay_.value() / kOneNs.value();
}

// A requester records how its request ended (PCIe 6.0 s7.5.1.1.4, s6.2.3.2.3).
void Endpoint::record_dma_failure(Outcome outcome) {
  uint32_t error = 0;
  if (outcome == Outcome::kUnsupportedRequest) config_.set_status(cfg::kStatusReceivedMasterAbort);
  if (outcome == Outcome::kCompleterAbort) config_.set_status(cfg::kStatusReceivedTargetAbort);
  if (outcome == Outcome::kCompletionTimeout) error = aer::kCompletionTimeout;
  if (outcome == Outcome::kPoisoned) error = aer::kPoisoned;
  if (error == 0 || pcie_ == 0) return;
  RegisterFile& file = config_.file();
  file.poke16(pcie_ + pcie::kDeviceStatus, file.peek16(pcie_ + pcie::kDeviceStatus) | pcie::kNonFatalDetected);
  if (aer_ != 0) {
    const uint32_t at = aer_ + aer::kUncorrectableStatus;
    file.poke32(at, file.peek32(at) | error);
  }
}

// Interrupts ----------------------------------------------------------------------------------------------------------

void Endpoint::raise(uint32_t vector) {
  if (msix_.enabled()) {
    msix_.raise(vector);
  } else if (msi_enabled_) {
    raise_msi(vector);
  } else {
    set_intx(true);
  }
}

void Endpoint::raise_msi(uint32_t vector) {
  // With fewer vectors granted than the device has, several share a message (PCIe 6.0 s7.7.1.2).
  RegisterFile& file = config_.file();
  const unsigned granted_log2 = (file.peek16(msi_ + msi::kControl) >> msi::kMultipleMessageEnableShift) & 7;
  const uint32_t granted = std::min(1u << granted_log2, declaration_.msi_vectors);
  vector &= granted - 1;
  const uint32_t mask = file.peek32(msi_ + msi::kMask);
  if (!bus_master_ || ((mask >> vector) & 1) != 0) {
    file.poke32(msi_ + msi::kPending, file.peek32(msi_ + msi::kPending) | (1u << vector));
    return;
  }
  const uint32_t data = (file.peek16(msi_ + msi::kData) & ~(granted - 1)) | vector;
  send_message(file.peek64(msi_ + msi::kAddressLow), data);
}

void Endpoint::send_pending_msi() {
  RegisterFile& file = config_.file();
  const uint32_t ready = file.peek32(msi_ + msi::kPending) & ~file.peek32(msi_ + msi::kMask);
  if (ready == 0) return;
  file.poke32(msi_ + msi::kPending, file.peek32(msi_ + msi::kPending) & ~ready);
  for (uint32_t vector = 0; vector < kMsiVectorsMax; ++vector) {
    if ((ready >> vector) & 1) raise_msi(vector);
  }
}

void Endpoint::send_message(uint64_t address, uint32_t data) {
  // A message whose address leads back to a register that raises it would never end.
  if (upstream_ == nullptr || !bus_master_ || in_message_) return;
  in_message_ = true;
  message_data_ = data;
  message_tlp_.request(TlpKind::kMemWrite, rid_, address, &message_data_, sizeof message_data_);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  upstream_->b_transport(message_tlp_, delay);
  in_message_ = false;
}

void Endpoint::set_intx(bool asserted) {
  if (declaration_.interrupt_pin == 0) return;
  intx_ = asserted;
  drive_intx();
}

void Endpoint::drive_intx() {
  if (declaration_.interrupt_pin == 0) return;
  if (intx_) {
    config_.set_status(cfg::kStatusInterrupt);
  } else {
    config_.clear_status(cfg::kStatusInterrupt);
  }
  const bool disabled = (config_.command() & cfg::kCommandIntxDisable) != 0;
  const bool line = intx_ && !disabled && !msi_enabled_ && !msix_.enabled();
  if (line == intx_line_) return;
  intx_line_ = line;
  if (upstream_ != nullptr) upstream_->set_intx(declaration_.interrupt_pin - 1u, line);
}

void Endpoint::inspect(InspectNode& node) const {
  node.child("requester id", fmt::format("{:02x}:{:02x}.{}", rid_.bus(), rid_.device(), rid_.function()));
  node.child("state", ready_at_ns_ == UINT64_MAX ? "not responding"
                      : ready_at_ns_ != 0        ? fmt::format("RRS until {} ns", ready_at_ns_)
                      : powered_                 ? "D0"
                                                 : "D3hot");
  decoder_.inspect(node.child("BARs"));
  config_.inspect(node.child("configuration space"));
  if (msix_.vectors() != 0) msix_.inspect(node.child("MSI-X table", fmt::format("{} vectors", msix_.vectors())));
}

}  // namespace dartboard::model
