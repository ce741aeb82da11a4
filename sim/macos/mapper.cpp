// sim/macos/mapper.cpp - budgets, placement, wiring and page tables, in that order; undone in the other.
#include "sim/macos/mapper.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <deque>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "model/host_memory.h"
#include "model/timeline.h"
#include "sim/core/tape.h"
#include "sim/core/trace_hash.h"
#include "sim/macos/dart_driver.h"
#include "sim/macos/iova_allocator.h"

namespace dartboard::macos {
namespace {

constexpr uint32_t kNil = UINT32_MAX;
constexpr uint64_t kFrameMask = model::kFrameBytes - 1;

std::string_view to_string(IovaPolicy policy) {
  switch (policy) {
    case IovaPolicy::kFirstFit: return "first-fit";
    case IovaPolicy::kTopDown: return "top-down";
    case IovaPolicy::kRandom: return "random";
    case IovaPolicy::kAsRecorded: return "as-recorded";
  }
  return "unknown";
}

/// Part of a mapping: client memory that is consecutive in this process.
struct Piece {
  std::byte* base;  // start of its first 4 KiB frame
  uint64_t bytes;   // from there to its last byte
};

struct Wiring {
  Hpa address;
  uint64_t bytes;
  uint32_t next;  // further wirings of a scattered mapping
};

struct Live {
  uint64_t page = 0;   // page number of the first page
  uint64_t pages = 0;  // 0: slot is free
  uint64_t serial = 0;
  uint32_t next_free = kNil;
  Wiring first{Hpa(0), 0, kNil};
};

}  // namespace

struct Mapper::Impl {
  explicit Impl(const MapperParts& p) : parts(p) {}

  MapperParts parts;
  MapperConfig config;
  MapperStats stats;
  IovaAllocator pages;
  unsigned page_shift = 14;
  std::vector<Live> live;
  std::vector<Wiring> wirings;  // beyond the first of a mapping
  uint32_t free_live = kNil, free_wiring = kNil;
  uint64_t serial = 0;        // never goes back, so that a mapping of an earlier run is known as stale
  std::vector<Piece> pieces;  // scratch: layout of the map under way
  std::deque<Iova> expected;
  std::string refusal;

  io_return::Code refuse(io_return::Code code, std::string sentence) {
    ++stats.refusals;
    refusal = std::move(sentence);
    return code;
  }

