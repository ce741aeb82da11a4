// model/root_port_errors.cpp - errors at the root port: its own, and the messages that come up from the device.
#include "model/capabilities.h"
#include "model/root_port.h"

namespace dartboard::model {

namespace {

/// The interrupt is a level: Root Error Command's enables over what has been received (PCIe 6.0 s6.2.4.1.2).
bool interrupt_level(uint32_t enables, uint32_t status) {
  return ((enables & 1) != 0 && (status & aer::kCorReceived) != 0) ||
         ((enables & 2) != 0 && (status & aer::kNonFatalReceived) != 0) ||
         ((enables & 4) != 0 && (status & aer::kFatalReceived) != 0);
}

}  // namespace

void RootPort::set_link_rate(unsigned speed, unsigned width) {
  RegisterFile& file = config_.file();
  const uint32_t at = pcie_ + bridge::kLinkStatus;
  const uint16_t old_status = file.peek16(at);
  const auto status = static_cast<uint16_t>((old_status & ~0x3ffu) | width << 4 | speed);
  if (status == old_status) return;
  file.poke16(at, status);
  if (link_active()) mark_bandwidth_managed();
}

unsigned RootPort::target_link_speed() const {
  const unsigned target = config_.file().peek16(pcie_ + bridge::kLinkControl2) & 0xfu;
  return target >= 1 && target <= bridge::kLinkSpeedMax ? target : bridge::kLinkSpeedMax;  // others are reserved
}

bool RootPort::link_active() const {
  return (config_.file().peek16(pcie_ + bridge::kLinkStatus) & bridge::kDataLinkActive) != 0;
}

void RootPort::mark_bandwidth_managed() {
  RegisterFile& file = config_.file();
  const uint32_t at = pcie_ + bridge::kLinkStatus;
  file.poke16(at, static_cast<uint16_t>(file.peek16(at) | bridge::kBandwidthManaged));
}

void RootPort::set_secondary_status(uint16_t bits) {
  RegisterFile& file = config_.file();
  file.poke16(bridge::kSecondaryStatus, static_cast<uint16_t>(file.peek16(bridge::kSecondaryStatus) | bits));
}

bool RootPort::parity_response() const {
  return (config_.file().peek16(bridge::kBridgeControl) & bridge::kParityResponse) != 0;
}

void RootPort::report(PcieError error, const TlpHeader* header, bool advisory) {
  // A root port hands its own messages to itself; Bridge Control has no say in them (PCIe 6.0 s6.2.6).
  count(ErrorReporter(config_, pcie_, aer_).report(error, header, advisory), Rid());
}

void RootPort::receive(ErrorMessage message, Rid source) {
  if (message == ErrorMessage::kNone) return;
  if (message != ErrorMessage::kCorrectable) set_secondary_status(bridge::kReceivedSystemError);
  if ((config_.file().peek16(bridge::kBridgeControl) & bridge::kSerrEnable) == 0) return;
  if (message != ErrorMessage::kCorrectable && (config_.command() & cfg::kCommandSerr) != 0) {
    config_.set_status(cfg::kStatusSignaledSystemError);
  }
  count(message, source);
}

/// Root Error Status and Source (PCIe 6.0 s7.8.4.10, s7.8.4.11): the source of the first message of a kind stays until
/// software clears its bit; later ones only set "multiple".
void RootPort::count(ErrorMessage message, Rid source) {
  if (message == ErrorMessage::kNone) return;
  RegisterFile& file = config_.file();
  const uint32_t old_status = file.peek32(aer_ + aer::kRootStatus);
  uint32_t status = old_status;
  uint32_t sources = file.peek32(aer_ + aer::kErrorSource);
  if (message == ErrorMessage::kCorrectable) {
    if ((status & aer::kCorReceived) != 0) {
      status |= aer::kMultipleCorReceived;
    } else {
      status |= aer::kCorReceived;
      sources = (sources & 0xffff'0000u) | source.value;
    }
  } else {
    const bool fatal = message == ErrorMessage::kFatal;
    if ((status & aer::kUncorReceived) != 0) {
      status |= aer::kMultipleUncorReceived;
    } else {
      status |= aer::kUncorReceived | (fatal ? aer::kFirstUncorFatal : 0);
      sources = (sources & 0xffffu) | uint32_t{source.value} << 16;
    }
    status |= fatal ? aer::kFatalReceived : aer::kNonFatalReceived;
  }
  file.poke32(aer_ + aer::kRootStatus, status);
  file.poke32(aer_ + aer::kErrorSource, sources);

  const uint32_t enables = file.peek32(aer_ + aer::kRootCommand);
  const unsigned severity = static_cast<unsigned>(message) - 1;
  const uint16_t root_control = file.peek16(pcie_ + bridge::kRootControl);
  owner_.root_error({.message = message,
                     .source = source,
                     .interrupt = interrupt_level(enables, status) && !interrupt_level(enables, old_status),
                     .system_error = (root_control & bridge::kSystemErrorOnCorrectable << severity) != 0});
}

/// Enabling the interrupt for what has been received raises the level as a message would.
void RootPort::wrote_root_error_command(void* self, const RegisterWrite& write) {
  auto& port = *static_cast<RootPort*>(self);
  const uint32_t status = port.config_.file().peek32(port.aer_ + aer::kRootStatus);
  if (!interrupt_level(write.value, status) || interrupt_level(write.old_value, status)) return;
  port.owner_.root_error({.interrupt = true});
}

}  // namespace dartboard::model
