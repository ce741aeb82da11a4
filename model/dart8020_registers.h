// model/dart8020_registers.h - the register files of the older DARTs as data: t8020 (M1), t6000 (M1 Pro, Max, Ultra)
// and the usb4 variant on the M1's Thunderbolt ports.
//
// Offsets and fields: m1n1 proxyclient/m1n1/hw/dart8020.py and src/dart.c, Linux drivers/iommu/apple-dart.c,
// QEMUAppleSilicon hw/arm/apple-silicon/dart.c. t8020 and t6000 have the same registers and differ in the page-table
// entry; usb4 has 64 streams and, for room, its TTBRs at 0x400. What no source says is decided here and marked
// "modelled:".
#pragma once

#include <cstdint>

#include "model/registers.h"

namespace dartboard::model::dart8020_reg {

using A = Access;

inline constexpr unsigned kTtbrsPerStream = 4;   ///< which one: the IOVA bits above what two tables reach
inline constexpr unsigned kSids = 16;
inline constexpr unsigned kSidsUsb4 = 64;

// Parameters: what this instance is. The values are the profile's. ----------------------------------------------------
inline constexpr uint32_t kParams1 = 0x000;
inline constexpr FieldDecl kAccessRegionProtection{"ACCESS_REGION_PROTECTION", 31, 31, A::kHwInit};
inline constexpr FieldDecl kPageShift{"PAGE_SHIFT", 27, 24, A::kHwInit};
inline constexpr FieldDecl kParams1Fields[] = {kAccessRegionProtection, kPageShift};

inline constexpr uint32_t kParams2 = 0x004;
inline constexpr FieldDecl kLockSupport{"LOCK_SUPPORT", 1, 1, A::kHwInit, 1};
inline constexpr FieldDecl kBypassSupport{"BYPASS_SUPPORT", 0, 0, A::kHwInit};
inline constexpr FieldDecl kParams2Fields[] = {kLockSupport, kBypassSupport};

// TLB -----------------------------------------------------------------------------------------------------------------
/// Writing INVALIDATE flushes every entry of the streams in STREAM_SELECT. There is no flush of a range.
inline constexpr uint32_t kStreamCommand = 0x020;
inline constexpr FieldDecl kInvalidate{"INVALIDATE", 20, 20, A::kWO};
inline constexpr FieldDecl kCommandBusy{"BUSY", 2, 2, A::kRO};
inline constexpr FieldDecl kStreamCommandFields[] = {kInvalidate, kCommandBusy};

inline constexpr uint32_t kStreamSelect = 0x034;   ///< two words, one bit a stream
inline constexpr FieldDecl kStreamSelectFields[] = {{"STREAMS", 31, 0, A::kRW}};

// Errors --------------------------------------------------------------------------------------------------------------
/// Writing 1 clears. Modelled: while FLAG is set the codes of later errors are added; stream, address and direction
/// stay the first one's.
inline constexpr uint32_t kError = 0x040;
inline constexpr FieldDecl kErrorFlag{"FLAG", 31, 31, A::kRW1C};
/// Published as 27:24. Modelled: the usb4 variant's 64 streams need two bits more.
inline constexpr FieldDecl kErrorSid{"SID", 29, 24, A::kRW1C};
/// Not a reason but the direction, among the codes all the same.
inline constexpr FieldDecl kErrorWrite{"WRITE", 10, 10, A::kRW1C};
inline constexpr FieldDecl kErrorFields[] = {
    kErrorFlag,
    kErrorSid,
    {"CODE_23_12", 23, 12, A::kRW1C},
    {"APF_REJECT", 11, 11, A::kRW1C},
    kErrorWrite,
    {"CODE_9", 9, 9, A::kRW1C},
    {"CTRR_WRITE_PROTECT", 8, 8, A::kRW1C},
    {"REGION_PROTECT", 7, 7, A::kRW1C},
    {"AXI_ERROR", 6, 6, A::kRW1C},
    {"AXI_DECODE", 5, 5, A::kRW1C},
    {"READ_FAULT", 4, 4, A::kRW1C},
    {"WRITE_FAULT", 3, 3, A::kRW1C},
    {"NO_PTE", 2, 2, A::kRW1C},
    {"NO_PMD", 1, 1, A::kRW1C},
    {"NO_TTBR", 0, 0, A::kRW1C},
};
inline constexpr uint32_t kCodeNoTtbr = 1u << 0;
inline constexpr uint32_t kCodeNoPmd = 1u << 1;
inline constexpr uint32_t kCodeNoPte = 1u << 2;
inline constexpr uint32_t kCodeWriteFault = 1u << 3;
inline constexpr uint32_t kCodeReadFault = 1u << 4;
inline constexpr uint32_t kCodeAxiDecode = 1u << 5;
inline constexpr uint32_t kCodeAxiError = 1u << 6;
inline constexpr uint32_t kCodeRegionProtect = 1u << 7;

inline constexpr uint32_t kErrorAddressLow = 0x050;
inline constexpr uint32_t kErrorAddressHigh = 0x054;
inline constexpr FieldDecl kErrorAddressFields[] = {{"ADDRESS", 31, 0, A::kRO}};

// Lock: set once, until power-on. Modelled: it holds TCR, TTBR, STREAM_REMAP and ENABLED_STREAMS; writes there are
// ignored. Invalidating and acknowledging errors still work (m1n1 goes on with the TTBRs that it finds). --------------
inline constexpr uint32_t kConfig = 0x060;
inline constexpr FieldDecl kConfigLock{"LOCK", 15, 15, A::kRW};
inline constexpr FieldDecl kConfigFields[] = {kConfigLock};

// Streams -------------------------------------------------------------------------------------------------------------
/// Byte n: the stream whose TCR and TTBRs stream n uses. Identity after reset.
inline constexpr uint32_t kStreamRemap = 0x080;
inline constexpr FieldDecl kStreamRemapFields[] = {
    {"STREAM_3", 31, 24, A::kRW},
    {"STREAM_2", 23, 16, A::kRW},
    {"STREAM_1", 15, 8, A::kRW},
    {"STREAM_0", 7, 0, A::kRW},
};

inline constexpr uint32_t kDapfLock = 0x0f0;   ///< the address filter in front is not modelled: a register only
inline constexpr FieldDecl kDapfLockFields[] = {{"LOCK", 0, 0, A::kRW}};

inline constexpr uint32_t kEnabledStreams = 0x0fc;
inline constexpr uint32_t kEnabledStreamsUsb4 = 0x0f8;   ///< two words
inline constexpr FieldDecl kEnabledStreamsFields[] = {{"STREAMS", 31, 0, A::kRW}};

inline constexpr uint32_t kTcr = 0x100;   ///< + 4 * sid
/// In bypass the bus address is 32 bits wide; these are bits 35:32 of where it goes.
inline constexpr FieldDecl kTcrBypassAddress{"BYPASS_ADDR_39_32", 19, 16, A::kRW};
inline constexpr FieldDecl kTcrBypassDapf{"BYPASS_DAPF", 12, 12, A::kRW};
inline constexpr FieldDecl kTcrBypassDart{"BYPASS_DART", 8, 8, A::kRW};   ///< writable with BYPASS_SUPPORT
inline constexpr FieldDecl kTcrTranslate{"TRANSLATE", 7, 7, A::kRW};
/// Modelled: bit i keeps errors with code bit i from being latched and reported; 9 and 10 are bits only.
inline constexpr FieldDecl kTcrQuietHigh{"EXC_DISABLE_10_9", 10, 9, A::kRW};
inline constexpr FieldDecl kTcrQuietAxi{"EXC_DISABLE_6", 6, 6, A::kRW};
inline constexpr FieldDecl kTcrQuiet{"EXC_DISABLE_4_0", 4, 0, A::kRW};
inline constexpr uint32_t kTcrQuietBits = 0x5f;
inline constexpr FieldDecl kTcrFields[] = {kTcrBypassAddress, kTcrBypassDapf, kTcrQuietHigh, kTcrBypassDart,
                                           kTcrTranslate,     kTcrQuietAxi,   kTcrQuiet};

inline constexpr uint32_t kTlbConfig = 0x180;   ///< + 4 * sid; modelled: absent on usb4, whose TCRs lie there
inline constexpr FieldDecl kTlbConfigFields[] = {{"TLB_CONFIG", 31, 0, A::kRW}};

inline constexpr uint32_t kTtbr = 0x200;   ///< + 16 * sid + 4 * i
inline constexpr uint32_t kTtbrUsb4 = 0x400;
inline constexpr FieldDecl kTtbrValid{"VALID", 31, 31, A::kRW};
inline constexpr FieldDecl kTtbrAddress{"ADDR", 30, 0, A::kRW};   ///< table's address >> 12
inline constexpr FieldDecl kTtbrFields[] = {kTtbrValid, kTtbrAddress};
inline constexpr unsigned kTtbrAddressShift = 12;

// Counters ------------------------------------------------------------------------------------------------------------
inline constexpr uint32_t kTlbMisses = 0x1020;
inline constexpr uint32_t kTlbHits = 0x1028;
inline constexpr FieldDecl kCounterFields[] = {{"COUNT", 31, 0, A::kRO}};

inline constexpr std::string_view kSource = "m1n1 hw/dart8020.py";

inline constexpr RegisterDecl kRegisters[] = {
    {"PARAMS1", kParams1, 4, kParams1Fields, kSource},
    {"PARAMS2", kParams2, 4, kParams2Fields, kSource},
    {"STREAM_COMMAND", kStreamCommand, 4, kStreamCommandFields, kSource},
    {"STREAM_SELECT", kStreamSelect, 4, kStreamSelectFields, kSource, 2, 4},
    {"ERROR", kError, 4, kErrorFields, kSource},
    {"ERROR_ADDR_LO", kErrorAddressLow, 4, kErrorAddressFields, kSource},
    {"ERROR_ADDR_HI", kErrorAddressHigh, 4, kErrorAddressFields, kSource},
    {"CONFIG", kConfig, 4, kConfigFields, kSource},
    {"STREAM_REMAP", kStreamRemap, 4, kStreamRemapFields, kSource, kSids / 4, 4},
    {"DAPF_LOCK", kDapfLock, 4, kDapfLockFields, kSource},
    {"ENABLED_STREAMS", kEnabledStreams, 4, kEnabledStreamsFields, kSource},
    {"TCR", kTcr, 4, kTcrFields, kSource, kSids, 4},
    {"TLB_CONFIG", kTlbConfig, 4, kTlbConfigFields, kSource, kSids, 4},
    {"TTBR", kTtbr, 4, kTtbrFields, kSource, kSids * kTtbrsPerStream, 4},
    {"TLB_MISSES", kTlbMisses, 4, kCounterFields, kSource},
    {"TLB_HITS", kTlbHits, 4, kCounterFields, kSource},
};
static_assert(well_formed(kRegisters));

inline constexpr RegisterDecl kUsb4Registers[] = {
    {"PARAMS1", kParams1, 4, kParams1Fields, kSource},
    {"PARAMS2", kParams2, 4, kParams2Fields, kSource},
    {"STREAM_COMMAND", kStreamCommand, 4, kStreamCommandFields, kSource},
    {"STREAM_SELECT", kStreamSelect, 4, kStreamSelectFields, kSource, 2, 4},
    {"ERROR", kError, 4, kErrorFields, kSource},
    {"ERROR_ADDR_LO", kErrorAddressLow, 4, kErrorAddressFields, kSource},
    {"ERROR_ADDR_HI", kErrorAddressHigh, 4, kErrorAddressFields, kSource},
    {"CONFIG", kConfig, 4, kConfigFields, kSource},
    {"STREAM_REMAP", kStreamRemap, 4, kStreamRemapFields, kSource, kSidsUsb4 / 4, 4},
    {"DAPF_LOCK", kDapfLock, 4, kDapfLockFields, kSource},
    {"ENABLED_STREAMS", kEnabledStreamsUsb4, 4, kEnabledStreamsFields, kSource, 2, 4},
    {"TCR", kTcr, 4, kTcrFields, kSource, kSidsUsb4, 4},
    {"TTBR", kTtbrUsb4, 4, kTtbrFields, kSource, kSidsUsb4 * kTtbrsPerStream, 4},
    {"TLB_MISSES", kTlbMisses, 4, kCounterFields, kSource},
    {"TLB_HITS", kTlbHits, 4, kCounterFields, kSource},
};
static_assert(well_formed(kUsb4Registers));

}  // namespace dartboard::model::dart8020_reg
