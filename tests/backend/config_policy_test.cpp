// tests/backend/config_policy_test.cpp - the table, walked row by row and bit by bit against a device.
#include "backend/config_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

struct Placed {
  Row row;
  uint16_t offset;
  std::string where;
};

/// Every row of the table where FakeDevice::usual() has it, and an AF capability in place of VPD's successor.
std::vector<Placed> every_row(const FakeDevice& device) {
  std::vector<Placed> rows;
  for (const Row& row : header_policy()) rows.push_back({row, row.offset, fmt::format("header {}", row.field)});
  for (const uint16_t at : {0x40, 0x50, 0x70, 0x90, 0xe0, 0xf0}) {
    const auto policy =
        capability_policy(static_cast<uint8_t>(device.get(at, 1)), static_cast<uint16_t>(device.get(at + 2, 2)));
    for (const Row& row : policy.rows) {
      rows.push_back({row, static_cast<uint16_t>(at + row.offset), fmt::format("{} {}", policy.name, row.field)});
    }
  }
  for (const uint16_t at : {0x100, 0x200}) {
    const auto policy = extended_capability_policy(static_cast<uint16_t>(device.get(at, 2)));
    for (const Row& row : policy.rows) {
      rows.push_back({row, static_cast<uint16_t>(at + row.offset), fmt::format("{} {}", policy.name, row.field)});
    }
  }
  return rows;
}

std::shared_ptr<FakeDevice> device_with_everything() {
  auto d = FakeDevice::usual();
  d->put(0xe0, 4, 0x0000f003);                                      // VPD, next 0xf0
  d->put(0xf0, 4, 0x03060013);                                      // AF with FLR, last
  d->put(0x1c0, 4, 0x2001001b);                                     // PASID, next 0x200
  d->put(0x200, 4, 0x00010018);                                     // LTR, last
  for (unsigned at = 0; at < 0x40; ++at) d->write_mask[at] = 0xff;  // nothing is safe but by policy
  return d;
}

bool starts_reset(const Row& row, unsigned bit) {
  return (row.hook == Hook::kDeviceControl && bit == 15) || (row.hook == Hook::kAfControl && bit == 0);
}

uint32_t all_ones(unsigned width) {
  return width == 4 ? 0xffffffffu : (1u << (8 * width)) - 1;
}

TEST(ConfigPolicy, EachBitReachesTheDeviceExactlyIfForwarded) {
  auto d = device_with_everything();
  auto device = open_fake(d);
  for (const Placed& p : every_row(*d)) {
    SCOPED_TRACE(p.where);
    for (unsigned bit = 0; bit < 8 * p.row.width; ++bit) {
      if (starts_reset(p.row, bit)) continue;
      for (const uint32_t value : {uint32_t{0}, 1u << bit, uint32_t{0}}) {
        const uint32_t before = d->get(p.offset, p.row.width);
        cfg_write(*device, p.offset, p.row.width, value);
        const uint32_t after = d->get(p.offset, p.row.width);
        const uint32_t expected = (before & ~p.row.forwarded) | (value & p.row.forwarded);
        ASSERT_EQ(after, expected) << "bit " << bit << " value " << value;
      }
    }
  }
}

TEST(ConfigPolicy, NothingOutsideTheRowIsWritten) {
  auto d = device_with_everything();
  auto device = open_fake(d);
  for (const Placed& p : every_row(*d)) {
    if (p.row.hook == Hook::kAfControl) continue;
    SCOPED_TRACE(p.where);
    d->calls.clear();
    const uint32_t value = p.row.hook == Hook::kDeviceControl ? 0x7fff : all_ones(p.row.width);
    cfg_write(*device, p.offset, p.row.width, value);
    cfg_write(*device, p.offset, p.row.width, 0);
    for (const auto& call : d->calls) {
      if (call.name != "config_write") continue;
      EXPECT_GE(call.a, p.offset);
      EXPECT_LE(call.a + call.b, p.offset + p.row.width);
      EXPECT_NE(p.row.forwarded, 0u) << "a row that forwards nothing wrote to the device";
    }
  }
}

