// sim/guest/dma_ops.h - what lies under the guest's DMA API (Linux: struct dma_map_ops): the guest's view of a
// strategy.
//
// The guest model knows nothing of who implements it. Whoever owns both rooms adapts one to the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace dartboard::guest {

/// Linux enum dma_data_direction.
enum class Direction : uint8_t { kToDevice, kFromDevice, kBidirectional };
constexpr bool device_reads(Direction d) {
  return d != Direction::kFromDevice;
}
constexpr bool device_writes(Direction d) {
  return d != Direction::kToDevice;
}

/// Whether the caller may sleep.
enum class Context : uint8_t { kSleeping, kAtomic };

struct DmaRequest {
  Gpa gpa;
  uint64_t bytes = 0;
  Direction direction = Direction::kBidirectional;
  Context context = Context::kSleeping;
};

struct DmaMapping {
  Iova iova;  ///< what the driver writes into the device
  DmaRequest request;
};

/// Memory for CPU and device at once.
struct DmaCoherent {
  Gpa gpa;
  Iova iova;
  uint64_t bytes = 0;
  std::byte* cpu = nullptr;  ///< where the guest's CPU sees it
};

class DmaOps {
 public:
  virtual ~DmaOps() = default;
  virtual Result<DmaMapping> map(const DmaRequest& request) = 0;
  virtual Result<void> unmap(const DmaMapping& mapping) = 0;
  virtual Result<std::vector<DmaMapping>> map_many(std::span<const DmaRequest> requests) = 0;
  virtual Result<void> unmap_many(std::span<const DmaMapping> mappings) = 0;
  virtual Result<void> sync_for_cpu(const DmaMapping& mapping, uint64_t offset, uint64_t bytes) = 0;
  virtual Result<void> sync_for_device(const DmaMapping& mapping, uint64_t offset, uint64_t bytes) = 0;
  virtual Result<DmaCoherent> allocate_coherent(uint64_t bytes, Context context) = 0;
  virtual Result<void> free_coherent(const DmaCoherent& coherent) = 0;
  virtual uint64_t mapping_bytes_max() const = 0;
};

/// The device's DMA engine, as the guest's driver uses it. Bytes go over the link as TLPs and through the DART.
class DmaEngine {
 public:
  virtual ~DmaEngine() = default;
  /// The device reads host memory at `from`: `data` is what it got. kCallFailed: the transfer was refused (fault, bus
  /// master off). kHostPanic: it took the host down.
  virtual Result<void> device_reads(Iova from, std::span<std::byte> data) = 0;
  /// The device writes `data` to host memory at `to`.
  virtual Result<void> device_writes(Iova to, std::span<const std::byte> data) = 0;
};

}  // namespace dartboard::guest
