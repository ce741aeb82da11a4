// sim/iokit/notification_port.cpp - IONotificationPort*: where messages arrive and who delivers them.
#include "sim/iokit/notification_port.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "sim/iokit/context.h"
#include "sim/iokit/core_foundation/run_loop.h"
#include "sim/iokit/notification_queue.h"

namespace dartboard::iokit {
namespace {

/// Ports that were created and not destroyed: a reference kept for too long is recognised, not followed.
std::vector<IONotificationPortRef>& live_ports() {
  static auto* const ports = new std::vector<IONotificationPortRef>;
  return *ports;
}

bool is_live(IONotificationPortRef port) {
  return std::find(live_ports().begin(), live_ports().end(), port) != live_ports().end();
}

ReceiveRight* right_of(IONotificationPortRef port) {
  if (!is_live(port)) return nullptr;
  return Context::instance().handles().find<ReceiveRight>(port->right, PortKind::kReceive);
}

}  // namespace

PortName receive_right(IONotificationPortRef port) { return right_of(port) != nullptr ? port->right : kNoPort; }

}  // namespace dartboard::iokit

using namespace dartboard::iokit;   // NOLINT: the C API below is this file's public face

extern "C" {

IONotificationPortRef IONotificationPortCreate(mach_port_t mainPort) {
  if (mainPort != MACH_PORT_NULL && mainPort != kMainPort) return nullptr;
  const PortName right = Context::instance().handles().insert(new ReceiveRight);
  if (right == kNoPort) return nullptr;
  auto* const port = new IONotificationPort{right};
  live_ports().push_back(port);
  return port;
}

void IONotificationPortDestroy(IONotificationPortRef notify) {
  if (!is_live(notify)) return;
  std::erase(live_ports(), notify);
  const std::unique_ptr<IONotificationPort> owned(notify);
  auto* const right = Context::instance().handles().find<ReceiveRight>(owned->right, PortKind::kReceive);
  if (right != nullptr && right->source != nullptr) CFRunLoopSourceInvalidate(right->source);
  Context::instance().handles().remove(owned->right);
}

CFRunLoopSourceRef IONotificationPortGetRunLoopSource(IONotificationPortRef notify) {
  ReceiveRight* const right = right_of(notify);
  if (right == nullptr) return nullptr;
  if (right->source == nullptr) right->source = new __CFRunLoopSource(right);
  return right->source;
}

mach_port_t IONotificationPortGetMachPort(IONotificationPortRef notify) { return receive_right(notify); }

void IONotificationPortSetDispatchQueue(IONotificationPortRef notify, dispatch_queue_t queue) {
  ReceiveRight* const right = right_of(notify);
  if (right == nullptr) return;
  dispatch_retain(queue);
  if (right->dispatch_queue != nullptr) dispatch_release(right->dispatch_queue);
  right->dispatch_queue = queue;
}

kern_return_t IONotificationPortSetImportanceReceiver(IONotificationPortRef notify) {
  return right_of(notify) != nullptr ? KERN_SUCCESS : kIOReturnBadArgument;
}

}  // extern "C"
