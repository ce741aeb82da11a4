// backend/dma/bounce_pool.cpp - finding, filling and giving back runs. What is done once is in bounce_pool_layout.cpp.
//
// Under an area's lock there are bits, a slot's record, and at most a page that is copied back; more is copied outside.
// A run that is being written back is neither live (a second unmap finds nothing) nor free (nobody gets it) until then.
#include "backend/dma/bounce_pool.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/format.h"

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kPageBytes = 4 * kKiB;

static_assert(kPoolSegmentSlots == 128);
__extension__ typedef unsigned __int128 Bits;  // a segment's slots; nearly all runs lie in one half of it

constexpr uint64_t ones(unsigned count) {
  return ~uint64_t{0} >> (64 - count);
}  // 1..64

constexpr Bits join(const uint64_t (&words)[2]) {
  return (Bits{words[1]} << 64) | words[0];
}
constexpr Bits run_bits(unsigned begin, unsigned slots) {
  return (slots == kPoolSegmentSlots ? ~Bits{0} : (Bits{1} << slots) - 1) << begin;
}

/// Every 2^n-th slot, from slot 0.
constexpr uint64_t kEvery[7] = {~uint64_t{0},          0x5555'5555'5555'5555, 0x1111'1111'1111'1111,
                                0x0101'0101'0101'0101, 0x0001'0001'0001'0001, 0x0000'0001'0000'0001,
                                0x0000'0000'0000'0001};

/// Where `slots` free ones begin: bit n stays if n and the next ones are free. Doubles how many until it is enough.
template <class Word>
constexpr Word beginnings(Word free, unsigned slots) {
  for (unsigned have = 1; have < slots;) {
    const unsigned step = std::min(have, slots - have);
    free &= free >> step;
    have += step;
  }
  return free;
}

/// The first slot where a run may begin; 128 if there is none. Runs inside of one half are found first.
unsigned first_fit(const uint64_t (&used)[2], unsigned slots, uint64_t begins) {
  if (slots <= 64) {
    for (unsigned w = 0; w < 2; ++w) {
      if (const uint64_t found = beginnings(~used[w], slots) & begins; found != 0) {
        return w * 64 + static_cast<unsigned>(std::countr_zero(found));
      }
    }
  }
  const Bits found = beginnings(~join(used), slots) & ((Bits{begins} << 64) | begins);
  if (const auto low = static_cast<uint64_t>(found); low != 0) return static_cast<unsigned>(std::countr_zero(low));
  if (const auto high = static_cast<uint64_t>(found >> 64); high != 0) {
    return 64 + static_cast<unsigned>(std::countr_zero(high));
  }
  return kPoolSegmentSlots;
}

/// Calls change(word, bits) for the words that a run has bits in.
template <class Change>
void in_words(unsigned begin, unsigned slots, const Change& change) {
  if (begin % 64 + slots <= 64) {
    change(begin / 64, ones(slots) << begin % 64);
    return;
  }
  const Bits run = run_bits(begin, slots);
  change(0u, static_cast<uint64_t>(run));
  change(1u, static_cast<uint64_t>(run >> 64));
}

}  // namespace

inline BouncePool::Fit BouncePool::fit_for(Gpa gpa, uint64_t bytes) const {
  const uint64_t offset = gpa.value & limits_.align_mask & (kPoolSlotBytes - 1);
  Fit fit{static_cast<unsigned>((offset + bytes + kPoolSlotBytes - 1) / kPoolSlotBytes), kEvery[0]};
  if (mask_stride_log2_ != 0) {
    const uint64_t wanted = (gpa.value & limits_.align_mask) / kPoolSlotBytes;
    const unsigned phase = static_cast<unsigned>(wanted - mask_origin_) & ((1u << mask_stride_log2_) - 1);
    fit.begins = kEvery[mask_stride_log2_] << phase;
  } else if (bytes >= kPageBytes) {
    fit.begins = kEvery[1];  // pieces begin on a page
  }
  return fit;
}

inline BouncePool::Area& BouncePool::home_area() {
  struct Home {
    uint64_t pool;
    Area* area;
  };
  static thread_local constinit Home home{0, nullptr};
  if (home.pool != serial_) home = {serial_, &areas_[number_of_this_thread() % area_count_]};
  return *home.area;
}

