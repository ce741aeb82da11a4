// model/endpoint.cpp - requests in: configuration, memory and I/O, and how each is answered.
//
// What goes out (DMA, interrupts) and what changes the function's state (resets, power, Command) is in
// endpoint_state.cpp.
#include "model/endpoint.h"

#include <algorithm>
#include <cstring>

#include "model/capabilities.h"
#include "model/fault.h"

namespace dartboard::model {
namespace {

constexpr uint32_t kConfigAccessBytesMax = 8;

/// Is byte `i` of the payload enabled? TLM repeats a short byte-enable array over the data (IEEE 1666 s14.12).
bool byte_enabled(const tlm::tlm_generic_payload& payload, uint32_t i) {
  const unsigned char* enables = payload.get_byte_enable_ptr();
  const unsigned length = payload.get_byte_enable_length();
  return enables == nullptr || length == 0 || enables[i % length] == TLM_BYTE_ENABLED;
}

}  // namespace

Outcome Endpoint::read_bar(unsigned, uint64_t, std::byte* data, uint32_t length) {
  std::memset(data, 0, length);
  return Outcome::kSuccess;
}

Outcome Endpoint::write_bar(unsigned, uint64_t, const std::byte*, uint32_t) { return Outcome::kSuccess; }

// The hot path: a request to the register BAR that was hit last. The general way gives it the same answer.
Outcome Endpoint::memory_request(TlpKind kind, uint64_t address, std::byte* data, uint32_t length) {
  const unsigned bar = decoder_.last();
  if (((plain_register_bars_ >> bar) & 1) == 0 || !decoder_.last_claims(address, length) || length == 0 ||
      ready_at_ns_ != 0) [[unlikely]] {
    return Outcome::kPending;
  }
  const uint64_t offset = decoder_.last_offset(address);
  return kind == TlpKind::kMemRead ? read_bar(bar, offset, data, length) : write_bar(bar, offset, data, length);
}

void Endpoint::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
  auto* extension = payload.get_extension<TlpExtension>();
  TlpKind kind = TlpKind::kMemRead;
  if (extension != nullptr) {
    kind = extension->kind;
  } else if (payload.is_write()) {
    kind = TlpKind::kMemWrite;
  } else if (!payload.is_read()) {   // TLM_IGNORE_COMMAND: only other extensions matter, and there are none
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    return;
  }
  const Outcome outcome = dispatch(kind, payload, extension);
  if (outcome == Outcome::kSuccess || !is_read(kind)) {
    complete(payload, extension, outcome);
  } else {
    complete_all_ones(payload, extension, outcome);
  }
  if (outcome == Outcome::kSuccess) return;
  record_failure({.kind = kind,
                  .requester = extension != nullptr ? extension->requester : Rid(),
                  .completer = extension != nullptr ? extension->completer : Rid(),
                  .address = payload.get_address(),
                  .length = payload.get_data_length()},
                 outcome);
}

/// A configuration request to a function that does not exist. No function claims it, so the device's functions record
/// the unsupported request, and here there is one (PCIe 6.0 s6.2.4).
bool Endpoint::absent_function(TlpKind kind, const TlpExtension* extension) {
  return (kind == TlpKind::kCfgRead0 || kind == TlpKind::kCfgWrite0) && extension != nullptr &&
         extension->completer.function() != 0;
}

Outcome Endpoint::dispatch(TlpKind kind, tlm::tlm_generic_payload& payload, TlpExtension* extension) {
  // Streaming (a fixed address for all beats) does not exist on PCIe.
  if (payload.get_streaming_width() < payload.get_data_length()) [[unlikely]] return Outcome::kUnsupportedRequest;
  if (ready_at_ns_ != 0 && !ready()) [[unlikely]] {
    return is_config(kind) ? Outcome::kRequestRetry : Outcome::kUnsupportedRequest;
  }
  if (d3_exit_at_ns_ != 0) settle_power();
  switch (kind) {
    case TlpKind::kMemRead: return memory_payload(payload, false);
    case TlpKind::kMemWrite: return memory_payload(payload, true);
    case TlpKind::kIoRead: return io_request(payload, false);
    case TlpKind::kIoWrite: return io_request(payload, true);
    case TlpKind::kCfgRead0: return config_request(payload, extension, false);
    case TlpKind::kCfgWrite0: return config_request(payload, extension, true);
    case TlpKind::kCfgRead1:
    case TlpKind::kCfgWrite1: return Outcome::kUnsupportedRequest;   // no bridge here (PCIe 6.0 s7.3.3)
    case TlpKind::kMessage: return Outcome::kSuccess;                // received and of no consequence
  }
  return Outcome::kUnsupportedRequest;
}

