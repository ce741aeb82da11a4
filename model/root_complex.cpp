// model/root_complex.cpp - the CPU's side of the root complex: memory, configuration and register requests.
//
// Resets, link and slot are in root_complex_slot.cpp, DMA in root_complex_upstream.cpp, writes that are held back in
// root_complex_posted.cpp, everything that only happens with faults in root_complex_faults.cpp.
#include "model/root_complex.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

#include "model/fault.h"

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
  cpu.bind(cpu_side_);
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
  dma_ns_per_kib_ = config.dma_ns_per_kib;
  port_.configure(config.rid_to_sid_entries);
  root_port_.declare_max_payload(config.max_payload_bytes);
  msi_.configure(observer, sink);
  dart_.configure(config.dart, observer, sink);
}

// From the CPU --------------------------------------------------------------------------------------------------------

void RootComplex::CpuSide::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (payload.get_address() >= kMmioBase) [[likely]] {
    root_.memory_request(payload, delay);
  } else {
    root_.cpu_transport(payload, delay);
  }
}

/// An initiator of the approximately timed kind gets its answer at once (IEEE 1666 s11.2.2.7, early completion).
tlm::tlm_sync_enum RootComplex::CpuSide::nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                                         sc_core::sc_time& delay) {
  if (phase == tlm::BEGIN_REQ) b_transport(payload, delay);
  return tlm::TLM_COMPLETED;
}

void RootComplex::cpu_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (payload.get_address() < kEcamBase + kEcamBytes) {
    config_request(payload, delay);
  } else {
    register_request(payload);
  }
}

void RootComplex::memory_request(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const uint64_t address = payload.get_address() - kMmioBase;
  const uint32_t length = payload.get_data_length();
  const TlpKind kind = payload.is_read() ? TlpKind::kMemRead : TlpKind::kMemWrite;
  timeline_.advance(kind == TlpKind::kMemRead ? config_.mmio_read_latency_ns : config_.mmio_write_latency_ns);

  Outcome outcome = Outcome::kPending;
  if (open_ && root_port_.claims(address, length) && !faults_installed() && payload.get_byte_enable_ptr() == nullptr &&
      payload.get_streaming_width() >= length) [[likely]] {
    outcome = device_->memory_request(kind, address, reinterpret_cast<std::byte*>(payload.get_data_ptr()), length);
  }
  TlpExtension* const extension = payload.get_extension<TlpExtension>();
  if (outcome == Outcome::kSuccess) [[likely]] {
    complete(payload, extension, outcome);
  } else {
    outcome = memory_request_slow(payload, extension, delay, kind, outcome);
  }
  if (observer_ != nullptr) tell(payload, kind, outcome, Direction::kDownstream, kRootPortRid, address, 1);
}

/// The same for a request that failed, or that does not simply go to the device (kPending).
Outcome RootComplex::memory_request_slow(tlm::tlm_generic_payload& payload, TlpExtension* extension,
                                         sc_core::sc_time& delay, TlpKind kind, Outcome outcome) {
  const uint64_t cpu_address = payload.get_address();
  const RequestInfo request{.kind = kind,
                            .requester = kRootPortRid,
                            .completer = Rid(root_port_.secondary_bus(), 0, 0),
                            .address = cpu_address - kMmioBase,
                            .length = payload.get_data_length()};
  if (extension != nullptr) {
    extension->kind = kind;
    extension->requester = kRootPortRid;
  }
  if (outcome != Outcome::kPending) {
    if (device_ != nullptr) device_->record_failure(request, outcome);
    settle(request, outcome);
  } else if (!link_.up()) {
    outcome = Outcome::kLinkDown;
  } else if (!root_port_.claims(request.address, request.length)) {
    outcome = Outcome::kUnsupportedRequest;  // nobody on the chip claims it: master abort
  } else if (!is_read(kind) && hold_write(payload, request)) {
    outcome = Outcome::kSuccess;
  } else {
    if (is_read(kind)) push_writes();  // a read pushes the writes before it
    payload.set_address(request.address);
    if (faults_installed()) {
      outcome = faulty_request(payload, extension, delay, request);
    } else {
      // While the way is open the device has been asked the short way already.
      outcome = open_ ? to_device(payload, extension, delay) : device_request(payload, extension, delay, request);
    }
    payload.set_address(cpu_address);
    if (outcome != Outcome::kSuccess) settle(request, outcome);
  }
  if (outcome == Outcome::kSuccess) {
    complete(payload, extension, outcome);
  } else {
    complete_all_ones(payload, extension, outcome);
  }
  return outcome;
}

/// A request to the device by the way that it takes. `payload` holds the bus address, or the configuration offset.
Outcome RootComplex::device_request(tlm::tlm_generic_payload& payload, TlpExtension* extension,
                                    sc_core::sc_time& delay, const RequestInfo& request) {
  if (!is_config(request.kind) && payload.get_byte_enable_ptr() == nullptr &&
      payload.get_streaming_width() >= request.length) {
    auto* data = reinterpret_cast<std::byte*>(payload.get_data_ptr());
    const Outcome outcome = device_->memory_request(request.kind, request.address, data, request.length);
    if (outcome != Outcome::kPending) {
      if (outcome != Outcome::kSuccess && device_ != nullptr) device_->record_failure(request, outcome);
      return outcome;
    }
  }
  return to_device(payload, extension, delay);
}