inline BouncePool::Run BouncePool::run_at(Area& area, uint32_t segment, uint32_t begin) {
  return {segment, begin, &area, &slots_[segment * kPoolSegmentSlots + begin]};
}

inline void BouncePool::take(Area& area, unsigned slots) {
  area.used += slots;
  if (area.used > area.used_peak) area.used_peak = area.used;
}

/// All of the pool, from an area that is locked.
[[gnu::noinline]] BouncePool::Run BouncePool::search(Area& home, const Fit& fit, bool writable) {
  Area* const end = areas_.get() + area_count_;
  Area* area = &home;
  for (uint32_t areas_tried = 0; areas_tried < area_count_; ++areas_tried) {
    if (areas_tried != 0) area->lock.lock();
    uint32_t at = area->hint;
    const uint32_t count = area->used + fit.slots <= area->slots ? area->count : 0;
    for (uint32_t tried = 0; tried < count; ++tried) {
      Segment& segment = segments_[at];
      const unsigned begin = first_fit(segment.used, fit.slots, fit.begins);
      if (begin < kPoolSegmentSlots) {
        in_words(begin, fit.slots, [&](unsigned word, uint64_t bits) {
          segment.used[word] |= bits;
          if (writable) segment.written[word] |= bits;
        });
        area->hint = at;
        take(*area, fit.slots);
        return run_at(*area, at, begin);
      }
      if (++at == area->first + area->count) at = area->first;
    }
    ++area->full;
    area->lock.unlock();
    if (++area == end) area = areas_.get();
  }
  return {};
}

[[gnu::always_inline]] inline BouncePool::Run BouncePool::take_locked(const Fit& fit, bool writable) {
  Area& area = home_area();
  area.lock.lock();
  // Most often the first half of the segment where something was found or freed last has room.
  Segment& segment = segments_[area.hint];
  const uint64_t found = fit.slots <= 64 ? beginnings(~segment.used[0], fit.slots) & fit.begins : 0;
  if (found == 0) return search(area, fit, writable);
  const uint64_t bits = (found & (~found + 1)) * ones(fit.slots);  // the lowest of `found`, and those after it
  segment.used[0] |= bits;
  if (writable) segment.written[0] |= bits;
  take(area, fit.slots);
  return run_at(area, area.hint, static_cast<uint32_t>(std::countr_zero(found)));
}

inline void BouncePool::release(const Run& run) {
  Segment& segment = segments_[run.segment];
  const unsigned slots = run.slot->slots();
  in_words(run.begin, slots, [&](unsigned word, uint64_t bits) { segment.used[word] &= ~bits; });
  run.area->used -= slots;
  // The next one finds these slots while they are in the cache.
  if (run.area->hint != run.segment) run.area->hint = run.segment;
  run.slot->what = 0;
}

std::byte* BouncePool::base(const Run& run) const {
  return places_[run.segment].base + run.begin * kPoolSlotBytes;
}

inline bool BouncePool::locate(Iova iova, Run* run, uint64_t* offset) {
  const Span* span = by_iova_.data();
  if (by_iova_.size() != 1) {
    const auto next =
        std::upper_bound(by_iova_.begin(), by_iova_.end(), iova, [](Iova i, const Span& s) { return i < s.iova; });
    if (next == by_iova_.begin()) return false;
    span = &*std::prev(next);
  }
  const uint64_t in_span = iova - span->iova;
  if (in_span >= span->bytes) return false;
  const auto segment = span->segment + static_cast<uint32_t>(in_span / kPoolSegmentBytes);
  const auto begin = static_cast<uint32_t>(in_span % kPoolSegmentBytes / kPoolSlotBytes);
  *run = run_at(areas_[segments_[segment].area], segment, begin);
  *offset = in_span % kPoolSlotBytes;
  return true;
}

