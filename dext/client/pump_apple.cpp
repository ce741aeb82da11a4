// dext/client/pump_apple.cpp - on a Mac the queue has a thread: wait for what is under way.
#include "dext/client/pump.h"

namespace dartboard::dext {

void pump_callbacks(dispatch_queue_t queue) {
  dispatch_sync_f(queue, nullptr, [](void*) {});
}

}  // namespace dartboard::dext
