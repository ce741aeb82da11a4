// tests/backend/capability_list_test.cpp - lists of devices that are broken or mean it.
#include "backend/capability_list.h"

#include <gtest/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

std::shared_ptr<FakeDevice> with_list(std::initializer_list<std::pair<uint16_t, uint32_t>> headers) {
  auto d = std::make_shared<FakeDevice>();
  d->put(0x06, 2, 0x10);
  d->put(0x34, 1, headers.begin()->first);
  for (const auto& [offset, header] : headers) d->put(offset, 4, header);
  return d;
}

CapabilityLists walk(const std::shared_ptr<FakeDevice>& d) {
  FakeClient client(d);
  auto lists = walk_capabilities(client);
  EXPECT_TRUE(lists);
  return lists ? *lists : CapabilityLists{};
}

TEST(CapabilityList, SelfLoopIsCutWithANote) {
  const auto lists = walk(with_list({{0x40, 0x00004001}}));
  EXPECT_EQ(lists.standard.size(), 1u);
  ASSERT_EQ(lists.notes.size(), 1u);
  EXPECT_NE(lists.notes[0].find("loops back to 0x40"), std::string::npos);
}

TEST(CapabilityList, LongLoopIsCut) {
  const auto lists = walk(with_list({{0x40, 0x00005001}, {0x50, 0x00006009}, {0x60, 0x00004003}}));
  EXPECT_EQ(lists.standard.size(), 3u);
  EXPECT_EQ(lists.notes.size(), 1u);
}

TEST(CapabilityList, PointerIntoTheHeaderIsCut) {
  const auto lists = walk(with_list({{0x40, 0x00001001}}));
  EXPECT_EQ(lists.standard.size(), 1u);
  EXPECT_EQ(lists.notes.size(), 1u);
}

TEST(CapabilityList, PointerIntoAllOnesIsCut) {
  const auto lists = walk(with_list({{0x40, 0x00008001}, {0x80, 0xffffffff}}));
  EXPECT_EQ(lists.standard.size(), 1u);
  EXPECT_EQ(lists.notes.size(), 1u);
}

TEST(CapabilityList, EveryPositionAChainCanHaveIsVisitedAtMostOnce) {
  auto d = std::make_shared<FakeDevice>();
  d->put(0x06, 2, 0x10);
  d->put(0x34, 1, 0x40);
  for (unsigned at = 0x40; at < 0x100; at += 4)
    d->put(static_cast<uint16_t>(at), 4, 0x00000000u | ((at + 4) << 8 & 0xff00));
  const auto lists = walk(d);
  EXPECT_EQ(lists.standard.size(), 48u);
}

TEST(CapabilityList, ExtendedLoopIsCutWithANote) {
  auto d = with_list({{0x40, 0x00020010}});
  d->put(0x100, 4, 0x20010003);
  d->put(0x200, 4, 0x10010002);
  const auto lists = walk(d);
  EXPECT_EQ(lists.extended.size(), 2u);
  EXPECT_EQ(lists.notes.size(), 1u);
}

TEST(CapabilityList, ExtendedPointerBelow0x100IsCut) {
  auto d = with_list({{0x40, 0x00020010}});
  d->put(0x100, 4, 0x04010003);
  const auto lists = walk(d);
  EXPECT_EQ(lists.extended.size(), 1u);
  EXPECT_EQ(lists.notes.size(), 1u);
}

TEST(CapabilityList, NoTwoCapabilitiesOwnAByte) {
  // A vendor capability that claims to be 0xff bytes long lies over MSI, MSI-X and PCIe.
  auto d = with_list({{0x40, 0x00ff5009}, {0x50, 0x01867005}, {0x70, 0x000f9011}, {0x90, 0x00020010}});
  const auto lists = walk(d);
  std::array<int, 4096> owners{};
  for (const Capability& c : lists.standard) {
    for (unsigned i = 0; i < c.bytes; ++i) ASSERT_EQ(++owners[c.offset + i], 1);
  }
  EXPECT_EQ(lists.standard[0].bytes, 16) << "cut where MSI starts";
  EXPECT_NE(lists.standard[0].note, "");
}

TEST(CapabilityList, VendorLengthOverMsiDoesNotLetTheGuestReachIt) {
  auto d = with_list({{0x40, 0x00ff5009}, {0x50, 0x01860005}});
  auto device = open_fake(d);
  cfg_write(*device, 0x54, 4, 0xfffff000);
  EXPECT_TRUE(d->config_writes().empty());
}

TEST(CapabilityList, ACapabilityInsideAnotherIsHidden) {
  auto d = with_list({{0x50, 0x01865405}, {0x54, 0x00100009}});  // vendor inside MSI
  const auto lists = walk(d);
  EXPECT_FALSE(lists.standard[0].hidden);
  EXPECT_TRUE(lists.standard[1].hidden);
}

TEST(CapabilityList, ARegisterStructureThatDoesNotFitIsHidden) {
  const auto lists = walk(with_list({{0xf8, 0x01860005}}));  // 24 bytes of MSI in 8
  ASSERT_EQ(lists.standard.size(), 1u);
  EXPECT_TRUE(lists.standard[0].hidden);
  EXPECT_EQ(lists.find(kCapMsi), nullptr);
}

TEST(CapabilityList, TheSecondOfAKindIsHidden) {
  const auto lists = walk(with_list({{0x40, 0x00005001}, {0x50, 0x00000001}}));
  EXPECT_FALSE(lists.standard[0].hidden);
  EXPECT_TRUE(lists.standard[1].hidden);
}

TEST(CapabilityList, AfterACutTheUnownedBytesAreReadOnly) {
  auto d = with_list({{0x40, 0x00004001}});
  auto device = open_fake(d);
  cfg_write(*device, 0x80, 4, 0xfee00000);
  EXPECT_TRUE(d->config_writes().empty());
}

TEST(CapabilityList, CutsAreVisibleInInspect) {
  auto d = with_list({{0x40, 0x00004001}});
  auto device = open_fake(d);
  InspectNode root;
  device->inspect(root);
  bool seen = false;
  for (const InspectNode& part : root.children) {
    for (const InspectNode& child : part.children) seen |= child.name == "note";
  }
  EXPECT_TRUE(seen);
}

TEST(CapabilityList, WithoutTheStatusBitThereIsNoList) {
  auto d = with_list({{0x40, 0x00000001}});
  d->put(0x06, 2, 0);
  EXPECT_TRUE(walk(d).standard.empty());
}

}  // namespace
}  // namespace dartboard::backend
