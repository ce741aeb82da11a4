// sim/macos/mapper.cpp - the mapper's calls: budgets, placement, wiring and page tables, in that order; undone in the
// other.
#include "sim/macos/mapper.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <string_view>

#include <fmt/format.h>

#include "model/fault.h"
#include "model/timeline.h"
#include "sim/core/tape.h"
#include "sim/core/trace_hash.h"
#include "sim/macos/dart_driver.h"
#include "sim/macos/mapper_impl.h"

namespace dartboard::macos {
namespace {

std::string_view to_string(IovaPolicy policy) {
  switch (policy) {
    case IovaPolicy::kFirstFit: return "first-fit";
    case IovaPolicy::kTopDown: return "top-down";
    case IovaPolicy::kRandom: return "random";
    case IovaPolicy::kAsRecorded: return "as-recorded";
  }
  return "unknown";
}

}  // namespace

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

  if (const io_return::Code code = m.check_budgets(bytes); code != io_return::kSuccess) return code;
  uint64_t page = 0;
  if (const io_return::Code code = m.place(count, in_page, address_bits, &page); code != io_return::kSuccess)
    return code;

  const uint32_t index = m.take_slot();
  Impl::Live& slot = m.live[index];
  uint64_t fail_at = UINT64_MAX;
  if (model::fault(model::FaultKind::kMapFailsAtPage, page << m.page_shift)) [[unlikely]]
    fail_at = std::min(model::fault_amount(model::FaultKind::kMapFailsAtPage, count / 2), count - 1);
  if (!m.wire(slot, page, device_reads, device_writes, fail_at)) {
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
                   static_cast<uint8_t>(m.parts.root << 2 | (device_reads ? 1u : 0u) | (device_writes ? 2u : 0u)),
                   mapping->iova.value, length, rid.value);
  return io_return::kSuccess;
}

bool Mapper::unmap(const Mapping& mapping) {
  Impl& m = *impl_;
  const uint32_t index = mapping.slot;
  if (index >= m.live.size() || m.live[index].pages == 0 || m.live[index].serial != mapping.serial) {
    ++m.stats.stale_unmaps;
    return true;
  }
  bool idle = true;
  if (model::fault(model::FaultKind::kUnmapFails, mapping.iova.value)) [[unlikely]] {
    m.leak(index);
  } else {
    idle = m.drop(index);
  }
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
void Mapper::forget_placements() {
  impl_->expected.clear();
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
  node.child("unmaps", fmt::format("{}", m.stats.unmaps),
             fmt::format("{} stale, {} leaked", m.stats.stale_unmaps, m.stats.leaked_unmaps));
  node.child("refusals", fmt::format("{}", m.stats.refusals), m.refusal);
  node.child("free-pages", fmt::format("{}", m.pages.free_pages()),
             fmt::format("{} extents, largest {}", m.pages.free_extents(), m.pages.largest_free()));
}

}  // namespace dartboard::macos