/// Hands a request to the device and says how it ended, whatever the device did to the payload.
Outcome RootComplex::to_device(tlm::tlm_generic_payload& payload, TlpExtension* extension, sc_core::sc_time& delay) {
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  if (extension != nullptr) extension->outcome = Outcome::kPending;
  const bool posted = payload.is_write() && (extension == nullptr || is_posted(extension->kind));
  device_->b_transport(payload, delay);
  const Outcome outcome = extension != nullptr ? extension->outcome : Outcome::kPending;
  if (outcome != Outcome::kPending) return outcome;
  // A plain TLM target answers with the response alone.
  switch (payload.get_response_status()) {
    case tlm::TLM_OK_RESPONSE: return Outcome::kSuccess;
    case tlm::TLM_ADDRESS_ERROR_RESPONSE: return Outcome::kUnsupportedRequest;
    case tlm::TLM_INCOMPLETE_RESPONSE:
      return posted ? Outcome::kSuccess : Outcome::kCompletionTimeout;  // a posted request has no completion
    default: return Outcome::kCompleterAbort;
  }
}

/// The marks that a failed request leaves in the root complex, its requester, and the time a missing completion takes.
void RootComplex::settle(const RequestInfo& request, Outcome outcome) {
  if (is_posted(request.kind)) return;  // it has no completion: nobody up here learns of it
  switch (outcome) {
    case Outcome::kCompletionTimeout: {
      timeline_.advance(config_.completion_timeout_ns);
      port_.raise(port_reg::kCompletionTimeout);
      const TlpHeader header = request_header(request);
      root_port_.report(PcieError::kCompletionTimeout, &header);
      break;
    }
    case Outcome::kCompleterAbort:
      port_.raise(port_reg::kCompleterAbort);
      root_port_.set_secondary_status(bridge::kReceivedTargetAbort);
      break;
    case Outcome::kUnsupportedRequest: root_port_.set_secondary_status(bridge::kReceivedMasterAbort); break;
    case Outcome::kPoisoned: {
      root_port_.set_secondary_status(bridge::kDetectedParityError);
      if (root_port_.parity_response()) root_port_.set_secondary_status(bridge::kMasterDataParityError);
      const TlpHeader header = completion_header(request, request.completer, CompletionStatus::kSuccess, true);
      root_port_.report(PcieError::kPoisoned, &header);
      break;
    }
    default: break;
  }
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

  const bool shape_ok = (length == 1 || length == 2 || length == 4) && offset % length == 0 &&
                        (payload.get_byte_enable_ptr() == nullptr || payload.get_byte_enable_length() != 0);
  const ConfigRoute route = shape_ok ? root_port_.route(bus, device, function) : ConfigRoute::kNobody;
  if (route == ConfigRoute::kRootPort) {
    own_config(payload, extension, offset);
    return;
  }

  TlpKind kind = reading ? TlpKind::kCfgRead0 : TlpKind::kCfgWrite0;
  if (route == ConfigRoute::kBehind) kind = reading ? TlpKind::kCfgRead1 : TlpKind::kCfgWrite1;
  Outcome outcome = Outcome::kUnsupportedRequest;
  if (route != ConfigRoute::kNobody) {
    const RequestInfo request{.kind = kind,
                              .requester = kRootPortRid,
                              .completer = Rid(bus, device, function),
                              .address = offset,
                              .length = length};
    push_writes();
    if (!link_.up()) {
      outcome = Outcome::kLinkDown;
    } else if (retry_forever_) {
      outcome = Outcome::kRequestRetry;
    } else if (extension != nullptr) {
      extension->kind = kind;
      extension->requester = kRootPortRid;
      extension->completer = request.completer;
      payload.set_address(offset);
      outcome = faults_installed() ? faulty_request(payload, extension, delay, request)
                                  : to_device(payload, extension, delay);
      payload.set_address(address);
    } else {
      own_request_.request(kind, kRootPortRid, offset, payload.get_data_ptr(), length, request.completer);
      own_request_.set_byte_enable_ptr(payload.get_byte_enable_ptr());
      own_request_.set_byte_enable_length(payload.get_byte_enable_length());
      outcome = faults_installed() ? faulty_request(own_request_, &own_request_.extension(), delay, request)
                                  : to_device(own_request_, &own_request_.extension(), delay);
    }
    if (outcome != Outcome::kSuccess) settle(request, outcome);
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
  unsigned char* data = payload.get_data_ptr();
  const unsigned char* enables = payload.get_byte_enable_ptr();
  uint8_t enabled = 0xff;
  for (uint32_t i = 0; enables != nullptr && i < length; ++i) {
    if (enables[i % payload.get_byte_enable_length()] != TLM_BYTE_ENABLED) enabled &= static_cast<uint8_t>(~(1u << i));
  }
  uint64_t value = 0;
  if (payload.is_read()) {
    value = root_port_.config_read(offset, length);
    for (uint32_t i = 0; i < length; ++i) {
      if ((enabled >> i) & 1) data[i] = static_cast<unsigned char>(value >> (8 * i));
    }
  } else {
    std::memcpy(&value, data, length);
    root_port_.config_write(offset, value, length, enabled);
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
  if (length == 0 || !link_.up() || retry_forever_ || !root_port_.claims(bus_address, length)) return {};
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
  node.child("posted writes", fmt::format("{}", posted_.count()), "held on their way to the device");
  root_port_.inspect(node.child("root port"));
  port_.inspect(node.child("port registers"));
  msi_.inspect(node.child("msi"));
  dart_.inspect(node.child("dart"));
}

}  // namespace dartboard::model
