// cli/whole_number.cpp - see whole_number.h.
#include "cli/whole_number.h"

#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "traces/tools/access.h"
#include "traces/tools/filter.h"

namespace dartboard::cli {

CLI::Validator whole_number(uint64_t min, uint64_t max) {
  const std::string range = max == UINT64_MAX ? (min == 0 ? "" : fmt::format(" of at least {}", min))
                                              : fmt::format(" from {} to {}", min, max);
  CLI::Validator validator;
  validator.operation([min, max, range](std::string& text) -> std::string {
    const auto number = traces::parse_number(text);
    if (!number || *number < min || *number > max) {
      return fmt::format("'{}' is not what was expected: a whole number{}", traces::printable(text, 40), range);
    }
    text = std::to_string(*number);  // the conversion behind this one would take a leading 0 for octal
    return "";
  });
  return validator;
}

CLI::Validator no_minus() {
  CLI::Validator validator;
  validator.operation([](std::string& text) {
    return text.find('-') == text.npos
               ? std::string()
               : fmt::format("'{}' is not what was expected: a size such as 4096 or 64M", traces::printable(text, 40));
  });
  return validator;
}

}  // namespace dartboard::cli
