// tests/model/dart_rig.h - programs any DART variant for tests: streams, table sets, invalidates.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/dart.h"
#include "tests/model/fabric.h"

namespace dartboard::model::test {

/// Page tables as a stream's TTBRs see them: one tree per TTBR. Only the first `roots` TTBRs are valid.
class TableSet {
 public:
  TableSet(HostMemory& memory, const Dart& dart, unsigned tables, unsigned roots)
      : geometry_(dart.geometry()), tables_(tables) {
    for (unsigned i = 0; i < roots; ++i) trees_.push_back(std::make_unique<TableWriter>(memory, geometry_, tables));
  }
  unsigned tables() const { return tables_; }
  unsigned roots() const { return static_cast<unsigned>(trees_.size()); }
  Hpa root(unsigned i) const { return trees_[i]->root(); }
  void map(Iova iova, const Pte& pte) { tree(iova).map(iova, pte); }
  void unmap(Iova iova) { tree(iova).unmap(iova); }

 private:
  TableWriter& tree(Iova iova) { return *trees_[iova.value >> geometry_.reach_bits(tables_)]; }
  TableGeometry geometry_;
  unsigned tables_;
  std::vector<std::unique_ptr<TableWriter>> trees_;
};

/// Software's side of a DART's registers.
class DartProgrammer {
 public:
  explicit DartProgrammer(Dart& dart) : dart_(dart) {}
  const DartLayout& layout() const { return dart_.layout(); }
  bool is_t8110() const { return layout().variant == DartVariant::kT8110; }
  uint32_t get(uint32_t offset) { return static_cast<uint32_t>(dart_.read(offset, 4)); }
  void set(uint32_t offset, uint64_t value) { dart_.write(offset, static_cast<uint32_t>(value), 4); }

  void use_tables(Sid sid, const TableSet& tables) {
    for (unsigned i = 0; i < layout().ttbrs; ++i) {
      set(layout().ttbr_of(sid, i), i < tables.roots() ? layout().encode_ttbr(tables.root(i).value) : 0);
    }
    translate(sid, tables.tables() == 3);
  }
  void translate(Sid sid, bool four_levels) {
    set(layout().tcr_of(sid), mask_of(layout().tcr_translate) | (four_levels ? mask_of(dart_reg::kTcrFourLevels) : 0));
  }
  /// The older variants take bits 35:32 of the target from TCR.
  void bypass(Sid sid) {
    uint64_t tcr = mask_of(layout().tcr_bypass);
    if (!is_t8110()) tcr = set_field(dart8020_reg::kTcrBypassAddress, tcr, kHostMemoryBase.value >> 32);
    set(layout().tcr_of(sid), tcr);
  }
  void stop(Sid sid) { set(layout().tcr_of(sid), 0); }
  void enable(Sid sid, bool on) {
    const uint32_t word = sid.value / 32 * 4, bit = 1u << (sid.value % 32);
    if (is_t8110()) {
      set((on ? dart_reg::kEnableStreams : dart_reg::kDisableStreams) + word, bit);
    } else {
      const uint32_t enabled = get(layout().enable + word);
      set(layout().enable + word, on ? enabled | bit : enabled & ~bit);
    }
  }
  void remap(Sid sid, Sid as) {
    if (is_t8110()) {
      set(layout().tcr_of(sid),
          sid == as ? 0 : mask_of(dart_reg::kTcrRemapEnable) | set_field(dart_reg::kTcrRemap, 0, as.value));
    } else {
      dart_.write(dart8020_reg::kStreamRemap + sid.value, as.value, 1);
    }
  }

  // Invalidates: issued, not waited for.
  void flush_all() {
    if (is_t8110()) return set(dart_reg::kTlbCmd, 0);
    flush_mask(~uint64_t{0});
  }
  void flush_sid(Sid sid) {
    if (!is_t8110()) return flush_mask(uint64_t{1} << sid.value);
    set(dart_reg::kTlbCmd, set_field(dart_reg::kTlbOp, sid.value, dart_reg::kTlbOpFlushSid));
  }
  /// t8110 alone.
  void flush_range(Sid sid, uint64_t first_page, uint64_t last_page) {
    set(dart_reg::kTlbStartPage, set_field(dart_reg::kTlbPage, 0, first_page));
    set(dart_reg::kTlbEndPage, set_field(dart_reg::kTlbPage, 0, last_page));
    set(dart_reg::kTlbCmd, set_field(dart_reg::kTlbOp, sid.value, dart_reg::kTlbOpFlushSid) |
                               mask_of(dart_reg::kTlbFlushRange));
  }
  void flush_mask(uint64_t streams) {
    set(dart8020_reg::kStreamSelect, streams & UINT32_MAX);
    set(dart8020_reg::kStreamSelect + 4, streams >> 32);
    set(dart8020_reg::kStreamCommand, mask_of(dart8020_reg::kInvalidate));
  }
  bool busy() { return get_field(layout().command_busy, get(layout().command)) != 0; }

  uint32_t error() { return get(layout().error); }
  uint64_t error_address() {
    return get(layout().error_address_low) | uint64_t{get(layout().error_address_high)} << 32;
  }
  void clear_error() { set(layout().error, 0xffff'ffff); }

 private:
  Dart& dart_;
};

}  // namespace dartboard::model::test
