// sim/macos/dart_driver.cpp - t8110 programming sequences and page-table upkeep.
#include "sim/macos/dart_driver.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "model/dart_registers.h"
#include "model/timeline.h"
#include "sim/macos/cpu_port.h"

namespace dartboard::macos {
namespace reg = model::dart_reg;
namespace {

constexpr uint32_t stream_word(Sid sid) {
  return 4u * (sid.value / 32u);
}
constexpr uint64_t stream_bit(Sid sid) {
  return uint64_t{1} << (sid.value % 32u);
}

constexpr uint64_t kBlockBytes = model::kWiringBytes;  // host memory's grain: four 4 KiB tables or one of 16 KiB
constexpr unsigned kFlushPollsMax = 100;               // 1 us apart: the 100 us that m1n1 and Linux allow
constexpr uint64_t kFlushPollNs = 1000;
constexpr uint64_t kRangeFlushPagesMax = 4096;  // beyond, the whole stream is cheaper
constexpr size_t kTablesKept = 64;              // empty tables worth keeping when nothing is mapped

}  // namespace

DartDriver::DartDriver(CpuPort& port, model::HostMemory& memory, model::Timeline& timeline)
    : port_(port), memory_(memory), timeline_(timeline) {}

DartDriver::~DartDriver() = default;

uint64_t DartDriver::read(uint32_t offset) {
  return port_.read(model::kDartBase + offset, 4);
}
void DartDriver::write(uint32_t offset, uint64_t value) {
  port_.write(model::kDartBase + offset, 4, value);
}

void DartDriver::power_on(unsigned page_shift, unsigned pa_width, unsigned va_width) {
  assert(blocks_.empty());
  geometry_ = model::TableGeometry{page_shift, pa_width};
  levels_ = geometry_.needs_four_levels(va_width) ? 3 : 2;
}

void DartDriver::power_off() {
  for (Hpa block : blocks_) memory_.release(block, kBlockBytes);
  blocks_.clear();
  free_tables_.clear();
  streams_.clear();
  root_ = Hpa(0);
  tables_ = pages_mapped_ = invalidates_ = 0;
  cached_key_ = UINT64_MAX;
  cached_leaf_ = nullptr;
}

uint64_t* DartDriver::entries(Hpa table) const {
  // A block is consecutive in this process's memory, so one pointer serves the whole table.
  return reinterpret_cast<uint64_t*>(memory_.at(table));
}

Hpa DartDriver::new_table() {
  if (free_tables_.empty()) {
    const Hpa block = memory_.allocate(kBlockBytes, kBlockBytes);
    if (block == Hpa(0)) return block;
    blocks_.push_back(block);
    for (uint64_t at = kBlockBytes; at != 0; at -= geometry_.table_bytes()) {
      free_tables_.push_back(block + (at - geometry_.table_bytes()));
    }
  }
  const Hpa table = free_tables_.back();
  free_tables_.pop_back();
  ++tables_;
  return table;
}

uint64_t* DartDriver::leaf(Iova iova, bool create) {
  const uint64_t key = iova.value >> (geometry_.page_shift + geometry_.index_bits());
  if (key == cached_key_) return cached_leaf_;
  Hpa table = root_;
  for (unsigned height = levels_ - 1; height > 0; --height) {
    uint64_t* const entry = entries(table) + geometry_.index(iova, height);
    if ((*entry & model::kPteValid) == 0) {
      if (!create) return nullptr;
      const Hpa next = new_table();
      if (next == Hpa(0)) return nullptr;
      *entry = model::encode_table_entry(geometry_, next);
    }
    table = model::pte_address(geometry_, *entry);
  }
  cached_key_ = key;
  cached_leaf_ = entries(table);
  return cached_leaf_;
}

bool DartDriver::attach(Sid sid) {
  if (std::find(streams_.begin(), streams_.end(), sid) != streams_.end()) return true;
  if (root_ == Hpa(0)) {
    // A table of a smaller page still starts at a multiple of 16 KiB: the TTBR has no finer address.
    root_ = new_table();
    if (root_ == Hpa(0)) return false;
    assert(root_.value % model::kRootTableAlign == 0);
  }
  streams_.push_back(sid);
  write(reg::kTcr + 4u * sid.value, 0);
  write(reg::kTtbr + 4u * sid.value, reg::encode_ttbr(root_.value));
  write(reg::kTcr + 4u * sid.value,
        model::mask_of(reg::kTcrTranslate) | (levels_ == 3 ? model::mask_of(reg::kTcrFourLevels) : 0));
  write(reg::kEnableStreams + stream_word(sid), stream_bit(sid));
  return true;
}

void DartDriver::detach(Sid sid) {
  if (std::erase(streams_, sid) == 0) return;
  write(reg::kDisableStreams + stream_word(sid), stream_bit(sid));
  write(reg::kTcr + 4u * sid.value, 0);
  write(reg::kTtbr + 4u * sid.value, 0);
}

bool DartDriver::map(Iova iova, uint64_t pages, Hpa address, bool device_reads, bool device_writes) {
  assert(root_ != Hpa(0) && iova.value % geometry_.page_bytes() == 0 && address.value % geometry_.page_bytes() == 0);
  model::Pte pte;
  pte.valid = true;
  pte.address = address;
  pte.no_read = !device_reads;
  pte.no_write = !device_writes;
  // Consecutive pages differ in the address field alone.
  uint64_t entry = model::encode_pte(geometry_, pte);
  const uint64_t step = geometry_.page_bytes() >> model::kPteAddressShift;
  for (uint64_t done = 0; done < pages;) {
    const Iova at = iova + done * geometry_.page_bytes();
    uint64_t* const table = leaf(at, true);
    if (table == nullptr) {
      if (done != 0) clear(iova, done);
      return false;
    }
    const uint64_t first = geometry_.index(at, 0);
    const uint64_t last = std::min(geometry_.entries(), first + (pages - done));
    for (uint64_t i = first; i < last; ++i, entry += step) {
      assert((table[i] & model::kPteValid) == 0);
      table[i] = entry;
    }
    done += last - first;
    pages_mapped_ += last - first;
  }
  return true;
}

void DartDriver::clear(Iova iova, uint64_t pages) {
  for (uint64_t done = 0; done < pages;) {
    const Iova at = iova + done * geometry_.page_bytes();
    uint64_t* const table = leaf(at, false);
    assert(table != nullptr);
    const uint64_t first = geometry_.index(at, 0);
    const uint64_t last = std::min(geometry_.entries(), first + (pages - done));
    std::fill(table + first, table + last, 0);
    done += last - first;
    pages_mapped_ -= last - first;
  }
}

bool DartDriver::invalidate(Iova iova, uint64_t pages) {
  ++invalidates_;
  const uint64_t first = iova.value >> geometry_.page_shift;
  const uint64_t last = first + pages - 1;
  uint64_t command = model::set_field(reg::kTlbOp, 0, reg::kTlbOpFlushSid);
  if (pages <= kRangeFlushPagesMax && last <= UINT32_MAX) {
    // The streams' other translations stay cached.
    command |= model::mask_of(reg::kTlbFlushRange);
    write(reg::kTlbStartPage, first);
    write(reg::kTlbEndPage, last);
  }
  for (Sid sid : streams_) {
    write(reg::kTlbCmd, command | model::set_field(reg::kTlbStream, 0, sid.value));
    unsigned polls = 0;
    while ((read(reg::kTlbCmd) & model::mask_of(reg::kTlbBusy)) != 0) {
      if (++polls == kFlushPollsMax) return false;
      timeline_.advance(kFlushPollNs);
    }
  }
  if (pages_mapped_ == 0 && tables_ > kTablesKept) trim();
  return true;
}

/// Nothing is mapped and the TLB is clean: every table but the root can go.
void DartDriver::trim() {
  uint64_t* const root = entries(root_);
  std::fill(root, root + geometry_.entries(), 0);
  const Hpa root_block(round_down(root_.value, kBlockBytes));
  for (Hpa block : blocks_) {
    if (block != root_block) memory_.release(block, kBlockBytes);
  }
  blocks_.assign(1, root_block);
  free_tables_.clear();
  for (uint64_t at = kBlockBytes; at != 0; at -= geometry_.table_bytes()) {
    const Hpa table = root_block + (at - geometry_.table_bytes());
    if (table == root_) continue;
    std::fill_n(entries(table), geometry_.entries(), 0);
    free_tables_.push_back(table);
  }
  tables_ = 1;
  cached_key_ = UINT64_MAX;
  cached_leaf_ = nullptr;
}

DartDriver::ErrorReport DartDriver::take_error() {
  ErrorReport report{};
  report.error = static_cast<uint32_t>(read(reg::kError));
  report.address = read(reg::kErrorAddressLow) | read(reg::kErrorAddressHigh) << 32;
  for (unsigned word = 0; word < reg::kStreamWords; ++word) {
    const uint64_t streams = read(reg::kErrorStreams + 4 * word);
    if (streams != 0) write(reg::kErrorStreams + 4 * word, streams);
  }
  write(reg::kError, report.error);
  return report;
}

void DartDriver::inspect(InspectNode& node) const {
  node.child("page", fmt::format("{} bytes", geometry_.page_bytes()));
  node.child("levels", fmt::format("{}", levels_ + 1), "with the TTBR, as TCR.FOUR_LEVELS counts");
  node.child("root-table", fmt::format("{:#x}", root_.value));
  node.child("tables", fmt::format("{}", tables_), "in use, the root included");
  node.child("pages-mapped", fmt::format("{}", pages_mapped_));
  node.child("invalidates", fmt::format("{}", invalidates_));
  InspectNode& streams = node.child("streams");
  for (Sid sid : streams_) streams.child(fmt::format("{}", sid.value), "translate");
}

}  // namespace dartboard::macos
