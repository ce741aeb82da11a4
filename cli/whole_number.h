// cli/whole_number.h - what an option that takes a whole number accepts.
#pragma once

#include <cstdint>

namespace CLI {
class Validator;
}

namespace dartboard::cli {

/// From `min` to `max`, decimal or 0x hexadecimal; for Option::transform(). Anything else, a negative number too, is
/// told with what was expected.
CLI::Validator whole_number(uint64_t min = 0, uint64_t max = UINT64_MAX);

/// For sizes, which CLI::AsSizeValue would take with a minus, too; to be given to Option::transform() after it.
CLI::Validator no_minus();

}  // namespace dartboard::cli
