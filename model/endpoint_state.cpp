// model/endpoint_state.cpp - a function's resets, power states and what follows from its configuration registers.
#include <algorithm>

#include <fmt/format.h>

#include "model/capabilities.h"
#include "model/endpoint.h"
#include "model/fault.h"

namespace dartboard::model {
namespace {

constexpr uint64_t kD3ExitMaxNs = 10 * kNsPerMs;  // D3hot->D0 recovery (PCIe 6.0 s5.9)

}  // namespace

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
  apply_bar_sizes();
  if (resets(kind, ResetState::kIntxCondition)) intx_ = false;
  if (resets(kind, ResetState::kReadiness)) ready_at_ns_ = 0;  // even a function that stopped responding starts again
  if (resets(kind, ResetState::kPowerTransition)) d3_exit_at_ns_ = 0;
  if (resets(kind, ResetState::kCapturedRid)) rid_ = Rid();
  if (resets(kind, ResetState::kDeviceMemory)) {
    for (DeviceMemory& memory : memory_) memory.reset();
  }
  const uint64_t window_ns = ready_window_ns(kind);
  if (window_ns != 0 && upstream_ != nullptr && ready_at_ns_ != UINT64_MAX) {
    ready_at_ns_ = upstream_->timeline().now().value + window_ns;
  }
  refresh();
}

/// How long configuration requests are answered RRS after a reset (PCIe 6.0 s2.3.1, s6.6).
uint64_t Endpoint::ready_window_ns(ResetKind kind) const {
  switch (kind) {
    case ResetKind::kPowerOn:  // a machine that is powered on waits for its devices
    case ResetKind::kD3ToD0: return 0;
    case ResetKind::kFlr: return declaration_.flr_ready_ns.value_or(declaration_.reset_ready_ns);
    case ResetKind::kPerst:
    case ResetKind::kHotReset:
    case ResetKind::kLinkDown: return declaration_.reset_ready_ns;
  }
  return 0;
}

// Everything that follows from configuration registers, worked out once per change instead of once per request.
void Endpoint::refresh() {
  const RegisterFile& file = config_.file();
  const uint16_t command = config_.command();
  powered_ = pm_ == 0 || (file.peek16(pm_ + pm::kControlStatus) & pm::kPowerStateMask) == 0;
  bus_master_ = powered_ && (command & cfg::kCommandBusMaster) != 0;
  const bool memory = powered_ && ((command & cfg::kCommandMemory) != 0 || declaration_.memory_decode_ungated);
  decoder_.update(config_, memory, powered_ && (command & cfg::kCommandIo) != 0);

  if (pcie_ != 0) {
    // Encodings above 4096 bytes are reserved (PCIe 6.0 s7.5.3.4).
    const uint16_t control = file.peek16(pcie_ + pcie::kDeviceControl);
    const auto bytes = [control](unsigned shift) {
      return static_cast<uint16_t>(128u << std::min((control >> shift) & 7, 5));
    };
    payload_bytes_ = bytes(pcie::kMaxPayloadShift);
    read_request_bytes_ = bytes(pcie::kMaxReadRequestShift);
  }
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
  if (from == to) {
    if (to == pm::kPowerStateD3Hot) self.d3_exit_at_ns_ = 0;  // a return under way is called off: the last write counts
    return;
  }
  if (to != 0 && to != pm::kPowerStateD3Hot) {
    // D1 and D2 are not supported: the write completes and changes nothing (PCIe 6.0 s7.5.2.2).
    self.config_.file().poke32(write.offset, write.old_value);
    return;
  }
  if (from == pm::kPowerStateD3Hot && to == 0) {
    const bool late = fault(FaultKind::kResetD3Late, self.rid_.value);
    const uint64_t exit_ns =
        late ? fault_amount(FaultKind::kResetD3Late, 10 * kD3ExitMaxNs) : self.declaration_.d3_exit_ns;
    if (exit_ns != 0 && self.upstream_ != nullptr) {
      self.config_.file().poke32(write.offset, write.old_value);  // still in D3hot, as software can read
      self.d3_exit_at_ns_ = self.upstream_->timeline().now().value + exit_ns;
    } else {
      self.leave_d3hot();
    }
    return;
  }
  self.refresh();
}

void Endpoint::leave_d3hot() {
  d3_exit_at_ns_ = 0;
  const uint32_t at = pm_ + pm::kControlStatus;
  config_.file().poke16(at, config_.file().peek16(at) & static_cast<uint16_t>(~pm::kPowerStateMask));
  // No_Soft_Reset promises that nothing is lost (PCIe 6.0 s7.5.2.2); a device may break the promise.
  if (!declaration_.no_soft_reset || fault(FaultKind::kResetConfigLost, rid_.value)) {
    reset(ResetKind::kD3ToD0);
  } else {
    refresh();
  }
}

/// Asked before a request is looked at: a return from D3hot that took its time may be over.
void Endpoint::settle_power() {
  if (upstream_ != nullptr && upstream_->timeline().now().value >= d3_exit_at_ns_) leave_d3hot();
}

void Endpoint::after_device_control_write(void* owner, const RegisterWrite& write) {
  auto& self = *static_cast<Endpoint*>(owner);
  if (!self.declaration_.flr || (write.written & pcie::kInitiateFlr) == 0) {
    if (write.value != write.old_value) self.refresh();
    return;
  }
  if (fault(FaultKind::kResetFlrDirty, self.rid_.value)) {
    self.Endpoint::reset(ResetKind::kFlr);  // the function, but nothing of what the device added
    return;
  }
  self.reset(ResetKind::kFlr);
  if (fault(FaultKind::kResetFlrNever, self.rid_.value)) self.stop_responding();
}

void Endpoint::after_bar_size_write(void* owner, const RegisterWrite& write) {
  auto& self = *static_cast<Endpoint*>(owner);
  const BarDeclaration& bar = self.declaration_.bars[write.value & 7];
  const uint64_t bytes = rebar::kBytesMin << ((write.value >> rebar::kSizeShift) & 0x3f);
  // A size that is not offered must not be written (PCIe 6.0 s7.8.6.3); this function ignores it.
  if ((bar.resizable_sizes & bytes) == 0 || !is_power_of_two(bytes)) {
    self.config_.file().poke32(write.offset, write.old_value);
    return;
  }
  self.apply_bar_sizes();
  self.refresh();
}

void Endpoint::apply_bar_sizes() {
  if (rebar_ == 0) return;
  const RegisterFile& file = config_.file();
  const uint32_t count = (file.peek32(rebar_ + rebar::kControl) >> rebar::kCountShift) & 7;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t control = file.peek32(rebar_ + rebar::kControl + 8 * i);
    decoder_.resize(control & 7, rebar::kBytesMin << ((control >> rebar::kSizeShift) & 0x3f), config_);
  }
}

void Endpoint::set_transactions_pending(bool pending) {
  if (pcie_ == 0) return;
  const uint32_t at = pcie_ + pcie::kDeviceStatus;
  const uint16_t status = config_.file().peek16(at);
  config_.file().poke16(at, pending ? status | pcie::kTransactionsPending : status & ~pcie::kTransactionsPending);
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
