// tests/devicetree/refusal_test.cpp - everything that is refused: under which name, at which node, with which remedy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "support.h"

namespace dartboard::devicetree {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kBridge = "/pcie@10000000";
constexpr const char* kReserved = "/reserved-memory";

struct Refusal {
  const char* what;
  std::function<void(TestTree&, Addition&)> change;  // of the recipe, which is taken
  ErrorName name;
  const char* where;               // how the sentence starts
  std::vector<const char*> parts;  // what it also says
};

// Not its bytes, which are partly padding.
void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.what;
}

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithNameNodeAndRemedy) {
  const Refusal& refusal = GetParam();
  TestTree tree;
  Addition addition = recipe_addition();
  ASSERT_TRUE(merge(tree.bytes(), addition, "base.dtb"));
  refusal.change(tree, addition);
  const auto out = merge(tree.bytes(), addition, "base.dtb");
  ASSERT_FALSE(out);
  EXPECT_EQ(to_string(out.error().name), to_string(refusal.name)) << out.error().sentence;
  EXPECT_THAT(out.error().sentence, StartsWith(refusal.where));
  for (const char* part : refusal.parts) EXPECT_THAT(out.error().sentence, HasSubstr(part));
}

void second_bridge(TestTree& tree) {
  tree.add_node("/", "pcie@80000000").set_text("/pcie@80000000", "device_type", "pci");
}

void bridge_below(TestTree& tree, const char* bus) {
  const std::string path = std::string(bus) + "/pcie@1";
  tree.remove_node(kBridge)
      .add_node(bus, "pcie@1")
      .set(path, "#address-cells", {3})
      .set(path, "#size-cells", {2})
      .set_text(path, "device_type", "pci");
}

TestTree& reserved(TestTree& tree, uint32_t address_cells = 2, uint32_t size_cells = 2) {
  return tree.add_node("/", "reserved-memory")
      .set(kReserved, "#address-cells", {address_cells})
      .set(kReserved, "#size-cells", {size_cells})
      .set(kReserved, "ranges", {});
}

std::string region(TestTree& tree, const std::string& name, const Cells& reg) {
  reserved(tree).add_node(kReserved, name).set(kReserved + ("/" + name), "reg", reg);
  return kReserved + ("/" + name);
}

std::string pool_region(TestTree& tree) {
  const std::string path = region(tree, "dma-pool@50000000", {0, 0x50000000, 0, 0x4000000});
  tree.set_text(path, "compatible", "restricted-dma-pool");
  return path;
}

void device(TestTree& tree, const std::string& name, const Cells& reg) {
  tree.add_node(kBridge, name).set(kBridge + ("/" + name), "reg", reg);
}

const Cells kSlot4 = {0x2000, 0, 0, 0, 0};
using T = TestTree;
using A = Addition;
constexpr ErrorName kConflict = ErrorName::kTreeConflict, kBad = ErrorName::kBadArgument;

