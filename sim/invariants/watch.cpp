// sim/invariants/watch.cpp - see watch.h.
#include "sim/invariants/watch.h"

#include <fmt/format.h>

namespace dartboard::sim {
namespace {

LedgerPlatform platform_of(const Profile& profile) {
  LedgerPlatform platform;
  if (profile.ports.empty()) return platform;
  const PortProfile& port = profile.ports.front();
  platform.page_bytes = port.mapper.page_bytes;
  platform.write_protection = port.root.dart.enforce_write_protect;
  platform.read_protection = port.root.dart.enforce_read_protect;
  platform.doorbell_begin = model::port_reg::kMsiDoorbell;
  platform.doorbell_end = model::port_reg::kMsiDoorbell + 4;
  platform.vectors = port.msi_vectors;
  return platform;
}

}  // namespace

Watch::Watch(Machine& machine) : machine_(machine) {
  on_restart();
  machine_.hash().set_listener(this);
}

Watch::~Watch() { machine_.hash().set_listener(nullptr); }

const Violations& Watch::violations() {
  machine_.hash().deliver();
  dart_.settle();
  return violations_;
}

void Watch::forgive_hardware(bool on) {
  machine_.hash().deliver();
  dart_.forgive_hardware(on);
  interrupts_.forgive_hardware(on);
}

void Watch::on_restart() {
  const LedgerPlatform platform = platform_of(machine_.profile());
  over_ = false;
  violations_.clear();
  dart_.restart(platform);
  completions_.restart();
  interrupts_.restart(platform);
  handles_.restart();
}

void Watch::on_event(const TraceEvent& event) {
  if (over_) return;
  if (event.kind == TraceKind::kPanic) {
    over_ = true;
    return;
  }
  dart_.on_event(event);
  completions_.on_event(event);
  interrupts_.on_event(event);
  handles_.on_event(event);
}

void Watch::inspect(InspectNode& node) {
  node.child("violations", fmt::format("{}", violations().count()));
  for (const Violation& violation : violations().first()) {
    node.child(std::string(number(violation.invariant)), violation.sentence, fmt::format("at {} ns", violation.time_ns));
  }
  node.child("live mappings", fmt::format("{}", dart_.live()), fmt::format("{} bytes", dart_.live_bytes()));
  node.child("requests", fmt::format("{}", completions_.requests()));
  node.child("interrupts", fmt::format("{} sent, {} delivered", interrupts_.sent(), interrupts_.delivered()));
  node.child("clients", fmt::format("{}", handles_.clients_open()));
}

}  // namespace dartboard::sim
