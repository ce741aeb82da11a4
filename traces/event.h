// traces/event.h - the event model: what a recording of a PCI device consists of, whatever format it came from.
//
// One flat record for all kinds, so that readers, writers, filters, replays and reports need no visitor and a session
// is one vector. Fields a kind does not use are zero; the table says which ones it uses. Bytes live in the session's
// arena (or are a fill, or are borrowed from whoever owns the file): an event never owns memory and is cheap to copy.
//
//   kind               target          address          length         value              data           reply
//   kProbe             -               base class       -              vendor id          (mask, id)*    count, names
//   kMapBar            BAR             -                -              -                  -              address, size
//   kResizeBar         BAR             -                -              size               -              status
//   kConfigRead        -               offset           bytes          -                  -              value
//   kConfigWrite       -               offset           bytes          value              -              status
//   kMmioRead          BAR             offset           bytes          -                  -              bytes
//   kMmioWrite         BAR             offset           bytes          -                  bytes          - (posted)
//   kDmaMap            handle          guest address    bytes          1: contiguous      -              page addresses
//   kDmaUnmap          handle          -                bytes          -                  -              -
//   kHostRead          handle          offset           bytes          -                  -              bytes
//   kHostWrite         handle          offset           bytes          -                  bytes          - (posted)
//   kDeviceMemory      BAR             offset           bytes          -                  bytes          -
//   kDeviceDmaRead     handle          IOVA             bytes          offset in handle   bytes          -
//   kDeviceDmaWrite    handle          IOVA             bytes          offset in handle   bytes          -
//   kInterrupt         IRQ kind        -                -              vector             -              -
//   kReset             -               -                -              -                  -              status
//   kPing              -               -                -              -                  -              status
//   kMark              -               -                -              -                  text (UTF-8)   -
//   kIrqSetup          IRQ kind        first vector     vectors        1: on, 0: off      -              -
//   kDeviceConfig      -               offset           bytes          value              -              -
//
// IRQ kinds are IrqKind's values. A kDmaMap whose reply has no page addresses lies at one address: reply.value0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace dartboard::traces {

enum class EventKind : uint8_t {
  kProbe,
  kMapBar,
  kResizeBar,
  kConfigRead,
  kConfigWrite,
  kMmioRead,
  kMmioWrite,
  kDmaMap,
  kDmaUnmap,
  kHostRead,      ///< the CPU reads memory that is mapped for DMA
  kHostWrite,     ///< the CPU writes memory that is mapped for DMA
  kDeviceMemory,  ///< the device changed memory of its own
  kDeviceDmaRead,
  kDeviceDmaWrite,
  kInterrupt,
  kReset,
  kPing,
  kMark,
  kIrqSetup,      ///< interrupts of one kind were enabled or disabled
  kDeviceConfig,  ///< the device changed its configuration space by itself
};
/// The numbers of the kinds are part of the .dbt format (docs/dbt.md): new ones are appended.
inline constexpr unsigned kEventKindCount = 20;

/// Stable name for reports ("mmio-read").
std::string_view to_string(EventKind kind);

/// Who made the event happen, and how we know.
enum class Source : uint8_t {
  kGuest,     ///< a request of the driver under recording
  kDevice,    ///< seen from the device (a capture that has it)
  kInferred,  ///< done by the device, concluded from what the driver read (traces/inference.h)
  kRecorder,  ///< marks and losses
};

/// Event::target of kInterrupt and kIrqSetup; the numbers are part of the .dbt format.
enum class IrqKind : uint32_t { kIntx, kMsi, kMsix, kError, kRequest };
std::string_view to_string(IrqKind kind);

/// What is left of the bytes of a recorded payload.
enum class PayloadForm : uint8_t {
  kWhole,    ///< all of them, or a fill
  kHash,     ///< XXH3-64 of them: `bytes` points to its 8 bytes, little-endian
  kOmitted,  ///< only how many there were
};

/// Bytes without a copy: either `bytes` (owned by an arena) or `length` times `fill`.
struct Payload {
  const std::byte* bytes = nullptr;  ///< null: a fill
  uint64_t length = 0;               ///< bytes of the recorded payload, also when only its hash is left
  std::byte fill{0};
  PayloadForm form = PayloadForm::kWhole;  ///< of anything but kWhole, at(), part(), copy_to() and le64() tell nothing

  static Payload of(std::span<const std::byte> data) { return {data.data(), data.size(), std::byte{0}}; }
  static Payload filled(std::byte value, uint64_t length) { return {nullptr, length, value}; }
  static Payload hash_of(const std::byte* hash, uint64_t length) {
    return {hash, length, std::byte{0}, PayloadForm::kHash};
  }
  static Payload omitted(uint64_t length) { return {nullptr, length, std::byte{0}, PayloadForm::kOmitted}; }

  bool empty() const { return length == 0; }
  bool is_whole() const { return form == PayloadForm::kWhole; }
  bool is_fill() const { return bytes == nullptr && is_whole(); }
  std::byte at(uint64_t i) const { return bytes != nullptr ? bytes[i] : fill; }

  /// The part [offset, offset + count). Must lie inside.
  Payload part(uint64_t offset, uint64_t count) const {
    return {bytes != nullptr ? bytes + offset : nullptr, count, fill, form};
  }

  /// Copies bytes [offset, offset + to.size()) out. Must lie inside.
  void copy_to(uint64_t offset, std::span<std::byte> to) const {
    if (to.empty()) return;
    if (bytes != nullptr) {
      std::memcpy(to.data(), bytes + offset, to.size());
    } else {
      std::memset(to.data(), std::to_integer<int>(fill), to.size());
    }
  }

  /// The 64-bit little-endian word at `offset`. Must lie inside.
  uint64_t le64(uint64_t offset) const {
    uint64_t word = 0;
    for (unsigned i = 8; i-- > 0;) word = word << 8 | std::to_integer<uint64_t>(at(offset + i));
    return word;
  }

  /// Index of the first byte that differs from `other` (same length), or `length` when equal.
  uint64_t first_difference(std::span<const std::byte> other) const;
};

inline constexpr uint32_t kNoReply = UINT32_MAX;

struct Event {
  uint64_t time_ns = 0;  ///< of the recording's own clock
  uint64_t request = 0;  ///< the request it is, or (device events) the request it happened before
  uint64_t address = 0;
  uint64_t length = 0;  ///< bytes; for accesses of 1, 2, 4 or 8 bytes this is the width
  uint64_t value = 0;
  Payload data;
  uint32_t target = 0;        ///< BAR, memory handle or IRQ kind
  uint32_t reply = kNoReply;  ///< index into Session::replies
  uint16_t device = 0;        ///< of a recording with several
  EventKind kind = EventKind::kMark;
  Source source = Source::kGuest;

  bool is_request() const { return source == Source::kGuest; }
};

/// What came back for a request.
struct Reply {
  uint64_t status = 0;  ///< 0: success
  uint64_t value0 = 0;  ///< kProbe: bytes of the names; kConfigRead: value; kMapBar: address; kDmaMap: bytes of data
  uint64_t value1 = 0;  ///< kProbe: count; kMapBar: size; kDmaMap: handle
  uint64_t duration_ns = 0;  ///< round trip
  Payload data;
};

}  // namespace dartboard::traces
