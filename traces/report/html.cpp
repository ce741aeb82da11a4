// traces/report/html.cpp - see html.h.
#include "traces/report/html.h"

#include <fmt/format.h>

#include "base/text.h"

namespace dartboard::traces::html {

std::string e(std::string_view text) {
  return escaped_markup(text);
}

std::string figure(std::string_view path, uint64_t value, const std::string& text) {
  return fmt::format("<span data-figure=\"{}\" data-value=\"{}\">{}</span>", path, value, text);
}
std::string count(std::string_view path, uint64_t value) {
  return figure(path, value, with_commas(value));
}
std::string bytes(std::string_view path, uint64_t value) {
  return figure(path, value, bytes_text(value));
}
std::string duration(std::string_view path, uint64_t ns) {
  return figure(path, ns, duration_text(ns));
}

std::string goto_button(uint64_t first, uint64_t last, uint64_t from_ns, uint64_t to_ns, const std::string& text) {
  return fmt::format(
      "<button type=\"button\" class=\"goto\" data-first=\"{}\" data-last=\"{}\" data-from=\"{}\" data-to=\"{}\" "
      "title=\"Show in the timeline\">{}</button>",
      first, last, from_ns, to_ns, text);
}

// An SVG, because its width needs no style, which the page's policy would refuse.
std::string bar(uint64_t inward, uint64_t outward, uint64_t most) {
  const auto width = [&](uint64_t n) {
    return 100.0 * static_cast<double>(n) / static_cast<double>(most == 0 ? 1 : most);
  };
  return fmt::format(
      "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"in\" "
      "width=\"{0:.2f}\" height=\"8\"/><rect class=\"out\" x=\"{0:.2f}\" width=\"{1:.2f}\" height=\"8\"/></svg>",
      width(inward), width(outward));
}

std::string section(std::string_view id, std::string_view title, const std::string& content) {
  return fmt::format("<section id=\"{0}\" aria-labelledby=\"{0}-title\"><h2 id=\"{0}-title\">{1}</h2>{2}</section>", id,
                     title, content);
}

Table::Table(std::string_view caption, std::initializer_list<std::string_view> columns) {
  const bool hidden = caption.starts_with('-');
  const std::string text_of_caption = e(caption.substr(hidden ? 1 : 0));
  head_ = fmt::format("tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table><caption{1}>{0}</caption><thead><tr>",
                      text_of_caption, hidden ? " class=\"unseen\"" : "");
  for (const std::string_view column : columns) {
    const char* const look = column.starts_with('<') ? " class=\"t\"" : column.starts_with('~') ? " class=\"t w\"" : "";
    looks_.push_back(look);
    head_ += fmt::format("<th scope=\"col\"{}>{}</th>", look, column.substr(*look == '\0' ? 0 : 1));
  }
}

void Table::row(std::initializer_list<std::string> cells) {
  ++rows_;
  body_ += "<tr>";
  size_t i = 0;
  for (const std::string& cell : cells) {
    const char* const look = i < looks_.size() ? looks_[i] : "";
    body_ += i == 0 ? fmt::format("<th scope=\"row\"{}>{}</th>", look, cell) : fmt::format("<td{}>{}</td>", look, cell);
    ++i;
  }
  body_ += "</tr>";
}

std::string Table::end() const {
  return fmt::format("<div class=\"scroll{}\" {}</tr></thead><tbody>{}</tbody></table></div>",
                     rows_ > kRowsInFull ? " tall" : "", head_, body_);
}

}  // namespace dartboard::traces::html
