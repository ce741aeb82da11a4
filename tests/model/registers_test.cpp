// tests/model/registers_test.cpp - access rules, lanes, hooks, resets and dumps of declared registers.
#include "model/registers.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tests/model/register_conformance.h"

namespace dartboard::model {
namespace {

using A = Access;

constexpr FieldDecl kMixedFields[] = {
    {"ro", 3, 0, A::kRO, 0x5},          {"rw", 7, 4, A::kRW, 0x3},
    {"rw1c", 11, 8, A::kRW1C},          {"rws", 15, 12, A::kRWS, 0x9},
    {"rw1cs", 19, 16, A::kRW1CS},       {"hwinit", 23, 20, A::kHwInit, 0x6},
    {"kept", 27, 24, A::kRW, 0, ResetClass::kSurvivesFlr},
    {"wo", 29, 28, A::kWO},             {"rsvd", 31, 30, A::kRsvd},
};
constexpr FieldDecl kWideFields[] = {{"value", 63, 0, A::kRW, 0x1122'3344'5566'7788}};
constexpr FieldDecl kByteFields[] = {{"value", 7, 0, A::kRW, 0x42}};
constexpr FieldDecl kStickyFields[] = {{"ros", 31, 0, A::kROS}};
constexpr RegisterDecl kTable[] = {
    {"MIXED", 0x00, 4, kMixedFields, "test"},       {"WIDE", 0x08, 8, kWideFields, "test"},
    {"BYTE", 0x11, 1, kByteFields, "test"},         {"STICKY", 0x14, 4, kStickyFields, "test"},
    {"ARRAY", 0x20, 4, kMixedFields, "test", 4, 8},
};
static_assert(well_formed(kTable));

RegisterFile make_file() {
  RegisterFile file(0x60);
  file.declare(kTable);
  return file;
}

TEST(Registers, EveryAccessKindDoesWhatItsDeclarationSays) {
  RegisterFile file = make_file();
  test::expect_declared_access(file);
}

TEST(Registers, PartialWritesTouchOnlyTheirBytes) {
  RegisterFile file = make_file();
  test::expect_partial_writes(file);
}

TEST(Registers, ResetsFollowTheResetClassOfEachField) {
  RegisterFile file = make_file();
  test::expect_declared_resets(file);
}

// The matrix itself, written out: rows are reset kinds, columns every / survives FLR / sticky / HwInit.
TEST(Registers, ResetMatrix) {
  struct Row {
    ResetKind kind;
    std::array<bool, 4> resets;
  };
  constexpr Row kRows[] = {
      {ResetKind::kPowerOn, {true, true, true, true}},    {ResetKind::kPerst, {true, true, true, false}},
      {ResetKind::kHotReset, {true, true, false, false}}, {ResetKind::kLinkDown, {true, true, false, false}},
      {ResetKind::kFlr, {true, false, false, false}},     {ResetKind::kD3ToD0, {true, false, false, false}},
  };
  for (const Row& row : kRows) {
    for (unsigned c = 0; c < kResetClassCount; ++c) {
      EXPECT_EQ(resets(row.kind, static_cast<ResetClass>(c)), row.resets[c])
          << "kind " << static_cast<int>(row.kind) << " class " << to_string(static_cast<ResetClass>(c));
    }
  }
}

TEST(Registers, AccessesOfAnyWidthAndAlignmentAreLittleEndian) {
  RegisterFile file = make_file();
  EXPECT_EQ(file.read(0x08, 8), 0x1122'3344'5566'7788u);
  EXPECT_EQ(file.read(0x09, 4), 0x4455'6677u);
  EXPECT_EQ(file.read(0x0f, 1), 0x11u);
  EXPECT_EQ(file.read(0x0d, 3), 0x11'2233u);
  file.write(0x0b, 0xaabb, 2);
  EXPECT_EQ(file.read(0x08, 8), 0x1122'33aa'bb66'7788u);
}

TEST(Registers, UndeclaredOffsetsReadZeroAndIgnoreWrites) {
  RegisterFile file = make_file();
  for (const uint32_t offset : {0x04u, 0x10u, 0x12u, 0x1cu, 0x24u}) {
    file.write(offset, 0xff, 1);
    EXPECT_EQ(file.read(offset, 1), 0u) << offset;
  }
}

TEST(Registers, AccessesPastTheEndReadZeroAndIgnoreWrites) {
  RegisterFile file = make_file();
  EXPECT_EQ(file.read(0x60, 4), 0u);
  EXPECT_EQ(file.read(0xffff'fffc, 8), 0u);
  file.write(0x5e, ~uint64_t{0}, 8);
  file.write(0xffff'ffff, ~uint64_t{0}, 8);
  EXPECT_EQ(file.read(0x5e, 8), 0u);
}

TEST(Registers, ArrayElementsAreIndependent) {
  RegisterFile file = make_file();
  file.write(0x20 + 2 * 8, 0xf0, 4);
  EXPECT_EQ(file.read(0x20 + 2 * 8, 1), 0xf5u);
  EXPECT_EQ(file.read(0x20 + 1 * 8, 1), 0x35u);
  EXPECT_EQ(file.read(0x20 + 3 * 8, 1), 0x35u);
}

TEST(Registers, LongAccessesAreThePartsInOrder) {
  RegisterFile file = make_file();
  std::vector<std::byte> bytes(0x18);
  file.read_bytes(0x00, bytes.data(), 0x18);
  for (uint32_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(std::to_integer<uint64_t>(bytes[i]), file.peek(i, 1)) << i;
  std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  file.write_bytes(0x06, bytes.data(), 13);   // 06h..12h
  EXPECT_EQ(file.peek(0x08, 8), ~uint64_t{0});
  EXPECT_EQ(file.peek(0x11, 1), 0xffu);
}

struct HookLog {
  std::vector<RegisterWrite> writes;
  unsigned reads = 0;
};

TEST(Registers, WriteHookSeesOldNewAndWrittenBits) {
  RegisterFile file = make_file();
  HookLog log;
  file.hook(0x00, 4, {nullptr, [](void* o, const RegisterWrite& w) { static_cast<HookLog*>(o)->writes.push_back(w); }},
            &log);
  file.poke32(0x00, file.peek32(0x00) | 0xf00);
  file.write(0x00, 0x3000'01c0, 4);
  ASSERT_EQ(log.writes.size(), 1u);
  EXPECT_EQ(log.writes[0].old_value, 0x0060'9f35u);
  EXPECT_EQ(log.writes[0].value, 0x0060'0ec5u);
  EXPECT_EQ(log.writes[0].written, 0x3000'01c0u) << "write-only bits reach the hook";
  file.write(0x01, 0x02, 1);
  ASSERT_EQ(log.writes.size(), 2u);
  EXPECT_EQ(log.writes[1].lanes, 0x0000'ff00u);
  EXPECT_EQ(log.writes[1].fell(), 0x0000'0200u);
}

TEST(Registers, AWideWriteCallsTheHookOncePerDwordInOrder) {
  RegisterFile file = make_file();
  HookLog log;
  file.hook(0x08, 8, {nullptr, [](void* o, const RegisterWrite& w) { static_cast<HookLog*>(o)->writes.push_back(w); }},
            &log);
  file.write(0x08, 0x2222'2222'1111'1111, 8);
  ASSERT_EQ(log.writes.size(), 2u);
  EXPECT_EQ(log.writes[0].offset, 0x08u);
  EXPECT_EQ(log.writes[1].offset, 0x0cu);
  EXPECT_EQ(log.writes[1].value, 0x2222'2222u);
}

TEST(Registers, ReadHookRunsBeforeEveryReadThatTouchesItsDword) {
  RegisterFile file = make_file();
  HookLog log;
  file.hook(0x14, 4, {[](void* o, uint32_t) { ++static_cast<HookLog*>(o)->reads; }, nullptr}, &log);
  file.read(0x14, 4);
  file.read(0x12, 4);   // straddles into it
  file.read(0x10, 8);
  file.read(0x10, 4);   // does not touch it
  EXPECT_EQ(log.reads, 3u);
}

TEST(Registers, InitialValuesBecomeResetValues) {
  RegisterFile file = make_file();
  file.set_initial(0x14, 0xdead'beef, 4);
  EXPECT_EQ(file.read(0x14, 4), 0xdead'beefu);
  file.poke32(0x14, 0);
  file.reset(ResetKind::kPowerOn);
  EXPECT_EQ(file.read(0x14, 4), 0xdead'beefu);
}

TEST(Registers, LimitedBitsAreReadOnly) {
  RegisterFile file = make_file();
  file.limit_writable(0x08, 0xff00, 8);
  file.write(0x08, 0, 8);
  EXPECT_EQ(file.read(0x08, 8), 0x1122'3344'5566'0088u);
}

TEST(Registers, InspectNamesRegistersAndFields) {
  RegisterFile file = make_file();
  InspectNode node;
  file.inspect(node);
  ASSERT_EQ(node.children.size(), 4u) << "array elements at their reset value are left out";
  EXPECT_EQ(node.children[0].name, "0x000 MIXED");
  EXPECT_EQ(node.children[0].value, "0x00609035");
  ASSERT_EQ(node.children[0].children.size(), 8u) << "reserved fields are left out";
  EXPECT_EQ(node.children[0].children[1].name, "rw");
  EXPECT_EQ(node.children[0].children[1].value, "0x3");
  EXPECT_EQ(node.children[0].children[1].note, "RW");
}

TEST(Registers, MalformedDeclarationsAreRecognised) {
  static constexpr FieldDecl kOverlap[] = {{"a", 3, 0, A::kRW}, {"b", 4, 3, A::kRW}};
  static constexpr FieldDecl kTooHigh[] = {{"a", 8, 0, A::kRW}};
  static constexpr FieldDecl kTooBig[] = {{"a", 1, 0, A::kRW, 4}};
  const RegisterDecl bad[] = {
      {"overlap", 0, 1, kOverlap, ""},          {"beyond the register", 0, 1, kTooHigh, ""},
      {"reset value too big", 0, 1, kTooBig, ""}, {"width 3", 0, 3, {}, ""},
      {"array without stride", 0, 4, {}, "", 2, 0},
  };
  for (const RegisterDecl& decl : bad) EXPECT_FALSE(well_formed({&decl, 1})) << decl.name;
}

}  // namespace
}  // namespace dartboard::model
