// sim/macos/mapper_wire.cpp - wiring and page tables: what a map enters and an unmap takes out again.
#include <algorithm>

#include "sim/macos/dart_driver.h"
#include "sim/macos/mapper_impl.h"

namespace dartboard::macos {

/// Wires the pieces and enters them into the tables. False: no physical memory, or the page `fail_at` (counted from the
/// first; an injected fault) could not be entered; nothing is left.
bool Mapper::Impl::wire(Live& slot, uint64_t page, bool reads, bool writes, uint64_t fail_at) {
  const uint64_t first_page = page;
  uint32_t last = kNil;  // in `wirings`; kNil: slot.first
  slot.first = {Hpa(0), 0, kNil};
  parts.dart.begin();
  for (size_t i = 0; i < pieces.size(); ++i) {
    const uint64_t frames_bytes = round_up(pieces[i].bytes, model::kFrameBytes);
    const uint64_t count = round_up(frames_bytes, config.page_bytes) >> page_shift;
    const Hpa address = parts.memory.wire(pieces[i].base, frames_bytes, config.page_bytes);
    bool ok = address != Hpa(0);
    if (ok) {
      const Wiring wiring{address, frames_bytes, kNil};
      if (i == 0) {
        slot.first = wiring;
      } else {
        uint32_t index = free_wiring;
        if (index != kNil) {
          free_wiring = wirings[index].next;
          wirings[index] = wiring;
        } else {
          index = static_cast<uint32_t>(wirings.size());
          wirings.push_back(wiring);
        }
        (last == kNil ? slot.first.next : wirings[last].next) = index;
        last = index;
      }
      const uint64_t good = std::min(count, fail_at - std::min(fail_at, page - first_page));
      ok = parts.dart.map(Iova(page << page_shift), good, address, reads, writes) && good == count;
    }
    if (!ok) {
      parts.dart.rollback();
      unwire(slot);
      return false;
    }
    page += count;
  }
  return true;
}

void Mapper::Impl::unwire(Live& slot) {
  if (slot.first.bytes != 0) parts.memory.unwire(slot.first.address, slot.first.bytes);
  for (uint32_t i = slot.first.next; i != kNil;) {
    const uint32_t next = wirings[i].next;
    parts.memory.unwire(wirings[i].address, wirings[i].bytes);
    wirings[i].next = free_wiring;
    free_wiring = i;
    i = next;
  }
  slot.first = {Hpa(0), 0, kNil};
}

uint32_t Mapper::Impl::take_slot() {
  if (free_live != kNil) {
    const uint32_t index = free_live;
    free_live = live[index].next_free;
    return index;
  }
  live.emplace_back();
  return static_cast<uint32_t>(live.size() - 1);
}

bool Mapper::Impl::drop(uint32_t index) {
  Live& slot = live[index];
  const Iova base(slot.page << page_shift);
  // The order is the protection: no entry, then no TLB line, and only then no memory (invariant I-02).
  parts.dart.clear(base, slot.pages);
  const bool idle = parts.dart.invalidate(base, slot.pages);
  unwire(slot);
  pages.release(slot.page, slot.pages + config.guard_pages);
  stats.mapped_bytes -= slot.pages << page_shift;
  --stats.mappings;
  ++stats.unmaps;
  slot.pages = 0;
  slot.next_free = free_live;
  free_live = index;
  return idle;
}

/// An unmap that failed: the device is cut off and the memory let go, but range and budget stay taken until the machine
/// is reset. IODMACommand ignores the mapper's answer, so nobody is told.
void Mapper::Impl::leak(uint32_t index) {
  Live& slot = live[index];
  const Iova base(slot.page << page_shift);
  parts.dart.clear(base, slot.pages);
  parts.dart.invalidate(base, slot.pages);
  unwire(slot);
  ++stats.leaked_unmaps;
  slot.pages = 0;  // the slot itself is lost too
}

/// Forgets every mapping; costs what is mapped.
void Mapper::Impl::clear() {
  if (stats.mappings != 0) {
    for (const Live& slot : live) {
      if (slot.pages != 0) parts.dart.clear(Iova(slot.page << page_shift), slot.pages);
    }
    parts.dart.invalidate(config.window_base, config.window_bytes >> page_shift);
    for (Live& slot : live) {
      if (slot.pages != 0) unwire(slot);
    }
  }
  live.clear();
  wirings.clear();
  free_live = free_wiring = kNil;
}

}  // namespace dartboard::macos
