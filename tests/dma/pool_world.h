// tests/dma/pool_world.h - guest RAM and a bounce pool without a mapper; the test plays the device.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "backend/dma/bounce_pool.h"

namespace dartboard::backend::dma {

struct FreeBytes {
  void operator()(std::byte* p) const { std::free(p); }
};
using Bytes = std::unique_ptr<std::byte, FreeBytes>;

inline Bytes bytes_of(uint64_t count, int value) {
  Bytes memory(static_cast<std::byte*>(std::aligned_alloc(64 * kKiB, round_up(count, 64 * kKiB))));
  std::memset(memory.get(), value, count);
  return memory;
}

struct PoolWorld {
  static constexpr Gpa kRam{0x4000'0000}, kPool{0x5000'0000};
  static constexpr Iova kIova{0x8'0000'0000};

  struct Shape {
    std::vector<uint64_t> pieces = {kMiB};  ///< bytes; device addresses descend, so that order matters
    DeviceLimits limits;
    uint32_t areas = 1;
    uint64_t ram_bytes = 4 * kMiB;
  };

  explicit PoolWorld(const Shape& shape) : ram_bytes(shape.ram_bytes), ram(bytes_of(shape.ram_bytes, 0x77)) {
    EXPECT_TRUE(memory.add({kRam, ram_bytes, ram.get()}));
    Gpa gpa = kPool;
    Iova iova = kIova + 64 * kMiB * shape.pieces.size();
    for (const uint64_t bytes : shape.pieces) {
      iova = iova - 64 * kMiB;
      memories.push_back(bytes_of(bytes, 0xee));
      pieces.push_back({gpa, iova, memories.back().get(), bytes});
      EXPECT_TRUE(memory.add({gpa, bytes, memories.back().get()}));
      gpa = gpa + bytes;
    }
    auto made = BouncePool::create(memory, pieces, shape.limits, shape.areas);
    EXPECT_TRUE(made) << made.error().sentence;
    pool = std::move(*made);
  }
  PoolWorld() : PoolWorld(Shape{}) {}

  /// What the device sees at an address of the pool.
  std::byte* device(Iova iova) {
    for (const PoolPiece& piece : pieces) {
      if (iova - piece.iova < piece.bytes) return piece.base + (iova - piece.iova);
    }
    ADD_FAILURE() << std::hex << iova.value << " is not in the pool";
    return pieces[0].base;
  }
  std::byte* cpu(Gpa gpa) { return ram.get() + (gpa - kRam); }

  uint64_t ram_bytes;
  Bytes ram;
  std::vector<Bytes> memories;
  std::vector<PoolPiece> pieces;
  GuestMemory memory;
  std::unique_ptr<BouncePool> pool;
};

inline MapRequest request(Gpa gpa, uint64_t bytes, Direction direction = Direction::kBidirectional) {
  return {gpa, bytes, direction, Context::kAtomic};
}

inline bool all(const std::byte* from, uint64_t bytes, int value) {
  for (uint64_t n = 0; n < bytes; ++n) {
    if (from[n] != static_cast<std::byte>(value)) return false;
  }
  return true;
}

}  // namespace dartboard::backend::dma
