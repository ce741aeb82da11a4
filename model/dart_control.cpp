// model/dart_control.cpp - what the DART's registers do: parameters, TLB commands, protection, stream control.
#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "model/dart.h"

namespace dartboard::model {

using namespace dart_reg;

std::string_view problem(const DartConfig& config) {
  if (config.page_shift != 12 && config.page_shift != 14) return "page_shift must be 12 or 14";
  if (config.sid_count < 1 || config.sid_count > kSidsMax) return "sid_count must be 1 to 256";
  if (config.pa_width < 36 || config.pa_width > 42) return "pa_width must be 36 to 42";
  const TableGeometry geometry{config.page_shift, config.pa_width};
  if (config.va_width < 20 || config.va_width > geometry.reach_bits(3)) {
    return config.page_shift == 12 ? "va_width must be 20 to 39 with 4 KiB pages"
                                   : "va_width must be 20 to 47 with 16 KiB pages";
  }
  if (!is_power_of_two(config.tlb_sets) || config.tlb_sets > 2048) return "tlb_sets must be a power of two up to 2048";
  if (!is_power_of_two(config.tlb_ways) || config.tlb_ways > 128) return "tlb_ways must be a power of two up to 128";
  return {};
}

void Dart::configure(const DartConfig& config, Observer* observer, PlatformSink* sink) {
  assert(problem(config).empty());
  config_ = config;
  geometry_ = TableGeometry{config.page_shift, config.pa_width};
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
  file_ = RegisterFile(kFileBytes);
  file_.declare(kRegisters);
  const auto log2 = [](unsigned v) { return static_cast<uint64_t>(__builtin_ctz(v)); };
  uint64_t params = set_field(kLog2PageSize, file_.peek32(kParams0), config_.page_shift);
  file_.set_initial(kParams0, set_field(kTlbSetCount, params, config_.tlb_sets), 4);
  params = set_field(kLog2NumWays, file_.peek32(kParams4), log2(config_.tlb_ways));
  file_.set_initial(kParams4, set_field(kFullBypassSupport, params, config_.bypass_support), 4);
  params = set_field(kPaWidth, file_.peek32(kParams8), config_.pa_width);
  file_.set_initial(kParams8, set_field(kVaWidth, params, config_.va_width), 4);
  file_.set_initial(kParamsC, set_field(kNumSids, file_.peek32(kParamsC), config_.sid_count), 4);

  uint64_t tcr_writable = 0xffff'ffff;
  if (!config_.bypass_support) tcr_writable &= ~mask_of(kTcrBypassDart);
  if (!geometry_.needs_four_levels(config_.va_width)) tcr_writable &= ~mask_of(kTcrFourLevels);
  for (unsigned sid = 0; sid < kSidsMax; ++sid) {
    const bool exists = sid < config_.sid_count;
    file_.limit_writable(kTcr + 4 * sid, exists ? tcr_writable : 0, 4);
    if (!exists) file_.limit_writable(kTtbr + 4 * sid, 0, 4);
  }

  file_.hook(kTlbCmd, 4, {read_tlb_cmd, wrote_tlb_cmd}, this);
  file_.hook(kProtect, 12, {nullptr, wrote_protection}, this);
  file_.hook(kEnableStreams, 2 * kStreamWords * 4, {nullptr, wrote_stream_enables}, this);
  file_.hook(kTcr, 2 * kSidsMax * 4, {nullptr, wrote_stream}, this);
}

void Dart::reset() {
  file_.reset(ResetKind::kPowerOn);
  if (tlb_used_) {
    std::fill(tags_.begin(), tags_.end(), 0);
    std::fill(next_way_.begin(), next_way_.end(), 0);
    tlb_used_ = false;
  }
  flush_ = Flush();
  stats_ = DartStats();
  remap_used_ = false;
  streams_.fill(Stream());
}

// Streams -------------------------------------------------------------------------------------------------------------

void Dart::refresh_stream(unsigned sid) {
  const bool enabled = (file_.peek32(kEnableStreams + sid / 32 * 4) >> (sid % 32) & 1) != 0;
  unsigned as = sid;
  const uint32_t own_tcr = file_.peek32(kTcr + 4 * sid);
  if (get_field(kTcrRemapEnable, own_tcr) != 0) {
    remap_used_ = true;
    as = static_cast<unsigned>(get_field(kTcrRemap, own_tcr));
  }
  const uint32_t tcr = file_.peek32(kTcr + 4 * as);
  const uint32_t ttbr = file_.peek32(kTtbr + 4 * as);
  Stream& stream = streams_[sid];
  stream.as = Sid(static_cast<uint8_t>(as));
  stream.tables = get_field(kTcrFourLevels, tcr) != 0 ? 3 : 2;
  stream.has_root = get_field(kTtbrValid, ttbr) != 0;
  stream.root = Hpa(decode_ttbr(ttbr));
  stream.mode = Mode::kRefuse;
  if (enabled && sid < config_.sid_count) {
    if (get_field(kTcrTranslate, tcr) != 0) {
      stream.mode = Mode::kTranslate;
    } else if (get_field(kTcrBypassDart, tcr) != 0) {
      stream.mode = Mode::kBypass;
    }
  }
}

void Dart::refresh_streams() {
  for (unsigned sid = 0; sid < kSidsMax; ++sid) refresh_stream(sid);
}

void Dart::wrote_stream(void* self, const RegisterWrite& write) {
  auto& dart = *static_cast<Dart*>(self);
  if ((dart.file_.peek32(kProtect) & kProtectTcrTtbr) != 0) {
    dart.file_.poke32(write.offset, write.old_value);
    return;
  }
  const bool remap_written = write.offset < kTtbr && get_field(kTcrRemapEnable, write.value | write.old_value) != 0;
  if (dart.remap_used_ || remap_written) {
    dart.refresh_streams();  // others may translate as this one
  } else {
    dart.refresh_stream((write.offset - (write.offset < kTtbr ? kTcr : kTtbr)) / 4);
  }
}

void Dart::wrote_stream_enables(void* self, const RegisterWrite& write) {
  auto& dart = *static_cast<Dart*>(self);
  const bool enable = write.offset < kDisableStreams;
  const unsigned word = (write.offset - (enable ? kEnableStreams : kDisableStreams)) / 4;
  uint32_t existing = 0xffff'ffff;
  if (dart.config_.sid_count < 32 * (word + 1)) {
    const unsigned count = dart.config_.sid_count > 32 * word ? dart.config_.sid_count - 32 * word : 0;
    existing = static_cast<uint32_t>(low_bits(count));
  }
  const uint32_t at = kEnableStreams + 4 * word;
  const uint32_t enabled = dart.file_.peek32(at);
  dart.file_.poke32(at, enable ? enabled | (write.written & existing) : enabled & ~write.written);
  for (unsigned bit = 0; bit < 32; ++bit) {
    if ((write.written >> bit & 1) != 0) dart.refresh_stream(32 * word + bit);
  }
}

void Dart::wrote_protection(void* self, const RegisterWrite& write) {
  RegisterFile& file = static_cast<Dart*>(self)->file_;
  const uint32_t bits = write.written & kProtectBits;
  switch (write.offset) {
    case kProtect: file.poke32(kProtect, file.peek32(kProtect) | bits); break;
    case kUnprotect: file.poke32(kProtect, file.peek32(kProtect) & ~(bits & ~file.peek32(kProtectLock))); break;
    case kProtectLock: file.poke32(kProtectLock, file.peek32(kProtectLock) | bits); break;
    default: break;
  }
}

// TLB -----------------------------------------------------------------------------------------------------------------

void Dart::read_tlb_cmd(void* self, uint32_t offset) {
  auto& dart = *static_cast<Dart*>(self);
  dart.settle();
  dart.file_.poke32(offset, static_cast<uint32_t>(set_field(kTlbBusy, dart.file_.peek32(offset), dart.flush_.pending)));
}

void Dart::wrote_tlb_cmd(void* self, const RegisterWrite& write) {
  static_cast<Dart*>(self)->start_flush(write.value);
}

void Dart::start_flush(uint32_t command) {
  // A command on top of an unfinished one: the first is completed. Drivers poll BUSY, so hardware is not asked this.
  if (flush_.pending) finish_flush();
  const uint64_t op = get_field(kTlbOp, command);
  if (op != kTlbOpFlushAll && op != kTlbOpFlushSid) return;
  ++stats_.flushes;
  flush_ = {true, timeline_.now().value + config_.tlb_flush_ns, command, file_.peek32(kTlbStartPage),
            file_.peek32(kTlbEndPage)};
  settle();
}

void Dart::drop_all() {
  std::fill(tags_.begin(), tags_.end(), 0);
}

void Dart::finish_flush() {
  flush_.pending = false;
  const bool one_sid = get_field(kTlbOp, flush_.command) == kTlbOpFlushSid;
  const bool ranged = get_field(kTlbFlushRange, flush_.command) != 0;
  const Sid sid(static_cast<uint8_t>(get_field(kTlbStream, flush_.command)));
  if (!one_sid && !ranged) {
    drop_all();
    return;
  }
  // A few pages of one stream: look where they would be. Anything else: look at every entry.
  if (one_sid && ranged && flush_.start_page <= flush_.end_page &&
      flush_.end_page - flush_.start_page < config_.tlb_sets / 2) {
    for (uint64_t page = flush_.start_page; page <= flush_.end_page; ++page) {
      TlbEntry* entry = find(tag_of(sid, page));
      if (entry != nullptr) tags_[static_cast<size_t>(entry - entries_.data())] = 0;
    }
    return;
  }
  for (uint64_t& tag : tags_) {
    if (tag == 0) continue;
    const uint64_t page = tag & low_bits(52);
    const auto tag_sid = static_cast<uint8_t>(tag >> 52);
    if (one_sid && tag_sid != sid.value) continue;
    if (ranged && (page < flush_.start_page || page > flush_.end_page)) continue;
    tag = 0;
  }
}

void Dart::inspect(InspectNode& node) const {
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
  InspectNode& streams = node.child("streams");
  for (unsigned sid = 0; sid < config_.sid_count; ++sid) {
    const Stream& stream = streams_[sid];
    if (stream.mode == Mode::kRefuse) continue;
    streams.child(fmt::format("{}", sid), stream.mode == Mode::kBypass ? std::string("bypass")
                                                                       : fmt::format("root table {:#x}, {} tables",
                                                                                     stream.root.value, stream.tables));
  }
  file_.inspect(node.child("registers"));
}

}  // namespace dartboard::model
