// backend/dma/viommu_strategy.h - *viommu*: the guest gets an IOMMU of its own (such as virtio-iommu), and the host
// maps only the pages that the guest programs into it.
//
// It cuts down what must be mapped, and on a host where the caller chooses device addresses it works: the host maps
// each page where the guest wants it. On a Mac it cannot work, and this strategy is here to show why. The guest's
// kernel chooses the address and gives it to the driver, the driver gives it to the device, and the device puts it on
// the bus as it is: nothing between the guest's IOMMU and the real one rewrites what a register or a ring says. The
// Mac's mapper chose another address. So the DART has no entry for what the device emits, and faults; and on a Mac that
// is a panic.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "backend/dma/strategy.h"

namespace dartboard::backend::dma {

class ViommuStrategy final : public Strategy {
 public:
  /// [aperture, aperture + bytes): the device addresses that the guest's IOMMU may give out, whole 4 KiB pages.
  ViommuStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits,
                 Iova aperture, uint64_t aperture_bytes);
  ~ViommuStrategy() override { (void)stop(); }

  std::string_view name() const override { return "viommu"; }
  Result<void> start() override;
  Result<void> stop() override;
  Result<void> guest_reset() override;
  Result<Mapped> map(const MapRequest& request) override;
  Result<void> unmap(const Mapped& mapped) override;
  /// One batch: all requests are in the queue when the guest kicks it once.
  Result<std::vector<Mapped>> map_many(std::span<const MapRequest> requests) override;
  Result<void> unmap_many(std::span<const Mapped> mapped) override;
  Result<void> sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<void> sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<Coherent> allocate_coherent(uint64_t bytes, Context context) override;
  Result<void> free_coherent(const Coherent& coherent) override;
  uint64_t mapping_bytes_max() const override { return aperture_bytes_; }
  /// The pages that were programmed for the device to write: all it could reach.
  Result<void> dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) override;
  const Counters& counters() const override { return counters_; }
  void inspect(InspectNode& node) const override;

  /// A mapping whose two addresses differ: what the guest told the device, and what the host's mapper assigned.
  struct Misplaced {
    Iova guest, host;
  };
  uint64_t misplaced() const { return misplaced_; }
  const std::optional<Misplaced>& first_misplaced() const { return first_misplaced_; }

 private:
  struct Entry {
    MapRequest request;
    uint64_t pages_bytes = 0;
    uint64_t key = 0;
    bool coherent = false;
    bool stuck = false;  ///< over for the guest, but the mapper did not let go: its address stays taken
  };
  Result<Iova> program(const MapRequest& request, bool coherent);
  Result<void> forget(std::map<uint64_t, Entry>::iterator entry);
  std::map<uint64_t, Entry>::iterator find(const Mapped& mapped);
  std::optional<uint64_t> take_iova(uint64_t bytes);
  void give_iova(uint64_t iova, uint64_t bytes);
  void note_written(const Entry& entry);
  void kick() { ++counters_.guest_exits; }

  const GuestMemory& memory_;
  Mapper& mapper_;
  GuestPages& pages_;
  const DeviceLimits limits_;
  const Iova aperture_;
  const uint64_t aperture_bytes_;
  std::map<uint64_t, uint64_t> free_;  ///< of the aperture: address -> bytes
  std::map<uint64_t, Entry> entries_;  ///< by the guest's device address (of the first page)
  struct Range {
    Gpa gpa;
    uint64_t bytes;
  };
  std::vector<Range> written_;  ///< unmapped since the last dirty()
  uint64_t next_key_ = 1;
  uint64_t misplaced_ = 0;
  std::optional<Misplaced> first_misplaced_;
  Counters counters_;
};

}  // namespace dartboard::backend::dma
