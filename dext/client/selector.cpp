// dext/client/selector.cpp - the text form of "which device".
#include <charconv>

#include <fmt/format.h>

#include "dext/client/client.h"

namespace dartboard::dext {
namespace {

/// Reads a hexadecimal number that fills `text`; false if it is anything else or above `max`.
bool parse_hex(std::string_view text, unsigned max, unsigned* value) {
  if (text.empty() || text.size() > 2) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, 16);
  return error == std::errc() && end == text.data() + text.size() && *value <= max;
}

}  // namespace

Result<Selector> parse_selector(const std::string& text) {
  Selector selector;
  if (text.empty()) return selector;
  std::string_view rest = text;
  if (const size_t slash = rest.rfind('/'); slash != std::string_view::npos) {
    selector.root = std::string(rest.substr(0, slash));
    rest = rest.substr(slash + 1);
  }
  const size_t colon = rest.find(':');
  const size_t dot = rest.find('.');
  unsigned bus = 0, device = 0, function = 0;
  const bool shaped = colon != std::string_view::npos && dot != std::string_view::npos && colon < dot;
  if (!shaped || !parse_hex(rest.substr(0, colon), 0xff, &bus) ||
      !parse_hex(rest.substr(colon + 1, dot - colon - 1), 0x1f, &device) ||
      !parse_hex(rest.substr(dot + 1), 7, &function) || (selector.root.empty() && text[0] == '/')) {
    return fail(ErrorName::kBadArgument,
                fmt::format("'{}' names no device: expected [ROOT/]BB:DD.F with bus, device and function in "
                            "hexadecimal, for example 01:00.0 or pcic1-bridge/01:00.0", text));
  }
  selector.rid = Rid(static_cast<uint8_t>(bus), static_cast<uint8_t>(device), static_cast<uint8_t>(function));
  return selector;
}

}  // namespace dartboard::dext
