// backend/dma/mapper.h - what a strategy may do with the device and the host's mapper: map, unmap, one buffer, quiesce.
//
// Behind it stands a PassthroughDevice, whose account refuses before the mapper would. Tests put a mapper there that
// fails where they want.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/passthrough_device.h"
#include "base/error.h"
#include "base/types.h"

namespace dartboard::backend::dma {

class Mapper {
 public:
  virtual ~Mapper() = default;

  /// Makes [base, base+size) of this process reachable for the device. `key` is the caller's name for it, unique while
  /// it lives. The mapper chooses the address; what lies below a page's edge keeps its offset.
  virtual Result<DmaMapping> map(uint64_t key, void* base, uint64_t size) = 0;

  /// Whether the caller may say where a mapping goes, as vfio's DMA_MAP does on Linux. A Mac's mapper never lets it.
  virtual bool places() const { return false; }
  /// map(), at exactly `iova`. kNotSupported: !places(). kPlacement: it cannot be had there.
  virtual Result<DmaMapping> map_at(uint64_t key, void* base, uint64_t size, Iova iova);

  /// After it returns, however it does, the device no longer reaches the memory if the device is quiet.
  virtual Result<void> unmap(uint64_t key) = 0;

  /// One buffer of the host's, in one segment. A second call replaces the first.
  virtual Result<dext::DmaBuffer> allocate_buffer(uint64_t size, uint64_t alignment) = 0;
  virtual Result<void> free_buffer() = 0;

  /// Stops the device's DMA (bus master off). What is in flight has landed or been refused when it returns. A device
  /// that is gone is quiet.
  virtual Result<void> quiesce() = 0;

  /// The device is away for good, and with it every buffer of allocate_buffer(): its memory must not be touched again.
  virtual bool gone() const { return false; }

  virtual const BudgetUse& use() const = 0;
  virtual const Budget& budget() const = 0;
};

/// The mapper of an open device. The device outlives it.
class DeviceMapper final : public Mapper {
 public:
  DeviceMapper(PassthroughDevice& device, const Budget& budget) : device_(device), budget_(budget) {}

  Result<DmaMapping> map(uint64_t key, void* base, uint64_t size) override { return device_.dma_map(key, base, size); }
  Result<void> unmap(uint64_t key) override { return device_.dma_unmap(key); }
  Result<dext::DmaBuffer> allocate_buffer(uint64_t size, uint64_t alignment) override {
    return device_.allocate_dma_buffer(size, alignment);
  }
  Result<void> free_buffer() override { return device_.free_dma_buffer(); }
  Result<void> quiesce() override;
  bool gone() const override { return device_.gone(); }
  const BudgetUse& use() const override { return device_.budget_use(); }
  const Budget& budget() const override { return budget_; }

 private:
  PassthroughDevice& device_;
  const Budget budget_;
};

}  // namespace dartboard::backend::dma
