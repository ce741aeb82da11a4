// model/dart_control.cpp - what all DARTs have in common behind their registers: configuration, reset, streams.
#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "model/dart.h"
#include "model/fault.h"

namespace dartboard::model {

std::string_view problem(const DartConfig& config) {
  const DartLayout& layout = layout_of(config.variant);
  if (config.page_shift != 12 && config.page_shift != 14) return "page_shift must be 12 or 14";
  if (config.sid_count < 1 || config.sid_count > layout.sids_max) {
    switch (config.variant) {
      case DartVariant::kT8020:
      case DartVariant::kT6000: return "sid_count must be 1 to 16";
      case DartVariant::kUsb4: return "sid_count must be 1 to 64";
      case DartVariant::kT8110: return "sid_count must be 1 to 256";
    }
  }
  if (layout.pte_format == PteFormat::kDart1) {
    if (config.pa_width < 36 || config.pa_width > 40) return "pa_width must be 36 to 40 with DART1 entries";
  } else if (config.pa_width < 36 || config.pa_width > 42) {
    return "pa_width must be 36 to 42";
  }
  const TableGeometry geometry{config.page_shift, config.pa_width, layout.pte_format};
  const unsigned reach = layout.four_levels ? geometry.reach_bits(3) : geometry.reach_bits(2) + 2;
  if (config.va_width < 20 || config.va_width > reach) {
    if (layout.four_levels) {
      return config.page_shift == 12 ? "va_width must be 20 to 39 with 4 KiB pages"
                                     : "va_width must be 20 to 47 with 16 KiB pages";
    }
    return config.page_shift == 12 ? "va_width must be 20 to 32 with 4 KiB pages and four TTBRs"
                                   : "va_width must be 20 to 38 with 16 KiB pages and four TTBRs";
  }
  if (config.bypass_support && !layout.full_bypass) return "this variant has no bypass";
  if (!is_power_of_two(config.tlb_sets) || config.tlb_sets > 2048) return "tlb_sets must be a power of two up to 2048";
  if (!is_power_of_two(config.tlb_ways) || config.tlb_ways > 128) return "tlb_ways must be a power of two up to 128";
  return {};
}

void Dart::configure(const DartConfig& config, Observer* observer, PlatformSink* sink) {
  assert(problem(config).empty());
  config_ = config;
  layout_ = &layout_of(config.variant);
  geometry_ = TableGeometry{config.page_shift, config.pa_width, layout_->pte_format};
  observer_ = observer;
  sink_ = sink;
  set_mask_ = config.tlb_sets - 1;
  const size_t entries = size_t{config.tlb_sets} * config.tlb_ways;
  tags_.assign(entries, 0);
  entries_.assign(entries, TlbEntry());
  next_way_.assign(config.tlb_sets, 0);
  tlb_used_ = false;
  build_registers();
  reset();
}

void Dart::build_registers() {
  file_ = RegisterFile(dart_reg::kFileBytes);
  file_.declare(layout_->registers);
  if (config_.variant == DartVariant::kT8110) {
    build_t8110();
  } else {
    build_t8020();
  }
  uint64_t tcr_writable = 0xffff'ffff;
  if (!config_.bypass_support) tcr_writable &= ~mask_of(layout_->tcr_bypass);
  if (layout_->four_levels && !geometry_.needs_four_levels(config_.va_width)) {
    tcr_writable &= ~mask_of(dart_reg::kTcrFourLevels);
  }
  for (unsigned sid = 0; sid < layout_->sids_max; ++sid) {
    const bool exists = sid < config_.sid_count;
    const Sid at(static_cast<uint8_t>(sid));
    file_.limit_writable(layout_->tcr_of(at), exists ? tcr_writable : 0, 4);
    for (unsigned i = 0; i < layout_->ttbrs && !exists; ++i) file_.limit_writable(layout_->ttbr_of(at, i), 0, 4);
  }
  file_.hook(layout_->tcr, layout_->sids_max * 4, {nullptr, wrote_stream}, this);
  file_.hook(layout_->ttbr, layout_->sids_max * layout_->ttbrs * 4, {nullptr, wrote_stream}, this);
}

void Dart::reset() {
  file_.reset(ResetKind::kPowerOn);
  revoke_all_grants();
  if (tlb_used_) {
    std::fill(tags_.begin(), tags_.end(), 0);
    std::fill(next_way_.begin(), next_way_.end(), 0);
    tlb_used_ = false;
  }
  flush_ = Flush();
  stats_ = DartStats();
  remap_used_ = switch_race_ = false;
  streams_.fill(Stream());
}

// Streams -------------------------------------------------------------------------------------------------------------

bool Dart::enabled(unsigned sid) const {
  return sid < config_.sid_count && (file_.peek32(layout_->enable + sid / 32 * 4) >> (sid % 32) & 1) != 0;
}

void Dart::refresh_stream(unsigned sid) {
  revoke_all_grants();
  Stream& stream = streams_[sid];
  stream = Stream();
  if (!enabled(sid)) return;
  unsigned as = sid;
  if (config_.variant == DartVariant::kT8110) {
    const uint32_t own_tcr = file_.peek32(layout_->tcr_of(Sid(static_cast<uint8_t>(sid))));
    if (get_field(dart_reg::kTcrRemapEnable, own_tcr) != 0) {
      remap_used_ = true;
      as = static_cast<unsigned>(get_field(dart_reg::kTcrRemap, own_tcr));
    }
  } else {
    as = static_cast<unsigned>(file_.peek(dart8020_reg::kStreamRemap + sid, 1));
    remap_used_ |= as != sid;
  }
  if (as >= config_.sid_count) return;
  stream.as = Sid(static_cast<uint8_t>(as));
  const uint32_t tcr = file_.peek32(layout_->tcr_of(stream.as));
  if (layout_->four_levels && get_field(dart_reg::kTcrFourLevels, tcr) != 0) stream.tables = 3;
  for (unsigned i = 0; i < layout_->ttbrs; ++i) {
    const uint32_t ttbr = file_.peek32(layout_->ttbr_of(stream.as, i));
    if (get_field(layout_->ttbr_valid, ttbr) == 0) continue;
    stream.roots_valid = static_cast<uint8_t>(stream.roots_valid | 1u << i);
    stream.roots[i] = Hpa(layout_->decode_ttbr(ttbr));
  }
  if (get_field(layout_->tcr_translate, tcr) != 0) {
    stream.mode = Mode::kTranslate;
  } else if (get_field(layout_->tcr_bypass, tcr) != 0) {
    stream.mode = Mode::kBypass;
    if (config_.variant != DartVariant::kT8110) {
      stream.bypass_base = get_field(dart8020_reg::kTcrBypassAddress, tcr) << 32;
    }
  }
}

void Dart::refresh_streams() {
  for (unsigned sid = 0; sid < layout_->sids_max; ++sid) refresh_stream(sid);
}

bool Dart::locked() const {
  if (config_.variant == DartVariant::kT8110) {
    return (file_.peek32(dart_reg::kProtect) & dart_reg::kProtectTcrTtbr) != 0;
  }
  return get_field(dart8020_reg::kConfigLock, file_.peek32(dart8020_reg::kConfig)) != 0;
}

void Dart::wrote_stream(void* self, const RegisterWrite& write) { static_cast<Dart*>(self)->stream_written(write); }

/// TCR or TTBR.
void Dart::stream_written(const RegisterWrite& write) {
  if (locked()) {
    file_.poke32(write.offset, write.old_value);
    return;
  }
  const bool is_tcr = write.offset < layout_->ttbr;
  if (!is_tcr && fault(FaultKind::kDartTableSwitchRace, write.offset)) [[unlikely]] {
    switch_race_ = true;  // what is under way goes on with the old tables until the TLB is flushed
    return;
  }
  const bool remap_written = is_tcr && config_.variant == DartVariant::kT8110 &&
                             get_field(dart_reg::kTcrRemapEnable, write.value | write.old_value) != 0;
  if (remap_used_ || remap_written) {
    refresh_streams();  // others may translate as this one
  } else {
    refresh_stream(is_tcr ? (write.offset - layout_->tcr) / 4 : (write.offset - layout_->ttbr) / (4 * layout_->ttbrs));
  }
}

/// BUSY of the TLB command, whatever register it is in.
void Dart::read_busy(void* self, uint32_t offset) {
  auto& dart = *static_cast<Dart*>(self);
  dart.settle();
  const uint32_t value = dart.file_.peek32(offset);
  dart.file_.poke32(offset, static_cast<uint32_t>(set_field(dart.layout_->command_busy, value, dart.flush_.pending)));
}

void Dart::inspect(InspectNode& node) const {
  node.child("variant", std::string(layout_->compatible));
  node.child("page", fmt::format("{} KiB", geometry_.page_bytes() / kKiB));
  InspectNode& stats = node.child("statistics");
  stats.child("walks", fmt::format("{}", stats_.walks));
  stats.child("TLB hits", fmt::format("{}", stats_.tlb_hits));
  stats.child("TLB misses", fmt::format("{}", stats_.tlb_misses));
  stats.child("faults", fmt::format("{}", stats_.faults));
  stats.child("flushes", fmt::format("{}", stats_.flushes));
  stats.child("bytes read", fmt::format("{}", stats_.bytes_read), "memory to device");
  stats.child("bytes written", fmt::format("{}", stats_.bytes_written), "device to memory");
  const auto cached = std::count_if(tags_.begin(), tags_.end(), [](uint64_t tag) { return tag != 0; });
  node.child("TLB", fmt::format("{} of {} entries", cached, tags_.size()),
             fmt::format("{} sets, {} ways", config_.tlb_sets, config_.tlb_ways));
  InspectNode& granted = node.child("grants", fmt::format("{} made", stats_.grants), "direct memory");
  for (const DartGrant& grant : grants_) {
    if (grant.bytes == 0) continue;
    granted.child(fmt::format("{:#x}", grant.first.value),
                  fmt::format("{} bytes, stream {}, {}{}", grant.bytes, grant.sid.value, grant.readable ? "r" : "",
                              grant.writable ? "w" : ""));
  }
  InspectNode& streams = node.child("streams");
  for (unsigned sid = 0; sid < config_.sid_count; ++sid) {
    const Stream& stream = streams_[sid];
    if (stream.mode == Mode::kRefuse) continue;
    std::string how = stream.mode == Mode::kBypass ? "bypass" : fmt::format("{} tables, root", stream.tables);
    for (unsigned i = 0; stream.mode == Mode::kTranslate && i < layout_->ttbrs; ++i) {
      how += (stream.roots_valid >> i & 1) != 0 ? fmt::format(" {:#x}", stream.roots[i].value) : " none";
    }
    streams.child(fmt::format("{}", sid), how);
  }
  file_.inspect(node.child("registers"));
}

}  // namespace dartboard::model
