// traces/export/text.h - what writers of text share: payloads as numbers, hex text and hashes, text inside JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "traces/event.h"

namespace dartboard::traces {

/// The little-endian number that a payload of 1 to 8 bytes is; nothing when it is longer, empty or not kept.
inline std::optional<uint64_t> value_of(const Payload& payload) {
  if (!payload.is_whole() || payload.length == 0 || payload.length > 8) return std::nullopt;
  uint64_t value = 0;
  for (uint64_t i = payload.length; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(payload.at(i));
  return value;
}

/// Appends two lower-case digits a byte. The payload must be whole.
void append_hex(fmt::memory_buffer* out, const Payload& payload);

/// XXH3-64 of the bytes of a whole payload, or the hash that is left of it; nothing when not even that is.
std::optional<uint64_t> hash_of(const Payload& payload);

/// The bytes of a payload as text; bytes that are no UTF-8 come out of json_text() replaced.
std::string text_of(const Payload& payload, size_t bytes_max = 64 * 1024);

/// `text` with what is no UTF-8 replaced by U+FFFD.
std::string utf8(std::string_view text);

/// A JSON string with its quotes, ASCII only.
std::string json_text(std::string_view text);

/// `text` in one line: control characters become spaces.
std::string one_line(std::string_view text);

}  // namespace dartboard::traces
