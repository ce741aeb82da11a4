// backend/dma/request.cpp - see request.h.
#include "backend/dma/request.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::backend::dma {

Result<std::byte*> check_request(const GuestMemory& memory, const MapRequest& request) {
  const uint64_t gpa = request.gpa.value;
  if (request.bytes == 0 || request.bytes - 1 > UINT64_MAX - gpa) {
    return fail(ErrorName::kBadArgument,
                fmt::format("mapping {:#x} bytes at guest address {:#x}: {}", request.bytes, gpa,
                            request.bytes == 0 ? "a mapping has at least one" : "they wrap"));
  }
  std::byte* const base = memory.at(request.gpa, request.bytes);
  if (base == nullptr) {
    return fail(ErrorName::kBadArgument,
                fmt::format("mapping {:#x} bytes at guest address {:#x}: they are not in one piece of guest RAM",
                            request.bytes, gpa));
  }
  return base;
}

Result<void> check_sync(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  if (in_range(offset, bytes, mapped.request.bytes)) return {};
  return fail(ErrorName::kOutOfRange,
              fmt::format("sync of {:#x} bytes at {:#x} of the mapping at {:#x}, which has {:#x}", bytes, offset,
                          mapped.iova.value, mapped.request.bytes));
}

tl::unexpected<Error> refuse_unknown(const Mapped& mapped) {
  return fail(ErrorName::kNotFound,
              fmt::format("no mapping of {:#x} bytes of guest address {:#x} at device address {:#x} is live: it was "
                          "unmapped before, or never made",
                          mapped.request.bytes, mapped.request.gpa.value, mapped.iova.value));
}

Result<void> check_reach(const DeviceLimits& limits, Iova iova, uint64_t bytes) {
  if (iova.value <= limits.address_max && bytes - 1 <= limits.address_max - iova.value) return {};
  return fail(ErrorName::kOutOfRange,
              fmt::format("the mapping would be at device address {:#x}, {:#x} bytes; the device's DMA mask is {:#x}",
                          iova.value, bytes, limits.address_max));
}

Result<void> quiesce_twice(Mapper& mapper) {
  if (mapper.quiesce()) return {};
  return mapper.quiesce();
}

Result<void> unmap_twice(Mapper& mapper, uint64_t key) {
  if (mapper.unmap(key)) return {};
  auto second = mapper.unmap(key);
  if (!second && second.error().name == ErrorName::kNotFound) return {};
  return second;
}

Result<void> check_bitmap(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<const uint64_t> bitmap) {
  if (page_bytes < kGuestPageBytes || !is_power_of_two(page_bytes) || from.value % page_bytes != 0 ||
      bytes > UINT64_MAX - from.value) {
    return fail(ErrorName::kBadArgument,
                fmt::format("dirty pages of {:#x} bytes at {:#x} by {:#x}: pages are a power of two of at least 4 KiB, "
                            "and the range begins on one and does not wrap",
                            bytes, from.value, page_bytes));
  }
  const uint64_t pages = bytes / page_bytes + (bytes % page_bytes != 0 ? 1 : 0);
  if (pages > bitmap.size() * 64) {
    return fail(ErrorName::kBadArgument, fmt::format("dirty pages: {} pages need a bitmap of {} words, it has {}",
                                                     pages, (pages + 63) / 64, bitmap.size()));
  }
  return {};
}

void mark_dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap, Gpa gpa, uint64_t length) {
  if (bytes == 0 || length == 0) return;
  const uint64_t last_of_range = from.value + (bytes - 1), last_of_memory = gpa.value + (length - 1);
  if (gpa.value > last_of_range || last_of_memory < from.value) return;
  const uint64_t first = (std::max(gpa, from) - from) / page_bytes;
  const uint64_t last = (std::min(last_of_memory, last_of_range) - from.value) / page_bytes;
  for (uint64_t page = first; page <= last;) {
    if (page % 64 == 0 && last - page >= 63) {
      bitmap[page / 64] = UINT64_MAX;
      page += 64;
    } else {
      bitmap[page / 64] |= uint64_t{1} << (page % 64);
      ++page;
    }
  }
}

}  // namespace dartboard::backend::dma
