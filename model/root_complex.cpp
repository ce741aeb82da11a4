// model/root_complex.cpp - the CPU's side of the root complex, resets and the slot. DMA is in
// root_complex_upstream.cpp.
#include "model/root_complex.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::model {

namespace {

constexpr uint64_t kPortEnd = kPortBase + port_reg::kFileBytes;
constexpr uint64_t kDartEnd = kDartBase + dart_reg::kFileBytes;
constexpr Rid kRootPortRid{};  // bus 0, device 0, function 0: also the requester of everything the CPU asks

}  // namespace

std::string_view problem(const RootComplexConfig& config) {
  if (const std::string_view dart = problem(config.dart); !dart.empty()) return dart;
  if (config.inbound_address_bits < 32 || config.inbound_address_bits > 64) {
    return "inbound_address_bits must be 32 to 64";
  }
  if (!is_power_of_two(config.max_payload_bytes) || config.max_payload_bytes < 128 || config.max_payload_bytes > 4096) {
    return "max_payload_bytes must be a power of two from 128 to 4096";
  }
  if (config.rid_to_sid_entries < 1 || config.rid_to_sid_entries > port_reg::kRidToSidEntriesMax) {
    return "rid_to_sid_entries must be 1 to 64";
  }
  return {};
}

RootComplex::RootComplex(sc_core::sc_module_name module_name, unsigned index, Timeline& timeline, HostMemory& memory)
    : sc_module(module_name),
      cpu("cpu"),
      index_(index),
      timeline_(timeline),
      port_(*this),
      root_port_(*this),
      link_(*this),
      msi_(index, port_),
      dart_(index, timeline, memory) {
  cpu.register_b_transport(this, &RootComplex::cpu_transport);
  configure(RootComplexConfig(), nullptr, nullptr);
  reset();
}

RootComplex::~RootComplex() = default;

void RootComplex::configure(const RootComplexConfig& config, Observer* observer, PlatformSink* sink) {
  assert(problem(config).empty());
  config_ = config;
  observer_ = observer;
  sink_ = sink;
  inbound_limit_ = low_bits(config.inbound_address_bits);
  port_.configure(config.rid_to_sid_entries);
  msi_.configure(observer, sink);
  dart_.configure(config.dart, observer, sink);
}

void RootComplex::reset() {
  port_.reset();
  root_port_.reset();
  msi_.reset();
  dart_.reset();
  link_.reset();
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
  if (device == nullptr) return;
  device_ = device;
  device_->attach(this);
  reset_device(ResetKind::kPowerOn);
  link_.set_present(true);
  show_link();
}

void RootComplex::reset_device(ResetKind kind) {
  drop_intx();
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
  if (port_.set_intx(pin, asserted) && sink_ != nullptr) sink_->on_intx(index_, pin, asserted);
}

void RootComplex::show_link() {
  root_port_.set_link_active(link_.up());
  port_.set_link_up(link_.up());
}

void RootComplex::link_changed(bool up) {
  show_link();
  port_.raise(up ? port_reg::kLinkUp : port_reg::kLinkDown);
  if (observer_ != nullptr) observer_->on_link(static_cast<uint8_t>(index_), up);
  // A function behind a link that went down is reset like by a hot reset (PCIe 6.0 s2.9.1). One that was pulled out
  // has no state to keep either.
  if (!up) reset_device(ResetKind::kLinkDown);
  if (sink_ != nullptr) sink_->on_link_change(index_, up);
}

/// Setting the bit takes the link into hot reset; the device leaves it, reset, when the bit is cleared
/// (PCIe 6.0 s7.5.1.3.13, s6.6.1).
void RootComplex::secondary_reset(bool asserted) {
  if (asserted) {
    link_.hold(Link::kHotReset);
  } else {
    if (link_.present()) reset_device(ResetKind::kHotReset);
    link_.let_go(Link::kHotReset);
  }
  show_link();
}

void RootComplex::perst_changed(bool asserted) {
  if (asserted) {
    link_.hold(Link::kPerst);
  } else {
    if (link_.present()) reset_device(ResetKind::kPerst);
    link_.let_go(Link::kPerst);
  }
  show_link();
}

void RootComplex::link_disabled(bool disabled) {
  if (disabled) {
    link_.hold(Link::kDisabled);
    if (link_.present()) reset_device(ResetKind::kLinkDown);
  } else {
    link_.let_go(Link::kDisabled);
  }
  show_link();
}

// From the CPU --------------------------------------------------------------------------------------------------------

void RootComplex::cpu_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const uint64_t address = payload.get_address();
  if (address >= kMmioBase) [[likely]] {
    memory_request(payload, delay);
  } else if (address < kEcamBase + kEcamBytes) {
    config_request(payload, delay);
  } else {
    register_request(payload);
  }
}

