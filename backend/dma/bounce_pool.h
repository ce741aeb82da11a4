// backend/dma/bounce_pool.h - bounce buffers in memory that the device reaches: swiotlb's rules, without a mapper.
//
// The guest's buffers are anywhere; the device sees the pool only. A mapping takes a run of 2 KiB slots, copies the
// buffer in, and copies it back when it ends. Runs never cross a 256 KiB segment counted from the start of their piece,
// so a pool may be made of several pieces whose device addresses do not follow each other.
//
// What is zeroed, and when: the whole pool when it is made and when it is reset; the slack of a run (what lies in its
// slots before and after the buffer) when it is mapped; coherent memory when it is allocated. Slots that are free keep
// their last bytes: nobody is handed their address, and a mapping that takes them fills or zeroes all of its run. A
// mapping made without copies shows the device what lay there before, which this same device was given or wrote; such
// bytes never come back to the CPU, because only what was filled is written back.
//
// Safe to call from several threads. Threads get areas of their own, each with a lock, and meet only when one is full.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "backend/dma/guest_memory.h"
#include "backend/dma/spin_lock.h"
#include "backend/dma/strategy.h"
#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"

namespace dartboard::backend::dma {

inline constexpr uint64_t kPoolSlotBytes = 2 * kKiB;  // Linux IO_TLB_SIZE
inline constexpr uint64_t kPoolSegmentSlots = 128;    // Linux IO_TLB_SEGSIZE
inline constexpr uint64_t kPoolSegmentBytes = kPoolSlotBytes * kPoolSegmentSlots;

/// Memory of the pool that is contiguous for guest, device and this process.
struct PoolPiece {
  Gpa gpa;                    ///< where the guest sees it
  Iova iova;                  ///< where the device sees it
  std::byte* base = nullptr;  ///< where this process sees it
  uint64_t bytes = 0;         ///< a multiple of 256 KiB
};

/// Whether a mapping moves bytes. kSkip: the driver does it by syncs, or has no use for it (DMA_ATTR_SKIP_CPU_SYNC).
enum class Copy : bool { kSkip, kYes };

struct PoolAreaUse {
  uint64_t bytes = 0, used_bytes = 0, used_bytes_peak = 0;
  uint64_t full = 0;  ///< requests that found no room here and went on to the next area
};

struct PoolUse {
  uint64_t bytes = 0;            ///< what can be handed out: without what lies above the device's mask
  uint64_t used_bytes = 0;       ///< whole slots
  uint64_t used_bytes_peak = 0;  ///< the sum of the areas' peaks: exact with one area, else never too small
  uint64_t maps = 0, unmaps = 0, coherent_allocations = 0, bytes_copied = 0;
  uint64_t refusals = 0;  ///< requests that failed, for any reason
  std::vector<PoolAreaUse> areas;
};

class BouncePool {
 public:
  /// Zeroes the pieces. `memory` and the pieces outlive the pool; the pieces may be ranges of `memory`.
  /// kBadArgument: no pieces; one that is empty, not whole segments, not on 4 KiB, wraps or overlaps another; pieces
  /// whose device addresses differ below the alignment mask or that cross 4 GiB inside a segment (the guest's kernel
  /// computes both from the first piece); a mask that is not 2^n - 1 or leaves no room in a segment; no area.
  /// kOutOfRange: all of it lies above the device's address_max.
  static Result<std::unique_ptr<BouncePool>> create(const GuestMemory& memory, std::span<const PoolPiece> pieces,
                                                    const DeviceLimits& limits, uint32_t areas);

  /// Takes a run for the buffer and, also for a device that only writes, copies the buffer in: what the device leaves
  /// alone comes back as it was. The low bits (align_mask) of the buffer's address are those of the device address;
  /// without such a mask a buffer of a page or more begins on a page. kBadArgument: no bytes, more than
  /// mapping_bytes_max(), it wraps, is not RAM, or is the pool's own memory. kBusy: no run is long enough.
  Result<Mapped> map(const MapRequest& request, Copy copy = Copy::kYes);

  /// Copies back what the device may have written (once), then frees the run. kNotFound: no such mapping is live.
  /// kBadArgument: the buffer is no longer RAM; the run is free all the same.
  Result<void> unmap(const Mapped& mapped, Copy copy = Copy::kYes);