INSTANTIATE_TEST_SUITE_P(
    Bridge, Refused,
    testing::Values(Refusal{"NoHostBridge",
                            [](T& t, A&) { t.remove_node(kBridge); },
                            ErrorName::kNotFound,
                            "base.dtb: /: no PCI host bridge",
                            {"QEMU's virt"}},
                    Refusal{"DisabledHostBridge",
                            [](T& t, A&) { t.set_text(kBridge, "status", "disabled"); },
                            ErrorName::kNotFound,
                            "base.dtb: /: no PCI host bridge",
                            {"enabled"}},
                    Refusal{"SeveralHostBridges",
                            [](T& t, A&) { second_bridge(t); },
                            kBad,
                            "base.dtb: /: the tree has 2 PCI host bridges",
                            {"/pcie@80000000", "/pcie@10000000", "--bridge PATH"}},
                    Refusal{"NoBridgeAtThatPath",
                            [](T&, A& a) { a.bridge = "/pcie@2"; },
                            ErrorName::kNotFound,
                            "base.dtb: /pcie@2: no PCI host bridge has this path",
                            {"--bridge may be /pcie@10000000"}},
                    Refusal{"BridgeWithOtherCells",
                            [](T& t, A&) { t.set(kBridge, "#address-cells", {2}); },
                            kConflict,
                            "base.dtb: /pcie@10000000: ",
                            {"'#address-cells' 3 and '#size-cells' 2", "correct the base tree"}},
                    Refusal{"BridgeWithoutSizeCells",
                            [](T& t, A&) { t.remove(kBridge, "#size-cells"); },
                            kConflict,
                            "base.dtb: /pcie@10000000: ",
                            {"'#size-cells' 2"}},
                    Refusal{"MalformedBusRange",
                            [](T& t, A&) {
                              t.set(kBridge, "bus-range", {9, 8});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'bus-range'",
                            {"correct the base tree"}},
                    Refusal{"IommuMap",
                            [](T& t, A&) {
                              t.set(kBridge, "iommu-map", {0, 0x8003, 0, 0x10000});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'iommu-map'",
                            {"Linux then ignores the pool", "without one"}},
                    Refusal{"Iommus",
                            [](T& t, A&) {
                              t.set(kBridge, "iommus", {0x8003, 0});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'iommus'",
                            {"Linux then ignores the pool"}},
                    Refusal{"OtherDmaRanges",
                            [](T& t, A&) {
                              t.set(kBridge, "dma-ranges", {0x02000000, 0, 0x40000000, 0, 0x40000000, 0, 0x20000000});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'dma-ranges'",
                            {"says otherwise", "remove the property"}},
                    Refusal{"EmptyDmaRangesWithTranslation",
                            [](T& t, A&) { t.set(kBridge, "dma-ranges", {}); },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'dma-ranges'",
                            {"says otherwise"}},
                    Refusal{"OtherDmaRangesWithoutTranslation",
                            [](T& t, A& a) {
                              a.pool[0].iova = Iova(0x50000000);
                              t.set(kBridge, "dma-ranges", {0x02000000, 0, 0, 0, 0x40000000, 0, 0x20000000});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'dma-ranges'",
                            {"says otherwise"}},
                    Refusal{"BridgeHasAnotherRegion",
                            [](T& t, A&) { t.set(kBridge, "memory-region", {0x8004}); },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'memory-region'",
                            {"remove the property"}},
                    Refusal{"BridgeHasAnotherRegionWhole",
                            [](T& t, A& a) {
                              a.user = WholeBridge{};
                              t.set(kBridge, "memory-region", {0x8004});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000: 'memory-region'",
                            {"remove the property"}},
                    Refusal{"TranslationAbove",
                            [](T& t, A&) {
                              t.add_node("/", "soc").set("/soc", "#address-cells", {2}).set("/soc", "#size-cells", {2});
                              t.set("/soc", "dma-ranges", {0, 0, 0, 0x40000000, 0, 0x20000000});
                              bridge_below(t, "/soc");
                            },
                            kConflict,
                            "base.dtb: /soc: 'dma-ranges'",
                            {"/soc/pcie@1", "make it empty"}},
                    Refusal{"MemoryAboveANarrowBus",
                            [](T& t, A&) {
                              t.memory({{Gpa(0x40000000), 512 * kMiB}, {Gpa(0x1'4000'0000), kGiB}});
                              t.add_node("/", "soc").set("/soc", "#address-cells", {1}).set("/soc", "#size-cells", {1});
                              bridge_below(t, "/soc");
                            },
                            kConflict,
                            "base.dtb: /soc: '#address-cells' is 1",
                            {"0x140000000", "/soc/pcie@1", "make the base tree with 2"}},
                    Refusal{"BusWithoutCells",
                            [](T& t, A&) {
                              t.add_node("/", "soc");
                              bridge_below(t, "/soc");
                            },
                            kConflict,
                            "base.dtb: /soc: '#address-cells' is missing",
                            {"expected 1 or 2"}}),
    [](const auto& info) { return std::string(info.param.what); });

INSTANTIATE_TEST_SUITE_P(
    Memory, Refused,
    testing::Values(Refusal{"NoMemory",
                            [](T& t, A&) { t.remove_node("/memory@40000000"); },
                            ErrorName::kNotFound,
                            "base.dtb: /: the tree names no memory",
                            {"dump it from the machine"}},
                    Refusal{"MalformedMemory",
                            [](T& t, A&) {
                              t.set("/memory@40000000", "reg", {0, 0x40000000, 0});
                            },
                            kConflict,
                            "base.dtb: /memory@40000000: 'reg' is 3 cells",
                            {"correct the base tree"}},
                    Refusal{"MemoryThatWraps",
                            [](T& t, A&) {
                              t.set("/memory@40000000", "reg", {~0u, 0xfff00000, 0, 0x200000});
                            },
                            kConflict,
                            "base.dtb: /memory@40000000: 'reg' has 0x200000 bytes at 0xfffffffffff00000",
                            {"correct the base tree"}},
                    Refusal{"RootWithThreeCells",
                            [](T& t, A&) { t.set("/", "#address-cells", {3}); },
                            kConflict,
                            "base.dtb: /: '#address-cells' is 3",
                            {"expected 1 or 2"}},
                    Refusal{"RootWithoutCells",
                            [](T& t, A&) { t.remove("/", "#size-cells"); },
                            kConflict,
                            "base.dtb: /: '#size-cells' is missing",
                            {"expected 1 or 2"}},
                    Refusal{"PoolOutsideRam",
                            [](T&, A& a) { a.pool[0].gpa = Gpa(0x5e000000); },
                            ErrorName::kOutOfRange,
                            "base.dtb: /: the pool 0x5e000000 to 0x61ffffff",
                            {"0x40000000 to 0x5fffffff", "move the pool"}},
                    Refusal{"PoolAcrossAHole",
                            [](T& t, A&) {
                              t.memory({{Gpa(0x40000000), 0x11000000}, {Gpa(0x52000000), 0x10000000}});
                            },
                            ErrorName::kOutOfRange,
                            "base.dtb: /: the pool 0x50000000 to 0x53ffffff",
                            {"move the pool"}},
                    Refusal{"UsableMemoryIsLess",
                            [](T& t, A&) {
                              t.set("/memory@40000000", "linux,usable-memory", {0, 0x40000000, 0, 0x1000000});
                            },
                            ErrorName::kOutOfRange,
                            "base.dtb: /: the pool",
                            {"0x40000000 to 0x40ffffff"}},
                    Refusal{"IovaInOtherRam",
                            [](T&, A& a) { a.pool[0].iova = Iova(0x44000000); },
                            kConflict,
                            "base.dtb: /: pool piece 0x50000000,0x44000000,0x4000000",
                            {"also those of guest memory", "map anew"}},
                    Refusal{"IovaInTheEndOfRam",
                            [](T&, A& a) { a.pool[0].iova = Iova(0x5ffc0000); },
                            kConflict,
                            "base.dtb: /: pool piece",
                            {"also those of guest memory"}},
                    Refusal{"IovaInThePoolItself",
                            [](T&, A& a) { a.pool[0].iova = Iova(0x50040000); },
                            kConflict,
                            "base.dtb: /: pool piece",
                            {"also those of guest memory"}},
                    Refusal{"ReservedMemoryWithOtherAddressCells",
                            [](T& t, A&) { reserved(t, 1, 2); },
                            kConflict,
                            "base.dtb: /reserved-memory: '#address-cells' and '#size-cells'",
                            {"not the root's 2 and 2", "correct the base tree"}},
                    Refusal{"ReservedMemoryWithOtherSizeCells",
                            [](T& t, A&) { reserved(t, 2, 1); },
                            kConflict,
                            "base.dtb: /reserved-memory: ",
                            {"not the root's 2 and 2"}},
                    Refusal{"ReservedMemoryWithoutRanges",
                            [](T& t, A&) { reserved(t).remove(kReserved, "ranges"); },
                            kConflict,
                            "base.dtb: /reserved-memory: an empty 'ranges' is expected",
                            {"correct the base tree"}},
                    Refusal{"ReservedMemoryThatTranslates",
                            [](T& t, A&) {
                              reserved(t).set(kReserved, "ranges", {0, 0, 0, 0, 0, 1});
                            },
                            kConflict,
                            "base.dtb: /reserved-memory: an empty 'ranges' is expected",
                            {}},
                    Refusal{"TwoReservedMemories",
                            [](T& t, A&) { reserved(t).add_node("/", "reserved-memory@1"); },
                            kConflict,
                            "base.dtb: /reserved-memory",
                            {"merge them"}},
                    Refusal{"ReservedRegionOverlaps",
                            [](T& t, A&) {
                              region(t, "fb@53ff0000", {0, 0x53ff0000, 0, 0x100000});
                            },
                            kConflict,
                            "base.dtb: /reserved-memory/fb@53ff0000: ",
                            {"0x53ff0000 to 0x540effff overlaps the pool", "move the pool"}},
                    Refusal{"SecondRangeOfAReservedRegionOverlaps",
                            [](T& t, A&) {
                              region(t, "two@1", {0, 0x41000000, 0, 0x1000, 0, 0x50000000, 0, 0x1000});
                            },
                            kConflict,
                            "base.dtb: /reserved-memory/two@1: ",
                            {"overlaps the pool"}},
                    Refusal{"ReservedRegionThatWrapsOverlaps",
                            [](T& t, A&) {
                              region(t, "all@0", {0, 0, ~0u, ~0u});
                            },
                            kConflict,
                            "base.dtb: /reserved-memory/all@0: ",
                            {"overlaps the pool"}},
                    Refusal{"APoolOfAnotherSizeOverlaps",
                            [](T& t, A&) {
                              t.set(pool_region(t), "reg", {0, 0x50000000, 0, 0x8000000});
                            },
                            kConflict,
                            "base.dtb: /reserved-memory/dma-pool@50000000: ",
                            {"overlaps the pool"}},
                    Refusal{"MalformedReservedRegion",
                            [](T& t, A&) {
                              region(t, "bad@1", {0, 1, 2});
                            },
                            kConflict,
                            "base.dtb: /reserved-memory/bad@1: 'reg' is 3 cells",
                            {"correct the base tree"}},
                    Refusal{"APoolThatLinuxRefuses",
                            [](T& t, A&) { t.set(pool_region(t), "no-map", {}); },
                            kConflict,
                            "base.dtb: /reserved-memory/dma-pool@50000000: this pool has 'no-map'",
                            {"remove the property"}},
                    Refusal{"APoolWithAnothersPhandle",
                            [](T& t, A&) { t.set(pool_region(t), "phandle", {0x8004}); },
                            kConflict,
                            "base.dtb: /reserved-memory/dma-pool@50000000: ",
                            {"'phandle'", "correct the base tree"}},
                    Refusal{"TheNameOfThePoolIsTaken",
                            [](T& t, A&) {
                              region(t, "dma-pool@50000000", {0, 0x41000000, 0, 0x1000});
                            },
                            kConflict,
                            "base.dtb: /reserved-memory/dma-pool@50000000: a node of this name",
                            {"rename or remove it"}},
                    Refusal{"MemreserveOverlaps",
                            [](T& t, A&) { t.reserve(0x4fff0000, 0x10001); },
                            kConflict,
                            "base.dtb: /: the memory reservation (/memreserve/) 0x4fff0000 to 0x50000000",
                            {"move the pool"}},
                    Refusal{"MemreserveThatWrapsOverlaps",
                            [](T& t, A&) { t.reserve(0x1000, ~uint64_t{0}); },
                            kConflict,
                            "base.dtb: /: the memory reservation (/memreserve/)",
                            {"move the pool"}}),
    [](const auto& info) { return std::string(info.param.what); });

INSTANTIATE_TEST_SUITE_P(
    Device, Refused,
    testing::Values(Refusal{"BehindAPort",
                            [](T&, A& a) { a.user = Rid(1, 0, 0); },
                            ErrorName::kNotSupported,
                            "base.dtb: /pcie@10000000: device 01:00.0 is not on the bridge's own bus 00",
                            {"addr=00.0"}},
                    Refusal{"SameSlotUnderAnotherName",
                            [](T& t, A&) { device(t, "nic@4", kSlot4); },
                            kConflict,
                            "base.dtb: /pcie@10000000/nic@4: this node has the slot of device 00:04.0",
                            {"rename it to dev@4,0"}},
                    Refusal{"SameNameForAnotherSlot",
                            [](T& t, A&) {
                              device(t, "dev@4,0", {0x2800, 0, 0, 0, 0});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@4,0: this node has the name of device 00:04.0",
                            {"correct or rename"}},
                    Refusal{"SameNameWithoutReg",
                            [](T& t, A&) { t.add_node(kBridge, "dev@4,0"); },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@4,0: this node has the name",
                            {"correct or rename"}},
                    Refusal{"SameNameWithAShortReg",
                            [](T& t, A&) { device(t, "dev@4,0", {0x2000}); },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@4,0: this node has the name",
                            {"correct or rename"}},
                    Refusal{"DeviceWithAnotherRegion",
                            [](T& t, A&) {
                              device(t, "dev@4,0", kSlot4);
                              t.set("/pcie@10000000/dev@4,0", "memory-region", {0x8004});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@4,0: 'memory-region'",
                            {"names other memory", "remove the property"}},
                    Refusal{"DeviceWithTwoRegions",
                            [](T& t, A&) {
                              t.set(pool_region(t), "phandle", {0x9001});
                              device(t, "dev@4,0", kSlot4);
                              t.set("/pcie@10000000/dev@4,0", "memory-region", {0x9001, 0x8004});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@4,0: 'memory-region'",
                            {"remove the property"}},
                    Refusal{"DisabledDevice",
                            [](T& t, A&) {
                              device(t, "dev@4,0", kSlot4);
                              t.set_text("/pcie@10000000/dev@4,0", "status", "disabled");
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@4,0: this node is disabled",
                            {"remove its 'status'"}},
                    Refusal{"DeviceBehindAnIommu",
                            [](T& t, A&) {
                              device(t, "dev@4,0", kSlot4);
                              t.set("/pcie@10000000/dev@4,0", "iommus", {0x8003, 0});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@4,0: 'iommus'",
                            {"remove the property"}},
                    Refusal{"WholeBridgeWithADeviceElsewhere",
                            [](T& t, A& a) {
                              a.user = WholeBridge{};
                              device(t, "dev@5,0", {0x2800, 0, 0, 0, 0});
                              t.set("/pcie@10000000/dev@5,0", "memory-region", {0x8004});
                            },
                            kConflict,
                            "base.dtb: /pcie@10000000/dev@5,0: 'memory-region'",
                            {"remove the property"}}),
    [](const auto& info) { return std::string(info.param.what); });

void pieces(Addition& a, std::vector<PoolPiece> pool) {
  a.pool = std::move(pool);
}
constexpr Gpa kGpa{0x50000000};
constexpr Iova kIova{0x8'0000'0000};

INSTANTIATE_TEST_SUITE_P(
    Pool, Refused,
    testing::Values(
        Refusal{"NoPieces", [](T&, A& a) { a.pool.clear(); }, kBad, "the pool has 0 pieces", {"expected 1 to 8192"}},
        Refusal{"TooManyPieces",
                [](T&, A& a) { a.pool.resize(8193); },
                kBad,
                "the pool has 8193 pieces",
                {"expected 1 to 8192"}},
        Refusal{"ZeroSize",
                [](T&, A& a) { a.pool[0].bytes = 0; },
                kBad,
                "pool piece 0x50000000,0x800000000,0x0",
                {"it is empty"}},
        Refusal{"NoMultipleOf256KiB",
                [](T&, A& a) { a.pool[0].bytes += 64 * kKiB; },
                kBad,
                "pool piece 0x50000000,0x800000000,0x4010000",
                {"multiple of 256 KiB", "round it down"}},
        Refusal{"GpaWraps",
                [](T&, A& a) { a.pool[0].gpa = Gpa(~uint64_t{0} - 0xfff); },
                kBad,
                "pool piece 0xfffffffffffff000",
                {"ends past the last 64-bit address"}},
        Refusal{"IovaWraps",
                [](T&, A& a) { a.pool[0].iova = Iova(~uint64_t{0} - 0xfff); },
                kBad,
                "pool piece 0x50000000,0xfffffffffffff000",
                {"ends past the last 64-bit address"}},
        Refusal{"IovaEndsAtTheLastAddress",
                [](T&, A& a) { a.pool[0].iova = Iova(0 - 64 * kMiB); },
                kBad,
                "pool piece",
                {"ends past the last 64-bit address"}},
        Refusal{"SizeWraps",
                [](T&, A& a) { a.pool[0].bytes = 0 - 256 * kKiB; },
                kBad,
                "pool piece",
                {"ends past the last 64-bit address"}},
        Refusal{"GpaOffAPage",
                [](T&, A& a) { a.pool[0].gpa = Gpa(0x50000800); },
                kBad,
                "pool piece",
                {"multiples of a page"}},
        Refusal{"IovaOffAPage",
                [](T&, A& a) { a.pool[0].iova = Iova(0x800000800); },
                kBad,
                "pool piece",
                {"multiples of a page"}},
        Refusal{"IovaAcross4GiB",
                [](T&, A& a) { a.pool[0].iova = Iova(0x8'fe00'0000); },
                kBad,
                "pool piece 0x50000000,0x8fe000000",
                {"cross a multiple of 4 GiB", "in two pieces"}},
        Refusal{"GapInGuestMemory",
                [](T&, A& a) {
                  pieces(a, {{kGpa, kIova, kMiB}, {kGpa + 2 * kMiB, kIova + 2 * kMiB, kMiB}});
                },
                kBad,
                "pool piece 0x50200000",
                {"expected GPA 0x50100000", "side by side"}},
        Refusal{"OverlapInGuestMemory",
                [](T&, A& a) {
                  pieces(a, {{kGpa, kIova, kMiB}, {kGpa + 512 * kKiB, kIova + 2 * kMiB, kMiB}});
                },
                kBad,
                "pool piece 0x50080000",
                {"expected GPA 0x50100000"}},
        Refusal{"OverlapOfBusAddresses",
                [](T&, A& a) {
                  pieces(a, {{kGpa, kIova, kMiB}, {kGpa + kMiB, kIova + 512 * kKiB, kMiB}});
                },
                kBad,
                "pool piece 0x50100000,0x800080000",
                {"overlap those of pool piece 0x50000000,0x800000000"}},
        Refusal{"NotCongruent",
                [](T&, A& a) {
                  pieces(a, {{kGpa, kIova, kMiB}, {kGpa + kMiB, kIova + 2 * kMiB + 4 * kKiB, kMiB}});
                },
                kBad,
                "pool piece 0x50100000,0x800201000",
                {"lies at 0x1000 in its 64 KiB", "equal alignment"}}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Refused, WhatIsNoTree) {
  struct Case {
    const char* what;
    Blob bytes;
    const char* part;
  };
  Blob magic = virt_tree(), huge = virt_tree(), old = virt_tree();
  magic[0] = 0;
  huge.resize(kTreeBytesMax + 1);
  old[23] = 3, old[27] = 2;
  const Case cases[] = {
      {"empty", {}, "it has only 0 bytes"},
      {"short", Blob(20, 0), "it has only 20 bytes"},
      {"magic", magic, "FDT_ERR_BADMAGIC"},
      {"truncated", Blob(virt_tree().begin(), virt_tree().end() - 1), "ends after 7471"},
      {"huge", huge, "16777217 bytes are more than a device tree may have here (16 MiB)"},
      {"old", old, "its version 3 is older than 16"},
  };
  for (const Case& c : cases) {
    const auto out = merge(c.bytes, recipe_addition(), "base.dtb");
    ASSERT_FALSE(out) << c.what;
    EXPECT_EQ(out.error().name, ErrorName::kFileCorrupt) << c.what;
    EXPECT_THAT(out.error().sentence, StartsWith("base.dtb: ")) << c.what;
    EXPECT_THAT(out.error().sentence, HasSubstr(c.part)) << c.what;
  }
}

}  // namespace
}  // namespace dartboard::devicetree
