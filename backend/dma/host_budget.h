// backend/dma/host_budget.h - what all devices of one host may map together: one accountant behind their own.
//
// A Mac's limits are those of a mapper, and several devices may stand behind one, or share the host's memory. Each
// device's account asks here after its own budget, and gives back here what it gives back there. Safe from several
// threads: devices have their own.
#pragma once

#include <cstdint>
#include <mutex>

#include "backend/passthrough_device.h"
#include "base/error.h"
#include "base/inspect.h"

namespace dartboard::backend {

class HostBudget {
 public:
  /// Bytes are counted in whole pages of each device's mapper. `page_bytes` of `budget` is not used.
  explicit HostBudget(const Budget& budget) : budget_(budget) {}

  /// What an account holds.
  struct Share {
    uint64_t bytes = 0, mappings = 0;
  };

  /// Takes `wanted` and gives `released` back, both or neither. The name of the budget that is too small, without
  /// words: the caller knows what it wanted.
  enum class Answer : uint8_t { kTaken, kBytes, kMappings };
  Answer exchange(const Share& wanted, const Share& released);
  void give_back(const Share& share);
  /// Takes without asking: what is mapped is counted, whatever the budget says.
  void count(const Share& share);

  const Budget& budget() const { return budget_; }
  BudgetUse use() const;
  void inspect(InspectNode& node) const;

 private:
  const Budget budget_;
  mutable std::mutex mutex_;
  BudgetUse use_;
};

}  // namespace dartboard::backend
