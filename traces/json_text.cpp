// traces/json_text.cpp - see json_text.h.
#include "traces/json_text.h"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

namespace dartboard::traces {

namespace {

using Json = nlohmann::json;

struct DepthFinder final : nlohmann::json_sax<Json> {
  explicit DepthFinder(unsigned max) : depth_max(max) {}

  const unsigned depth_max;
  unsigned depth = 0;
  bool too_deep = false;
  size_t position = 0;

  bool enter() {
    too_deep = depth == depth_max;
    ++depth;
    return !too_deep;
  }
  bool leave() {
    --depth;
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(size_t at, const std::string&, const Json::exception&) override {
    position = at;
    return false;
  }
};

}  // namespace

JsonCheck check_json(std::string_view text, unsigned depth_max) {
  DepthFinder finder(depth_max);
  JsonCheck check;
  check.is_json = Json::sax_parse(text.begin(), text.end(), &finder);
  check.too_deep = finder.too_deep;
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(finder.position, text.size()));
  check.line = static_cast<size_t>(std::count(text.begin(), end, '\n')) + 1;
  return check;
}

}  // namespace dartboard::traces
