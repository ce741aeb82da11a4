// traces/replay.h - replay: every request of a recording, in order, to whoever answers, and each reply compared with
// the recorded one.
//
// The driver knows no device, dext or simulator: a ReplayTarget does. What is compared: PROBE the count, RESIZE_BAR the
// status, MAP_BAR the size, everything else byte for byte (or by its hash, if that is what the recording kept). A
// request diverges at most once, and the replay goes on, so that one changed byte is one divergence. Recordings are
// read in batches: memory does not grow with their length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "traces/event_stream.h"
#include "traces/replay_rebase.h"
#include "traces/replay_waits.h"
#include "traces/session.h"

namespace dartboard::traces {

/// Where a request went wrong.
enum class Layer : uint8_t {
  kReply,     ///< the reply that reached the guest is not the recorded one
  kEndpoint,  ///< the device received another access than the recorded one
  kMemory,    ///< memory that is reached without the device's knowledge received other bytes than the recorded ones
  kDevice,    ///< what the recorded device did by itself could not be done (DMA fault, no such memory)
};
std::string_view to_string(Layer layer);

struct Divergence {
  uint64_t index = 0;  ///< of the request
  Layer layer = Layer::kReply;
  std::string expected, got;
};
inline constexpr size_t kDivergencesKept = 10;

/// How a target tells that the device saw something unexpected while a request was under way.
class MismatchSink {
 public:
  virtual void device_mismatch(std::string_view expected, std::string_view got) = 0;

 protected:
  ~MismatchSink() = default;
};

/// What PROBE asks for: devices of a base class (0: any) and vendor whose id matches one of (mask, id).
struct ProbeQuery {
  uint8_t base_class = 0;
  uint16_t vendor_id = 0;
  Payload filters;  ///< pairs of 32-bit little-endian mask and id; none: every device

  bool matches(uint16_t vendor, uint16_t device, uint32_t class_code) const;
};

/// A field of configuration space that a target shows in its own way, and what the recording had there.
struct PolicyDifference {
  std::string field, reason;
  uint64_t offset = 0;  ///< of the read that showed it
  uint64_t count = 0;   ///< reads
  uint64_t first_request = 0;
  uint64_t expected = 0, got = 0;  ///< of that read, the field's bits alone
};

/// What a target says about a configuration read that did not return the recorded value.
struct ConfigVerdict {
  uint32_t got = 0;                           ///< what the guest reads, after the target had its say
  uint32_t divergent = 0;                     ///< the bits that nothing explains
  std::vector<PolicyDifference> differences;  ///< the others; field, reason, expected and got are set
};

/// Interrupts that the recorded device sent.
struct InterruptReport {
  uint64_t recorded = 0;   ///< events of the recording
  uint64_t sent = 0;       ///< by the device here
  uint64_t delivered = 0;  ///< to the guest
  uint64_t refused = 0;    ///< the device could not send: the kind is not enabled in it, or it has no such vector
  std::string first_refusal;
  /// Sent, but masked or disabled by the guest when the replay ended.
  uint64_t held_back() const { return sent > delivered ? sent - delivered : 0; }
};

/// Who answers a replay. An Error is a failed request (status 1), compared like any other reply; kPlacement,
/// kHostPanic, kWrongPlatform and kInternal end the replay.
class ReplayTarget {
 public:
  virtual ~ReplayTarget() = default;

  /// Before the first request. `sink` outlives the replay.
  virtual void start(MismatchSink& sink) = 0;
  /// After a request that the device saw differently: the device is to expect request `next_request` next.
  virtual void resync(uint64_t next_request) = 0;
  /// After the last request of the recording; reports what the device still expected to the sink.
  virtual void finish() = 0;

  // As a guest would ask.
  virtual Result<uint64_t> probe(const ProbeQuery& query) = 0;  ///< devices found
  virtual Result<uint64_t> map_bar(unsigned bar) = 0;           ///< bytes mapped
  virtual Result<void> resize_bar(unsigned bar, uint64_t size) = 0;
  virtual Result<void> reset() = 0;
  virtual Result<uint32_t> config_read(uint64_t offset, unsigned width) = 0;
  virtual Result<void> config_write(uint64_t offset, unsigned width, uint32_t value) = 0;
  virtual Result<void> region_read(unsigned bar, uint64_t offset, std::span<std::byte> data) = 0;
  virtual Result<void> region_write(unsigned bar, uint64_t offset, std::span<const std::byte> data) = 0;
  /// Makes `size` bytes of zeroed memory that the device can reach and fills `pages` with the bus address of each
  /// 4 KiB. `recorded` holds where the recording had them (8 bytes each); a target whose mapper can be told puts them
  /// there, and answers kPlacement if it cannot.
  virtual Result<void> map_sysmem(uint32_t handle, uint64_t size, bool contiguous, const Payload& recorded,
                                  std::span<uint64_t> pages) = 0;
  virtual Result<void> unmap_sysmem(uint32_t handle) = 0;
  virtual Result<void> sysmem_read(uint32_t handle, uint64_t offset, std::span<std::byte> data) = 0;
  virtual Result<void> sysmem_write(uint32_t handle, uint64_t offset, std::span<const std::byte> data) = 0;

