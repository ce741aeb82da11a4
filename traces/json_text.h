// traces/json_text.h - is a text JSON, and no deeper than it may be? Asked before a document is built of it.
//
// The parser's own callback would tell the depth as well, but it looks at all siblings of each element that ends:
// quadratic in a long array.
#pragma once

#include <cstddef>
#include <string_view>

namespace dartboard::traces {

struct JsonCheck {
  bool is_json = false;
  bool too_deep = false;  ///< it nests deeper than asked; what follows was not looked at
  size_t line = 1;        ///< where it stops being JSON
};

/// Objects and arrays may nest `depth_max` deep.
JsonCheck check_json(std::string_view text, unsigned depth_max);

}  // namespace dartboard::traces
