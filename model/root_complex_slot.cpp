// model/root_complex_slot.cpp - power-on, the slot, the link and the resets that come through it.
#include "model/fault.h"
#include "model/root_complex.h"

namespace dartboard::model {

void RootComplex::reset() {
  for (CallTimer* timer : {&training_timer_, &bounce_timer_, &late_timer_, &push_timer_, &late_message_timer_}) {
    if (timer->scheduled()) timeline_.cancel(*timer);
  }
  port_.reset();
  root_port_.reset();
  msi_.reset();
  dart_.reset();
  link_.reset();
  posted_.drop();
  retry_forever_ = false;
  set_link_rate(bridge::kLinkSpeedMax, bridge::kLinkWidthMax);
  if (device_ != nullptr) {
    reset_device(ResetKind::kPowerOn);
    port_.raise(port_reg::kLinkUp);  // it trained
  }
  show_link();
}

// The slot ------------------------------------------------------------------------------------------------------------

void RootComplex::plug(PcieDevice* device) {
  if (device == device_) return;
  if (device_ != nullptr) {
    PcieDevice* gone = device_;
    link_.set_present(false);
    device_ = nullptr;
    gone->attach(nullptr);
  }
  show_link();
  if (device == nullptr) return;
  device_ = device;
  device_->attach(this);
  reset_device(ResetKind::kPowerOn);
  link_.set_present(true);
  show_link();
}

/// Resets the device and what belongs to its connection, as the reset matrix says.
void RootComplex::reset_device(ResetKind kind) {
  if (resets(kind, ResetState::kIntxWires)) drop_intx();
  if (resets(kind, ResetState::kHeldWrites)) posted_.drop();
  if (resets(kind, ResetState::kReadiness)) retry_forever_ = false;
  if (resets(kind, ResetState::kLinkDegraded)) train();
  if (observer_ != nullptr) observer_->on_reset(static_cast<uint8_t>(index_), kind);
  if (device_ != nullptr) device_->reset(kind);
}

/// INTx are virtual wires of the link: they go with it (PCIe 6.0 s2.2.8.1).
void RootComplex::drop_intx() {
  for (unsigned pin = 0; pin < 4; ++pin) {
    if (port_.set_intx(pin, false) && sink_ != nullptr) sink_->on_intx(index_, pin, false);
  }
}

void RootComplex::set_intx(unsigned pin, bool asserted) {
  if (pin >= 4 || (asserted && !link_.up())) return;
  const unsigned wire = swizzle_intx(pin, 0);  // a link has device 0 only
  if (port_.set_intx(wire, asserted) && sink_ != nullptr) sink_->on_intx(index_, wire, asserted);
}

// The link ------------------------------------------------------------------------------------------------------------

void RootComplex::show_link() {
  root_port_.set_link_active(link_.up());
  port_.set_link_up(link_.up());
  open_ = link_.up() && !config_.reorder_posted_writes && posted_.empty();
}

void RootComplex::link_changed(bool up) {
  show_link();
  port_.raise(up ? port_reg::kLinkUp : port_reg::kLinkDown);
  if (observer_ != nullptr) observer_->on_link(static_cast<uint8_t>(index_), up);
  if (!up) {
    root_port_.report(PcieError::kSurpriseDown, nullptr);
    // A function behind a link that went down is reset like by a hot reset (PCIe 6.0 s2.9.1). One that was pulled out
    // has no state to keep either.
    reset_device(ResetKind::kLinkDown);
    show_link();
  }
  if (sink_ != nullptr) sink_->on_link_change(index_, up);
}

/// Full rate is a matter of data rate only: requests of the CPU have a latency, DMA has a time per KiB.
void RootComplex::set_link_rate(unsigned speed, unsigned width) {
  root_port_.set_link_rate(speed, width);
  dma_ns_per_kib_ = (config_.dma_ns_per_kib << (bridge::kLinkSpeedMax - speed)) * bridge::kLinkWidthMax / width;
}

/// The link finds the best that both sides can and software wants.
void RootComplex::train() {
  set_link_rate(root_port_.target_link_speed(), bridge::kLinkWidthMax);
}

void RootComplex::link_retrained() {
  train();
}

void RootComplex::training_timer_expired() {
  link_.let_go(Link::kTraining);
  show_link();
}

// Resets --------------------------------------------------------------------------------------------------------------

/// Setting the bit takes the link into hot reset, and with the link go its INTx wires; the device leaves it, reset,
/// when the bit is cleared (PCIe 6.0 s7.5.1.3.13, s6.6.1, s2.2.8.1).
void RootComplex::secondary_reset(bool asserted) {
  if (asserted) {
    link_.hold(Link::kHotReset);
    drop_intx();
  } else {
    release(Link::kHotReset, ResetKind::kHotReset);
  }
  show_link();
}

void RootComplex::perst_changed(bool asserted) {
  if (asserted) {
    link_.hold(Link::kPerst);
    drop_intx();
  } else {
    release(Link::kPerst, ResetKind::kPerst);
  }
  show_link();
}

void RootComplex::link_disabled(bool disabled) {
  if (disabled) {
    link_.hold(Link::kDisabled);
  } else {
    link_.let_go(Link::kDisabled);
  }
  show_link();
  if (disabled && link_.present()) {
    reset_device(ResetKind::kLinkDown);
    show_link();
  }
}

/// The end of a reset: the device is reset, the link trains.
void RootComplex::release(Link::Hold hold, ResetKind kind) {
  if (link_.present()) {
    const auto key = static_cast<uint64_t>(kind);
    if (fault(FaultKind::kResetInsideReset, key)) reset_device(ResetKind::kPerst);
    reset_device(kind);
    if (fault(FaultKind::kUnplugDuringReset, key)) plug(nullptr);
  }
  if (config_.link_training_ns != 0 && link_.present()) {
    link_.hold(Link::kTraining);
    timeline_.schedule(training_timer_, config_.link_training_ns);
  }
  link_.let_go(hold);
}

// Errors --------------------------------------------------------------------------------------------------------------

void RootComplex::send_error(ErrorMessage message, Rid source) {
  if (link_.up()) root_port_.receive(message, source);
}

void RootComplex::root_error(const RootError& error) {
  switch (error.message) {
    case ErrorMessage::kNone: break;
    case ErrorMessage::kCorrectable: port_.raise(port_reg::kAerCorrectable); break;
    case ErrorMessage::kNonFatal: port_.raise(port_reg::kAerNonFatal); break;
    case ErrorMessage::kFatal: port_.raise(port_reg::kAerFatal); break;
  }
  if (sink_ != nullptr) sink_->on_root_error(index_, error);
}

}  // namespace dartboard::model
