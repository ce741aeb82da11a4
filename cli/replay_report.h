// cli/replay_report.h - the page of a replay (--report): what was recorded, and how the replay differed.
#pragma once

#include <string>

#include "base/error.h"
#include "cli/replay_trace.h"
#include "cli/summary.h"

namespace dartboard::cli {

/// Reads `trace` again and writes the page of it, with what `summary` says. Names of registers come from the
/// FILE.names.json beside the trace, if there is one. Errors of the file, or kFileUnreadable for the page.
Result<void> write_replay_report(const std::string& page, ReplayTrace& trace, const ReplaySummary& summary);

}  // namespace dartboard::cli
