// cli/output.cpp - see output.h.
#include "cli/output.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::cli {

bool is_terminal(std::FILE* file) {
  return isatty(fileno(file)) == 1;
}

Style::Style(std::FILE* file) : colours_(is_terminal(file)) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const term = std::getenv("TERM");
  if ((no_color != nullptr && *no_color != '\0') || (term != nullptr && std::strcmp(term, "dumb") == 0))
    colours_ = false;
}

std::string Style::wrap(const char* code, std::string_view text) const {
  return colours_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string with_commas(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  unsigned unit = 0;
  double value = static_cast<double>(bytes);
  uint64_t exact = bytes;
  bool is_exact = true;
  while (value >= 1024 && unit < 4) {
    is_exact = is_exact && exact % 1024 == 0;
    exact /= 1024;
    value /= 1024;
    ++unit;
  }
  return is_exact ? fmt::format("{} {}", exact, kUnits[unit]) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string duration_text(uint64_t ns) {
  if (ns >= 1'000'000'000) return fmt::format("{:.3f} s", static_cast<double>(ns) / 1e9);
  if (ns >= 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(ns) / 1e6);
  if (ns >= 1'000) return fmt::format("{:.1f} us", static_cast<double>(ns) / 1e3);
  return fmt::format("{} ns", ns);
}

}  // namespace dartboard::cli
