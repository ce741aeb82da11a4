// model/root_complex_posted.cpp - writes that have left the CPU and not reached the device.
#include <utility>

#include "model/fault.h"
#include "model/root_complex.h"

namespace dartboard::model {

/// Whether the write is held back, to arrive with the next read or when its time is over. Writes of one window stay in
/// order; what is not held must not pass one that is.
bool RootComplex::hold_write(const tlm::tlm_generic_payload& payload, const RequestInfo& request) {
  const bool prefetchable = root_port_.prefetchable(request.address);
  const bool wanted = (config_.reorder_posted_writes && prefetchable) ||
                      fault(FaultKind::kAppleCrossBarReorder, request.address) || posted_.holds(prefetchable);
  if (!wanted || payload.get_byte_enable_ptr() != nullptr || !posted_.takes(request.length)) {
    if (posted_.holds(prefetchable)) push_writes();
    return false;
  }
  posted_.hold(request.address, reinterpret_cast<const std::byte*>(payload.get_data_ptr()), request.length,
               prefetchable);
  if (!push_timer_.scheduled()) timeline_.schedule(push_timer_, config_.posted_write_hold_ns);
  show_link();
  return true;
}

/// A read, a configuration request, or time pushes every write before it (PCIe 6.0 s2.4.1).
void RootComplex::push_writes() {
  if (posted_.empty()) return;
  if (push_timer_.scheduled()) timeline_.cancel(push_timer_);
  while (!posted_.empty()) {
    PostedWrites::Write write = posted_.take();
    if (!link_.up()) continue;  // lost with the link
    const RequestInfo request{.kind = TlpKind::kMemWrite,
                              .completer = Rid(root_port_.secondary_bus(), 0, 0),
                              .address = write.address,
                              .length = write.length};
    posted_request_.request(request.kind, request.requester, request.address, write.data.data(), request.length);
    sc_core::sc_time delay;
    device_request(posted_request_, &posted_request_.extension(), delay, request);
  }
  show_link();
}

}  // namespace dartboard::model
