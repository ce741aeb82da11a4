// traces/import/scan.h - a cursor over one line of text: what the importers of text formats read numbers and words
// with.
//
// Nothing allocates, nothing throws; a step that does not fit returns false and the line is not understood.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dartboard::traces {

class Scan {
 public:
  explicit Scan(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool at_end() const { return at_ == end_; }
  std::string_view rest() const { return {at_, static_cast<size_t>(end_ - at_)}; }
  char peek() const { return at_ == end_ ? '\0' : *at_; }
  void spaces() {
    while (at_ != end_ && *at_ == ' ') ++at_;
  }
  /// Only spaces are left.
  bool done() {
    spaces();
    return at_end();
  }

  bool literal(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool literal(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  /// Hexadecimal digits without 0x; false when there is none or the number has more than 64 bits.
  bool hex(uint64_t* value) {
    const char* const from = at_;
    uint64_t out = 0;
    while (at_ != end_) {
      const int digit = hex_digit(*at_);
      if (digit < 0) break;
      if (out >> 60 != 0) return false;
      out = out << 4 | static_cast<uint64_t>(digit);
      ++at_;
    }
    *value = out;
    return at_ != from;
  }
  /// 0x and hexadecimal digits.
  bool hex0x(uint64_t* value) { return literal('0') && literal('x') && hex(value); }
  /// Decimal digits; no sign. False when there is none or the number has more than 64 bits.
  bool dec(uint64_t* value) {
    const char* const from = at_;
    uint64_t out = 0;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') {
      const auto digit = static_cast<uint64_t>(*at_ - '0');
      if (out > (UINT64_MAX - digit) / 10) return false;
      out = out * 10 + digit;
      ++at_;
    }
    *value = out;
    return at_ != from;
  }
  /// A C integer as %d prints it.
  bool signed_dec(int64_t* value) {
    const bool negative = literal('-');
    uint64_t out = 0;
    if (!dec(&out) || out > uint64_t{INT64_MAX}) return false;
    *value = negative ? -static_cast<int64_t>(out) : static_cast<int64_t>(out);
    return true;
  }

  /// Up to the next space, or the end; not empty.
  bool word(std::string_view* out) {
    const char* const from = at_;
    while (at_ != end_ && *at_ != ' ') ++at_;
    *out = {from, static_cast<size_t>(at_ - from)};
    return at_ != from;
  }
  /// Up to the first `text`, which is taken too.
  bool until(std::string_view text, std::string_view* out) { return take(rest().find(text), text.size(), out); }
  /// Up to the last `text`, which is taken too: for names that may hold anything.
  bool until_last(std::string_view text, std::string_view* out) { return take(rest().rfind(text), text.size(), out); }

 private:
  static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }
  bool take(size_t found, size_t length, std::string_view* out) {
    if (found == std::string_view::npos) return false;
    *out = {at_, found};
    at_ += found + length;
    return true;
  }

  const char* at_;
  const char* end_;
};

}  // namespace dartboard::traces
