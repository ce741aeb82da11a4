// traces/inference.h - what the device did by itself, concluded from what the driver read.
//
// A recording of requests has no interrupts, no DMA and no change of device memory in it. But the driver's CPU is the
// only other writer, so bytes that a read returns and that no earlier write put there are the device's work, done at
// the latest before that read:
//   - in host memory mapped for DMA: kDeviceDmaWrite, at the bus address of those bytes;
//   - in a memory BAR: kDeviceMemory;
//   - in configuration space, as far as the description holds its image: kDeviceConfig. Registers that a guest has of
//     its own (Command, BARs, Interrupt Line) stay out, and a write of ones clears error bits of Status.
// Memory that nobody has written yet is zero. Bytes that are equal by chance are not seen, and need not be: the replay
// ends in the same state. Register BARs are not memory and stay out of this. What the recording itself tells of the
// device's work is taken as it is. Interrupts are not inferred: a read shows no message.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "traces/event_stream.h"
#include "traces/session.h"

namespace dartboard::traces {

struct InferenceCounts {
  uint64_t device_dma_writes = 0;      ///< events added
  uint64_t device_dma_reads_seen = 0;  ///< host reads that showed device work (a read may need several events)
  uint64_t device_memory_changes = 0;
  uint64_t device_config_changes = 0;
};

inline constexpr uint64_t kShadowBytesMax = uint64_t{1} << 30;

/// Adds the device's events to `session`, each just before the request that shows it, marked Source::kInferred.
/// One event covers the span from the first to the last unexplained byte of a read, in whole 32-bit words where the
/// read has them, cut where bus addresses are not contiguous or where a page (4 KiB) of explained bytes lies between.
/// kFileCorrupt: the shadow of memory would need more than `shadow_bytes_max`.
Result<InferenceCounts> infer_device_events(Session* session, uint64_t shadow_bytes_max = kShadowBytesMax);

class Inference;

/// The same as a filter, batch by batch. Memory grows with what the recording wrote, not with its length.
class InferenceReader final : public EventReader {
 public:
  /// `devices`: what is known of each in the end. `origin` names the trace in messages.
  InferenceReader(std::unique_ptr<EventReader> source, const std::vector<TraceDevice>& devices, std::string origin,
                  uint64_t shadow_bytes_max = kShadowBytesMax);
  ~InferenceReader() override;

  /// The source's, with the devices given.
  const TraceInfo& info() const override { return info_; }
  Result<bool> next(EventBatch* batch) override;
  const ReadReport& report() const override { return source_->report(); }
  const InferenceCounts& counts() const;

 private:
  std::unique_ptr<EventReader> source_;
  std::unique_ptr<Inference> inference_;
  TraceInfo info_;
  std::vector<Event> out_;
  uint64_t events_ = 0;
};

}  // namespace dartboard::traces
