// tests/model/dart_variant_test.cpp - what differs between the DARTs: registers, TTBRs, TLB command, errors, lock,
// bypass.
#include "model/dart_variant.h"

#include "tests/model/dart_rig.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model::test {
namespace {

constexpr Sid kSid{3};

struct VariantCase {
  const char* name;
  DartVariant variant;
};
void PrintTo(const VariantCase& c, std::ostream* out) { *out << c.name; }
constexpr VariantCase kVariants[] = {{"t8020", DartVariant::kT8020},
                                     {"t6000", DartVariant::kT6000},
                                     {"usb4", DartVariant::kUsb4},
                                     {"t8110", DartVariant::kT8110}};
constexpr VariantCase kOlder[] = {kVariants[0], kVariants[1], kVariants[2]};

class DartVariantTest : public testing::TestWithParam<VariantCase> {
 protected:
  void SetUp() override { start({}); }
  void start(DartConfig config) {
    config.variant = GetParam().variant;
    if (layout_of(config.variant).pte_format == PteFormat::kDart1) config.pa_width = 36;
    fabric.start(RootComplexConfig{.dart = config});
    memory_bytes = std::make_unique<Pages>(4 * kPage, std::byte{0x11});
    hpa = fabric.memory.wire(memory_bytes->data(), 4 * kPage, kPage);
    tables.emplace(fabric.memory, dart, 2, 1);
    registers.use_tables(kSid, *tables);
    registers.enable(kSid, true);
  }
  Outcome write(Iova at, Sid sid = kSid) {
    uint32_t word = 0xabab'abab;
    return dart.access(sid, Fabric::kRid, at, &word, 4, true);
  }
  Outcome read(Iova at, Sid sid = kSid) {
    uint32_t word = 0;
    return dart.access(sid, Fabric::kRid, at, &word, 4, false);
  }
  uint32_t bit(DartError why) { return dart.layout().bit_of(why); }

  static constexpr uint64_t kPage = 16 * kKiB;
  static constexpr Iova kIova{0x8000'0000};
  Fabric& fabric = Fabric::instance();
  Dart& dart = fabric.root.dart();
  DartProgrammer registers{dart};
  std::unique_ptr<Pages> memory_bytes;
  std::optional<TableSet> tables;
  Hpa hpa;
};
INSTANTIATE_TEST_SUITE_P(Variants, DartVariantTest, testing::ValuesIn(kVariants),
                         [](const auto& test) { return test.param.name; });
class DartOlderVariant : public DartVariantTest {};
INSTANTIATE_TEST_SUITE_P(Variants, DartOlderVariant, testing::ValuesIn(kOlder),
                         [](const auto& test) { return test.param.name; });

TEST_P(DartVariantTest, EveryFieldHasItsDeclaredAccess) {
  RegisterFile file(dart_reg::kFileBytes);
  file.declare(dart.layout().registers);
  expect_declared_access(file);
}

TEST_P(DartVariantTest, TranslatesReadsAndWrites) {
  tables->map(kIova, Pte{.address = hpa + kPage});
  EXPECT_EQ(write(kIova + 8), Outcome::kSuccess);
  EXPECT_EQ((*memory_bytes)[kPage + 8], std::byte{0xab});
  EXPECT_EQ(read(kIova + 8), Outcome::kSuccess);
}

TEST_P(DartVariantTest, EachErrorHasTheVariantsBits) {
  struct Case {
    DartError why;
    Pte pte;
    bool is_write;
  };
  const Case cases[] = {
      {DartError::kNoPmd, {}, true},
      {DartError::kWriteFault, {.address = hpa, .no_write = true}, true},
      {DartError::kReadFault, {.address = hpa, .no_read = true}, false},
      {DartError::kRegionProtect, {.address = hpa, .subpage_start = 8}, true},
      {DartError::kAxiDecode, {.address = Hpa(0x4000)}, true},
  };
  for (const Case& c : cases) {
    if (c.why != DartError::kNoPmd) tables->map(kIova, c.pte);
    EXPECT_EQ(c.is_write ? write(kIova) : read(kIova), Outcome::kUnsupportedRequest);
    uint32_t expected = 1u << 31 | bit(c.why) | kSid.value << (registers.is_t8110() ? 20 : 24);
    if (c.is_write) expected |= 1u << (registers.is_t8110() ? 28 : 10);
    EXPECT_EQ(registers.error(), expected);
    EXPECT_EQ(registers.error_address(), kIova.value);
    registers.clear_error();
    EXPECT_EQ(registers.error(), 0u);
    registers.flush_all();
  }
}

TEST_P(DartVariantTest, TheErrorTellsTheDirection) {
  for (const bool is_write : {false, true}) {
    EXPECT_EQ(is_write ? write(kIova) : read(kIova), Outcome::kUnsupportedRequest);
    EXPECT_EQ(registers.error() >> (registers.is_t8110() ? 28 : 10) & 1, uint32_t{is_write});
    registers.clear_error();
  }
}

TEST_P(DartVariantTest, TheSubpageWindowCanBeSwitchedOffInDart1EntriesAlone) {
  tables->map(kIova, Pte{.address = hpa, .subpage_start = 8, .no_subpage = true});
  const bool dart1 = dart.layout().pte_format == PteFormat::kDart1;
  EXPECT_EQ(write(kIova), dart1 ? Outcome::kSuccess : Outcome::kUnsupportedRequest);
  EXPECT_EQ(write(kIova + 32), Outcome::kSuccess);
}

TEST_P(DartVariantTest, BypassFollowsTranslateOff) {
  if (!dart.layout().full_bypass) return;
  start({.bypass_support = true});
  const uint32_t tcr = dart.layout().tcr_of(kSid);
  tables->map(kIova, Pte{.address = hpa});
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), hpa);
  registers.set(tcr, 0);
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), Hpa(0)) << "neither: refused, not passed";
  registers.clear_error();
  registers.set(tcr, mask_of(dart.layout().tcr_bypass));
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true).value, kIova.value) << "cached translations do not matter";
  registers.translate(kSid, false);
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), hpa);
  EXPECT_EQ(registers.error(), 0u);
}