Outcome Endpoint::memory_payload(tlm::tlm_generic_payload& payload, bool is_write) {
  const uint64_t address = payload.get_address();
  const uint32_t length = payload.get_data_length();
  const unsigned bar = decoder_.find_memory(address, length);
  if (bar == BarDecoder::kMiss) [[unlikely]] {
    return decoder_.rom_claims(address, length) ? rom_request(payload, is_write) : Outcome::kUnsupportedRequest;
  }
  const uint64_t offset = address - decoder_.address(bar);
  if (payload.get_byte_enable_ptr() != nullptr) [[unlikely]] {
    return access_enabled_bytes(bar, offset, payload, is_write);
  }
  auto* data = reinterpret_cast<std::byte*>(payload.get_data_ptr());
  return access_bar(bar, offset, data, length, is_write);
}

/// The expansion ROM: the image, then all-ones. Writes go nowhere, as with a flash that is not being programmed.
Outcome Endpoint::rom_request(tlm::tlm_generic_payload& payload, bool is_write) {
  const auto& image = declaration_.rom_image;
  const uint64_t offset = payload.get_address() - decoder_.rom_address();
  for (uint32_t i = 0; !is_write && i < payload.get_data_length(); ++i) {
    if (!byte_enabled(payload, i)) continue;
    payload.get_data_ptr()[i] = offset + i < image.size() ? std::to_integer<unsigned char>(image[offset + i]) : 0xff;
  }
  return Outcome::kSuccess;
}

Outcome Endpoint::io_request(tlm::tlm_generic_payload& payload, bool is_write) {
  const unsigned bar = decoder_.find_io(payload.get_address(), payload.get_data_length());
  if (bar == BarDecoder::kMiss) return Outcome::kUnsupportedRequest;
  return access_enabled_bytes(bar, payload.get_address() - decoder_.address(bar), payload, is_write);
}

Outcome Endpoint::config_request(tlm::tlm_generic_payload& payload, TlpExtension* extension, bool is_write) {
  if (absent_function(is_write ? TlpKind::kCfgWrite0 : TlpKind::kCfgRead0, extension)) {
    return Outcome::kUnsupportedRequest;
  }
  const uint64_t address = payload.get_address();
  const uint32_t length = payload.get_data_length();
  if (length == 0 || length > kConfigAccessBytesMax || !in_range(address, length, kConfigBytes)) {
    return Outcome::kUnsupportedRequest;
  }
  const auto offset = static_cast<uint32_t>(address);
  unsigned char* data = payload.get_data_ptr();
  uint8_t enables = 0xff;
  if (payload.get_byte_enable_ptr() != nullptr) {
    enables = 0;
    for (uint32_t i = 0; i < length; ++i) enables |= static_cast<uint8_t>(byte_enabled(payload, i) << i);
  }
  if (is_write) {
    if (extension != nullptr) rid_ = extension->completer;
    uint64_t value = 0;
    std::memcpy(&value, data, length);
    config_.write(offset, value, length, enables);
    return Outcome::kSuccess;
  }
  uint64_t value = config_.read(offset, length);
  if (faults_installed()) [[unlikely]] value = faulty_config(offset, length, value);
  if (enables == 0xff) {
    std::memcpy(data, &value, length);
    return Outcome::kSuccess;
  }
  for (uint32_t i = 0; i < length; ++i) {
    if ((enables >> i) & 1) data[i] = static_cast<unsigned char>(value >> (8 * i));
  }
  return Outcome::kSuccess;
}

Outcome Endpoint::access_enabled_bytes(unsigned bar, uint64_t offset, tlm::tlm_generic_payload& payload,
                                       bool is_write) {
  const uint32_t length = payload.get_data_length();
  auto* data = reinterpret_cast<std::byte*>(payload.get_data_ptr());
  uint32_t begin = 0;
  while (begin < length) {
    if (!byte_enabled(payload, begin)) {
      ++begin;
      continue;
    }
    uint32_t end = begin + 1;
    while (end < length && byte_enabled(payload, end)) ++end;
    const Outcome outcome = access_bar(bar, offset + begin, data + begin, end - begin, is_write);
    if (outcome != Outcome::kSuccess) return outcome;
    begin = end;
  }
  return Outcome::kSuccess;
}

