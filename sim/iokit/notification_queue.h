// sim/iokit/notification_queue.h - messages from the kernel to user space, and who runs their callbacks, when.
//
// A notification never runs inside the call that causes it. It is queued on its port as a Mach message would be and
// delivered later, by the pump (pump.h), if the port has a dispatch queue or its source is in the run loop. All sources
// of callbacks share one order, so that what was posted first runs first, in every run.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/inspect.h"
#include "sim/iokit/handle_table.h"
#include "sim/macos/registry.h"

struct __CFRunLoopSource;
struct dispatch_object_s;

namespace dartboard::iokit {

inline constexpr size_t kMessagesMax = 4096;   ///< a port; what comes on top is dropped and counted
inline constexpr uint32_t kAsyncArgumentsMax = 16;
inline constexpr uint64_t kNothingDue = UINT64_MAX;

/// Message types (IOKit/OSMessageNotification.h).
enum class MessageType : uint32_t { kPublish = 100, kMatched = 101, kTerminated = 102, kAsync = 150, kInterest = 160 };

struct Message {
  MessageType type = MessageType::kAsync;
  uint64_t callback = 0;                ///< the client's function pointer
  uint64_t refcon = 0;
  PortName notification = kNoPort;      ///< matching, interest: dropped undelivered if the client released it
  macos::Ref<macos::RegistryEntry> service;   ///< interest
  uint32_t code = 0;                    ///< async: result; interest: message type
  uint32_t argument_count = 0;
  std::array<uint64_t, kAsyncArgumentsMax> arguments{};
  uint64_t order = 0;
};

/// Something whose next callback can be run. `run_next` may destroy the source.
class CalloutSource {
 public:
  /// Order of the callback that is due, kNothingDue if none is. `mode` empty: from the pump; else only what a run loop
  /// in that mode may deliver.
  virtual uint64_t next_order(const std::string& mode) const = 0;
  virtual void run_next() = 0;

 protected:
  ~CalloutSource() = default;
};

class NotificationQueue {
 public:
  void add(CalloutSource* source) { sources_.push_back(source); }
  void remove(CalloutSource* source) { std::erase(sources_, source); }
  uint64_t take_order() { return next_order_++; }
  /// Runs the oldest callback that is due. False: none was.
  bool run_one(const std::string& mode);
  void count_dropped() { ++dropped_; }
  void count_delivered() { ++delivered_; }
  void inspect(InspectNode& node) const;

 private:
  std::vector<CalloutSource*> sources_;
  uint64_t next_order_ = 1;
  uint64_t delivered_ = 0, dropped_ = 0;
};

/// A receive right: where messages queue. Behind an IONotificationPort or made by mach_port_allocate.
class ReceiveRight final : public PortObject, public CalloutSource {
 public:
  ReceiveRight();
  ~ReceiveRight() override;
  void post(Message message);
  bool empty() const { return messages_.empty(); }
  const Message& front() const { return messages_.front(); }
  Message take();
  /// Drops what is queued: the machine it came from is gone.
  void clear() { messages_.clear(); }

  uint64_t next_order(const std::string& mode) const override;
  void run_next() override;

  dispatch_object_s* dispatch_queue = nullptr;   ///< retained
  __CFRunLoopSource* source = nullptr;           ///< retained

 private:
  std::deque<Message> messages_;
};

/// Calls the client's function for `message`: shape by type and argument count.
void deliver(Message& message);

}  // namespace dartboard::iokit
