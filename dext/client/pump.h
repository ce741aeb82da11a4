// dext/client/pump.h - the one difference between a Mac and a simulated one: who runs the callbacks.
#pragma once

#include <dispatch/dispatch.h>

namespace dartboard::dext {

/// Lets callbacks on `queue` that are due happen and waits for those under way. Not from a callback on that queue.
void pump_callbacks(dispatch_queue_t queue);

}  // namespace dartboard::dext
