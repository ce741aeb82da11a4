// sim/invariants/watch.h - all ledgers on one machine, for as long as the watch lives.
#pragma once

#include "base/inspect.h"
#include "sim/invariants/ledgers.h"
#include "sim/machine.h"

namespace dartboard::sim {

class Watch final : private TraceListener {
 public:
  /// Listens to the machine's events; one watch at a time. The machine may be off.
  explicit Watch(Machine& machine);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// What was found in this run, up to now.
  const Violations& violations();
  /// Faults are injected into the hardware: rules that only hold for hardware that works are not applied. What the
  /// software above must keep up whatever the hardware does stays checked.
  void forgive_hardware(bool on);
  void inspect(InspectNode& node);

  ShadowDart& dart() { return dart_; }
  CompletionLedger& completions() { return completions_; }
  InterruptLedger& interrupts() { return interrupts_; }
  HandleLedger& handles() { return handles_; }

 private:
  void on_event(const TraceEvent& event) override;
  void on_restart() override;

  Machine& machine_;
  Violations violations_;
  ShadowDart dart_{violations_};
  CompletionLedger completions_{violations_};
  InterruptLedger interrupts_{violations_};
  HandleLedger handles_{violations_};
  bool over_ = false;   ///< the host panicked: nothing after it means anything
};

}  // namespace dartboard::sim
