// tests/model/config_space_test.cpp - header registers, capability chains, access of any width.
#include "model/config_space.h"

#include <gtest/gtest.h>

#include <set>

#include "model/capabilities.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model {
namespace {

constexpr HeaderIdentity kIdentity{0x1b36, 0x00db, 3, 0x12'0000, 0, 1};

TEST(ConfigSpace, EveryHeaderRegisterHasItsDeclaredAccess) {
  ConfigSpace config(kType0Header, kIdentity);
  test::expect_declared_access(config.file());
}

TEST(ConfigSpace, PartialWritesOfHeaderRegisters) {
  ConfigSpace config(kType0Header, kIdentity);
  test::expect_partial_writes(config.file());
}

TEST(ConfigSpace, HeaderResets) {
  ConfigSpace config(kType0Header, kIdentity);
  test::expect_declared_resets(config.file());
}

TEST(ConfigSpace, IdentityIsReadableAtEveryWidth) {
  ConfigSpace config(kType0Header, kIdentity);
  EXPECT_EQ(config.read(0, 4), 0x00db'1b36u);
  EXPECT_EQ(config.read(2, 2), 0x00dbu);
  EXPECT_EQ(config.read(1, 1), 0x1bu);
  EXPECT_EQ(config.read(8, 4), 0x1200'0003u);
  EXPECT_EQ(config.read(0x0b, 1), 0x12u);
  EXPECT_EQ(config.read(0x3d, 1), 1u);
}

TEST(ConfigSpace, WritesToReadOnlyRegistersAreIgnored) {
  ConfigSpace config(kType0Header, kIdentity);
  for (const uint32_t offset : {0x00u, 0x08u, 0x28u, 0x2cu, 0x30u, 0x34u, 0x38u, 0x40u, 0xffcu}) {
    const uint64_t before = config.read(offset, 4);
    config.write(offset, 0xffff'ffff, 4);
    EXPECT_EQ(config.read(offset, 4), before) << offset;
  }
}

TEST(ConfigSpace, AnAbsentRomReadsZeroWhenSized) {
  ConfigSpace config(kType0Header, kIdentity);
  config.write(cfg::kRomBar, 0xffff'f800, 4);
  EXPECT_EQ(config.read(cfg::kRomBar, 4), 0u);
}

TEST(ConfigSpace, StatusBitsAreClearedOneByOneAndCommandIsKept) {
  ConfigSpace config(kType0Header, kIdentity);
  config.write(cfg::kCommand, 0x0006, 2);
  config.set_status(cfg::kStatusReceivedMasterAbort | cfg::kStatusReceivedTargetAbort);
  // A dword read-modify-write of Command must not clear what it wrote back as 0.
  config.write(cfg::kCommand, 0x2000'0006, 4);
  EXPECT_EQ(config.status() & 0xf900, cfg::kStatusReceivedTargetAbort);
  EXPECT_EQ(config.command(), 0x0006);
}

TEST(ConfigSpace, CommandHasNoBitsThatPcieDoesNotHave) {
  ConfigSpace config(kType0Header, kIdentity);
  config.write(cfg::kCommand, 0xffff, 2);
  EXPECT_EQ(config.command(), 0x0547);
}

TEST(ConfigSpace, OutsideTheFourKiBReadsZero) {
  ConfigSpace config(kType0Header, kIdentity);
  config.write(0x1000, 0xffff'ffff, 4);
  EXPECT_EQ(config.read(0x1000, 4), 0u);
  EXPECT_EQ(config.read(0xffff'fff0, 4), 0u);
}

TEST(ConfigSpace, WithoutCapabilitiesBothChainsAreEmpty) {
  ConfigSpace config(kType0Header, kIdentity);
  EXPECT_EQ(config.read(cfg::kCapabilitiesPointer, 1), 0u);
  EXPECT_EQ(config.status() & cfg::kStatusCapabilities, 0);
  EXPECT_EQ(config.read(kFirstExtendedOffset, 4), 0u);
  EXPECT_EQ(config.find_capability(pcie::kId), 0u);
  EXPECT_EQ(config.find_extended_capability(aer::kId), 0u);
}

ConfigSpace with_all_capabilities() {
  ConfigSpace config(kType0Header, kIdentity);
  for (const auto* c : {&kPowerManagementCapability, &kMsiCapability, &kPcieEndpointCapability, &kMsixCapability,
                        &kVendorCapability, &kAerCapability, &kSerialNumberCapability}) {
    config.add_capability(*c);
  }
  return config;
}

TEST(ConfigSpace, StandardChainIsAcyclicTerminatedAndInTheFirst256Bytes) {
  ConfigSpace config = with_all_capabilities();
  std::set<uint64_t> seen;
  std::set<uint64_t> ids;
  uint64_t at = config.read(cfg::kCapabilitiesPointer, 1);
  while (at != 0) {
    ASSERT_TRUE(seen.insert(at).second) << "loop at " << at;
    ASSERT_GE(at, 0x40u);
    ASSERT_LT(at, 0x100u);
    ASSERT_EQ(at % 4, 0u);
    ids.insert(config.read(static_cast<uint32_t>(at), 1));
    at = config.read(static_cast<uint32_t>(at) + 1, 1);
  }
  EXPECT_EQ(ids, (std::set<uint64_t>{pm::kId, msi::kId, vendor::kId, pcie::kId, msix::kId}));
}

TEST(ConfigSpace, ExtendedChainStartsAt100hAndTerminates) {
  ConfigSpace config = with_all_capabilities();
  std::set<uint64_t> seen;
  std::set<uint64_t> ids;
  uint64_t at = kFirstExtendedOffset;
  while (at != 0) {
    ASSERT_TRUE(seen.insert(at).second) << "loop at " << at;
    ASSERT_GE(at, kFirstExtendedOffset);
    const uint64_t header = config.read(static_cast<uint32_t>(at), 4);
    ids.insert(header & 0xffff);
    EXPECT_NE((header >> 16) & 0xf, 0u) << "version";
    at = header >> 20;
  }
  EXPECT_EQ(ids, (std::set<uint64_t>{aer::kId, serial::kId}));
}

TEST(ConfigSpace, CapabilitiesAreFoundByWalking) {
  ConfigSpace config = with_all_capabilities();
  for (const auto& placed : config.capabilities()) {
    const uint32_t found = placed.decl.extended ? config.find_extended_capability(placed.decl.id)
                                                : config.find_capability(static_cast<uint8_t>(placed.decl.id));
    EXPECT_EQ(found, placed.offset) << placed.decl.name;
  }
  EXPECT_EQ(config.find_capability(0x0d), 0u);
  EXPECT_EQ(config.find_extended_capability(0x0010), 0u);
}

TEST(ConfigSpace, ChainsSurviveEveryReset) {
  ConfigSpace config = with_all_capabilities();
  for (const ResetKind kind : test::kResetKinds) {
    config.reset(kind);
    EXPECT_NE(config.find_capability(vendor::kId), 0u) << static_cast<int>(kind);
    EXPECT_NE(config.find_extended_capability(serial::kId), 0u) << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace dartboard::model