TEST_P(DartVariantTest, AFaultMayBeACompleterAbort) {
  start({.completer_abort = true});
  EXPECT_EQ(write(kIova), Outcome::kCompleterAbort);
}

TEST_P(DartVariantTest, ReadProtectionIsEnforcedAsTheProfileSays) {
  for (const bool enforce : {true, false}) {
    start({.enforce_read_protect = enforce});
    tables->map(kIova, Pte{.address = hpa, .no_read = true});
    EXPECT_EQ(read(kIova), enforce ? Outcome::kUnsupportedRequest : Outcome::kSuccess);
  }
}

TEST_P(DartVariantTest, BypassExistsWhereTheVariantHasIt) {
  const bool exists = GetParam().variant != DartVariant::kUsb4;
  const DartConfig config{.variant = GetParam().variant, .pa_width = 36, .bypass_support = true};
  EXPECT_EQ(problem(config).empty(), exists);
  if (!exists) return;
  start({.bypass_support = true});
  registers.bypass(kSid);
  const Iova iova(registers.is_t8110() ? hpa.value + 16 : (hpa.value + 16) & UINT32_MAX);
  EXPECT_EQ(write(iova), Outcome::kSuccess);
  EXPECT_EQ((*memory_bytes)[16], std::byte{0xab});
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, iova, true), hpa + 16);
  EXPECT_EQ(write(Iova(0x10)), registers.is_t8110() ? Outcome::kUnsupportedRequest : Outcome::kSuccess)
      << "the older ones put TCR's bits above the bus address";
}

TEST_P(DartVariantTest, BypassIsNotWritableWithoutSupport) {
  registers.bypass(kSid);
  EXPECT_EQ(write(Iova(hpa.value)), Outcome::kUnsupportedRequest);
}

TEST_P(DartVariantTest, ALockKeepsWhatWasSetUp) {
  tables->map(kIova, Pte{.address = hpa});
  if (registers.is_t8110()) {
    registers.set(dart_reg::kProtect, dart_reg::kProtectTcrTtbr);
  } else {
    registers.set(dart8020_reg::kConfig, mask_of(dart8020_reg::kConfigLock));
  }
  const uint32_t ttbr = registers.get(dart.layout().ttbr_of(kSid));
  registers.set(dart.layout().ttbr_of(kSid), 0);
  registers.stop(kSid);
  EXPECT_EQ(registers.get(dart.layout().ttbr_of(kSid)), ttbr);
  EXPECT_EQ(write(kIova), Outcome::kSuccess);
  tables->unmap(kIova);
  registers.flush_all();
  EXPECT_EQ(write(kIova), Outcome::kUnsupportedRequest) << "a locked DART still invalidates";
  registers.clear_error();
  EXPECT_EQ(registers.error(), 0u) << "and still lets errors be acknowledged";
  dart.reset();
  registers.use_tables(kSid, *tables);
  EXPECT_EQ(registers.get(dart.layout().ttbr_of(kSid)), ttbr) << "power-on unlocks";
}

