// sim/guest/ram.h - the guest's RAM and its page allocator: real bytes that cost memory only when touched.
//
// Free pages are zero (as with init_on_free), so that a byte which lands in one is found when the page is taken next,
// or by check_free().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/lazy_memory.h"
#include "base/types.h"
#include "sim/core/tape.h"
#include "sim/macos/iova_allocator.h"

namespace dartboard::guest {

inline constexpr uint64_t kPageBytes = 4 * kKiB;

/// A byte that is not what it must be.
struct WrongByte {
  Gpa gpa;
  uint8_t expected = 0, got = 0;
};

/// The first difference of two ranges of equal length, or their length.
uint64_t first_difference(std::span<const std::byte> a, std::span<const std::byte> b);

class Ram {
 public:
  /// `bytes` of RAM at `base`, both multiples of 4 KiB. kBadArgument otherwise.
  static Result<Ram> create(Gpa base, uint64_t bytes);

  Gpa base() const { return base_; }
  uint64_t bytes() const { return bytes_; }
  std::byte* memory() const { return memory_.base(); }
  /// Where the bytes are; null if they are not all RAM.
  std::byte* at(Gpa gpa, uint64_t bytes) const;

  /// Pages in a row, at the lowest place (the buddy allocator's habit on a fresh system). kNotFound: none,
  /// kBadArgument: 0.
  Result<Gpa> allocate(uint64_t bytes);
  /// `pages` in a row at a place drawn from `tape`: the memory of a system that has run for long. kNotFound: none.
  Result<Gpa> allocate_scattered(sim::Tape& tape, uint64_t pages);
  /// Gives whole pages back and zeroes them. They must be allocated.
  void release(Gpa gpa, uint64_t bytes);
  /// Takes `pages` single pages, spread evenly so that no run of free pages is longer than the gaps. They stay taken.
  void fragment(uint64_t pages);

  uint64_t free_bytes() const { return pages_.free_pages() * kPageBytes; }
  uint64_t largest_free_bytes() const { return pages_.largest_free() * kPageBytes; }
  /// A byte in a page that is being allocated, or that is free, was not zero: somebody wrote where nothing was mapped.
  const std::optional<WrongByte>& stray() const { return stray_; }
  /// Looks at all free pages. Reads all of RAM: for tests.
  std::optional<WrongByte> check_free();

 private:
  void take(Gpa gpa, uint64_t bytes);
  std::optional<WrongByte> first_not_zero(Gpa gpa, uint64_t bytes) const;

  Gpa base_;
  uint64_t bytes_ = 0;
  LazyMemory memory_;
  macos::IovaAllocator pages_;  ///< extents of page numbers, whatever they are pages of
  std::vector<bool> taken_;     ///< by page
  std::vector<bool> touched_;   ///< was taken once
  std::optional<WrongByte> stray_;
};

}  // namespace dartboard::guest
