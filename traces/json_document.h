// traces/json_document.h - what the readers of JSON files beside a trace share: the file, the text, and the walk
// through its members.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace dartboard::traces {

/// All of `path`, at most `bytes_max` bytes. `expected` is what should be in it: "names of registers". kNotFound,
/// kFileUnreadable; kFileCorrupt when it is larger.
Result<std::string> read_document_file(const std::string& path, uint64_t bytes_max, std::string_view expected);

/// `text` as a document whose objects and arrays nest `depth_max` deep. kFileCorrupt names `origin` and the line.
Result<nlohmann::json> parse_document(std::string_view text, unsigned depth_max, const std::string& origin,
                                      std::string_view expected);

/// For a reader that goes through a document member by member. Unknown members are errors: a misspelt one would be
/// ignored otherwise. The first thing that is wrong ends the walk: every step gives false, and problem() says what.
class DocumentWalk {
 public:
  const std::string& problem() const { return problem_; }

 protected:
  using Json = nlohmann::json;

  /// "field 'bars[0].size': EXPECTED"; without a field, EXPECTED alone.
  bool wrong(const std::string& field, const std::string& expected);
  /// Null: it has none of that name.
  static const Json* member(const Json& object, const char* name);
  /// `object` is one, and has no members but `names`. `where` is its place in the document, with a point at its end.
  bool only(const Json& object, const std::string& where, std::initializer_list<std::string_view> names);
  /// The root is an object of `names`, "schema" among them, which says `schema`.
  bool is_document(const Json& root, std::string_view schema, std::initializer_list<std::string_view> names);

 private:
  std::string problem_;
};

}  // namespace dartboard::traces
