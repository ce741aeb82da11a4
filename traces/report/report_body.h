// traces/report/report_body.h - a report's figures as HTML.
#pragma once

#include <string>

#include "traces/report/figures.h"

namespace dartboard::traces {

/// What stands between <main> and </main>.
std::string report_body(const Figures& figures);

}  // namespace dartboard::traces
