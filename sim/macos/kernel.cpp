// sim/macos/kernel.cpp - boot, shutdown, hot plug, panics; what the root complexes raise.
#include "sim/macos/kernel.h"
#include "model/fault.h"

#include <cassert>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "model/timeline.h"
#include "sim/macos/dart_panic.h"
#include "sim/macos/pci_family.h"
#include "sim/macos/root_context.h"
#include "sim/profile.h"

namespace dartboard::macos {
namespace {

Kernel* g_current = nullptr;

std::vector<DriverMatcher*>& matchers() {
  static std::vector<DriverMatcher*> list;  // filled by static initialisers, so it cannot be a plain global
  return list;
}

}  // namespace

void register_driver_matcher(DriverMatcher* matcher) {
  matchers().push_back(matcher);
}

struct Kernel::Impl {
  Impl(model::Timeline& timeline_in, model::HostMemory& memory_in, sim::Tape& tape_in, sim::TraceHash& hash_in)
      : timeline(timeline_in), memory(memory_in), tape(tape_in), hash(hash_in), work(executor, "kernel") {}

  model::Timeline& timeline;
  model::HostMemory& memory;
  sim::Tape& tape;
  sim::TraceHash& hash;
  Registry registry;
  Executor executor;
  WorkQueue work;
  std::vector<std::unique_ptr<RootContext>> roots;
  sim::Profile profile;
  unsigned ports = 0;  // of the profile: roots beyond are not there
  Ref<Service> platform;
  CallStats calls;
  std::optional<Panic> panic;
  bool booted = false;
  uint64_t dart_faults = 0;
  uint64_t intx_asserted = 0;
};

Kernel::Kernel(model::Timeline& timeline, model::HostMemory& memory, sim::Tape& tape, sim::TraceHash& hash,
               std::vector<model::RootComplex*> roots)
    : impl_(std::make_unique<Impl>(timeline, memory, tape, hash)) {
  for (unsigned i = 0; i < roots.size(); ++i) {
    impl_->roots.push_back(std::make_unique<RootContext>(*this, *roots[i], i, fmt::format("cpu_port{}", i).c_str(),
                                                         memory, timeline, tape, hash));
  }
  impl_->registry.set_log(this);
}

Kernel::~Kernel() {
  shutdown();
  if (g_current == this) g_current = nullptr;
}

Kernel* Kernel::current() {
  return g_current;
}
void Kernel::make_current() {
  g_current = this;
}

void Kernel::boot(const sim::Profile& profile) {
  Impl& k = *impl_;
  assert(!k.booted && profile.ports.size() <= k.roots.size());
  k.profile = profile;  // the same shape as last time: no allocation
  k.ports = static_cast<unsigned>(profile.ports.size());
  k.calls = {};
  k.panic.reset();
  k.dart_faults = k.intx_asserted = 0;
  k.executor.reset();
  k.registry.reset();
  k.booted = true;

  k.platform = make_object<Service>("AppleARMPE", "IOPlatformExpertDevice");
  k.registry.add(k.platform, k.registry.root());
  for (unsigned i = 0; i < k.ports; ++i) {
    RootContext& root = *k.roots[i];
    root.profile = &k.profile.ports[i];
    root.dart_error_posted = false;
    root.dart_errors_acknowledged = root.dart_events = 0;
    bring_up_root(*this, root, *k.platform);
  }
  for (unsigned i = 0; i < k.ports; ++i) device_arrived(i);
}

void Kernel::shutdown() {
  Impl& k = *impl_;
  if (!k.booted) return;
  for (DriverMatcher* matcher : matchers()) matcher->shutdown(*this);
  for (unsigned i = 0; i < k.ports; ++i) {
    RootContext& root = *k.roots[i];
    if (root.nub) {
      const Ref<PciNub> nub = std::exchange(root.nub, nullptr);
      nub->terminate();
    }
  }
  k.executor.run_until_idle();
  k.executor.reset();
  for (unsigned i = 0; i < k.ports; ++i) {
    take_down_root(*k.roots[i]);
    k.roots[i]->profile = nullptr;
  }
  k.platform.reset();
  k.registry.reset();
  k.ports = 0;
  k.booted = false;
}

bool Kernel::booted() const {
  return impl_->booted;
}
model::Timeline& Kernel::timeline() {
  return impl_->timeline;
}
model::HostMemory& Kernel::host_memory() {
  return impl_->memory;
}
sim::Tape& Kernel::tape() {
  return impl_->tape;
}
sim::TraceHash& Kernel::hash() {
  return impl_->hash;
}
Registry& Kernel::registry() {
  return impl_->registry;
}
Executor& Kernel::executor() {
  return impl_->executor;
}
const sim::Profile& Kernel::profile() const {
  return impl_->profile;
}
unsigned Kernel::root_count() const {
  return impl_->ports;
}
CallStats& Kernel::calls() {
  return impl_->calls;
}
WorkQueue& Kernel::work() {
  return impl_->work;
}

RootContext& Kernel::root(unsigned root) {
  assert(root < impl_->roots.size());
  return *impl_->roots[root];
}
Mapper& Kernel::mapper(unsigned root_index) {
  return root(root_index).mapper;
}
PciNub* Kernel::nub(unsigned root_index) {
  return root(root_index).nub.get();
}

// Panics --------------------------------------------------------------------------------------------------------------

void Kernel::panic(PanicCause cause, std::string sentence) {
  Impl& k = *impl_;
  if (k.panic) return;
  k.panic = Panic{cause, k.timeline.now(), std::move(sentence)};
  k.hash.add(k.panic->time.value, sim::TraceKind::kPanic, static_cast<uint32_t>(cause), 0);
  for (const auto& root : k.roots) {
    if (root->nub) root->nub->shut();
  }
}

const std::optional<Panic>& Kernel::panicked() const {
  return impl_->panic;
}

// Hot plug ------------------------------------------------------------------------------------------------------------

void Kernel::rematch(unsigned root_index) {
  Impl& k = *impl_;
  if (!k.booted || root_index >= k.ports || k.panic || !k.roots[root_index]->nub) return;
  const Ref<PciNub> nub = k.roots[root_index]->nub;
  for (DriverMatcher* matcher : matchers()) matcher->offer(*this, *nub);
}

void Kernel::device_removed(unsigned root_index) {
  if (!impl_->booted || root_index >= impl_->ports) return;
  if (impl_->roots[root_index]->nub && model::fault(model::FaultKind::kUnplugReadPanic, root_index)) {
    panic(PanicCause::kStaleBarAccess,
          fmt::format("LLC Bus error (Unavailable): a CPU read a BAR of the device behind {} after it was gone",
                      impl_->profile.ports[root_index].name));
    return;
  }
  withdraw_nub(*this, *impl_->roots[root_index]);
  impl_->executor.run_until_idle();
}

void Kernel::device_arrived(unsigned root_index) {
  Impl& k = *impl_;
  if (!k.booted || root_index >= k.ports || k.panic || k.roots[root_index]->nub) return;
  const Ref<PciNub> nub = probe_slot(*this, *k.roots[root_index]);
  if (nub) {
    nub->register_service();
    for (DriverMatcher* matcher : matchers()) matcher->offer(*this, *nub);
  }
  if (!k.executor.run_until_idle()) {
    panic(PanicCause::kDextWatchdog, "the drivers' queues did not become idle after a device was published");
  }
}

// What the root complexes raise: inside transactions, so it is noted or posted ----------------------------------------

void Kernel::on_msi(unsigned root_index, uint32_t vector) {
  Impl& k = *impl_;
  if (!k.booted || k.panic || root_index >= k.ports) return;
  k.roots[root_index]->vectors.deliver(vector);
}

void Kernel::on_dart_error(unsigned root_index, const model::DartFault& fault) {
  Impl& k = *impl_;
  if (!k.booted || root_index >= k.ports) return;
  ++k.dart_faults;
  if (k.profile.on_dart_fault == sim::FaultPolicy::kPanic) {
    if (k.panic) return;
    const sim::PortProfile& port = k.profile.ports[root_index];
    panic(PanicCause::kDartFault, dart_panic_text(model::layout_of(port.root.dart.variant), port.name, fault));
    return;
  }
  RootContext& root = *k.roots[root_index];
  if (root.dart_error_posted || k.panic) return;
  root.dart_error_posted = true;
  root.dart_error_is_write = fault.is_write;
  k.work.post([this, root_index] { acknowledge_dart_error(root_index); });
}

/// The DART driver's interrupt handler, under the policies that the host survives.
void Kernel::acknowledge_dart_error(unsigned root_index) {
  Impl& k = *impl_;
  RootContext& root = *k.roots[root_index];
  root.dart_error_posted = false;
  const DartDriver::ErrorReport report = root.dart.take_error();
  ++root.dart_errors_acknowledged;
  if (k.profile.on_dart_fault != sim::FaultPolicy::kEvent || !root.nub) return;
  const model::FieldDecl sid = model::layout_of(root.profile->root.dart.variant).error_sid;
  const DartEvent event{report.error, report.address, Sid(static_cast<uint8_t>(model::get_field(sid, report.error))),
                        root.dart_error_is_write};
  if (!root.nub->dart_events().add(event)) return;
  ++root.dart_events;
  k.hash.add(k.timeline.now().value, sim::TraceKind::kDartEvent, static_cast<uint8_t>(root_index), event.error,
             event.address);
}

void Kernel::on_intx(unsigned, unsigned, bool asserted) {
  // No dext interface delivers INTx behind Thunderbolt: ConfigureInterrupts is asked for messages. Counted only.
  if (impl_->booted && asserted) ++impl_->intx_asserted;
}

void Kernel::on_link_change(unsigned root_index, bool up) {
  Impl& k = *impl_;
  if (!k.booted || k.panic || root_index >= k.ports || k.roots[root_index]->in_reset) return;
  k.work.post([this, root_index, up] {
    if (up) {
      device_arrived(root_index);
    } else {
      device_removed(root_index);
    }
  });
}

void Kernel::on_address_overflow(unsigned root_index, Rid requester, uint64_t address) {
  Impl& k = *impl_;
  if (!k.booted || k.panic || root_index >= k.ports) return;
  model::PortRegisters& port = k.roots[root_index]->model.port();
  panic(PanicCause::kInboundAddress,
        address_overflow_panic_text(k.profile.ports[root_index].name,
                                    static_cast<uint32_t>(port.read(model::port_reg::kInterruptStatus, 4)), requester,
                                    address));
}

// The registry's log --------------------------------------------------------------------------------------------------

void Kernel::on_published(const Service& service) {
  impl_->hash.add(impl_->timeline.now().value, sim::TraceKind::kServicePublished, 0, service.id());
  impl_->hash.add_bytes(service.name().data(), service.name().size());
}

void Kernel::on_terminated(const Service& service) {
  impl_->hash.add(impl_->timeline.now().value, sim::TraceKind::kServiceTerminated, 0, service.id());
}

void Kernel::inspect(InspectNode& node) {
  Impl& k = *impl_;
  node.child("state", k.panic ? "panicked" : k.booted ? "running" : "off", k.profile.name);
  if (k.panic) {
    InspectNode& panic = node.child("panic", std::string(to_string(k.panic->cause)), k.panic->sentence);
    panic.child("time", fmt::format("{} ns", k.panic->time.value));
  }
  uint64_t calls = 0;
  for (uint64_t n : k.calls.by_selector) calls += n;
  node.child("user-client-calls", fmt::format("{}", calls), fmt::format("{} failed", k.calls.failed));
  node.child("memory-maps", fmt::format("{}", k.calls.memory_maps));
  node.child("dart-faults", fmt::format("{}", k.dart_faults));
  node.child("intx-assertions", fmt::format("{}", k.intx_asserted), "not delivered to dexts");
  k.executor.inspect(node.child("executor"));
  for (unsigned i = 0; i < k.ports; ++i) {
    RootContext& root = *k.roots[i];
    InspectNode& at = node.child(root.profile->name, fmt::format("root complex {}", i));
    if (root.nub) root.nub->inspect(at.child("device", root.nub->name()));
    root.mapper.inspect(at.child("mapper"));
    root.dart.inspect(at.child("dart-driver"));
    at.child("dart-errors", fmt::format("{}", root.dart_errors_acknowledged),
             fmt::format("acknowledged; {} told to the driver", root.dart_events));
    root.vectors.inspect(at.child("interrupt-vectors"));
    at.child("descriptors-leaked", fmt::format("{}", root.descriptors_leaked), "by poisoned DMA commands");
  }
  k.registry.inspect(node.child("registry"));
}

}  // namespace dartboard::macos
