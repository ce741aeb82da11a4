// sim/driverkit/runtime.h - the public face of the DriverKit runtime: what a dext does on the simulated Mac, seen from
// outside. Dexts register themselves (dartboard_dext in cmake/) and are matched by the kernel; nothing has to be
// called.
//
// Dext code runs on this runtime unmodified. What on a Mac would hang, panic or go unnoticed is reported: a message
// into a queue that is already running further up the stack (a deadlock), a kernel method without implementation,
// objects that the dext never released.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/inspect.h"

namespace dartboard::driverkit {

enum class LogLevel : uint8_t { kDext, kDextError, kWarning, kError };

/// Receives one line without newline. kDext and kDextError are what dexts log with os_log and IOLog.
using LogSink = void (*)(void* context, LogLevel level, std::string_view text);

/// Without a sink dexts' messages are dropped (their arguments not even evaluated) and the runtime's warnings and
/// errors go to stderr.
void set_log_sink(LogSink sink, void* context);

struct Stats {
  uint64_t drivers_started = 0;
  uint64_t start_failures = 0;
  uint64_t clients_opened = 0;
  uint64_t deadlocks = 0;       ///< calls into a queue that was running further up the stack
  uint64_t unimplemented = 0;   ///< calls of kernel methods that answer Unsupported
  uint64_t warnings = 0;        ///< broken rules that a Mac tolerates or hides
  uint64_t objects_leaked = 0;  ///< objects still alive when their dext's process ended
};
const Stats& stats();
void reset_stats();

/// DriverKit objects alive now.
uint64_t live_objects();

/// Takes part in matching, or not (default: every linked dext does). False: no dext of that bundle identifier.
bool set_dext_enabled(std::string_view bundle_identifier, bool enabled);

void inspect(InspectNode& node);

}  // namespace dartboard::driverkit
