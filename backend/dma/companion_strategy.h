// backend/dma/companion_strategy.h - *companion*: a paravirtual mapper. For each mapping the guest's driver asks the
// host, which asks the dext, and the driver gets the address that the mapper chose.
//
// Exact: the device reaches what is mapped (in whole pages of the mapper) and nothing else, for as long as it is
// mapped; only the neighbours of one batch end together. It costs a guest exit and a user-client call for each mapping,
// a budget of mappings, a guest kernel whose DMA operations can be hooked, and callers that may sleep.
#pragma once

#include "backend/dma/reservation_strategy.h"

namespace dartboard::backend::dma {

class CompanionStrategy final : public ReservationStrategy {
 public:
  /// `memory`, `mapper` and `pages` outlive it.
  CompanionStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits,
                    const CompanionOptions& options = {}, uint32_t batch_max = 256)
      : ReservationStrategy(memory, mapper, pages, limits, {{.window_bytes = 0, .page_bytes = 1}, options, batch_max},
                            nullptr) {}
  ~CompanionStrategy() override { (void)stop(); }
  std::string_view name() const override { return "companion"; }
};

}  // namespace dartboard::backend::dma
