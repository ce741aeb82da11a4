// tests/devicetree/walk_test.cpp - the guest reaches the pool at its bus addresses and all other memory at its own,
// both ways; for any layout, or the layout is refused.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernel_walk.h"
#include "support.h"

namespace dartboard::devicetree {
namespace {

constexpr const char* kBridge = "/pcie@10000000";
const std::vector<GpaRange> kVirtRam = {{Gpa(0x40000000), 512 * kMiB}};

TEST(Walk, EveryPageOfTheRecipe) {
  for (const bool whole_bridge : {false, true}) {
    Addition addition = recipe_addition();
    if (whole_bridge) addition.user = WholeBridge{};
    const auto out = merge(virt_tree(), addition, "base.dtb");
    ASSERT_TRUE(out) << out.error().sentence;
    EXPECT_EQ(check_walk(KernelWalk(out->dtb, kBridge), addition, kVirtRam), "");
  }
}

TEST(Walk, OnlyTheNamedDeviceGetsThePool) {
  const auto out = merge(virt_tree(), recipe_addition(), "base.dtb");
  ASSERT_TRUE(out) << out.error().sentence;
  EXPECT_TRUE(KernelWalk(out->dtb, kBridge).pool_of(0x20));
  EXPECT_FALSE(KernelWalk(out->dtb, kBridge).pool_of(0x28));
}

TEST(Walk, ATreeWithoutThePoolIsSeenAsWrong) {
  EXPECT_NE(check_walk(KernelWalk(virt_tree(), kBridge), recipe_addition(), kVirtRam), "");
}

TEST(Walk, ThirtyTwoShuffledPieces) {
  Addition addition = recipe_addition();
  addition.pool.clear();
  for (uint64_t i = 0; i < 32; ++i) {
    addition.pool.push_back({Gpa(0x50000000 + i * 2 * kMiB), Iova(0x8'0000'0000 + (i * 11 % 32) * 6 * kMiB), 2 * kMiB});
  }
  const auto out = merge(virt_tree(), addition, "base.dtb");
  ASSERT_TRUE(out) << out.error().sentence;
  EXPECT_EQ(check_walk(KernelWalk(out->dtb, kBridge), addition, kVirtRam), "");
}

struct Layout {
  std::vector<GpaRange> ram;
  Addition addition;
};

/// One to three banks, below and above 4 GiB, that may touch.
std::vector<GpaRange> any_ram() {
  std::vector<GpaRange> ram;
  uint64_t at = *rc::gen::inRange<uint64_t>(0, 8) * 256 * kMiB;
  const auto banks = *rc::gen::inRange<size_t>(1, 4);
  for (size_t i = 0; i < banks; ++i) {
    at += *rc::gen::element<uint64_t>(0, 0, 2 * kMiB, 512 * kMiB, 5 * kGiB);
    const uint64_t bytes = *rc::gen::inRange<uint64_t>(1, 17) * 2 * kMiB;
    ram.push_back({Gpa(at), bytes});
    at += bytes;
  }
  return ram;
}

/// Pieces that follow every rule: side by side inside one bank, bus addresses apart, congruent, in a 4 GiB of their
/// own.
Layout good_layout() {
  Layout layout{any_ram(), recipe_addition()};
  layout.addition.pool.clear();
  const GpaRange bank = layout.ram[*rc::gen::inRange<size_t>(0, layout.ram.size())];
  const uint64_t segments = bank.bytes / (256 * kKiB);
  uint64_t left = *rc::gen::inRange<uint64_t>(1, segments + 1);
  Gpa gpa = bank.start + *rc::gen::inRange<uint64_t>(0, segments - left + 1) * (256 * kKiB);
  const uint64_t skew = *rc::gen::inRange<uint64_t>(0, 16) * 4 * kKiB;
  const auto order = *rc::gen::inRange<uint64_t>(1, 64);
  for (uint64_t i = 0; left != 0 && i < 16; ++i) {
    const uint64_t take = i == 15 ? left : *rc::gen::inRange<uint64_t>(1, left + 1);
    // An odd factor shuffles the pieces; 64 of them fit above all RAM.
    const Iova iova(64 * kGiB + (i * (2 * order + 1) % 64) * 4 * kGiB + *rc::gen::inRange<uint64_t>(0, 64) * 64 * kKiB +
                    skew);
    layout.addition.pool.push_back({gpa, iova, take * 256 * kKiB});
    gpa = gpa + take * 256 * kKiB;
    left -= take;
  }
  std::reverse(layout.addition.pool.begin(),
               layout.addition.pool.begin() + static_cast<ptrdiff_t>(layout.addition.pool.size() / 2));
  return layout;
}

/// The same with one thing moved: into RAM, onto another piece, across an edge.
Layout any_layout() {
  Layout layout = good_layout();
  PoolPiece& piece = layout.addition.pool[*rc::gen::inRange<size_t>(0, layout.addition.pool.size())];
  const auto step =
      *rc::gen::element<uint64_t>(0, 1, 4 * kKiB, 64 * kKiB, 128 * kKiB, 256 * kKiB, 2 * kMiB, kGiB, 4 * kGiB);
  switch (*rc::gen::inRange(0, 6)) {
    case 0: piece.iova = piece.iova + step; break;
    case 1: piece.gpa = piece.gpa + step; break;
    case 2: piece.bytes += step; break;
    case 3: piece.iova = Iova(layout.ram.front().start.value + step); break;
    case 4: piece.iova = Iova(piece.gpa.value + step); break;
    case 5:
      layout.addition.pool.push_back({piece.gpa + piece.bytes, piece.iova + piece.bytes + step, piece.bytes});
      break;
  }
  return layout;
}

RC_GTEST_PROP(Walk, ALayoutThatFollowsTheRulesIsTakenAndWalksRight, ()) {
  const Layout layout = good_layout();
  const Blob base = TestTree().memory(layout.ram).bytes();
  const auto out = merge(base, layout.addition, "base.dtb");
  if (!out) RC_FAIL(out.error().sentence);
  RC_ASSERT(check_walk(KernelWalk(out->dtb, kBridge), layout.addition, layout.ram) == "");
  const auto again = merge(out->dtb, layout.addition, "base.dtb");
  if (!again) RC_FAIL(again.error().sentence);
  RC_ASSERT(again->dtb == out->dtb);
}

RC_GTEST_PROP(Walk, AnyLayoutIsRefusedOrWalksRight, ()) {
  const Layout layout = any_layout();
  const Blob base = TestTree().memory(layout.ram).bytes();
  const auto out = merge(base, layout.addition, "base.dtb");
  RC_TAG(out ? "taken" : "refused");
  if (out) {
    RC_ASSERT(check_walk(KernelWalk(out->dtb, kBridge), layout.addition, layout.ram) == "");
  } else {
    RC_ASSERT(!out.error().sentence.empty());
  }
}

}  // namespace
}  // namespace dartboard::devicetree
