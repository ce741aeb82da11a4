// sim/iokit/notification_queue.cpp - see notification_queue.h.
#include "sim/iokit/notification_queue.h"

#include <IOKit/IOKitLib.h>

#include <utility>

#include "model/fault.h"
#include "sim/iokit/context.h"
#include "sim/iokit/core_foundation/run_loop.h"
#include "sim/iokit/dispatch/dispatch_queue.h"

namespace dartboard::iokit {

bool NotificationQueue::run_one(const std::string& mode) {
  CalloutSource* oldest = nullptr;
  uint64_t order = kNothingDue;
  for (CalloutSource* source : sources_) {
    if (const uint64_t next = source->next_order(mode); next < order) {
      order = next;
      oldest = source;
    }
  }
  if (oldest == nullptr) return false;
  ++delivered_;
  oldest->run_next();
  return true;
}

void NotificationQueue::inspect(InspectNode& node) const {
  InspectNode& callbacks = node.child("callbacks", std::to_string(delivered_), "run so far");
  callbacks.child("sources", std::to_string(sources_.size()), "receive rights and dispatch queues");
  callbacks.child("dropped", std::to_string(dropped_), "messages to a full port");
}

ReceiveRight::ReceiveRight() : PortObject(PortKind::kReceive) { Context::instance().notifications().add(this); }

ReceiveRight::~ReceiveRight() {
  Context::instance().notifications().remove(this);
  if (source != nullptr) {
    source->receive = nullptr;
    CFRelease(source);
  }
  if (dispatch_queue != nullptr) dispatch_release(dispatch_queue);
}

void ReceiveRight::post(Message message) {
  NotificationQueue& queue = Context::instance().notifications();
  if (messages_.size() >= kMessagesMax || model::fault(model::FaultKind::kResourceQueueFull, message.callback != 0)) {
    queue.count_dropped();
    return;
  }
  message.order = queue.take_order();
  messages_.push_back(std::move(message));
}

Message ReceiveRight::take() {
  Message message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

uint64_t ReceiveRight::next_order(const std::string& mode) const {
  if (messages_.empty()) return kNothingDue;
  const bool by_queue = dispatch_queue != nullptr && dispatch_queue->may_run();
  const bool by_loop = dispatch_queue == nullptr && source != nullptr && run_loop_has(*source, mode);
  return by_queue || by_loop ? messages_.front().order : kNothingDue;
}

void ReceiveRight::run_next() {
  Message message = take();
  if (dispatch_queue == nullptr) {
    deliver(message);
    return;
  }
  dispatch_object_s* const queue = dispatch_queue;   // the callback may destroy this port
  dispatch_retain(queue);
  {
    const DispatchScope scope(*queue);
    deliver(message);
  }
  dispatch_release(queue);
}

void deliver(Message& message) {
  Context& context = Context::instance();
  void* const refcon = reinterpret_cast<void*>(message.refcon);
  if (message.callback == 0) return;
  switch (message.type) {
    case MessageType::kAsync: {
      const auto result = static_cast<IOReturn>(message.code);
      std::array<void*, kAsyncArgumentsMax> arguments{};
      for (uint32_t i = 0; i < message.argument_count; ++i) {
        arguments[i] = reinterpret_cast<void*>(message.arguments[i]);
      }
      switch (message.argument_count) {
        case 0: reinterpret_cast<IOAsyncCallback0>(message.callback)(refcon, result); break;
        case 1: reinterpret_cast<IOAsyncCallback1>(message.callback)(refcon, result, arguments[0]); break;
        case 2: reinterpret_cast<IOAsyncCallback2>(message.callback)(refcon, result, arguments[0], arguments[1]); break;
        default:
          reinterpret_cast<IOAsyncCallback>(message.callback)(refcon, result, arguments.data(), message.argument_count);
          break;
      }
      break;
    }
    case MessageType::kInterest: {
      // Released by the client while the message was under way: IODispatchCalloutFromMessage drops it too.
      if (context.handles().kind(message.notification) != PortKind::kNotification) return;
      const PortName service = context.name_of(*message.service);
      reinterpret_cast<IOServiceInterestCallback>(message.callback)(refcon, service, message.code, nullptr);
      context.handles().release(service);
      break;
    }
    default:
      if (context.handles().kind(message.notification) != PortKind::kIterator) return;
      reinterpret_cast<IOServiceMatchingCallback>(message.callback)(refcon, message.notification);
      break;
  }
}

}  // namespace dartboard::iokit