  /// Copies [offset, offset+bytes) of a live mapping out, or in, if its direction wants it. kOutOfRange: past its end.
  /// kNotFound: not live. kBadArgument, for the CPU: bytes of a mapping without copies that never were synced for the
  /// device.
  Result<void> sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes);
  Result<void> sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes);

  /// Zeroed pages for CPU and device, rounded up to 4 KiB. kBadArgument: no bytes or more than 256 KiB. kBusy: full.
  Result<Coherent> allocate_coherent(uint64_t bytes);
  /// kNotFound: not live, or not as it was allocated.
  Result<void> free_coherent(const Coherent& coherent);

  uint64_t mapping_bytes_max() const { return mapping_bytes_max_; }

  /// Pages of the pool itself that the device may have written: in the mappings that it may write and that are live, or
  /// were since the last call. Forgets the latter. Layout and conditions as Strategy::dirty; the caller has checked.
  void collect_written(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap);

  /// All runs are void and all bytes zero; statistics stay. The device must be quiet, and no other call under way.
  void reset();

  PoolUse use() const;
  /// Of one run that is free; looks at every slot.
  uint64_t largest_free_bytes() const;
  void inspect(InspectNode& node) const;

 private:
  // On the path of a map every store counts: the next lock waits until all of them are done. So there are few.
  struct alignas(64) Segment {
    // A bit for each slot.
    uint64_t used[2] = {};
    uint64_t written[2] = {};  ///< in a run that the device may write, live now or since the last collect_written()
    uint32_t area = 0;
    bool usable = true;  ///< below the device's address_max
  };
  enum class State : uint8_t { kFree, kStreaming, kLeaving, kCoherent };
  /// What a run is, in its first slot. The others stay free. `what` is one word, so that it is stored and compared at
  /// once: bytes (32 bits), where the buffer begins in the slot (16), direction (4), state (4), slots (8).
  struct alignas(32) Slot {
    Gpa gpa;  ///< the buffer
    uint64_t what = 0;
    uint64_t filled = 0;  ///< of the buffer, what was copied in, so may be copied out: from (32 bits), to (32)

    static constexpr uint64_t kSlotsShift = 56;
    static constexpr uint64_t record(uint64_t bytes, uint64_t offset, Direction direction, State state) {
      return bytes | offset << 32 | (static_cast<uint64_t>(direction) & 0xf) << 48 | static_cast<uint64_t>(state) << 52;
    }
    static constexpr uint64_t range(uint64_t from, uint64_t to) { return from | to << 32; }

    uint64_t bytes() const { return what & UINT32_MAX; }
    uint64_t offset() const { return what >> 32 & 0xffff; }
    Direction direction() const { return static_cast<Direction>(what >> 48 & 0xf); }
    State state() const { return static_cast<State>(what >> 52 & 0xf); }
    unsigned slots() const { return static_cast<unsigned>(what >> kSlotsShift); }
    uint64_t filled_from() const { return filled & UINT32_MAX; }
    uint64_t filled_to() const { return filled >> 32; }
    /// This record, apart from its number of slots.
    bool is(uint64_t recorded) const { return (what ^ recorded) << 8 == 0; }
  };
  struct Place {
    Gpa gpa;
    Iova iova;
    std::byte* base = nullptr;
  };
  struct alignas(128) Area {  // two lines: the processor fetches them in pairs
    mutable SpinLock lock;
    uint32_t first = 0, count = 0;  ///< its segments
    uint32_t hint = 0;              ///< where something was found or freed last
    uint64_t slots = 0, used = 0, used_peak = 0;
    uint64_t full = 0, maps = 0, unmaps = 0, coherent = 0, bytes_copied = 0, refusals = 0;
  };
  struct Fit {
    unsigned slots;
    uint64_t begins;
  };  ///< begins: where a run may, in each half of a segment
  /// A run, by its first slot.
  struct Run {
    uint32_t segment = 0, begin = 0;  ///< begin: in the segment
    Area* area = nullptr;
    Slot* slot = nullptr;
  };

  BouncePool(const GuestMemory& memory, std::span<const PoolPiece> pieces, const DeviceLimits& limits, uint32_t areas);
  static Result<void> check(std::span<const PoolPiece> pieces, const DeviceLimits& limits, uint32_t areas);
  void lay_out();

  Fit fit_for(Gpa gpa, uint64_t bytes) const;
  Area& home_area();
  uint32_t number_of_this_thread();
  Run run_at(Area& area, uint32_t segment, uint32_t begin);
  std::byte* base(const Run& run) const;
  static void take(Area& area, unsigned slots);
  /// Takes a run in the first area that has one, else is without area. Its area is locked then: the caller records
  /// what the run is, and unlocks.
  Run take_locked(const Fit& fit, bool writable);
  Run search(Area& home, const Fit& fit, bool writable);
  bool copy_out(Gpa from, std::span<std::byte> to) const;
  bool copy_back(Gpa to, std::span<const std::byte> from) const;
  void release(const Run& run);
  Result<void> write_back(const Run& run, const Mapped& mapped);
  /// What device-writable live runs of a segment cover. Its area is locked.
  void live_writable(uint32_t segment, uint64_t (&bits)[2]) const;
  /// The run that would begin in the slot at `iova`, and how far into that slot `iova` is. Nothing is locked.
  bool locate(Iova iova, Run* run, uint64_t* offset);
  bool holds(Gpa gpa, uint64_t bytes) const;
  Result<void> lock_live(const Mapped& mapped, uint64_t offset, uint64_t bytes, Run* run);

  tl::unexpected<Error> refuse(ErrorName name, std::string sentence);
  tl::unexpected<Error> refuse_map(const MapRequest& request);
  tl::unexpected<Error> refuse_full(uint64_t bytes);
  tl::unexpected<Error> refuse_unknown(const Mapped& mapped);
  tl::unexpected<Error> refuse_vanished(const Mapped& mapped);

  const GuestMemory& memory_;
  const std::vector<PoolPiece> pieces_;  ///< as given: the order of segments
  const DeviceLimits limits_;
  const uint64_t mapping_bytes_max_;
  unsigned mask_stride_log2_ = 0;  ///< the alignment mask in slots; 0: it is within one
  unsigned mask_origin_ = 0;       ///< device address of slot 0, in slots, below the mask
  Gpa gpa_first_, gpa_last_;       ///< hull of the pieces
  struct Span {
    Iova iova;
    uint64_t bytes;
    uint32_t segment;
  };
  std::vector<Span> by_iova_;
  std::vector<Place> places_;  ///< of each segment; never changes
  std::vector<Segment> segments_;
  std::vector<Slot> slots_;
  const uint32_t area_count_;
  std::unique_ptr<Area[]> areas_;

  const uint64_t serial_;  ///< tells pools apart in a thread's memory
  std::mutex threads_mutex_;
  std::vector<std::thread::id> threads_;  ///< by first use: the n-th has area n modulo areas
};

}  // namespace dartboard::backend::dma
