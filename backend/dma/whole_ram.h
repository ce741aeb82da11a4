// backend/dma/whole_ram.h - what *direct* and *identity* share: all guest RAM is mapped once, and a streaming mapping
// is a sum. The guest needs nothing for it and the host sees nothing of it.
//
// They differ in where the RAM lies for the device: where the mapper put it, or where the guest has it.
#pragma once

#include <map>
#include <vector>

#include "backend/dma/live_mappings.h"
#include "backend/dma/strategy.h"

namespace dartboard::backend::dma {

class WholeRam : public Strategy {
 public:
  Result<void> start() override;
  Result<void> stop() override;
  Result<void> guest_reset() override;

  Result<Mapped> map(const MapRequest& request) override;
  Result<void> unmap(const Mapped& mapped) override;
  Result<void> sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<void> sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<Coherent> allocate_coherent(uint64_t bytes, Context context) override;
  Result<void> free_coherent(const Coherent& coherent) override;
  uint64_t mapping_bytes_max() const override;
  /// All RAM: the device reaches every byte of it, and no call of the guest says what it uses.
  Result<void> dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) override;

  const Counters& counters() const override { return counters_; }
  void inspect(InspectNode& node) const override;

 protected:
  WholeRam(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits,
           uint64_t chunk_bytes_max)
      : memory_(memory), mapper_(mapper), pages_(pages), limits_(limits), chunk_bytes_max_(chunk_bytes_max) {}

  /// Why this host cannot do it, before anything is mapped.
  virtual Result<void> check_host() const = 0;
  virtual Result<DmaMapping> map_chunk(const RamRange& chunk) = 0;

  const GuestMemory& memory_;
  Mapper& mapper_;

 private:
  struct Chunk {
    Gpa gpa;
    uint64_t bytes = 0;
    Iova iova;
  };
  Result<Iova> device_address(Gpa gpa, uint64_t bytes) const;
  Result<void> unmap_all();
  template <class R>
  R counted(R result) {
    if (!result) ++counters_.refusals;
    return result;
  }

  GuestPages& pages_;
  const DeviceLimits limits_;
  const uint64_t chunk_bytes_max_;
  std::vector<Chunk> chunks_;   ///< by ascending guest address
  std::vector<Chunk> reached_;  ///< since the last dirty(), also when they are unmapped now
  LiveMappings live_;
  std::map<uint64_t, uint64_t> coherent_;  ///< guest address -> bytes asked for
  Counters counters_;
};

}  // namespace dartboard::backend::dma
