// traces/inference.h - what the device did by itself, concluded from what the driver read.
//
// A recording of requests has no interrupts, no DMA and no change of device memory in it. But the driver's CPU is the
// only other writer, so bytes that a read returns and that no earlier write put there are the device's work, done at
// the latest before that read:
//   - in host memory mapped for DMA: kDeviceDmaWrite, at the bus address of those bytes;
//   - in a memory BAR: kDeviceMemory.
// Memory that nobody has written yet is zero. Bytes that are equal by chance are not seen, and need not be: the replay
// ends in the same state. Register BARs are not memory and stay out of this.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "traces/session.h"

namespace dartboard::traces {

struct InferenceCounts {
  uint64_t device_dma_writes = 0;      ///< events added
  uint64_t device_dma_reads_seen = 0;  ///< host reads that showed device work (a read may need several events)
  uint64_t device_memory_changes = 0;
};

/// Adds the device's events to `session`, each just before the request that shows it, marked Source::kInferred.
/// One event covers the span from the first to the last unexplained byte of a read, in whole 32-bit words where the
/// read has them, cut where bus addresses are not contiguous or where a page (4 KiB) of explained bytes lies between.
/// kFileCorrupt: the shadow of memory would need more than `shadow_bytes_max`.
Result<InferenceCounts> infer_device_events(Session* session, uint64_t shadow_bytes_max = uint64_t{1} << 30);

}  // namespace dartboard::traces
