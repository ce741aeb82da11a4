// backend/dma/dirty_log.h - which pages of guest RAM the device may have written since they were last asked for.
//
// Two sources: marks, where a strategy knows what was written (the pool's write-backs), and live writable mappings,
// where it can only know what may be. A page stays dirty as long as such a mapping covers it, and once more after the
// last one ends. Kept for 4 KiB pages; 1 GiB takes 64 KiB, and 1 MiB more once mappings are counted.
//
// mark(), add_live(), remove_live() and collect() are safe to call from several threads: each 64 MiB has a lock.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/dma/guest_memory.h"
#include "backend/dma/spin_lock.h"
#include "base/error.h"
#include "base/types.h"

namespace dartboard::backend::dma {

class DirtyLog {
 public:
  static constexpr uint64_t kPageBytes = 4 * kKiB;

  /// What a query must be: kBadArgument if `page_bytes` is not a power of two of at least 4 KiB, `from` is not on such
  /// a page, the range wraps, or the bitmap has fewer bits than the range has pages.
  static Result<void> check(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<const uint64_t> bitmap);

  /// Tracks the ranges that `memory` has now: new ones begin clean, those that are gone are forgotten, the others keep
  /// what is known of them. No other call may be under way; marks for memory that is not tracked are dropped, so call
  /// it before a mapping of new memory can be made.
  void follow(const GuestMemory& memory);

  /// The device may have written these bytes. What is not tracked is left out.
  void mark(Gpa gpa, uint64_t bytes) { change(gpa, bytes, Change::kMark); }
  /// From now on, until the same range is removed, the device may write these bytes.
  void add_live(Gpa gpa, uint64_t bytes) { change(gpa, bytes, Change::kAdd); }
  void remove_live(Gpa gpa, uint64_t bytes) { change(gpa, bytes, Change::kRemove); }

  /// Sets the bits of pages that are dirty or under a live mapping; of the former it forgets those it told. Bit n is
  /// the page at from + n * page_bytes. Errors as check().
  Result<void> collect(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap);

 private:
  enum class Change : uint8_t { kMark, kAdd, kRemove };
  struct alignas(64) Stripe {
    SpinLock lock;
    uint64_t dirty = 0;  ///< bit n: a page in the n-th block of words may be
    uint32_t live_pages = 0;
  };
  /// Words begin at addresses that are multiples of 64 pages, so that a query's bits mostly fall on whole words.
  struct Range {
    Gpa gpa;
    uint64_t bytes = 0;
    uint64_t first_page = 0;  ///< of word 0
    std::vector<uint64_t> dirty, live;
    std::vector<uint32_t> counts;  ///< live mappings of each page; empty until there was one
    std::unique_ptr<Stripe[]> stripes;
    SpinLock counts_lock;  ///< makes `counts` once

    uint64_t last_page() const { return (gpa.value + (bytes - 1)) / kPageBytes; }
  };

  void change(Gpa gpa, uint64_t bytes, Change change);
  static void change_pages(Range& range, uint64_t first, uint64_t last, Change change);
  static void collect_range(Range& range, uint64_t first, uint64_t last, uint64_t from_page, uint64_t pages_per_bit,
                            std::span<uint64_t> bitmap);

  std::vector<std::unique_ptr<Range>> ranges_;  ///< by ascending address
};

}  // namespace dartboard::backend::dma
