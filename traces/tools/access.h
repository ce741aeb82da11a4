// traces/tools/access.h - what an event says, asked in the same way whatever its kind: which way it went, where to, and
// with which value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "traces/event.h"

namespace dartboard::traces {

/// Seen from the CPU for its requests, from memory for what the device does.
enum class Direction : uint8_t { kNone, kRead, kWrite };
Direction direction_of(EventKind kind);

/// A space of registers: a BAR, the expansion ROM or configuration space.
inline constexpr uint32_t kRomSpace = 6;
inline constexpr uint32_t kConfigSpace = 7;
inline constexpr uint32_t kNoSpace = UINT32_MAX;
/// Where the registers are that `event` touches; kNoSpace for kinds that touch none, and for a BAR that cannot be.
uint32_t space_of(const Event& event);
std::string space_name(uint32_t space);  ///< "BAR5", "ROM", "config"
/// The inverse: "bar5" or "5", "rom", "config", in any case.
std::optional<uint32_t> parse_space(std::string_view text);

/// The bytes that went over the bus, of the event or of its reply; null for kinds without any.
const Payload* payload_of(const Event& event, const Reply* reply);

/// The value of an access of at most 8 bytes, little-endian; none when it failed, is longer, or was not kept.
std::optional<uint64_t> value_of(const Event& event, const Reply* reply);

/// Nanoseconds from the end of `before` (its time and round trip) to the begin of what happens at `time_ns`.
uint64_t gap_ns(uint64_t before_time_ns, uint64_t before_duration_ns, uint64_t time_ns);

/// What people write on a command line: decimal or 0x hexadecimal; none otherwise.
std::optional<uint64_t> parse_number(std::string_view text);
/// Text from a file for a terminal: control characters and what is no UTF-8 become '?', and it is cut at `bytes_max`.
std::string printable(std::string_view text, size_t bytes_max);

}  // namespace dartboard::traces
