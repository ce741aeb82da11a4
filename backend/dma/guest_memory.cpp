// backend/dma/guest_memory.cpp - see guest_memory.h.
#include "backend/dma/guest_memory.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::backend::dma {
namespace {

constexpr size_t kWalkedRangesMax = 8;

}  // namespace

Result<void> GuestMemory::add(const RamRange& range) {
  if (range.bytes == 0 || range.base == nullptr || range.bytes - 1 > UINT64_MAX - range.gpa.value) {
    return fail(ErrorName::kBadArgument, fmt::format("guest RAM of {} bytes at {:#x}: it needs bytes, memory behind "
                                                     "them, and an end below 2^64",
                                                     range.bytes, range.gpa.value));
  }
  const auto next = std::lower_bound(ranges_.begin(), ranges_.end(), range.gpa,
                                     [](const RamRange& r, Gpa gpa) { return r.gpa < gpa; });
  const bool into_next = next != ranges_.end() && next->gpa - range.gpa < range.bytes;
  const bool into_last = next != ranges_.begin() && range.gpa - std::prev(next)->gpa < std::prev(next)->bytes;
  if (into_next || into_last) {
    const RamRange& other = into_next ? *next : *std::prev(next);
    return fail(ErrorName::kBusy,
                fmt::format("guest RAM of {:#x} bytes at {:#x} overlaps the {:#x} bytes at {:#x}; take those away first",
                            range.bytes, range.gpa.value, other.bytes, other.gpa.value));
  }
  ranges_.insert(next, range);
  many_ = ranges_.size() > kWalkedRangesMax;
  return {};
}

Result<void> GuestMemory::remove(Gpa gpa) {
  const auto at = std::find_if(ranges_.begin(), ranges_.end(), [&](const RamRange& r) { return r.gpa == gpa; });
  if (at == ranges_.end()) {
    return fail(ErrorName::kNotFound, fmt::format("no guest RAM begins at {:#x}", gpa.value));
  }
  ranges_.erase(at);
  many_ = ranges_.size() > kWalkedRangesMax;
  return {};
}

const RamRange* GuestMemory::search(Gpa gpa) const {
  const auto next = std::upper_bound(ranges_.begin(), ranges_.end(), gpa,
                                     [](Gpa g, const RamRange& r) { return g < r.gpa; });
  if (next == ranges_.begin()) return nullptr;
  const RamRange& range = *std::prev(next);
  return gpa - range.gpa < range.bytes ? &range : nullptr;
}

bool GuestMemory::covers(Gpa gpa, uint64_t bytes) const {
  while (bytes != 0) {
    const RamRange* range = find(gpa);
    if (range == nullptr) return false;
    const uint64_t part = std::min(bytes, range->bytes - (gpa - range->gpa));
    bytes -= part;
    if (bytes != 0 && gpa.value > UINT64_MAX - part) return false;
    gpa = gpa + part;
  }
  return true;
}

bool GuestMemory::read(Gpa gpa, std::span<std::byte> data) const {
  if (!covers(gpa, data.size())) return false;
  while (!data.empty()) {
    const RamRange* range = find(gpa);
    const uint64_t part = std::min<uint64_t>(data.size(), range->bytes - (gpa - range->gpa));
    std::memcpy(data.data(), range->base + (gpa - range->gpa), part);
    data = data.subspan(part);
    gpa = gpa + part;
  }
  return true;
}

bool GuestMemory::write(Gpa gpa, std::span<const std::byte> data) const {
  if (!covers(gpa, data.size())) return false;
  while (!data.empty()) {
    const RamRange* range = find(gpa);
    const uint64_t part = std::min<uint64_t>(data.size(), range->bytes - (gpa - range->gpa));
    std::memcpy(range->base + (gpa - range->gpa), data.data(), part);
    data = data.subspan(part);
    gpa = gpa + part;
  }
  return true;
}

uint64_t GuestMemory::bytes() const {
  uint64_t sum = 0;
  for (const RamRange& range : ranges_) sum += range.bytes;
  return sum;
}

}  // namespace dartboard::backend::dma