void RootComplex::memory_request(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const uint64_t cpu_address = payload.get_address();
  const uint64_t address = cpu_address - kMmioBase;
  const bool reading = payload.is_read();
  TlpExtension* extension = payload.get_extension<TlpExtension>();
  const TlpKind kind = reading ? TlpKind::kMemRead : TlpKind::kMemWrite;
  if (extension != nullptr) {
    extension->kind = kind;
    extension->requester = kRootPortRid;
  }
  timeline_.advance(reading ? config_.mmio_read_latency_ns : config_.mmio_write_latency_ns);

  Outcome outcome;
  if (!link_.up()) [[unlikely]] {
    outcome = Outcome::kLinkDown;
  } else if (!root_port_.claims(address, payload.get_data_length())) [[unlikely]] {
    outcome = Outcome::kUnsupportedRequest;  // nobody on the chip claims it: master abort
  } else {
    payload.set_address(address);
    outcome = to_device(payload, extension, delay);
    payload.set_address(cpu_address);
  }
  if (outcome == Outcome::kSuccess) [[likely]] {
    complete(payload, extension, outcome);
  } else {
    complete_all_ones(payload, extension, outcome);
  }
  if (observer_ != nullptr) tell(payload, kind, outcome, Direction::kDownstream, kRootPortRid, address, 1);
}

/// Hands a request to the device and says how it ended, whatever the device did to the payload.
Outcome RootComplex::to_device(tlm::tlm_generic_payload& payload, TlpExtension* extension, sc_core::sc_time& delay) {
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  if (extension != nullptr) extension->outcome = Outcome::kPending;
  const bool posted = payload.is_write() && (extension == nullptr || is_posted(extension->kind));
  device_->b_transport(payload, delay);
  Outcome outcome = extension != nullptr ? extension->outcome : Outcome::kPending;
  if (outcome == Outcome::kSuccess) [[likely]]
    return outcome;
  if (outcome == Outcome::kPending) {
    // A plain TLM target answers with the response alone.
    switch (payload.get_response_status()) {
      case tlm::TLM_OK_RESPONSE: outcome = Outcome::kSuccess; break;
      case tlm::TLM_ADDRESS_ERROR_RESPONSE: outcome = Outcome::kUnsupportedRequest; break;
      case tlm::TLM_INCOMPLETE_RESPONSE:
        outcome = posted ? Outcome::kSuccess : Outcome::kCompletionTimeout;  // a posted request has no completion
        break;
      default: outcome = Outcome::kCompleterAbort; break;
    }
  }
  if (outcome == Outcome::kSuccess) [[likely]]
    return outcome;
  switch (outcome) {
    case Outcome::kCompletionTimeout:
      timeline_.advance(config_.completion_timeout_ns);
      port_.raise(port_reg::kCompletionTimeout);
      break;
    case Outcome::kCompleterAbort:
      port_.raise(port_reg::kCompleterAbort);
      root_port_.set_secondary_status(bridge::kReceivedTargetAbort);
      break;
    case Outcome::kUnsupportedRequest:
      if (!posted) root_port_.set_secondary_status(bridge::kReceivedMasterAbort);
      break;
    default: break;
  }
  return outcome;
}

void RootComplex::tell(const tlm::tlm_generic_payload& payload, TlpKind kind, Outcome outcome, Direction direction,
                       Rid requester, uint64_t address, uint32_t packets) {
  const uint32_t length = payload.get_data_length();
  const unsigned char* bytes = payload.get_data_ptr();
  uint64_t data = 0;
  if (length == 4) [[likely]] {
    uint32_t word;
    std::memcpy(&word, bytes, 4);
    data = word;
  } else if (length >= 8) {
    std::memcpy(&data, bytes, 8);
  } else if (length != 0) {
    std::memcpy(&data, bytes, length);
  }
  observer_->on_tlp(
      TlpEvent{kind, outcome, direction, static_cast<uint8_t>(index_), requester, address, length, packets, data});
}

