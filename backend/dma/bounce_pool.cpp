// backend/dma/bounce_pool.cpp - finding, filling and giving back runs. What is done once is in bounce_pool_layout.cpp.
//
// Under an area's lock there are only bits and a slot's record; bytes are copied outside. So a run that is being
// written back is neither live (a second unmap finds nothing) nor free (nobody gets it) until the copy is done.
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
__extension__ typedef unsigned __int128 Bits;   // a segment's slots; nearly all runs lie in one half of it

constexpr uint64_t ones(unsigned count) { return ~uint64_t{0} >> (64 - count); }   // 1..64

constexpr Bits join(const uint64_t (&words)[2]) { return (Bits{words[1]} << 64) | words[0]; }
constexpr Bits run_bits(unsigned begin, unsigned slots) {
  return (slots == kPoolSegmentSlots ? ~Bits{0} : (Bits{1} << slots) - 1) << begin;
}

/// Every 2^n-th slot, from slot 0.
constexpr uint64_t kEvery[7] = {~uint64_t{0},           0x5555'5555'5555'5555, 0x1111'1111'1111'1111,
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

/// The first slot where a run may begin; 128 if there is none.
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

BouncePool::Fit BouncePool::fit_for(Gpa gpa, uint64_t bytes) const {
  const uint64_t offset = gpa.value & limits_.align_mask & (kPoolSlotBytes - 1);
  Fit fit{static_cast<unsigned>((offset + bytes + kPoolSlotBytes - 1) / kPoolSlotBytes), mask_stride_log2_, 0};
  if (mask_stride_log2_ != 0) {
    const uint64_t wanted = (gpa.value & limits_.align_mask) / kPoolSlotBytes;
    fit.phase = static_cast<unsigned>(wanted - mask_origin_) & ((1u << mask_stride_log2_) - 1);
  } else if (bytes >= kPageBytes) {
    fit.stride_log2 = 1;   // pieces begin on a page
  }
  return fit;
}

uint32_t BouncePool::home_area() {
  if (area_count_ == 1) return 0;
  struct Home { uint64_t pool; uint32_t area; };
  static thread_local constinit Home home{0, 0};
  if (home.pool != serial_) home = {serial_, number_of_this_thread() % area_count_};
  return home.area;
}

BouncePool::Run BouncePool::run_at(uint32_t segment, uint32_t begin) {
  return {segment, begin, &areas_[segments_[segment].area], &slots_[segment * kPoolSegmentSlots + begin],
          places_[segment].base + begin * kPoolSlotBytes};
}

bool BouncePool::take(Area& area, const Fit& fit, bool writable, Run* run) {
  const uint64_t begins = kEvery[fit.stride_log2] << fit.phase;
  uint32_t at = area.hint;
  for (uint32_t tried = 0; tried < area.count; ++tried) {
    Segment& segment = segments_[at];
    const unsigned begin = first_fit(segment.used, fit.slots, begins);
    if (begin < kPoolSegmentSlots) {
      in_words(begin, fit.slots, [&](unsigned word, uint64_t bits) {
        segment.used[word] |= bits;
        segment.writable[word] |= writable ? bits : 0;
      });
      area.hint = at;
      area.used += fit.slots;
      area.used_peak = std::max(area.used_peak, area.used);
      *run = {at, begin, &area, &slots_[at * kPoolSegmentSlots + begin], places_[at].base + begin * kPoolSlotBytes};
      return true;
    }
    if (++at == area.first + area.count) at = area.first;
  }
  return false;
}

template <class Record>
bool BouncePool::place(const Fit& fit, bool writable, Run* run, const Record& record) {
  uint32_t index = home_area();
  for (uint32_t tried = 0; tried < area_count_; ++tried) {
    Area& area = areas_[index];
    const std::lock_guard held(area.lock);
    if (area.used + fit.slots <= area.slots && take(area, fit, writable, run)) {
      run->slot->slots = static_cast<uint8_t>(fit.slots);
      record(*run->slot, area);
      return true;
    }
    ++area.full;
    if (++index == area_count_) index = 0;
  }
  return false;
}

void BouncePool::release(const Run& run) {
  Segment& segment = segments_[run.segment];
  in_words(run.begin, run.slot->slots, [&](unsigned word, uint64_t bits) {
    segment.used[word] &= ~bits;
    segment.written[word] |= segment.writable[word] & bits;
    segment.writable[word] &= ~bits;
  });
  run.area->used -= run.slot->slots;
  run.area->hint = run.segment;   // the next one finds these slots while they are in the cache
  run.slot->state = State::kFree;
}

bool BouncePool::locate(Iova iova, Run* run, uint64_t* offset) {
  const Span* span = by_iova_.data();
  if (by_iova_.size() != 1) {
    const auto next = std::upper_bound(by_iova_.begin(), by_iova_.end(), iova,
                                       [](Iova i, const Span& s) { return i < s.iova; });
    if (next == by_iova_.begin()) return false;
    span = &*std::prev(next);
  }
  const uint64_t in_span = iova - span->iova;
  if (in_span >= span->bytes) return false;
  *run = run_at(span->segment + static_cast<uint32_t>(in_span / kPoolSegmentBytes),
                static_cast<uint32_t>(in_span % kPoolSegmentBytes / kPoolSlotBytes));
  *offset = in_span % kPoolSlotBytes;
  return true;
}

/// The area must be locked.
bool BouncePool::is(const Slot& slot, const Mapped& mapped, uint64_t offset) {
  return slot.state == State::kStreaming && slot.offset == offset && slot.gpa == mapped.request.gpa &&
         slot.bytes == mapped.request.bytes && slot.direction == mapped.request.direction;
}

Result<Mapped> BouncePool::map(const MapRequest& request, Copy copy) {
  const uint64_t bytes = request.bytes;
  if (bytes - 1 >= mapping_bytes_max_ || bytes - 1 > UINT64_MAX - request.gpa.value || holds(request.gpa, bytes)) {
    return refuse_map(request);
  }
  const std::byte* const original = memory_.at(request.gpa, bytes);
  if (original == nullptr && !memory_.covers(request.gpa, bytes)) return refuse_map(request);

  const uint64_t offset = request.gpa.value & limits_.align_mask & (kPoolSlotBytes - 1);
  const uint64_t copied = copy == Copy::kYes ? bytes : 0;
  const Fit fit = fit_for(request.gpa, bytes);
  Run run;
  const bool placed = place(fit, device_writes(request.direction), &run, [&](Slot& slot, Area& area) {
    slot.gpa = request.gpa;
    slot.bytes = static_cast<uint32_t>(bytes);
    slot.filled_from = 0;
    slot.filled_to = static_cast<uint32_t>(copied);
    slot.offset = static_cast<uint16_t>(offset);
    slot.state = State::kStreaming;
    slot.direction = request.direction;
    ++area.maps;
    area.bytes_copied += copied;
  });
  if (!placed) return refuse_full(bytes);

  if (offset != 0) std::memset(run.base, 0, offset);
  if (copied != 0) {
    if (original != nullptr) {
      std::memcpy(run.base + offset, original, bytes);
    } else {
      memory_.read(request.gpa, {run.base + offset, bytes});
    }
  }
  if (const uint64_t slack = fit.slots * kPoolSlotBytes - offset - bytes; slack != 0) {
    std::memset(run.base + offset + bytes, 0, slack);
  }
  return Mapped{places_[run.segment].iova + (run.begin * kPoolSlotBytes + offset), request};
}

Result<void> BouncePool::unmap(const Mapped& mapped, Copy copy) {
  Run run;
  uint64_t offset = 0;
  if (!locate(mapped.iova, &run, &offset)) return refuse_unknown(mapped);
  Slot& slot = *run.slot;
  std::unique_lock held(run.area->lock);
  if (!is(slot, mapped, offset)) {
    held.unlock();
    return refuse_unknown(mapped);
  }
  bool written = true;
  if (copy == Copy::kYes && device_writes(slot.direction) && slot.filled_to != 0) {
    slot.state = State::kLeaving;
    held.unlock();
    const Gpa from = slot.gpa + slot.filled_from;
    const std::byte* const data = run.base + slot.offset + slot.filled_from;
    const uint64_t filled = slot.filled_to - slot.filled_from;
    if (std::byte* const original = memory_.at(from, filled)) {
      std::memcpy(original, data, filled);
    } else {
      written = memory_.write(from, {data, filled});
    }
    held.lock();
    run.area->bytes_copied += filled;
  }
  release(run);
  ++run.area->unmaps;
  held.unlock();
  if (written) return {};
  return refuse(ErrorName::kBadArgument,
                fmt::format("unmapping {:#x}: the buffer of {} bytes at {:#x} is no longer guest RAM, so what the device "
                            "wrote is lost; unmap before memory is taken away",
                            mapped.iova.value, mapped.request.bytes, mapped.request.gpa.value));
}

/// Leaves the area locked if there is no error.
Result<void> BouncePool::lock_live(const Mapped& mapped, uint64_t offset, uint64_t bytes, Run* run) {
  uint64_t in_slot = 0;
  if (!locate(mapped.iova, run, &in_slot)) return refuse_unknown(mapped);
  run->area->lock.lock();
  const bool live = is(*run->slot, mapped, in_slot);
  if (live && in_range(offset, bytes, run->slot->bytes)) return {};
  run->area->lock.unlock();
  if (!live) return refuse_unknown(mapped);
  return refuse(ErrorName::kOutOfRange,
                fmt::format("syncing {} bytes at offset {} of the mapping at {:#x}: it has {} bytes", bytes, offset,
                            mapped.iova.value, mapped.request.bytes));
}

Result<void> BouncePool::sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  Run run;
  if (auto live = lock_live(mapped, offset, bytes, &run); !live) return live;
  const Slot slot = *run.slot;
  const bool copies = device_writes(slot.direction) && bytes != 0;
  const bool filled = offset >= slot.filled_from && offset + bytes <= slot.filled_to;
  if (copies && filled) run.area->bytes_copied += bytes;
  run.area->lock.unlock();
  if (!copies) return {};
  if (!filled) {
    return refuse(ErrorName::kBadArgument,
                  fmt::format("syncing {} bytes at offset {} of the mapping at {:#x} for the CPU: it was made without "
                              "copies and these bytes never were the device's; sync them for the device first",
                              bytes, offset, mapped.iova.value));
  }
  if (memory_.write(slot.gpa + offset, {run.base + slot.offset + offset, bytes})) return {};
  return refuse_vanished(mapped);
}