Outcome Endpoint::access_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write) {
  if (length == 0) [[unlikely]] return Outcome::kSuccess;   // a zero-length read only flushes (PCIe 6.0 s2.2.5)
  if ((msix_bars_ >> bar) & 1) [[unlikely]] {
    if (table_region_.overlaps(offset, length) || pba_region_.overlaps(offset, length)) {
      return access_around_msix(bar, offset, data, length, is_write);
    }
  }
  return access_plain(bar, offset, data, length, is_write);
}

Outcome Endpoint::access_plain(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write) {
  switch (decoder_.declaration(bar).role) {
    case BarRole::kRegisters:
      return is_write ? write_bar(bar, offset, data, length) : read_bar(bar, offset, data, length);
    case BarRole::kMemory: {
      DeviceMemory& memory = memory_[bar];
      if (memory.data() == nullptr) return Outcome::kCompleterAbort;   // the host had no address space for it
      if (is_write) {
        memory.mark_dirty(offset, length);
        std::memcpy(memory.data() + offset, data, length);
        if (faults_installed()) [[unlikely]] memory_written(offset);
      } else {
        std::memcpy(data, memory.data() + offset, length);
      }
      return Outcome::kSuccess;
    }
    case BarRole::kMsix:
      if (!is_write) std::memset(data, 0, length);
      return Outcome::kSuccess;
  }
  return Outcome::kUnsupportedRequest;
}

// Cuts the access at the borders of table and PBA and serves each piece where it belongs.
Outcome Endpoint::access_around_msix(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write) {
  const bool table_here = bar == declaration_.msix_table_bar;
  const bool pba_here = bar == declaration_.msix_pba_bar;
  uint32_t done = 0;
  while (done < length) {
    const uint64_t at = offset + done;
    uint64_t stop = offset + length;
    const bool in_table = table_here && table_region_.overlaps(at, 1);
    const bool in_pba = pba_here && pba_region_.overlaps(at, 1);
    if (in_table) {
      stop = std::min(stop, table_region_.end);
    } else if (in_pba) {
      stop = std::min(stop, pba_region_.end);
    } else {
      if (table_here && table_region_.begin > at) stop = std::min(stop, table_region_.begin);
      if (pba_here && pba_region_.begin > at) stop = std::min(stop, pba_region_.begin);
    }
    const auto count = static_cast<uint32_t>(stop - at);
    if (in_table && is_write) {
      msix_.write_table(static_cast<uint32_t>(at - table_region_.begin), data + done, count);
    } else if (in_table) {
      msix_.read_table(static_cast<uint32_t>(at - table_region_.begin), data + done, count);
    } else if (in_pba) {
      if (!is_write) msix_.read_pba(static_cast<uint32_t>(at - pba_region_.begin), data + done, count);
    } else {
      const Outcome outcome = access_plain(bar, at, data + done, count, is_write);
      if (outcome != Outcome::kSuccess) return outcome;
    }
    done += count;
  }
  return Outcome::kSuccess;
}

DirectMemory Endpoint::direct_memory(unsigned bar, uint64_t offset, uint64_t length) {
  if (bar >= kBarCount || length == 0 || ready_at_ns_ != 0 || !powered_) return {};
  DeviceMemory& memory = memory_[bar];
  // Of a resizable BAR there may be more memory than is visible.
  const uint64_t visible = memory.data() != nullptr ? decoder_.declaration(bar).size_bytes : 0;
  if (!in_range(offset, length, visible)) return {};
  if ((msix_bars_ >> bar) & 1) {
    if (bar == declaration_.msix_table_bar && table_region_.overlaps(offset, length)) return {};
    if (bar == declaration_.msix_pba_bar && pba_region_.overlaps(offset, length)) return {};
  }
  memory.mark_dirty(offset, length);
  return {memory.data() + offset, length};
}

bool Endpoint::ready() {
  if (ready_at_ns_ == UINT64_MAX) return false;
  if (upstream_ != nullptr && upstream_->timeline().now().value < ready_at_ns_) return false;
  ready_at_ns_ = 0;
  return true;
}

}  // namespace dartboard::model
