// model/observer.h - how the model tells what happened, without knowing who listens (counters, trace hash, ledgers).
//
// Called on the hot path: an implementation must not allocate or call back into the model.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "model/tlp.h"

namespace dartboard::model {

enum class Direction : uint8_t { kDownstream, kUpstream };  ///< root complex to device, device to root complex

struct TlpEvent {
  TlpKind kind;
  Outcome outcome;
  Direction direction;
  uint8_t root;        ///< index of the root complex
  Rid requester;
  uint64_t address;    // not beside `data`: read as a pair, two fresh stores would have to leave the store buffer first
  uint32_t length;     ///< bytes
  uint32_t packets;    ///< TLPs on the wire (packet_count)
  uint64_t data;       ///< first 8 bytes of the data, little endian, zero-extended
};

/// What the DART refuses, with the fields its error registers hold.
struct DartFault {
  uint8_t root;
  Sid sid;
  Rid requester;
  Iova address;
  bool is_write;
  uint32_t code;       ///< bits of the ERROR register below FLAG (model/dart_registers.h)
};

enum class ResetKind : uint8_t { kPowerOn, kPerst, kHotReset, kFlr, kD3ToD0, kLinkDown };
inline constexpr unsigned kResetKindCount = 6;
std::string_view to_string(ResetKind kind);

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_tlp(const TlpEvent& event) = 0;
  virtual void on_dart_fault(const DartFault& fault) = 0;
  virtual void on_msi(uint8_t root, uint32_t vector) = 0;
  virtual void on_reset(uint8_t root, ResetKind kind) = 0;
  virtual void on_link(uint8_t root, bool up) = 0;
};

}  // namespace dartboard::model
