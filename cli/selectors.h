// cli/selectors.h - names of the dext's selectors, for reports.
#pragma once

#include <string>

namespace dartboard::cli {

/// "MMIORead" for 11; "selector 40" for a number outside the ABI.
std::string selector_name(unsigned selector);

}  // namespace dartboard::cli
