// backend/dma/live_mappings.h - which streaming mappings are live, for strategies where that costs the host nothing.
//
// The same memory may be mapped twice at once; each mapping is given back once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "backend/dma/strategy.h"

namespace dartboard::backend::dma {

class LiveMappings {
 public:
  void add(const Mapped& mapped) {
    ++counts_[Key(mapped)];
    ++live_;
  }
  bool has(const Mapped& mapped) const { return counts_.find(Key(mapped)) != counts_.end(); }
  /// False: no such mapping is live.
  bool remove(const Mapped& mapped) {
    const auto found = counts_.find(Key(mapped));
    if (found == counts_.end()) return false;
    if (--found->second == 0) counts_.erase(found);
    --live_;
    return true;
  }
  void clear() {
    counts_.clear();
    live_ = 0;
  }
  uint64_t live() const { return live_; }

 private:
  struct Key {
    explicit Key(const Mapped& m)
        : iova(m.iova.value), gpa(m.request.gpa.value), bytes(m.request.bytes), direction(m.request.direction) {}
    uint64_t iova, gpa, bytes;
    Direction direction;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    size_t operator()(const Key& k) const noexcept {
      return static_cast<size_t>((k.iova ^ (k.bytes << 40) ^ static_cast<uint64_t>(k.direction)) *
                                 0x9e37'79b9'7f4a'7c15);
    }
  };
  std::unordered_map<Key, uint32_t, Hash> counts_;  // never walked: its order decides nothing
  uint64_t live_ = 0;
};

}  // namespace dartboard::backend::dma