Result<void> BouncePool::sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  Run run;
  if (auto live = lock_live(mapped, offset, bytes, &run); !live) return live;
  // [begin, end) is copied in: for a device that reads, what was asked; and of a mapping without copies, what joins
  // these bytes to those that were filled before, so that what is filled stays one piece.
  struct Part { uint32_t begin, end; };
  Part parts[3];
  unsigned count = 0;
  const auto add = [&](uint32_t begin, uint32_t end) {
    parts[count++] = {begin, end};
    run.area->bytes_copied += end - begin;
  };
  if (bytes != 0) {
    const auto begin = static_cast<uint32_t>(offset), end = static_cast<uint32_t>(offset + bytes);
    Slot& slot = *run.slot;
    if (slot.filled_to == 0) slot.filled_from = slot.filled_to = begin;
    if (device_reads(slot.direction)) add(begin, end);
    if (begin < slot.filled_from) {
      add(begin, slot.filled_from);
      slot.filled_from = begin;
    }
    if (end > slot.filled_to) {
      add(slot.filled_to, end);
      slot.filled_to = end;
    }
  }
  const Slot slot = *run.slot;
  run.area->lock.unlock();
  for (unsigned n = 0; n < count; ++n) {
    const Part& part = parts[n];
    std::byte* const to = run.base + slot.offset + part.begin;
    if (!memory_.read(slot.gpa + part.begin, {to, part.end - part.begin})) return refuse_vanished(mapped);
  }
  return {};
}

