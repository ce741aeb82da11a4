// model/dart_t8110.cpp - what the t8110's own registers do: parameters, TLB_CMD, protection, stream enables.
#include "model/dart.h"

namespace dartboard::model {

using namespace dart_reg;

void Dart::build_t8110() {
  const auto log2 = [](unsigned v) { return static_cast<uint64_t>(__builtin_ctz(v)); };
  uint64_t params = set_field(kLog2PageSize, file_.peek32(kParams0), config_.page_shift);
  file_.set_initial(kParams0, set_field(kTlbSetCount, params, config_.tlb_sets), 4);
  params = set_field(kLog2NumWays, file_.peek32(kParams4), log2(config_.tlb_ways));
  file_.set_initial(kParams4, set_field(kFullBypassSupport, params, config_.bypass_support), 4);
  params = set_field(kPaWidth, file_.peek32(kParams8), config_.pa_width);
  file_.set_initial(kParams8, set_field(kVaWidth, params, config_.va_width), 4);
  file_.set_initial(kParamsC, set_field(kNumSids, file_.peek32(kParamsC), config_.sid_count), 4);
  file_.hook(kTlbCmd, 4, {read_busy, wrote_tlb_cmd}, this);
  file_.hook(kProtect, 12, {nullptr, wrote_protection}, this);
  file_.hook(kEnableStreams, 2 * kStreamWords * 4, {nullptr, wrote_stream_enables}, this);
}

void Dart::wrote_tlb_cmd(void* self, const RegisterWrite& write) {
  auto& dart = *static_cast<Dart*>(self);
  const uint64_t op = get_field(kTlbOp, write.value);
  if (op != kTlbOpFlushAll && op != kTlbOpFlushSid) return;
  Flush flush;
  flush.every_sid = op == kTlbOpFlushAll;
  flush.sids.add(Sid(static_cast<uint8_t>(get_field(kTlbStream, write.value))));
  flush.ranged = get_field(kTlbFlushRange, write.value) != 0;
  flush.start_page = get_field(kTlbPage, dart.file_.peek32(kTlbStartPage));
  flush.end_page = get_field(kTlbPage, dart.file_.peek32(kTlbEndPage));
  dart.start_flush(flush);
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

}  // namespace dartboard::model
