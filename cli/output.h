// cli/output.h - colours on a terminal only, and numbers for people.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

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

std::string with_commas(uint64_t value);  ///< 27,207
std::string bytes_text(uint64_t bytes);   ///< "96.0 MiB", exact when it is: "512 MiB"
std::string duration_text(uint64_t ns);   ///< "1.234 s", "56.7 ms"

}  // namespace dartboard::cli
