// cli/strategies.cpp - see strategies.h.
#include "cli/strategies.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backend/dma/companion_strategy.h"
#include "backend/dma/direct_strategy.h"
#include "backend/dma/identity_strategy.h"
#include "backend/dma/pool_strategy.h"
#include "backend/dma/viommu_strategy.h"
#include "backend/dma/windows_strategy.h"

namespace dartboard::cli {
namespace {

namespace dma = backend::dma;
using Made = Result<std::unique_ptr<dma::Strategy>>;

/// The pool lies where the device sees it, if no RAM of the guest is in the mapper's window; else above all RAM, and
/// the device tree translates.
std::unique_ptr<dma::Strategy> pool(const StrategyParts& p) {
  dma::PoolOptions options;
  options.bytes = p.pool_bytes;
  options.limits = p.limits;
  uint64_t end = 0;
  bool ambiguous = false;
  const uint64_t window = p.port.mapper.window_base.value, window_end = window + p.port.mapper.window_bytes;
  for (const dma::RamRange& range : p.memory.ranges()) {
    end = std::max(end, range.gpa.value + range.bytes);
    ambiguous = ambiguous || (range.gpa.value < window_end && window < range.gpa.value + range.bytes);
  }
  if (ambiguous) options.gpa = Gpa(round_up(end, 2 * kMiB));
  return std::make_unique<dma::PoolStrategy>(p.memory, p.mapper, options);
}
Made make_pool(const StrategyParts& p) {
  return pool(p);
}
Made make_companion(const StrategyParts& p) {
  return std::make_unique<dma::CompanionStrategy>(p.memory, p.mapper, p.pages, p.limits);
}
Made windows(const StrategyParts& p, std::unique_ptr<dma::Strategy> second) {
  dma::WindowsOptions options;
  options.window_bytes = p.window_bytes;
  return std::make_unique<dma::WindowsStrategy>(p.memory, p.mapper, p.pages, p.limits, options, std::move(second));
}
Made make_windows(const StrategyParts& p) {
  return windows(p, nullptr);
}
Made make_windows_pool(const StrategyParts& p) {
  return windows(p, pool(p));
}
Made make_direct(const StrategyParts& p) {
  return std::make_unique<dma::DirectStrategy>(p.memory, p.mapper, p.pages, p.limits);
}
Made make_identity(const StrategyParts& p) {
  return std::make_unique<dma::IdentityStrategy>(p.memory, p.mapper, p.pages, p.limits);
}
Made make_viommu(const StrategyParts& p) {
  return std::make_unique<dma::ViommuStrategy>(p.memory, p.mapper, p.pages, p.limits, p.port.mapper.window_base,
                                               p.port.mapper.window_bytes);
}

struct Row {
  StrategyInfo info;
  Made (*make)(const StrategyParts&);
};

constexpr Row kRows[] = {
    {{"companion", "a paravirtual mapper: every mapping asks the host",
      "a module that replaces the device's DMA operations (CONFIG_ARCH_HAS_DMA_OPS)", "callers that may not sleep"},
     make_companion},
    {{"windows", "the companion asked for aligned windows that small mappings share",
      "the companion's module (CONFIG_ARCH_HAS_DMA_OPS)", "callers that may not sleep, where no window is there yet"},
     make_windows},
    {{"windows+pool", "windows, and a pool behind them for whom they cannot serve",
      "the companion's module, and CONFIG_DMA_RESTRICTED_POOL with a device tree that shows the pool",
      "a guest without a device tree (ACPI)"},
     make_windows_pool},
    {{"pool", "a bounce pool that is mapped once",
      "CONFIG_DMA_RESTRICTED_POOL and a device tree that shows the pool; no module",
      "mappings and coherent memory above 256 KiB; a guest without a device tree (ACPI)"},
     make_pool},
    {{"direct", "all guest RAM mapped once",
      "nothing in the kernel; a device tree whose dma-ranges say where RAM is for the device",
      "a guest with more RAM than the host may map (about 1.5 GiB on a Mac)"},
     make_direct},
    {{"viommu", "a guest-visible IOMMU, the host maps what the guest programs",
      "the virtio-iommu driver, which most kernels have",
      "a Mac: the device emits the guest's addresses, and the mapper assigned others"},
     make_viommu},
    {{"identity", "the caller chooses addresses (vfio on Linux): the baseline", "nothing",
      "a Mac: its mapper chooses the addresses"},
     make_identity},
};

}  // namespace

std::span<const StrategyInfo> strategy_infos() {
  static const std::vector<StrategyInfo> infos = [] {
    std::vector<StrategyInfo> out;
    for (const Row& row : kRows) out.push_back(row.info);
    return out;
  }();
  return infos;
}

Result<const StrategyInfo*> strategy_info(std::string_view name) {
  std::vector<std::string_view> names;
  for (const StrategyInfo& info : strategy_infos()) {
    if (info.name == name) return &info;
    names.push_back(info.name);
  }
  return fail(ErrorName::kNotFound,
              fmt::format("there is no strategy '{:.40}'; there are {}", name, fmt::join(names, ", ")));
}

Made make_strategy(std::string_view name, const StrategyParts& parts) {
  for (const Row& row : kRows) {
    if (row.info.name == name) return row.make(parts);
  }
  return tl::unexpected(strategy_info(name).error());
}

std::string explain_faults(const dma::Strategy& strategy) {
  const auto* const viommu = dynamic_cast<const dma::ViommuStrategy*>(&strategy);
  if (viommu == nullptr || !viommu->first_misplaced()) return {};
  return fmt::format(
      "the guest's IOMMU gave the driver {:#x} and the device put that on the bus, but the host's mapper had "
      "assigned {:#x} to the same memory ({} of its mappings lie elsewhere than the guest says); the DART has "
      "no entry for what the guest chose",
      viommu->first_misplaced()->guest.value, viommu->first_misplaced()->host.value, viommu->misplaced());
}

}  // namespace dartboard::cli
