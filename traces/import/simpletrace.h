// traces/import/simpletrace.h - reads QEMU's binary traces (-trace with the simple backend), versions 2 to 4.
//
// A record is an event's number, a time and its arguments; the types of the arguments are nowhere in the file. So
// each event that we know has its signature here (simpletrace_events.h), is written as the line that QEMU's log
// backend would write, and goes the way of a text log (qemu_line.h, qemu_events.h): both formats mean the same.
// Since version 4 the file gives each number its name. Before that the numbers are those of the build that wrote it,
// and only its trace-events-all tells them (ReadOptions::event_names); without it every record is counted as not
// understood. Numbers in the file are those of a little-endian machine.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "traces/byte_source.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::traces {

int detect_simpletrace(std::string_view head);
/// kFileCorrupt for a file that is none or ends in its header, kNotSupported for versions 0 and 1, versions above 4 and
/// files of big-endian machines; whatever reading event_names brings.
Result<std::unique_ptr<EventReader>> open_simpletrace(std::unique_ptr<ByteSource> source, const ReadOptions& options);

}  // namespace dartboard::traces
