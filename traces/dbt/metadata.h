// traces/dbt/metadata.h - TraceInfo as the JSON of a .dbt's header and footer.
//
//   {"source": "qemu-log", "profile": "", "clock": "realtime", "payloads": "full", "lossy": false,
//    "dropped_events": 0, "dropped_bytes": 0, "notes": ["sentence", ...],
//    "devices": [{"address": "0000:01:00.0", "description": { traces/device_description.h }}, ...]}
//
// Members may be added by a newer minor version: unknown ones are ignored, missing ones keep their defaults.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "traces/trace_info.h"

namespace dartboard::traces::dbt {

std::string format_metadata(const TraceInfo& info);
/// kFileCorrupt; `origin` names the file in the sentence.
Result<TraceInfo> parse_metadata(std::string_view text, const std::string& origin);

}  // namespace dartboard::traces::dbt
