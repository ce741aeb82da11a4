// model/dart_variant.h - the DART variants side by side: everything in which they differ, as data.
//
// The hardware (model/dart) and whoever programs it (the mapper's driver) read the same rows. Rows come from m1n1
// src/dart.c (dart_t8020, dart_t6000, dart_t8110) and Linux drivers/iommu/apple-dart.c (the usb4 variant).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/dart8020_registers.h"
#include "model/dart_registers.h"
#include "model/dart_tables.h"

namespace dartboard::model {

enum class DartVariant : uint8_t {
  kT8020,   ///< M1
  kT6000,   ///< M1 Pro, Max, Ultra
  kUsb4,    ///< Thunderbolt ports of the M1
  kT8110,   ///< M2 and later
};
inline constexpr unsigned kDartVariantCount = 4;

/// Why a request is refused. The ERROR bit of each is the variant's.
enum class DartError : uint8_t {
  kNone,
  kNoTtbr,          ///< also: stream disabled or not translating, IOVA out of reach
  kNoPgd,
  kNoPmd,
  kNoPte,
  kWriteFault,
  kReadFault,
  kAxiDecode,       ///< the table or the page is where there is no memory
  kAxiError,        ///< the memory answered with an error
  kRegionProtect,   ///< outside the entry's sub-page window
};
inline constexpr unsigned kDartErrorCount = 10;

struct DartLayout {
  DartVariant variant;
  std::string_view compatible;               ///< as device trees name it
  std::span<const RegisterDecl> registers;
  PteFormat pte_format;
  unsigned sids_max;
  unsigned ttbrs;                            ///< of a stream; which one: the IOVA bits above what two tables reach
  bool four_levels;                          ///< TCR.FOUR_LEVELS exists
  bool full_bypass;                          ///< an instance may support bypass
  bool range_flush;                          ///< the TLB command can flush a range of one stream
  uint32_t command;                          ///< register of the TLB command
  FieldDecl command_busy;
  uint32_t error, error_address_low, error_address_high;
  FieldDecl error_sid;
  uint32_t tcr;                              ///< + 4 * sid
  FieldDecl tcr_translate, tcr_bypass;
  uint32_t ttbr;                             ///< + 4 * ttbrs * sid + 4 * i
  FieldDecl ttbr_address, ttbr_valid;
  unsigned ttbr_shift;                       ///< ADDR = address >> this
  uint32_t enable;                           ///< enabled streams, one bit each
  std::array<uint32_t, kDartErrorCount> error_bits;

  constexpr uint32_t bit_of(DartError why) const { return error_bits[static_cast<unsigned>(why)]; }
  constexpr uint32_t tcr_of(Sid sid) const { return tcr + 4u * sid.value; }
  constexpr uint32_t ttbr_of(Sid sid, unsigned i = 0) const { return ttbr + 4u * (ttbrs * sid.value + i); }
  /// TTBR value for a table (0: invalid) and back.
  constexpr uint32_t encode_ttbr(uint64_t table) const {
    return static_cast<uint32_t>(set_field(ttbr_address, mask_of(ttbr_valid), table >> ttbr_shift));
  }
  constexpr uint64_t decode_ttbr(uint32_t value) const { return get_field(ttbr_address, value) << ttbr_shift; }
};

namespace detail {

inline constexpr std::array<uint32_t, kDartErrorCount> kErrorBits8020 = {
    0,
    dart8020_reg::kCodeNoTtbr,
    dart8020_reg::kCodeNoTtbr,  // no table above the TTBR's: the four TTBRs are that level
    dart8020_reg::kCodeNoPmd,
    dart8020_reg::kCodeNoPte,
    dart8020_reg::kCodeWriteFault,
    dart8020_reg::kCodeReadFault,
    dart8020_reg::kCodeAxiDecode,
    dart8020_reg::kCodeAxiError,
    dart8020_reg::kCodeRegionProtect,
};
inline constexpr std::array<uint32_t, kDartErrorCount> kErrorBits8110 = {
    0,
    dart_reg::kCodeNoTtbr,
    dart_reg::kCodeNoPgd,
    dart_reg::kCodeNoPmd,
    dart_reg::kCodeNoPte,
    dart_reg::kCodeWriteFault,
    dart_reg::kCodeReadFault,
    dart_reg::kCodeAxiDecode,
    dart_reg::kCodeAxiError,
    dart_reg::kCodeRegionProtect,
};

constexpr DartLayout layout_8020(DartVariant variant, std::string_view compatible) {
  namespace r = dart8020_reg;
  const bool usb4 = variant == DartVariant::kUsb4;
  return {.variant = variant,
          .compatible = compatible,
          .registers = usb4 ? std::span<const RegisterDecl>(r::kUsb4Registers) : std::span(r::kRegisters),
          .pte_format = variant == DartVariant::kT6000 ? PteFormat::kDart2 : PteFormat::kDart1,
          .sids_max = usb4 ? r::kSidsUsb4 : r::kSids,
          .ttbrs = r::kTtbrsPerStream,
          .four_levels = false,
          .full_bypass = !usb4,
          .range_flush = false,
          .command = r::kStreamCommand,
          .command_busy = r::kCommandBusy,
          .error = r::kError,
          .error_address_low = r::kErrorAddressLow,
          .error_address_high = r::kErrorAddressHigh,
          .error_sid = r::kErrorSid,
          .tcr = r::kTcr,
          .tcr_translate = r::kTcrTranslate,
          .tcr_bypass = r::kTcrBypassDart,
          .ttbr = usb4 ? r::kTtbrUsb4 : r::kTtbr,
          .ttbr_address = r::kTtbrAddress,
          .ttbr_valid = r::kTtbrValid,
          .ttbr_shift = r::kTtbrAddressShift,
          .enable = usb4 ? r::kEnabledStreamsUsb4 : r::kEnabledStreams,
          .error_bits = kErrorBits8020};
}

}  // namespace detail

/// In the order of DartVariant.
inline constexpr DartLayout kDartLayouts[kDartVariantCount] = {
    detail::layout_8020(DartVariant::kT8020, "apple,t8103-dart"),
    detail::layout_8020(DartVariant::kT6000, "apple,t6000-dart"),
    detail::layout_8020(DartVariant::kUsb4, "apple,t8103-usb4-dart"),
    {.variant = DartVariant::kT8110,
     .compatible = "apple,t8110-dart",
     .registers = dart_reg::kRegisters,
     .pte_format = PteFormat::kDart2,
     .sids_max = dart_reg::kSidsMax,
     .ttbrs = 1,
     .four_levels = true,
     .full_bypass = true,
     .range_flush = true,
     .command = dart_reg::kTlbCmd,
     .command_busy = dart_reg::kTlbBusy,
     .error = dart_reg::kError,
     .error_address_low = dart_reg::kErrorAddressLow,
     .error_address_high = dart_reg::kErrorAddressHigh,
     .error_sid = dart_reg::kErrorSid,
     .tcr = dart_reg::kTcr,
     .tcr_translate = dart_reg::kTcrTranslate,
     .tcr_bypass = dart_reg::kTcrBypassDart,
     .ttbr = dart_reg::kTtbr,
     .ttbr_address = dart_reg::kTtbrAddress,
     .ttbr_valid = dart_reg::kTtbrValid,
     .ttbr_shift = dart_reg::kTtbrAddressShift,
     .enable = dart_reg::kEnableStreams,
     .error_bits = detail::kErrorBits8110},
};
constexpr const DartLayout& layout_of(DartVariant variant) { return kDartLayouts[static_cast<unsigned>(variant)]; }

}  // namespace dartboard::model
