// tests/cli/parts_test.cpp - worlds, memory and recorded accesses, without running the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/types.h"
#include "cli/exit_code.h"
#include "base/lazy_memory.h"
#include "cli/selectors.h"
#include "cli/sim_world.h"
#include "cli/world.h"
#include "dext/abi.h"

namespace dartboard::cli {
namespace {

TEST(World, SimTakesAProfile) {
  const auto plain = parse_world("sim", "linux-iommu");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->profile, "linux-iommu");
  const auto named = parse_world("sim:m1-tb4", "linux-iommu");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->profile, "m1-tb4");
  const auto empty = parse_world("sim:", "linux-iommu");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().name, ErrorName::kBadArgument);
}

TEST(ExitCode, EveryClassOfErrorHasItsCode) {
  EXPECT_EQ(exit_code_of(ErrorName::kFileCorrupt), ExitCode::kBadInput);
  EXPECT_EQ(exit_code_of(ErrorName::kPlacement), ExitCode::kBadInput);
  EXPECT_EQ(exit_code_of(ErrorName::kWrongPlatform), ExitCode::kWrongPlatform);
  EXPECT_EQ(exit_code_of(ErrorName::kHostPanic), ExitCode::kHostPanic);
  EXPECT_EQ(exit_code_of(ErrorName::kCallFailed), ExitCode::kInternal);
}

TEST(LazyMemory, IsZeroedAndAlignedTo16KiB) {
  auto memory = LazyMemory::allocate(100);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->size(), 16 * kKiB);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->base()) % (16 * kKiB), 0u);
  EXPECT_EQ(memory->base()[16 * kKiB - 1], std::byte{0});
}

TEST(LazyMemory, MuchMemoryCostsNothingUntilTouched) {
  auto memory = LazyMemory::allocate(64 * kGiB);
  ASSERT_TRUE(memory) << memory.error().sentence;
  memory->base()[64 * kGiB - 1] = std::byte{1};
}

TEST(LazyMemory, AbsurdSizesAreErrors) {
  EXPECT_FALSE(LazyMemory::allocate(0));
  EXPECT_FALSE(LazyMemory::allocate(UINT64_MAX));
}

TEST(Selectors, EveryOneHasAName) {
  for (unsigned i = 0; i < kSelectorCount; ++i) {
    EXPECT_THAT(selector_name(i), testing::Not(testing::StartsWith("selector"))) << i;
  }
  EXPECT_EQ(selector_name(40), "selector 40");
}

traces::Session register_session(uint64_t offset, uint64_t length) {
  traces::Session session;
  session.device.bars[2] = {traces::BarKind::kRegisters, 4096, false, false};
  traces::Event event;
  event.kind = traces::EventKind::kMmioWrite;
  event.target = 2;
  event.address = offset;
  event.length = length;
  event.request = 7;
  event.data = traces::Payload::filled(std::byte{0xab}, length);
  session.events.push_back(event);
  return session;
}

TEST(RegisterAccesses, AreCutIntoNaturallyAlignedWords) {
  struct Case {
    uint64_t offset, length;
    std::vector<uint32_t> widths;
  };
  const Case cases[] = {{0, 4, {4}}, {0, 8, {8}}, {4, 8, {4, 4}}, {1, 7, {1, 2, 4}}, {8, 20, {8, 8, 4}}, {3, 1, {1}}};
  for (const Case& c : cases) {
    std::vector<uint32_t> widths;
    for (const model::ReplayAccess& access : register_accesses(register_session(c.offset, c.length))) {
      EXPECT_EQ(access.index, 7u);
      EXPECT_EQ(access.data.size(), access.length);
      widths.push_back(access.length);
    }
    EXPECT_EQ(widths, c.widths) << c.offset << "+" << c.length;
  }
}

TEST(Declaration, IsTheDescribedDevice) {
  traces::DeviceDescription device;
  device.vendor_id = 0x1002;
  device.bars[0] = {traces::BarKind::kMemory, 512 * kMiB, true, true};
  device.bars[2] = {traces::BarKind::kRegisters, 8 * kKiB, false, false};
  device.memory_decode_gated_by_command = false;
  const model::EndpointDeclaration declaration = declaration_of(device);
  EXPECT_EQ(declaration.vendor_id, 0x1002);
  EXPECT_EQ(declaration.bars[0].kind, model::BarKind::kMem64Prefetchable);
  EXPECT_EQ(declaration.bars[0].role, model::BarRole::kMemory);
  EXPECT_EQ(declaration.bars[1].kind, model::BarKind::kNone);
  EXPECT_EQ(declaration.bars[2].kind, model::BarKind::kMem32);
  EXPECT_EQ(declaration.bars[2].size_bytes, 8 * kKiB);
  EXPECT_TRUE(declaration.memory_decode_ungated);
}

}  // namespace
}  // namespace dartboard::cli
