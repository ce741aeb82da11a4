// sim/macos/iova_allocator.cpp - the tree of free extents.
#include "sim/macos/iova_allocator.h"

#include <algorithm>
#include <cassert>

#include "base/types.h"

namespace dartboard::macos {

void IovaAllocator::reset(uint64_t first, uint64_t pages) {
  nodes_.clear();
  root_ = spare_ = kNil;
  first_ = first;
  pages_ = pages;
  free_pages_ = pages;
  extents_ = 0;
  if (pages != 0) insert(first, pages);
}

void IovaAllocator::pull(uint32_t n) {
  Node& node = nodes_[n];
  node.height = 1 + std::max(height(node.left), height(node.right));
  node.largest = std::max({node.pages, largest(node.left), largest(node.right)});
}

uint32_t IovaAllocator::rotate_left(uint32_t n) {
  const uint32_t r = nodes_[n].right;
  nodes_[n].right = nodes_[r].left;
  nodes_[r].left = n;
  pull(n);
  pull(r);
  return r;
}

uint32_t IovaAllocator::rotate_right(uint32_t n) {
  const uint32_t l = nodes_[n].left;
  nodes_[n].left = nodes_[l].right;
  nodes_[l].right = n;
  pull(n);
  pull(l);
  return l;
}

uint32_t IovaAllocator::balance(uint32_t n) {
  pull(n);
  Node& node = nodes_[n];
  const int32_t lean = height(node.left) - height(node.right);
  if (lean > 1) {
    const Node& left = nodes_[node.left];
    if (height(left.left) < height(left.right)) node.left = rotate_left(node.left);
    return rotate_right(n);
  }
  if (lean < -1) {
    const Node& right = nodes_[node.right];
    if (height(right.right) < height(right.left)) node.right = rotate_right(node.right);
    return rotate_left(n);
  }
  return n;
}

void IovaAllocator::replace_child(const Path& path, unsigned level, uint32_t old_child, uint32_t new_child) {
  if (level == 0) {
    root_ = new_child;
    return;
  }
  Node& parent = nodes_[path.nodes[level - 1]];
  (parent.left == old_child ? parent.left : parent.right) = new_child;
}

void IovaAllocator::settle(const Path& path) {
  for (unsigned i = path.depth; i-- > 0;) {
    const uint32_t old_top = path.nodes[i];
    const uint32_t new_top = balance(old_top);
    if (new_top != old_top) replace_child(path, i, old_top, new_top);
  }
}

void IovaAllocator::insert(uint64_t start, uint64_t pages) {
  uint32_t fresh;
  if (spare_ != kNil) {
    fresh = spare_;
    spare_ = nodes_[fresh].left;
  } else {
    fresh = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  }
  nodes_[fresh] = {start, pages, pages, kNil, kNil, 1};
  ++extents_;
  Path path;
  for (uint32_t n = root_; n != kNil; n = start < nodes_[n].start ? nodes_[n].left : nodes_[n].right) path.push(n);
  if (path.depth == 0) {
    root_ = fresh;
    return;
  }
  Node& parent = nodes_[path.nodes[path.depth - 1]];
  (start < parent.start ? parent.left : parent.right) = fresh;
  settle(path);
}

void IovaAllocator::erase(uint64_t start) {
  Path path;
  uint32_t n = root_;
  while (nodes_[n].start != start) {
    path.push(n);
    n = start < nodes_[n].start ? nodes_[n].left : nodes_[n].right;
  }
  if (nodes_[n].left != kNil && nodes_[n].right != kNil) {
    // Two children: the next extent takes this node's place, and its own node goes.
    path.push(n);
    uint32_t next = nodes_[n].right;
    while (nodes_[next].left != kNil) {
      path.push(next);
      next = nodes_[next].left;
    }
    nodes_[n].start = nodes_[next].start;
    nodes_[n].pages = nodes_[next].pages;
    n = next;
  }
  const uint32_t child = nodes_[n].left != kNil ? nodes_[n].left : nodes_[n].right;
  replace_child(path, path.depth, n, child);
  nodes_[n].left = spare_;
  spare_ = n;
  --extents_;
  settle(path);
}

void IovaAllocator::change(uint64_t start, uint64_t new_start, uint64_t new_pages) {
  Path path;
  uint32_t n = root_;
  while (nodes_[n].start != start) {
    path.push(n);
    n = start < nodes_[n].start ? nodes_[n].left : nodes_[n].right;
  }
  nodes_[n].start = new_start;
  nodes_[n].pages = new_pages;
  pull(n);
  for (unsigned i = path.depth; i-- > 0;) {
    const uint64_t before = nodes_[path.nodes[i]].largest;
    pull(path.nodes[i]);
    if (nodes_[path.nodes[i]].largest == before) break;  // nothing above depends on more than this
  }
}

uint32_t IovaAllocator::at_or_before(uint64_t page) const {
  uint32_t best = kNil;
  for (uint32_t n = root_; n != kNil;) {
    if (nodes_[n].start <= page) {
      best = n;
      n = nodes_[n].right;
    } else {
      n = nodes_[n].left;
    }
  }
  return best;
}

uint32_t IovaAllocator::after(uint64_t page) const {
  uint32_t best = kNil;
  for (uint32_t n = root_; n != kNil;) {
    if (nodes_[n].start > page) {
      best = n;
      n = nodes_[n].left;
    } else {
      n = nodes_[n].right;
    }
  }
  return best;
}

/// The lowest extent that has `pages` at or above `from`. Recursion is as deep as the tree; below the boundary path
/// `largest` decides alone, so each level is visited once.
uint32_t IovaAllocator::lowest_fit(uint32_t n, uint64_t from, uint64_t pages) const {
  while (largest(n) >= pages) {
    const Node& node = nodes_[n];
    if (node.start >= from) {
      const uint32_t in_left = lowest_fit(node.left, from, pages);
      if (in_left != kNil) return in_left;
      if (node.pages >= pages) return n;
    } else {
      const uint64_t end = node.start + node.pages;
      if (end > from && end - from >= pages) return n;
    }
    n = node.right;
  }
  return kNil;
}

/// The highest extent that has `pages` below page `below`.
uint32_t IovaAllocator::highest_fit(uint32_t n, uint64_t below, uint64_t pages) const {
  while (largest(n) >= pages) {
    const Node& node = nodes_[n];
    if (node.start + node.pages <= below) {
      const uint32_t in_right = highest_fit(node.right, below, pages);
      if (in_right != kNil) return in_right;
      if (node.pages >= pages) return n;
    } else if (node.start < below) {
      if (below - node.start >= pages) return n;
    }
    n = node.left;
  }
  return kNil;
}

uint64_t IovaAllocator::allocate_from(uint64_t from, uint64_t pages, uint64_t align, uint64_t limit) {
  assert(pages != 0 && is_power_of_two(align));
  for (;;) {
    const uint32_t n = lowest_fit(root_, from, pages);
    if (n == kNil) return kNone;
    const uint64_t end = nodes_[n].start + nodes_[n].pages;
    const uint64_t at = round_up(std::max(from, nodes_[n].start), align);
    if (at <= end && end - at >= pages) {
      if (at > limit || limit - at < pages) return kNone;
      carve(n, at, pages);
      return at;
    }
    from = end;  // alignment ate the room: the next extent
  }
}

uint64_t IovaAllocator::allocate_highest(uint64_t pages, uint64_t align, uint64_t limit) {
  assert(pages != 0 && is_power_of_two(align));
  for (uint64_t below = limit;;) {
    const uint32_t n = highest_fit(root_, below, pages);
    if (n == kNil) return kNone;
    const uint64_t start = nodes_[n].start;
    const uint64_t end = std::min(start + nodes_[n].pages, below);
    const uint64_t at = round_down(end - pages, align);
    if (at >= start) {
      carve(n, at, pages);
      return at;
    }
    below = start;
  }
}

bool IovaAllocator::allocate_at(uint64_t at, uint64_t pages) {
  const uint32_t n = at_or_before(at);
  if (n == kNil || !in_range(at - nodes_[n].start, pages, nodes_[n].pages)) return false;
  carve(n, at, pages);
  return true;
}

void IovaAllocator::carve(uint32_t n, uint64_t at, uint64_t pages) {
  const uint64_t start = nodes_[n].start;
  const uint64_t before = at - start;
  const uint64_t behind = start + nodes_[n].pages - (at + pages);
  if (before == 0 && behind == 0) {
    erase(start);
  } else if (before == 0) {
    change(start, at + pages, behind);
  } else {
    change(start, start, before);
    if (behind != 0) insert(at + pages, behind);
  }
  free_pages_ -= pages;
}

void IovaAllocator::release(uint64_t at, uint64_t pages) {
  const uint32_t before = at_or_before(at);
  const uint32_t behind = after(at);
  const bool joins_before = before != kNil && nodes_[before].start + nodes_[before].pages == at;
  const bool joins_behind = behind != kNil && nodes_[behind].start == at + pages;
  assert(before == kNil || nodes_[before].start + nodes_[before].pages <= at);
  assert(behind == kNil || nodes_[behind].start >= at + pages);
  free_pages_ += pages;
  if (joins_before && joins_behind) {
    const uint64_t start = nodes_[before].start;
    const uint64_t total = nodes_[before].pages + pages + nodes_[behind].pages;
    erase(at + pages);
    change(start, start, total);
  } else if (joins_before) {
    change(nodes_[before].start, nodes_[before].start, nodes_[before].pages + pages);
  } else if (joins_behind) {
    change(at + pages, at, nodes_[behind].pages + pages);
  } else {
    insert(at, pages);
  }
}

}  // namespace dartboard::macos
