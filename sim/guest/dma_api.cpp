// sim/guest/dma_api.cpp - see dma_api.h.
#include "sim/guest/dma_api.h"

#include <fmt/format.h>

#include "sim/guest/ram.h"

namespace dartboard::guest {
namespace {

const char* text(Direction d) {
  return d == Direction::kToDevice ? "to-device" : d == Direction::kFromDevice ? "from-device" : "bidirectional";
}

}  // namespace

Result<void> DmaApi::set_mask(unsigned bits) {
  if (bits < 24 || bits > 64) {
    return fail(ErrorName::kBadArgument, fmt::format("a DMA mask of {} bits; expected 24 to 64", bits));
  }
  mask_ = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  return {};
}

tl::unexpected<Error> DmaApi::above_mask(Iova iova, uint64_t bytes) const {
  return fail(ErrorName::kOutOfRange,
              fmt::format("the mapping at device address {:#x}, {:#x} bytes, is above the DMA mask "
                          "{:#x}; it was given back",
                          iova.value, bytes, mask_));
}

Result<void> DmaApi::check(Gpa gpa, uint64_t bytes) const {
  if (bytes == 0)
    return fail(ErrorName::kBadArgument, fmt::format("mapping 0 bytes at guest address {:#x}", gpa.value));
  if (bytes - 1 > UINT64_MAX - gpa.value) {
    return fail(ErrorName::kBadArgument,
                fmt::format("mapping {:#x} bytes at guest address {:#x}: they wrap", bytes, gpa.value));
  }
  if (bytes > max_mapping_size()) {
    return fail(ErrorName::kBadArgument,
                fmt::format("mapping {:#x} bytes at once; the most is {:#x} (dma_max_mapping_size): split it", bytes,
                            max_mapping_size()));
  }
  return {};
}

Result<Iova> DmaApi::map_single(Gpa gpa, uint64_t bytes, Direction direction, Context context) {
  if (auto valid = check(gpa, bytes); !valid) return tl::unexpected(valid.error());
  const auto mapped = ops_.map({gpa, bytes, direction, context});
  if (!mapped) return tl::unexpected(mapped.error());
  if (!reachable(mapped->iova, bytes)) {
    (void)ops_.unmap(*mapped);
    return above_mask(mapped->iova, bytes);
  }
  live_.emplace(mapped->iova.value, *mapped);
  return mapped->iova;
}

Result<Iova> DmaApi::map_page(uint64_t page_number, uint64_t offset, uint64_t bytes, Direction direction,
                              Context context) {
  const uint64_t base = page_number * kPageBytes;
  if (page_number > UINT64_MAX / kPageBytes || offset > UINT64_MAX - base) {
    return fail(ErrorName::kBadArgument, fmt::format("page {:#x} offset {:#x} is no address", page_number, offset));
  }
  return map_single(Gpa(base + offset), bytes, direction, context);
}

Result<void> DmaApi::map_sg(std::span<SgEntry> list, Direction direction, Context context) {
  if (list.empty()) return fail(ErrorName::kBadArgument, "mapping a scatter-gather list without entries");
  std::vector<DmaRequest> requests;
  requests.reserve(list.size());
  for (const SgEntry& entry : list) {
    if (auto valid = check(entry.gpa, entry.bytes); !valid) return valid;
    requests.push_back({entry.gpa, entry.bytes, direction, context});
  }
  const auto mapped = ops_.map_many(requests);
  if (!mapped) return tl::unexpected(mapped.error());
  if (mapped->size() != list.size()) {
    (void)ops_.unmap_many(*mapped);
    return fail(ErrorName::kInternal,
                fmt::format("{} entries were to be mapped, {} came back", list.size(), mapped->size()));
  }
  for (const DmaMapping& one : *mapped) {
    if (reachable(one.iova, one.request.bytes)) continue;
    const auto refused = above_mask(one.iova, one.request.bytes);
    (void)ops_.unmap_many(*mapped);
    return refused;
  }
  for (size_t i = 0; i < list.size(); ++i) {
    list[i].iova = (*mapped)[i].iova;
    live_.emplace((*mapped)[i].iova.value, (*mapped)[i]);
  }
  return {};
}

Result<DmaApi::Live::iterator> DmaApi::find(Iova iova, uint64_t bytes, Direction direction) {
  const auto [first, last] = live_.equal_range(iova.value);
  for (auto at = first; at != last; ++at) {
    if (at->second.request.bytes == bytes && at->second.request.direction == direction) return at;
  }
  if (first == last) {
    return fail(ErrorName::kNotFound, fmt::format("nothing is mapped at device address {:#x}", iova.value));
  }
  const DmaRequest& other = first->second.request;
  return fail(ErrorName::kBadArgument,
              fmt::format("device address {:#x} is used as {:#x} bytes {}; it was mapped as {:#x} bytes {}", iova.value,
                          bytes, text(direction), other.bytes, text(other.direction)));
}

Result<void> DmaApi::unmap(Iova iova, uint64_t bytes, Direction direction) {
  const auto found = find(iova, bytes, direction);
  if (!found) return tl::unexpected(found.error());
  const DmaMapping mapping = (*found)->second;
  live_.erase(*found);
  return ops_.unmap(mapping);
}

Result<void> DmaApi::unmap_sg(std::span<const SgEntry> list, Direction direction) {
  std::vector<DmaMapping> mappings;
  mappings.reserve(list.size());
  Result<void> first;
  for (const SgEntry& entry : list) {
    const auto found = find(entry.iova, entry.bytes, direction);
    if (!found) {
      if (first) first = tl::unexpected(found.error());
      continue;
    }
    mappings.push_back((*found)->second);
    live_.erase(*found);
  }
  if (mappings.empty()) return first;
  auto unmapped = ops_.unmap_many(mappings);
  return first ? unmapped : first;
}

Result<void> DmaApi::sync_for_cpu(Iova iova, uint64_t bytes_mapped, uint64_t offset, uint64_t bytes,
                                  Direction direction) {
  const auto found = find(iova, bytes_mapped, direction);
  if (!found) return tl::unexpected(found.error());
  if (!in_range(offset, bytes, bytes_mapped)) {
    return fail(ErrorName::kOutOfRange,
                fmt::format("sync of {:#x} bytes at {:#x} of a mapping of {:#x}", bytes, offset, bytes_mapped));
  }
  return ops_.sync_for_cpu((*found)->second, offset, bytes);
}

Result<void> DmaApi::sync_for_device(Iova iova, uint64_t bytes_mapped, uint64_t offset, uint64_t bytes,
                                     Direction direction) {
  const auto found = find(iova, bytes_mapped, direction);
  if (!found) return tl::unexpected(found.error());
  if (!in_range(offset, bytes, bytes_mapped)) {
    return fail(ErrorName::kOutOfRange,
                fmt::format("sync of {:#x} bytes at {:#x} of a mapping of {:#x}", bytes, offset, bytes_mapped));
  }
  return ops_.sync_for_device((*found)->second, offset, bytes);
}

Result<DmaCoherent> DmaApi::alloc_coherent(uint64_t bytes, Context context) {
  if (bytes == 0) return fail(ErrorName::kBadArgument, "coherent memory of 0 bytes");
  auto coherent = ops_.allocate_coherent(bytes, context);
  if (!coherent) return tl::unexpected(coherent.error());
  if (!reachable(coherent->iova, bytes)) {
    (void)ops_.free_coherent(*coherent);
    return above_mask(coherent->iova, bytes);
  }
  coherent_.emplace(coherent->iova.value, *coherent);
  return coherent;
}

Result<void> DmaApi::free_coherent(const DmaCoherent& coherent) {
  const auto found = coherent_.find(coherent.iova.value);
  if (found == coherent_.end() || found->second.bytes != coherent.bytes || found->second.gpa != coherent.gpa) {
    return fail(ErrorName::kNotFound, fmt::format("no coherent memory of {:#x} bytes is at device address {:#x}",
                                                  coherent.bytes, coherent.iova.value));
  }
  coherent_.erase(found);
  return ops_.free_coherent(coherent);
}

}  // namespace dartboard::guest
