// backend/dma/dirty_log.cpp - see dirty_log.h.
#include "backend/dma/dirty_log.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <mutex>

#include <fmt/format.h>

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kStripeWords = 256;  // 64 MiB
constexpr uint64_t kStripePages = kStripeWords * 64;
constexpr uint64_t kBlockWords = kStripeWords / 64;   // what one bit of Stripe::dirty stands for: 1 MiB
constexpr uint64_t kBlockPages = kBlockWords * 64;

/// Bits [first, last] of a word.
constexpr uint64_t bits_between(unsigned first, unsigned last) {
  return (~uint64_t{0} << first) & (~uint64_t{0} >> (63 - last));
}

/// The bits of word `word` that lie in pages [first, last], both counted from word 0.
constexpr uint64_t bits_in_word(uint64_t word, uint64_t first, uint64_t last) {
  return bits_between(word == first / 64 ? static_cast<unsigned>(first % 64) : 0,
                      word == last / 64 ? static_cast<unsigned>(last % 64) : 63);
}

}  // namespace

Result<void> DirtyLog::check(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<const uint64_t> bitmap) {
  if (!is_power_of_two(page_bytes) || page_bytes < kPageBytes || from.value % page_bytes != 0) {
    return fail(
        ErrorName::kBadArgument,
        fmt::format("dirty pages from {:#x}, of {} bytes each: pages are a power of two of at least {}, and the "
                    "range begins on one",
                    from.value, page_bytes, kPageBytes));
  }
  if (bytes != 0 && bytes - 1 > UINT64_MAX - from.value) {
    return fail(ErrorName::kBadArgument,
                fmt::format("dirty pages of {:#x} bytes from {:#x}: the range wraps", bytes, from.value));
  }
  const uint64_t pages = bytes == 0 ? 0 : (bytes - 1) / page_bytes + 1;
  const uint64_t words = pages / 64 + (pages % 64 != 0 ? 1 : 0);
  if (bitmap.size() < words) {
    return fail(ErrorName::kBadArgument,
                fmt::format("dirty pages: {} pages need a bitmap of {} words of 64 bits, it has {}", pages, words,
                            bitmap.size()));
  }
  return {};
}

void DirtyLog::follow(const GuestMemory& memory) {
  std::vector<std::unique_ptr<Range>> next;
  for (const RamRange& ram : memory.ranges()) {
    const auto known = std::find_if(ranges_.begin(), ranges_.end(), [&](const std::unique_ptr<Range>& range) {
      return range != nullptr && range->gpa == ram.gpa && range->bytes == ram.bytes;
    });
    if (known != ranges_.end()) {
      next.push_back(std::move(*known));
      continue;
    }
    auto range = std::make_unique<Range>();
    range->gpa = ram.gpa;
    range->bytes = ram.bytes;
    range->first_page = round_down(ram.gpa.value / kPageBytes, 64);
    const uint64_t words = (range->last_page() - range->first_page) / 64 + 1;
    range->dirty.resize(words);
    range->live.resize(words);
    range->stripes = std::make_unique<Stripe[]>((words - 1) / kStripeWords + 1);
    next.push_back(std::move(range));
  }
  ranges_ = std::move(next);
}

void DirtyLog::change(Gpa gpa, uint64_t bytes, Change change) {
  if (bytes == 0 || bytes - 1 > UINT64_MAX - gpa.value) return;
  const uint64_t first = gpa.value / kPageBytes, last = (gpa.value + (bytes - 1)) / kPageBytes;
  for (const std::unique_ptr<Range>& range : ranges_) {
    if (range->last_page() < first) continue;
    if (range->gpa.value / kPageBytes > last) break;
    change_pages(*range, std::max(first, range->gpa.value / kPageBytes) - range->first_page,
                 std::min(last, range->last_page()) - range->first_page, change);
  }
}

/// Pages [first, last] of the range, counted from its word 0.
void DirtyLog::change_pages(Range& range, uint64_t first, uint64_t last, Change change) {
  if (change == Change::kAdd) {
    const std::lock_guard held(range.counts_lock);
    if (range.counts.empty()) range.counts.resize(range.dirty.size() * 64);
  }
  for (uint64_t stripe = first / kStripePages; stripe <= last / kStripePages; ++stripe) {
    const uint64_t from = std::max(first, stripe * kStripePages);
    const uint64_t to = std::min(last, stripe * kStripePages + (kStripePages - 1));
    Stripe& s = range.stripes[stripe];
    const std::lock_guard held(s.lock);
    if (change != Change::kMark && !range.counts.empty()) {
      for (uint64_t page = from; page <= to; ++page) {
        uint32_t& count = range.counts[page];
        const uint64_t bit = uint64_t{1} << page % 64;
        if (change == Change::kAdd) {
          if (count++ == 0) {
            range.live[page / 64] |= bit;
            ++s.live_pages;
          }
        } else if (count != 0 && --count == 0) {
          range.live[page / 64] &= ~bit;
          --s.live_pages;
        }
      }
    }
    if (change == Change::kAdd) continue;
    s.dirty |= bits_between(static_cast<unsigned>(from % kStripePages / kBlockPages),
                            static_cast<unsigned>(to % kStripePages / kBlockPages));
    const uint64_t first_word = from / 64, last_word = to / 64;
    range.dirty[first_word] |= bits_in_word(first_word, from, to);
    if (first_word == last_word) continue;
    std::fill(range.dirty.begin() + static_cast<std::ptrdiff_t>(first_word + 1),
              range.dirty.begin() + static_cast<std::ptrdiff_t>(last_word), ~uint64_t{0});
    range.dirty[last_word] |= bits_in_word(last_word, from, to);
  }
}

