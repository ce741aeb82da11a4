// backend/dma/direct_strategy.cpp - see direct_strategy.h.
#include "backend/dma/direct_strategy.h"

#include <fmt/format.h>

namespace dartboard::backend::dma {

Result<void> DirectStrategy::check_host() const {
  const uint64_t page = mapper_.budget().page_bytes;
  uint64_t needed = 0;
  for (const RamRange& range : memory_.ranges()) {
    const uint64_t in_page = reinterpret_cast<uintptr_t>(range.base) & (page - 1);
    needed += round_up(in_page + range.bytes, page);
  }
  const uint64_t left = mapper_.budget().bytes_max - mapper_.use().bytes;
  if (needed <= left) return {};
  return fail(
      ErrorName::kBudgetBytes,
      fmt::format("direct: {} MiB of guest RAM are to be mapped, {} MiB of the host's {} MiB are free: {} MiB too "
                  "many; give the guest less RAM, or take a strategy that maps only what is in use",
                  needed / kMiB, left / kMiB, mapper_.budget().bytes_max / kMiB, (needed - left + kMiB - 1) / kMiB));
}

}  // namespace dartboard::backend::dma
