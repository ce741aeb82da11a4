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

}  // namespace dartboard::cli