  io_return::Code lay_out(const MemoryObject& memory, uint64_t offset, uint64_t length, uint64_t* in_page);
  io_return::Code place(uint64_t count, uint64_t in_page, unsigned address_bits, uint64_t* page);
  std::string collision(uint64_t page, uint64_t count) const;
  bool wire(Live& slot, uint64_t page, bool reads, bool writes);
  void unwire(Live& slot);
  uint32_t take_slot();
  bool drop(uint32_t index);
  void clear();
};

/// Splits the range into pieces that are consecutive in this process, and checks that they can follow each other in
/// IOVA: every piece but the last must end at a DART page, every piece but the first must start at a 4 KiB frame.
io_return::Code Mapper::Impl::lay_out(const MemoryObject& memory, uint64_t offset, uint64_t length, uint64_t* in_page) {
  pieces.clear();
  uint64_t laid_out = 0;  // bytes of IOVA, from the start of the first page
  for (const MemoryObject::Range& range : memory.ranges()) {
    if (length == 0) break;
    if (offset >= range.length) {
      offset -= range.length;
      continue;
    }
    std::byte* const base = range.base + offset;
    const uint64_t take = std::min(length, range.length - offset);
    const uint64_t skew = reinterpret_cast<uintptr_t>(base) & kFrameMask;
    if (pieces.empty()) {
      *in_page = laid_out = skew;
      pieces.push_back({base - skew, skew + take});
    } else if (base == pieces.back().base + pieces.back().bytes) {
      pieces.back().bytes += take;
    } else if (skew == 0 && (laid_out & (config.page_bytes - 1)) == 0) {
      pieces.push_back({base, take});
    } else {
      return refuse(io_return::kNotAligned,
                    fmt::format("the memory's parts meet {:#x} bytes into the mapping, inside a DART page of {} bytes",
                                laid_out - *in_page, config.page_bytes));
    }
    laid_out += take;
    length -= take;
    offset = 0;
  }
  return io_return::kSuccess;
}

/// Names what stands in the way of [page, page + count). Only runs when a recorded placement failed.
std::string Mapper::Impl::collision(uint64_t page, uint64_t count) const {
  const uint64_t window = config.window_base.value >> page_shift;
  const uint64_t window_pages = config.window_bytes >> page_shift;
  if (page < window || !in_range(page - window, count, window_pages)) {
    return fmt::format("it is outside the window {:#x}..{:#x}", config.window_base.value,
                       config.window_base.value + config.window_bytes);
  }
  for (const Live& slot : live) {
    if (slot.pages != 0 && slot.page < page + count && page < slot.page + slot.pages + config.guard_pages) {
      return fmt::format("it collides with the mapping at {:#x} of {:#x} bytes", slot.page << page_shift,
                         slot.pages << page_shift);
    }
  }
  return "it is taken";
}

io_return::Code Mapper::Impl::place(uint64_t count, uint64_t in_page, unsigned address_bits, uint64_t* page) {
  const uint64_t block = count + config.guard_pages;
  const uint64_t window = config.window_base.value >> page_shift;
  uint64_t limit = IovaAllocator::kNoLimit;
  if (address_bits < 64) {
    // A device that cannot address all of the window gets the part it can; if there is none, the caller finds out.
    const uint64_t reach = uint64_t{1} << address_bits;
    if (reach > config.window_base.value && reach < config.window_base.value + config.window_bytes) {
      limit = (reach >> page_shift) + config.guard_pages;
    }
  }
  switch (config.policy) {
    case IovaPolicy::kFirstFit: *page = pages.allocate_lowest(block, 1, limit); break;
    case IovaPolicy::kTopDown: *page = pages.allocate_highest(block, 1, limit); break;
    case IovaPolicy::kRandom: {
      const uint64_t last = std::min(limit, window + pages.pages());
      *page = IovaAllocator::kNone;
      if (last - window < block) break;
      const uint64_t from = window + parts.tape.draw(sim::DrawId::kIovaPolicy, last - window - block + 1);
      *page = pages.allocate_from(from, block, 1, limit);
      if (*page == IovaAllocator::kNone) *page = pages.allocate_lowest(block, 1, limit);
      break;
    }
    case IovaPolicy::kAsRecorded: {
      if (expected.empty()) {
        return refuse(io_return::kNoSpace,
                      fmt::format("no recorded address is left for a mapping of {:#x} bytes", count << page_shift));
      }
      const Iova want = expected.front();
      expected.pop_front();
      if ((want.value & (config.page_bytes - 1)) != in_page) {
        return refuse(io_return::kNoSpace,
                      fmt::format("recorded address {:#x} has offset {:#x} in its page, the memory has {:#x}",
                                  want.value, want.value & (config.page_bytes - 1), in_page));
      }
      *page = want.value >> page_shift;
      if (!pages.allocate_at(*page, block)) {
        return refuse(io_return::kNoSpace, fmt::format("recorded address {:#x} ({:#x} bytes) cannot be had: {}",
                                                       want.value, count << page_shift, collision(*page, count)));
      }
      return io_return::kSuccess;
    }
  }
  if (*page == IovaAllocator::kNone) {
    return refuse(config.exhausted_code, fmt::format("the window has no {} free pages in a row ({} free, largest {})",
                                                     block, pages.free_pages(), pages.largest_free()));
  }
  return io_return::kSuccess;
}

/// Wires the pieces and enters them into the tables. False: no physical memory; nothing is left.
bool Mapper::Impl::wire(Live& slot, uint64_t page, bool reads, bool writes) {
  const uint64_t first_page = page;
  uint32_t last = kNil;  // in `wirings`; kNil: slot.first
  slot.first = {Hpa(0), 0, kNil};
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
      ok = parts.dart.map(Iova(page << page_shift), count, address, reads, writes);
    }
    if (!ok) {
      if (page != first_page) parts.dart.clear(Iova(first_page << page_shift), page - first_page);
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

Mapper::Mapper(const MapperParts& parts) : impl_(std::make_unique<Impl>(parts)) {}
Mapper::~Mapper() = default;

void Mapper::configure(const MapperConfig& config) {
  assert(is_power_of_two(config.page_bytes) && config.page_bytes >= model::kFrameBytes);
  impl_->clear();
  impl_->config = config;
  impl_->page_shift = static_cast<unsigned>(std::countr_zero(config.page_bytes));
  reset();
}

const MapperConfig& Mapper::config() const {
  return impl_->config;
}

io_return::Code Mapper::map(Rid rid, const MemoryObject& memory, uint64_t offset, uint64_t length, bool device_reads,
                            bool device_writes, unsigned address_bits, Mapping* mapping) {
  Impl& m = *impl_;
  if (length == 0) return m.refuse(io_return::kBadArgument, "a mapping of 0 bytes");
  if (!in_range(offset, length, memory.length())) {
    return m.refuse(io_return::kOverrun, fmt::format("[{:#x}, +{:#x}) is past the end of {:#x} bytes of memory", offset,
                                                     length, memory.length()));
  }
  if (memory.kind() == MemoryKind::kDevice) {
    return m.refuse(io_return::kUnsupported, "device memory cannot be mapped for DMA");
  }
  uint64_t in_page = 0;
  if (const io_return::Code code = m.lay_out(memory, offset, length, &in_page); code != io_return::kSuccess)
    return code;
  const uint64_t bytes = round_up(in_page + length, m.config.page_bytes);
  const uint64_t count = bytes >> m.page_shift;

  if (m.config.mapped_bytes_max != 0 && bytes > m.config.mapped_bytes_max - m.stats.mapped_bytes) {
    return m.refuse(m.config.exhausted_code,
                    fmt::format("{:#x} more bytes would exceed the mapper's limit of {:#x} ({:#x} are mapped)", bytes,
                                m.config.mapped_bytes_max, m.stats.mapped_bytes));
  }
  if (m.config.mappings_max != 0 && m.stats.mappings >= m.config.mappings_max) {
    return m.refuse(m.config.exhausted_code,
                    fmt::format("the mapper's limit of {} mappings is reached", m.config.mappings_max));
  }
  uint64_t page = 0;
  if (const io_return::Code code = m.place(count, in_page, address_bits, &page); code != io_return::kSuccess)
    return code;

  const uint32_t index = m.take_slot();
  Live& slot = m.live[index];
  if (!m.wire(slot, page, device_reads, device_writes)) {
    m.pages.release(page, count + m.config.guard_pages);
    slot.next_free = m.free_live;
    m.free_live = index;
    return m.refuse(io_return::kCannotWire, "no physical memory to wire the pages or for a page table");
  }
  slot.page = page;
  slot.pages = count;
  slot.serial = ++m.serial;

  const Iova page_base(page << m.page_shift);
  *mapping = {page_base + in_page, length, page_base, bytes, index, slot.serial, rid};
  m.stats.mapped_bytes += bytes;
  m.stats.mapped_bytes_peak = std::max(m.stats.mapped_bytes_peak, m.stats.mapped_bytes);
  ++m.stats.mappings;
  m.stats.mappings_peak = std::max(m.stats.mappings_peak, m.stats.mappings);
  ++m.stats.maps;
  m.parts.timeline.advance(m.config.map_ns);
  m.parts.hash.add(m.parts.timeline.now().value, sim::TraceKind::kMap,
                   m.parts.root | (device_reads ? 0x100u : 0u) | (device_writes ? 0x200u : 0u), mapping->iova.value,
                   length, rid.value);
  return io_return::kSuccess;
}

bool Mapper::unmap(const Mapping& mapping) {
  Impl& m = *impl_;
  const uint32_t index = mapping.slot;
  if (index >= m.live.size() || m.live[index].pages == 0 || m.live[index].serial != mapping.serial) {
    ++m.stats.stale_unmaps;
    return true;
  }
  const bool idle = m.drop(index);
  m.parts.timeline.advance(m.config.map_ns);
  m.parts.hash.add(m.parts.timeline.now().value, sim::TraceKind::kUnmap, m.parts.root, mapping.iova.value,
                   mapping.length, mapping.rid.value);
  return idle;
}

void Mapper::revoke_all() {
  Impl& m = *impl_;
  for (uint32_t i = 0; i < m.live.size() && m.stats.mappings != 0; ++i) {
    if (m.live[i].pages != 0) m.drop(i);
  }
}

void Mapper::expect_placement(Iova iova) {
  impl_->expected.push_back(iova);
}
const std::string& Mapper::last_refusal() const {
  return impl_->refusal;
}
const MapperStats& Mapper::stats() const {
  return impl_->stats;
}

void Mapper::reset() {
  Impl& m = *impl_;
  m.clear();
  m.stats = {};
  m.expected.clear();
  m.refusal.clear();
  m.pages.reset(m.config.window_base.value >> m.page_shift, m.config.window_bytes >> m.page_shift);
}

void Mapper::inspect(InspectNode& node) const {
  const Impl& m = *impl_;
  node.child("policy", std::string(to_string(m.config.policy)));
  node.child("window", fmt::format("{:#x}..{:#x}", m.config.window_base.value,
                                   m.config.window_base.value + m.config.window_bytes));
  node.child("page", fmt::format("{} bytes, {} guard pages", m.config.page_bytes, m.config.guard_pages));
  node.child("mapped-bytes", fmt::format("{}", m.stats.mapped_bytes),
             fmt::format("peak {}, limit {}", m.stats.mapped_bytes_peak, m.config.mapped_bytes_max));
  node.child("mappings", fmt::format("{}", m.stats.mappings),
             fmt::format("peak {}, limit {}", m.stats.mappings_peak, m.config.mappings_max));
  node.child("maps", fmt::format("{}", m.stats.maps));
  node.child("unmaps", fmt::format("{}", m.stats.unmaps), fmt::format("{} stale", m.stats.stale_unmaps));
  node.child("refusals", fmt::format("{}", m.stats.refusals), m.refusal);
  node.child("free-pages", fmt::format("{}", m.pages.free_pages()),
             fmt::format("{} extents, largest {}", m.pages.free_extents(), m.pages.largest_free()));
}

}  // namespace dartboard::macos
