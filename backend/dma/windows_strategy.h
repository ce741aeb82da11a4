// backend/dma/windows_strategy.h - *windows*: the companion, asked for aligned windows of guest memory that small
// mappings share.
//
// Nearly every mapping then costs neither an exit nor a call, and a device's small buffers need a few thousand of the
// mapper's 64 k entries. The price: while one mapping lives in it, the device reaches all of a window (256 KiB by
// default), and the byte budget pays for whole windows. A caller that may not sleep is served where a window is there
// already, else by the second strategy.
#pragma once

#include "backend/dma/reservation_strategy.h"

namespace dartboard::backend::dma {

struct WindowsOptions {
  uint64_t window_bytes = 256 * kKiB;  ///< a power of two, at least the mapper's page
  uint32_t idle_max = 0;               ///< windows kept after their last mapping; the device keeps reaching them
  CompanionOptions device;
  uint32_t batch_max = 256;
};

class WindowsStrategy final : public ReservationStrategy {
 public:
  /// `second` serves what the budgets refuse, or null. `memory`, `mapper` and `pages` outlive it.
  WindowsStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits,
                  const WindowsOptions& options = {}, std::unique_ptr<Strategy> second = nullptr)
      : ReservationStrategy(
            memory, mapper, pages, limits,
            {{options.window_bytes, mapper.budget().page_bytes, options.idle_max}, options.device, options.batch_max},
            std::move(second)) {}
  ~WindowsStrategy() override { (void)stop(); }
  std::string_view name() const override { return "windows"; }
};

}  // namespace dartboard::backend::dma
