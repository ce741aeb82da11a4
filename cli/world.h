// cli/world.h - the world below the backend, chosen at run time: a simulated Mac, or the real one this program runs on.
//
//   sim[:PROFILE]           the simulated Mac; PROFILE is a built-in name or a .dts or .dtb file
//   iokit[:[ROOT/]BB:DD.F]  the device with that address on this Mac, through the installed dext
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/passthrough_device.h"
#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"
#include "dext/client/client.h"
#include "traces/event_stream.h"
#include "traces/replay.h"
#include "traces/replay_registers.h"
#include "traces/session.h"
#include "traces/trace_info.h"

namespace dartboard::cli {

struct WorldChoice {
  enum class Kind : uint8_t { kSim, kIokit };
  Kind kind = Kind::kSim;
  std::string profile;    ///< kSim
  std::string endpoint;   ///< kSim: what is in the first slot (cli/endpoints.h); empty: the test endpoint
  std::string storage;    ///< kSim: what a scripted endpoint keeps its data on; empty: 64 MiB of memory
  dext::Selector device;  ///< kIokit; none: the first one
};

/// Reads --dext. kBadArgument; kWrongPlatform for iokit where there is none.
Result<WorldChoice> parse_world(std::string_view text, std::string_view default_profile);

/// What a world counted since it was powered on. Real hardware tells little: what it cannot know stays empty.
struct WorldCounters {
  std::vector<std::pair<std::string, uint64_t>> calls_by_selector;  ///< by number of the selector, unused ones left out
  uint64_t calls = 0, calls_failed = 0;
  std::vector<std::pair<std::string, uint64_t>> tlps_by_kind;
  uint64_t tlps = 0, tlps_failed = 0, packets = 0;
  uint64_t dart_walks = 0, tlb_hits = 0, faults = 0;
  uint64_t dart_events = 0;  ///< faults that the host told the driver of (profiles with dart-fault "event")
  uint64_t mapped_bytes = 0, mapped_bytes_peak = 0, mappings = 0, mappings_peak = 0;
  uint64_t simulated_ns = 0;
  uint64_t events = 0;     ///< that went into the hash
  std::string trace_hash;  ///< 32 hex digits; empty on real hardware
};

/// The recorded device's side of a replay.
struct RecordedSide {
  const traces::DeviceDescription* device = nullptr;  ///< must stay
  std::string origin;                                 ///< the recording, for messages
  bool place_as_recorded = true;                      ///< memory can be placed where it was recorded
  traces::RegisterBook* registers = nullptr;          ///< answers for its registers; null: the recording, in order
};

class Recording;  // cli/recording.h

class World {
 public:
  virtual ~World() = default;
  virtual std::string name() const = 0;         ///< "sim:linux-iommu"
  virtual std::string description() const = 0;  ///< for people

  /// Powers on with the endpoint of the WorldChoice; without one, with an endpoint that answers from a recording, or
  /// with the built-in test endpoint (null). On real hardware there is nothing to do.
  virtual Result<void> power_on(const RecordedSide* recorded) = 0;
  /// Power-on state again, with the same device. kNotSupported on real hardware.
  virtual Result<void> restart() = 0;
  /// Lets time pass for the device: simulated time, or the wall clock's.
  virtual void pass_time(uint64_t ns) = 0;
  /// The clock that time passes by for the device, and something that reads it, in ns: a recorder does so twice for
  /// each access. It lives as long as the world.
  virtual traces::Clock clock() const = 0;
  virtual std::function<uint64_t()> clock_reader() const = 0;
  virtual dext::Selector selector() const = 0;
  virtual backend::Budget budget() const = 0;

  // The recorded device's side of a replay. Real hardware and a chosen endpoint act by themselves: these do nothing.
  virtual void on_mismatch(traces::MismatchSink* sink) = 0;
  /// What is to come, in order.
  virtual void feed(const traces::EventBatch& batch) = 0;
  virtual void expect_read(unsigned bar, uint64_t offset, const traces::Payload& recorded) = 0;
  virtual void stands_for(unsigned bar, uint64_t offset, std::span<const std::byte> recorded) = 0;
  virtual void resync(uint64_t next_request) = 0;
  /// Tells the sink if the recording has accesses that never came.
  virtual void expect_end() = 0;
  virtual Result<void> device_dma_write(Iova address, std::span<const std::byte> data) = 0;
  virtual Result<void> device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) = 0;
  virtual Result<void> device_config_change(uint64_t offset, unsigned width, uint32_t value) = 0;
  /// kNotSupported, with the reason: the device cannot send it now.
  virtual Result<void> device_interrupt(traces::IrqKind kind, uint32_t vector) = 0;
  /// What of the recorded device could not be shown.
  virtual std::vector<std::string> notes() const = 0;
  /// The next mapping, of `bytes`, must be at `iova`. kPlacement: this world has no such place.
  virtual Result<void> expect_placement(Iova iova, uint64_t bytes) = 0;
  /// Expectations that no mapping took are void.
  virtual void forget_placements() = 0;

  /// The host's panic as an error (kHostPanic), if it panicked.
  virtual std::optional<Error> host_panic() const = 0;
  virtual WorldCounters counters() = 0;
  virtual InspectNode inspect() = 0;

  virtual std::string profile_name() const = 0;  ///< as it was given; empty on real hardware
  /// The device that answers from a session, as the session describes it; null: another kind of device.
  virtual const traces::DeviceDescription* recorded_device() const = 0;
  /// Who records the next device that is opened; null: nobody. Not owned.
  void record(Recording* recording) { recording_ = recording; }
  Recording* recording() const { return recording_; }

 private:
  Recording* recording_ = nullptr;
};

Result<std::unique_ptr<World>> make_world(const WorldChoice& choice);

/// Opens the world's device as a backend does. `client`, if asked for, stays valid as long as the device.
Result<std::unique_ptr<backend::PassthroughDevice>> open_device(World& world, dext::Client** client = nullptr);

}  // namespace dartboard::cli
