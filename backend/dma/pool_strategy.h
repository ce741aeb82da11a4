// backend/dma/pool_strategy.h - strategy "pool": the device reaches one bounce pool and nothing else of the guest.
//
// start() takes the pool from the host: one buffer in one segment, or, where the host has none so long, pieces of this
// process's memory, each mapped by itself. The guest needs a kernel with CONFIG_DMA_RESTRICTED_POOL and a device tree
// that shows the pool; no exit and no host call happens afterwards. What it costs is a copy for each transfer, and
// nothing larger than 256 KiB can be mapped.
//
// Dirty pages: exact for streaming mappings, whose buffers are written by the copy back (sync_for_cpu, unmap); pages of
// the pool itself are reported conservatively, as long as a mapping or coherent memory in them may be written.
//
// map, unmap, sync and coherent memory are safe to call from several threads; start, stop, guest_reset and changes of
// the guest's memory must have the strategy to themselves.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "backend/dma/bounce_pool.h"
#include "backend/dma/dirty_log.h"
#include "backend/dma/strategy.h"

namespace dartboard::backend::dma {

struct PoolOptions {
  uint64_t bytes = 64 * kMiB;  ///< a multiple of 256 KiB; Linux's default size of a swiotlb
  uint32_t areas = 4;          ///< as many threads map without meeting
  /// Where the guest sees the pool: the device tree then needs dma-ranges. Without: where the device sees it.
  std::optional<Gpa> gpa;
  /// With `gpa`: the device tree also has identity entries for the other RAM, because another device behind the same
  /// host bridge uses the DMA API. Then no device address of the pool may be a guest address of RAM: dma-ranges would
  /// mean both.
  bool identity_for_other_ram = false;
  enum class Source : uint8_t { kBuffer, kPieces, kBufferElsePieces };
  Source source = Source::kBufferElsePieces;
  uint64_t piece_bytes = 2 * kMiB;  ///< of each piece, a multiple of 256 KiB; the last one may be shorter
  DeviceLimits limits;
};

class PoolStrategy final : public Strategy {
 public:
  /// Both outlive the strategy. While it is started the pool is part of `memory`.
  PoolStrategy(GuestMemory& memory, Mapper& mapper, const PoolOptions& options)
      : memory_(memory), mapper_(mapper), options_(options) {}
  ~PoolStrategy() override;

  std::string_view name() const override { return "pool"; }

  /// kBadArgument: sizes that are not whole segments, or pieces that no pool can be made of. kBudgetBytes and
  /// kBudgetMappings: the pool is larger than what is left, and by how much. kBusy: already started, or the pool lies
  /// where the guest has RAM. kOutOfRange: above the device's DMA mask. kMapperFailed: no segment so long, and pieces
  /// are not wanted. Nothing is held after a failure.
  Result<void> start() override;
  /// Each step is tried twice, because what stays mapped stays reachable. If the device cannot be quiesced nothing is
  /// taken away: call again.
  Result<void> stop() override;
  /// The pool stays where it is: the guest's device tree names its addresses.
  Result<void> guest_reset() override;

  Result<Mapped> map(const MapRequest& request) override;
  Result<void> unmap(const Mapped& mapped) override;
  Result<void> sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<void> sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) override;
  Result<Coherent> allocate_coherent(uint64_t bytes, Context context) override;
  Result<void> free_coherent(const Coherent& coherent) override;
  uint64_t mapping_bytes_max() const override;
  Result<void> dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) override;

  /// Made when asked; not beside itself.
  const Counters& counters() const override;
  void inspect(InspectNode& node) const override;

  /// What a device tree has to show, in the pool's order. Empty unless started.
  std::span<const PoolPiece> pieces() const { return pieces_; }
  const BouncePool* pool() const { return pool_.get(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };

  Result<void> check_budget() const;
  Result<void> take_memory();
  Result<void> take_buffer();
  Result<void> take_pieces();
  Result<void> place();
  Result<void> give_back();
  Result<void> quiesce();
  void keep_counters();
  bool lost() const;
  bool ready() const { return pool_ != nullptr && !lost(); }
  tl::unexpected<Error> not_ready();

  GuestMemory& memory_;
  Mapper& mapper_;
  const PoolOptions options_;
  bool buffer_ = false;                   ///< the mapper's buffer is ours
  std::unique_ptr<std::byte, Free> own_;  ///< memory behind pieces
  std::vector<uint64_t> keys_;            ///< of mapped pieces
  std::vector<Gpa> placed_;               ///< ranges of `memory_` that are the pool's
  std::vector<PoolPiece> pieces_;
  std::unique_ptr<BouncePool> pool_;
  DirtyLog dirty_;
  Counters past_;                             ///< of pools that are gone, and of what is not the pool's
  std::atomic<uint64_t> refused_stopped_{0};  ///< requests while there was no pool
  mutable Counters counters_;
};

}  // namespace dartboard::backend::dma
