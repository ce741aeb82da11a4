// traces/sparse_shadow.h - the last known bytes of a large memory, page by page; pages never written are zero.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>

#include "traces/event.h"

namespace dartboard::traces {

class SparseShadow {
 public:
  static constexpr uint64_t kPageBytes = 4096;
  using Page = std::array<std::byte, kPageBytes>;

  /// Stores `data` at `offset`. A zero fill makes no pages: clearing gigabytes costs nothing.
  void write(uint64_t offset, const Payload& data) {
    for_each_page(offset, data.length, [&](uint64_t page, uint64_t in_page, uint64_t done, uint64_t count) {
      auto found = pages_.find(page);
      if (found == pages_.end()) {
        if (data.is_fill() && data.fill == std::byte{0}) return;
        found = pages_.emplace(page, std::make_unique<Page>()).first;  // zeroed
      }
      data.copy_to(done, {found->second->data() + in_page, count});
    });
  }

  /// Calls difference(first, last) for each page's part of `data` at `offset` that is not what the shadow holds:
  /// indices into `data` of the first and last byte that differ within that page.
  template <class F>
  void compare(uint64_t offset, const Payload& data, F difference) const {
    static constexpr Page kZeroPage{};
    for_each_page(offset, data.length, [&](uint64_t page, uint64_t in_page, uint64_t done, uint64_t count) {
      const auto found = pages_.find(page);
      const std::byte* const known = (found == pages_.end() ? kZeroPage : *found->second).data() + in_page;
      uint64_t first = data.part(done, count).first_difference({known, count});
      if (first == count) return;
      uint64_t last = count - 1;
      while (data.at(done + last) == known[last]) --last;
      difference(done + first, done + last);
    });
  }

  uint64_t bytes() const { return pages_.size() * kPageBytes; }

 private:
  template <class F>
  static void for_each_page(uint64_t offset, uint64_t length, F visit) {
    for (uint64_t done = 0; done < length;) {
      const uint64_t in_page = (offset + done) % kPageBytes;
      const uint64_t count = std::min(kPageBytes - in_page, length - done);
      visit((offset + done) / kPageBytes, in_page, done, count);
      done += count;
    }
  }

  std::map<uint64_t, std::unique_ptr<Page>> pages_;
};

}  // namespace dartboard::traces
