// model/dart_t8020.cpp - what the registers of the older DARTs (t8020, t6000, usb4) do: stream command, lock, remap.
#include "model/dart.h"

namespace dartboard::model {

using namespace dart8020_reg;

void Dart::build_t8020() {
  file_.set_initial(kParams1, set_field(kPageShift, file_.peek32(kParams1), config_.page_shift), 4);
  uint64_t params = set_field(dart8020_reg::kBypassSupport, file_.peek32(kParams2), config_.bypass_support);
  file_.set_initial(kParams2, set_field(kLockSupport, params, config_.lock_support), 4);
  if (!config_.lock_support) file_.limit_writable(kConfig, 0, 4);
  for (unsigned sid = 0; sid < layout_->sids_max; ++sid) file_.set_initial(kStreamRemap + sid, sid, 1);
  for (unsigned word = 0; word < layout_->sids_max / 32 || word == 0; ++word) {
    const unsigned count = config_.sid_count > 32 * word ? config_.sid_count - 32 * word : 0;
    file_.limit_writable(layout_->enable + 4 * word, low_bits(count < 32 ? count : 32), 4);
  }
  file_.hook(kStreamCommand, 4, {read_busy, wrote_stream_command}, this);
  file_.hook(kConfig, 4, {nullptr, wrote_config}, this);
  file_.hook(kStreamRemap, layout_->sids_max, {nullptr, wrote_locked_register}, this);
  file_.hook(layout_->enable, layout_->sids_max < 32 ? 4 : layout_->sids_max / 8, {nullptr, wrote_locked_register},
             this);
  file_.hook(kTlbMisses, 4, {read_counter, nullptr}, this);
  file_.hook(kTlbHits, 4, {read_counter, nullptr}, this);
}

void Dart::wrote_stream_command(void* self, const RegisterWrite& write) {
  auto& dart = *static_cast<Dart*>(self);
  if (get_field(kInvalidate, write.written) == 0) return;
  Flush flush;
  flush.sids.words[0] = dart.file_.peek64(kStreamSelect);
  dart.start_flush(flush);
}

/// LOCK stays set until power-on.
void Dart::wrote_config(void* self, const RegisterWrite& write) {
  static_cast<Dart*>(self)->file_.poke32(
      kConfig, write.value | (write.old_value & static_cast<uint32_t>(mask_of(kConfigLock))));
}

/// STREAM_REMAP and ENABLED_STREAMS.
void Dart::wrote_locked_register(void* self, const RegisterWrite& write) {
  auto& dart = *static_cast<Dart*>(self);
  if (dart.locked()) {
    dart.file_.poke32(write.offset, write.old_value);
  } else {
    dart.refresh_streams();
  }
}

void Dart::read_counter(void* self, uint32_t offset) {
  auto& dart = *static_cast<Dart*>(self);
  dart.file_.poke32(offset,
                    static_cast<uint32_t>(offset == kTlbHits ? dart.stats_.tlb_hits : dart.stats_.tlb_misses));
}

}  // namespace dartboard::model
