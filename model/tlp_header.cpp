// model/tlp_header.cpp - packing of request and completion headers (PCIe 6.0 s2.2, non-flit mode).
#include "model/tlp_header.h"

#include <algorithm>

namespace dartboard::model {
namespace {

constexpr uint32_t kFmtFourDwords = 1u << 29;
constexpr uint32_t kFmtWithData = 1u << 30;
constexpr uint32_t kPoisoned = 1u << 14;  // EP
constexpr uint32_t kPacketBytesMax = 4096;

/// Type field, bits 28:24 (PCIe 6.0 table 2-3).
constexpr uint32_t type_bits(TlpKind kind) {
  switch (kind) {
    case TlpKind::kMemRead:
    case TlpKind::kMemWrite: return 0x00u << 24;
    case TlpKind::kIoRead:
    case TlpKind::kIoWrite: return 0x02u << 24;
    case TlpKind::kCfgRead0:
    case TlpKind::kCfgWrite0: return 0x04u << 24;
    case TlpKind::kCfgRead1:
    case TlpKind::kCfgWrite1: return 0x05u << 24;
    case TlpKind::kMessage: return 0x10u << 24;  // routed to the root complex
  }
  return 0;
}

/// Bytes of the first packet: no packet crosses a 4 KiB boundary.
uint32_t first_packet_bytes(const RequestInfo& request) {
  return std::min(request.length, kPacketBytesMax - static_cast<uint32_t>(request.address % kPacketBytesMax));
}

uint32_t dwords_of(uint64_t address, uint32_t bytes) {
  return std::max(1u, (static_cast<uint32_t>(address % 4) + bytes + 3) / 4);
}

/// First and last byte enables, as bits 7:0 of the second dword (PCIe 6.0 s2.2.5).
uint32_t byte_enables(uint64_t address, uint32_t bytes) {
  if (bytes == 0) return 0;  // a flush: one dword with no byte enabled
  const auto first = static_cast<uint32_t>(address % 4);
  const uint32_t in_first = std::min(bytes, 4 - first);
  const uint32_t first_enables = ((1u << in_first) - 1) << first;
  if (in_first == bytes) return first_enables;
  const uint32_t in_last = (bytes - in_first - 1) % 4 + 1;
  return ((1u << in_last) - 1) << 4 | first_enables;
}

}  // namespace

TlpHeader request_header(const RequestInfo& request) {
  TlpHeader header;
  const uint32_t bytes = first_packet_bytes(request);
  const bool wide = request.address > UINT32_MAX && !is_config(request.kind);
  uint32_t first = type_bits(request.kind) | (dwords_of(request.address, bytes) & 0x3ff);
  if (!is_read(request.kind) && request.kind != TlpKind::kMessage) first |= kFmtWithData;
  if (wide || request.kind == TlpKind::kMessage) first |= kFmtFourDwords;
  header.dwords[0] = first;
  header.dwords[1] = uint32_t{request.requester.value} << 16;
  if (request.kind == TlpKind::kMessage) return header;
  header.dwords[1] |= byte_enables(request.address, bytes);
  const auto low = static_cast<uint32_t>(request.address) & ~3u;
  if (is_config(request.kind)) {
    header.dwords[2] = uint32_t{request.completer.value} << 16 | (low & 0xffc);
  } else if (wide) {
    header.dwords[2] = static_cast<uint32_t>(request.address >> 32);
    header.dwords[3] = low;
  } else {
    header.dwords[2] = low;
  }
  return header;
}

TlpHeader completion_header(const RequestInfo& request, Rid completer, CompletionStatus status, bool poisoned,
                            uint8_t tag) {
  TlpHeader header;
  const uint32_t bytes = first_packet_bytes(request);
  const bool with_data = is_read(request.kind) && status == CompletionStatus::kSuccess;
  const bool memory = request.kind == TlpKind::kMemRead;
  header.dwords[0] = 0x0au << 24;
  if (with_data) header.dwords[0] |= kFmtWithData | (dwords_of(request.address, bytes) & 0x3ff);
  if (poisoned) header.dwords[0] |= kPoisoned;
  // Byte Count is 4 and Lower Address 0 for everything but memory reads (PCIe 6.0 s2.2.9).
  const uint32_t byte_count = memory ? bytes & 0xfff : 4;
  header.dwords[1] = uint32_t{completer.value} << 16 | static_cast<uint32_t>(status) << 13 | byte_count;
  const uint32_t lower_address = memory ? static_cast<uint32_t>(request.address) & 0x7f : 0;
  header.dwords[2] = uint32_t{request.requester.value} << 16 | uint32_t{tag} << 8 | lower_address;
  return header;
}

}  // namespace dartboard::model
