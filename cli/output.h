// cli/output.h - colours on a terminal only. Numbers for people are in base/text.h.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "base/text.h"

namespace dartboard::cli {

/// True if `file` is a terminal.
bool is_terminal(std::FILE* file);

/// Colours for one output, or none: not a terminal, NO_COLOR set (no-color.org), or TERM=dumb.
class Style {
 public:
  explicit Style(std::FILE* file);
  std::string strong(std::string_view text) const { return wrap("1", text); }
  std::string faint(std::string_view text) const { return wrap("2", text); }
  std::string good(std::string_view text) const { return wrap("32", text); }
  std::string bad(std::string_view text) const { return wrap("31", text); }
  std::string note(std::string_view text) const { return wrap("33", text); }

 private:
  std::string wrap(const char* code, std::string_view text) const;
  bool colours_;
};

}  // namespace dartboard::cli
