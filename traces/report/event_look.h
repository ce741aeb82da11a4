// traces/report/event_look.h - how events of each kind look in a report: their lane, and what stands in their columns.
#pragma once

#include <cstdint>

#include "traces/event.h"
#include "traces/report/figures.h"

namespace dartboard::traces {

TrackKind track_kind(EventKind kind);
/// Accesses of the driver to configuration space or a BAR.
bool is_register_access(EventKind kind);
bool is_register_read(EventKind kind);

/// What stands in the value column: register values, vectors and handles. False: nothing.
bool shown_value(const Event& event, const Reply* reply, uint64_t* value);
/// What stands in the address column: for mappings the bus address that was given out, if the recording has it.
uint64_t shown_address(const Event& event, const Reply* reply);

}  // namespace dartboard::traces
