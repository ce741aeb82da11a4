// traces/json_document.cpp - see json_document.h.
#include "traces/json_document.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/json_text.h"
#include "traces/tools/access.h"

namespace dartboard::traces {

Result<std::string> read_document_file(const std::string& path, uint64_t bytes_max, std::string_view expected) {
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) {
    return fail(errno == ENOENT ? ErrorName::kNotFound : ErrorName::kFileUnreadable,
                fmt::format("{}: cannot be opened: {}; expected {}.", path, std::strerror(errno), expected));
  }
  std::string text;
  char part[64 * kKiB];
  // One byte more than allowed is enough to be refused.
  for (size_t got = 0; text.size() <= bytes_max && (got = std::fread(part, 1, sizeof part, file.get())) != 0;) {
    text.append(part, got);
  }
  if (std::ferror(file.get()) != 0) {
    return fail(ErrorName::kFileUnreadable,
                fmt::format("{}: cannot be read: {}; expected {}.", path, std::strerror(errno), expected));
  }
  if (text.size() > bytes_max) {
    return fail(ErrorName::kFileCorrupt,
                fmt::format("{}: is larger than {} bytes; expected {}.", path, bytes_max, expected));
  }
  return text;
}

Result<nlohmann::json> parse_document(std::string_view text, unsigned depth_max, const std::string& origin,
                                      std::string_view expected) {
  const JsonCheck check = check_json(text, depth_max);
  if (check.too_deep) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: is nested deeper than {} can be.", origin, expected));
  }
  if (!check.is_json) {
    return fail(ErrorName::kFileCorrupt,
                fmt::format("{}: line {} is not JSON; expected {}.", origin, check.line, expected));
  }
  return nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
}

bool DocumentWalk::wrong(const std::string& field, const std::string& expected) {
  problem_ = field.empty() ? expected : fmt::format("field '{}': {}", field, expected);
  return false;
}

const nlohmann::json* DocumentWalk::member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

bool DocumentWalk::only(const Json& object, const std::string& where, std::initializer_list<std::string_view> names) {
  if (!object.is_object()) {
    return where.empty() ? wrong("", "is not a JSON object")
                         : wrong(where.substr(0, where.size() - 1), "expected an object");
  }
  for (const auto& item : object.items()) {
    if (std::find(names.begin(), names.end(), item.key()) != names.end()) continue;
    return wrong(where + printable(item.key(), 32),
                 fmt::format("is not part of the schema; expected one of {}", fmt::join(names, ", ")));
  }
  return true;
}

bool DocumentWalk::is_document(const Json& root, std::string_view schema,
                               std::initializer_list<std::string_view> names) {
  if (!only(root, "", names)) return false;
  const Json* const said = member(root, "schema");
  if (said != nullptr && said->is_string() && said->get_ref<const std::string&>() == schema) return true;
  return wrong("schema", fmt::format("expected \"{}\"", schema));
}

}  // namespace dartboard::traces
