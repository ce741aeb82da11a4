// base/text.h - text for people: numbers with units, and strings from outside made safe for HTML and XML.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dartboard {

std::string with_commas(uint64_t value);  ///< 27,207
std::string bytes_text(uint64_t bytes);   ///< "96.0 MiB", exact when it is: "512 MiB"
std::string duration_text(uint64_t ns);   ///< "1.234 s", "56.7 ms"

/// `text` as the content of an HTML or XML element or of a quoted attribute: & < > " ' as references, control
/// characters (which XML 1.0 cannot hold, whatever the escaping) as spaces, what is not UTF-8 as U+FFFD.
std::string escaped_markup(std::string_view text);

}  // namespace dartboard