Result<Mapped> BouncePool::map(const MapRequest& request, Copy copy) {
  const Gpa gpa = request.gpa;
  const uint64_t bytes = request.bytes;
  // A length of 0 is refused here too; after this nothing wraps.
  if (bytes - 1 >= mapping_bytes_max_ || bytes - 1 > UINT64_MAX - gpa.value) return refuse_map(request);
  if (gpa <= gpa_last_ && gpa + (bytes - 1) >= gpa_first_ && holds(gpa, bytes)) return refuse_map(request);
  const std::byte* const buffer = memory_.at(gpa, bytes);
  if (buffer == nullptr && !memory_.covers(gpa, bytes)) return refuse_map(request);

  const uint64_t offset = gpa.value & limits_.align_mask & (kPoolSlotBytes - 1);
  const uint64_t copied = copy == Copy::kYes ? bytes : 0;
  const Fit fit = fit_for(gpa, bytes);
  const Run run = take_locked(fit, device_writes(request.direction));
  if (run.area == nullptr) return refuse_full(bytes);
  run.slot->gpa = gpa;
  run.slot->what = Slot::record(bytes, offset, request.direction, State::kStreaming) | static_cast<uint64_t>(fit.slots)
                                                                                           << Slot::kSlotsShift;
  run.slot->filled = Slot::range(0, copied);
  ++run.area->maps;
  if (copied != 0) run.area->bytes_copied += copied;
  run.area->lock.unlock();

  std::byte* const slot = base(run);
  if (copied != 0) {
    if (buffer != nullptr) {
      std::memcpy(slot + offset, buffer, bytes);
    } else {
      memory_.read(gpa, {slot + offset, bytes});
    }
  }
  if (const uint64_t run_bytes = fit.slots * kPoolSlotBytes; run_bytes != bytes) {  // the slack
    std::memset(slot, 0, offset);
    std::memset(slot + offset + bytes, 0, run_bytes - offset - bytes);
  }
  return Mapped{places_[run.segment].iova + (run.begin * kPoolSlotBytes + offset), request};
}

/// Guest memory to the pool, and back. False: it is not RAM (any more).
inline bool BouncePool::copy_out(Gpa from, std::span<std::byte> to) const {
  const std::byte* const buffer = memory_.at(from, to.size());
  if (buffer == nullptr) return memory_.read(from, to);
  std::memcpy(to.data(), buffer, to.size());
  return true;
}
inline bool BouncePool::copy_back(Gpa to, std::span<const std::byte> from) const {
  std::byte* const buffer = memory_.at(to, from.size());
  if (buffer == nullptr) return memory_.write(to, from);
  std::memcpy(buffer, from.data(), from.size());
  return true;
}

Result<void> BouncePool::unmap(const Mapped& mapped, Copy copy) {
  Run run;
  uint64_t offset = 0;
  if (!locate(mapped.iova, &run, &offset)) return refuse_unknown(mapped);
  const MapRequest& request = mapped.request;
  const Slot& slot = *run.slot;
  run.area->lock.lock();
  if (!slot.is(Slot::record(request.bytes, offset, request.direction, State::kStreaming)) || slot.gpa != request.gpa ||
      request.bytes > mapping_bytes_max_) {
    run.area->lock.unlock();
    return refuse_unknown(mapped);
  }
  if (copy == Copy::kYes && device_writes(request.direction) && slot.filled_to() != 0) return write_back(run, mapped);
  release(run);
  ++run.area->unmaps;
  run.area->lock.unlock();
  return {};
}

/// The second half of an unmap that copies. The area is locked, and stays so for a page: to lock again would cost more.
Result<void> BouncePool::write_back(const Run& run, const Mapped& mapped) {
  Slot& slot = *run.slot;
  const bool apart = mapped.request.bytes > kPageBytes;
  if (apart) {
    const uint64_t slots = slot.what >> Slot::kSlotsShift << Slot::kSlotsShift;
    slot.what = Slot::record(slot.bytes(), slot.offset(), slot.direction(), State::kLeaving) | slots;
    run.area->lock.unlock();
  }
  const Gpa from = slot.gpa + slot.filled_from();
  const std::byte* const data = base(run) + slot.offset() + slot.filled_from();
  const uint64_t filled = slot.filled_to() - slot.filled_from();
  const bool written = copy_back(from, {data, filled});
  if (apart) run.area->lock.lock();
  release(run);
  ++run.area->unmaps;
  run.area->bytes_copied += filled;
  run.area->lock.unlock();
  if (written) return {};
  return refuse(
      ErrorName::kBadArgument,
      fmt::format("unmapping {:#x}: the buffer of {} bytes at {:#x} is no longer guest RAM, so what the device "
                  "wrote is lost; unmap before memory is taken away",
                  mapped.iova.value, mapped.request.bytes, mapped.request.gpa.value));
}

