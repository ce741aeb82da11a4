// sim/macos/mapper_place.cpp - before anything is touched: how the memory lies in IOVA, what the budgets
// say, where it goes.
#include <algorithm>

#include <fmt/format.h>

#include "model/fault.h"
#include "sim/core/tape.h"
#include "sim/macos/mapper_impl.h"

namespace dartboard::macos {

/// Splits the range into pieces that are consecutive in this process, and checks that they can follow each other in
/// IOVA: every piece but the last must end at a DART page, every piece but the first must start at a 4 KiB frame.
io_return::Code Mapper::Impl::lay_out(const MemoryObject& memory, uint64_t offset, uint64_t length, uint64_t* in_page) {
  pieces.clear();
  if (model::fault(model::FaultKind::kMapSubPage, length)) {
    return refuse(io_return::kNotAligned, "injected: memory that does not fill whole DART pages is refused");
  }
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
      if (config.refuse_unaligned && (reinterpret_cast<uintptr_t>(base) & (config.page_bytes - 1)) != 0) {
        return refuse(io_return::kNotAligned,
                      fmt::format("the memory starts {:#x} bytes into a DART page of {} bytes; this platform's mapper "
                                  "takes whole pages: align the buffer",
                                  reinterpret_cast<uintptr_t>(base) & (config.page_bytes - 1), config.page_bytes));
      }
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

/// What the profile allows in all.
io_return::Code Mapper::Impl::check_budgets(uint64_t bytes) {
  if ((config.mapped_bytes_max != 0 && bytes > config.mapped_bytes_max - stats.mapped_bytes) ||
      model::fault(model::FaultKind::kMapByteLimit, bytes)) {
    return refuse(config.exhausted_code,
                  fmt::format("{:#x} more bytes would exceed the mapper's limit of {:#x} ({:#x} are mapped)", bytes,
                              config.mapped_bytes_max, stats.mapped_bytes));
  }
  if ((config.mappings_max != 0 && stats.mappings >= config.mappings_max) ||
      model::fault(model::FaultKind::kMapCountLimit, stats.mappings)) {
    return refuse(config.exhausted_code,
                  fmt::format("the mapper's limit of {} mappings is reached", config.mappings_max));
  }
  return io_return::kSuccess;
}

/// The ways in which a window that has room can have none.
io_return::Code Mapper::Impl::injected_refusal(uint64_t count, unsigned address_bits) {
  using model::FaultKind;
  const uint64_t bytes = count << page_shift;
  if (model::fault(FaultKind::kMapSpaceExhausted, bytes)) {
    return refuse(config.exhausted_code, "injected: the window has no free pages");
  }
  if (model::fault(FaultKind::kMapFragmented, bytes)) {
    return refuse(config.exhausted_code,
                  fmt::format("injected: the window has no {} free pages in a row ({} free, largest {})",
                              count + config.guard_pages, pages.free_pages(), count + config.guard_pages - 1));
  }
  if (model::fault(FaultKind::kMapLowWindowFull, bytes)) {
    return refuse(config.exhausted_code,
                  fmt::format("injected: the part of the window within {} address bits is full", address_bits));
  }
  return io_return::kSuccess;
}

io_return::Code Mapper::Impl::place(uint64_t count, uint64_t in_page, unsigned address_bits, uint64_t* page) {
  if (model::faults_installed()) {
    if (const io_return::Code code = injected_refusal(count, address_bits); code != io_return::kSuccess) return code;
  }
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

}  // namespace dartboard::macos