TEST(ConfigPolicy, ReadsMergeShadowAndDevice) {
  auto d = device_with_everything();
  auto device = open_fake(d);
  for (const Placed& p : every_row(*d)) {
    SCOPED_TRACE(p.where);
    if (p.row.hook == Hook::kBar) continue;  // the dext answers type bits; sizing has its own tests
    const uint32_t before = cfg_read(*device, p.offset, p.row.width);
    const uint32_t kept = d->get(p.offset, p.row.width);
    for (unsigned i = 0; i < p.row.width; ++i) d->config[p.offset + i] ^= 0xff;
    const uint32_t after = cfg_read(*device, p.offset, p.row.width);
    EXPECT_EQ(after & p.row.shadowed, before & p.row.shadowed);
    EXPECT_EQ(after & ~p.row.shadowed, ~kept & ~p.row.shadowed & all_ones(p.row.width));
    for (unsigned i = 0; i < p.row.width; ++i) d->config[p.offset + i] ^= 0xff;
  }
}

TEST(ConfigPolicy, ShadowBitsTakeGuestWritesExactlyIfWritable) {
  auto d = device_with_everything();
  auto device = open_fake(d);
  for (const Placed& p : every_row(*d)) {
    SCOPED_TRACE(p.where);
    if (p.row.hook == Hook::kBar || p.row.hook == Hook::kPowerState || p.row.hook == Hook::kAfControl) continue;
    const uint32_t ones = p.row.hook == Hook::kDeviceControl ? 0x7fff : all_ones(p.row.width);
    const uint32_t fixed = p.row.shadowed & ~p.row.writable;
    const uint32_t before = cfg_read(*device, p.offset, p.row.width);
    cfg_write(*device, p.offset, p.row.width, ones);
    const uint32_t high = cfg_read(*device, p.offset, p.row.width);
    EXPECT_EQ(high & p.row.shadowed & p.row.writable, p.row.shadowed & p.row.writable);
    EXPECT_EQ(high & fixed, before & fixed);
    cfg_write(*device, p.offset, p.row.width, 0);
    const uint32_t low = cfg_read(*device, p.offset, p.row.width);
    EXPECT_EQ(low & p.row.shadowed & p.row.writable, 0u);
    EXPECT_EQ(low & fixed, before & fixed);
  }
}

TEST(ConfigPolicy, EveryRowIsWellFormed) {
  auto d = device_with_everything();
  for (const Placed& p : every_row(*d)) {
    SCOPED_TRACE(p.where);
    EXPECT_TRUE(p.row.width == 1 || p.row.width == 2 || p.row.width == 4);
    EXPECT_EQ(p.offset % p.row.width, 0u) << "a row must be one aligned access";
    EXPECT_EQ(p.row.writable & ~p.row.shadowed & ~p.row.forwarded, 0u) << "writable bits need a shadow";
    EXPECT_EQ(p.row.initial & ~p.row.shadowed, 0u);
    EXPECT_EQ((p.row.shadowed | p.row.forwarded | p.row.w1c) & ~all_ones(p.row.width), 0u);
    EXPECT_STRNE(p.row.field, "");
    EXPECT_STRNE(p.row.reason, "");
    EXPECT_STRNE(p.row.source, "");
  }
}

TEST(ConfigPolicy, MsiLayoutFollowsItsControlWord) {
  struct Case {
    uint16_t control;
    uint16_t bytes;
  };
  for (const Case c : {Case{0x0000, 10}, Case{0x0080, 14}, Case{0x0100, 20}, Case{0x0180, 24}}) {
    EXPECT_EQ(capability_policy(kCapMsi, c.control).bytes, c.bytes) << c.control;
  }
}

TEST(ConfigPolicy, UnknownCapabilitiesAreReadOnlyAndUnknownExtendedOnesHidden) {
  EXPECT_FALSE(capability_policy(0x7e, 0).hidden);
  EXPECT_EQ(capability_policy(0x7e, 0).body, Body::kReadOnly);
  EXPECT_TRUE(extended_capability_policy(0x7777).hidden);
}

TEST(ConfigPolicy, HiddenExtendedCapabilities) {
  for (const uint16_t id : {0x0e, 0x0f, 0x10, 0x11, 0x13, 0x19, 0x1b, 0x1d, 0x24}) {
    EXPECT_TRUE(extended_capability_policy(id).hidden) << id;
  }
  for (const uint16_t id : {0x01, 0x02, 0x03, 0x0b, 0x15, 0x18, 0x1e}) {
    EXPECT_FALSE(extended_capability_policy(id).hidden) << id;
  }
}

}  // namespace
}  // namespace dartboard::backend
