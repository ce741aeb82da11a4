// cli/strategies.cpp - see strategies.h.
#include "cli/strategies.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backend/dma/direct_strategy.h"
#include "backend/dma/identity_strategy.h"
#include "backend/dma/viommu_strategy.h"

namespace dartboard::cli {
namespace {

namespace dma = backend::dma;
using Made = Result<std::unique_ptr<dma::Strategy>>;

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
    {{"direct", "all guest RAM mapped once",
      "nothing in the kernel; a device tree whose dma-ranges say where RAM is for the device",
      "a guest with more RAM than the host may map (about 1.5 GiB on a Mac)"},
     make_direct},
    {{"viommu", "a guest-visible IOMMU, the host maps what the guest programs", "the virtio-iommu driver, which most kernels have",
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
  return fail(ErrorName::kNotFound, fmt::format("there is no strategy '{:.40}'; there are {}", name, fmt::join(names, ", ")));
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
  return fmt::format("the guest's IOMMU gave the driver {:#x} and the device put that on the bus, but the host's mapper had "
                     "assigned {:#x} to the same memory ({} of its mappings lie elsewhere than the guest says); the DART has "
                     "no entry for what the guest chose",
                     viommu->first_misplaced()->guest.value, viommu->first_misplaced()->host.value, viommu->misplaced());
}

}  // namespace dartboard::cli
