// base/format.h - text from a format that is parsed when it is compiled: for sentences that a guest can ask for in a
// loop. One allocation at most; fmt::format with FMT_COMPILE would grow the string piece by piece.
#pragma once

#include <iterator>
#include <string>

#include <fmt/compile.h>
#include <fmt/format.h>

namespace dartboard {

/// `format` is FMT_COMPILE("...").
template <class Format, class... Arguments>
std::string compiled_text(const Format& format, const Arguments&... arguments) {
  fmt::memory_buffer buffer;
  fmt::format_to(std::back_inserter(buffer), format, arguments...);
  return std::string(buffer.data(), buffer.size());
}

}  // namespace dartboard
