// sim/iokit/pump.cpp - see pump.h.
#include "sim/iokit/pump.h"

#include <algorithm>

#include "model/fault.h"
#include "model/timeline.h"
#include "sim/iokit/context.h"

namespace dartboard::iokit {

void run_kernel() {
  macos::Kernel* const kernel = Context::instance().kernel();
  if (kernel != nullptr && kernel->executor().pending()) kernel->executor().run_until_idle();
}

uint64_t pump() {
  Context& context = Context::instance();
  uint64_t run = 0;
  while (run < kCalloutsMax) {
    run_kernel();
    if (model::fault(model::FaultKind::kClientNeverReads)) break;
    if (!context.notifications().run_one({})) break;
    ++run;
  }
  return run;
}

bool pass_time(uint64_t* budget_ns) {
  macos::Kernel* const kernel = Context::instance().kernel();
  if (*budget_ns == 0 || kernel == nullptr) return false;
  const uint64_t next_ns = kernel->timeline().next_timer_in_ns();
  if (next_ns == UINT64_MAX) {
    // Nothing can end the wait early. A bounded wait takes its time; an endless one would hang here.
    if (*budget_ns != UINT64_MAX) kernel->timeline().advance(*budget_ns);
    *budget_ns = 0;
    return false;
  }
  const uint64_t step_ns = std::min(next_ns, *budget_ns);
  kernel->timeline().advance(step_ns);
  if (*budget_ns != UINT64_MAX) *budget_ns -= step_ns;
  return true;
}

void reset() { Context::instance().reset(); }

void inspect(InspectNode& node) { Context::instance().inspect(node); }

}  // namespace dartboard::iokit

extern "C" void dartboard_iokit_pump(void) { dartboard::iokit::pump(); }
