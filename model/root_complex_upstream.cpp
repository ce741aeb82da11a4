// model/root_complex_upstream.cpp - what the device sends up: DMA and MSI, through root port, port and DART.
#include <cstring>

#include "model/root_complex.h"

namespace dartboard::model {

void RootComplex::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  TlpExtension* extension = payload.get_extension<TlpExtension>();
  TlpKind kind = payload.is_read() ? TlpKind::kMemRead : TlpKind::kMemWrite;
  Rid requester(root_port_.secondary_bus(), 0, 0);
  if (extension != nullptr) {
    kind = extension->kind;
    requester = extension->requester;
  }
  const uint64_t address = payload.get_address();
  const uint64_t length = payload.get_data_length();

  Outcome outcome = Outcome::kLinkDown;
  if (link_.up()) [[likely]] {
    if (config_.dma_ns_per_kib != 0) delay += timeline_.to_sc_time(config_.dma_ns_per_kib * length / kKiB);
    outcome = upstream(payload, kind, requester);
  } else if (payload.is_read()) {
    std::memset(payload.get_data_ptr(), 0xff, length);
  }
  complete(payload, extension, outcome);
  if (observer_ != nullptr) {
    tell(payload, kind, outcome, Direction::kUpstream, requester, address,
         packet_count(address, length, config_.max_payload_bytes));
  }
}

/// Moves the data or answers all-ones; the outcome is still to be written into the payload.
Outcome RootComplex::upstream(tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester) {
  const uint64_t address = payload.get_address();
  const uint64_t length = payload.get_data_length();
  const bool writing = payload.is_write();
  const auto refuse = [&payload, writing, length] {
    if (!writing && length != 0) std::memset(payload.get_data_ptr(), 0xff, length);
    return Outcome::kUnsupportedRequest;
  };

  if (kind == TlpKind::kMessage) return Outcome::kSuccess;  // no message has an effect here
  if (kind != TlpKind::kMemRead && kind != TlpKind::kMemWrite) return refuse();
  if (payload.get_streaming_width() < length || (payload.get_command() == tlm::TLM_IGNORE_COMMAND)) return refuse();
  if (!root_port_.forwards_upstream(address, length)) [[unlikely]]
    return refuse();
  const uint64_t last = address + (length == 0 ? 0 : length - 1);
  if (last > inbound_limit_ || last < address) [[unlikely]] {
    address_overflow(requester, address);
    return refuse();
  }
  if (writing && msi_.claims(address, length)) {
    uint32_t data;
    std::memcpy(&data, payload.get_data_ptr(), sizeof data);
    msi_.deliver(data);
    return Outcome::kSuccess;  // posted: the device never learns that the data was bad
  }
  const int sid = port_.stream_of(requester);
  if (sid < 0) [[unlikely]] {
    port_.raise(port_reg::kRidToSidMapError);
    return refuse();
  }
  const Sid stream(static_cast<uint8_t>(sid));
  if (payload.get_byte_enable_ptr() != nullptr) [[unlikely]]
    return masked_access(payload, stream, requester);
  return dart_.access(stream, requester, Iova(address), payload.get_data_ptr(), length, writing);
}

/// A plain TLM initiator may disable bytes (TLM-2.0 byte enables repeat over the length); each run of enabled bytes is
/// an access of its own.
Outcome RootComplex::masked_access(tlm::tlm_generic_payload& payload, Sid sid, Rid requester) {
  const unsigned char* enables = payload.get_byte_enable_ptr();
  const uint64_t enable_length = payload.get_byte_enable_length();
  const uint64_t length = payload.get_data_length();
  if (enable_length == 0) return Outcome::kUnsupportedRequest;
  const auto enabled = [&](uint64_t i) { return enables[i % enable_length] == TLM_BYTE_ENABLED; };
  uint64_t at = 0;
  while (at < length) {
    if (!enabled(at)) {
      ++at;
      continue;
    }
    uint64_t end = at + 1;
    while (end < length && enabled(end)) ++end;
    const Outcome outcome = dart_.access(sid, requester, Iova(payload.get_address() + at), payload.get_data_ptr() + at,
                                         end - at, payload.is_write());
    if (outcome != Outcome::kSuccess) return outcome;
    at = end;
  }
  return Outcome::kSuccess;
}

void RootComplex::address_overflow(Rid requester, uint64_t address) {
  port_.raise(port_reg::kAddressOverflow);
  if (sink_ != nullptr) sink_->on_address_overflow(index_, requester, address);
}

}  // namespace dartboard::model
