// cli/dma_adapter.h - where the guest model meets the backend: a strategy as the guest's dma_map_ops, guest RAM as the
// backend's, the test endpoint as the device, and a mapper that can place on hosts that let the caller choose.
#pragma once

#include "backend/dma/strategy.h"
#include "backend/passthrough_device.h"
#include "cli/world.h"
#include "sim/guest/dma_ops.h"
#include "sim/guest/ram.h"

namespace dartboard::cli {

class StrategyOps final : public guest::DmaOps {
 public:
  StrategyOps(backend::dma::Strategy& strategy, const backend::dma::GuestMemory& memory)
      : strategy_(strategy), memory_(memory) {}
  Result<guest::DmaMapping> map(const guest::DmaRequest& request) override;
  Result<void> unmap(const guest::DmaMapping& mapping) override;
  Result<std::vector<guest::DmaMapping>> map_many(std::span<const guest::DmaRequest> requests) override;
  Result<void> unmap_many(std::span<const guest::DmaMapping> mappings) override;
  Result<void> sync_for_cpu(const guest::DmaMapping& mapping, uint64_t offset, uint64_t bytes) override;
  Result<void> sync_for_device(const guest::DmaMapping& mapping, uint64_t offset, uint64_t bytes) override;
  Result<guest::DmaCoherent> allocate_coherent(uint64_t bytes, guest::Context context) override;
  Result<void> free_coherent(const guest::DmaCoherent& coherent) override;
  uint64_t mapping_bytes_max() const override { return strategy_.mapping_bytes_max(); }

 private:
  backend::dma::Strategy& strategy_;
  const backend::dma::GuestMemory& memory_;
};

class RamPages final : public backend::dma::GuestPages {
 public:
  explicit RamPages(guest::Ram& ram) : ram_(ram) {}
  Result<Gpa> allocate(uint64_t bytes) override { return ram_.allocate(bytes); }
  void release(Gpa gpa, uint64_t bytes) override { ram_.release(gpa, bytes); }

 private:
  guest::Ram& ram_;
};

/// The DMA engine of the test endpoint (model/endpoint/test.h): its registers are written through the backend, and it
/// moves the bytes between its memory and the host's by TLPs.
class TestEndpointEngine final : public guest::DmaEngine {
 public:
  TestEndpointEngine(backend::PassthroughDevice& device, World& world) : device_(device), world_(world) {}
  /// As a driver's probe: memory decode and bus master on, commands complete when they are written.
  Result<void> start();
  Result<void> device_reads(Iova from, std::span<std::byte> data) override;
  Result<void> device_writes(Iova to, std::span<const std::byte> data) override;

 private:
  Result<void> command(uint32_t command, Iova host, uint32_t bytes);
  Error explain(Error error) const;

  backend::PassthroughDevice& device_;
  World& world_;
};

/// The mapper of a host where the caller chooses (vfio on Linux): the simulated one is told where the next mapping
/// goes.
class PlacingMapper final : public backend::dma::Mapper {
 public:
  PlacingMapper(backend::PassthroughDevice& device, const backend::Budget& budget, World& world)
      : device_(device, budget), world_(world) {}
  Result<backend::DmaMapping> map(uint64_t key, void* base, uint64_t size) override {
    return device_.map(key, base, size);
  }
  bool places() const override { return true; }
  Result<backend::DmaMapping> map_at(uint64_t key, void* base, uint64_t size, Iova iova) override;
  Result<void> unmap(uint64_t key) override { return device_.unmap(key); }
  Result<dext::DmaBuffer> allocate_buffer(uint64_t size, uint64_t alignment) override {
    return device_.allocate_buffer(size, alignment);
  }
  Result<void> free_buffer() override { return device_.free_buffer(); }
  Result<void> quiesce() override { return device_.quiesce(); }
  const backend::BudgetUse& use() const override { return device_.use(); }
  const backend::Budget& budget() const override { return device_.budget(); }

 private:
  backend::dma::DeviceMapper device_;
  World& world_;
};

}  // namespace dartboard::cli
