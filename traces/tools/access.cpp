// traces/tools/access.cpp - see access.h.
#include "traces/tools/access.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace dartboard::traces {

Direction direction_of(EventKind kind) {
  switch (kind) {
    case EventKind::kConfigRead:
    case EventKind::kMmioRead:
    case EventKind::kHostRead:
    case EventKind::kDeviceDmaRead: return Direction::kRead;
    case EventKind::kConfigWrite:
    case EventKind::kMmioWrite:
    case EventKind::kHostWrite:
    case EventKind::kDeviceDmaWrite: return Direction::kWrite;
    default: return Direction::kNone;
  }
}

uint32_t space_of(const Event& event) {
  switch (event.kind) {
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite:
    case EventKind::kDeviceMemory: return event.target <= kRomSpace ? event.target : kNoSpace;
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite:
    case EventKind::kDeviceConfig: return kConfigSpace;
    default: return kNoSpace;
  }
}

std::string space_name(uint32_t space) {
  if (space == kConfigSpace) return "config";
  return space == kRomSpace ? "ROM" : fmt::format("BAR{}", space);
}

std::optional<uint32_t> parse_space(std::string_view text) {
  std::string lower(text.substr(0, 8));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  if (lower == "config") return kConfigSpace;
  if (lower == "rom") return kRomSpace;
  std::string_view digit = lower;
  if (digit.starts_with("bar")) digit.remove_prefix(3);
  if (digit.size() != 1 || digit[0] < '0' || digit[0] > '5') return std::nullopt;
  return static_cast<uint32_t>(digit[0] - '0');
}

const Payload* payload_of(const Event& event, const Reply* reply) {
  switch (event.kind) {
    case EventKind::kMmioRead:
    case EventKind::kHostRead: return reply != nullptr && reply->status == 0 ? &reply->data : nullptr;
    case EventKind::kMmioWrite:
    case EventKind::kHostWrite:
    case EventKind::kDeviceMemory:
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite: return &event.data;
    default: return nullptr;
  }
}

std::optional<uint64_t> value_of(const Event& event, const Reply* reply) {
  switch (event.kind) {
    case EventKind::kConfigWrite:
    case EventKind::kDeviceConfig:
    case EventKind::kInterrupt:
    case EventKind::kResizeBar:
    case EventKind::kIrqSetup: return event.value;
    case EventKind::kConfigRead:
      if (reply == nullptr || reply->status != 0) return std::nullopt;
      return reply->value0;
    default: break;
  }
  const Payload* const data = payload_of(event, reply);
  if (data == nullptr || !data->is_whole() || data->length == 0 || data->length > 8) return std::nullopt;
  uint64_t value = 0;
  for (uint64_t i = data->length; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(data->at(i));
  return value;
}

uint64_t gap_ns(uint64_t before_time_ns, uint64_t before_duration_ns, uint64_t time_ns) {
  if (time_ns <= before_time_ns) return 0;  // recordings of several threads are not always in order
  const uint64_t between = time_ns - before_time_ns;
  return between > before_duration_ns ? between - before_duration_ns : 0;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

namespace {
/// Bytes of the well-formed UTF-8 character at the front, 0 if there is none (RFC 3629; C1 controls count as none).
size_t utf8_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < count) return 0;
  for (size_t i = 1; i < count; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  const bool out_of_range = (first == 0xc2 && second < 0xa0) || (first == 0xe0 && second < 0xa0) ||
                            (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
                            (first == 0xf4 && second > 0x8f);
  return out_of_range ? 0 : count;
}
}  // namespace

std::string printable(std::string_view text, size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    const size_t count = utf8_bytes(text);
    if (out.size() + std::max<size_t>(count, 1) > bytes_max) return out + "...";
    if (count == 0) {
      out += '?';
      text.remove_prefix(1);
    } else {
      out += text.substr(0, count);
      text.remove_prefix(count);
    }
  }
  return out;
}

}  // namespace dartboard::traces
