// tests/model/capabilities_test.cpp - every capability's registers against their declarations, and the values that
// the specification fixes.
#include "model/capabilities.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/model/register_conformance.h"

namespace dartboard::model {
namespace {

class Capability : public testing::TestWithParam<const CapabilityDecl*> {
 protected:
  Capability() : config_(kType0Header, {0x1b36, 0x00db}), at_(config_.add_capability(*GetParam())) {}
  ConfigSpace config_;
  uint32_t at_;
};

TEST_P(Capability, RegistersHaveTheirDeclaredAccess) { test::expect_declared_access(config_.file()); }
TEST_P(Capability, PartialWritesTouchOnlyTheirBytes) { test::expect_partial_writes(config_.file()); }
TEST_P(Capability, ResetsFollowTheMatrix) { test::expect_declared_resets(config_.file()); }

TEST_P(Capability, RegistersLieBehindTheHeaderAndInsideTheLength) {
  const uint32_t header = GetParam()->extended ? 4 : 2;
  for (const RegisterDecl& decl : GetParam()->registers) {
    EXPECT_GE(decl.offset, header) << decl.name;
    EXPECT_LE(decl.offset + (decl.count - 1) * decl.stride + decl.width_bytes, GetParam()->bytes) << decl.name;
  }
}

TEST_P(Capability, RegistersDoNotOverlap) {
  std::vector<bool> used(GetParam()->bytes);
  for (const RegisterDecl& decl : GetParam()->registers) {
    for (uint32_t e = 0; e < decl.count; ++e) {
      for (uint32_t i = 0; i < decl.width_bytes; ++i) {
        const uint32_t byte = decl.offset + e * decl.stride + i;
        EXPECT_FALSE(used[byte]) << decl.name << " byte " << i;
        used[byte] = true;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Capability,
                         testing::Values(&kPowerManagementCapability, &kMsiCapability, &kMsixCapability,
                                         &kPcieEndpointCapability, &kVendorCapability, &kAerCapability,
                                         &kSerialNumberCapability, &kAerRootCapability, &kAtsCapability,
                                         &kVendorExtendedCapability, &resizable_bar_capability(1),
                                         &resizable_bar_capability(6)),
                         [](const auto& param_info) {
                           std::string name;
                           for (const char c : param_info.param->name) {
                             if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
                           }
                           return name + std::to_string(param_info.index);
                         });

struct FixedValue {
  const CapabilityDecl* capability;
  uint32_t offset;
  unsigned length;
  uint64_t value;
  const char* what;
};

TEST(Capabilities, ResetValuesThatTheSpecificationFixes) {
  const FixedValue values[] = {
      {&kPowerManagementCapability, 2, 2, 0x0003, "PM version 3, no PME, no D1, no D2"},
      {&kMsiCapability, msi::kControl, 2, 0x0180, "64-bit, per-vector masking, disabled"},
      {&kMsixCapability, msix::kControl, 2, 0x0000, "disabled"},
      {&kPcieEndpointCapability, pcie::kCapabilities, 2, 0x0002, "version 2, endpoint"},
      {&kPcieEndpointCapability, pcie::kDeviceControl, 2, 0x2910, "512-byte read requests, no snoop, relaxed ordering"},
      {&kPcieEndpointCapability, pcie::kDeviceStatus, 2, 0x0000, "no error"},
      {&kAerCapability, aer::kUncorrectableSeverity, 4, 0x0006'2030, "default severities"},
      {&kAerCapability, aer::kCorrectableMask, 4, 0x0000'2000, "advisory non-fatal is masked"},
      {&kAerCapability, 0, 4, 0x0002'0001, "id 1, version 2, last"},
      {&kSerialNumberCapability, 0, 4, 0x0001'0003, "id 3, version 1, last"},
  };
  for (const FixedValue& v : values) {
    ConfigSpace config(kType0Header, {0x1b36, 0x00db});
    const uint32_t at = config.add_capability(*v.capability);
    EXPECT_EQ(config.read(at + v.offset, v.length), v.value) << v.capability->name << ": " << v.what;
  }
}

TEST(Capabilities, FlrKeepsWhatTheSpecificationListsInDeviceAndLinkControl) {
  ConfigSpace config(kType0Header, {0x1b36, 0x00db});
  const uint32_t at = config.add_capability(kPcieEndpointCapability);
  config.write(at + pcie::kDeviceControl, 0x503f, 2);   // max payload 256, max read 4096
  config.write(at + pcie::kLinkControl, 0x00cb, 2);
  config.reset(ResetKind::kFlr);
  EXPECT_EQ(config.read(at + pcie::kDeviceControl, 2), 0x2930u) << "Max_Payload_Size stays, the rest is reset";
  EXPECT_EQ(config.read(at + pcie::kLinkControl, 2), 0x00cbu);
  config.reset(ResetKind::kHotReset);
  EXPECT_EQ(config.read(at + pcie::kDeviceControl, 2), 0x2910u);
  EXPECT_EQ(config.read(at + pcie::kLinkControl, 2), 0x0000u);
}

}  // namespace
}  // namespace dartboard::model
