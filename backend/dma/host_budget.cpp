// backend/dma/host_budget.cpp - see host_budget.h.
#include "backend/dma/host_budget.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::backend {

HostBudget::Answer HostBudget::exchange(const Share& wanted, const Share& released) {
  const std::lock_guard lock(mutex_);
  const uint64_t bytes = use_.bytes - released.bytes, mappings = use_.mappings - released.mappings;
  // count() may have gone past the budget.
  if (wanted.bytes > budget_.bytes_max || bytes > budget_.bytes_max - wanted.bytes) {
    ++use_.refusals;
    return Answer::kBytes;
  }
  if (wanted.mappings > budget_.mappings_max || mappings > budget_.mappings_max - wanted.mappings) {
    ++use_.refusals;
    return Answer::kMappings;
  }
  use_.bytes = bytes + wanted.bytes;
  use_.mappings = mappings + wanted.mappings;
  use_.bytes_peak = std::max(use_.bytes_peak, use_.bytes);
  use_.mappings_peak = std::max(use_.mappings_peak, use_.mappings);
  return Answer::kTaken;
}

void HostBudget::give_back(const Share& share) {
  const std::lock_guard lock(mutex_);
  use_.bytes -= share.bytes;
  use_.mappings -= share.mappings;
}

void HostBudget::count(const Share& share) {
  const std::lock_guard lock(mutex_);
  use_.bytes += share.bytes;
  use_.mappings += share.mappings;
  use_.bytes_peak = std::max(use_.bytes_peak, use_.bytes);
  use_.mappings_peak = std::max(use_.mappings_peak, use_.mappings);
}

BudgetUse HostBudget::use() const {
  const std::lock_guard lock(mutex_);
  return use_;
}

void HostBudget::inspect(InspectNode& node) const {
  const BudgetUse now = use();
  node.child("bytes", fmt::format("{} KiB of {} KiB", now.bytes / kKiB, budget_.bytes_max / kKiB),
             fmt::format("all devices; peak {} KiB", now.bytes_peak / kKiB));
  node.child("mappings", fmt::format("{} of {}", now.mappings, budget_.mappings_max),
             fmt::format("all devices; peak {}", now.mappings_peak));
  node.child("refusals", fmt::format("{}", now.refusals), "refused before the mapper was asked");
}

}  // namespace dartboard::backend
