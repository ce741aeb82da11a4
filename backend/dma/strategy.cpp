// backend/dma/strategy.cpp - what is the same for strategies without a batch of their own.
#include "backend/dma/strategy.h"

namespace dartboard::backend::dma {

Result<std::vector<Mapped>> Strategy::map_many(std::span<const MapRequest> requests) {
  std::vector<Mapped> done;
  done.reserve(requests.size());
  for (const MapRequest& request : requests) {
    auto mapped = map(request);
    if (!mapped) {
      (void)unmap_many(done);
      return tl::unexpected(mapped.error());
    }
    done.push_back(*mapped);
  }
  return done;
}

Result<void> Strategy::unmap_many(std::span<const Mapped> mapped) {
  Result<void> first;
  for (const Mapped& one : mapped) {
    auto unmapped = unmap(one);
    if (!unmapped && first) first = std::move(unmapped);   // the others go all the same
  }
  return first;
}

}  // namespace dartboard::backend::dma