  /// The guest's interrupts of a kind are set up or taken down.
  virtual Result<void> irq_setup(IrqKind, uint32_t /*first*/, uint32_t /*count*/, bool /*on*/) { return {}; }

  // As the recorded device did.
  virtual Result<void> device_dma_write(Iova address, std::span<const std::byte> data) = 0;
  virtual Result<void> device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) = 0;
  virtual Result<void> device_config_change(uint64_t /*offset*/, unsigned /*width*/, uint32_t /*value*/) { return {}; }
  virtual Result<void> device_interrupt(IrqKind, uint32_t /*vector*/) { return {}; }

  // About the recording.
  /// The recorded device's side of requests to come, in order. The batch goes when the call returns.
  virtual Result<void> feed(const EventBatch&) { return {}; }
  /// The next region_read() is expected to return `recorded`, which lasts until then.
  virtual void expect_read(unsigned /*bar*/, uint64_t /*offset*/, const Payload& /*recorded*/) {}
  /// The next region_write() stands for `recorded` bytes, rewritten. Empty: what follows stands for itself.
  virtual void stands_for(unsigned /*bar*/, uint64_t /*offset*/, std::span<const std::byte> /*recorded*/) {}
  /// From here to the end of the fill, writes are pieces of one request whose bytes are all alike.
  virtual void fill_begins() {}
  virtual void fill_ends() {}
  /// A configuration read returned `got` instead of `recorded`.
  virtual ConfigVerdict judge_config(uint64_t /*offset*/, unsigned /*width*/, uint32_t recorded, uint32_t got) {
    return {got, recorded ^ got, {}};
  }
  /// Lets time pass between requests.
  virtual void pass_time(uint64_t /*ns*/) {}
  virtual InterruptReport interrupts() { return {}; }
};

/// A place in a recording: before request number `value`, or `value` ns after its first event.
struct ReplayPoint {
  enum class Unit : uint8_t { kNowhere, kRequest, kTime };
  Unit unit = Unit::kNowhere;
  uint64_t value = 0;
};

/// How much time passes between requests, beside what they take themselves.
enum class GapMode : uint8_t {
  kNone,
  kMin,       ///< ReplayOptions::gap_ns before each request that shows the driver waited for the device
  kRecorded,  ///< as between the recorded requests
};
std::string_view to_string(GapMode mode);

struct ReplayOptions {
  /// Requests before `from` are performed, because they make the state that later ones need, but not compared.
  ReplayPoint from, until;
  bool stop_on_divergence = false;
  GapMode gap = GapMode::kNone;
  uint64_t gap_ns = 0;
  /// The device answers by register, not by order: it is told what the guest expects, and writes to memory are not
  /// compared with the device's side of another recording.
  bool by_register = false;
  /// The target chooses bus addresses, and recorded ones are rewritten (traces/replay_rebase.h).
  bool rebase = false;
  /// Called now and then with the requests done so far.
  std::function<void(uint64_t done)> progress;
  uint64_t progress_every = 1024;
};

struct ReplayReport {
  uint64_t requests = 0;  ///< replayed, the one that stopped the replay included
  uint64_t divergences = 0;
  std::vector<Divergence> first;  ///< at most kDivergencesKept
  std::optional<Error> stopped;   ///< why the replay ended early
  uint64_t stopped_at = 0;        ///< the request it ended at
  std::string ended_by;           ///< "--until" or "--stop-on-divergence"; empty: the end, or `stopped`
  uint64_t events = 0;            ///< of the guest's recording that were read
  uint64_t not_compared = 0;      ///< requests before `from`
  uint64_t differences_before_from = 0;
  uint64_t compared_by_hash = 0;  ///< reads whose bytes the recording did not keep
  uint64_t bytes_not_kept = 0;    ///< reads of which it kept nothing
  uint64_t policy_differences = 0;
  std::vector<PolicyDifference> policy;  ///< by field and offset, at most kPolicyDifferencesKept
  uint64_t device_dma_writes = 0, device_memory_changes = 0, device_config_changes = 0;  ///< performed
  uint64_t gap_ns = 0;  ///< that passed by ReplayOptions::gap
  WaitReport waits;
  InterruptReport interrupts;
  RebaseReport rebase;
};
inline constexpr size_t kPolicyDifferencesKept = 64;

/// Replays the guest's requests against `target`. `device`, if given, is another recording that the device's side is
/// taken from: what the device did before request n there happens before request n here, and writes to memory must be
/// the ones recorded there (register accesses are for the device to judge). Both read one device.
ReplayReport replay(EventReader& guest, EventReader* device, ReplayTarget& target, const ReplayOptions& options = {});

/// The same for sessions in memory.
ReplayReport replay(const Session& session, ReplayTarget& target, const ReplayOptions& options = {});
ReplayReport replay(const Session& guest, const Session& device, ReplayTarget& target,
                    const ReplayOptions& options = {});

}  // namespace dartboard::traces
