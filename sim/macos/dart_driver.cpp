// sim/macos/dart_driver.cpp - programming sequences of each variant and page-table upkeep.
#include "sim/macos/dart_driver.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "model/dart.h"
#include "model/timeline.h"
#include "sim/macos/cpu_port.h"

namespace dartboard::macos {
namespace reg = model::dart_reg;
namespace old_reg = model::dart8020_reg;
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

void DartDriver::power_on(const model::DartConfig& config) {
  assert(blocks_.empty());
  layout_ = &model::layout_of(config.variant);
  geometry_ = model::TableGeometry{config.page_shift, config.pa_width, layout_->pte_format};
  levels_ = layout_->four_levels && geometry_.needs_four_levels(config.va_width) ? 3 : 2;
  const unsigned reach = geometry_.reach_bits(levels_);
  roots_ = config.va_width > reach ? std::min(layout_->ttbrs, 1u << (config.va_width - reach)) : 1;
}

void DartDriver::power_off() {
  for (Hpa block : blocks_) memory_.release(block, kBlockBytes);
  blocks_.clear();
  free_tables_.clear();
  streams_.clear();
  new_tables_.clear();
  filled_.clear();
  root_.fill(Hpa(0));
  adopted_ = false;
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

/// A table of a smaller page still starts a block: the t8110's TTBR has no finer address than 16 KiB.
Hpa DartDriver::new_root() {
  static_assert(kBlockBytes == model::kRootTableAlign);
  const Hpa block = memory_.allocate(kBlockBytes, kBlockBytes);
  if (block == Hpa(0)) return block;
  blocks_.push_back(block);
  for (uint64_t at = kBlockBytes; at != geometry_.table_bytes(); at -= geometry_.table_bytes()) {
    free_tables_.push_back(block + (at - geometry_.table_bytes()));
  }
  ++tables_;
  return block;
}

uint64_t* DartDriver::leaf(Iova iova, bool create) {
  const uint64_t key = iova.value >> (geometry_.page_shift + geometry_.index_bits());
  if (key == cached_key_) return cached_leaf_;
  const uint64_t which = iova.value >> geometry_.reach_bits(levels_);
  if (which >= roots_) return nullptr;
  Hpa table = root_[which];
  for (unsigned height = levels_ - 1; height > 0; --height) {
    uint64_t* const entry = entries(table) + geometry_.index(iova, height);
    if ((*entry & model::kPteValid) == 0) {
      if (!create) return nullptr;
      const Hpa next = new_table();
      if (next == Hpa(0)) return nullptr;
      new_tables_.push_back({entry, next});
      *entry = model::encode_table_entry(geometry_, next);
    }
    table = model::pte_address(geometry_, *entry);
  }
  cached_key_ = key;
  cached_leaf_ = entries(table);
  return cached_leaf_;
}

bool DartDriver::locked() {
  if (layout_->variant == model::DartVariant::kT8110) return (read(reg::kProtect) & reg::kProtectTcrTtbr) != 0;
  return model::get_field(old_reg::kConfigLock, read(old_reg::kConfig)) != 0;
}

/// A stream of a locked DART: its tables are used as they are.
bool DartDriver::adopt(Sid sid) {
  if (model::get_field(layout_->tcr_translate, read(layout_->tcr_of(sid))) == 0) return false;
  std::array<Hpa, 4> found{};
  for (unsigned i = 0; i < roots_; ++i) {
    const auto ttbr = static_cast<uint32_t>(read(layout_->ttbr_of(sid, i)));
    found[i] = Hpa(model::get_field(layout_->ttbr_valid, ttbr) != 0 ? layout_->decode_ttbr(ttbr) : 0);
    if (found[i] == Hpa(0) || memory_.contiguous(found[i], geometry_.table_bytes()) != geometry_.table_bytes()) {
      return false;
    }
  }
  if (root_[0] != Hpa(0) && found != root_) return false;
  root_ = found;
  adopted_ = true;
  streams_.push_back(sid);
  return true;
}

bool DartDriver::attach(Sid sid) {
  if (std::find(streams_.begin(), streams_.end(), sid) != streams_.end()) return true;
  if (locked()) return adopt(sid);
  for (unsigned i = 0; i < roots_; ++i) {
    if (root_[i] != Hpa(0)) continue;
    root_[i] = new_root();
    if (root_[i] == Hpa(0)) return false;
  }
  streams_.push_back(sid);
  write(layout_->tcr_of(sid), 0);
  for (unsigned i = 0; i < layout_->ttbrs; ++i) {
    write(layout_->ttbr_of(sid, i), i < roots_ ? layout_->encode_ttbr(root_[i].value) : 0);
  }
  uint64_t tcr = model::mask_of(layout_->tcr_translate);
  if (levels_ == 3) tcr |= model::mask_of(reg::kTcrFourLevels);
  write(layout_->tcr_of(sid), tcr);
  // The t8110's register sets bits; the older ones hold a mask.
  const uint32_t enable = layout_->enable + stream_word(sid);
  const bool sets = layout_->variant == model::DartVariant::kT8110;
  write(enable, (sets ? 0 : read(enable)) | stream_bit(sid));
  return true;
}

void DartDriver::detach(Sid sid) {
  if (std::erase(streams_, sid) == 0 || adopted_) return;
  if (layout_->variant == model::DartVariant::kT8110) {
    write(reg::kDisableStreams + stream_word(sid), stream_bit(sid));
  } else {
    const uint32_t enable = layout_->enable + stream_word(sid);
    write(enable, read(enable) & ~stream_bit(sid));
  }
  write(layout_->tcr_of(sid), 0);
  for (unsigned i = 0; i < layout_->ttbrs; ++i) write(layout_->ttbr_of(sid, i), 0);
}

void DartDriver::begin() {
  new_tables_.clear();
  filled_.clear();
  blocks_before_ = blocks_.size();
}

bool DartDriver::map(Iova iova, uint64_t pages, Hpa address, bool device_reads, bool device_writes) {
  assert(!streams_.empty() && iova.value % geometry_.page_bytes() == 0 && address.value % geometry_.page_bytes() == 0);
  if (pages == 0) return true;
  if (!geometry_.holds(address, pages * geometry_.page_bytes())) return false;
  model::Pte pte;
  pte.valid = true;
  pte.address = address;
  pte.no_read = !device_reads;
  pte.no_write = !device_writes;
  // Consecutive pages differ in the address field alone.
  uint64_t entry = model::encode_pte(geometry_, pte);
  const uint64_t step = geometry_.entry_step();
  filled_.push_back({iova, 0});
  for (uint64_t done = 0; done < pages;) {
    const Iova at = iova + done * geometry_.page_bytes();
    uint64_t* const table = leaf(at, true);
    if (table == nullptr) return false;
    const uint64_t first = geometry_.index(at, 0);
    const uint64_t last = std::min(geometry_.entries(), first + (pages - done));
    for (uint64_t i = first; i < last; ++i, entry += step) {
      assert((table[i] & model::kPteValid) == 0);
      table[i] = entry;
    }
    done += last - first;
    pages_mapped_ += last - first;
    filled_.back().pages = done;
  }
  return true;
}

void DartDriver::rollback() {
  for (const Filled& part : filled_) clear(part.iova, part.pages);
  filled_.clear();
  // Newest first, so that the free list is as it was, and so is host memory when the blocks go.
  while (!new_tables_.empty()) {
    *new_tables_.back().parent = 0;
    free_tables_.push_back(new_tables_.back().table);
    new_tables_.pop_back();
    --tables_;
  }
  while (blocks_.size() > blocks_before_) {
    const Hpa block = blocks_.back();
    std::erase_if(free_tables_, [block](Hpa t) { return t.value >= block.value && t - block < kBlockBytes; });
    memory_.release(block, kBlockBytes);
    blocks_.pop_back();
  }
  cached_key_ = UINT64_MAX;
  cached_leaf_ = nullptr;
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

/// Polls the TLB command. False: still busy after 100 us.
bool DartDriver::wait_idle() {
  for (unsigned polls = 0; (read(layout_->command) & model::mask_of(layout_->command_busy)) != 0;) {
    if (++polls == kFlushPollsMax) return false;
    timeline_.advance(kFlushPollNs);
  }
  return true;
}

bool DartDriver::invalidate(Iova iova, uint64_t pages) {
  ++invalidates_;
  if (layout_->variant == model::DartVariant::kT8110) {
    const uint64_t first = iova.value >> geometry_.page_shift;
    const uint64_t last = first + pages - 1;
    uint64_t command = model::set_field(reg::kTlbOp, 0, reg::kTlbOpFlushSid);
    if (pages <= kRangeFlushPagesMax && last <= model::get_field(reg::kTlbPage, UINT32_MAX)) {
      // The streams' other translations stay cached.
      command |= model::mask_of(reg::kTlbFlushRange);
      write(reg::kTlbStartPage, model::set_field(reg::kTlbPage, 0, first));
      write(reg::kTlbEndPage, model::set_field(reg::kTlbPage, 0, last));
    }
    for (Sid sid : streams_) {
      write(reg::kTlbCmd, command | model::set_field(reg::kTlbStream, 0, sid.value));
      if (!wait_idle()) return false;
    }
  } else {
    // All of the streams' translations go: there is no finer command.
    uint64_t streams = 0;
    for (Sid sid : streams_) streams |= uint64_t{1} << sid.value;
    write(old_reg::kStreamSelect, streams & UINT32_MAX);
    write(old_reg::kStreamSelect + 4, streams >> 32);
    write(old_reg::kStreamCommand, model::mask_of(old_reg::kInvalidate));
    if (!wait_idle()) return false;
  }
  if (pages_mapped_ == 0 && tables_ > kTablesKept && !adopted_) trim();
  return true;
}

/// Nothing is mapped and the TLB is clean: every table but the roots can go.
void DartDriver::trim() {
  std::vector<Hpa> kept;
  for (unsigned i = 0; i < roots_; ++i) {
    std::fill_n(entries(root_[i]), geometry_.entries(), 0);
    const Hpa block(round_down(root_[i].value, kBlockBytes));
    if (std::find(kept.begin(), kept.end(), block) == kept.end()) kept.push_back(block);
  }
  for (Hpa block : blocks_) {
    if (std::find(kept.begin(), kept.end(), block) == kept.end()) memory_.release(block, kBlockBytes);
  }
  blocks_ = kept;
  free_tables_.clear();
  for (Hpa block : blocks_) {
    for (uint64_t at = kBlockBytes; at != 0; at -= geometry_.table_bytes()) {
      const Hpa table = block + (at - geometry_.table_bytes());
      if (std::find(root_.begin(), root_.end(), table) != root_.end()) continue;
      std::fill_n(entries(table), geometry_.entries(), 0);
      free_tables_.push_back(table);
    }
  }
  tables_ = roots_;
  cached_key_ = UINT64_MAX;
  cached_leaf_ = nullptr;
}

DartDriver::ErrorReport DartDriver::take_error() {
  ErrorReport report{};
  report.error = static_cast<uint32_t>(read(layout_->error));
  report.address = read(layout_->error_address_low) | read(layout_->error_address_high) << 32;
  if (layout_->variant == model::DartVariant::kT8110) {
    for (unsigned word = 0; word < reg::kStreamWords; ++word) {
      const uint64_t streams = read(reg::kErrorStreams + 4 * word);
      if (streams != 0) write(reg::kErrorStreams + 4 * word, streams);
    }
  }
  write(layout_->error, report.error);
  return report;
}

void DartDriver::inspect(InspectNode& node) const {
  node.child("page", fmt::format("{} bytes", geometry_.page_bytes()));
  node.child("levels", fmt::format("{}", levels_ + 1), "with the TTBR, as TCR.FOUR_LEVELS counts");
  node.child("variant", std::string(layout_->compatible));
  for (unsigned i = 0; i < roots_; ++i) {
    node.child("root-table", fmt::format("{:#x}", root_[i].value), adopted_ ? "firmware's; the DART is locked" : "");
  }
  node.child("tables", fmt::format("{}", tables_), "in use, the root included");
  node.child("pages-mapped", fmt::format("{}", pages_mapped_));
  node.child("invalidates", fmt::format("{}", invalidates_));
  InspectNode& streams = node.child("streams");
  for (Sid sid : streams_) streams.child(fmt::format("{}", sid.value), "translate");
}

}  // namespace dartboard::macos