TEST_P(DartVariantTest, ARemappedStreamTranslatesAsTheOtherAndFaultsAsItself) {
  tables->map(kIova, Pte{.address = hpa});
  constexpr Sid kOther(9);
  registers.enable(kOther, true);
  registers.remap(kOther, kSid);
  EXPECT_EQ(dart.translate(kOther, Fabric::kRid, kIova, true), hpa);
  EXPECT_EQ(write(kIova + kPage, kOther), Outcome::kUnsupportedRequest);
  EXPECT_EQ(get_field(dart.layout().error_sid, registers.error()), kOther.value);
}

TEST_P(DartVariantTest, StreamsBeyondTheInstanceDoNotExist) {
  registers.use_tables(Sid(15), *tables);
  EXPECT_NE(registers.get(dart.layout().ttbr_of(Sid(15))), 0u);
  start({.sid_count = 8});
  registers.use_tables(Sid(15), *tables);
  registers.enable(Sid(15), true);
  EXPECT_EQ(registers.get(dart.layout().ttbr_of(Sid(15))), 0u);
  EXPECT_EQ(write(kIova, Sid(15)), Outcome::kUnsupportedRequest);
  EXPECT_EQ(write(kIova, Sid(200)), Outcome::kUnsupportedRequest);
}

TEST_P(DartVariantTest, TheDumpNamesTheVariant) {
  tables->map(kIova, Pte{.address = hpa});
  EXPECT_EQ(write(kIova), Outcome::kSuccess);
  const std::string dump = inspect_text(dart);
  EXPECT_NE(dump.find(std::string(dart.layout().compatible)), std::string::npos);
  EXPECT_NE(dump.find("16384 bytes, stream 3, rw"), std::string::npos) << "the grant: " << dump;
}

// t8020, t6000, usb4 --------------------------------------------------------------------------------------------------

TEST_P(DartOlderVariant, AnInvalidateTakesTheSelectedStreamsAlone) {
  constexpr Sid kOther(5);
  registers.use_tables(kOther, *tables);
  registers.enable(kOther, true);
  tables->map(kIova, Pte{.address = hpa});
  ASSERT_EQ(write(kIova), Outcome::kSuccess);
  ASSERT_EQ(write(kIova, kOther), Outcome::kSuccess);
  tables->unmap(kIova);
  registers.flush_mask(0);
  EXPECT_EQ(write(kIova), Outcome::kSuccess) << "nothing selected, nothing flushed";
  registers.flush_mask(1u << kOther.value);
  EXPECT_EQ(write(kIova, kOther), Outcome::kUnsupportedRequest);
  EXPECT_EQ(write(kIova), Outcome::kSuccess);
  registers.flush_mask(1u << kSid.value);
  EXPECT_EQ(write(kIova), Outcome::kUnsupportedRequest);
}

TEST_P(DartOlderVariant, WithoutInvalidateTheCommandDoesNothing) {
  tables->map(kIova, Pte{.address = hpa});
  ASSERT_EQ(write(kIova), Outcome::kSuccess);
  tables->unmap(kIova);
  registers.set(dart8020_reg::kStreamSelect, 0xffff'ffff);
  registers.set(dart8020_reg::kStreamCommand, 0x3);
  EXPECT_EQ(write(kIova), Outcome::kSuccess);
  EXPECT_EQ(dart.stats().flushes, 0u);
}

TEST_P(DartOlderVariant, FourTtbrsExtendTheAddress) {
  start({.va_width = 38});
  TableSet two(fabric.memory, dart, 2, 2);
  registers.use_tables(kSid, two);
  const Iova high(uint64_t{1} << 36 | kIova.value);
  two.map(kIova, Pte{.address = hpa});
  two.map(high, Pte{.address = hpa + kPage});
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), hpa);
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, high, true), hpa + kPage);
  EXPECT_EQ(write(Iova(uint64_t{2} << 36)), Outcome::kUnsupportedRequest);
  EXPECT_EQ(registers.error() & 0x00ff'ffff, bit(DartError::kNoTtbr) | mask_of(dart8020_reg::kErrorWrite));
  EXPECT_EQ(write(Iova(uint64_t{1} << 38)), Outcome::kUnsupportedRequest) << "past the last TTBR";
}

