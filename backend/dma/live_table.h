// backend/dma/live_table.h - which streaming mappings are live, and which reservation serves each.
//
// The same memory may be mapped twice at once, and each mapping is given back once: the table counts. Open addressing,
// because this is on the path of a map that needs no host: an allocation there would cost as much as all the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "backend/dma/strategy.h"

namespace dartboard::backend::dma {

class LiveTable {
 public:
  struct Use {
    Iova iova;
    Gpa gpa;
    uint64_t bytes = 0;
    uint32_t count = 0;  ///< 0: an empty place
    uint32_t reservation = 0;
    Direction direction = Direction::kBidirectional;
  };

  void add(const Mapped& mapped, uint32_t reservation) {
    if ((places_ + 1) * 2 > uses_.size()) grow();
    Use& use = uses_[probe(mapped.iova, mapped.request)];
    if (use.count == 0) {
      use = {mapped.iova, mapped.request.gpa, mapped.request.bytes, 0, reservation, mapped.request.direction};
      ++places_;
    }
    ++use.count;
    ++live_;
  }

  /// Null: no such mapping is live. Valid until the next add() or remove().
  const Use* find(const Mapped& mapped) const {
    if (places_ == 0) return nullptr;
    const Use& use = uses_[probe(mapped.iova, mapped.request)];
    return use.count != 0 ? &use : nullptr;
  }

  /// One of the mappings that `use`, which find() gave, stands for.
  void remove(const Use* use) {
    auto hole = static_cast<size_t>(use - uses_.data());
    --live_;
    if (--uses_[hole].count != 0) return;
    --places_;
    // Close the gap: a use moves back into the hole unless its home lies behind the hole.
    for (size_t next = (hole + 1) & mask(); uses_[next].count != 0; next = (next + 1) & mask()) {
      const size_t home = home_of(uses_[next].iova, uses_[next].bytes);
      if (((next - home) & mask()) >= ((next - hole) & mask())) {
        uses_[hole] = uses_[next];
        hole = next;
      }
    }
    uses_[hole] = {};
  }

  uint64_t live() const { return live_; }

  /// In no order that means anything.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Use& use : uses_) {
      if (use.count != 0) visit(use);
    }
  }

  void clear() {
    uses_.clear();
    places_ = live_ = 0;
  }

 private:
  static constexpr size_t kPlacesMin = 64;

  size_t mask() const { return uses_.size() - 1; }
  size_t home_of(Iova iova, uint64_t bytes) const {
    return ((iova.value + (bytes << 44)) * 0x9e37'79b9'7f4a'7c15 >> 32) & mask();
  }
  size_t probe(Iova iova, const MapRequest& request) const {
    size_t at = home_of(iova, request.bytes);
    for (;; at = (at + 1) & mask()) {
      const Use& use = uses_[at];
      if (use.count == 0) return at;
      if (use.iova == iova && use.bytes == request.bytes && use.gpa == request.gpa &&
          use.direction == request.direction) {
        return at;
      }
    }
  }
  void grow() {
    const std::vector<Use> old = std::exchange(uses_, {});
    uses_.resize(old.empty() ? kPlacesMin : old.size() * 2);
    for (const Use& use : old) {
      if (use.count != 0) uses_[probe(use.iova, {use.gpa, use.bytes, use.direction, Context::kSleeping})] = use;
    }
  }

  std::vector<Use> uses_;  ///< a power of two of them, at most half used
  size_t places_ = 0;
  uint64_t live_ = 0;
};

}  // namespace dartboard::backend::dma
