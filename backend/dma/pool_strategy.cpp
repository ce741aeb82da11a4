// backend/dma/pool_strategy.cpp - see pool_strategy.h.
#include "backend/dma/pool_strategy.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kPieceAlignment = 64 * kKiB;  // no smaller than a page of any host

constexpr bool meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
  return a <= b + (b_bytes - 1) && b <= a + (a_bytes - 1);
}

bool is_budget(ErrorName name) {
  return name == ErrorName::kBudgetBytes || name == ErrorName::kBudgetMappings;
}

}  // namespace

void PoolStrategy::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

PoolStrategy::~PoolStrategy() {
  if (stop()) return;
  // What may still be mapped must not become somebody else's memory: better lost than written by a device.
  if (!keys_.empty()) (void)own_.release();
}

Result<void> PoolStrategy::check_budget() const {
  const Budget& budget = mapper_.budget();
  const BudgetUse& use = mapper_.use();
  const bool pieces = options_.source == PoolOptions::Source::kPieces;
  const uint64_t mappings = pieces ? (options_.bytes - 1) / options_.piece_bytes + 1 : 1;
  const uint64_t bytes_left = budget.bytes_max - std::min(budget.bytes_max, use.bytes);
  const uint64_t mappings_left = budget.mappings_max - std::min(budget.mappings_max, use.mappings);
  if (options_.bytes > bytes_left) {
    return fail(
        ErrorName::kBudgetBytes,
        fmt::format("bounce pool of {} bytes: {} more than the {} that are left of the mapper's {}; make the pool "
                    "smaller",
                    options_.bytes, options_.bytes - bytes_left, bytes_left, budget.bytes_max));
  }
  if (mappings > mappings_left) {
    return fail(
        ErrorName::kBudgetMappings,
        fmt::format("bounce pool in {} mappings: {} more than the {} that are left of the mapper's {}; make the "
                    "pieces larger",
                    mappings, mappings - mappings_left, mappings_left, budget.mappings_max));
  }
  return {};
}

Result<void> PoolStrategy::start() {
  if (pool_ != nullptr || buffer_ || !keys_.empty()) {
    return fail(ErrorName::kBusy, "the bounce pool is there already; stop it first");
  }
  for (const uint64_t bytes : {options_.bytes, options_.piece_bytes}) {
    if (bytes != 0 && bytes % kPoolSegmentBytes == 0) continue;
    return fail(ErrorName::kBadArgument, fmt::format("bounce pool of {} bytes in pieces of up to {}: both must be "
                                                     "multiples of {}, a whole segment",
                                                     options_.bytes, options_.piece_bytes, kPoolSegmentBytes));
  }
  if (auto fits = check_budget(); !fits) return fits;
  dirty_.follow(memory_);
  auto started = take_memory();
  if (started) started = place();
  if (started) {
    auto pool = BouncePool::create(memory_, pieces_, options_.limits, options_.areas);
    if (pool) {
      pool_ = std::move(*pool);
      return {};
    }
    started = tl::unexpected(pool.error());
  }
  // No guest knows these addresses yet, so there is nothing to quiesce.
  (void)give_back();
  return started;
}

Result<void> PoolStrategy::take_memory() {
  if (options_.source == PoolOptions::Source::kPieces) return take_pieces();
  auto taken = take_buffer();
  if (taken || options_.source == PoolOptions::Source::kBuffer || is_budget(taken.error().name)) return taken;
  if (buffer_) return taken;  // it came in parts and could not be given back: the budget is not ours to take twice
  auto pieces = take_pieces();
  if (pieces) {
    ++past_.degradations;
  } else {
    pieces.error().sentence =
        fmt::format("{}; and not in one buffer: {}", pieces.error().sentence, taken.error().sentence);
  }
  return pieces;
}

Result<void> PoolStrategy::take_buffer() {
  const auto buffer = mapper_.allocate_buffer(options_.bytes, mapper_.budget().page_bytes);
  if (!buffer) return tl::unexpected(buffer.error());
  buffer_ = true;
  ++past_.host_maps;
  if (buffer->segments == 1 && buffer->segment_length >= options_.bytes && buffer->base != nullptr) {
    pieces_.push_back({Gpa{}, buffer->iova, buffer->base, options_.bytes});
    return {};
  }
  const auto freed = mapper_.free_buffer();
  if (freed) {
    buffer_ = false;
    ++past_.host_unmaps;
  }
  return fail(
      ErrorName::kMapperFailed,
      fmt::format("bounce pool: the mapper gave {} bytes in {} segments, the first of {}{}; it must be one. Make "
                  "the pool smaller or of pieces",
                  options_.bytes, buffer->segments, buffer->segment_length,
                  buffer->base == nullptr ? " and without memory" : ""));
}

