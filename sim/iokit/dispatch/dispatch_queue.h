// sim/iokit/dispatch/dispatch_queue.h - the object behind libdispatch's opaque references.
#pragma once

#include <dispatch/dispatch.h>

#include <cstdint>
#include <deque>
#include <string>

#include "sim/iokit/notification_queue.h"

/// A queue or a semaphore, as the pointer type says nothing about which.
struct dispatch_object_s final : dartboard::iokit::CalloutSource {
  enum class Kind : uint8_t { kQueue, kSemaphore, kAttribute };
  struct Item {
    uint64_t order;
    void* context;
    dispatch_function_t work;
  };

  dispatch_object_s(Kind object_kind, std::string object_label, bool is_serial, bool is_immortal);
  ~dispatch_object_s();

  /// Serial queues run one item at a time: not while one is running further up the stack.
  bool may_run() const { return suspensions == 0 && (!serial || running == 0); }
  uint64_t next_order(const std::string& mode) const override;
  void run_next() override;

  Kind kind;
  std::string label;
  bool serial;
  bool immortal;
  uint32_t references = 1;
  uint32_t suspensions = 0;
  uint32_t running = 0;
  intptr_t value = 0;          ///< semaphores
  std::deque<Item> items;
};

namespace dartboard::iokit {

/// Marks a queue as running for the time of one item.
class DispatchScope {
 public:
  explicit DispatchScope(dispatch_object_s& queue) : queue_(queue) { ++queue_.running; }
  ~DispatchScope() { --queue_.running; }
  DispatchScope(const DispatchScope&) = delete;
  DispatchScope& operator=(const DispatchScope&) = delete;

 private:
  dispatch_object_s& queue_;
};

}  // namespace dartboard::iokit
