// backend/dma/strategy.h - one answer to the question how a guest can DMA when the host picks the addresses.
//
// The face is the guest's DMA API (Linux's dma_map_ops): the guest asks for a device address for some of its memory and
// gives it back. What lies behind differs: a paravirtual mapper, windows, a bounce pool, all of RAM mapped once, a
// virtual IOMMU, or a host where the caller chooses the address. Each strategy has its guest part and its host part in
// one object; `Counters` says what crossed between them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backend/dma/guest_memory.h"
#include "backend/dma/mapper.h"
#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"

namespace dartboard::backend::dma {

/// Who writes the memory while it is mapped (Linux enum dma_data_direction).
enum class Direction : uint8_t { kToDevice, kFromDevice, kBidirectional };
constexpr bool device_reads(Direction d) { return d != Direction::kFromDevice; }
constexpr bool device_writes(Direction d) { return d != Direction::kToDevice; }

/// Whether the caller may sleep. A strategy that has to ask the host cannot serve an atomic caller.
enum class Context : uint8_t { kSleeping, kAtomic };

struct MapRequest {
  Gpa gpa;
  uint64_t bytes = 0;
  Direction direction = Direction::kBidirectional;
  Context context = Context::kSleeping;
};

/// A streaming mapping that is live. Handed back whole.
struct Mapped {
  Iova iova;                        ///< what the driver writes into the device
  MapRequest request;
};

/// Memory that CPU and device both use for as long as it lives (dma_alloc_coherent); zeroed.
struct Coherent {
  Gpa gpa;
  Iova iova;
  uint64_t bytes = 0;
};

/// What the device can do, as its driver told the DMA API.
struct DeviceLimits {
  uint64_t address_max = UINT64_MAX;   ///< the DMA mask
  uint64_t align_mask = 0;             ///< these low bits of a buffer's address must survive (min_align_mask)
};

/// Pages of guest RAM for what the guest part allocates.
class GuestPages {
 public:
  virtual ~GuestPages() = default;
  /// Whole 4 KiB pages, contiguous, of what is free. kNotFound: there are not so many together.
  virtual Result<Gpa> allocate(uint64_t bytes) = 0;
  virtual void release(Gpa gpa, uint64_t bytes) = 0;
};

/// What crossed and what it cost. Counts only: a report gives them times.
struct Counters {
  uint64_t maps = 0, unmaps = 0, coherent_allocations = 0;
  uint64_t guest_exits = 0;            ///< traps into the host: a register of a paravirtual device
  uint64_t host_maps = 0, host_unmaps = 0;   ///< mappings made and taken away at the host's mapper: a user-client call each
  uint64_t bytes_copied = 0;           ///< by the guest's CPU, for bouncing
  uint64_t refusals = 0;               ///< requests that failed with a named error
  uint64_t degradations = 0;           ///< served by the second choice that the strategy's policy names
  uint64_t hits = 0;                   ///< served without the host
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  virtual std::string_view name() const = 0;

  /// Before the guest runs: reserves what is reserved once. A strategy that cannot work here says so and by how much.
  virtual Result<void> start() = 0;
  /// Quiesces the device, takes every mapping away, frees memory, in this order; also after a failed start(), after the
  /// device is gone, and twice. Nothing of this strategy is left at the mapper.
  virtual Result<void> stop() = 0;
  /// The guest rebooted without saying good-bye: its mappings are void. The device is quiesced first. Usable after.
  virtual Result<void> guest_reset() = 0;

  /// kBadArgument: no bytes, it wraps, or it is not RAM. kBusy and the budgets' names: not now. Nothing is left behind
  /// by a failure.
  virtual Result<Mapped> map(const MapRequest& request) = 0;
  /// kNotFound: not live, or unmapped before.
  virtual Result<void> unmap(const Mapped& mapped) = 0;
  /// Scatter-gather: all or none, in order. May be one batch.
  virtual Result<std::vector<Mapped>> map_many(std::span<const MapRequest> requests);
  virtual Result<void> unmap_many(std::span<const Mapped> mapped);

  /// Before the CPU reads what the device wrote, or the device reads what the CPU wrote, while it stays mapped: bytes
  /// [offset, offset+bytes) of the mapping. kOutOfRange past its end.
  virtual Result<void> sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) = 0;
  virtual Result<void> sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) = 0;

  virtual Result<Coherent> allocate_coherent(uint64_t bytes, Context context) = 0;
  virtual Result<void> free_coherent(const Coherent& coherent) = 0;

  /// The largest single streaming mapping (dma_max_mapping_size), bytes.
  virtual uint64_t mapping_bytes_max() const = 0;

  /// Pages that the device may have written since the last call: bit n of the bitmap is the page at
  /// from + n * page_bytes (vfio dirty bitmap). Bits are set, not cleared. kBadArgument: `page_bytes` is not a power of
  /// two of at least 4 KiB, `from` is not on a page, or the bitmap is too short.
  virtual Result<void> dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) = 0;

  virtual const Counters& counters() const = 0;
  virtual void inspect(InspectNode& node) const = 0;
};

}  // namespace dartboard::backend::dma
