// backend/dma/account.h - memory given to the device, counted before the mapper is asked.
//
// The host's mapper has about 1.5 GB and 64 k mappings, and past them it may panic instead of failing. So every mapping
// is counted in the mapper's pages, and one that does not fit is refused here. There are two budgets: the device's own,
// and, if it was given one, the host's, which all devices share (host_budget.h). A refusal says which.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backend/dma/host_budget.h"
#include "backend/key_table.h"
#include "backend/passthrough_device.h"
#include "base/error.h"
#include "base/inspect.h"
#include "dext/client/client.h"

namespace dartboard::backend {

class DmaAccount {
 public:
  DmaAccount(dext::Client& client, const Budget& budget, std::shared_ptr<HostBudget> host = nullptr)
      : client_(client), budget_(budget), host_(std::move(host)) {}

  /// A budget whose page size is a power of two. kBadArgument otherwise.
  static Result<void> check(const Budget& budget);

  Result<DmaMapping> map(uint64_t key, void* base, uint64_t size);
  Result<void> unmap(uint64_t key);
  /// A second buffer replaces the first, as in the dext; if it is refused by budget the first stays.
  Result<dext::DmaBuffer> allocate_buffer(uint64_t size, uint64_t alignment);
  Result<void> free_buffer();

  /// Unmaps everything, then frees the buffer. Goes on after failures: the client's close gives back the rest.
  void release_all();

  const BudgetUse& use() const { return use_; }
  void inspect(InspectNode& node) const;

 private:
  /// Bytes a mapping takes in the mapper: whole pages around [base, base+size).
  uint64_t pages_bytes(uint64_t base, uint64_t size) const;
  Result<void> reserve(uint64_t bytes, uint64_t released_bytes, uint64_t released_mappings,
                       std::optional<uint64_t> key);
  tl::unexpected<Error> refuse_bytes(bool host, uint64_t used, uint64_t wanted, std::optional<uint64_t> key);
  tl::unexpected<Error> refuse_mappings(bool host, uint64_t used, std::optional<uint64_t> key);
  void give_back(uint64_t bytes);

  dext::Client& client_;
  const Budget budget_;
  const std::shared_ptr<HostBudget> host_;  ///< or null
  BudgetUse use_;
  KeyTable mappings_;                     ///< key -> counted bytes
  std::optional<uint64_t> buffer_bytes_;  ///< counted bytes of the DMA buffer
};

}  // namespace dartboard::backend
