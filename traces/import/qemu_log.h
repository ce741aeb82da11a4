// traces/import/qemu_log.h - QEMU's text log (-trace, log backend) as a trace: which lines are read is in qemu_line.h,
// what becomes of an access that several layers show in qemu_events.h.
//
// A line that is not understood is counted and the first ones are kept; nothing is dropped without being counted. Times
// that go back a little (two threads) are held; a jump back of more than a second (a clock that was set, logs one
// after the other) shifts what follows. Both are warned of.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "traces/byte_source.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::traces {

/// How sure `head` looks like a QEMU log, 0 to 100.
int detect_qemu_log(std::string_view head);
Result<std::unique_ptr<EventReader>> open_qemu_log(std::unique_ptr<ByteSource> source, const ReadOptions& options);

}  // namespace dartboard::traces