Result<void> PoolStrategy::take_pieces() {
  own_.reset(static_cast<std::byte*>(std::aligned_alloc(kPieceAlignment, options_.bytes)));
  if (own_ == nullptr) {
    return fail(ErrorName::kMapperFailed, fmt::format("bounce pool: no memory for {} bytes", options_.bytes));
  }
  for (uint64_t at = 0; at < options_.bytes; at += options_.piece_bytes) {
    std::byte* const base = own_.get() + at;
    const uint64_t bytes = std::min(options_.piece_bytes, options_.bytes - at);
    const uint64_t key = reinterpret_cast<uintptr_t>(base);
    const auto mapping = mapper_.map(key, base, bytes);
    if (!mapping) return tl::unexpected(mapping.error());
    keys_.push_back(key);
    pieces_.push_back({Gpa{}, mapping->iova, base, bytes});
    ++past_.host_maps;
  }
  return {};
}

/// Gives the pieces their guest addresses and makes them guest RAM.
Result<void> PoolStrategy::place() {
  uint64_t at = 0;
  for (PoolPiece& piece : pieces_) {
    piece.gpa = options_.gpa ? *options_.gpa + at : Gpa(piece.iova.value);
    at += piece.bytes;
    if (piece.bytes - 1 > UINT64_MAX - piece.iova.value || piece.bytes - 1 > UINT64_MAX - piece.gpa.value) {
      return fail(ErrorName::kBadArgument, fmt::format("bounce pool: {:#x} bytes at guest {:#x}, device {:#x} wrap",
                                                       piece.bytes, piece.gpa.value, piece.iova.value));
    }
    for (const RamRange& ram : memory_.ranges()) {
      const bool own = std::find(placed_.begin(), placed_.end(), ram.gpa) != placed_.end();
      if (meet(piece.gpa.value, piece.bytes, ram.gpa.value, ram.bytes)) {
        return fail(
            ErrorName::kBusy,
            fmt::format("bounce pool: {:#x} bytes at guest {:#x} collide with the guest's RAM of {:#x} bytes at "
                        "{:#x}; give the pool a guest address of its own (dma-ranges) or move the RAM",
                        piece.bytes, piece.gpa.value, ram.bytes, ram.gpa.value));
      }
      if (!own && options_.gpa && options_.identity_for_other_ram &&
          meet(piece.iova.value, piece.bytes, ram.gpa.value, ram.bytes)) {
        return fail(
            ErrorName::kBusy,
            fmt::format("bounce pool: the device sees it at {:#x} ({:#x} bytes), where the guest has {:#x} bytes "
                        "of RAM at {:#x}; with identity entries dma-ranges would mean both: move the RAM",
                        piece.iova.value, piece.bytes, ram.bytes, ram.gpa.value));
      }
    }
    if (auto added = memory_.add({piece.gpa, piece.bytes, piece.base}); !added) return added;
    placed_.push_back(piece.gpa);
  }
  return {};
}

Result<void> PoolStrategy::quiesce() {
  if (mapper_.quiesce()) return {};
  return mapper_.quiesce();
}

/// Unmaps, then takes the memory from the guest, then frees it. What could not be unmapped stays for the next call.
Result<void> PoolStrategy::give_back() {
  Result<void> first;
  const auto twice = [&](const auto& step) {
    auto done = step();
    if (!done && done.error().name != ErrorName::kNotFound) done = step();
    const bool away = done || done.error().name == ErrorName::kNotFound;
    if (away) {
      ++past_.host_unmaps;
    } else if (first) {
      first = std::move(done);
    }
    return away;
  };
  keep_counters();
  pool_.reset();
  std::erase_if(keys_, [&](uint64_t key) { return twice([&] { return mapper_.unmap(key); }); });
  if (buffer_) {
    // The buffer is unmapped and freed in one call, so the guest must let go of it before.
    for (const Gpa gpa : std::exchange(placed_, {})) (void)memory_.remove(gpa);
    buffer_ = !twice([&] { return mapper_.free_buffer(); });
  }
  if (!keys_.empty() || buffer_) return first;
  for (const Gpa gpa : std::exchange(placed_, {})) (void)memory_.remove(gpa);
  pieces_.clear();
  own_.reset();
  return first;
}

