// tests/cli/parts_test.cpp - worlds, memory and recorded accesses, without running the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/lazy_memory.h"
#include "base/types.h"
#include "cli/exit_code.h"
#include "cli/replay_device.h"
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

std::vector<model::ReplayAccess> accesses_of(uint64_t offset, uint64_t length,
                                             const traces::MsixDescription& msix = {}) {
  traces::DeviceDescription device;
  device.bars[2] = {traces::BarKind::kRegisters, 4096, false, false};
  device.msix = msix;
  traces::EventBatch batch;
  traces::Event event;
  event.kind = traces::EventKind::kMmioWrite;
  event.target = 2;
  event.address = offset;
  event.length = length;
  event.request = 7;
  event.data = traces::Payload::filled(std::byte{0xab}, length);
  batch.events.push_back(event);
  std::vector<model::ReplayAccess> out;
  register_accesses(batch, device, &out);
  return out;
}

TEST(RegisterAccesses, AreCutIntoNaturallyAlignedWords) {
  struct Case {
    uint64_t offset, length;
    std::vector<uint32_t> widths;
  };
  const Case cases[] = {{0, 4, {4}}, {0, 8, {8}}, {4, 8, {4, 4}}, {1, 7, {1, 2, 4}}, {8, 20, {8, 8, 4}}, {3, 1, {1}}};
  for (const Case& c : cases) {
    std::vector<uint32_t> widths;
    for (const model::ReplayAccess& access : accesses_of(c.offset, c.length)) {
      EXPECT_EQ(access.index, 7u);
      EXPECT_EQ(access.data[access.length - 1u], std::byte{0xab});
      widths.push_back(access.length);
    }
    EXPECT_EQ(widths, c.widths) << c.offset << "+" << c.length;
  }
}

TEST(RegisterAccesses, TheMsixTableIsNotTheDevicesBusiness) {
  const traces::MsixDescription msix{4, 2, 2, 0x100, 0x200};
  EXPECT_EQ(accesses_of(0x100, 4, msix).size(), 0u);
  EXPECT_EQ(accesses_of(0x13c, 4, msix).size(), 0u);
  EXPECT_EQ(accesses_of(0x140, 4, msix).size(), 1u);
  EXPECT_EQ(accesses_of(0x204, 4, msix).size(), 0u);
  EXPECT_EQ(accesses_of(0x208, 4, msix).size(), 1u);
}

/// A description of a device whose guest walked a list: 0x40 power management, 0x60 MSI without masks.
traces::DeviceDescription walked_device() {
  traces::DeviceDescription device;
  device.vendor_id = 0x1234;
  device.config.learn(0x06, 2, 0x0010);
  device.config.learn(0x34, 1, 0x40);
  device.config.learn(0x40, 4, 0x0003'6001);
  device.config.learn(0x44, 2, 0x0008);
  device.config.learn(0x60, 4, 0x0080'0005);
  return device;
}

TEST(Declaration, CapabilitiesAreWhereTheRecordingShowsThem) {
  std::vector<std::string> notes;
  const model::EndpointDeclaration d = declaration_of(walked_device(), &notes);
  ASSERT_TRUE(d.recorded);
  EXPECT_TRUE(d.validate());
  EXPECT_EQ(d.recorded->power_management, 0x40);
  EXPECT_EQ(d.recorded->plain_msi, 0x60);
  EXPECT_EQ(d.recorded->headers, (std::vector<uint16_t>{0x40, 0x60}));
  EXPECT_FALSE(d.pcie);
  EXPECT_TRUE(notes.empty());
}

struct Impossible {
  const char* what;
  void (*change)(traces::DeviceDescription&);
  const char* note;
};

TEST(Declaration, WhatCannotBeIsLeftOutWithANote) {
  const Impossible rows[] = {
      {"no identity", [](traces::DeviceDescription& d) { d.vendor_id = 0xffff; }, "does not show who"},
      {"a list in a circle",
       [](traces::DeviceDescription& d) {
         d.config = {}, d.config.learn(6, 2, 0x10), d.config.learn(0x34, 1, 0x40), d.config.learn(0x40, 2, 0x4009);
       },
       "goes wrong at 0x40"},
      {"a list into the header",
       [](traces::DeviceDescription& d) { d.config = {}, d.config.learn(6, 2, 0x10), d.config.learn(0x34, 1, 0x10); },
       "goes wrong at 0x10"},
      {"a list without a beginning", [](traces::DeviceDescription& d) { d.config = {}, d.config.learn(6, 2, 0x10); },
       "where the capability list begins"},
      {"a BAR of no possible size",
       [](traces::DeviceDescription& d) {
         d.bars[1] = {traces::BarKind::kRegisters, 3000, false, false};
       },
       "power of two"},
      {"a BAR in the upper half of another",
       [](traces::DeviceDescription& d) {
         d.bars[0] = {traces::BarKind::kRegisters, 4096, true, false};
         d.bars[1] = {traces::BarKind::kRegisters, 4096, false, false};
       },
       "upper half"},
      {"an MSI-X table in no BAR",
       [](traces::DeviceDescription& d) {
         d.msix = {4, 3, 3, 0, 2048};
       },
       "MSI-X table"},
      {"MSI-X without a capability",
       [](traces::DeviceDescription& d) {
         d.bars[3] = {traces::BarKind::kRegisters, 4096, false, false};
         d.msix = {4, 3, 3, 0, 2048};
       },
       "where in configuration space its MSI-X"},
  };
  for (const Impossible& row : rows) {
    traces::DeviceDescription device = walked_device();
    row.change(device);
    std::vector<std::string> notes;
    const model::EndpointDeclaration d = declaration_of(device, &notes);
    EXPECT_TRUE(d.validate()) << row.what;
    ASSERT_EQ(notes.size(), 1u) << row.what;
    EXPECT_THAT(notes[0], testing::HasSubstr(row.note)) << row.what;
  }
}

TEST(Declaration, ABarInIoSpaceIsInMemorySpaceHere) {
  traces::DeviceDescription device;
  device.vendor_id = 0x1234;
  device.bars[4] = {traces::BarKind::kRegisters, 32, false, false};
  device.config.learn(0x20, 4, 0xc001);
  std::vector<std::string> notes;
  const model::EndpointDeclaration d = declaration_of(device, &notes);
  EXPECT_EQ(d.bars[4].kind, model::BarKind::kMem32);
  EXPECT_TRUE(d.memory_decode_ungated);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], testing::HasSubstr("BAR4 was in I/O space"));
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
