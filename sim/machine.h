// sim/machine.h - the whole simulated Mac: hardware built once per process, powered on with a profile, reset at will.
//
// One elaboration, many runs (docs/architecture.md): the SystemC modules below exist for the whole process; a run is
// power_on() with a profile, devices and a tape, then reset() or the next power_on().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/inspect.h"
#include "model/observer.h"
#include "model/root_complex.h"
#include "sim/core/tape.h"
#include "sim/core/trace_hash.h"
#include "sim/macos/kernel.h"
#include "sim/profile.h"

namespace dartboard::sim {

inline constexpr unsigned kRootComplexesMax = 4;

struct TlpStats {
  uint64_t by_kind[model::kTlpKindCount] = {};
  uint64_t packets = 0;
  uint64_t failed = 0;       ///< outcome other than success
  uint64_t dart_faults = 0, msis = 0, resets = 0;
};

/// What to power on.
struct PowerOn {
  const Profile* profile = nullptr;                 ///< copied
  std::vector<model::PcieDevice*> devices;          ///< by root complex; null or short: slot empty. Not owned.
  uint64_t seed = 0;
  const std::vector<Draw>* tape = nullptr;          ///< replay these draws instead of the seed
};

class Machine {
 public:
  /// The process's machine, built at first use. SystemC elaborates once, so there is exactly one.
  static Machine& instance();

  /// Cold start: everything to power-on state, then boot. The old run's services are shut down first.
  Result<void> power_on(const PowerOn& what);
  /// Power-on state again with the same profile, devices and tape source; boots.
  Result<void> reset();
  /// The same, drawing from another seed.
  Result<void> reset(uint64_t seed);
  /// Services stopped, devices unplugged.
  void power_off();
  bool powered() const { return powered_; }

  macos::Kernel& kernel();
  model::Timeline& timeline();
  model::RootComplex& root(unsigned index);
  Tape& tape() { return tape_; }
  TraceHash& hash() { return hash_; }
  const TlpStats& tlps() const;
  const Profile& profile() const { return profile_; }

  InspectNode inspect();

 private:
  Machine();
  ~Machine();
  struct Impl;
  std::unique_ptr<Impl> impl_;
  Profile profile_;
  Tape tape_;
  TraceHash hash_;
  bool powered_ = false;
};

}  // namespace dartboard::sim
