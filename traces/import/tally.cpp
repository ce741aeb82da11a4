// traces/import/tally.cpp - see tally.h.
#include "traces/import/tally.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::traces {

namespace {

std::string printable(std::string_view text, size_t bytes_max) {
  std::string out(text.substr(0, bytes_max));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  if (text.size() > bytes_max) out += "...";
  return out;
}

}  // namespace

void Tally::named_kind(std::string_view name, std::string_view why) {
  auto found = named_.find(name);
  if (found == named_.end()) {
    const bool room = named_.size() < kNamesMax;
    const std::string key = room ? printable(name, kTextBytesMax) : "(others)";
    found = named_.try_emplace(room ? std::string(name) : key, RecordCount{key, 0, std::string(why)}).first;
  }
  ++found->second.count;
}

void Tally::unknown(uint64_t number, std::string_view text) {
  ++report_.unknown;
  if (report_.first_unknown.size() < kUnknownKept) {
    report_.first_unknown.emplace_back(number, printable(text, kTextBytesMax));
  }
}

void Tally::warn(std::string sentence) {
  if (report_.warnings.size() < kWarningsMax) {
    report_.warnings.push_back(std::move(sentence));
    return;
  }
  ++warnings_dropped_;
  report_.warnings.back() = fmt::format("And {} more warnings.", warnings_dropped_ + 1);
}

const ReadReport& Tally::report() const {
  report_.kinds.clear();
  for (const auto& [key, count] : kinds_)
    report_.kinds.push_back({std::string(key.first), count, std::string(key.second)});
  for (const auto& [name, count] : named_) report_.kinds.push_back(count);
  std::stable_sort(report_.kinds.begin(), report_.kinds.end(),
                   [](const RecordCount& a, const RecordCount& b) { return a.name < b.name; });
  return report_;
}

}  // namespace dartboard::traces
