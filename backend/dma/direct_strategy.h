// backend/dma/direct_strategy.h - *direct*: all guest RAM mapped once, where the mapper likes it.
//
// Costs nothing while the guest runs, if its RAM fits the budget; and the guest must add, for every address, the
// distance between where its RAM is and where the device sees it (a dma-ranges entry for each chunk). A host has about
// 1.5 GiB of this: more RAM is refused, not tried.
#pragma once

#include "backend/dma/whole_ram.h"

namespace dartboard::backend::dma {

/// The dext maps at most this in one piece and reports the address of the first piece only (VFIOUserPCIDriver).
inline constexpr uint64_t kDextChunkBytes = 1536 * kMiB;

class DirectStrategy final : public WholeRam {
 public:
  DirectStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits,
                 uint64_t chunk_bytes_max = kDextChunkBytes)
      : WholeRam(memory, mapper, pages, limits, chunk_bytes_max) {}
  ~DirectStrategy() override { (void)stop(); }
  std::string_view name() const override { return "direct"; }

 private:
  Result<void> check_host() const override;
  Result<DmaMapping> map_chunk(const RamRange& chunk) override {
    return mapper_.map(chunk.gpa.value, chunk.base, chunk.bytes);
  }
};

}  // namespace dartboard::backend::dma
