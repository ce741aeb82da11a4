// model/endpoint/script/builtin.cpp - scripts by name, and by file.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "model/endpoint/script/script.h"

namespace dartboard::model {
namespace {

constexpr std::string_view kFilePrefix = "script:";
constexpr size_t kFileBytesMax = kMiB;

}  // namespace

Result<ScriptSource> load_script(std::string_view notation) {
  if (notation.substr(0, kFilePrefix.size()) != kFilePrefix) {
    std::string names;
    for (const BuiltinScript& script : builtin_scripts()) {
      if (script.name == notation) return ScriptSource{fmt::format("{}.lua", script.name), std::string(script.text)};
      names += fmt::format("{}{}", names.empty() ? "" : ", ", script.name);
    }
    return fail(ErrorName::kNotFound,
                fmt::format("there is no device '{:.60}'; expected {}, script:FILE.lua", notation, names));
  }
  const std::string path(notation.substr(kFilePrefix.size()));
  if (path.empty()) return fail(ErrorName::kBadArgument, "'script:' names no file; expected script:FILE.lua");
  std::ifstream in(path, std::ios::binary);
  ScriptSource source{path, {}};
  char block[4096];
  while (in && source.text.size() <= kFileBytesMax) {
    in.read(block, sizeof block);
    source.text.append(block, static_cast<size_t>(in.gcount()));
  }
  if (!in.eof() || in.bad()) {
    if (source.text.size() > kFileBytesMax) {
      return fail(ErrorName::kFileUnreadable, fmt::format("script {}: more than {} bytes", path, kFileBytesMax));
    }
    return fail(ErrorName::kFileUnreadable, fmt::format("script {}: {}", path, std::strerror(errno)));
  }
  return source;
}

}  // namespace dartboard::model
