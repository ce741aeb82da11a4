// sim/macos/kernel.h - the simulated macOS kernel: registry, queues, root complexes, panics, counters.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/inspect.h"
#include "base/types.h"
#include "model/root_complex.h"
#include "sim/core/tape.h"
#include "sim/core/trace_hash.h"
#include "sim/macos/executor.h"
#include "sim/macos/mapper.h"
#include "sim/macos/registry.h"

namespace dartboard::sim { struct Profile; }

namespace dartboard::macos {

enum class PanicCause : uint8_t {
  kDartFault,          ///< SPTM VIOLATION_T8110_DART_INVALID_ERR_MASK
  kInboundAddress,     ///< REQADDR_GT32 on an M1-class port (quirk 8)
  kStaleBarAccess,     ///< CPU access to a removed device's BAR (quirk 17)
  kMapperRequire,      ///< REQUIRE in IODARTMapper
  kDextWatchdog,       ///< a dext blocked a power transition too long (quirk 18)
  kMmioWrite,          ///< a register write took the host down (quirk 7)
};
std::string_view to_string(PanicCause cause);

struct Panic {
  PanicCause cause;
  TimeNs time;
  std::string sentence;
};

/// User-client calls made, by selector; selectors past the table are counted together in the last slot.
inline constexpr unsigned kSelectorsCounted = 64;
struct CallStats {
  std::array<uint64_t, kSelectorsCounted> by_selector{};
  uint64_t failed = 0;
  uint64_t memory_maps = 0;
};

/// One root complex as macOS drives it: root_context.h.
struct RootContext;
class PciNub;

class Kernel final : private model::PlatformSink, private ServiceLog {
 public:
  /// Built once per process, before SystemC elaborates: its CPU ports are modules bound to each root complex's `cpu`.
  Kernel(model::Timeline& timeline, model::HostMemory& memory, sim::Tape& tape, sim::TraceHash& hash,
         std::vector<model::RootComplex*> roots);
  ~Kernel();

  /// The machine that is on. IOKitLib and DriverKit have no context argument, so there is one at a time per process.
  static Kernel* current();
  void make_current();

  /// Boots: root complexes enabled, devices enumerated, BARs assigned, nubs published, dexts matched and started.
  void boot(const sim::Profile& profile);
  /// Back to before boot: services terminated, everything freed. The hardware's reset is the machine's.
  void shutdown();
  bool booted() const;

  /// What the root complexes raise their interrupts to: the third argument of RootComplex::configure().
  model::PlatformSink* platform() { return this; }

  model::Timeline& timeline();
  model::HostMemory& host_memory();
  sim::Tape& tape();
  sim::TraceHash& hash();
  Registry& registry();
  Executor& executor();
  const sim::Profile& profile() const;
  Mapper& mapper(unsigned root);
  unsigned root_count() const;
  CallStats& calls();

  /// A Mac would have panicked: recorded once (the first cause wins); every later call into the kernel gets
  /// kNotResponding and the run reports it. Never aborts the process.
  void panic(PanicCause cause, std::string sentence);
  const std::optional<Panic>& panicked() const;

  /// The root complex and what is on it. `root` < root_count().
  RootContext& root(unsigned root);
  /// The device nub of a root complex, or null.
  PciNub* nub(unsigned root);
  /// The kernel's own queue: work that must not run inside a transaction or a dext's call (terminations, faults).
  WorkQueue& work();

  /// Thunderbolt: the device in a root's slot comes or goes. Terminates or publishes the nub.
  void device_removed(unsigned root);
  void device_arrived(unsigned root);
  /// Offers the device behind a port to the drivers once more: one of them died.
  void rematch(unsigned root);

  void inspect(InspectNode& node);

 private:
  void on_published(const Service& service) override;
  void on_terminated(const Service& service) override;
  void on_msi(unsigned root, uint32_t vector) override;
  void on_dart_error(unsigned root, const model::DartFault& fault) override;
  void on_intx(unsigned root, unsigned pin, bool asserted) override;
  void on_link_change(unsigned root, bool up) override;
  void on_address_overflow(unsigned root, Rid requester, uint64_t address) override;
  void acknowledge_dart_error(unsigned root);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Drivers that can match: each matcher is offered every nub that is published, in order of registration.
/// sim/driverkit registers one that looks for dext personalities. Registration is static (before main).
class DriverMatcher {
 public:
  virtual ~DriverMatcher() = default;
  /// Starts a driver on the nub if one matches. Called from Kernel::boot / device_arrived.
  virtual void offer(Kernel& kernel, PciNub& nub) = 0;
  /// All drivers are to be stopped and freed (Kernel::shutdown).
  virtual void shutdown(Kernel& kernel) = 0;
};
void register_driver_matcher(DriverMatcher* matcher);

}  // namespace dartboard::macos
