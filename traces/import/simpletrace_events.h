// traces/import/simpletrace_events.h - arguments of QEMU's events, and the text its log backend makes of them.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <fmt/format.h>

namespace dartboard::traces {

/// Appends NAME and its arguments as a line of the log backend. False: the event is not known here, or the arguments
/// are not those it has (`arguments`: u64 each, strings as u32 length and bytes; all of them must be used up).
bool append_simpletrace_line(std::string_view name, std::span<const std::byte> arguments, fmt::memory_buffer* line);

}  // namespace dartboard::traces
