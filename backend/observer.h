// backend/observer.h - how a device tells somebody (a recorder) what is asked of it, without knowing who listens.
//
// Guest accesses that go through the pointers of a direct area (RegionInfo::direct) are not calls and are not seen.
// Nobody listening costs the calls nothing: the check is part of a compare that they make anyway.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/passthrough_device.h"

namespace dartboard::backend {

/// Calls come on the thread of the observed call; on_interrupt() on a Mac from the client's queue. An observer does not
/// call back into the device.
class Observer {
 public:
  virtual ~Observer() = default;

  /// False: of interrupts alone. Asked once, when it begins to observe.
  virtual bool wants_calls() const = 0;
  /// A call begins. What this returns comes back as `begun` when the call has ended: a time, for instance.
  virtual uint64_t on_begin() = 0;
  virtual void on_read(uint64_t begun, Region region, uint64_t offset, std::span<const std::byte> data,
                       const Result<void>& result) = 0;
  virtual void on_write(uint64_t begun, Region region, uint64_t offset, std::span<const std::byte> data,
                        const Result<void>& result) = 0;
  virtual void on_set_irqs(uint64_t begun, IrqKind kind, IrqAction action, uint32_t start, uint32_t count,
                           std::span<const IrqSink> sinks, const Result<void>& result) = 0;
  virtual void on_reset(uint64_t begun, const Result<void>& result) = 0;
  virtual void on_dma_map(uint64_t begun, uint64_t key, uint64_t size, const Result<DmaMapping>& result) = 0;
  virtual void on_dma_unmap(uint64_t begun, uint64_t key, const Result<void>& result) = 0;
  virtual void on_dma_buffer(uint64_t begun, uint64_t size, const Result<dext::DmaBuffer>& result) = 0;
  virtual void on_dma_buffer_freed(uint64_t begun, const Result<void>& result) = 0;

  /// A vector is about to be delivered to its sink.
  virtual void on_interrupt(IrqKind kind, uint32_t vector) = 0;
};

}  // namespace dartboard::backend
