// model/dart_registers.h - the t8110 DART's register file as data.
//
// Offsets and fields: m1n1 proxyclient/m1n1/hw/dart8110.py and src/dart.c, Linux drivers/iommu/apple-dart.c. The same
// declarations serve the hardware (model/dart), whoever programs it (the mapper), the dumps and the tests.
// The older variants are in dart8020_registers.h; dart_variant.h says where they differ.
// What no source says is decided here and marked "modelled:".
#pragma once

#include <cstdint>

#include "model/registers.h"

namespace dartboard::model::dart_reg {

inline constexpr uint32_t kFileBytes = 0x1800;
inline constexpr unsigned kSidsMax = 256;
inline constexpr unsigned kStreamWords = kSidsMax / 32;   ///< registers of a bitmap with one bit a stream

using A = Access;

// Parameters: what this instance is. The values are the profile's. ----------------------------------------------------
inline constexpr uint32_t kParams0 = 0x000;
inline constexpr FieldDecl kLog2PageSize{"LOG2_PGSZ", 27, 24, A::kHwInit};
inline constexpr FieldDecl kLog2TeCount{"LOG2_TE_COUNT", 22, 20, A::kHwInit};
inline constexpr FieldDecl kTlbSetCount{"TLB_SET_COUNT", 11, 0, A::kHwInit};
inline constexpr FieldDecl kParams0Fields[] = {kLog2PageSize, kLog2TeCount, kTlbSetCount};

inline constexpr uint32_t kParams4 = 0x004;
inline constexpr FieldDecl kLog2NumWays{"LOG2_NUM_WAYS", 30, 28, A::kHwInit};
inline constexpr FieldDecl kNumApfs{"NUM_APFS", 15, 8, A::kHwInit};
inline constexpr FieldDecl kSttPrefetch{"SUPPORT_STT_PREFETCH", 6, 6, A::kHwInit};
inline constexpr FieldDecl kTlbPrefetch{"SUPPORT_TLB_PREFETCH", 5, 5, A::kHwInit};
inline constexpr FieldDecl kCtcPrefetch{"SUPPORT_CTC_PREFETCH", 4, 4, A::kHwInit};
inline constexpr FieldDecl kHwFlushSupport{"SUPPORT_HW_FLUSH", 3, 3, A::kHwInit};
inline constexpr FieldDecl kTzSupport{"SUPPORT_TZ_TAGGER", 2, 2, A::kHwInit};
inline constexpr FieldDecl kRegLockSupport{"SUPPORT_REG_LOCK", 1, 1, A::kHwInit, 1};
inline constexpr FieldDecl kFullBypassSupport{"SUPPORT_FULL_BYPASS", 0, 0, A::kHwInit};
inline constexpr FieldDecl kParams4Fields[] = {kLog2NumWays, kNumApfs,        kSttPrefetch,
                                               kTlbPrefetch, kCtcPrefetch,    kHwFlushSupport,
                                               kTzSupport,   kRegLockSupport, kFullBypassSupport};

inline constexpr uint32_t kParams8 = 0x008;
inline constexpr FieldDecl kPaWidth{"PA_WIDTH", 29, 24, A::kHwInit};
inline constexpr FieldDecl kVaWidth{"VA_WIDTH", 21, 16, A::kHwInit};
inline constexpr FieldDecl kVersion{"VERS", 15, 0, A::kHwInit, 0x0200};   // hwrev 2: four levels, range flush
inline constexpr FieldDecl kParams8Fields[] = {kPaWidth, kVaWidth, kVersion};

inline constexpr uint32_t kParamsC = 0x00c;
inline constexpr FieldDecl kNumClients{"NUM_CLIENTS", 24, 16, A::kHwInit, 1};
inline constexpr FieldDecl kNumSids{"NUM_SIDS", 8, 0, A::kHwInit};
inline constexpr FieldDecl kParamsCFields[] = {kNumClients, kNumSids};

// TLB command ---------------------------------------------------------------------------------------------------------
inline constexpr uint32_t kTlbCmd = 0x080;
inline constexpr FieldDecl kTlbBusy{"BUSY", 31, 31, A::kRO};
inline constexpr FieldDecl kTlbHwFlush{"HW_FLUSH", 30, 30, A::kRW};
inline constexpr FieldDecl kTlbFlushRange{"FLUSH_VA_RANGE", 14, 14, A::kRW};   ///< only pages START..END
/// Whether the caches of upper tables go too. Modelled: bits only, because upper tables are not cached.
inline constexpr FieldDecl kTlbEnableSttFlush{"ENABLE_STT_FLUSH", 13, 13, A::kRW};
inline constexpr FieldDecl kTlbDisableStcFlush{"DISABLE_STC_FLUSH", 12, 12, A::kRW};
inline constexpr FieldDecl kTlbOp{"OP", 10, 8, A::kRW};
inline constexpr FieldDecl kTlbStream{"STREAM", 7, 0, A::kRW};
inline constexpr FieldDecl kTlbCmdFields[] = {
    kTlbBusy, kTlbHwFlush, kTlbFlushRange, kTlbEnableSttFlush, kTlbDisableStcFlush, kTlbOp, kTlbStream};
/// Values of OP. Modelled: 2 (read), 3 (write) and 4 (flush unlock) do nothing and are idle at once.
inline constexpr uint32_t kTlbOpFlushAll = 0;
inline constexpr uint32_t kTlbOpFlushSid = 1;

/// First and last page (inclusive) of a range flush. The page number, iova >> LOG2_PGSZ, lies at bit 2, like a table's
/// address in TTBR (drivers that flush ranges write it so; m1n1 names the registers and leaves the fields open).
inline constexpr uint32_t kTlbStartPage = 0x098;
inline constexpr uint32_t kTlbEndPage = 0x0a0;
inline constexpr FieldDecl kTlbPage{"DVA_PAGE", 29, 2, A::kRW};
inline constexpr FieldDecl kTlbPageFields[] = {kTlbPage};

// Errors --------------------------------------------------------------------------------------------------------------
inline constexpr uint32_t kError = 0x100;
inline constexpr FieldDecl kErrorFlag{"FLAG", 31, 31, A::kRW1C};
inline constexpr FieldDecl kErrorSmmu{"SMMU", 30, 30, A::kRW1C};
inline constexpr FieldDecl kErrorRegionProtect{"REGION_PROTECT", 29, 29, A::kRW1C};
inline constexpr FieldDecl kErrorWrite{"WRITE_nREAD", 28, 28, A::kRW1C};
inline constexpr FieldDecl kErrorSid{"SID", 27, 20, A::kRW1C};
inline constexpr FieldDecl kErrorSecondary{"SECONDARY", 19, 19, A::kRW1C};   ///< more errors after the one held
inline constexpr FieldDecl kErrorFillRegion{"FILL_REGION", 18, 18, A::kRW1C};
inline constexpr FieldDecl kErrorCode{"CODE", 14, 0, A::kRW1C};
inline constexpr FieldDecl kErrorFields[] = {
    kErrorFlag, kErrorSmmu, kErrorRegionProtect, kErrorWrite, kErrorSid, kErrorSecondary, kErrorFillRegion,
    {"BPF_REJECT", 14, 14, A::kRW1C},
    {"EXTERNAL", 13, 13, A::kRW1C},
    {"STT_FLUSH", 12, 12, A::kRW1C},
    {"STT_MISMATCH", 11, 11, A::kRW1C},
    {"APF_REJECT", 10, 10, A::kRW1C},
    {"DROP_PROTECT", 9, 9, A::kRW1C},
    {"CTRR_WRITE_PROTECT", 8, 8, A::kRW1C},
    {"AXI_ERROR", 7, 7, A::kRW1C},
    {"AXI_DECODE", 6, 6, A::kRW1C},
    {"READ_FAULT", 5, 5, A::kRW1C},
    {"WRITE_FAULT", 4, 4, A::kRW1C},
    {"NO_PTE", 3, 3, A::kRW1C},
    {"NO_PMD", 2, 2, A::kRW1C},
    {"NO_PGD", 1, 1, A::kRW1C},
    {"NO_TTBR", 0, 0, A::kRW1C},
};
inline constexpr uint32_t kCodeNoTtbr = 1u << 0;       ///< also: stream disabled or not translating, IOVA out of reach
inline constexpr uint32_t kCodeNoPgd = 1u << 1;
inline constexpr uint32_t kCodeNoPmd = 1u << 2;
inline constexpr uint32_t kCodeNoPte = 1u << 3;
inline constexpr uint32_t kCodeWriteFault = 1u << 4;
inline constexpr uint32_t kCodeReadFault = 1u << 5;
inline constexpr uint32_t kCodeAxiDecode = 1u << 6;    ///< the table or the page is where there is no memory
inline constexpr uint32_t kCodeAxiError = 1u << 7;     ///< the memory answered with an error
inline constexpr uint32_t kCodeRegionProtect = 1u << 29;   ///< modelled: outside the entry's sub-page window

/// ERROR_DISABLE: a fault with a code bit set here is refused and counted but neither latched nor reported.
inline constexpr uint32_t kErrorMask = 0x104;
inline constexpr FieldDecl kErrorMaskFields[] = {{"REGION_PROTECT", 29, 29, A::kRW}, {"CODE", 18, 0, A::kRW}};

inline constexpr uint32_t kErrorAddressLow = 0x170;
inline constexpr uint32_t kErrorAddressHigh = 0x174;
inline constexpr FieldDecl kErrorAddressFields[] = {{"ADDRESS", 31, 0, A::kRO}};

inline constexpr uint32_t kErrorStreams = 0x1c0;       ///< streams that faulted, one bit each
inline constexpr FieldDecl kErrorStreamsFields[] = {{"STREAMS", 31, 0, A::kRW1C}};

// Protection: bits set by writing PROTECT, cleared by writing UNPROTECT unless PROTECT_LOCK has them. -----------------
inline constexpr uint32_t kProtect = 0x200;
inline constexpr uint32_t kUnprotect = 0x204;
inline constexpr uint32_t kProtectLock = 0x208;
inline constexpr uint32_t kProtectTcrTtbr = 1u << 0;
inline constexpr uint32_t kProtectBits = 0x1f;
inline constexpr FieldDecl kProtectFields[] = {
    {"TZ_SELECT", 4, 4, A::kRO}, {"TZ_CONFIG", 3, 3, A::kRO}, {"BIT2", 2, 2, A::kRO},
    {"REG_4XX", 1, 1, A::kRO},   {"TCR_TTBR", 0, 0, A::kRO},
};
inline constexpr FieldDecl kUnprotectFields[] = {{"BITS", 4, 0, A::kWO}};

// Streams -------------------------------------------------------------------------------------------------------------
inline constexpr uint32_t kEnableStreams = 0xc00;      ///< writing 1 enables, reading tells
inline constexpr uint32_t kDisableStreams = 0xc20;     ///< writing 1 disables
inline constexpr FieldDecl kEnableStreamsFields[] = {{"STREAMS", 31, 0, A::kRO}};
inline constexpr FieldDecl kDisableStreamsFields[] = {{"STREAMS", 31, 0, A::kWO}};

inline constexpr uint32_t kTcr = 0x1000;               ///< + 4 * sid
inline constexpr FieldDecl kTcrRemap{"REMAP", 11, 8, A::kRW};   ///< with REMAP_EN: translate as this stream
inline constexpr FieldDecl kTcrRemapEnable{"REMAP_EN", 7, 7, A::kRW};
inline constexpr FieldDecl kTcrFourLevels{"FOUR_LEVELS", 3, 3, A::kRW};
inline constexpr FieldDecl kTcrBypassDapf{"BYPASS_DAPF", 2, 2, A::kRW};
inline constexpr FieldDecl kTcrBypassDart{"BYPASS_DART", 1, 1, A::kRW};   ///< writable with SUPPORT_FULL_BYPASS
inline constexpr FieldDecl kTcrTranslate{"TRANSLATE", 0, 0, A::kRW};
inline constexpr FieldDecl kTcrFields[] = {kTcrRemap,      kTcrRemapEnable, kTcrFourLevels,
                                           kTcrBypassDapf, kTcrBypassDart,  kTcrTranslate};

inline constexpr uint32_t kTtbr = 0x1400;              ///< + 4 * sid
inline constexpr FieldDecl kTtbrAddress{"ADDR", 29, 2, A::kRW};   ///< root table's address >> 14
inline constexpr FieldDecl kTtbrValid{"VALID", 0, 0, A::kRW};
inline constexpr FieldDecl kTtbrFields[] = {kTtbrAddress, kTtbrValid};
inline constexpr unsigned kTtbrAddressShift = 14;

inline constexpr std::string_view kSource = "m1n1 hw/dart8110.py";
inline constexpr RegisterDecl kRegisters[] = {
    {"PARAMS_0", kParams0, 4, kParams0Fields, kSource},
    {"PARAMS_4", kParams4, 4, kParams4Fields, kSource},
    {"PARAMS_8", kParams8, 4, kParams8Fields, kSource},
    {"PARAMS_C", kParamsC, 4, kParamsCFields, kSource},
    {"TLB_CMD", kTlbCmd, 4, kTlbCmdFields, kSource},
    {"TLB_START_DVA_PAGE", kTlbStartPage, 4, kTlbPageFields, kSource},
    {"TLB_END_DVA_PAGE", kTlbEndPage, 4, kTlbPageFields, kSource},
    {"ERROR", kError, 4, kErrorFields, kSource},
    {"ERROR_MASK", kErrorMask, 4, kErrorMaskFields, kSource},
    {"ERROR_ADDR_LO", kErrorAddressLow, 4, kErrorAddressFields, kSource},
    {"ERROR_ADDR_HI", kErrorAddressHigh, 4, kErrorAddressFields, kSource},
    {"ERROR_STREAMS", kErrorStreams, 4, kErrorStreamsFields, kSource, kStreamWords, 4},
    {"PROTECT", kProtect, 4, kProtectFields, kSource},
    {"UNPROTECT", kUnprotect, 4, kUnprotectFields, kSource},
    {"PROTECT_LOCK", kProtectLock, 4, kProtectFields, kSource},
    {"ENABLE_STREAMS", kEnableStreams, 4, kEnableStreamsFields, kSource, kStreamWords, 4},
    {"DISABLE_STREAMS", kDisableStreams, 4, kDisableStreamsFields, kSource, kStreamWords, 4},
    {"TCR", kTcr, 4, kTcrFields, kSource, kSidsMax, 4},
    {"TTBR", kTtbr, 4, kTtbrFields, kSource, kSidsMax, 4},
};
static_assert(well_formed(kRegisters));

/// TTBR value for a root table (aligned to 16 KiB) and back.
constexpr uint32_t encode_ttbr(uint64_t root_table) {
  return static_cast<uint32_t>(set_field(kTtbrAddress, mask_of(kTtbrValid), root_table >> kTtbrAddressShift));
}
constexpr uint64_t decode_ttbr(uint32_t ttbr) { return get_field(kTtbrAddress, ttbr) << kTtbrAddressShift; }

}  // namespace dartboard::model::dart_reg
