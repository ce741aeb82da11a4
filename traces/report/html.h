// traces/report/html.h - the pieces that a report's page is put together from. All of them take text that is HTML
// already; e() makes it of what comes from a trace.
//
// A figure carries the path it has in to_json() and its plain value (data-figure, data-value): tests/report holds the
// page to the JSON by them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace dartboard::traces::html {

std::string e(std::string_view text);

/// A number that --json has too, shown as `text`.
std::string figure(std::string_view path, uint64_t value, const std::string& text);
std::string count(std::string_view path, uint64_t value);  ///< 27,207
std::string bytes(std::string_view path, uint64_t value);  ///< 96.0 MiB
std::string duration(std::string_view path, uint64_t ns);  ///< 1.234 s

/// A place in the timeline; the script makes it work. Before it does, and on paper, it is the text.
std::string goto_button(uint64_t first, uint64_t last, uint64_t from_ns, uint64_t to_ns, const std::string& text);
/// Parts of a whole, as a bar.
std::string bar(uint64_t inward, uint64_t outward, uint64_t most);
std::string section(std::string_view id, std::string_view title, const std::string& content);

class Table {
 public:
  /// Columns that begin with '<' are short text, with '~' long text, the others numbers. A caption that begins with '-'
  /// repeats a heading: it is for those who do not see the page. It may come from a trace.
  Table(std::string_view caption, std::initializer_list<std::string_view> columns);
  void row(std::initializer_list<std::string> cells);
  /// Long ones scroll in a window of their own.
  std::string end() const;

 private:
  static constexpr size_t kRowsInFull = 16;
  std::string head_, body_;
  std::vector<const char*> looks_;
  size_t rows_ = 0;
};

}  // namespace dartboard::traces::html
