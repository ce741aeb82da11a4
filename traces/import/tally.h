// traces/import/tally.h - a reader's account of its file (ReadReport): kinds of records, what was not understood,
// warnings. Bounded, whatever the file holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "traces/byte_source.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

class Tally {
 public:
  static constexpr size_t kNamesMax = 256;     ///< kinds by name that come out of the file
  static constexpr size_t kWarningsMax = 100;  ///< further ones are only counted
  static constexpr size_t kTextBytesMax = 120;

  void record() { ++report_.records; }
  uint64_t records() const { return report_.records; }
  /// `name` and `why` are constants of the program.
  void kind(std::string_view name, std::string_view why = {}, uint64_t count = 1) { kinds_[{name, why}] += count; }
  /// A kind that the file names.
  void named_kind(std::string_view name, std::string_view why);
  /// A record that was not understood. Its text is shown printable.
  void unknown(uint64_t number, std::string_view text);
  /// The same for the record at hand; `text` makes its text, if that is kept.
  template <class Text>
  void unknown_record(const Text& text) {
    if (report_.first_unknown.size() < kUnknownKept) return unknown(report_.records, text());
    ++report_.unknown;
  }
  void warn(std::string sentence);
  void truncated(std::string sentence) {
    report_.truncated = true;
    warn(std::move(sentence));
  }
  /// What the source says at its end.
  void source_ended(const ByteSource& source) {
    if (source.damage()) truncated(source.damage()->sentence);
  }

  const ReadReport& report() const;

 private:
  ReadReport mutable report_;
  std::map<std::pair<std::string_view, std::string_view>, uint64_t> kinds_;
  std::map<std::string, RecordCount, std::less<>> named_;
  uint64_t warnings_dropped_ = 0;
};

}  // namespace dartboard::traces
