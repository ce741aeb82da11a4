// traces/replay.h - strict replay: every request of a session, in order, to whoever answers, and each reply compared
// with the recorded one.
//
// The driver knows no device, dext or simulator: a ReplayTarget does. What is compared: PROBE the count, RESIZE_BAR the
// status, MAP_BAR the size, everything else byte for byte. A request diverges at most once, and the replay goes on, so
// that one changed byte is one divergence.
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

/// Who answers a replay. An Error is a failed request (status 1), compared like any other reply; kPlacement,
/// kHostPanic, kWrongPlatform and kInternal end the replay.
class ReplayTarget {
 public:
  virtual ~ReplayTarget() = default;

  /// Before the first request. `sink` outlives the replay.
  virtual void start(MismatchSink& sink) = 0;
  /// After a request that the device saw differently: the device is to expect request `next_request` next.
  virtual void resync(uint64_t next_request) = 0;
  /// After the last request; reports what the device still expected to the sink.
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

  // As the recorded device did.
  virtual Result<void> device_dma_write(Iova address, std::span<const std::byte> data) = 0;
  virtual Result<void> device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) = 0;
};

struct ReplayOptions {
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
};

/// Replays the guest's requests of `session` against `target`.
inline ReplayReport replay(const Session& session, ReplayTarget& target, const ReplayOptions& options = {});
/// The same with the device's side taken from another session: what the device did before request n there happens
/// before request n here, and writes to memory must be the ones recorded there (register accesses are for the device
/// to judge).
ReplayReport replay(const Session& guest, const Session& device, ReplayTarget& target,
                    const ReplayOptions& options = {});

inline ReplayReport replay(const Session& session, ReplayTarget& target, const ReplayOptions& options) {
  return replay(session, session, target, options);
}

}  // namespace dartboard::traces
