// cli/strategies.h - the DMA strategies by name: what each needs in the guest, what it cannot do, and how to make one.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backend/dma/strategy.h"
#include "sim/profile.h"

namespace dartboard::cli {

struct StrategyInfo {
  std::string_view name;
  std::string_view about;
  std::string_view guest_needs;  ///< kernel option, module, or nothing
  std::string_view cannot;
};
/// In the order of reports.
std::span<const StrategyInfo> strategy_infos();
/// kNotFound: the sentence lists what there is.
Result<const StrategyInfo*> strategy_info(std::string_view name);

/// What a strategy is made of. All outlive it.
struct StrategyParts {
  backend::dma::GuestMemory& memory;
  backend::dma::Mapper& mapper;
  backend::dma::GuestPages& pages;
  const backend::dma::DeviceLimits limits;
  const sim::PortProfile& port;
  uint64_t pool_bytes = 64 * kMiB;
  uint64_t window_bytes = 256 * kKiB;
};
Result<std::unique_ptr<backend::dma::Strategy>> make_strategy(std::string_view name, const StrategyParts& parts);

/// Why the device of this strategy faulted, if the strategy can tell; else empty.
std::string explain_faults(const backend::dma::Strategy& strategy);

}  // namespace dartboard::cli
