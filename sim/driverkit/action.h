// sim/driverkit/action.h - what an OSAction holds.
#pragma once

#include <cstddef>
#include <cstdint>

#include <DriverKit/OSAction.h>

#include "sim/macos/user_client.h"

struct OSAction_IVars {
  OSObject* target = nullptr;  ///< retained
  uint64_t target_msgid = 0;   ///< what the target receives
  uint64_t msgid = 0;          ///< the type of the action: the message as its sender knows it
  /// Made by the kernel for an asynchronous call: where its completion goes. No target then.
  dartboard::macos::Ref<dartboard::macos::AsyncTarget> completion;
  void* reference = nullptr;  ///< the creator's bytes
  size_t reference_bytes = 0;
  OSActionAbortedHandler aborted = nullptr;
  bool cancelled = false;
};

namespace dartboard::driverkit {

/// An action whose invocation completes a client's asynchronous call. One reference, the caller's.
OSAction* make_completion_action(macos::AsyncTarget* target);

}  // namespace dartboard::driverkit