Result<void> DirtyLog::collect(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) {
  if (auto good = check(from, bytes, page_bytes, bitmap); !good) return good;
  if (bytes == 0) return {};
  const uint64_t first = from.value / kPageBytes;
  // The last page is told whole, so all of its 4 KiB parts are.
  const uint64_t last = round_down(from.value + (bytes - 1), page_bytes) / kPageBytes + (page_bytes / kPageBytes - 1);
  for (const std::unique_ptr<Range>& range : ranges_) {
    if (range->last_page() < first) continue;
    if (range->gpa.value / kPageBytes > last) break;
    collect_range(*range, std::max(first, range->gpa.value / kPageBytes), std::min(last, range->last_page()), first,
                  page_bytes / kPageBytes, bitmap);
  }
  return {};
}

/// Pages [first, last] by their number in guest memory.
void DirtyLog::collect_range(Range& range, uint64_t first, uint64_t last, uint64_t from_page, uint64_t pages_per_bit,
                             std::span<uint64_t> bitmap) {
  // Distance from a word's number to its place in the bitmap, when each page has a bit and words fall on words.
  const bool words_match = pages_per_bit == 1 && from_page % 64 == 0;
  const uint64_t begin = first - range.first_page, end = last - range.first_page;
  for (uint64_t stripe = begin / kStripePages; stripe <= end / kStripePages; ++stripe) {
    const uint64_t from = std::max(begin, stripe * kStripePages);
    const uint64_t to = std::min(end, stripe * kStripePages + (kStripePages - 1));
    Stripe& s = range.stripes[stripe];
    const std::lock_guard held(s.lock);
    if (s.dirty == 0 && s.live_pages == 0) continue;
    const uint64_t blocks = s.dirty;
    if (to - from == kStripePages - 1) s.dirty = 0;  // nothing of it is left
    uint64_t word = from / 64;
    const uint64_t last_word = to / 64;
    while (word <= last_word) {
      const uint64_t asked = bits_in_word(word, from, to);
      if (words_match && asked == ~uint64_t{0}) {
        // Whole words, as many as there are: streams without a branch, which the compiler turns into vectors.
        uint64_t count = last_word - word + 1;
        if (bits_in_word(last_word, from, to) != ~uint64_t{0}) --count;
        uint64_t* __restrict out = &bitmap[range.first_page / 64 + word - from_page / 64];
        uint64_t* __restrict dirty = &range.dirty[word];
        const uint64_t* __restrict live = &range.live[word];
        if (blocks == ~uint64_t{0}) {
          if (s.live_pages == 0) {
            for (uint64_t n = 0; n < count; ++n) out[n] |= dirty[n];
          } else {
            for (uint64_t n = 0; n < count; ++n) out[n] |= dirty[n] | live[n];
          }
          std::fill_n(dirty, count, 0);
        } else {
          if (s.live_pages != 0) {
            for (uint64_t n = 0; n < count; ++n) out[n] |= live[n];
          }
          // Few blocks were written: they alone are looked at.
          for (uint64_t left = blocks; left != 0; left &= left - 1) {
            const uint64_t block = stripe * kStripeWords + static_cast<uint64_t>(std::countr_zero(left)) * kBlockWords;
            const uint64_t end_word = std::min(block + kBlockWords, word + count);
            for (uint64_t w = std::max(block, word); w < end_word; ++w) {
              out[w - word] |= dirty[w - word];
              dirty[w - word] = 0;
            }
          }
        }
        word += count;
        continue;
      }
      uint64_t told = (range.dirty[word] | range.live[word]) & asked;
      range.dirty[word] &= ~asked;
      while (told != 0) {
        const uint64_t page = range.first_page + word * 64 + static_cast<uint64_t>(std::countr_zero(told));
        const uint64_t bit = (page - from_page) / pages_per_bit;
        bitmap[bit / 64] |= uint64_t{1} << bit % 64;
        told &= told - 1;
      }
      ++word;
    }
  }
}

}  // namespace dartboard::backend::dma
