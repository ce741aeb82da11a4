// backend/dma/request.h - what is wrong with a request, whatever the strategy: said once.
#pragma once

#include <cstdint>
#include <span>

#include "backend/dma/guest_memory.h"
#include "backend/dma/strategy.h"
#include "base/error.h"

namespace dartboard::backend::dma {

inline constexpr uint64_t kGuestPageBytes = 4 * kKiB;

/// Where the memory of a request lies in this process. kBadArgument: no bytes, it wraps, or it is not RAM.
Result<std::byte*> check_request(const GuestMemory& memory, const MapRequest& request);

/// kOutOfRange: [offset, offset+bytes) is not inside the mapping.
Result<void> check_sync(const Mapped& mapped, uint64_t offset, uint64_t bytes);

/// kNotFound, for a mapping that is not live.
tl::unexpected<Error> refuse_unknown(const Mapped& mapped);

/// kOutOfRange: the device cannot put these addresses on the bus.
Result<void> check_reach(const DeviceLimits& limits, Iova iova, uint64_t bytes);

/// Stops the device's DMA; tried once more if it fails, because everything waits for it.
Result<void> quiesce_twice(Mapper& mapper);

/// Takes a mapping away; tried once more if it fails, because what stays mapped stays reachable. A key that the mapper
/// does not know is away.
Result<void> unmap_twice(Mapper& mapper, uint64_t key);

/// The conditions of Strategy::dirty.
Result<void> check_bitmap(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<const uint64_t> bitmap);
/// Sets the bits of the pages of [from, from+bytes) that [gpa, gpa+length) touches. The bitmap was checked.
void mark_dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap, Gpa gpa, uint64_t length);

}  // namespace dartboard::backend::dma
