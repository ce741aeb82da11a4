// cli/trace_copy.h - a reader's events into a file: what `trace cut` and `trace convert` share.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::cli {

/// The format for writing `path`: the one named, or by suffix, or `fallback` (empty: an error that lists them).
Result<const traces::Format*> output_format(const std::string& path, const std::string& named,
                                            const std::string& fallback);

/// kBadArgument if `out` is the file `in`.
Result<void> not_the_same_file(const std::string& in, const std::string& out);

/// Whether standard output goes to the file or pipe `out` (/dev/stdout): what is said beside would mix with it.
bool is_standard_output(const std::string& out);

struct Copied {
  uint64_t of_events = 0;                     ///< that the reader gave
  uint64_t events = 0;                        ///< of them, those that are in the new file
  std::optional<uint64_t> bytes;              ///< of the new file; none of a pipe or device
  std::vector<traces::RecordCount> left_out;  ///< what its format could not carry: events and parts of events
};

/// Everything that `reader` gives, to `path`. `adjust` changes what the new trace says about itself; it is called
/// before the first event and at the end. A file that could not be finished is removed.
Result<Copied> copy_trace(traces::EventReader& reader, const std::string& path, const traces::Format& format,
                          const traces::WriteOptions& options, const std::function<void(traces::TraceInfo*)>& adjust,
                          const std::function<void(uint64_t)>& progress);

/// ", 3 KiB in csv" or, of a pipe, " in csv".
std::string size_text(const Copied& copied, const traces::Format& format);
/// "12 events" or "3 of 12 events".
std::string events_text(uint64_t events, uint64_t of_events);
/// What was left out, a line for each reason; or as JSON.
void print_left_out(std::FILE* to, const std::vector<traces::RecordCount>& left_out);
nlohmann::ordered_json to_json(const std::vector<traces::RecordCount>& left_out);

Result<traces::PayloadPolicy> parse_payloads(const std::string& text);

}  // namespace dartboard::cli
