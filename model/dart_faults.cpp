// model/dart_faults.cpp - what a refused request leaves behind, and the faults that are injected into good ones.
#include <cstring>

#include "model/dart.h"
#include "model/fault.h"
#include "model/root_complex.h"

namespace dartboard::model {

/// Ends a request at `iova` with `length` bytes still to move.
Outcome Dart::refuse(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write,
                     DartError why) {
  if (!is_write && length != 0) std::memset(data, 0xff, length);
  ++stats_.faults;
  bool masked = false;
  const uint32_t error = layout_->variant == DartVariant::kT8110
                             ? latch_t8110(sid, iova, is_write, layout_->bit_of(why), &masked)
                             : latch_t8020(sid, iova, is_write, layout_->bit_of(why), &masked);
  const DartFault told{static_cast<uint8_t>(root_), sid, requester, iova, is_write, error};
  if (observer_ != nullptr) observer_->on_dart_fault(told);
  if (!masked && sink_ != nullptr) sink_->on_dart_error(root_, told);
  return config_.completer_abort ? Outcome::kCompleterAbort : Outcome::kUnsupportedRequest;
}

/// The first error stays until software clears it (macOS prints such values: 0x80180000 has SECONDARY set).
uint32_t Dart::latch_t8110(Sid sid, Iova iova, bool is_write, uint32_t code, bool* masked) {
  using namespace dart_reg;
  constexpr auto kFlag = static_cast<uint32_t>(mask_of(kErrorFlag));
  constexpr auto kSecondary = static_cast<uint32_t>(mask_of(kErrorSecondary));
  uint32_t error = code | static_cast<uint32_t>(set_field(kErrorSid, 0, sid.value));
  if (is_write) error |= static_cast<uint32_t>(mask_of(kErrorWrite));
  *masked = (code & file_.peek32(kErrorMask)) != 0;
  if (*masked) return error;
  // An error that nobody saw: software finds SECONDARY and cannot know what came first.
  if (fault(FaultKind::kDartFaultOverflow, iova.value)) [[unlikely]]
    file_.poke32(kError, file_.peek32(kError) | kFlag);
  const uint32_t held = file_.peek32(kError);
  if ((held & kFlag) != 0) {
    file_.poke32(kError, held | kSecondary);
    error |= kSecondary;
  } else {
    file_.poke32(kError, error | kFlag);
    file_.poke32(kErrorAddressLow, static_cast<uint32_t>(iova.value));
    file_.poke32(kErrorAddressHigh, static_cast<uint32_t>(iova.value >> 32));
  }
  const uint32_t word = kErrorStreams + sid.value / 32 * 4;
  file_.poke32(word, file_.peek32(word) | 1u << (sid.value % 32));
  return error;
}

/// No SECONDARY here: later codes are added to the first (QEMUAppleSilicon hw/arm/apple-silicon/dart.c).
uint32_t Dart::latch_t8020(Sid sid, Iova iova, bool is_write, uint32_t code, bool* masked) {
  using namespace dart8020_reg;
  constexpr auto kFlag = static_cast<uint32_t>(mask_of(kErrorFlag));
  uint32_t error = code | static_cast<uint32_t>(set_field(kErrorSid, 0, sid.value));
  if (is_write) error |= static_cast<uint32_t>(mask_of(kErrorWrite));
  const uint32_t tcr = sid.value < config_.sid_count ? file_.peek32(layout_->tcr_of(sid)) : 0;
  *masked = (tcr & kTcrQuietBits & code) != 0;
  if (*masked) return error;
  if (fault(FaultKind::kDartFaultOverflow, iova.value)) [[unlikely]]
    file_.poke32(kError, file_.peek32(kError) | kFlag);
  const uint32_t held = file_.peek32(kError);
  if ((held & kFlag) != 0) {
    file_.poke32(kError, held | code);
  } else {
    file_.poke32(kError, error | kFlag);
    file_.poke32(kErrorAddressLow, static_cast<uint32_t>(iova.value));
    file_.poke32(kErrorAddressHigh, static_cast<uint32_t>(iova.value >> 32));
  }
  return error;
}

/// Faults that a rule or the tape puts into this request. kPending: go on, maybe as another stream.
Outcome Dart::injected(Sid* sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write) {
  if (fault(FaultKind::kDartPowerGated, iova.value)) {
    // Without power there is no answer, no error register, and afterwards no TLB.
    revoke_all_grants();
    drop_all();
    if (!is_write && length != 0) std::memset(data, 0xff, length);
    return Outcome::kCompletionTimeout;
  }
  if (fault(FaultKind::kDartTranslationFault, iova.value)) {
    return refuse(*sid, requester, iova, data, length, is_write, DartError::kNoPte);
  }
  if (fault(FaultKind::kDartPermissionFault, iova.value)) {
    return refuse(*sid, requester, iova, data, length, is_write,
                  is_write ? DartError::kWriteFault : DartError::kReadFault);
  }
  if (fault(FaultKind::kDartWrongStream, iova.value)) {
    *sid = Sid(static_cast<uint8_t>((sid->value + 1) % config_.sid_count));
  }
  return Outcome::kPending;
}

}  // namespace dartboard::model
