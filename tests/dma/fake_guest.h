// tests/dma/fake_guest.h - a guest with RAM and an allocator of its pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "backend/dma/guest_memory.h"
#include "backend/dma/strategy.h"

namespace dartboard::backend::dma {

/// Guest pages out of one range of RAM, first fit; what is not released is a leak.
class FakePages final : public GuestPages {
 public:
  FakePages(Gpa from, uint64_t bytes) { free_[from.value] = bytes; }
  Result<Gpa> allocate(uint64_t bytes) override;
  void release(Gpa gpa, uint64_t bytes) override;
  uint64_t allocated() const { return allocated_; }

  uint64_t fail_at = 0;  ///< this call (1: the next) fails; 0: none

 private:
  std::map<uint64_t, uint64_t> free_;
  uint64_t allocated_ = 0;
};

/// RAM at 1 GiB, as much as is asked for, whose last MiB is the guest kernel's for its own pages; and, if
/// `second_bytes` is not 0, another range that begins after a hole of 1 MiB and 4 KiB.
struct FakeGuest {
  explicit FakeGuest(uint64_t bytes = 16 * kMiB, uint64_t second_bytes = 0);
  ~FakeGuest();
  FakeGuest(const FakeGuest&) = delete;
  FakeGuest& operator=(const FakeGuest&) = delete;

  static constexpr Gpa kBase{0x4000'0000};
  GuestMemory memory;
  uint64_t usable = 0;  ///< bytes from kBase that are not the kernel's
  Gpa second;
  FakePages pages;

 private:
  std::byte* first_ram_ = nullptr;
  std::byte* second_ram_ = nullptr;
};

inline Result<Gpa> FakePages::allocate(uint64_t bytes) {
  if (fail_at != 0 && --fail_at == 0) return fail(ErrorName::kNotFound, "the test wants it so");
  for (const auto& [at, size] : free_) {
    if (size < bytes) continue;
    const uint64_t from = at, left = size - bytes;
    free_.erase(from);
    if (left != 0) free_[from + bytes] = left;
    allocated_ += bytes;
    return Gpa(from);
  }
  return fail(ErrorName::kNotFound, "no guest pages");
}

inline void FakePages::release(Gpa gpa, uint64_t bytes) {
  allocated_ -= bytes;
  auto at = free_.emplace(gpa.value, bytes).first;
  if (const auto next = std::next(at); next != free_.end() && next->first == at->first + at->second) {
    at->second += next->second;
    free_.erase(next);
  }
  if (at != free_.begin()) {
    const auto last = std::prev(at);
    EXPECT_LE(last->first + last->second, at->first) << "released twice";
    if (last->first + last->second == at->first) {
      last->second += at->second;
      free_.erase(at);
    }
  }
}

inline FakeGuest::FakeGuest(uint64_t bytes, uint64_t second_bytes)
    : usable(bytes - kMiB), second(kBase + bytes + kMiB + 4 * kKiB), pages(kBase + usable, kMiB) {
  first_ram_ = static_cast<std::byte*>(std::aligned_alloc(kMiB, round_up(bytes, kMiB)));
  std::memset(first_ram_ + usable, 0x5a, kMiB);  // what is handed out zeroed was not zero
  EXPECT_TRUE(memory.add({kBase, bytes, first_ram_}));
  if (second_bytes == 0) return;
  // As far from a page of the mapper as for the guest.
  second_ram_ = static_cast<std::byte*>(std::aligned_alloc(kMiB, round_up(second_bytes + 4 * kKiB, kMiB)));
  EXPECT_TRUE(memory.add({second, second_bytes, second_ram_ + 4 * kKiB}));
}

inline FakeGuest::~FakeGuest() {
  std::free(first_ram_);
  std::free(second_ram_);
}

}  // namespace dartboard::backend::dma
