// tests/model/dart_test.cpp - translation, TLB, faults and registers of the DART, rule by rule, and against a shadow.
#include "model/dart.h"

#include <map>
#include <set>

#include "tests/model/fabric.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model::test {
namespace {

using namespace dart_reg;

constexpr Sid kSid{3};
constexpr Iova kIova{0x8000'0000};

/// A granule to run the rules with.
struct Granule {
  const char* name;
  unsigned page_shift;
  unsigned va_width;
  Iova iova;  // a page inside the reach, with bits in every index
};
void PrintTo(const Granule& g, std::ostream* out) {
  *out << g.name;
}
constexpr Granule kGranules[] = {
    {"16K_two_tables", 14, 32, Iova(0x8123'4000)},
    {"16K_four_levels", 14, 42, Iova(0x2a'8123'4000)},
    {"4K_two_tables", 12, 30, Iova(0x2123'4000)},
    {"4K_four_levels", 12, 39, Iova(0x1'0600'2000)},
};

class DartRule : public testing::TestWithParam<Granule> {
 protected:
  void SetUp() override { start(DartConfig()); }
  void start(DartConfig config) {
    config.page_shift = GetParam().page_shift;
    config.va_width = GetParam().va_width;
    fabric.start(RootComplexConfig{.dart = config});
    four_levels = dart.geometry().needs_four_levels(config.va_width);
    page = dart.geometry().page_bytes();
    memory_bytes = std::make_unique<Pages>(8 * page, std::byte{0x11});
    hpa = fabric.memory.wire(memory_bytes->data(), 8 * page, page);
    tables = std::make_unique<TableWriter>(fabric.memory, dart.geometry(), four_levels ? 3 : 2);
    fabric.set_stream(kSid, tables->root(), four_levels);
    iova = GetParam().iova;
  }
  Outcome write(Iova at, uint64_t length, std::byte value = std::byte{0xab}, Sid sid = kSid) {
    std::vector<std::byte> data(length, value);
    return dart.access(sid, Fabric::kRid, at, data.data(), length, true);
  }
  Outcome read(Iova at, std::vector<std::byte>& data, Sid sid = kSid) {
    return dart.access(sid, Fabric::kRid, at, data.data(), data.size(), false);
  }
  uint32_t error() { return static_cast<uint32_t>(dart.read(kError, 4)); }
  uint32_t error_code() { return error() & (static_cast<uint32_t>(low_bits(19)) | kCodeRegionProtect); }

  Fabric& fabric = Fabric::instance();
  Dart& dart = fabric.root.dart();
  std::unique_ptr<Pages> memory_bytes;
  std::unique_ptr<TableWriter> tables;
  Hpa hpa;
  Iova iova;
  uint64_t page = 0;
  bool four_levels = false;
};
INSTANTIATE_TEST_SUITE_P(Granules, DartRule, testing::ValuesIn(kGranules),
                         [](const auto& test) { return test.param.name; });

TEST_P(DartRule, MappedPageIsTranslatedToItsFrame) {
  tables->map(iova, hpa + page);
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, iova + 0x123, true), hpa + page + 0x123);
  EXPECT_EQ(write(iova + 8, 4), Outcome::kSuccess);
  EXPECT_EQ((*memory_bytes)[page + 8], std::byte{0xab});
  EXPECT_EQ((*memory_bytes)[page + 7], std::byte{0x11});
  EXPECT_EQ((*memory_bytes)[page + 12], std::byte{0x11});
  std::vector<std::byte> data(4);
  EXPECT_EQ(read(iova + 8, data), Outcome::kSuccess);
  EXPECT_EQ(data[3], std::byte{0xab});
}

TEST_P(DartRule, FirstAccessWalksTheSecondHitsTheTlb) {
  tables->map(iova, hpa);
  EXPECT_EQ(write(iova, 4), Outcome::kSuccess);
  EXPECT_EQ(dart.stats().walks, 1u);
  EXPECT_EQ(dart.stats().tlb_misses, 1u);
  EXPECT_EQ(write(iova + 4, 4), Outcome::kSuccess);
  EXPECT_EQ(dart.stats().walks, 1u);
  EXPECT_EQ(dart.stats().tlb_hits, 1u);
}

TEST_P(DartRule, StaleEntryIsUsedUntilItIsInvalidated) {
  tables->map(iova, hpa);
  ASSERT_EQ(write(iova, 4), Outcome::kSuccess);
  tables->map(iova, hpa + page);
  EXPECT_EQ(write(iova, 4, std::byte{0xcd}), Outcome::kSuccess);
  EXPECT_EQ((*memory_bytes)[0], std::byte{0xcd}) << "the old page, on purpose";
  fabric.flush_all();
  EXPECT_EQ(write(iova, 4, std::byte{0xef}), Outcome::kSuccess);
  EXPECT_EQ((*memory_bytes)[0], std::byte{0xcd});
  EXPECT_EQ((*memory_bytes)[page], std::byte{0xef});
}

TEST_P(DartRule, StaleEntryWhoseFrameIsGoneIsABusErrorNotAWildPointer) {
  tables->map(iova, hpa);
  ASSERT_EQ(write(iova, 4), Outcome::kSuccess);
  fabric.memory.unwire(hpa, 8 * page);
  EXPECT_EQ(write(iova, 4), Outcome::kUnsupportedRequest);
  EXPECT_EQ(error_code(), kCodeAxiDecode);
}

TEST_P(DartRule, UnmappedAgainFaultsAfterEachKindOfInvalidate) {
  const std::function<void()> kinds[] = {
      [this] { fabric.flush_all(); },
      [this] { fabric.flush_sid(kSid); },
      [this] { fabric.flush_range(kSid, iova.value >> GetParam().page_shift, iova.value >> GetParam().page_shift); },
      [this] { fabric.flush_range(kSid, 0, UINT32_MAX); },
  };
  for (const auto& flush : kinds) {
    tables->map(iova, hpa);
    ASSERT_EQ(write(iova, 4), Outcome::kSuccess);
    tables->unmap(iova);
    flush();
    EXPECT_EQ(write(iova, 4), Outcome::kUnsupportedRequest);
    EXPECT_EQ(error_code(), kCodeNoPte);
    dart.write(kError, 0xffff'ffff, 4);
  }
}

TEST_P(DartRule, InvalidateOfAnotherSidOrRangeKeepsTheEntry) {
  tables->map(iova, hpa);
  ASSERT_EQ(write(iova, 4), Outcome::kSuccess);
  const uint64_t page_number = iova.value >> GetParam().page_shift;
  fabric.flush_sid(Sid(kSid.value + 1));
  fabric.flush_range(kSid, page_number + 1, page_number + 100);
  fabric.flush_range(kSid, page_number - 100, page_number - 1);
  fabric.flush_range(Sid(kSid.value + 1), page_number, page_number);
  dart.write(kTlbCmd, set_field(kTlbOp, kSid.value, 2), 4);  // TLB read
  ASSERT_EQ(write(iova, 4), Outcome::kSuccess);
  EXPECT_EQ(dart.stats().walks, 1u);
}

TEST_P(DartRule, EachInvalidEntryOnTheWayHasItsCode) {
  EXPECT_EQ(write(iova, 4), Outcome::kUnsupportedRequest);
  EXPECT_EQ(error_code(), four_levels ? kCodeNoPgd : kCodeNoPmd);
  dart.write(kError, 0xffff'ffff, 4);
  tables->map(iova + page, hpa);  // same leaf table
  EXPECT_EQ(write(iova, 4), Outcome::kUnsupportedRequest);
  EXPECT_EQ(error_code(), kCodeNoPte);
}

TEST_P(DartRule, TableWhereThereIsNoMemoryIsABusError) {
  fabric.set_stream(kSid, Hpa(0x4000), four_levels);
  EXPECT_EQ(write(iova, 4), Outcome::kUnsupportedRequest);
  EXPECT_EQ(error_code(), kCodeAxiDecode);
}

TEST_P(DartRule, StreamThatDoesNotTranslateIsRefused) {
  tables->map(iova, hpa);
  struct Case {
    const char* why;
    std::function<void()> make;
  };
  const Case cases[] = {
      {"another stream", [] {}},
      {"no TTBR", [this] { fabric.set_stream(kSid, Hpa(0), four_levels); }},
      {"TRANSLATE off", [this] { fabric.dart_write(kTcr + 4 * kSid.value, 0); }},
      {"disabled", [this] { fabric.dart_write(kDisableStreams, 1u << kSid.value); }},
      {"beyond NUM_SIDS", [] {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    fabric.set_stream(kSid, tables->root(), four_levels);
    c.make();
    const Sid sid = c.why == std::string("another stream")    ? Sid(5)
                    : c.why == std::string("beyond NUM_SIDS") ? Sid(200)
                                                              : kSid;
    std::vector<std::byte> data(4);
    EXPECT_EQ(read(iova, data, sid), Outcome::kUnsupportedRequest);
    EXPECT_EQ(data[0], std::byte{0xff});
    EXPECT_EQ(error_code(), kCodeNoTtbr);
    EXPECT_EQ(get_field(kErrorSid, error()), sid.value);
    dart.write(kError, 0xffff'ffff, 4);
  }
}

TEST_P(DartRule, AddressBeyondTheTablesIsRefused) {
  tables->map(iova, hpa);
  for (const uint64_t above : {uint64_t{1} << GetParam().va_width, uint64_t{1} << 47, uint64_t{1} << 63}) {
    EXPECT_EQ(write(iova + above, 4), Outcome::kUnsupportedRequest) << std::hex << above;
    EXPECT_EQ(error_code(), kCodeNoTtbr);
    dart.write(kError, 0xffff'ffff, 4);
  }
}

TEST_P(DartRule, WriteProtectionIsEnforcedAsTheProfileSays) {
  for (const bool enforce : {true, false}) {
    start(DartConfig{.enforce_write_protect = enforce});
    tables->map(iova, Pte{.address = hpa, .no_write = true});
    std::vector<std::byte> data(4);
    EXPECT_EQ(read(iova, data), Outcome::kSuccess);
    EXPECT_EQ(write(iova, 4), enforce ? Outcome::kUnsupportedRequest : Outcome::kSuccess);
    EXPECT_EQ(error_code(), enforce ? kCodeWriteFault : 0u);
    EXPECT_EQ((*memory_bytes)[0], enforce ? std::byte{0x11} : std::byte{0xab});
  }
}

TEST_P(DartRule, ReadProtectionIsEnforced) {
  tables->map(iova, Pte{.address = hpa, .no_read = true});
  std::vector<std::byte> data(4);
  EXPECT_EQ(write(iova, 4), Outcome::kSuccess);
  EXPECT_EQ(read(iova, data), Outcome::kUnsupportedRequest);
  EXPECT_EQ(error_code(), kCodeReadFault);
  EXPECT_EQ(data, std::vector<std::byte>(4, std::byte{0xff}));
}

TEST_P(DartRule, SubpageWindowLimitsThePage) {
  tables->map(iova, Pte{.address = hpa, .subpage_start = 16, .subpage_end = 31});  // bytes 64..127
  EXPECT_EQ(write(iova + 64, 64), Outcome::kSuccess);
  EXPECT_EQ(write(iova + 63, 2), Outcome::kUnsupportedRequest);
  EXPECT_EQ(error_code(), kCodeRegionProtect);
  EXPECT_EQ(write(iova + 127, 2), Outcome::kUnsupportedRequest);
  EXPECT_EQ((*memory_bytes)[63], std::byte{0x11});
  EXPECT_EQ((*memory_bytes)[128], std::byte{0x11});
}

TEST_P(DartRule, RequestOverManyPagesFollowsTheirScatter) {
  const uint64_t order[] = {3, 1, 2, 0};  // pages 1 and 2 lie side by side
  for (uint64_t i = 0; i < 4; ++i) tables->map(iova + i * page, hpa + order[i] * page);
  std::vector<std::byte> data(3 * page + 100);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 7 + i / page);
  EXPECT_EQ(dart.access(kSid, Fabric::kRid, iova + 50, data.data(), data.size(), true), Outcome::kSuccess);
  for (size_t i = 0; i < data.size(); ++i) {
    const uint64_t at = 50 + i;
    ASSERT_EQ((*memory_bytes)[order[at / page] * page + at % page], data[i]) << i;
  }
  std::vector<std::byte> back(data.size());
  EXPECT_EQ(read(iova + 50, back), Outcome::kSuccess);
  EXPECT_EQ(back, data);
}

TEST_P(DartRule, HoleInTheMiddleEndsTheRequestThere) {
  for (const uint64_t i : {0, 1, 3}) tables->map(iova + i * page, hpa + i * page);
  EXPECT_EQ(write(iova, 4 * page), Outcome::kUnsupportedRequest);
  EXPECT_EQ((*memory_bytes)[2 * page - 1], std::byte{0xab}) << "pages before the hole are transferred";
  EXPECT_EQ((*memory_bytes)[3 * page], std::byte{0x11}) << "nothing after it";
  const uint64_t address = dart.read(kErrorAddressLow, 4) | dart.read(kErrorAddressHigh, 4) << 32;
  EXPECT_EQ(address, (iova + 2 * page).value);
  EXPECT_EQ(dart.stats().bytes_written, 2 * page);
  std::vector<std::byte> data(4 * page, std::byte{0});
  EXPECT_EQ(read(iova, data), Outcome::kUnsupportedRequest);
  EXPECT_EQ(data[2 * page - 1], std::byte{0xab});
  EXPECT_EQ(data[2 * page], std::byte{0xff});
  EXPECT_EQ(data.back(), std::byte{0xff});
}

TEST_P(DartRule, PageOfScatteredFramesIsTranslatedFrameByFrame) {
  if (page == kFrameBytes) return;  // a page is one frame
  // Only the first frame of the DART's page is wired: what lies behind it is nobody's.
  Pages one(kFrameBytes, std::byte{0x22});
  const Hpa frame = fabric.memory.wire(one.data(), kFrameBytes, page);
  tables->map(iova, frame);
  EXPECT_EQ(write(iova + 4000, 200), Outcome::kUnsupportedRequest);
  EXPECT_EQ(one[kFrameBytes - 1], std::byte{0xab});
  EXPECT_EQ(error_code(), kCodeAxiDecode);
  EXPECT_EQ(dart.read(kErrorAddressLow, 4), (iova + kFrameBytes).value & 0xffff'ffff);
}

TEST_P(DartRule, MoreLivePagesThanTheTlbHoldsStillTranslate) {
  start(DartConfig{.tlb_sets = 2, .tlb_ways = 2});
  for (uint64_t i = 0; i < 8; ++i) tables->map(iova + i * page, hpa + i * page);
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < 8; ++i) {
      ASSERT_EQ(dart.translate(kSid, Fabric::kRid, iova + i * page, false), hpa + i * page);
    }
  }
  EXPECT_EQ(dart.stats().walks, 24u);
}

// Faults
// ----------------------------------------------------------------------------------------------------------------

class DartFaultTest : public FabricTest {
 protected:
  Dart& dart = fabric.root.dart();
  uint32_t fault(Sid sid, Iova iova, bool write) {
    uint32_t word = 0;
    EXPECT_EQ(dart.access(sid, Fabric::kRid, iova, &word, 4, write), Outcome::kUnsupportedRequest);
    return static_cast<uint32_t>(dart.read(kError, 4));
  }
};

TEST_F(DartFaultTest, FirstErrorStaysLaterOnesAreSecondary) {
  const uint32_t first = fault(Sid(7), Iova(0x1'2345'6789), true);
  EXPECT_EQ(first, 0x8000'0000u | 1u << 28 | 7u << 20 | kCodeNoTtbr);
  const uint32_t second = fault(Sid(2), Iova(0x1000), false);
  EXPECT_EQ(second, first | static_cast<uint32_t>(mask_of(kErrorSecondary)));
  EXPECT_EQ(dart.read(kErrorAddressLow, 4), 0x2345'6789u);
  EXPECT_EQ(dart.read(kErrorAddressHigh, 4), 1u);
  EXPECT_EQ(dart.read(kErrorStreams, 4), 1u << 7 | 1u << 2);
  EXPECT_EQ(dart.stats().faults, 2u);
}

TEST_F(DartFaultTest, ClearedErrorMakesRoomForTheNext) {
  fault(Sid(7), Iova(0x1000), true);
  dart.write(kError, 0xffff'ffff, 4);
  EXPECT_EQ(dart.read(kError, 4), 0u);
  dart.write(kErrorStreams, 1u << 7, 4);
  EXPECT_EQ(dart.read(kErrorStreams, 4), 0u);
  EXPECT_EQ(fault(Sid(2), Iova(0x2000), false), 0x8000'0000u | 2u << 20 | kCodeNoTtbr);
  EXPECT_EQ(dart.read(kErrorAddressLow, 4), 0x2000u);
}

TEST_F(DartFaultTest, FaultIsToldToObserverAndPlatform) {
  fault(Sid(7), Iova(0x1000), true);
  ASSERT_EQ(fabric.observer->faults.size(), 1u);
  ASSERT_EQ(fabric.sink->faults.size(), 1u);
  const DartFault& told = fabric.sink->faults[0];
  EXPECT_EQ(told.sid, Sid(7));
  EXPECT_EQ(told.requester, Fabric::kRid);
  EXPECT_EQ(told.address, Iova(0x1000));
  EXPECT_TRUE(told.is_write);
  EXPECT_EQ(told.code, 1u << 28 | 7u << 20 | kCodeNoTtbr);
}

TEST_F(DartFaultTest, MaskedErrorIsRefusedButNotLatchedOrReported) {
  dart.write(kErrorMask, kCodeNoTtbr, 4);
  EXPECT_EQ(fault(Sid(7), Iova(0x1000), true), 0u);
  EXPECT_TRUE(fabric.sink->faults.empty());
  EXPECT_EQ(dart.stats().faults, 1u);
}

// Registers
// -------------------------------------------------------------------------------------------------------------

TEST(DartRegisters, EveryFieldHasItsDeclaredAccess) {
  RegisterFile file(kFileBytes);
  file.declare(kRegisters);
  expect_declared_access(file);
}

TEST_F(DartFaultTest, EveryReadWriteFieldIsWritableThroughTheBus) {
  fabric.start(RootComplexConfig{.dart = {.sid_count = 256, .va_width = 42, .bypass_support = true}});
  for (const RegisterDecl& decl : kRegisters) {
    for (uint32_t element = 0; element < decl.count; ++element) {
      const uint32_t offset = decl.offset + element * decl.stride;
      for (const FieldDecl& field : decl.fields) {
        SCOPED_TRACE(label(decl, field, element));
        const auto mask = static_cast<uint32_t>(mask_of(field));
        const uint32_t before = fabric.dart_read(offset);
        if (field.access == Access::kRW) {
          fabric.dart_write(offset, mask);
          EXPECT_EQ(fabric.dart_read(offset) & mask, mask);
          fabric.dart_write(offset, 0);
          EXPECT_EQ(fabric.dart_read(offset) & mask, 0u);
        } else if (field.access == Access::kHwInit) {
          fabric.dart_write(offset, ~before);
          EXPECT_EQ(fabric.dart_read(offset), before);
        } else if (field.access == Access::kWO) {
          EXPECT_EQ(before & mask, 0u);
        }
      }
    }
  }
}

TEST_F(DartFaultTest, ParametersTellTheConfiguration) {
  fabric.start(RootComplexConfig{.dart = {.page_shift = 12,
                                          .sid_count = 200,
                                          .va_width = 39,
                                          .pa_width = 40,
                                          .tlb_sets = 128,
                                          .tlb_ways = 8,
                                          .bypass_support = true}});
  EXPECT_EQ(get_field(kLog2PageSize, fabric.dart_read(kParams0)), 12u);
  EXPECT_EQ(get_field(kTlbSetCount, fabric.dart_read(kParams0)), 128u);
  EXPECT_EQ(get_field(kLog2NumWays, fabric.dart_read(kParams4)), 3u);
  EXPECT_EQ(get_field(kFullBypassSupport, fabric.dart_read(kParams4)), 1u);
  EXPECT_EQ(get_field(kVaWidth, fabric.dart_read(kParams8)), 39u);
  EXPECT_EQ(get_field(kPaWidth, fabric.dart_read(kParams8)), 40u);
  EXPECT_EQ(get_field(kNumSids, fabric.dart_read(kParamsC)), 200u);
}

TEST_F(DartFaultTest, WhatTheInstanceLacksCannotBeSwitchedOn) {
  fabric.dart_write(kTcr, 0xffff'ffff);
  EXPECT_EQ(get_field(kTcrBypassDart, fabric.dart_read(kTcr)), 0u);
  EXPECT_EQ(get_field(kTcrFourLevels, fabric.dart_read(kTcr)), 0u) << "32 bits need two tables";
  fabric.dart_write(kTcr + 4 * 16, 0xffff'ffff);
  EXPECT_EQ(fabric.dart_read(kTcr + 4 * 16), 0u) << "16 streams: 0 to 15";
  fabric.dart_write(kEnableStreams, 0xffff'ffff);
  EXPECT_EQ(fabric.dart_read(kEnableStreams), 0xffffu);
}

TEST_F(DartFaultTest, EnableAndDisableSetAndClear) {
  fabric.dart_write(kEnableStreams, 0x0f);
  fabric.dart_write(kEnableStreams, 0xf0);
  fabric.dart_write(kDisableStreams, 0x3c);
  EXPECT_EQ(fabric.dart_read(kEnableStreams), 0xc3u);
  EXPECT_EQ(fabric.dart_read(kDisableStreams), 0u);
}

TEST_F(DartFaultTest, ProtectionHoldsTcrAndTtbrUntilUnprotectedUnlessLocked) {
  fabric.dart_write(kTtbr, 0x101);
  fabric.dart_write(kProtect, kProtectTcrTtbr);
  fabric.dart_write(kTtbr, 0);
  fabric.dart_write(kTcr, 1);
  EXPECT_EQ(fabric.dart_read(kTtbr), 0x101u);
  EXPECT_EQ(fabric.dart_read(kTcr), 0u);
  fabric.dart_write(kUnprotect, kProtectTcrTtbr);
  fabric.dart_write(kTcr, 1);
  EXPECT_EQ(fabric.dart_read(kTcr), 1u);
  fabric.dart_write(kProtectLock, kProtectTcrTtbr);
  fabric.dart_write(kProtect, kProtectTcrTtbr);
  fabric.dart_write(kUnprotect, kProtectTcrTtbr);
  fabric.dart_write(kTcr, 0);
  EXPECT_EQ(fabric.dart_read(kTcr), 1u);
}

TEST_F(DartFaultTest, BypassPassesAddressesThrough) {
  fabric.start(RootComplexConfig{.dart = {.bypass_support = true}});
  Pages pages(16 * kKiB);
  const Hpa hpa = fabric.memory.wire(pages.data(), 16 * kKiB, 16 * kKiB);
  fabric.dart_write(kEnableStreams, 1);
  fabric.dart_write(kTcr, static_cast<uint32_t>(mask_of(kTcrBypassDart)));
  uint32_t word = 0xdead'beef;
  EXPECT_EQ(dart.access(Sid(0), Fabric::kRid, Iova(hpa.value + 16), &word, 4, true), Outcome::kSuccess);
  EXPECT_EQ(std::memcmp(pages.data() + 16, &word, 4), 0);
  EXPECT_EQ(dart.access(Sid(0), Fabric::kRid, Iova(0x1000), &word, 4, true), Outcome::kUnsupportedRequest);
}

TEST_F(DartFaultTest, RemappedStreamTranslatesAsTheOtherAndFaultsAsItself) {
  Pages pages(16 * kKiB);
  const Hpa hpa = fabric.memory.wire(pages.data(), 16 * kKiB, 16 * kKiB);
  TableWriter tables(fabric.memory, dart.geometry(), 2);
  fabric.dart_write(kEnableStreams, 1u << 9);
  fabric.dart_write(kTcr + 4 * 9, static_cast<uint32_t>(mask_of(kTcrRemapEnable) | set_field(kTcrRemap, 0, 2)));
  fabric.set_stream(Sid(2), tables.root());
  tables.map(kIova, hpa);
  EXPECT_EQ(dart.translate(Sid(9), Fabric::kRid, kIova, true), hpa);
  EXPECT_EQ(get_field(kErrorSid, fault(Sid(9), kIova + 16 * kKiB, true)), 9u);
}

TEST_F(DartFaultTest, TheRangeRegistersHoldPageNumbersAtBitTwo) {
  Pages pages(16 * kKiB);
  const Hpa hpa = fabric.memory.wire(pages.data(), 16 * kKiB, 16 * kKiB);
  TableWriter tables(fabric.memory, dart.geometry(), 2);
  fabric.set_stream(kSid, tables.root());
  fabric.dart_write(kTlbStartPage, 0xffff'ffff);
  EXPECT_EQ(fabric.dart_read(kTlbStartPage), 0x3fff'fffcu);
  const uint64_t page = kIova.value >> 14;
  const struct {
    uint64_t first, last;
    bool flushed;
  } rows[] = {{page << 2, page << 2, true},
              {page, page, false},  // four times too low
              {(page << 2) - 4, (page << 2) - 4, false},
              {0, 0x3fff'fffc, true}};
  for (const auto& row : rows) {
    tables.map(kIova, hpa);
    fabric.flush_all();
    ASSERT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), hpa);
    tables.unmap(kIova);
    fabric.dart_write(kTlbStartPage, static_cast<uint32_t>(row.first));
    fabric.dart_write(kTlbEndPage, static_cast<uint32_t>(row.last));
    fabric.dart_write(kTlbCmd, 1u << 14 | kTlbOpFlushSid << 8 | kSid.value);
    EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), row.flushed ? Hpa(0) : hpa) << &row - rows;
  }
}

TEST_F(DartFaultTest, FlushTakesItsTimeAndBusySaysSo) {
  fabric.start(RootComplexConfig{.dart = {.tlb_flush_ns = 500}});
  Pages pages(16 * kKiB);
  const Hpa hpa = fabric.memory.wire(pages.data(), 16 * kKiB, 16 * kKiB);
  TableWriter tables(fabric.memory, dart.geometry(), 2);
  fabric.set_stream(Sid(2), tables.root());
  tables.map(kIova, hpa);
  EXPECT_EQ(dart.translate(Sid(2), Fabric::kRid, kIova, true), hpa);
  tables.unmap(kIova);
  fabric.flush_sid(Sid(2));
  EXPECT_EQ(get_field(kTlbBusy, fabric.dart_read(kTlbCmd)), 1u);
  EXPECT_EQ(dart.translate(Sid(2), Fabric::kRid, kIova, true), hpa) << "not polled, not gone";
  fabric.timeline.advance(500);
  EXPECT_EQ(dart.translate(Sid(2), Fabric::kRid, kIova, true), Hpa(0));
  EXPECT_EQ(get_field(kTlbBusy, fabric.dart_read(kTlbCmd)), 0u);
}

TEST(DartConfigTest, EachImpossibleConfigurationHasItsSentence) {
  EXPECT_EQ(problem(DartConfig()), "");
  const DartConfig bad[] = {
      {.page_shift = 13}, {.sid_count = 0}, {.sid_count = 257}, {.va_width = 48}, {.page_shift = 12, .va_width = 40},
      {.pa_width = 44},   {.tlb_sets = 3},  {.tlb_sets = 0},    {.tlb_ways = 3},  {.tlb_ways = 256},
  };
  for (const DartConfig& config : bad) EXPECT_NE(problem(config), "") << &config - bad;
}

TEST_F(DartFaultTest, ResetIsPowerOn) {
  fabric.start();
  const std::string fresh = inspect_text(dart);
  Pages pages(16 * kKiB);
  const Hpa hpa = fabric.memory.wire(pages.data(), 16 * kKiB, 16 * kKiB);
  TableWriter tables(fabric.memory, dart.geometry(), 2);
  fabric.set_stream(Sid(2), tables.root());
  tables.map(kIova, hpa);
  EXPECT_EQ(dart.translate(Sid(2), Fabric::kRid, kIova, true), hpa);
  fault(Sid(5), kIova, true);
  fabric.dart_write(kProtectLock, 0x1f);
  dart.reset();
  EXPECT_EQ(inspect_text(dart), fresh);
}

// Property: the DART against a shadow map that knows nothing of tables or TLBs (I-01, I-02, I-03, I-09).
// ---------------------

struct Draws {
  uint64_t state;
  uint64_t operator()(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  }
};

class DartShadow : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, DartShadow, testing::Range<uint64_t>(1, 9));

TEST_P(DartShadow, EveryByteGoesWhereTheShadowSays) {
  constexpr unsigned kPages = 48, kFrames = 24;
  Draws draw{GetParam() * 0x9e37'79b9'7f4a'7c15ull};
  Fabric& fabric = Fabric::instance();
  const bool small = draw(2) == 0;
  fabric.start(RootComplexConfig{.dart = {.page_shift = small ? 12u : 14u,
                                          .va_width = small ? 39u : 42u,
                                          .tlb_sets = 1u << draw(4),
                                          .tlb_ways = 1u << draw(3)}});
  Dart& dart = fabric.root.dart();
  const uint64_t page = dart.geometry().page_bytes();
  Pages bytes(kFrames * page);
  std::vector<std::byte> shadow_bytes(bytes.size());
  const Hpa hpa = fabric.memory.wire(bytes.data(), bytes.size(), page);

  struct Mapping {
    uint64_t frame;
    bool no_read, no_write;
    bool operator==(const Mapping&) const = default;
  };
  using Key = std::pair<uint8_t, uint64_t>;                      // stream, page
  std::map<Key, Mapping> mapped;                                 // what the tables say
  std::map<Key, std::set<std::pair<uint64_t, unsigned>>> stale;  // what a TLB may still say: frame, protection
  const Sid sids[] = {Sid(1), Sid(4)};
  std::vector<TableWriter> tables;
  for (const Sid sid : sids) {
    tables.emplace_back(fabric.memory, dart.geometry(), 3);
    fabric.set_stream(sid, tables.back().root(), true);
  }
  // Pages in three places, so that more than one table of each height is in use.
  const auto iova_of = [&](uint64_t index) {
    return Iova((index % 3) * (uint64_t{1} << (dart.geometry().reach_bits(2) - 1)) + (index / 3 + 5) * page);
  };

  uint64_t last_index = 0;  // half of the steps stay on their page, so that small TLBs hit too
  for (int step = 0; step < 6000; ++step) {
    const unsigned which = static_cast<unsigned>(draw(2));
    const Sid sid = sids[which];
    const uint64_t index = draw(2) == 0 ? last_index : draw(kPages);
    last_index = index;
    const Key key{sid.value, index};
    switch (draw(8)) {
      case 0:
      case 1: {  // map (unmapped pages only: a live entry is never overwritten)
        if (mapped.contains(key)) break;
        const Mapping mapping{draw(kFrames), draw(6) == 0, draw(6) == 0};
        tables[which].map(
            iova_of(index),
            Pte{.address = hpa + mapping.frame * page, .no_read = mapping.no_read, .no_write = mapping.no_write});
        mapped[key] = mapping;
        break;
      }
      case 2: {  // unmap, with or without the invalidate
        if (!mapped.contains(key)) break;
        tables[which].unmap(iova_of(index));
        const Mapping old_mapping = mapped[key];
        stale[key].insert({old_mapping.frame, (old_mapping.no_read ? 1u : 0u) | (old_mapping.no_write ? 2u : 0u)});
        mapped.erase(key);
        if (draw(4) == 0) break;
        switch (draw(3)) {
          case 0:
            fabric.flush_all();
            stale.clear();
            break;
          case 1:
            fabric.flush_sid(sid);
            std::erase_if(stale, [&](const auto& s) { return s.first.first == sid.value; });
            break;
          default: {
            const uint64_t number = iova_of(index).value >> dart.geometry().page_shift;
            fabric.flush_range(sid, number, number);
            stale.erase(key);
          }
        }
        break;
      }
      default: {  // one access inside a page
        const bool writing = draw(2) == 0;
        const uint64_t offset = draw(page), length = 1 + draw(std::min<uint64_t>(64, page - offset));
        std::vector<std::byte> data(length);
        for (std::byte& b : data) b = static_cast<std::byte>(draw(256));
        const std::vector<std::byte> sent = data;
        const uint64_t faults = dart.stats().faults;
        const Outcome outcome = dart.access(sid, Fabric::kRid, iova_of(index) + offset, data.data(), length, writing);
        // Every outcome that is allowed now: by the tables, or by an entry that was never invalidated.
        bool explained = false;
        const auto allows = [&](uint64_t frame, bool no_read, bool no_write) {
          if (explained || (writing ? no_write : no_read)) return;
          const uint64_t at = frame * page + offset;
          if (writing) {
            explained = std::memcmp(bytes.data() + at, sent.data(), length) == 0;
            if (explained) std::memcpy(shadow_bytes.data() + at, sent.data(), length);
          } else {
            explained = std::memcmp(shadow_bytes.data() + at, data.data(), length) == 0;
          }
        };
        if (outcome == Outcome::kSuccess) {
          if (mapped.contains(key)) allows(mapped[key].frame, mapped[key].no_read, mapped[key].no_write);
          for (const auto& [frame, protection] : stale[key])
            allows(frame, (protection & 1) != 0, (protection & 2) != 0);
          ASSERT_TRUE(explained) << "step " << step << ": an access no mapping allows";
          ASSERT_EQ(dart.stats().faults, faults);
        } else {
          bool must_succeed = false;
          if (mapped.contains(key) && stale[key].empty()) {
            must_succeed = !(writing ? mapped[key].no_write : mapped[key].no_read);
          }
          ASSERT_FALSE(must_succeed) << "step " << step << ": a live mapping was refused";
          ASSERT_EQ(dart.stats().faults, faults + 1);
          if (!writing) {
            ASSERT_EQ(data, std::vector<std::byte>(length, std::byte{0xff}));
          }
        }
        ASSERT_EQ(std::memcmp(bytes.data(), shadow_bytes.data(), bytes.size()), 0)
            << "step " << step << ": other bytes";
      }
    }
  }
  EXPECT_GT(dart.stats().tlb_hits, 100u);
  EXPECT_GT(dart.stats().faults, 100u);
}

}  // namespace
}  // namespace dartboard::model::test
