// sim/machine.cpp - the process's machine: modules built once, runs by reset.
#include "sim/machine.h"

#include <cassert>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <systemc>

namespace dartboard::sim {
namespace {

// Physical address space for wired memory and kernel buffers: more than any guest of the main job needs; only frames
// in use cost anything.
constexpr uint64_t kHostMemoryBytes = 64 * kGiB;

/// Counts what the model reports and feeds the trace hash. One per machine, on the path of every TLP.
class Recorder final : public model::Observer {
 public:
  Recorder(model::Timeline& timeline, TraceHash& hash) : timeline_(timeline), hash_(hash) {}

  void on_tlp(const model::TlpEvent& e) override {
    ++stats.by_kind[static_cast<unsigned>(e.kind)];
    stats.packets += e.packets;
    stats.failed += e.outcome != model::Outcome::kSuccess;
    const auto ending = static_cast<uint8_t>(static_cast<unsigned>(e.kind) << 4 | static_cast<unsigned>(e.outcome));
    hash_.add(timeline_.now().value, TraceKind::kTlp, ending, e.address, e.data,
              uint64_t{e.length} << 32 | uint64_t{e.requester.value} << 16 | uint64_t{e.root} << 8 |
                  static_cast<uint64_t>(e.direction));
  }
  void on_dart_fault(const model::DartFault& f) override {
    ++stats.dart_faults;
    hash_.add(timeline_.now().value, TraceKind::kDartFault, f.root, uint64_t{f.code} << 1 | f.is_write, f.address.value,
              f.sid.value | static_cast<uint64_t>(f.requester.value) << 8);
  }
  void on_msi(uint8_t root, uint32_t vector) override {
    ++stats.msis;
    hash_.add(timeline_.now().value, TraceKind::kMsi, root, vector);
  }
  void on_reset(uint8_t root, model::ResetKind kind) override {
    ++stats.resets;
    hash_.add(timeline_.now().value, TraceKind::kReset, root, static_cast<uint64_t>(kind));
  }
  void on_link(uint8_t root, bool up) override { hash_.add(timeline_.now().value, TraceKind::kLink, root, up ? 1 : 0); }

  TlpStats stats;

 private:
  model::Timeline& timeline_;
  TraceHash& hash_;
};

}  // namespace

struct Machine::Impl {
  Impl(Tape& tape, TraceHash& hash) : timeline("timeline"), memory(kHostMemoryBytes), recorder(timeline, hash) {
    std::vector<model::RootComplex*> pointers;
    for (unsigned i = 0; i < kRootComplexesMax; ++i) {
      roots.push_back(std::make_unique<model::RootComplex>(fmt::format("root{}", i).c_str(), i, timeline, memory));
      pointers.push_back(roots.back().get());
    }
    kernel = std::make_unique<macos::Kernel>(timeline, memory, tape, hash, std::move(pointers));
  }

  model::Timeline timeline;
  model::HostMemory memory;
  Recorder recorder;
  std::vector<std::unique_ptr<model::RootComplex>> roots;
  std::unique_ptr<macos::Kernel> kernel;
  std::vector<model::PcieDevice*> devices;
  std::vector<Draw> tape_source;
  bool replaying = false;
  uint64_t seed = 0;
  bool elaborated = false;
};

Machine& Machine::instance() {
  // Never destroyed: SystemC's own context is a process-wide object whose order of destruction is not ours.
  static Machine* const machine = new Machine();
  return *machine;
}

Machine::Machine() : impl_(std::make_unique<Impl>(tape_, hash_)) {}
Machine::~Machine() = default;

Result<void> Machine::power_on(const PowerOn& what) {
  assert(what.profile != nullptr);
  if (what.profile->ports.size() > kRootComplexesMax) {
    return fail(ErrorName::kProfileInvalid, fmt::format("profile {} has {} ports; a machine has at most {}",
                                                        what.profile->name, what.profile->ports.size(),
                                                        kRootComplexesMax));
  }
  if (what.devices.size() > what.profile->ports.size()) {
    return fail(ErrorName::kBadArgument,
                fmt::format("{} devices for profile {}, which has {} ports", what.devices.size(), what.profile->name,
                            what.profile->ports.size()));
  }
  power_off();
  Impl& m = *impl_;
  profile_ = *what.profile;
  m.devices = what.devices;
  m.devices.resize(kRootComplexesMax, nullptr);
  m.seed = what.seed;
  m.replaying = what.tape != nullptr;
  if (m.replaying) m.tape_source = *what.tape;

  if (!m.elaborated) {
    // Elaborate now, so that the first transaction does not have to. Nothing is scheduled yet.
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    m.elaborated = true;
  }
  for (unsigned i = 0; i < kRootComplexesMax; ++i) {
    const bool present = i < profile_.ports.size();
    m.roots[i]->configure(present ? profile_.ports[i].root : model::RootComplexConfig{}, &m.recorder,
                          m.kernel->platform());
    m.roots[i]->plug(m.devices[i]);
  }
  powered_ = true;
  return reset();
}

Result<void> Machine::reset() {
  Impl& m = *impl_;
  if (!powered_) return fail(ErrorName::kBadArgument, "the machine is off; power_on() it first");
  m.kernel->shutdown();
  m.timeline.reset();
  for (unsigned i = 0; i < profile_.ports.size(); ++i) {
    m.roots[i]->plug(m.devices[i]);   // what was pulled out during the run is back in its slot
    m.roots[i]->reset();
  }
  m.memory.reset();
  if (m.replaying) {
    tape_.start_replay(m.tape_source);
  } else {
    tape_.start_seeded(m.seed);
  }
  hash_.reset();
  m.recorder.stats = {};
  m.kernel->make_current();
  m.kernel->boot(profile_);
  return {};
}

Result<void> Machine::reset(uint64_t seed) {
  impl_->seed = seed;
  impl_->replaying = false;
  return reset();
}

void Machine::power_off() {
  if (!powered_) return;
  Impl& m = *impl_;
  m.kernel->shutdown();
  for (auto& root : m.roots) root->plug(nullptr);
  m.devices.clear();
  m.timeline.reset();
  m.memory.reset();
  powered_ = false;
}

macos::Kernel& Machine::kernel() { return *impl_->kernel; }
model::Timeline& Machine::timeline() { return impl_->timeline; }
model::RootComplex& Machine::root(unsigned index) {
  assert(index < kRootComplexesMax);
  return *impl_->roots[index];
}
const TlpStats& Machine::tlps() const { return impl_->recorder.stats; }

InspectNode Machine::inspect() {
  InspectNode node{"machine", profile_.name, profile_.model, {}};
  sim::inspect(profile_, node.child("profile"));
  impl_->timeline.inspect(node.child("timeline"));
  tape_.inspect(node.child("tape"));
  InspectNode& hash = node.child("trace-hash", hash_.value().hex());
  hash.child("events", fmt::format("{}", hash_.events()));
  impl_->memory.inspect(node.child("host-memory"));
  for (unsigned i = 0; i < profile_.ports.size(); ++i) {
    impl_->roots[i]->inspect(node.child(profile_.ports[i].name, fmt::format("root complex {}", i)));
  }
  impl_->kernel->inspect(node.child("macos"));
  return node;
}

}  // namespace dartboard::sim
