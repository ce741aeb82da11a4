// traces/import/mmiotrace.h - reads Linux's mmiotrace text (Documentation/trace/mmiotrace.rst).
//
// An access names an absolute physical address. Whose BAR that is, PCIDEV lines tell; an address that none of them has
// belongs to a MAP range, which is then taken for a BAR of a device without identity, and noted. A MAP becomes a
// map-bar of the whole BAR. Instructions that the kernel could not decode (UNKNOWN) and events that it lost make the
// trace lossy. Devices get their number when the first of their lines comes.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "traces/byte_source.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::traces {

int detect_mmiotrace(std::string_view head);
Result<std::unique_ptr<EventReader>> open_mmiotrace(std::unique_ptr<ByteSource> source, const ReadOptions& options);

}  // namespace dartboard::traces
