// base/lazy_memory.h - host memory for a guest: zeroed, aligned to 16 KiB, and only touched pages take memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"

namespace dartboard {

class LazyMemory {
 public:
  /// At least `bytes`, rounded up to whole 16 KiB (Apple silicon's page: what a mapping takes there).
  static Result<LazyMemory> allocate(uint64_t bytes);
  LazyMemory() = default;
  ~LazyMemory();
  LazyMemory(LazyMemory&& other) noexcept;
  LazyMemory& operator=(LazyMemory&& other) noexcept;

  std::byte* base() const { return base_; }
  uint64_t size() const { return size_; }

 private:
  std::byte* base_ = nullptr;
  uint64_t size_ = 0;
  void* map_ = nullptr;
  uint64_t map_bytes_ = 0;
};

}  // namespace dartboard
