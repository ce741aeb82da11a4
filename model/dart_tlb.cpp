// model/dart_tlb.cpp - the TLB: filled by walks, emptied by flushes; and the walk without it.
#include <algorithm>

#include "model/dart.h"
#include "model/fault.h"

namespace dartboard::model {

namespace {

/// How long an invalidate stays busy when a fault makes it slow: twice what drivers wait (m1n1, Linux: 100 us).
constexpr uint64_t kSlowFlushNs = 200 * kNsPerUs;

DartError error_of(WalkEnd end) {
  switch (end) {
    case WalkEnd::kLeaf: return DartError::kNone;
    case WalkEnd::kNoPgd: return DartError::kNoPgd;
    case WalkEnd::kNoPmd: return DartError::kNoPmd;
    case WalkEnd::kNoPte: return DartError::kNoPte;
    case WalkEnd::kBusError: return DartError::kAxiDecode;
  }
  return DartError::kAxiDecode;
}

}  // namespace

Dart::TlbEntry* Dart::look_up(const Stream& stream, Iova iova, DartError* why) {
  TlbEntry* entry = find(tag_of(stream.as, iova.value >> geometry_.page_shift));
  if (entry != nullptr) [[likely]] {
    ++stats_.tlb_hits;
    return entry;
  }
  return walk(stream, iova, why);
}

/// The table that a walk starts from. False: none. An address that the tables cannot express has none either.
bool Dart::root_of(const Stream& stream, Iova iova, Hpa* root) const {
  if ((iova.value >> config_.va_width) != 0) return false;
  const uint64_t which = iova.value >> geometry_.reach_bits(stream.tables);
  if (which >= layout_->ttbrs || (stream.roots_valid >> which & 1) == 0) return false;
  *root = stream.roots[which];
  return true;
}

Dart::TlbEntry* Dart::walk(const Stream& stream, Iova iova, DartError* why) {
  ++stats_.tlb_misses;
  Hpa root;
  if (!root_of(stream, iova, &root)) {
    *why = DartError::kNoTtbr;
    return nullptr;
  }
  ++stats_.walks;
  if (fault(FaultKind::kDartWalkError, iova.value)) [[unlikely]] {
    *why = DartError::kAxiError;
    return nullptr;
  }
  // Neighbouring pages of one request share their leaf table; the upper tables are read once for them.
  const uint64_t leaf_index = iova.value >> (geometry_.page_shift + geometry_.index_bits());
  const bool start_at_leaf = leaf_table_known_ && leaf_index == leaf_index_;
  WalkResult result{WalkEnd::kLeaf, 0, leaf_table_};
  if (!start_at_leaf || !load_entry(memory_, leaf_table_, geometry_.index(iova, 0), &result.entry)) {
    result = walk_tables(memory_, geometry_, root, stream.tables, iova);
  } else if ((result.entry & kPteValid) == 0) {
    result.end = WalkEnd::kNoPte;
  }
  leaf_table_known_ = result.end == WalkEnd::kLeaf;
  leaf_table_ = result.leaf_table;
  leaf_index_ = leaf_index;
  if (result.end != WalkEnd::kLeaf) {
    *why = error_of(result.end);
    return nullptr;
  }

  const uint64_t tag = tag_of(stream.as, iova.value >> geometry_.page_shift);
  const size_t set = tag & set_mask_;
  const size_t base = set * config_.tlb_ways;
  size_t way = 0;
  while (way < config_.tlb_ways && tags_[base + way] != 0) ++way;
  if (way == config_.tlb_ways) {
    way = next_way_[set];
    next_way_[set] = static_cast<uint8_t>((way + 1) & (config_.tlb_ways - 1));
  }
  tags_[base + way] = tag;
  tlb_used_ = true;
  TlbEntry& entry = entries_[base + way];
  const Pte pte = decode_pte(geometry_, result.entry);
  const PageWindow window = window_of(geometry_, pte);
  entry.page = pte.address;
  entry.readable = !pte.no_read || !config_.enforce_read_protect;
  entry.writable = !pte.no_write || !config_.enforce_write_protect;
  entry.first = window.first;
  entry.end = window.end;
  resolve_host(entry);
  return &entry;
}

/// Finds the page's bytes again after host memory changed: the frames may be gone or be somebody else's now.
void Dart::resolve_host(TlbEntry& entry) {
  entry.generation = memory_.generation();
  entry.host = memory_.at(entry.page);
  entry.host_bytes =
      static_cast<uint32_t>(geometry_.page_shift == 12 ? (entry.host != nullptr ? kFrameBytes : 0)
                                                       : memory_.contiguous(entry.page, geometry_.page_bytes()));
}

DartLookup Dart::lookup_slow(Sid sid, Iova iova, bool is_write) const {
  const Stream& stream = streams_[sid.value];
  if (stream.mode == Mode::kBypass) {
    const Hpa address(iova.value | stream.bypass_base);
    return memory_.at(address) != nullptr ? DartLookup{DartError::kNone, address}
                                          : DartLookup{DartError::kAxiDecode, Hpa(0)};
  }
  Hpa root;
  if (stream.mode == Mode::kRefuse || !root_of(stream, iova, &root)) return {DartError::kNoTtbr, Hpa(0)};
  const WalkResult result = walk_tables(memory_, geometry_, root, stream.tables, iova);
  if (result.end != WalkEnd::kLeaf) return {error_of(result.end), Hpa(0)};
  const Pte pte = decode_pte(geometry_, result.entry);
  if (is_write ? pte.no_write && config_.enforce_write_protect : pte.no_read && config_.enforce_read_protect) {
    return {is_write ? DartError::kWriteFault : DartError::kReadFault, Hpa(0)};
  }
  const uint64_t offset = iova.value & (geometry_.page_bytes() - 1);
  const PageWindow window = window_of(geometry_, pte);
  if (offset < window.first || offset >= window.end) return {DartError::kRegionProtect, Hpa(0)};
  const Hpa address = pte.address + offset;
  if (memory_.at(address) == nullptr) return {DartError::kAxiDecode, Hpa(0)};
  return {DartError::kNone, address};
}

// Flushes -------------------------------------------------------------------------------------------------------------

void Dart::start_flush(const Flush& flush) {
  // A command on top of an unfinished one: the first is completed. Drivers poll BUSY, so hardware is not asked this.
  if (flush_.pending) finish_flush();
  ++stats_.flushes;
  flush_ = flush;
  flush_.pending = true;
  flush_.done_ns = timeline_.now().value + config_.tlb_flush_ns;
  if (faults_installed()) [[unlikely]] {
    const uint64_t key = flush.ranged ? flush.start_page << geometry_.page_shift : 0;
    flush_.dropped = fault(FaultKind::kDartStaleTlb, key);
    if (fault(FaultKind::kDartInvalidateSlow, key)) {
      flush_.done_ns += fault_amount(FaultKind::kDartInvalidateSlow, kSlowFlushNs);
    }
  }
  settle();
}

void Dart::drop_all() { std::fill(tags_.begin(), tags_.end(), 0); }

void Dart::finish_flush() {
  const Flush flush = flush_;
  if (switch_race_) [[unlikely]] {
    switch_race_ = false;
    refresh_streams();
  }
  if (flush.dropped) [[unlikely]] {
    flush_.pending = false;
    return;
  }
  revoke_grants(flush);  // before BUSY goes low: who sees idle may take the memory away
  flush_.pending = false;
  if (flush.every_sid && !flush.ranged) {
    drop_all();
    return;
  }
  // A few pages: look where they would be. Anything else: look at every entry.
  if (!flush.every_sid && flush.ranged && flush.start_page <= flush.end_page &&
      flush.end_page - flush.start_page < config_.tlb_sets / 2) {
    for (unsigned word = 0; word < 4; ++word) {
      for (uint64_t sids = flush.sids.words[word]; sids != 0; sids &= sids - 1) {
        const Sid sid(static_cast<uint8_t>(64 * word + static_cast<unsigned>(__builtin_ctzll(sids))));
        for (uint64_t page = flush.start_page; page <= flush.end_page; ++page) {
          TlbEntry* entry = find(tag_of(sid, page));
          if (entry != nullptr) tags_[static_cast<size_t>(entry - entries_.data())] = 0;
        }
      }
    }
    return;
  }
  for (uint64_t& tag : tags_) {
    if (tag == 0) continue;
    const uint64_t page = tag & low_bits(52);
    if (!flush.every_sid && !flush.sids.has(Sid(static_cast<uint8_t>(tag >> 52)))) continue;
    if (flush.ranged && (page < flush.start_page || page > flush.end_page)) continue;
    tag = 0;
  }
}

}  // namespace dartboard::model
