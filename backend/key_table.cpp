// backend/key_table.cpp - growth and enumeration.
#include "backend/key_table.h"

#include <algorithm>
#include <utility>

namespace dartboard::backend {

void KeyTable::grow() {
  constexpr size_t kEntriesMin = 64;
  const std::vector<Entry> old = std::exchange(entries_, {});
  entries_.resize(old.empty() ? kEntriesMin : old.size() * 2);
  for (const Entry& entry : old) {
    if (entry.used) entries_[probe(entry.key)] = entry;
  }
}

std::vector<uint64_t> KeyTable::keys() const {
  std::vector<uint64_t> keys;
  keys.reserve(count_);
  for (const Entry& entry : entries_) {
    if (entry.used) keys.push_back(entry.key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace dartboard::backend
