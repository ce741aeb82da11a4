// model/extent_allocator.cpp - bins, splitting and merging.
#include "model/extent_allocator.h"

#include <bit>
#include <cassert>
#include <cstdlib>

namespace dartboard::model {

namespace {
constexpr unsigned kSplitBits = 3;  // 8 classes an octave: at most 1/8 of an extent's size is overlooked
}  // namespace

ExtentAllocator::ExtentAllocator(uint32_t units) {
  assert(units <= kUnitsMax);
  // calloc of this size is zero pages that cost nothing until touched, on Linux and macOS alike.
  tags_ = static_cast<Tag*>(std::calloc(units == 0 ? 1 : units, sizeof(Tag)));
  units_ = tags_ == nullptr ? 0 : units;
  reset();
}

ExtentAllocator::~ExtentAllocator() {
  std::free(tags_);
}

void ExtentAllocator::reset() {
  heads_.fill(kNil);
  bins_used_.fill(0);
  live_units_ = 0;
  live_extents_ = 0;
  // Old tags inside the one free extent are never looked at: only tags at its ends are.
  if (units_ != 0) insert(0, units_);
}

unsigned ExtentAllocator::bin_of(uint32_t length) {
  if (length < (1u << kSplitBits)) return length;
  const unsigned octave = static_cast<unsigned>(std::bit_width(length)) - 1;
  return ((octave - kSplitBits + 1) << kSplitBits) + ((length >> (octave - kSplitBits)) & ((1u << kSplitBits) - 1));
}

/// Smallest length for which every extent of its bin is at least `length`.
uint32_t ExtentAllocator::round_up_to_bin(uint32_t length) {
  if (length < (1u << kSplitBits)) return length;
  const unsigned octave = static_cast<unsigned>(std::bit_width(length)) - 1;
  return static_cast<uint32_t>(round_up(length, uint64_t{1} << (octave - kSplitBits)));
}

unsigned ExtentAllocator::first_bin_from(unsigned bin) const {
  if (bin >= kBins) return kBins;
  unsigned word = bin / 64;
  uint64_t bits = bins_used_[word] & (~uint64_t{0} << (bin % 64));
  while (bits == 0) {
    if (++word == bins_used_.size()) return kBins;
    bits = bins_used_[word];
  }
  return word * 64 + static_cast<unsigned>(std::countr_zero(bits));
}

void ExtentAllocator::set_extent(uint32_t first, uint32_t length, bool used, bool mark) {
  Tag& tag = tags_[first];
  tag.length = length;
  tag.used = used;
  tag.mark = mark;
  tags_[first + length - 1].back = first;
}

void ExtentAllocator::insert(uint32_t first, uint32_t length) {
  set_extent(first, length, false, false);
  const unsigned bin = bin_of(length);
  tags_[first].previous = kNil;
  tags_[first].next = heads_[bin];
  if (heads_[bin] != kNil) tags_[heads_[bin]].previous = first;
  heads_[bin] = first;
  bins_used_[bin / 64] |= uint64_t{1} << (bin % 64);
}

void ExtentAllocator::remove(uint32_t first) {
  const Tag& tag = tags_[first];
  const unsigned bin = bin_of(tag.length);
  if (tag.previous != kNil) {
    tags_[tag.previous].next = tag.next;
  } else {
    heads_[bin] = tag.next;
    if (tag.next == kNil) bins_used_[bin / 64] &= ~(uint64_t{1} << (bin % 64));
  }
  if (tag.next != kNil) tags_[tag.next].previous = tag.previous;
}

uint32_t ExtentAllocator::allocate(uint32_t count, uint32_t align, bool mark) {
  assert(is_power_of_two(align));
  if (count == 0 || count > units_) return kNone;
  const auto aligned_start = [align](uint32_t first) { return static_cast<uint32_t>(round_up(first, align)); };

  // Good fit: any extent of the bin holds the count wherever the alignment falls.
  uint32_t found = kNil;
  const uint64_t generous = uint64_t{count} + align - 1;
  if (generous <= units_) {
    const unsigned bin = first_bin_from(bin_of(round_up_to_bin(static_cast<uint32_t>(generous))));
    if (bin != kBins) found = heads_[bin];
  }
  // Nearly full: an extent that only just fits may still be there.
  for (unsigned bin = first_bin_from(bin_of(count)); found == kNil && bin != kBins; bin = first_bin_from(bin + 1)) {
    for (uint32_t at = heads_[bin]; at != kNil; at = tags_[at].next) {
      if (uint64_t{aligned_start(at)} + count <= uint64_t{at} + tags_[at].length) {
        found = at;
        break;
      }
    }
  }
  if (found == kNil) return kNone;

  remove(found);
  const uint32_t end = found + tags_[found].length;
  const uint32_t first = aligned_start(found);
  if (first != found) insert(found, first - found);
  if (end != first + count) insert(first + count, end - first - count);
  set_extent(first, count, true, mark);
  live_units_ += count;
  ++live_extents_;
  return first;
}

void ExtentAllocator::release(uint32_t first) {
  assert(first < units_ && tags_[first].used && tags_[first + tags_[first].length - 1].back == first);
  uint32_t begin = first;
  uint32_t end = first + tags_[first].length;
  live_units_ -= end - begin;
  --live_extents_;
  if (end < units_ && !tags_[end].used) {
    const uint32_t neighbour = end;
    remove(neighbour);
    end += tags_[neighbour].length;
  }
  if (begin > 0) {
    const uint32_t neighbour = tags_[begin - 1].back;
    if (!tags_[neighbour].used) {
      remove(neighbour);
      begin = neighbour;
    }
  }
  insert(begin, end - begin);
}

}  // namespace dartboard::model