Result<Coherent> BouncePool::allocate_coherent(uint64_t bytes) {
  if (bytes == 0 || bytes > kPoolSegmentBytes) {
    return refuse(ErrorName::kBadArgument,
                  compiled_text(FMT_COMPILE("coherent memory of {} bytes: the bounce pool has 1 to {} in one piece; ask "
                                            "for several"),
                                bytes, kPoolSegmentBytes));
  }
  const uint64_t whole = round_up(bytes, kPageBytes);
  const Fit fit{static_cast<unsigned>(whole / kPoolSlotBytes), 1, 0};
  Run run;
  const bool placed = place(fit, true, &run, [&](Slot& slot, Area& area) {
    slot = Slot{};
    slot.bytes = static_cast<uint32_t>(whole);
    slot.slots = static_cast<uint8_t>(fit.slots);
    slot.state = State::kCoherent;
    ++area.coherent;
  });
  if (!placed) return refuse_full(bytes);
  std::memset(run.base, 0, whole);
  const Place& segment = places_[run.segment];
  return Coherent{segment.gpa + run.begin * kPoolSlotBytes, segment.iova + run.begin * kPoolSlotBytes, whole};
}

Result<void> BouncePool::free_coherent(const Coherent& coherent) {
  Run run;
  uint64_t offset = 0;
  if (locate(coherent.iova, &run, &offset)) {
    const std::lock_guard held(run.area->lock);
    const Gpa gpa = places_[run.segment].gpa + run.begin * kPoolSlotBytes;
    const Slot& slot = *run.slot;
    if (slot.state == State::kCoherent && offset == 0 && gpa == coherent.gpa && slot.bytes == coherent.bytes) {
      release(run);
      return {};
    }
  }
  return refuse(ErrorName::kNotFound,
                compiled_text(FMT_COMPILE("freeing coherent memory of {} bytes at {:#x}: it is not what the pool gave "
                                          "out, or was freed before"),
                              coherent.bytes, coherent.iova.value));
}

bool BouncePool::holds(Gpa gpa, uint64_t bytes) const {
  if (gpa > gpa_last_ || gpa + (bytes - 1) < gpa_first_) return false;
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const PoolPiece& piece) {
    return gpa <= piece.gpa + (piece.bytes - 1) && piece.gpa <= gpa + (bytes - 1);
  });
}

// Sentences are made apart from the paths above, which stay short.

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> BouncePool::refuse(ErrorName name, std::string sentence) {
  Area& area = areas_[home_area()];
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
    return refuse(ErrorName::kBadArgument,
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
  return refuse(ErrorName::kBusy,
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
