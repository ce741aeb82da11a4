// model/root_complex_upstream.cpp - what the device sends up: DMA and MSI, through root port, port and DART.
#include <algorithm>
#include <cstring>

#include "model/fault.h"
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
    if (dma_ns_per_kib_ != 0) delay += timeline_.to_sc_time(dma_ns_per_kib_ * length / kKiB);
    outcome = faults_installed() ? upstream_with_faults(payload, kind, requester, delay)
                                : upstream(payload, kind, requester);
    if (outcome != Outcome::kSuccess) [[unlikely]] record_refusal(payload, kind, requester, outcome);
  } else if (payload.is_read()) {
    std::memset(payload.get_data_ptr(), 0xff, length);
  }
  complete(payload, extension, outcome);
  if (observer_ != nullptr) {
    // Requests of reads are split at the requester's size; writes at that or the path's, whichever is less.
    uint32_t packet_bytes = config_.max_payload_bytes;
    if (extension != nullptr && extension->packet_bytes != 0) {
      const uint32_t own = extension->packet_bytes;
      packet_bytes = is_read(kind) ? own : std::min(own, packet_bytes);
    }
    tell(payload, kind, outcome, Direction::kUpstream, requester, address, packet_count(address, length, packet_bytes));
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
    if (faults_installed()) [[unlikely]] {
      faulty_message(data);
    } else {
      msi_.deliver(data);
    }
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

Outcome RootComplex::upstream_with_faults(tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester,
                                          sc_core::sc_time& delay) {
  const Outcome outcome = faulty_upstream(payload, info_of(payload, kind, requester), delay);
  // A read that failed by a fault has no data, whatever was fetched before.
  const bool all_ones = outcome != Outcome::kSuccess && outcome != Outcome::kLinkDown && payload.is_read();
  if (all_ones && payload.get_data_length() != 0) std::memset(payload.get_data_ptr(), 0xff, payload.get_data_length());
  return outcome;
}

RequestInfo RootComplex::info_of(const tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester) {
  return {.kind = kind,
          .requester = requester,
          .completer = Rid(),
          .address = payload.get_address(),
          .length = payload.get_data_length()};
}

/// The root port is the completer of DMA: what it refused it records (PCIe 6.0 s6.2.3.2.4.1).
void RootComplex::record_refusal(const tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester,
                                 Outcome outcome) {
  const bool posted = is_posted(kind);
  const TlpHeader header = request_header(info_of(payload, kind, requester));
  if (outcome == Outcome::kUnsupportedRequest) {
    root_port_.report(PcieError::kUnsupportedRequest, &header, !posted);
  } else if (outcome == Outcome::kCompleterAbort) {
    root_port_.set_secondary_status(bridge::kSignaledTargetAbort);  // posted or not (PCIe 6.0 s7.5.1.3.7)
    root_port_.report(PcieError::kCompleterAbort, &header, !posted);
  }
}

void RootComplex::address_overflow(Rid requester, uint64_t address) {
  port_.raise(port_reg::kAddressOverflow);
  if (sink_ != nullptr) sink_->on_address_overflow(index_, requester, address);
}

}  // namespace dartboard::model
