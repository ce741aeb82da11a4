// tests/devicetree/recipe_test.cpp - the emitted tree is the one that was booted, and nothing of the base tree is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libfdt.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "support.h"

namespace dartboard::devicetree {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAreArray;
using Lines = std::vector<std::string>;

constexpr const char* kPool = "/reserved-memory/dma-pool@50000000";
constexpr const char* kBridge = "/pcie@10000000";
constexpr const char* kDevice = "/pcie@10000000/dev@4,0";

Merged merged(const Blob& base, const Addition& addition = recipe_addition()) {
  auto result = merge(base, addition, "base.dtb");
  EXPECT_TRUE(result) << result.error().sentence;
  return result ? std::move(*result) : Merged{};
}

/// What `after` has and `before` has not. Fails if a line of `before` is gone or has moved against another.
Lines added(const Blob& before, const Blob& after) {
  const Lines old_lines = lines_of(before);
  Lines out;
  size_t next = 0;
  for (const std::string& line : lines_of(after)) {
    if (next < old_lines.size() && line == old_lines[next]) {
      ++next;
    } else {
      out.push_back(line);
    }
  }
  EXPECT_EQ(next, old_lines.size()) << "lost or moved: " << (next < old_lines.size() ? old_lines[next] : "");
  return out;
}

/// The recipe, written out.
Lines pool_lines() {
  return {std::string(kPool) + " {", text_line(kPool, "compatible", "restricted-dma-pool"),
          cells_line(kPool, "reg", {0x0, 0x50000000, 0x0, 0x4000000}), cells_line(kPool, "phandle", {0x9001})};
}
Lines reserved_memory_lines() {
  return {"/reserved-memory {", cells_line("/reserved-memory", "#address-cells", {2}),
          cells_line("/reserved-memory", "#size-cells", {2}), "/reserved-memory ranges = "};
}
Lines windows_lines() {
  return {cells_line(kBridge, "dma-ranges", {0x02000000, 0x8, 0x0,        0x0, 0x50000000, 0x0, 0x4000000,   //
                                             0x02000000, 0x0, 0x40000000, 0x0, 0x40000000, 0x0, 0x10000000,  //
                                             0x02000000, 0x0, 0x54000000, 0x0, 0x54000000, 0x0, 0x0c000000})};
}
Lines device_lines() {
  return {std::string(kDevice) + " {", cells_line(kDevice, "reg", {0x2000, 0, 0, 0, 0}),
          cells_line(kDevice, "memory-region", {0x9001})};
}
Lines operator+(Lines a, const Lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Recipe, IsWhatWasBootedValueByValue) {
  const Merged out = merged(virt_tree());
  EXPECT_THAT(added(virt_tree(), out.dtb),
              UnorderedElementsAreArray(reserved_memory_lines() + pool_lines() + windows_lines() + device_lines()));
  EXPECT_EQ(fdt_check_full(out.dtb.data(), out.dtb.size()), 0);
}

TEST(Recipe, TheReportSaysWhatWasAdded) {
  const Merged out = merged(virt_tree());
  EXPECT_EQ(out.bridge, kBridge);
  EXPECT_EQ(out.pool_node, kPool);
  EXPECT_EQ(out.user_node, kDevice);
  EXPECT_EQ(out.phandle, 0x9001u);
  EXPECT_EQ(out.pool, (GpaRange{Gpa(0x50000000), 64 * kMiB}));
  EXPECT_THAT(out.windows, ElementsAre(DmaWindow{Iova(0x8'0000'0000), Gpa(0x50000000), 64 * kMiB},
                                       DmaWindow{Iova(0x40000000), Gpa(0x40000000), 256 * kMiB},
                                       DmaWindow{Iova(0x54000000), Gpa(0x54000000), 192 * kMiB}));
  EXPECT_TRUE(out.pool_added && out.user_added && out.windows_added);
  EXPECT_THAT(out.notes, IsEmpty());
}

TEST(Recipe, WholeBridgePutsTheRegionOnTheBridge) {
  Addition addition = recipe_addition();
  addition.user = WholeBridge{};
  const Merged out = merged(virt_tree(), addition);
  EXPECT_THAT(added(virt_tree(), out.dtb),
              UnorderedElementsAreArray(reserved_memory_lines() + pool_lines() + windows_lines() +
                                        Lines{cells_line(kBridge, "memory-region", {0x9001})}));
  EXPECT_EQ(out.user_node, kBridge);
  EXPECT_THAT(out.notes, ElementsAre(HasSubstr("every device behind the bridge")));
}

TEST(Recipe, EqualAddressesNeedNoDmaRanges) {
  Addition addition = recipe_addition();
  addition.pool[0].iova = Iova(0x50000000);
  const Merged out = merged(virt_tree(), addition);
  EXPECT_THAT(added(virt_tree(), out.dtb),
              UnorderedElementsAreArray(reserved_memory_lines() + pool_lines() + device_lines()));
  EXPECT_FALSE(out.windows_added);
}

TEST(Recipe, PiecesStandInTheOrderOfTheirGuestAddresses) {
  Addition addition = recipe_addition();
  addition.pool = {{Gpa(0x50200000), Iova(0x9'0000'0000), 2 * kMiB}, {Gpa(0x50000000), Iova(0x20'4000'0000), 2 * kMiB}};
  const Merged out = merged(virt_tree(), addition);
  EXPECT_THAT(
      added(virt_tree(), out.dtb),
      IsSupersetOf({cells_line(kBridge, "dma-ranges", {0x02000000, 0x20, 0x40000000, 0x0, 0x50000000, 0x0, 0x200000,  //
                                                       0x02000000, 0x9,  0x0,        0x0, 0x50200000, 0x0, 0x200000,  //
                                                       0x02000000, 0x0,  0x40000000, 0x0, 0x40000000, 0x0, 0x10000000,
                                                       0x02000000, 0x0,  0x50400000, 0x0, 0x50400000, 0x0, 0x0fc00000}),
                    cells_line(kPool, "reg", {0x0, 0x50000000, 0x0, 0x400000})}));
}

TEST(Recipe, BanksThatTouchAreOneMemory) {
  // Two NUMA nodes of QEMU, the second one first, and a pool across their border.
  const Blob base = TestTree().memory({{Gpa(0x52000000), 0x0e000000}, {Gpa(0x40000000), 0x12000000}}).bytes();
  EXPECT_THAT(added(base, merged(base).dtb), IsSupersetOf(windows_lines()));
}

TEST(Recipe, TheSlotIsInNameAndReg) {
  Addition addition = recipe_addition();
  addition.user = Rid(0, 0x1f, 7);
  EXPECT_THAT(added(virt_tree(), merged(virt_tree(), addition).dtb),
              IsSupersetOf({cells_line("/pcie@10000000/dev@1f,7", "reg", {0xff00, 0, 0, 0, 0})}));
  // A bridge whose first bus is not 0.
  const Blob base = TestTree().set(kBridge, "bus-range", {0x20, 0x3f}).bytes();
  addition.user = Rid(0x20, 4, 1);
  EXPECT_THAT(added(base, merged(base, addition).dtb),
              IsSupersetOf({cells_line("/pcie@10000000/dev@4,1", "reg", {0x202100, 0, 0, 0, 0})}));
}

TEST(Merge, ASecondTimeChangesNothing) {
  const Merged once = merged(virt_tree());
  const Merged twice = merged(once.dtb);
  EXPECT_EQ(once.dtb, twice.dtb);
  EXPECT_FALSE(twice.pool_added || twice.user_added || twice.windows_added);
  EXPECT_EQ(twice.phandle, once.phandle);
}

TEST(Merge, AnotherDeviceSharesThePool) {
  const Merged first = merged(virt_tree());
  Addition addition = recipe_addition();
  addition.user = Rid(0, 5, 0);
  const Merged second = merged(first.dtb, addition);
  EXPECT_THAT(added(first.dtb, second.dtb),
              UnorderedElementsAreArray({std::string("/pcie@10000000/dev@5,0 {"),
                                         cells_line("/pcie@10000000/dev@5,0", "reg", {0x2800, 0, 0, 0, 0}),
                                         cells_line("/pcie@10000000/dev@5,0", "memory-region", {0x9001})}));
  addition.user = WholeBridge{};
  EXPECT_THAT(added(second.dtb, merged(second.dtb, addition).dtb),
              ElementsAre(cells_line(kBridge, "memory-region", {0x9001})));
}

TEST(Merge, ADeviceNodeThatIsThereGetsTheRegion) {
  const Blob base = TestTree()
                        .add_node(kBridge, "dev@4,0")
                        .set_text(kDevice, "label", "kept")
                        .set(kDevice, "reg", {0x2000, 0, 0, 0, 0})
                        .bytes();
  const Merged out = merged(base);
  EXPECT_THAT(added(base, out.dtb), UnorderedElementsAreArray(reserved_memory_lines() + pool_lines() + windows_lines() +
                                                              Lines{cells_line(kDevice, "memory-region", {0x9001})}));
}

/// A base with a reserved region of somebody else.
TestTree with_reserved_memory() {
  TestTree tree;
  tree.add_node("/", "reserved-memory")
      .set("/reserved-memory", "#address-cells", {2})
      .set("/reserved-memory", "#size-cells", {2})
      .set("/reserved-memory", "ranges", {})
      .add_node("/reserved-memory", "ramoops@48000000")
      .set("/reserved-memory/ramoops@48000000", "reg", {0, 0x48000000, 0, 0x100000})
      .set("/reserved-memory/ramoops@48000000", "phandle", {0x9001})
      .add_node("/reserved-memory", "anywhere")
      .set("/reserved-memory/anywhere", "size", {0, 0x100000});
  return tree;
}

TEST(Merge, ReservedMemoryThatIsThereIsUsed) {
  const Blob base = with_reserved_memory().bytes();
  const Merged out = merged(base);
  EXPECT_EQ(out.phandle, 0x9002u) << "0x9001 is taken";
  EXPECT_THAT(
      added(base, out.dtb),
      UnorderedElementsAreArray(Lines{std::string(kPool) + " {", text_line(kPool, "compatible", "restricted-dma-pool"),
                                      cells_line(kPool, "reg", {0x0, 0x50000000, 0x0, 0x4000000}),
                                      cells_line(kPool, "phandle", {0x9002})} +
                                windows_lines() +
                                Lines{std::string(kDevice) + " {", cells_line(kDevice, "reg", {0x2000, 0, 0, 0, 0}),
                                      cells_line(kDevice, "memory-region", {0x9002})}));
  EXPECT_EQ(merged(out.dtb).dtb, out.dtb);
}

TEST(Merge, APoolOfTheSameRangeIsUsedUnderItsOwnName) {
  const std::string path = "/reserved-memory/bounce@50000000";
  TestTree tree = with_reserved_memory();
  tree.add_node("/reserved-memory", "bounce@50000000")
      .set(path, "reg", {0, 0x50000000, 0, 0x4000000})
      .set_text(path, "compatible", "restricted-dma-pool");
  const Blob without_phandle = tree.bytes();
  const Merged first = merged(without_phandle);
  EXPECT_EQ(first.pool_node, path);
  EXPECT_FALSE(first.pool_added);
  EXPECT_THAT(added(without_phandle, first.dtb), IsSupersetOf({cells_line(path, "phandle", {0x9002})}));

  const Blob with_phandle = tree.set(path, "phandle", {0x77}).bytes();
  EXPECT_THAT(added(with_phandle, merged(with_phandle).dtb),
              IsSupersetOf({cells_line(kDevice, "memory-region", {0x77})}));
}

TEST(Merge, ADisabledReservationIsNobodys) {
  TestTree tree = with_reserved_memory();
  tree.add_node("/reserved-memory", "old@51000000")
      .set("/reserved-memory/old@51000000", "reg", {0, 0x51000000, 0, 0x100000})
      .set_text("/reserved-memory/old@51000000", "status", "disabled");
  EXPECT_TRUE(merge(tree.bytes(), recipe_addition(), "base.dtb"));
}

TEST(Merge, ReservationsBootCpuAndUnknownNodesStay) {
  const Blob base = TestTree()
                        .reserve(0x41000000, 0x10000)
                        .reserve(0x5f000000, 0x1000)
                        .boot_cpu(3)
                        .add_node("/", "zz-unknown")
                        .set_bytes("/zz-unknown", "odd", "\x01\x02\x03")
                        .add_node("/zz-unknown", "deep")
                        .bytes();
  const Merged out = merged(base);
  const Lines after = lines_of(out.dtb);
  EXPECT_EQ(added(base, out.dtb).size(), added(virt_tree(), merged(virt_tree()).dtb).size());
  EXPECT_THAT(after, IsSupersetOf({"boot cpu 3", "reserve 0x41000000 0x10000", "reserve 0x5f000000 0x1000",
                                   "/zz-unknown odd = 010203", "/zz-unknown/deep {"}));
}

TEST(Merge, AVersion16TreeAndATreeWithSpaceLeftAreBasesToo) {
  Blob old = virt_tree();
  fdt_set_version(old.data(), 16);
  EXPECT_EQ(lines_of(merged(old).dtb), lines_of(merged(virt_tree()).dtb));
  Blob padded = virt_tree();
  padded.resize(1 << 20);  // what QEMU writes
  fdt_set_totalsize(padded.data(), static_cast<uint32_t>(padded.size()));
  EXPECT_EQ(lines_of(merged(padded).dtb), lines_of(merged(virt_tree()).dtb));
  Blob longer = virt_tree();
  longer.resize(longer.size() + 999, 0xa5);  // bytes that are not the tree's
  EXPECT_EQ(merged(longer).dtb, merged(virt_tree()).dtb);
}

TEST(Merge, TheChosenBridgeOfTwoGetsIt) {
  TestTree tree;
  tree.add_node("/", "pcie@80000000")
      .set("/pcie@80000000", "#address-cells", {3})
      .set("/pcie@80000000", "#size-cells", {2})
      .set_text("/pcie@80000000", "device_type", "pci");
  Addition addition = recipe_addition();
  addition.bridge = "/pcie@80000000";
  const Merged out = merged(tree.bytes(), addition);
  EXPECT_EQ(out.user_node, "/pcie@80000000/dev@4,0");
  EXPECT_THAT(out.notes, ElementsAre(HasSubstr("/pcie@80000000 is not 'dma-coherent'")));
}

TEST(Merge, ABridgeThatIsDisabledOrBelowAnotherIsNoHostBridge) {
  TestTree tree;
  tree.add_node("/", "pcie@80000000")
      .set_text("/pcie@80000000", "device_type", "pci")
      .set_text("/pcie@80000000", "status", "disabled")
      .add_node(kBridge, "pci@1,0")
      .set("/pcie@10000000/pci@1,0", "reg", {0x800, 0, 0, 0, 0})
      .set_text("/pcie@10000000/pci@1,0", "device_type", "pci");
  EXPECT_EQ(merged(tree.bytes()).bridge, kBridge);
}

TEST(Merge, APoolThatIsNotWellAlignedWorksWithANote) {
  Addition addition = recipe_addition();
  addition.pool[0].gpa = Gpa(0x50001000);
  EXPECT_THAT(merged(virt_tree(), addition).notes, ElementsAre(HasSubstr("a multiple of 2 MiB is best")));
}

TEST(Merge, ABusOfOneCellGetsNarrowWindows) {
  TestTree tree;
  tree.add_node("/", "soc")
      .set("/soc", "#address-cells", {1})
      .set("/soc", "#size-cells", {1})
      .set("/soc", "dma-ranges", {})
      .set("/soc", "ranges", {})
      .add_node("/soc", "pcie@80000000")
      .set("/soc/pcie@80000000", "#address-cells", {3})
      .set("/soc/pcie@80000000", "#size-cells", {2})
      .set_text("/soc/pcie@80000000", "device_type", "pci");
  Addition addition = recipe_addition();
  addition.bridge = "/soc/pcie@80000000";
  EXPECT_THAT(lines_of(merged(tree.bytes(), addition).dtb),
              IsSupersetOf({cells_line("/soc/pcie@80000000", "dma-ranges",
                                       {0x02000000, 0x8, 0x0, 0x50000000, 0x0, 0x4000000,          //
                                        0x02000000, 0x0, 0x40000000, 0x40000000, 0x0, 0x10000000,  //
                                        0x02000000, 0x0, 0x54000000, 0x54000000, 0x0, 0x0c000000})}));
}

/// Runs dtc on `tree` as source and gives its warnings without places, sorted. The compiled tree comes back in
/// `compiled`.
Lines dtc_warnings(const Blob& tree, Blob* compiled) {
  const std::string stem = testing::TempDir() + "dartboard-devicetree-" + std::to_string(getpid());
  const std::string in = stem + ".dtb", source = stem + ".dts", out = stem + ".out.dtb", text = stem + ".txt";
  std::FILE* file = std::fopen(in.c_str(), "wb");
  std::fwrite(tree.data(), 1, tree.size(), file);
  std::fclose(file);
  const std::string dtc = DARTBOARD_DTC;
  EXPECT_EQ(std::system(fmt::format("'{}' -I dtb -O dts -o '{}' '{}' 2>'{}' && '{}' -I dts -O dtb -o '{}' '{}' 2>>'{}'",
                                    dtc, source, in, text, dtc, out, source, text)
                            .c_str()),
            0);
  Lines warnings;
  char line[4096];
  file = std::fopen(text.c_str(), "r");
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const std::string whole = line;
    warnings.push_back(whole.substr(std::min(whole.find("Warning"), whole.size())));
  }
  std::fclose(file);
  std::sort(warnings.begin(), warnings.end());
  compiled->resize(1 << 20);
  file = std::fopen(out.c_str(), "rb");
  compiled->resize(std::fread(compiled->data(), 1, compiled->size(), file));
  std::fclose(file);
  for (const std::string& name : {in, source, out, text}) std::remove(name.c_str());
  return warnings;
}

TEST(Dtc, RecompilesToTheSameWithoutANewWarning) {
  Blob base, compiled;
  const Lines before = dtc_warnings(virt_tree(), &base);
  EXPECT_FALSE(before.empty()) << "the base is known to have warnings; if none are seen, none are read";
  for (const bool whole_bridge : {false, true}) {
    Addition addition = recipe_addition();
    if (whole_bridge) addition.user = WholeBridge{};
    const Merged out = merged(virt_tree(), addition);
    EXPECT_EQ(dtc_warnings(out.dtb, &compiled), before);
    EXPECT_EQ(lines_of(compiled), lines_of(out.dtb));
  }
}

}  // namespace
}  // namespace dartboard::devicetree