TEST_P(DartOlderVariant, LaterErrorsAddTheirCodes) {
  ASSERT_EQ(write(kIova), Outcome::kUnsupportedRequest);
  tables->map(kIova, Pte{.address = hpa, .no_read = true});
  ASSERT_EQ(read(kIova + 0x20), Outcome::kUnsupportedRequest);
  EXPECT_EQ(registers.error() & 0x00ff'ffff,
            bit(DartError::kNoPmd) | bit(DartError::kReadFault) | mask_of(dart8020_reg::kErrorWrite));
  EXPECT_EQ(registers.error_address(), kIova.value) << "the first one's, as is the direction";
}

TEST_P(DartOlderVariant, TcrKeepsErrorsQuiet) {
  const uint32_t tcr = dart.layout().tcr_of(kSid);
  registers.set(tcr, registers.get(tcr) | bit(DartError::kNoPmd));
  fabric.sink->faults.clear();
  EXPECT_EQ(write(kIova), Outcome::kUnsupportedRequest);
  EXPECT_EQ(registers.error(), 0u);
  EXPECT_TRUE(fabric.sink->faults.empty());
}

TEST_P(DartOlderVariant, TheLockBitStaysAndHoldsRemapAndEnables) {
  registers.set(dart8020_reg::kConfig, 0x8000);
  registers.set(dart8020_reg::kConfig, 0);
  EXPECT_EQ(registers.get(dart8020_reg::kConfig), 0x8000u);
  registers.remap(Sid(5), kSid);
  registers.enable(kSid, false);
  EXPECT_EQ(registers.get(dart8020_reg::kStreamRemap + 4), 0x0706'0504u);
  EXPECT_EQ(registers.get(dart.layout().enable), 1u << kSid.value);
  start({.lock_support = false});
  registers.set(dart8020_reg::kConfig, 0x8000);
  EXPECT_EQ(registers.get(dart8020_reg::kConfig), 0u);
}

TEST_P(DartOlderVariant, CountersTellHitsAndMisses) {
  tables->map(kIova, Pte{.address = hpa});
  for (int i = 0; i < 3; ++i) ASSERT_EQ(write(kIova), Outcome::kSuccess);
  EXPECT_EQ(registers.get(dart8020_reg::kTlbMisses), 1u);
  EXPECT_EQ(registers.get(dart8020_reg::kTlbHits), 2u);
}

TEST_P(DartOlderVariant, ParametersTellTheConfiguration) {
  EXPECT_EQ(get_field(dart8020_reg::kPageShift, registers.get(dart8020_reg::kParams1)), 14u);
  EXPECT_EQ(get_field(dart8020_reg::kLockSupport, registers.get(dart8020_reg::kParams2)), 1u);
}

TEST(DartUsb4, Has64Streams) {
  Fabric& fabric = Fabric::instance();
  fabric.start(RootComplexConfig{.dart = {.variant = DartVariant::kUsb4, .sid_count = 64, .pa_width = 36}});
  Dart& dart = fabric.root.dart();
  DartProgrammer registers(dart);
  TableSet tables(fabric.memory, dart, 2, 1);
  const Hpa page = fabric.memory.allocate(16 * kKiB, 16 * kKiB);
  tables.map(Iova(0x8000'0000), Pte{.address = page});
  for (const uint8_t sid : {0, 31, 32, 63}) {
    registers.use_tables(Sid(sid), tables);
    registers.enable(Sid(sid), true);
    EXPECT_EQ(dart.translate(Sid(sid), Fabric::kRid, Iova(0x8000'0000), true), page) << unsigned{sid};
  }
  registers.flush_sid(Sid(63));
  dart.translate(Sid(63), Fabric::kRid, Iova(0), true);
  EXPECT_EQ(get_field(dart.layout().error_sid, registers.error()), 63u);
}

TEST(DartVariantConfig, EachImpossibleConfigurationHasItsSentence) {
  const DartConfig bad[] = {
      {.variant = DartVariant::kT8020, .sid_count = 17, .pa_width = 36},
      {.variant = DartVariant::kUsb4, .sid_count = 65, .pa_width = 36},
      {.variant = DartVariant::kT8020, .pa_width = 42},
      {.variant = DartVariant::kT6000, .va_width = 39},
      {.variant = DartVariant::kT6000, .page_shift = 12, .va_width = 33},
      {.variant = DartVariant::kUsb4, .pa_width = 36, .bypass_support = true},
  };
  for (const DartConfig& config : bad) EXPECT_NE(problem(config), "") << &config - bad;
}

}  // namespace
}  // namespace dartboard::model::test
