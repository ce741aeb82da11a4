// model/root_complex_faults.cpp - requests on a machine where things go wrong: every fault site of link and
// completions.
//
// These are the same paths as in root_complex.cpp and root_complex_upstream.cpp, taken only while an injector is
// installed. A fault leaves the marks that the specification asks for where it is found: a completer's in the device, a
// requester's and the link's in the root port, or the other way round for DMA.
#include <algorithm>
#include <cstring>

#include "model/fault.h"
#include "model/root_complex.h"

namespace dartboard::model {
namespace {

using F = FaultKind;

constexpr uint64_t kAspmExitNs = 64 * 1000;  // L1 exit at its slowest (PCIe 6.0 s7.5.3.6: "more than 64 us")
constexpr uint64_t kReplayStormNs = 1 * kNsPerMs;
constexpr uint64_t kCorrectableBurst = 16;
constexpr uint64_t kCorrectableBurstMax = 4096;
constexpr uint64_t kRecoveryTimeoutNs = 48 * kNsPerMs;  // then the LTSSM gives up (PCIe 6.0 s4.2.7.4)
constexpr uint64_t kBounceNs = 100 * kNsPerMs;          // until the link is up again
constexpr uint64_t kLateNs = 1 * kNsPerMs;              // after the timeout
constexpr uint64_t kLateInterruptNs = 10 * kNsPerMs;
constexpr uint64_t kInterruptStorm = 256;
constexpr uint64_t kInterruptStormMax = 4096;
constexpr uint64_t kDmaStallNs = 10 * kNsPerS;
constexpr unsigned char kGarbage = 0x3f;  // what a device on Thunderbolt was seen to read as

}  // namespace

// From the CPU --------------------------------------------------------------------------------------------------------

Outcome RootComplex::faulty_request(tlm::tlm_generic_payload& payload, TlpExtension* extension, sc_core::sc_time& delay,
                                    const RequestInfo& request) {
  const uint64_t key = request.address;
  timeline_.advance(link_delays(key));
  if (!link_.up() || unplug_strikes(request, false) || link_strikes(key)) return Outcome::kLinkDown;
  if (fault(F::kLinkStuckInRecovery, key)) {
    const uint64_t stuck_ns = fault_amount(F::kLinkStuckInRecovery, kRecoveryTimeoutNs);
    if (stuck_ns >= config_.completion_timeout_ns) return Outcome::kCompletionTimeout;
    timeline_.advance(stuck_ns);
    link_.take_down();
    timeline_.schedule(bounce_timer_, kBounceNs);
    return Outcome::kLinkDown;
  }
  for (const auto& [kind, outcome] : {std::pair{F::kCompletionUnsupported, Outcome::kUnsupportedRequest},
                                      std::pair{F::kCompletionAbort, Outcome::kCompleterAbort}}) {
    if (!fault(kind, key)) continue;
    device_->record_failure(request, outcome);
    return outcome;
  }
  if (is_config(request.kind) && fault(F::kCompletionRetryForever, key)) {
    retry_forever_ = true;
    return Outcome::kRequestRetry;
  }
  if (request.kind == TlpKind::kMemRead) {
    const bool ones = fault(F::kAppleReadsAllOnes, key);
    if (ones || fault(F::kAppleReadsGarbage, key)) {
      std::memset(payload.get_data_ptr(), ones ? 0xff : kGarbage, request.length);
      return Outcome::kSuccess;
    }
  }

  const Outcome outcome = device_request(payload, extension, delay, request);
  // What the device did meanwhile (a DMA) may have cost it the link, and with it the completion.
  if (is_posted(request.kind) || outcome != Outcome::kSuccess) return outcome;
  return link_.up() ? faulty_completion(request) : Outcome::kLinkDown;
}

/// How the completion of a request that the device served comes back to the root port.
Outcome RootComplex::faulty_completion(const RequestInfo& request) {
  const uint64_t key = request.address;
  if (fault(F::kCompletionTimeout, key) || fault(F::kCompletionShort, key)) {
    return Outcome::kCompletionTimeout;  // none, or not all of it: the rest never comes
  }
  if (fault(F::kCompletionWrongTag, key)) {
    unexpected_completion(request, false);
    return Outcome::kCompletionTimeout;
  }
  if (fault(F::kCompletionLate, key)) {
    late_completion(request, false);
    return Outcome::kCompletionTimeout;
  }
  if (fault(F::kCompletionPoisoned, key)) return Outcome::kPoisoned;
  if (fault(F::kCompletionDuplicate, key)) unexpected_completion(request, false);
  return Outcome::kSuccess;
}

// From the device -----------------------------------------------------------------------------------------------------

Outcome RootComplex::faulty_upstream(tlm::tlm_generic_payload& payload, const RequestInfo& request,
                                     sc_core::sc_time& delay) {
  const uint64_t key = request.address;
  const bool reading = is_read(request.kind);
  delay += timeline_.to_sc_time(link_delays(key));
  if (fault(F::kAppleDmaStalls, key)) delay += timeline_.to_sc_time(fault_amount(F::kAppleDmaStalls, kDmaStallNs));

  // What interrupts a transfer does so in its middle: the packets before it have arrived.
  const uint64_t half = round_down(request.length / 2, config_.max_payload_bytes);
  if (fault(F::kResetDuringDma, key)) {
    upstream_part(payload, request, half);
    reset_device(ResetKind::kHotReset);
    return Outcome::kLinkDown;
  }
  if (unplug_strikes(request, true)) {
    // The device may be gone, but its payload is on its stack.
    upstream_part(payload, request, half);
    plug(nullptr);
    return Outcome::kLinkDown;
  }
  if (fault(F::kLinkSurpriseDown, key)) {
    upstream_part(payload, request, half);
    link_.take_down();
    return Outcome::kLinkDown;
  }
  if (fault(F::kLinkBounce, key)) {
    upstream_part(payload, request, half);
    link_.take_down();
    timeline_.schedule(bounce_timer_, fault_amount(F::kLinkBounce, kBounceNs));
    return Outcome::kLinkDown;
  }
  if (fault(F::kCompletionUnsupported, key)) return Outcome::kUnsupportedRequest;
  if (fault(F::kCompletionAbort, key)) return Outcome::kCompleterAbort;

  const Outcome outcome = upstream(payload, request.kind, request.requester);
  if (!reading || outcome != Outcome::kSuccess) return outcome;
  const auto timeout = [this, &delay] {
    delay += timeline_.to_sc_time(config_.completion_timeout_ns);
    return Outcome::kCompletionTimeout;
  };
  if (fault(F::kCompletionTimeout, key) || fault(F::kCompletionShort, key)) return timeout();
  if (fault(F::kCompletionWrongTag, key)) {
    unexpected_completion(request, true);
    return timeout();
  }
  if (fault(F::kCompletionLate, key)) {
    late_completion(request, true);
    return timeout();
  }
  if (fault(F::kCompletionPoisoned, key)) return Outcome::kPoisoned;
  if (fault(F::kCompletionDuplicate, key)) unexpected_completion(request, true);
  return Outcome::kSuccess;
}

/// The first `bytes` of the request, which came through; of a read, the rest is all-ones.
Outcome RootComplex::upstream_part(tlm::tlm_generic_payload& payload, const RequestInfo& request, uint64_t bytes) {
  const uint32_t length = request.length;
  const auto part = static_cast<uint32_t>(std::min<uint64_t>(bytes, length));
  if (is_read(request.kind) && length != 0) std::memset(payload.get_data_ptr() + part, 0xff, length - part);
  if (part == 0) return Outcome::kSuccess;
  payload.set_data_length(part);
  const Outcome outcome = upstream(payload, request.kind, request.requester);
  payload.set_data_length(length);
  return outcome;
}

/// An interrupt message on its way to the controller.
void RootComplex::faulty_message(uint32_t data) {
  const uint32_t vectors = std::max(port_.msi_vectors(), 1u);
  const uint32_t neighbour = (data + 1) % vectors;
  if (fault(F::kInterruptLost, data)) return;
  if (fault(F::kInterruptLate, data) && !late_message_timer_.scheduled()) {
    late_message_ = data;
    timeline_.schedule(late_message_timer_, fault_amount(F::kInterruptLate, kLateInterruptNs));
    return;
  }
  uint64_t times = 1;
  if (fault(F::kInterruptWrongVector, data)) data = neighbour;
  if (fault(F::kInterruptDuplicate, data)) times = 2;
  if (fault(F::kInterruptStorm, data)) {
    times = std::min(fault_amount(F::kInterruptStorm, kInterruptStorm), kInterruptStormMax);
  }
  for (uint64_t i = 0; i < times; ++i) msi_.deliver(data);
  if (fault(F::kInterruptSpurious, data)) msi_.deliver(neighbour);
}

// The link ------------------------------------------------------------------------------------------------------------

/// Faults that lose the link before the request is through.
bool RootComplex::link_strikes(uint64_t key) {
  const bool bounce = fault(F::kLinkBounce, key);
  if (!bounce && !fault(F::kLinkSurpriseDown, key)) return false;
  link_.take_down();
  if (bounce) timeline_.schedule(bounce_timer_, fault_amount(F::kLinkBounce, kBounceNs));
  return true;
}

/// For a request from the CPU the device is pulled out here; for DMA the caller does it, after what came through.
bool RootComplex::unplug_strikes(const RequestInfo& request, bool upstream) {
  if (upstream) return fault(F::kUnplugDuringDma, request.address);
  if (!is_config(request.kind) || !fault(F::kUnplugDuringConfig, request.address)) return false;
  plug(nullptr);
  return true;
}

/// Faults that cost time and leave marks, but lose nothing. Returns the time in ns.
uint64_t RootComplex::link_delays(uint64_t key) {
  uint64_t delay_ns = 0;
  if (fault(F::kLinkAspmExitLate, key)) delay_ns += fault_amount(F::kLinkAspmExitLate, kAspmExitNs);
  if (fault(F::kLinkReplayStorm, key)) {
    delay_ns += fault_amount(F::kLinkReplayStorm, kReplayStormNs);
    root_port_.report(PcieError::kReplayTimeout, nullptr);
    root_port_.report(PcieError::kReplayRollover, nullptr);
  }
  if (fault(F::kLinkCorrectableBurst, key)) {
    const uint64_t count = std::min(fault_amount(F::kLinkCorrectableBurst, kCorrectableBurst), kCorrectableBurstMax);
    for (uint64_t i = 0; i < count; ++i) {
      root_port_.report(i % 2 == 0 ? PcieError::kReceiverError : PcieError::kBadTlp, nullptr);
    }
  }
  const bool narrow = fault(F::kLinkWidthDown, key);
  const bool slow = fault(F::kLinkSpeedDown, key);
  if (narrow || slow) {
    const auto value = [](F kind, unsigned most) {
      return static_cast<unsigned>(std::clamp<uint64_t>(fault_amount(kind, 1), 1, most));
    };
    set_link_rate(slow ? value(F::kLinkSpeedDown, bridge::kLinkSpeedMax) : root_port_.target_link_speed(),
                  narrow ? value(F::kLinkWidthDown, bridge::kLinkWidthMax) : bridge::kLinkWidthMax);
    port_.raise(port_reg::kBandwidthManagement);
  }
  return delay_ns;
}

// Completions that nobody waits for -----------------------------------------------------------------------------------

/// The completion comes after its request has timed out (PCIe 6.0 s2.3.2: then it is unexpected).
void RootComplex::late_completion(const RequestInfo& request, bool upstream) {
  late_request_ = request;
  late_upstream_ = upstream;
  timeline_.schedule(late_timer_, config_.completion_timeout_ns + fault_amount(F::kCompletionLate, kLateNs));
}

void RootComplex::unexpected_completion(const RequestInfo& request, bool upstream) {
  constexpr uint8_t kOtherTag = 1;
  if (!link_.up()) return;
  const TlpHeader header =
      completion_header(request, upstream ? Rid() : request.completer, CompletionStatus::kSuccess, false, kOtherTag);
  if (upstream) {
    device_->record_link_error(PcieError::kUnexpectedCompletion, header);
  } else {
    root_port_.report(PcieError::kUnexpectedCompletion, &header, true);
  }
}

}  // namespace dartboard::model