/// Leaves the area locked if there is no error.
Result<void> BouncePool::lock_live(const Mapped& mapped, uint64_t offset, uint64_t bytes, Run* run) {
  uint64_t in_slot = 0;
  if (!locate(mapped.iova, run, &in_slot)) return refuse_unknown(mapped);
  const MapRequest& request = mapped.request;
  run->area->lock.lock();
  const bool live = run->slot->is(Slot::record(request.bytes, in_slot, request.direction, State::kStreaming)) &&
                    run->slot->gpa == request.gpa && request.bytes <= mapping_bytes_max_;
  if (live && in_range(offset, bytes, request.bytes)) return {};
  run->area->lock.unlock();
  if (!live) return refuse_unknown(mapped);
  return refuse(ErrorName::kOutOfRange,
                fmt::format("syncing {} bytes at offset {} of the mapping at {:#x}: it has {} bytes", bytes, offset,
                            mapped.iova.value, request.bytes));
}

Result<void> BouncePool::sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  Run run;
  if (auto live = lock_live(mapped, offset, bytes, &run); !live) return live;
  const Slot slot = *run.slot;
  const bool copies = device_writes(slot.direction()) && bytes != 0;
  const bool filled = offset >= slot.filled_from() && offset + bytes <= slot.filled_to();
  if (copies && filled) run.area->bytes_copied += bytes;
  run.area->lock.unlock();
  if (!copies) return {};
  if (!filled) {
    return refuse(ErrorName::kBadArgument,
                  fmt::format("syncing {} bytes at offset {} of the mapping at {:#x} for the CPU: it was made without "
                              "copies and these bytes never were the device's; sync them for the device first",
                              bytes, offset, mapped.iova.value));
  }
  if (copy_back(slot.gpa + offset, {base(run) + slot.offset() + offset, bytes})) return {};
  return refuse_vanished(mapped);
}

Result<void> BouncePool::sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  Run run;
  if (auto live = lock_live(mapped, offset, bytes, &run); !live) return live;
  // [begin, end) is copied in: for a device that reads, what was asked; and of a mapping without copies, what joins
  // these bytes to those that were filled before, so that what is filled stays one piece.
  struct Part {
    uint64_t begin, end;
  };
  Part parts[3];
  unsigned count = 0;
  const auto add = [&](uint64_t begin, uint64_t end) {
    parts[count++] = {begin, end};
    run.area->bytes_copied += end - begin;
  };
  if (bytes != 0) {
    Slot& slot = *run.slot;
    const uint64_t begin = offset, end = offset + bytes;
    const uint64_t from = slot.filled_to() == 0 ? begin : slot.filled_from();
    const uint64_t to = slot.filled_to() == 0 ? begin : slot.filled_to();
    if (device_reads(slot.direction())) add(begin, end);
    if (begin < from) add(begin, from);
    if (end > to) add(to, end);
    slot.filled = Slot::range(std::min(begin, from), std::max(end, to));
  }
  const Slot slot = *run.slot;
  run.area->lock.unlock();
  for (unsigned n = 0; n < count; ++n) {
    const Part& part = parts[n];
    std::byte* const to = base(run) + slot.offset() + part.begin;
    if (!copy_out(slot.gpa + part.begin, {to, part.end - part.begin})) return refuse_vanished(mapped);
  }
  return {};
}

Result<Coherent> BouncePool::allocate_coherent(uint64_t bytes) {
  if (bytes == 0 || bytes > kPoolSegmentBytes) {
    return refuse(
        ErrorName::kBadArgument,
        compiled_text(FMT_COMPILE("coherent memory of {} bytes: the bounce pool has 1 to {} in one piece; ask "
                                  "for several"),
                      bytes, kPoolSegmentBytes));
  }
  const uint64_t whole = round_up(bytes, kPageBytes);
  const Fit fit{static_cast<unsigned>(whole / kPoolSlotBytes), kEvery[1]};
  const Run run = take_locked(fit, true);
  if (run.area == nullptr) return refuse_full(bytes);
  run.slot->gpa = Gpa{};
  run.slot->what = Slot::record(whole, 0, Direction::kBidirectional, State::kCoherent) |
                   static_cast<uint64_t>(fit.slots) << Slot::kSlotsShift;
  ++run.area->coherent;
  run.area->lock.unlock();
  std::memset(base(run), 0, whole);
  const Place& segment = places_[run.segment];
  return Coherent{segment.gpa + run.begin * kPoolSlotBytes, segment.iova + run.begin * kPoolSlotBytes, whole};
}

