// tests/faults/ops_test.cpp - scripts of operations: what they mean, what is refused, and what a run of one tells.
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "cli/op_script.h"
#include "cli/sim_world.h"

namespace dartboard::faults_test {
namespace {

using cli::Op;
using cli::parse_ops;

Op one(std::string_view line) {
  const auto ops = parse_ops(line, "test");
  EXPECT_TRUE(ops) << ops.error().sentence;
  if (!ops || ops->size() != 1) {
    ADD_FAILURE() << line << " is not one operation";
    return {};
  }
  return ops->front();
}

TEST(OpScript, LinesMeanWhatTheySay) {
  Op op = one("config.read 0x34 1");
  EXPECT_EQ(op.kind, Op::Kind::kRead);
  EXPECT_EQ(op.region, backend::Region::kConfig);
  EXPECT_EQ(op.a, 0x34u);
  EXPECT_EQ(op.b, 1u);
  EXPECT_FALSE(op.expected);
  op = one("  bar5.read 8 4 = 0x10   # and why");
  EXPECT_EQ(op.region, backend::Region::kBar5);
  EXPECT_TRUE(op.expected);
  EXPECT_EQ(op.value.number, 0x10u);
  op = one("bar0.write 0x28 8 @3+0x10");
  EXPECT_EQ(op.kind, Op::Kind::kWrite);
  EXPECT_EQ(op.value.mapping, 3u);
  EXPECT_EQ(op.value.number, 0x10u);
  op = one("map 1 64K");
  EXPECT_EQ(op.kind, Op::Kind::kMap);
  EXPECT_EQ(op.b, 65536u);
  EXPECT_EQ(one("map 1 2M").b, 2u << 20);
  EXPECT_EQ(one("unmap 7").a, 7u);
  op = one("check 1 2 3 4");
  EXPECT_EQ(op.c, 3u);
  EXPECT_EQ(op.value.number, 4u);
  op = one("irq msi 0 8");
  EXPECT_EQ(op.irq, backend::IrqKind::kMsi);
  EXPECT_EQ(op.b, 8u);
  EXPECT_EQ(one("irq.off msix").kind, Op::Kind::kIrqOff);
  EXPECT_EQ(one("wait 5").kind, Op::Kind::kWait);
  EXPECT_EQ(one("pump").kind, Op::Kind::kPump);
  EXPECT_EQ(one("\treset\r").kind, Op::Kind::kReset);
}

TEST(OpScript, EmptyLinesAndCommentsAreNoOperations) {
  const auto ops = parse_ops("# a\n\n   \n\tpump # b\n#pump\n\nreset", "test");
  ASSERT_TRUE(ops);
  ASSERT_EQ(ops->size(), 2u);
  EXPECT_EQ((*ops)[0].line, 4u);
  EXPECT_EQ((*ops)[1].line, 7u);
  EXPECT_TRUE(parse_ops("", "test")->empty());
}

TEST(OpScript, WhatIsNotUnderstoodIsRefusedWithItsLine) {
  constexpr std::string_view kBad[] = {
      "frobnicate",          "pump now",            "wait",               "wait 1000000000001",
      "wait -1",             "map 1",               "map 1 65M",          "map 1 99999999999999999999",
      "map x 4K",            "map 1 18014398509481984K", "unmap",         "fill 1 256",
      "check 1 0 1",         "check 1 0 1 256",     "irq",               "irq intx 0 1",
      "irq msix 0 2049",     "irq.off",             "irq.off msix 0",    "bar6.read 0 4",
      "bar.read 0 4",        "bar0.peek 0 4",       "bar0.read 0 3",     "bar0.read 0 16",
      "bar0.read 0 4 =",     "bar0.read 0 4 ==  1", "bar0.read 0 4 = 1 2", "bar0.write 0 4",
      "bar0.write 0 4 @",    "bar0.write 0 4 @1+",  "bar0.write 0 4 0x", "config.read 0x 4",
      "bar0.read 0 4 = 0x10000000000000000", "rom.read 0 4", "bar0.read\x01 0 4", "a b c d e f g h i j",
  };
  for (const std::string_view bad : kBad) {
    const auto ops = parse_ops("pump\n" + std::string(bad) + "\n", "file.ops");
    ASSERT_FALSE(ops) << bad;
    EXPECT_EQ(ops.error().name, ErrorName::kFileCorrupt);
    EXPECT_EQ(ops.error().sentence.rfind("file.ops:2: ", 0), 0u) << ops.error().sentence;
    EXPECT_NE(ops.error().sentence.find("expected"), std::string::npos) << ops.error().sentence;
  }
}

// Runs ----------------------------------------------------------------------------------------------------------------

class OpRun : public testing::Test {
 protected:
  void SetUp() override {
    auto made = cli::make_sim_world("m4pro-tb5");
    ASSERT_TRUE(made) << made.error().sentence;
    world = std::move(*made);
    ASSERT_TRUE(world->power_on(nullptr));
  }
  cli::ScenarioResult run(std::string_view text) {
    const auto ops = parse_ops(text, "test");
    EXPECT_TRUE(ops) << ops.error().sentence;
    auto device = cli::open_device(*world);
    EXPECT_TRUE(device) << device.error().sentence;
    if (!ops || !device) return {};
    return run_ops(*ops, std::move(*device), *world);
  }
  std::unique_ptr<cli::World> world;
};

TEST_F(OpRun, ExpectationsThatHoldAreNoDifferences) {
  const auto result = run("config.read 0 4 = 0x00db1b36\nconfig.write 4 2 6\nbar0.write 8 4 7\nbar0.read 8 4 = 7\n"
                          "bar0.read 8 1 = 7\nmap 1 4K\ncheck 1 0 4K 0\nunmap 1\n");
  EXPECT_EQ(result.steps, 8u);
  EXPECT_EQ(result.differences, 0u) << result.first_difference;
  EXPECT_FALSE(result.stopped);
  EXPECT_FALSE(result.gone);
}

TEST_F(OpRun, WhatDiffersIsToldWithItsLine) {
  constexpr std::pair<std::string_view, std::string_view> kRows[] = {
      {"bar0.read 0 4 = 1", "line 1: expected 0x1, got 0x"},
      {"\nbar0.read 0x4000 4", "line 2: "},                          // outside the BAR
      {"unmap 9", "line 1: unmapping key 0x9"},
      {"check 1 0 1 0", "line 1: key 1 has no 1 bytes"},
      {"map 1 4K\ncheck 1 4095 2 0", "line 2: key 1 has no 2 bytes"},
      {"map 1 4K\nfill 1 3\ncheck 1 0 4K 4", "line 3: byte 0x0 of key 1 is 0x03, expected 0x04"},
      {"irq msix 30 4", "line 1: "},                                 // more than the device has
      {"bar1.read 0 4", "line 1: "},
  };
  for (const auto& [text, what] : kRows) {
    const auto result = run(text);
    EXPECT_EQ(result.differences, 1u) << text;
    EXPECT_EQ(result.first_difference.rfind(what, 0), 0u) << result.first_difference;
    EXPECT_FALSE(result.stopped) << text;
  }
}

TEST_F(OpRun, AMapThatIsRefusedEndsTheScript) {
  for (const std::string_view refused : {"map 1 0", "map 1 4K\nmap 1 4K"}) {
    const auto result = run(std::string(refused) + "\nbar0.write 0x28 8 @1\nreset");
    ASSERT_TRUE(result.stopped) << refused;
    EXPECT_EQ(result.stopped->sentence, result.first_difference.substr(result.first_difference.find(": ") + 2));
    EXPECT_EQ(result.steps, refused.size() > 7 ? 2u : 1u);
  }
}

TEST_F(OpRun, APanicEndsTheRun) {
  const auto result = run("config.write 4 2 6\nbar0.write 0xc 4 1\nbar0.write 0x28 8 0x90000000\nbar0.write 0x30 4 4\n"
                          "bar0.write 0x34 4 3\npump\nreset\n");
  ASSERT_TRUE(result.stopped);
  EXPECT_EQ(result.stopped->name, ErrorName::kHostPanic);
  EXPECT_EQ(result.steps, 5u);
}

TEST_F(OpRun, ATransferReachesTheMemoryOfItsKey) {
  const auto result = run("config.write 4 2 6\nmap 1 16K\nmap 2 16K\nfill 1 0x11\nfill 2 0x22\nbar0.write 0xc 4 1\n"
                          "bar0.write 0x44 4 0x33333333\nbar0.write 0x28 8 @2+0x100\nbar0.write 0x30 4 0x100\n"
                          "bar0.write 0x34 4 3\nbar0.read 0x10 4 = 2\ncheck 2 0x100 0x100 0x33\ncheck 2 0 0x100 0x22\n"
                          "check 2 0x200 0x100 0x22\ncheck 1 0 16K 0x11\n");
  EXPECT_EQ(result.differences, 0u) << result.first_difference;
}

}  // namespace
}  // namespace dartboard::faults_test
