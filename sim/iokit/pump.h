// sim/iokit/pump.h - lets what is under way happen: the one entry that a Mac does not have.
//
// On a Mac threads run the kernel's queues and the client's callbacks. The simulation has one thread, so somebody must
// give it to them: a client's wait loop, a server between two requests, a test.
#pragma once

#ifdef __cplusplus
#include <cstdint>

#include "base/inspect.h"

namespace dartboard::iokit {

inline constexpr uint64_t kCalloutsMax = 1'000'000;   ///< one pump; more is a livelock of the client's callbacks

/// Runs the kernel's executor and delivers notifications (dispatch queues and run-loop sources) until nothing is due.
/// Returns the number of callbacks run. Simulated time passes only as the work itself makes it pass.
uint64_t pump();

/// Runs the kernel's executor until it is idle.
void run_kernel();

/// Lets simulated time pass to the hardware's next timer, at most *budget_ns (UINT64_MAX: no end), which is reduced.
/// False when the budget is used up or nothing will ever happen.
bool pass_time(uint64_t* budget_ns);

/// The machine is being reset or switched off: closes every connection, makes every name from it invalid, drops queued
/// messages. Clients that close afterwards get error codes. Kernel::shutdown() does it by itself.
void reset();

/// Port names by kind, callbacks run and dropped.
void inspect(InspectNode& node);

}  // namespace dartboard::iokit

extern "C" {
#endif

/* The same for C clients. */
void dartboard_iokit_pump(void);

#ifdef __cplusplus
}
#endif
