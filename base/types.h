// base/types.h - the words every room shares: distinct types for distinct address spaces and ids.
//
// Nothing here has behaviour. A `uint64_t` that means "what the device puts on the bus" and one that means
// "what the guest calls its memory" are the two numbers this project exists to keep apart, so the compiler does.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace dartboard {

/// An integer that only mixes with its own kind. `Tag` makes the type distinct; `Rep` is the storage.
/// Arithmetic is offered only for `Strong op Rep` (an offset) and `Strong - Strong` (a distance).
template <class Tag, class Rep = uint64_t>
struct Strong {
  Rep value = 0;

  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : value(v) {}

  friend constexpr auto operator<=>(Strong, Strong) = default;
  friend constexpr Strong operator+(Strong a, Rep b) { return Strong(static_cast<Rep>(a.value + b)); }
  friend constexpr Strong operator-(Strong a, Rep b) { return Strong(static_cast<Rep>(a.value - b)); }
  friend constexpr Rep operator-(Strong a, Strong b) { return static_cast<Rep>(a.value - b.value); }
};

/// I/O virtual address: what the device puts on the bus; chosen by the mapper, never by the caller.
using Iova = Strong<struct IovaTag>;
/// Guest physical address.
using Gpa = Strong<struct GpaTag>;
/// Host physical address: what the DART puts on the memory bus after translation.
using Hpa = Strong<struct HpaTag>;
/// DART stream id, 0..255 (t8110 PARAMS_C.NUM_SIDS).
using Sid = Strong<struct SidTag, uint8_t>;
/// Simulated time since power-on, in nanoseconds.
using TimeNs = Strong<struct TimeNsTag>;

/// Requester id: bus/device/function as it travels in a TLP (PCIe 6.0 s2.2.6.2).
struct Rid {
  uint16_t value = 0;

  constexpr Rid() = default;
  constexpr explicit Rid(uint16_t v) : value(v) {}
  constexpr Rid(uint8_t bus, uint8_t device, uint8_t function)
      : value(static_cast<uint16_t>((bus << 8) | ((device & 0x1f) << 3) | (function & 7))) {}

  constexpr uint8_t bus() const { return static_cast<uint8_t>(value >> 8); }
  constexpr uint8_t device() const { return (value >> 3) & 0x1f; }
  constexpr uint8_t function() const { return value & 7; }

  friend constexpr auto operator<=>(Rid, Rid) = default;
};

/// A set of stream ids, one bit each (ENABLE_STREAMS and friends).
struct SidMask {
  uint64_t words[4] = {};

  constexpr bool has(Sid s) const { return (words[s.value >> 6] >> (s.value & 63)) & 1; }
  constexpr void add(Sid s) { words[s.value >> 6] |= uint64_t{1} << (s.value & 63); }
  constexpr void remove(Sid s) { words[s.value >> 6] &= ~(uint64_t{1} << (s.value & 63)); }
  friend constexpr bool operator==(const SidMask&, const SidMask&) = default;
};

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;
inline constexpr uint64_t kNsPerUs = 1000;
inline constexpr uint64_t kNsPerMs = 1000 * kNsPerUs;
inline constexpr uint64_t kNsPerS = 1000 * kNsPerMs;

/// True if [offset, offset+length) lies inside [0, size) without wrapping.
constexpr bool in_range(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}
constexpr bool is_power_of_two(uint64_t v) { return v != 0 && (v & (v - 1)) == 0; }
constexpr uint64_t round_down(uint64_t v, uint64_t align) { return v & ~(align - 1); }
constexpr uint64_t round_up(uint64_t v, uint64_t align) { return (v + align - 1) & ~(align - 1); }

}  // namespace dartboard

template <class Tag, class Rep>
struct std::hash<dartboard::Strong<Tag, Rep>> {
  size_t operator()(dartboard::Strong<Tag, Rep> s) const noexcept { return std::hash<Rep>{}(s.value); }
};
