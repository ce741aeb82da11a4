// backend/dma/reservation_strategy.h - what *companion* and *windows* share: a guest part that keeps reservations of
// device addresses, and the companion device as host part. They differ in the shape of a reservation.
//
// When the host refuses a window for its budgets, or because its mapper does, the policy is, in this order: windows
// that are kept warm are given up; a reservation of the mapping's own pages, which is smaller; the second strategy, if
// there is one. Whoever was served by the last two counts as a degradation.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "backend/dma/companion_device.h"
#include "backend/dma/companion_driver.h"
#include "backend/dma/dirty_log.h"
#include "backend/dma/live_table.h"
#include "backend/dma/strategy.h"
#include "backend/dma/window_table.h"

namespace dartboard::backend::dma {

struct ReservationOptions {
  WindowOptions windows;
  CompanionOptions device;
  uint32_t batch_max = 256;  ///< requests of one doorbell
};

class ReservationStrategy : public Strategy {
 public:
  /// kBadArgument or kNotSupported: options that cannot be. kBusy: started. Otherwise what the guest pages say.
  Result<void> start() override;
  /// Each call to the device and the mapper that fails is tried once more. If the device cannot be made quiet nothing
  /// is unmapped, because its next access would be a fault: call it again.
  Result<void> stop() override;
  Result<void> guest_reset() override;

  /// kNotSupported: the caller may not sleep and the host would have to be asked.
  Result<Mapped> map(const MapRequest& request) override;
  /// The mapping is over, whatever the result; an error says that the host could not let go of its memory, which stop()
  /// tries again.
  Result<void> unmap(const Mapped& mapped) override;
  /// One batch, whose neighbours may share a registration.
  Result<std::vector<Mapped>> map_many(std::span<const MapRequest> requests) override;
  Result<void> unmap_many(std::span<const Mapped> mapped) override;
  Result<void> sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<void> sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<Coherent> allocate_coherent(uint64_t bytes, Context context) override;
  Result<void> free_coherent(const Coherent& coherent) override;
  uint64_t mapping_bytes_max() const override;
  /// Pages of mappings that the device may write and that are live, or were since the last call.
  Result<void> dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) override;
  const Counters& counters() const override;
  void inspect(InspectNode& node) const override;

  /// The host's part, as a VMM exposes it.
  CompanionDevice& device() { return device_; }
  const WindowTable& table() const { return table_; }

 protected:
  ReservationStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits,
                      const ReservationOptions& options, std::unique_ptr<Strategy> second);

 private:
  using Index = WindowTable::Index;
  struct CoherentUse {
    uint64_t bytes;
    Index reservation;
  };

  WindowTable::Shape shape() const {
    return options_.windows.window_bytes != 0 ? WindowTable::Shape::kWindow : WindowTable::Shape::kExact;
  }
  Result<void> check(const MapRequest& request) const;
  Result<void> check_reach(Iova iova, const MapRequest& request) const;
  Result<Index> reserve(const MapRequest& request);
  Result<Index> reserve_anew(const MapRequest& request, Index fresh);
  void follow_memory();
  Result<void> ask_host(Index index);
  Result<void> release(Index reservation);
  void record(const Mapped& mapped, Index reservation);
  Result<void> quiesce();
  Result<void> end(Result<void> first);
  void note_written(const MapRequest& request);
  template <class T>
  tl::unexpected<Error> refused(const Result<T>& why) {
    ++counters_.refusals;
    return tl::unexpected(why.error());
  }

  const GuestMemory& memory_;
  Mapper& mapper_;
  GuestPages& pages_;
  const DeviceLimits limits_;
  const ReservationOptions options_;
  const std::unique_ptr<Strategy> second_;

  GuestMemoryBus bus_;
  CompanionDevice device_;
  CompanionDriver driver_;

  WindowTable table_;
  LiveTable live_;
  std::map<uint64_t, CoherentUse> coherent_;  ///< guest address -> what is there
  DirtyLog log_;                              ///< of mappings that are over
  std::vector<RamRange> followed_;            ///< by the log
  std::vector<Index> batch_;                  ///< kept for their memory
  std::vector<CompanionEntry> entries_;
  std::vector<Gpa> ids_;
  Counters counters_;
  mutable Counters all_;
};

}  // namespace dartboard::backend::dma
