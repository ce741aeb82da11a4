// model/tlp_header.h - the header of a TLP as it is on the wire, for what must show it: AER's header log.
//
// The model moves payloads, not packets; a header is made only when somebody wants to see one. Tags are 0: the model
// has one request under way at a time, and a requester with one outstanding request uses one tag.
#pragma once

#include <array>
#include <cstdint>

#include "base/types.h"
#include "model/tlp.h"

namespace dartboard::model {

/// Three or four dwords; byte 0 of the header is in bits 31:24 of the first (PCIe 6.0 s2.2.1, s7.8.4.8).
struct TlpHeader {
  std::array<uint32_t, 4> dwords{};
  bool operator==(const TlpHeader&) const = default;
};

/// What a request is about. `address`: bus address, or the offset in configuration space.
struct RequestInfo {
  TlpKind kind = TlpKind::kMemRead;
  Rid requester{};
  Rid completer{};  ///< configuration requests
  uint64_t address = 0;
  uint32_t length = 0;  ///< bytes; of a request that takes several packets, the first is shown
};

/// Completion Status field (PCIe 6.0 s2.2.9.1).
enum class CompletionStatus : uint8_t { kSuccess = 0, kUnsupportedRequest = 1, kRequestRetry = 2, kCompleterAbort = 4 };

TlpHeader request_header(const RequestInfo& request);

/// The completion of `request` by `completer`. `poisoned` sets EP. Data of at most 4 KiB is shown as one packet.
TlpHeader completion_header(const RequestInfo& request, Rid completer, CompletionStatus status, bool poisoned = false,
                            uint8_t tag = 0);

}  // namespace dartboard::model
