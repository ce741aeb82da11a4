// model/tlp.h - a transaction layer packet as a TLM-2.0 payload: generic payload + one extension, and its outcome.
//
// The base protocol alone (no extension) is a plain memory read or write by an unknown requester, so any TLM
// initiator can talk to the model. Everything PCIe adds - kind, requester id, completion status - is in TlpExtension.
// A Tlp owns both and is meant to be reused: the hot path allocates nothing.
//
// One Tlp may stand for many packets on the wire: a DMA of 2 MiB is one transaction whose `packet_count()` is what
// splitting at Max_Payload_Size and 4 KiB boundaries would give (PCIe 6.0 s2.2.2). Faults that need single packets
// split it; the fast path does not.
#pragma once

#include <cstdint>
#include <string_view>

#include <tlm>

#include "base/types.h"

namespace dartboard::model {

enum class TlpKind : uint8_t {
  kMemRead, kMemWrite, kIoRead, kIoWrite, kCfgRead0, kCfgWrite0, kCfgRead1, kCfgWrite1, kMessage,
};
inline constexpr unsigned kTlpKindCount = 9;

/// How a request ended (PCIe 6.0 s2.2.9 completion status, plus what has no completion at all).
enum class Outcome : uint8_t {
  kPending,              ///< not answered yet; never seen by a requester
  kSuccess,              ///< SC
  kUnsupportedRequest,   ///< UR
  kCompleterAbort,       ///< CA
  kRequestRetry,         ///< RRS (was CRS), configuration requests only
  kCompletionTimeout,    ///< no completion within the timeout (s2.8)
  kPoisoned,             ///< completion with EP set
  kLinkDown,             ///< the link was down: reads are all-ones, writes are lost
};
inline constexpr unsigned kOutcomeCount = 8;

std::string_view to_string(TlpKind kind);
std::string_view to_string(Outcome outcome);

constexpr bool is_read(TlpKind k) {
  return k == TlpKind::kMemRead || k == TlpKind::kIoRead || k == TlpKind::kCfgRead0 || k == TlpKind::kCfgRead1;
}
constexpr bool is_config(TlpKind k) { return k >= TlpKind::kCfgRead0 && k <= TlpKind::kCfgWrite1; }
constexpr bool is_posted(TlpKind k) { return k == TlpKind::kMemWrite || k == TlpKind::kMessage; }

/// What PCIe adds to a generic payload.
class TlpExtension final : public tlm::tlm_extension<TlpExtension> {
 public:
  TlpKind kind = TlpKind::kMemRead;
  Outcome outcome = Outcome::kPending;
  Rid requester;        ///< who asks; the DART picks the stream from it
  Rid completer;        ///< configuration requests: the function addressed
  uint16_t packet_bytes = 0;   ///< where the requester splits: Max_Payload_Size or Max_Read_Request_Size; 0: the path's

  tlm::tlm_extension_base* clone() const override { return new TlpExtension(*this); }
  void copy_from(tlm::tlm_extension_base const& other) override { *this = static_cast<TlpExtension const&>(other); }
};

/// The TLM response that goes with an outcome, for initiators that do not know the extension.
constexpr tlm::tlm_response_status to_tlm_response(Outcome o) {
  switch (o) {
    case Outcome::kPending: return tlm::TLM_INCOMPLETE_RESPONSE;
    case Outcome::kSuccess: return tlm::TLM_OK_RESPONSE;
    case Outcome::kUnsupportedRequest: return tlm::TLM_ADDRESS_ERROR_RESPONSE;
    default: return tlm::TLM_GENERIC_ERROR_RESPONSE;
  }
}

/// A reusable payload with its extension attached. Not copyable: the extension's address is in the payload.
class Tlp final : public tlm::tlm_generic_payload {
 public:
  Tlp() { set_extension(&extension_); }
  ~Tlp() override { clear_extension(&extension_); }
  Tlp(const Tlp&) = delete;
  Tlp& operator=(const Tlp&) = delete;

  /// Makes this a request. `length` in bytes; `data` is read for writes and filled for reads.
  /// For configuration requests `address` is the byte offset in the 4 KiB of config space.
  void request(TlpKind kind, Rid requester, uint64_t address, void* data, uint32_t length, Rid completer = Rid()) {
    set_command(model::is_read(kind) ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND);
    set_address(address);
    set_data_ptr(static_cast<unsigned char*>(data));
    set_data_length(length);
    set_streaming_width(length);
    set_byte_enable_ptr(nullptr);
    set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    extension_.kind = kind;
    extension_.outcome = Outcome::kPending;
    extension_.requester = requester;
    extension_.completer = completer;
  }

  TlpKind kind() const { return extension_.kind; }
  Outcome outcome() const { return extension_.outcome; }
  TlpExtension& extension() { return extension_; }

 private:
  TlpExtension extension_;
};

/// Answers a request: sets the TLM response and, if the payload carries one, the extension's outcome.
inline void complete(tlm::tlm_generic_payload& payload, TlpExtension* extension, Outcome outcome) {
  if (extension != nullptr) extension->outcome = outcome;
  payload.set_response_status(to_tlm_response(outcome));
}

/// Answers a read that failed: the requester sees all-ones (PCIe 6.0 s2.3.2, root complex synthesis).
void complete_all_ones(tlm::tlm_generic_payload& payload, TlpExtension* extension, Outcome outcome);

/// Packets that `length` bytes at `address` take when split at `max_payload` (power of two) and 4 KiB boundaries.
constexpr uint32_t packet_count(uint64_t address, uint64_t length, uint32_t max_payload) {
  if (length == 0) return 1;
  // max_payload divides 4096, so splitting at naturally aligned max_payload blocks covers both rules.
  return static_cast<uint32_t>((round_up(address + length, max_payload) - round_down(address, max_payload)) /
                               max_payload);
}

}  // namespace dartboard::model
