// backend/key_table.h - a map from 64-bit keys to 64-bit values that stays quick with 60,000 entries.
//
// Open addressing with linear probing: one cache line for a look-up, no allocation per entry. A node-based map costs a
// walk through cold memory at each insertion, which showed as half of the price of a DMA map at that size.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dartboard::backend {

class KeyTable {
 public:
  size_t size() const { return count_; }

  /// The value of `key`, or null. Valid until the next insert() or erase().
  uint64_t* find(uint64_t key) {
    if (count_ == 0) return nullptr;
    Entry& entry = entries_[probe(key)];
    return entry.used ? &entry.value : nullptr;
  }

  /// `key` must not be there.
  void insert(uint64_t key, uint64_t value) {
    if ((count_ + 1) * 2 > entries_.size()) grow();
    Entry& entry = entries_[probe(key)];
    assert(!entry.used);
    entry = {key, value, true};
    ++count_;
  }

  /// `key` must be there.
  void erase(uint64_t key) {
    size_t hole = probe(key);
    assert(entries_[hole].used);
    // Close the gap: an entry moves back into the hole unless its home lies behind the hole.
    for (size_t next = (hole + 1) & mask(); entries_[next].used; next = (next + 1) & mask()) {
      const size_t home = home_of(entries_[next].key);
      if (((next - home) & mask()) >= ((next - hole) & mask())) {
        entries_[hole] = entries_[next];
        hole = next;
      }
    }
    entries_[hole] = {};
    --count_;
  }

  /// Keys in ascending order.
  std::vector<uint64_t> keys() const;

  void clear() {
    entries_.clear();
    count_ = 0;
  }

 private:
  struct Entry {
    uint64_t key = 0;
    uint64_t value = 0;
    bool used = false;
  };
  size_t mask() const { return entries_.size() - 1; }
  // Guest addresses share their low bits; the upper half of the product depends on all of the key.
  size_t home_of(uint64_t key) const { return (key * 0x9e37'79b9'7f4a'7c15 >> 32) & mask(); }
  size_t probe(uint64_t key) const {
    size_t slot = home_of(key);
    while (entries_[slot].used && entries_[slot].key != key) slot = (slot + 1) & mask();
    return slot;
  }
  void grow();

  std::vector<Entry> entries_;   ///< a power of two of them, at most half used
  size_t count_ = 0;
};

}  // namespace dartboard::backend
