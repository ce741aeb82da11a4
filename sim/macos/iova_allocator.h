// sim/macos/iova_allocator.h - which pages of the IOVA window are free, by address.
//
// An AVL tree of free extents ordered by address; each node knows the largest extent below it, so that the lowest and
// the highest place that fits, and the first one after a given address, are found in O(log n) whatever the number of
// live mappings. Works in page numbers. A block includes its guard pages: the caller adds them.
#pragma once

#include <cstdint>
#include <vector>

namespace dartboard::macos {

class IovaAllocator {
 public:
  static constexpr uint64_t kNone = UINT64_MAX;
  static constexpr uint64_t kNoLimit = UINT64_MAX;

  /// Manages pages [first, first + pages); all free.
  void reset(uint64_t first, uint64_t pages);

  // Each returns the first page of a block of `pages` (> 0), or kNone. The block starts at a multiple of `align` (power
  // of two) and ends at or below page `limit`.
  uint64_t allocate_lowest(uint64_t pages, uint64_t align = 1, uint64_t limit = kNoLimit) {
    return allocate_from(0, pages, align, limit);
  }
  uint64_t allocate_highest(uint64_t pages, uint64_t align = 1, uint64_t limit = kNoLimit);
  /// The lowest place at or above page `from`.
  uint64_t allocate_from(uint64_t from, uint64_t pages, uint64_t align = 1, uint64_t limit = kNoLimit);
  /// Exactly [at, at + pages). False: some of it is taken or outside.
  bool allocate_at(uint64_t at, uint64_t pages);
  /// Gives a block back. It must be allocated, whole.
  void release(uint64_t at, uint64_t pages);

  uint64_t free_pages() const { return free_pages_; }
  uint64_t free_extents() const { return extents_; }
  uint64_t largest_free() const { return root_ == kNil ? 0 : nodes_[root_].largest; }
  uint64_t first() const { return first_; }
  uint64_t pages() const { return pages_; }

 private:
  static constexpr uint32_t kNil = UINT32_MAX;
  static constexpr unsigned kDepthMax = 64;  // an AVL tree of 2^32 nodes is at most 46 high
  struct Node {
    uint64_t start, pages, largest;
    uint32_t left, right;
    int32_t height;
  };
  struct Path {
    uint32_t nodes[kDepthMax];
    unsigned depth = 0;
    void push(uint32_t n) { nodes[depth++] = n; }
  };

  int32_t height(uint32_t n) const { return n == kNil ? 0 : nodes_[n].height; }
  uint64_t largest(uint32_t n) const { return n == kNil ? 0 : nodes_[n].largest; }
  void pull(uint32_t n);
  uint32_t rotate_left(uint32_t n);
  uint32_t rotate_right(uint32_t n);
  uint32_t balance(uint32_t n);
  void replace_child(const Path& path, unsigned level, uint32_t old_child, uint32_t new_child);
  void settle(const Path& path);  // recompute and rebalance upwards
  void insert(uint64_t start, uint64_t pages);
  void erase(uint64_t start);
  void change(uint64_t start, uint64_t new_start, uint64_t new_pages);  // order must not change
  uint32_t at_or_before(uint64_t page) const;
  uint32_t after(uint64_t page) const;
  uint32_t lowest_fit(uint32_t n, uint64_t from, uint64_t pages) const;
  uint32_t highest_fit(uint32_t n, uint64_t below, uint64_t pages) const;
  void carve(uint32_t n, uint64_t at, uint64_t pages);

  std::vector<Node> nodes_;
  uint32_t root_ = kNil;
  uint32_t spare_ = kNil;  // free nodes, linked by `left`
  uint64_t first_ = 0, pages_ = 0;
  uint64_t free_pages_ = 0;
  uint64_t extents_ = 0;
};

}  // namespace dartboard::macos
