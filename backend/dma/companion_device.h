// backend/dma/companion_device.h - the host's part of the paravirtual mapper: the apple-dma-pci device (1b36:0015).
//
// A guest's driver writes a batch of map or unmap requests into its own memory and rings a doorbell; when the write
// returns, every request has its answer. Nothing here trusts the guest. All of its memory may change at any time, so
// each word is fetched once, into memory of ours, and judged there. One doorbell does a bounded amount of work, and a
// batch whose answers cannot be delivered leaves no mapping behind.
//
// Requests of one batch that follow each other in guest memory become one registration at the mapper: a call into the
// dext costs thousands of times what an entry here costs. Such neighbours stay reachable until the last of them is
// unmapped; `merge` off gives each its own.
//
// For one caller at a time. Bus master and memory decode are not asked: the VMM routes accesses by them, and the
// guest's module is not known to switch bus master on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backend/dma/companion_layout.h"
#include "backend/dma/guest_memory.h"
#include "backend/dma/mapper.h"
#include "backend/key_table.h"
#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"

namespace dartboard::backend::dma {

/// The device's way to guest memory. Each read() is one fetch of each byte.
class GuestBus {
 public:
  virtual ~GuestBus() = default;
  /// False: a byte of it is not RAM.
  virtual bool read(Gpa gpa, std::span<std::byte> data) = 0;
  virtual bool write(Gpa gpa, std::span<const std::byte> data) = 0;
  virtual bool covers(Gpa gpa, uint64_t bytes) = 0;
  /// Where it lies in this process; null if it is not in one piece.
  virtual std::byte* memory(Gpa gpa, uint64_t bytes) = 0;
};

class GuestMemoryBus final : public GuestBus {
 public:
  explicit GuestMemoryBus(const GuestMemory& memory) : memory_(memory) {}
  bool read(Gpa gpa, std::span<std::byte> data) override { return memory_.read(gpa, data); }
  bool write(Gpa gpa, std::span<const std::byte> data) override { return memory_.write(gpa, data); }
  bool covers(Gpa gpa, uint64_t bytes) override { return memory_.covers(gpa, bytes); }
  std::byte* memory(Gpa gpa, uint64_t bytes) override { return memory_.at(gpa, bytes); }

 private:
  const GuestMemory& memory_;
};

struct CompanionOptions {
  Rid managed;                                           ///< where the guest sees the device it maps for
  uint32_t entries_max = companion::kEntriesMaxDefault;  ///< of one batch
  const companion::WireLayout* layout = &companion::kWire64;
  bool merge = true;                        ///< neighbours of a batch share a registration
  uint64_t region_bytes_max = 1536 * kMiB;  ///< the dext tells the address of the first such chunk only
};

struct CompanionStats {
  uint64_t doorbells = 0, doorbells_dropped = 0;  ///< dropped: rung while a batch ran
  uint64_t batches_refused = 0;                   ///< not even looked at entry by entry
  uint64_t maps = 0, unmaps = 0, entries_refused = 0;
  uint64_t given_back = 0;                  ///< mapped, and unmapped because the answer could not be written
  uint64_t merged = 0;                      ///< entries that needed no registration of their own
  uint64_t host_maps = 0, host_unmaps = 0;  ///< calls to the mapper that succeeded
  uint64_t outside = 0;                     ///< accesses beyond BAR0's end
};

class CompanionDevice {
 public:
  /// `bus` and `mapper` outlive it.
  CompanionDevice(GuestBus& bus, Mapper& mapper, const CompanionOptions& options);

  /// Guest accesses to BAR0 of any length and alignment: registers are 32 bits wide, a longer access takes them in
  /// ascending order, a shorter one changes the bytes it covers, and a write that covers any byte of DOORBELL rings it
  /// once. Past the end reads are all-ones and writes are lost.
  void read(uint64_t offset, std::span<std::byte> data);
  void write(uint64_t offset, std::span<const std::byte> data);

  /// Configuration space, 256 bytes. Past the end as above.
  void read_config(uint64_t offset, std::span<std::byte> data) const;
  void write_config(uint64_t offset, std::span<const std::byte> data);

  /// Power-on state: registers and configuration as they were made. The mappings stay: release_all() first, or after.
  void reset();

  /// Unmaps all. The device it maps for must be quiet. What the mapper refuses twice is kept, to be tried by the next
  /// call; the first such refusal is the result.
  Result<void> release_all();

  uint64_t live() const { return ids_.size(); }  ///< entries that the guest holds
  uint64_t registrations() const { return regions_.size() - free_regions_.size(); }
  const CompanionStats& stats() const { return stats_; }
  /// Why the last batch, or the first of its entries that were refused, was refused.
  const std::optional<Error>& refusal() const { return refusal_; }
  void inspect(InspectNode& node) const;

 private:
  using Status = companion::Status;
  /// One registration at the mapper.
  struct Region {
    uint64_t key = 0;
    uint32_t entries = 0;  ///< ids that live in it; 0: only the mapper's refusal keeps it
    bool live = false;
  };
  struct Wanted {  ///< an entry of the batch under way
    Gpa gpa;
    uint64_t bytes = 0;
    std::byte* base = nullptr;
    Iova iova;
    Status status = Status::kIoError;
  };

  uint32_t register_value(uint32_t offset) const;
  void doorbell();
  Status run(Gpa command);
  bool fetch(companion::Command type, uint32_t count, Gpa requests, Gpa responses, Gpa command);
  Status run_map(uint32_t count);
  Status run_unmap(uint32_t count);
  Status give_back(companion::Command type);

  bool admit(Wanted& wanted);
  size_t run_length(std::span<const uint32_t> order);
  void map_run(std::span<const uint32_t> run);
  bool map_region(std::span<const uint32_t> run, bool last_try);
  uint64_t free_key(Gpa gpa);
  bool drop(uint64_t id);
  bool retire(uint32_t region);
  /// Each entry costs memory here, merged ones cost the mapper nothing: so they have a limit of their own.
  uint64_t live_max() const { return mapper_.budget().mappings_max; }
  void refuse(ErrorName name, std::string sentence);
  void refuse(const Error& error);

  GuestBus& bus_;
  Mapper& mapper_;
  const CompanionOptions options_;

  uint64_t command_gpa_ = 0;
  Status status_ = Status::kOk;
  std::array<std::byte, companion::kConfigBytes> config_{};
  bool running_ = false;

  KeyTable ids_;   ///< id -> region
  KeyTable keys_;  ///< the mapper's key -> region
  std::vector<Region> regions_;
  std::vector<uint32_t> free_regions_;
  uint64_t private_key_ = 0;

  // Of the batch under way; kept for their memory.
  std::vector<std::byte> requests_, responses_;
  std::vector<Wanted> wanted_;
  std::vector<uint32_t> order_;

  CompanionStats stats_;
  std::optional<Error> refusal_;
};

}  // namespace dartboard::backend::dma
