// dext/client/pump_simulated.cpp - on a simulated Mac there is one thread: run what is due here.
#include "dext/client/pump.h"

// The simulated IOKit's only call that a Mac does not have.
extern "C" void dartboard_iokit_pump(void);

namespace dartboard::dext {

void pump_callbacks(dispatch_queue_t) { dartboard_iokit_pump(); }

}  // namespace dartboard::dext
