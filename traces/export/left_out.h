// traces/export/left_out.h - counts what a format cannot carry, for EventWriter::left_out().
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "traces/trace_info.h"

namespace dartboard::traces {

class LeftOut {
 public:
  /// `name` of what is left out, and why; both are constants of the program, so that this stays small. It is a part of
  /// an event that is in the file.
  void add(std::string_view name, std::string_view why) { ++counts_[{name, why}]; }
  /// The same of an event of which nothing is in the file.
  void add_event(std::string_view name, std::string_view why) {
    add(name, why);
    ++events_;
  }
  uint64_t events() const { return events_; }
  std::vector<RecordCount> list() const {
    std::vector<RecordCount> out;
    for (const auto& [key, count] : counts_) out.push_back({std::string(key.first), count, std::string(key.second)});
    return out;
  }

 private:
  std::map<std::pair<std::string_view, std::string_view>, uint64_t> counts_;
  uint64_t events_ = 0;
};

}  // namespace dartboard::traces
