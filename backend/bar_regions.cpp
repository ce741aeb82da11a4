// backend/bar_regions.cpp
#include "backend/bar_regions.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/format.h"
#include "backend/call_error.h"
#include "base/types.h"

namespace dartboard::backend {

static_assert(std::endian::native == std::endian::little,
              "registers are little endian, and so are all hosts we run on");

namespace {

bool is_io(dext::BarType type) {
  return type == dext::BarType::kIo;
}
bool is_wide(dext::BarType type) {
  return type == dext::BarType::kM64 || type == dext::BarType::kM64Prefetchable;
}
bool is_known(dext::BarType type) {
  return is_io(type) || is_wide(type) || type == dext::BarType::kM32 || type == dext::BarType::kM32Prefetchable;
}

/// What a dext answers for a BAR the device does not have (IOPCIDevice.cpp GetBARInfo).
bool means_absent(io_return::Code code) {
  return code == io_return::kNotFound || code == io_return::kError || code == io_return::kBadArgument ||
         code == io_return::kUnsupported;
}

/// Widest naturally aligned access at `offset`, at most 8 bytes.
unsigned natural_width(uint64_t offset, uint64_t remaining) {
  for (unsigned width : {8u, 4u, 2u}) {
    if (offset % width == 0 && remaining >= width) return width;
  }
  return 1;
}

// Device memory: one access of exactly this width, never a vector or an unaligned one.
uint64_t load(const std::byte* at, unsigned width) {
  switch (width) {
    case 8: return *reinterpret_cast<const volatile uint64_t*>(at);
    case 4: return *reinterpret_cast<const volatile uint32_t*>(at);
    case 2: return *reinterpret_cast<const volatile uint16_t*>(at);
    default: return *reinterpret_cast<const volatile uint8_t*>(at);
  }
}
void store(std::byte* at, unsigned width, uint64_t value) {
  switch (width) {
    case 8: *reinterpret_cast<volatile uint64_t*>(at) = value; break;
    case 4: *reinterpret_cast<volatile uint32_t*>(at) = static_cast<uint32_t>(value); break;
    case 2: *reinterpret_cast<volatile uint16_t*>(at) = static_cast<uint16_t>(value); break;
    default: *reinterpret_cast<volatile uint8_t*>(at) = static_cast<uint8_t>(value); break;
  }
}

// Words in a guest's buffer, which has no alignment. Fixed sizes, so each is one instruction.
uint64_t get_word(const std::byte* from, unsigned width) {
  uint64_t value = 0;
  switch (width) {
    case 8: std::memcpy(&value, from, 8); break;
    case 4: std::memcpy(&value, from, 4); break;
    case 2: std::memcpy(&value, from, 2); break;
    default: std::memcpy(&value, from, 1); break;
  }
  return value;
}
void put_word(std::byte* to, unsigned width, uint64_t value) {
  switch (width) {
    case 8: std::memcpy(to, &value, 8); break;
    case 4: std::memcpy(to, &value, 4); break;
    case 2: std::memcpy(to, &value, 2); break;
    default: std::memcpy(to, &value, 1); break;
  }
}

/// Copies between device memory and a buffer in natural widths; the run of whole words in the middle is the bulk.
void copy_in(std::byte* to, const std::byte* from, uint64_t bytes) {
  for (uint64_t done = 0; done < bytes;) {
    const unsigned width = natural_width(reinterpret_cast<uintptr_t>(from) + done, bytes - done);
    do {
      put_word(to + done, width, load(from + done, width));
      done += width;
    } while (width == 8 && bytes - done >= 8);
  }
}
void copy_out(std::byte* to, const std::byte* from, uint64_t bytes) {
  for (uint64_t done = 0; done < bytes;) {
    const unsigned width = natural_width(reinterpret_cast<uintptr_t>(to) + done, bytes - done);
    do {
      store(to + done, width, get_word(from + done, width));
      done += width;
    } while (width == 8 && bytes - done >= 8);
  }
}

void fill_ones(std::span<std::byte> data) {
  std::fill(data.begin(), data.end(), std::byte{0xff});
}

}  // namespace

Result<void> BarRegions::open() {
  for (unsigned bar = 0; bar < kBarCount; ++bar) {
    const auto info = client_.bar_info(bar);
    if (!info) {
      if (!means_absent(info.error().io_return)) {
        return tl::unexpected(because(fmt::format("asking for BAR{}", bar), info.error()));
      }
      continue;
    }
    Bar& b = bars_[bar];
    if (info->size == 0) {
      b.note = "size 0: not assigned by the host; detach and attach the device again";
    } else if (!is_known(info->type)) {
      b.note = fmt::format("left out: unknown type {:#x}", static_cast<unsigned>(info->type));
    } else if (is_io(info->type)) {
      b.note = "left out: I/O space cannot be reached on Apple silicon";
    } else if (!is_power_of_two(info->size) || info->size < 16) {
      b.note = fmt::format("left out: {} bytes is no BAR size", info->size);
    } else if (is_wide(info->type) && bar + 1 == kBarCount) {
      b.note = "left out: 64 bits wide with no register for the upper half";
    } else if (!is_wide(info->type) && info->size > 2 * kGiB) {
      b.note = fmt::format("left out: {:#x} bytes do not fit a 32-bit BAR", info->size);
    } else {
      b.info = *info;
      if (is_wide(info->type)) bars_[++bar].note = "upper half of the BAR before it";
    }
  }
  return {};
}

bool BarRegions::place_msix(const MsixLayout& layout, std::string* why_not) {
  layout_.reset();
  msix_.resize(0);
  const uint64_t table_bytes = kMsixEntryBytes * layout.entries, pba_bytes = (layout.entries + 63) / 64 * 8;
  const auto lies_in = [&](unsigned bar, uint64_t offset, uint64_t bytes, const char* what) {
    if (bar < kBarCount && present(bar) && in_range(offset, bytes, bars_[bar].info.size)) return true;
    *why_not =
        fmt::format("its {} ({} bytes at {:#x} of BAR{}) does not lie in a memory BAR", what, bytes, offset, bar);
    return false;
  };
  if (!lies_in(layout.table_bar, layout.table_offset, table_bytes, "table")) return false;
  if (!lies_in(layout.pba_bar, layout.pba_offset, pba_bytes, "PBA")) return false;
  if (layout.table_bar == layout.pba_bar && layout.table_offset < layout.pba_offset + pba_bytes &&
      layout.pba_offset < layout.table_offset + table_bytes) {
    *why_not = "its table and PBA overlap";
    return false;
  }
  layout_ = layout;
  msix_.resize(layout.entries);
  bars_[layout.table_bar].calls_only = bars_[layout.pba_bar].calls_only = false;
  return true;
}

std::vector<std::pair<uint64_t, uint64_t>> BarRegions::holes(unsigned bar, uint64_t page_bytes) const {
  std::vector<std::pair<uint64_t, uint64_t>> result;
  if (!layout_) return result;
  const auto add = [&](uint64_t offset, uint64_t bytes) {
    result.emplace_back(round_down(offset, page_bytes),
                        std::min(round_up(offset + bytes, page_bytes), bars_[bar].info.size));
  };
  if (layout_->table_bar == bar) add(layout_->table_offset, msix_.table_bytes());
  if (layout_->pba_bar == bar) add(layout_->pba_offset, msix_.pba_bytes());
  std::sort(result.begin(), result.end());
  return result;
}

Result<void> BarRegions::map(uint64_t page_bytes) {
  for (unsigned bar = 0; bar < kBarCount; ++bar) {
    Bar& b = bars_[bar];
    if (b.info.size == 0) continue;
    const auto mapping = client_.map_bar(bar);
    if (!mapping) {
      if (means_gone(mapping.error())) {
        return tl::unexpected(because(fmt::format("mapping BAR{}", bar), mapping.error()));
      }
      b.note = fmt::format("reached by calls: {}", mapping.error().sentence);
      continue;
    }
    if (!mapping->accessible || mapping->base == nullptr) {
      b.note = "reached by calls: registers";
      continue;
    }
    if (reinterpret_cast<uintptr_t>(mapping->base) % 8 != 0) {
      b.note = "reached by calls: its mapping is not aligned";
      continue;
    }
    const uint64_t end = std::min(mapping->size, b.info.size);
    uint64_t from = 0;
    const auto add = [&](uint64_t to) {
      if (to > from) b.direct.push_back({from, to - from, mapping->base + from});
    };
    for (const auto& [hole_from, hole_to] : holes(bar, page_bytes)) {
      add(std::min(hole_from, end));
      from = std::max(from, std::min(hole_to, end));
    }
    add(end);
    const auto largest = std::max_element(b.direct.begin(), b.direct.end(),
                                          [](const DirectArea& l, const DirectArea& r) { return l.size < r.size; });
    if (largest == b.direct.end()) continue;
    b.calls_only = false;
    b.fast_base = largest->base;
    b.fast_offset = largest->offset;
    b.fast_bytes = largest->size;
  }
  return {};
}

RegionInfo BarRegions::region_info(unsigned bar) const {
  const Bar& b = bars_[bar];
  RegionInfo info;
  info.size = b.info.size;
  info.readable = info.writable = b.info.size != 0;
  info.direct = b.direct;
  return info;
}

Result<void> BarRegions::check(unsigned bar, uint64_t offset, uint64_t length) const {
  const Bar& b = bars_[bar];
  if (in_range(offset, length, b.info.size)) return {};
  if (b.info.size == 0) {
    return fail(ErrorName::kOutOfRange, fmt::format("BAR{}: this device has no such region", bar));
  }
  return fail(ErrorName::kOutOfRange,
              fmt::format("BAR{}: {} bytes at {:#x} end past its {:#x} bytes", bar, length, offset, b.info.size));
}

BarRegions::Piece BarRegions::piece_at(unsigned bar, uint64_t offset, uint64_t length) const {
  uint64_t end = offset + length;
  if (layout_) {
    // Inside the shadow: up to its end. Before it: up to its start.
    const auto clip = [&](unsigned in_bar, uint64_t from, uint64_t bytes, Backing backing) -> std::optional<Piece> {
      if (in_bar != bar) return std::nullopt;
      if (offset >= from && offset - from < bytes) {
        return Piece{backing, std::min(end, from + bytes) - offset, nullptr, offset - from};
      }
      if (offset < from) end = std::min(end, from);
      return std::nullopt;
    };
    if (const auto p = clip(layout_->table_bar, layout_->table_offset, msix_.table_bytes(), Backing::kMsixTable)) {
      return *p;
    }
    if (const auto p = clip(layout_->pba_bar, layout_->pba_offset, msix_.pba_bytes(), Backing::kMsixPba)) return *p;
  }
  for (const DirectArea& area : bars_[bar].direct) {
    if (offset >= area.offset && offset - area.offset < area.size) {
      return {Backing::kDirect, std::min(end, area.offset + area.size) - offset, area.base + (offset - area.offset), 0};
    }
    if (offset < area.offset) end = std::min(end, area.offset);
  }
  return {Backing::kCalls, end - offset, nullptr, 0};
}

io_return::Code BarRegions::read_calls(const Bar& b, uint64_t offset, std::span<std::byte> data, uint64_t* done) {
  while (*done < data.size()) {
    const unsigned width = natural_width(offset + *done, data.size() - *done);
    uint64_t value = 0;
    const io_return::Code code = client_.mmio_read(b.info.memory_index, offset + *done, width, &value);
    if (code != io_return::kSuccess) return code;
    put_word(data.data() + *done, width, value);
    *done += width;
  }
  return io_return::kSuccess;
}

io_return::Code BarRegions::write_calls(const Bar& b, uint64_t offset, std::span<const std::byte> data,
                                        uint64_t* done) {
  while (*done < data.size()) {
    const unsigned width = natural_width(offset + *done, data.size() - *done);
    const uint64_t value = get_word(data.data() + *done, width);
    const io_return::Code code = client_.mmio_write(b.info.memory_index, offset + *done, width, value);
    if (code != io_return::kSuccess) return code;
    *done += width;
  }
  return io_return::kSuccess;
}

Result<void> BarRegions::call_failed(const char* doing, unsigned bar, uint64_t offset, io_return::Code code) const {
  if (means_gone(code) || client_.gone()) return {};
  return tl::unexpected(from_code(compiled_text(FMT_COMPILE("{} BAR{} at {:#x}"), doing, bar, offset), code));
}

// A register: one naturally aligned word of 4 or 8 bytes by one call.
Result<void> BarRegions::read_word(unsigned bar, uint64_t offset, std::span<std::byte> data) {
  const size_t width = data.size();
  uint64_t value = 0;
  const io_return::Code code = client_.mmio_read(bars_[bar].info.memory_index, offset,
                                                 static_cast<unsigned>(width), &value);
  if (code != io_return::kSuccess) [[unlikely]] return read_failed(bar, offset, data, code);
  if (width == 4) [[likely]] {
    const auto word = static_cast<uint32_t>(value);
    std::memcpy(data.data(), &word, 4);
  } else {
    std::memcpy(data.data(), &value, 8);
  }
  return {};
}

Result<void> BarRegions::read_failed(unsigned bar, uint64_t offset, std::span<std::byte> rest, io_return::Code code) {
  fill_ones(rest);
  return call_failed("reading", bar, offset, code);
}

Result<void> BarRegions::read_pieces(unsigned bar, uint64_t offset, std::span<std::byte> data) {
  const Bar& b = bars_[bar];
  if (auto checked = check(bar, offset, data.size()); !checked) return checked;
  if (gone_.load(std::memory_order_relaxed)) {
    fill_ones(data);
    return {};
  }
  while (!data.empty()) {
    const Piece piece = piece_at(bar, offset, data.size());
    const auto part = data.first(piece.bytes);
    switch (piece.backing) {
      case Backing::kMsixTable: msix_.read_table(piece.shadow_offset, part); break;
      case Backing::kMsixPba: msix_.read_pba(piece.shadow_offset, part); break;
      case Backing::kDirect: copy_in(part.data(), piece.base, piece.bytes); break;
      case Backing::kCalls: {
        uint64_t done = 0;
        const io_return::Code code = read_calls(b, offset, part, &done);
        if (code == io_return::kSuccess) break;
        return read_failed(bar, offset + done, data.subspan(done), code);
      }
    }
    offset += piece.bytes;
    data = data.subspan(piece.bytes);
  }
  return {};
}

Result<void> BarRegions::write_word(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  const size_t width = data.size();
  uint64_t value = 0;
  std::memcpy(&value, data.data(), width == 4 ? 4 : 8);
  const io_return::Code code = client_.mmio_write(bars_[bar].info.memory_index, offset,
                                                  static_cast<unsigned>(width), value);
  if (code != io_return::kSuccess) [[unlikely]] return call_failed("writing", bar, offset, code);
  return {};
}

Result<void> BarRegions::write_pieces(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  const Bar& b = bars_[bar];
  if (auto checked = check(bar, offset, data.size()); !checked) return checked;
  if (gone_.load(std::memory_order_relaxed)) return {};
  while (!data.empty()) {
    const Piece piece = piece_at(bar, offset, data.size());
    const auto part = data.first(piece.bytes);
    switch (piece.backing) {
      case Backing::kMsixTable: msix_.write_table(piece.shadow_offset, part); break;
      case Backing::kMsixPba: break;  // read-only (PCIe 6.0 s7.7.2.6)
      case Backing::kDirect: copy_out(piece.base, part.data(), piece.bytes); break;
      case Backing::kCalls: {
        uint64_t done = 0;
        const io_return::Code code = write_calls(b, offset, part, &done);
        if (code == io_return::kSuccess) break;
        return call_failed("writing", bar, offset + done, code);
      }
    }
    offset += piece.bytes;
    data = data.subspan(piece.bytes);
  }
  return {};
}

void BarRegions::inspect(InspectNode& node) const {
  for (unsigned bar = 0; bar < kBarCount; ++bar) {
    const Bar& b = bars_[bar];
    if (b.info.size == 0 && b.note.empty()) continue;
    InspectNode& child = node.child(fmt::format("BAR{}", bar), fmt::format("{:#x} bytes", b.info.size), b.note);
    if (b.info.size == 0) continue;
    child.child("type", fmt::format("{:#x}", static_cast<unsigned>(b.info.type)), "low bits of the register");
    child.child("memory index", fmt::format("{}", b.info.memory_index), "of the dext, not the BAR number");
    for (const DirectArea& area : b.direct) {
      child.child("direct", fmt::format("{:#x}..{:#x}", area.offset, area.offset + area.size), "reached by pointer");
    }
    if (!layout_) continue;
    if (layout_->table_bar == bar) {
      child.child("MSI-X table", fmt::format("{:#x}, {} bytes", layout_->table_offset, msix_.table_bytes()), "shadow");
    }
    if (layout_->pba_bar == bar) {
      child.child("MSI-X PBA", fmt::format("{:#x}, {} bytes", layout_->pba_offset, msix_.pba_bytes()), "shadow");
    }
  }
}

}  // namespace dartboard::backend