Result<void> PoolStrategy::stop() {
  if (pool_ == nullptr && !buffer_ && keys_.empty()) return {};
  if (auto quiet = quiesce(); !quiet) return quiet;
  return give_back();
}

/// A buffer of the host's lives as long as the connection to its dext. Own pieces stay, whatever happens to the device.
bool PoolStrategy::lost() const {
  return buffer_ && mapper_.gone();
}

Result<void> PoolStrategy::guest_reset() {
  if (pool_ == nullptr) return {};
  if (lost()) return give_back();
  if (auto quiet = quiesce(); !quiet) return quiet;
  pool_->reset();
  return {};
}

Result<Mapped> PoolStrategy::map(const MapRequest& request) {
  if (!ready()) return not_ready();
  return pool_->map(request);
}

Result<void> PoolStrategy::unmap(const Mapped& mapped) {
  if (!ready()) return not_ready();
  auto unmapped = pool_->unmap(mapped);
  if (unmapped && device_writes(mapped.request.direction)) dirty_.mark(mapped.request.gpa, mapped.request.bytes);
  return unmapped;
}

Result<void> PoolStrategy::sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  if (!ready()) return not_ready();
  auto synced = pool_->sync_for_cpu(mapped, offset, bytes);
  if (synced && device_writes(mapped.request.direction)) dirty_.mark(mapped.request.gpa + offset, bytes);
  return synced;
}

Result<void> PoolStrategy::sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  if (!ready()) return not_ready();
  return pool_->sync_for_device(mapped, offset, bytes);
}

Result<Coherent> PoolStrategy::allocate_coherent(uint64_t bytes, Context) {
  if (!ready()) return not_ready();
  return pool_->allocate_coherent(bytes);
}

Result<void> PoolStrategy::free_coherent(const Coherent& coherent) {
  if (!ready()) return not_ready();
  return pool_->free_coherent(coherent);
}

uint64_t PoolStrategy::mapping_bytes_max() const {
  return kPoolSegmentBytes - round_up(options_.limits.align_mask, kPoolSlotBytes);
}

Result<void> PoolStrategy::dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) {
  if (auto collected = dirty_.collect(from, bytes, page_bytes, bitmap); !collected) return collected;
  if (pool_ != nullptr) pool_->collect_written(from, bytes, page_bytes, bitmap);
  return {};
}

void PoolStrategy::keep_counters() {
  if (pool_ == nullptr) return;
  const PoolUse use = pool_->use();
  past_.maps += use.maps;
  past_.unmaps += use.unmaps;
  past_.coherent_allocations += use.coherent_allocations;
  past_.bytes_copied += use.bytes_copied;
  past_.refusals += use.refusals;
}

const Counters& PoolStrategy::counters() const {
  counters_ = past_;
  counters_.refusals += refused_stopped_.load(std::memory_order_relaxed);
  if (pool_ != nullptr) {
    const PoolUse use = pool_->use();
    counters_.maps += use.maps;
    counters_.unmaps += use.unmaps;
    counters_.coherent_allocations += use.coherent_allocations;
    counters_.bytes_copied += use.bytes_copied;
    counters_.refusals += use.refusals;
  }
  counters_.hits = counters_.maps;  // none needs the host
  return counters_;
}

tl::unexpected<Error> PoolStrategy::not_ready() {
  refused_stopped_.fetch_add(1, std::memory_order_relaxed);
  if (pool_ != nullptr) {
    return fail(ErrorName::kDeviceGone,
                "the bounce pool's memory went with the device: stop the strategy, and start it with the next device");
  }
  return fail(ErrorName::kBusy, "the bounce pool is not there: start the strategy before the guest runs");
}

void PoolStrategy::inspect(InspectNode& node) const {
  node.child("source", pool_ == nullptr ? "none" : buffer_ ? "one buffer of the host" : "pieces");
  node.child("guest address", options_.gpa ? fmt::format("{:#x}", options_.gpa->value) : "the device's");
  if (pool_ != nullptr) pool_->inspect(node.child("pool"));
}

}  // namespace dartboard::backend::dma