void RootComplex::config_request(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const uint64_t address = payload.get_address();
  const auto bus = static_cast<uint8_t>(address >> 20);
  const auto device = static_cast<uint8_t>(address >> 15 & 0x1f);
  const auto function = static_cast<uint8_t>(address >> 12 & 7);
  const auto offset = static_cast<uint32_t>(address & 0xfff);
  const uint32_t length = payload.get_data_length();
  const bool reading = payload.is_read();
  TlpExtension* extension = payload.get_extension<TlpExtension>();
  timeline_.advance(config_.cfg_latency_ns);

  const bool shape_ok =
      (length == 1 || length == 2 || length == 4) && offset % length == 0 && payload.get_byte_enable_ptr() == nullptr;
  const ConfigRoute route = shape_ok ? root_port_.route(bus, device, function) : ConfigRoute::kNobody;
  if (route == ConfigRoute::kRootPort) {
    own_config(payload, extension, offset);
    return;
  }

  const TlpKind kind = reading ? TlpKind::kCfgRead0 : TlpKind::kCfgWrite0;
  Outcome outcome = Outcome::kUnsupportedRequest;
  if (route == ConfigRoute::kDevice) {
    const Rid completer(bus, device, function);
    if (!link_.up()) {
      outcome = Outcome::kLinkDown;
    } else if (extension != nullptr) {
      extension->kind = kind;
      extension->requester = kRootPortRid;
      extension->completer = completer;
      payload.set_address(offset);
      outcome = to_device(payload, extension, delay);
      payload.set_address(address);
    } else {
      own_request_.request(kind, kRootPortRid, offset, payload.get_data_ptr(), length, completer);
      outcome = to_device(own_request_, &own_request_.extension(), delay);
    }
  }
  if (outcome == Outcome::kSuccess) [[likely]] {
    complete(payload, extension, outcome);
  } else {
    complete_all_ones(payload, extension, outcome);
    // With RRS Software Visibility a read of Vendor ID tells that the device is not ready yet (PCIe 6.0 s2.3.2).
    if (outcome == Outcome::kRequestRetry && reading && offset == 0 && length >= 2 && root_port_.rrs_visible()) {
      payload.get_data_ptr()[0] = 0x01;
      payload.get_data_ptr()[1] = 0x00;
    }
  }
  if (observer_ != nullptr) tell(payload, kind, outcome, Direction::kDownstream, kRootPortRid, address, 1);
}

/// The root port's own registers: no packet travels.
void RootComplex::own_config(tlm::tlm_generic_payload& payload, TlpExtension* extension, uint32_t offset) {
  const uint32_t length = payload.get_data_length();
  uint64_t value = 0;
  if (payload.is_read()) {
    value = root_port_.config_read(offset, length);
    std::memcpy(payload.get_data_ptr(), &value, length);
  } else {
    std::memcpy(&value, payload.get_data_ptr(), length);
    root_port_.config_write(offset, value, length);
  }
  complete(payload, extension, Outcome::kSuccess);
}

void RootComplex::register_request(tlm::tlm_generic_payload& payload) {
  const uint64_t address = payload.get_address();
  const uint32_t length = payload.get_data_length();
  TlpExtension* extension = payload.get_extension<TlpExtension>();
  const bool in_port = address >= kPortBase && address < kPortEnd;
  const bool in_dart = address >= kDartBase && address < kDartEnd;
  if ((!in_port && !in_dart) || (length != 4 && length != 8) || address % length != 0 ||
      payload.get_byte_enable_ptr() != nullptr) {
    complete_all_ones(payload, extension, Outcome::kUnsupportedRequest);
    return;
  }
  const auto offset = static_cast<uint32_t>(address - (in_port ? kPortBase : kDartBase));
  uint64_t value = 0;
  if (payload.is_read()) {
    value = in_port ? port_.read(offset, length) : dart_.read(offset, length);
    std::memcpy(payload.get_data_ptr(), &value, length);
  } else {
    std::memcpy(&value, payload.get_data_ptr(), length);
    if (in_port) {
      port_.write(offset, value, length);
    } else {
      dart_.write(offset, value, length);
    }
  }
  complete(payload, extension, Outcome::kSuccess);
}

// Direct access -------------------------------------------------------------------------------------------------------

/// A dword of the device's configuration space, asked without time passing or anybody being told.
uint32_t RootComplex::config_of_device(uint32_t offset) {
  uint32_t value = 0;
  sc_core::sc_time no_delay;
  own_request_.request(TlpKind::kCfgRead0, kRootPortRid, offset, &value, 4, Rid(root_port_.secondary_bus(), 0, 0));
  device_->b_transport(own_request_, no_delay);
  return own_request_.outcome() == Outcome::kSuccess ? value : 0;
}

DirectMemory RootComplex::direct_memory(uint64_t bus_address, uint64_t length) {
  if (length == 0 || !link_.up() || !root_port_.claims(bus_address, length)) return {};
  if ((config_of_device(cfg::kCommand) & cfg::kCommandMemory) == 0) return {};
  for (unsigned bar = 0; bar < 6; ++bar) {
    const uint32_t low = config_of_device(cfg::kBar0 + 4 * bar);
    if ((low & 1) != 0) continue;  // I/O
    const unsigned first = bar;
    uint64_t base = low & ~0xfu;
    if ((low & 0x6) == 0x4 && bar < 5) base |= uint64_t{config_of_device(cfg::kBar0 + 4 * ++bar)} << 32;
    if (base == 0 || bus_address < base) continue;
    const DirectMemory memory = device_->direct_memory(first, bus_address - base, length);
    if (memory) return memory;
  }
  return {};
}

void RootComplex::inspect(InspectNode& node) const {
  link_.inspect(node.child("link"));
  InspectNode& slot = node.child("slot", device_ != nullptr ? std::string(device_->kind()) : "empty");
  if (device_ != nullptr) device_->inspect(slot);
  root_port_.inspect(node.child("root port"));
  port_.inspect(node.child("port registers"));
  msi_.inspect(node.child("msi"));
  dart_.inspect(node.child("dart"));
}

}  // namespace dartboard::model
