// sim/guest/dma_api.h - the DMA API as a Linux driver sees it, with the rules that the kernel's own checker enforces
// (CONFIG_DMA_API_DEBUG): map and unmap of single, page and scatter-gather, coherent buffers, sync, masks, largest
// size.
//
// What a driver does wrong is a named error here and never reaches what lies below.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/error.h"
#include "sim/guest/dma_ops.h"

namespace dartboard::guest {

/// One entry of a scatter-gather list.
struct SgEntry {
  Gpa gpa;
  uint64_t bytes = 0;
  Iova iova;  ///< filled in by map_sg
};

class DmaApi {
 public:
  explicit DmaApi(DmaOps& ops) : ops_(ops) {}

  /// dma_set_mask_and_coherent: the device drives this many address bits. kBadArgument: not 24 to 64.
  Result<void> set_mask(unsigned bits);
  uint64_t mask() const { return mask_; }
  /// dma_max_mapping_size, bytes.
  uint64_t max_mapping_size() const { return ops_.mapping_bytes_max(); }

  /// dma_map_single. kBadArgument: no bytes, they wrap, or more than max_mapping_size(). kOutOfRange: what the mapper
  /// gave is above the mask (it is given back). Else what the strategy says.
  Result<Iova> map_single(Gpa gpa, uint64_t bytes, Direction direction, Context context);
  /// dma_map_page: `offset` may lie past the first page, as in a compound page.
  Result<Iova> map_page(uint64_t page_number, uint64_t offset, uint64_t bytes, Direction direction, Context context);
  /// dma_map_sg: all entries or none. kBadArgument also: an empty list.
  Result<void> map_sg(std::span<SgEntry> list, Direction direction, Context context);

  /// dma_unmap_*. kNotFound: nothing is mapped there. kBadArgument: with another size or direction than it was mapped.
  Result<void> unmap(Iova iova, uint64_t bytes, Direction direction);
  Result<void> unmap_sg(std::span<const SgEntry> list, Direction direction);

  /// dma_sync_single_range_for_*. kNotFound, kOutOfRange, and kBadArgument for the wrong direction.
  Result<void> sync_for_cpu(Iova iova, uint64_t bytes_mapped, uint64_t offset, uint64_t bytes, Direction direction);
  Result<void> sync_for_device(Iova iova, uint64_t bytes_mapped, uint64_t offset, uint64_t bytes, Direction direction);

  /// dma_alloc_coherent: zeroed. dma_free_coherent: kNotFound if it is not live as given.
  Result<DmaCoherent> alloc_coherent(uint64_t bytes, Context context);
  Result<void> free_coherent(const DmaCoherent& coherent);

  /// What the driver still holds: must be 0 when it is unloaded.
  uint64_t live_mappings() const { return live_.size(); }
  uint64_t live_coherent() const { return coherent_.size(); }

 private:
  using Live = std::multimap<uint64_t, DmaMapping>;  ///< by device address; the same memory may be mapped twice
  Result<void> check(Gpa gpa, uint64_t bytes) const;
  Result<Live::iterator> find(Iova iova, uint64_t bytes, Direction direction);
  bool reachable(Iova iova, uint64_t bytes) const { return iova.value <= mask_ && bytes - 1 <= mask_ - iova.value; }
  tl::unexpected<Error> above_mask(Iova iova, uint64_t bytes) const;

  DmaOps& ops_;
  uint64_t mask_ = UINT64_MAX;
  Live live_;
  std::map<uint64_t, DmaCoherent> coherent_;  ///< by device address
};

}  // namespace dartboard::guest
