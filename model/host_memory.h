// model/host_memory.h - the simulated Mac's physical memory: frames backed by real bytes of this process.
//
// A frame (4 KiB) is either wired client memory (the bytes belong to a task: guest RAM, a buffer) or the kernel's own
// (page tables, DMA buffers). The DART walks page tables here and DMA lands here, so the same pages are seen by client,
// dext and device, as on a Mac. An address without a frame is a bus error, never a wild pointer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/inspect.h"
#include "base/types.h"
#include "model/extent_allocator.h"

namespace dartboard::model {

inline constexpr uint64_t kFrameBytes = 4096;
/// Wirings and blocks start at multiples of this and never share one: it is the Mac's page and the DART's granule, so
/// a DART page can never show a device the neighbour of what was mapped.
inline constexpr uint64_t kWiringBytes = 16 * kKiB;
inline constexpr Hpa kHostMemoryBase{0x8'0000'0000};   ///< DRAM base of Apple silicon (device trees: 0x800000000)

class HostMemory {
 public:
  /// `bytes_max`: size of the physical address space (multiple of kFrameBytes).
  /// Costs address space, not memory: tables are populated as frames are used. If even that is not to be had, every
  /// wire() and allocate() reports exhaustion.
  explicit HostMemory(uint64_t bytes_max);
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  /// Gives [base, base+bytes) consecutive physical frames starting at a multiple of `align` (power of two, >= 4 KiB).
  /// `base` is 4 KiB aligned and `bytes` a multiple of 4 KiB. The bytes stay the caller's and must outlive the wiring.
  /// Hpa 0: physical memory exhausted.
  Hpa wire(std::byte* base, uint64_t bytes, uint64_t align);
  void unwire(Hpa address, uint64_t bytes);

  /// Kernel-owned zeroed memory with consecutive frames. Hpa 0: exhausted.
  Hpa allocate(uint64_t bytes, uint64_t align);
  void release(Hpa address, uint64_t bytes);

  /// The bytes behind one frame's part [address, address+length) (must not cross a frame), or null: bus error.
  std::byte* at(Hpa address) const {
    const uint64_t frame = (address.value - kHostMemoryBase.value) / kFrameBytes;
    if (frame >= frame_count_ || frames_[frame] == nullptr) [[unlikely]] return nullptr;
    return frames_[frame] + (address.value & (kFrameBytes - 1));
  }

  /// Length of the longest run from `address` that is contiguous in this process's memory, at most `length`.
  /// Zero when `address` has no frame.
  uint64_t contiguous(Hpa address, uint64_t length) const;

  /// Changes whenever a frame may have lost its bytes: who keeps a pointer from at() keeps this beside it.
  uint64_t generation() const { return generation_; }

  /// Everything unwired and released. Costs what was in use, not the size of the address space.
  void reset();
  void inspect(InspectNode& node) const;

 private:
  Hpa take(uint64_t bytes, uint64_t align, bool kernel_owned);
  void give_back(uint32_t unit);

  uint64_t frame_count_ = 0;
  std::byte** frames_ = nullptr;   // by frame number; null: no frame
  uint64_t generation_ = 1;
  uint64_t live_bytes_ = 0;
  uint64_t kernel_blocks_ = 0;
  ExtentAllocator units_;          // of kWiringBytes; the mark says kernel-owned
};

}  // namespace dartboard::model
