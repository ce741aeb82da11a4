// traces/arena.h - where a session's bytes live: blocks that never move, freed together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace dartboard::traces {

/// Hands out memory that stays where it is until the arena goes. Moving the arena moves no byte.
class Arena {
 public:
  /// `count` bytes, not initialised. Count 0 gives a non-null pointer.
  std::byte* allocate(uint64_t count) {
    if (blocks_.empty() || count > room_) grow(count);
    std::byte* const place = next_;
    next_ += count;
    room_ -= count;
    used_ += count;
    return place;
  }

  /// Returns the last `count` bytes of the latest allocate(): a reader that allocated for the worst case gives back.
  void give_back(uint64_t count) {
    next_ -= count;
    room_ += count;
    used_ -= count;
  }

  uint64_t used_bytes() const { return used_; }

  /// Everything handed out is void. Keeps one block, so that a reader that clears for each batch allocates nothing.
  void clear() {
    if (blocks_.empty()) return;
    blocks_.resize(1);
    next_ = blocks_.front().get();
    room_ = first_block_bytes_;
    used_ = 0;
  }

 private:
  static constexpr uint64_t kBlockBytes = 1 << 20;

  void grow(uint64_t count) {
    const uint64_t size = count > kBlockBytes ? count : kBlockBytes;
    blocks_.push_back(std::unique_ptr<std::byte[]>(new std::byte[size]));
    if (blocks_.size() == 1) first_block_bytes_ = size;
    next_ = blocks_.back().get();
    room_ = size;
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::byte* next_ = nullptr;
  uint64_t room_ = 0;
  uint64_t first_block_bytes_ = 0;
  uint64_t used_ = 0;
};

}  // namespace dartboard::traces