Result<void> BouncePool::free_coherent(const Coherent& coherent) {
  Run run;
  uint64_t offset = 0;
  if (locate(coherent.iova, &run, &offset)) {
    const std::lock_guard held(run.area->lock);
    const Gpa gpa = places_[run.segment].gpa + run.begin * kPoolSlotBytes;
    const uint64_t recorded = Slot::record(coherent.bytes, 0, Direction::kBidirectional, State::kCoherent);
    if (run.slot->is(recorded) && offset == 0 && gpa == coherent.gpa && coherent.bytes <= kPoolSegmentBytes) {
      release(run);
      return {};
    }
  }
  return refuse(ErrorName::kNotFound,
                compiled_text(FMT_COMPILE("freeing coherent memory of {} bytes at {:#x}: it is not what the pool gave "
                                          "out, or was freed before"),
                              coherent.bytes, coherent.iova.value));
}

[[gnu::noinline]] bool BouncePool::holds(Gpa gpa, uint64_t bytes) const {
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const PoolPiece& piece) {
    return gpa <= piece.gpa + (piece.bytes - 1) && piece.gpa <= gpa + (bytes - 1);
  });
}

void BouncePool::live_writable(uint32_t segment, uint64_t (&bits)[2]) const {
  const Slot* const heads = &slots_[segment * kPoolSegmentSlots];
  for (unsigned begin = 0; begin < kPoolSegmentSlots;) {
    const Slot& head = heads[begin];
    if (head.state() != State::kFree && device_writes(head.direction())) {
      in_words(begin, head.slots(), [&](unsigned word, uint64_t run) { bits[word] |= run; });
    }
    begin += std::max(head.slots(), 1u);
  }
}

// Sentences are made apart from the paths above, which stay short.

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> BouncePool::refuse(ErrorName name, std::string sentence) {
  Area& area = home_area();
  const std::lock_guard held(area.lock);
  ++area.refusals;
  return tl::unexpected<Error>(Error{name, io_return::kSuccess, std::move(sentence)});
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> BouncePool::refuse_map(const MapRequest& request) {
  const uint64_t bytes = request.bytes;
  const char* why = "it is not guest RAM from end to end";
  if (bytes == 0) {
    why = "a mapping has at least one byte";
  } else if (bytes - 1 > UINT64_MAX - request.gpa.value) {
    why = "it wraps around";
  } else if (bytes > mapping_bytes_max_) {
    return refuse(
        ErrorName::kBadArgument,
        compiled_text(FMT_COMPILE("mapping {} bytes at {:#x}: the bounce pool takes at most {} at once; split "
                                  "the request (dma_max_mapping_size)"),
                      bytes, request.gpa.value, mapping_bytes_max_));
  } else if (holds(request.gpa, bytes)) {
    why = "it is the bounce pool's own memory, which the device reaches already";
  }
  return refuse(ErrorName::kBadArgument,
                compiled_text(FMT_COMPILE("mapping {} bytes at {:#x}: {}"), bytes, request.gpa.value, why));
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> BouncePool::refuse_full(uint64_t bytes) {
  uint64_t used = 0, slots = 0;
  for (uint32_t n = 0; n < area_count_; ++n) {
    const std::lock_guard held(areas_[n].lock);
    used += areas_[n].used;
    slots += areas_[n].slots;
  }
  return refuse(
      ErrorName::kBusy,
      compiled_text(FMT_COMPILE("the bounce pool is full: no free run for {} bytes, {} of {} slots of {} bytes "
                                "are used; try again after an unmap or give the guest a larger pool"),
                    bytes, used, slots, kPoolSlotBytes));
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> BouncePool::refuse_unknown(const Mapped& mapped) {
  return refuse(ErrorName::kNotFound,
                compiled_text(FMT_COMPILE("the bounce pool has no live mapping at {:#x} of {} bytes at {:#x}: it was "
                                          "unmapped before, or never was as told"),
                              mapped.iova.value, mapped.request.bytes, mapped.request.gpa.value));
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> BouncePool::refuse_vanished(const Mapped& mapped) {
  return refuse(ErrorName::kBadArgument,
                fmt::format("syncing the mapping at {:#x}: its buffer at {:#x} is no longer guest RAM; unmap before "
                            "memory is taken away",
                            mapped.iova.value, mapped.request.gpa.value));
}

}  // namespace dartboard::backend::dma
