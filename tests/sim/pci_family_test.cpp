// tests/sim/pci_family_test.cpp - enumeration: bus numbers, BAR placement, registry entries and properties.
#include "sim/macos/pci_family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/config_space.h"
#include "model/root_port.h"
#include "rig.h"

namespace dartboard::macos {
namespace {

using sim_test::Rig;
using sim_test::RigTest;
using sim_test::test_profile;

struct PlaceCase {
  uint64_t base, bytes;
  std::vector<uint64_t> sizes, addresses;  // address 0: no place
};
class PlaceBars : public testing::TestWithParam<PlaceCase> {};
TEST_P(PlaceBars, LargestFirstNaturallyAligned) {
  std::vector<BarRequest> requests;
  for (uint64_t size : GetParam().sizes) requests.push_back({size});
  std::vector<BarRequest*> pointers;
  for (BarRequest& r : requests) pointers.push_back(&r);
  place_bars(GetParam().base, GetParam().bytes, pointers);
  std::vector<uint64_t> addresses;
  for (const BarRequest& r : requests) addresses.push_back(r.placed ? r.address : 0);
  EXPECT_EQ(addresses, GetParam().addresses);
}
INSTANTIATE_TEST_SUITE_P(PciFamily, PlaceBars,
                         testing::Values(PlaceCase{0x1000, 0x3000, {0x1000, 0x1000}, {0x1000, 0x2000}},
                                         // The large one takes its natural place; the small one goes below it.
                                         PlaceCase{
                                             0x10'0000, 0x3ff0'0000, {0x4000, 0x2000'0000}, {0x10'0000, 0x2000'0000}},
                                         PlaceCase{0x1000, 0x1000, {0x1000, 0x1000}, {0x1000, 0}},
                                         PlaceCase{0, 0x2000, {0x1000}, {0}}, PlaceCase{0x1000, 0, {0x10}, {0}}));

class PciFamilyTest : public RigTest {
 protected:
  void SetUp() override { boot(); }
  uint32_t raw(uint64_t offset, unsigned width) {
    return kernel().root(0).port.config_read(nub().rid(), offset, width);
  }
  const Property& property(const char* name) { return nub().properties().find(name)->second; }
};

TEST_F(PciFamilyTest, TheDeviceIsOneZeroZero) {
  EXPECT_EQ(nub().rid(), Rid(1, 0, 0));
}

TEST_F(PciFamilyTest, EveryRootNumbersItsOwnBusses) {
  model::TestEndpoint other;
  Rig::get().power_on(test_profile(), {device_.get(), &other});
  ASSERT_NE(kernel().nub(1), nullptr);
  EXPECT_EQ(kernel().nub(0)->rid(), kernel().nub(1)->rid());
  Rig::get().power_off();
}

TEST_F(PciFamilyTest, AnEmptySlotHasNoNub) {
  EXPECT_EQ(kernel().nub(1), nullptr);
}

TEST_F(PciFamilyTest, TheTopmostPciDeviceIsNamedByTheProfile) {
  const RegistryEntry* top = nullptr;
  for (const RegistryEntry* e = &nub(); e != nullptr; e = e->parent()) {
    if (e->conforms_to("IOPCIDevice")) top = e;
  }
  EXPECT_EQ(top->name(), "pcic0-bridge");
  EXPECT_NE(top, static_cast<RegistryEntry*>(&nub()));
}

TEST_F(PciFamilyTest, BarsInTheDeviceAreWhatTheNubSays) {
  for (const BarInfo& bar : nub().memory()) {
    const uint64_t at = model::cfg::kBar0 + 4ull * bar.bar;
    uint64_t address = raw(at, 4) & ~0xfu;
    if (bar.type == BarType::kM64 || bar.type == BarType::kM64Prefetchable) address |= uint64_t{raw(at + 4, 4)} << 32;
    EXPECT_EQ(address, bar.bus_address) << "BAR" << unsigned{bar.bar};
    EXPECT_EQ(address % bar.size, 0u);
  }
}

struct BarCase {
  unsigned bar;
  io_return::Code code;
  uint8_t memory_index;
  uint64_t size;
  BarType type;
  uint64_t window, window_end;
};
class BarInfoTable : public PciFamilyTest, public testing::WithParamInterface<BarCase> {};
TEST_P(BarInfoTable, Answers) {
  const BarCase& c = GetParam();
  BarInfo info{};
  ASSERT_EQ(nub().bar_info(c.bar, &info), c.code);
  if (c.code != io_return::kSuccess) return;
  EXPECT_EQ(info.memory_index, c.memory_index);
  EXPECT_EQ(info.size, c.size);
  EXPECT_EQ(info.type, c.type);
  EXPECT_GE(info.bus_address, c.window);
  EXPECT_LE(info.bus_address + info.size, c.window_end);
}
INSTANTIATE_TEST_SUITE_P(
    PciFamily, BarInfoTable,
    testing::Values(BarCase{0, io_return::kSuccess, 0, 16 * kKiB, BarType::kM32, 0x10'0000, 0x4000'0000},
                    BarCase{1, io_return::kNotFound, 0, 0, BarType::kM32, 0, 0},
                    BarCase{2, io_return::kSuccess, 1, kMiB, BarType::kM64Prefetchable, 0x4'0000'0000, 0x4'8000'0000},
                    BarCase{3, io_return::kNotFound, 0, 0, BarType::kM32, 0, 0},
                    BarCase{4, io_return::kSuccess, 2, 4 * kKiB, BarType::kM32, 0x10'0000, 0x4000'0000},
                    BarCase{5, io_return::kNotFound, 0, 0, BarType::kM32, 0, 0},
                    BarCase{6, io_return::kNotFound, 0, 0, BarType::kM32, 0, 0},
                    BarCase{7, io_return::kBadArgument, 0, 0, BarType::kM32, 0, 0}));

TEST_F(PciFamilyTest, ABarThatFitsNowhereIsNotFound) {
  sim::Profile profile = test_profile();
  profile.ports[0].pref_bytes = kMiB;
  boot(profile, {.memory_bytes = 2 * kMiB});
  BarInfo info{};
  EXPECT_EQ(nub().bar_info(2, &info), io_return::kNotFound);
  ASSERT_EQ(nub().bar_info(4, &info), io_return::kSuccess);
  EXPECT_EQ(info.memory_index, 1u);
}

TEST_F(PciFamilyTest, CommandIsOffUntilADriverAsks) {
  EXPECT_EQ(raw(model::cfg::kCommand, 2), 0u);
}

TEST_F(PciFamilyTest, IdentityPropertiesAreLittleEndianData) {
  EXPECT_EQ(std::get<PropertyData>(property("vendor-id").value), (PropertyData{0x36, 0x1b, 0, 0}));
  EXPECT_EQ(std::get<PropertyData>(property("device-id").value), (PropertyData{0xdb, 0, 0, 0}));
  EXPECT_EQ(std::get<PropertyData>(property("class-code").value).size(), 4u);
}

TEST_F(PciFamilyTest, ClientsFindPlaceAndMapper) {
  EXPECT_EQ(std::get<std::string>(property("pcidebug").value), "1:0:0");
  EXPECT_TRUE(std::get<bool>(property("IOPCITunnelled").value));
  EXPECT_EQ(std::get<PropertyNumber>(property("IOPCIDeviceMapperPageSize").value).value, 16384u);
  EXPECT_EQ(std::get<PropertyNumber>(property("IOPCIDeviceMemoryMapSize").value).value, 0x1ffc0u);
  EXPECT_EQ(std::get<PropertyArray>(property("IODeviceMemory").value).size(), 3u);
}

TEST_F(PciFamilyTest, ASlowDeviceIsWaitedFor) {
  boot(test_profile(), {.reset_ready_ns = 50 * kNsPerMs});
  EXPECT_NE(kernel().nub(0), nullptr);
}

}  // namespace
}  // namespace dartboard::macos
