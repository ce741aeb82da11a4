// tests/model/dart_injection_test.cpp - the DART's own fault sites (class D): what each does, and that it does it once.
#include "tests/model/dart_rig.h"
#include "tests/model/one_fault.h"

namespace dartboard::model::test {
namespace {

constexpr Sid kSid{3};
constexpr Iova kIova{0x8000'0000};
constexpr uint64_t kPage = 16 * kKiB;

class DartInjectionTest : public testing::TestWithParam<DartVariant> {
 protected:
  void SetUp() override {
    fabric.start(RootComplexConfig{.dart = {.variant = GetParam(), .pa_width = 36}});
    bytes = std::make_unique<Pages>(2 * kPage, std::byte{0x11});
    hpa = fabric.memory.wire(bytes->data(), 2 * kPage, kPage);
    tables.emplace(fabric.memory, dart, 2, 1);
    registers.use_tables(kSid, *tables);
    registers.enable(kSid, true);
    tables->map(kIova, Pte{.address = hpa});
  }
  Outcome move(bool is_write = true) {
    word = 0xabab'abab;
    return dart.access(kSid, Fabric::kRid, kIova, &word, 4, is_write);
  }
  /// The kind strikes the next request, which ends with `outcome` and `why`, and the one after that is well again.
  void expect_one(FaultKind kind, Outcome outcome, DartError why) {
    OneFault fault(kind);
    const Outcome first = move();
    EXPECT_EQ(first, outcome);
    EXPECT_EQ(fault.hits, 1u);
    if (why != DartError::kNone) EXPECT_NE(registers.error() & dart.layout().bit_of(why), 0u);
    EXPECT_EQ(move(), Outcome::kSuccess);
  }

  Fabric& fabric = Fabric::instance();
  Dart& dart = fabric.root.dart();
  DartProgrammer registers{dart};
  std::unique_ptr<Pages> bytes;
  std::optional<TableSet> tables;
  Hpa hpa;
  uint32_t word = 0;
};
INSTANTIATE_TEST_SUITE_P(Families, DartInjectionTest, testing::Values(DartVariant::kUsb4, DartVariant::kT8110),
                         [](const auto& test) { return test.param == DartVariant::kUsb4 ? "usb4" : "t8110"; });

TEST_P(DartInjectionTest, TranslationFault) {
  ASSERT_EQ(move(), Outcome::kSuccess);  // a grant is no protection
  expect_one(FaultKind::kDartTranslationFault, Outcome::kUnsupportedRequest, DartError::kNoPte);
}

TEST_P(DartInjectionTest, PermissionFault) {
  expect_one(FaultKind::kDartPermissionFault, Outcome::kUnsupportedRequest, DartError::kWriteFault);
}

TEST_P(DartInjectionTest, WrongStreamIsRefusedAsThatStream) {
  expect_one(FaultKind::kDartWrongStream, Outcome::kUnsupportedRequest, DartError::kNoTtbr);
  EXPECT_EQ(get_field(dart.layout().error_sid, registers.error()), kSid.value + 1u);
}

TEST_P(DartInjectionTest, WalkErrorIsABusError) {
  expect_one(FaultKind::kDartWalkError, Outcome::kUnsupportedRequest, DartError::kAxiError);
}

TEST_P(DartInjectionTest, PowerGatedDartAnswersNothingAndForgetsItsTlb) {
  ASSERT_EQ(move(), Outcome::kSuccess);
  {
    OneFault fault(FaultKind::kDartPowerGated);
    EXPECT_EQ(move(false), Outcome::kCompletionTimeout);
    EXPECT_EQ(word, 0xffff'ffffu);
  }
  EXPECT_EQ(registers.error(), 0u);
  EXPECT_EQ(move(), Outcome::kSuccess);
  EXPECT_EQ(dart.stats().walks, 2u);
}

TEST_P(DartInjectionTest, DroppedInvalidateLeavesTheOldTranslation) {
  ASSERT_EQ(move(), Outcome::kSuccess);
  tables->unmap(kIova);
  {
    OneFault fault(FaultKind::kDartStaleTlb);
    registers.flush_all();
    EXPECT_FALSE(registers.busy());
    EXPECT_EQ(fault.hits, 1u);
  }
  EXPECT_EQ(move(), Outcome::kSuccess) << "I-02 is broken, which is what observers must see";
  EXPECT_EQ(dart.lookup_slow(kSid, kIova, true).why, DartError::kNoPte);
  registers.flush_all();
  EXPECT_EQ(move(), Outcome::kUnsupportedRequest);
}

TEST_P(DartInjectionTest, SlowInvalidateStaysBusyForTheAmount) {
  OneFault fault(FaultKind::kDartInvalidateSlow, 1, 5000);
  registers.flush_all();
  fabric.timeline.advance(4999);
  EXPECT_TRUE(registers.busy());
  fabric.timeline.advance(1);
  EXPECT_FALSE(registers.busy());
}

TEST_P(DartInjectionTest, TableSwitchRaceKeepsTheOldTablesUntilTheNextInvalidate) {
  TableSet other(fabric.memory, dart, 2, 1);
  other.map(kIova, Pte{.address = hpa + kPage});
  {
    OneFault fault(FaultKind::kDartTableSwitchRace);
    registers.set(dart.layout().ttbr_of(kSid), dart.layout().encode_ttbr(other.root(0).value));
  }
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), hpa);
  registers.flush_sid(kSid);
  EXPECT_EQ(dart.translate(kSid, Fabric::kRid, kIova, true), hpa + kPage);
}

TEST_P(DartInjectionTest, OverflownFaultRegisterHidesTheError) {
  OneFault fault(FaultKind::kDartFaultOverflow);
  tables->unmap(kIova);
  EXPECT_EQ(move(), Outcome::kUnsupportedRequest);
  EXPECT_NE(registers.error() >> 31, 0u);
  EXPECT_EQ(registers.error_address(), 0u) << "whose address is lost";
}

}  // namespace
}  // namespace dartboard::model::test
