// tests/backend/device_test.cpp - the device as a whole: opening, closing, and the failure of every call.
#include "backend/passthrough_device.h"

#include <algorithm>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

std::byte* memory(uint64_t address) {
  return reinterpret_cast<std::byte*>(address);
}  // never touched

size_t position(const FakeDevice& d, const std::function<bool(const FakeDevice::Call&)>& is) {
  return static_cast<size_t>(std::find_if(d.calls.begin(), d.calls.end(), is) - d.calls.begin());
}

TEST(Device, InfoIsTheIdentity) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_EQ(device->info().identity.vendor_id, 0x1002);
  EXPECT_TRUE(device->info().resettable);
  EXPECT_EQ(device->info().regions, 9u);
  EXPECT_EQ(device->info().irqs, 5u);
}

TEST(Device, NoClientIsABadArgument) {
  const auto opened = PassthroughDevice::open(nullptr, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().name, ErrorName::kBadArgument);
}

TEST(Device, ClosesInTheSafeOrder) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  cfg_write(*device, 4, 2, 0x0006);
  ASSERT_TRUE(device->dma_map(1, memory(0x100000), 4096));
  ASSERT_TRUE(device->allocate_dma_buffer(4096, 0));
  d->calls.clear();
  device.reset();
  const size_t quiet =
      position(*d, [](const auto& c) { return c.name == "config_write" && c.a == 4 && (c.c & 4) == 0; });
  const size_t unmap = position(*d, [](const auto& c) { return c.name == "unregister_dma_region"; });
  const size_t free = position(*d, [](const auto& c) { return c.name == "free_dma_buffer"; });
  const size_t close = position(*d, [](const auto& c) { return c.name == "close"; });
  EXPECT_LT(quiet, unmap);
  EXPECT_LT(unmap, free);
  EXPECT_LT(free, close);
  EXPECT_LT(close, d->calls.size());
}

TEST(Device, ClosingAGoneDeviceMakesNoCalls) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  ASSERT_TRUE(device->dma_map(1, memory(0x100000), 4096));
  d->unplug();
  d->calls.clear();
  device.reset();
  ASSERT_EQ(d->calls.size(), 1u);
  EXPECT_EQ(d->calls[0].name, "close");
}

TEST(Device, UnplugIsSeen) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  EXPECT_FALSE(device->gone());
  d->unplug();
  EXPECT_TRUE(device->gone());
  EXPECT_TRUE(device->set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 0, {})) << "disabling is done";
}

TEST(Device, InspectNamesEveryPart) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  InspectNode root;
  device->inspect(root);
  std::vector<std::string> names;
  for (const InspectNode& child : root.children) names.push_back(child.name);
  EXPECT_THAT(names, testing::ElementsAre("device", "configuration", "regions", "interrupts", "dma", "resets"));
}

// The n-th client call fails, n = 1, 2, ..., until a whole session is clean (as SQLite tests its own).
struct Session {
  std::shared_ptr<FakeDevice> d = FakeDevice::usual();
  uint64_t delivered = 0, failures = 0;

  void note(const Result<void>& r) {
    if (r) return;
    ++failures;
    EXPECT_NE(r.error().sentence, "");
    EXPECT_NE(r.error().name, ErrorName::kInternal);
  }
  template <class T>
  void note(const Result<T>& r) {
    note(r ? Result<void>{} : Result<void>(tl::unexpected(r.error())));
  }

  void run() {
    auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(d), Budget{});
    note(opened);
    if (opened) use(**opened);
    opened = tl::unexpected(Error{});  // closes
    EXPECT_TRUE(d->closed);
  }

  void use(PassthroughDevice& device) {
    std::array<std::byte, 4> word{};
    const std::array<std::byte, 2> master{std::byte{6}, std::byte{0}};
    const std::array<std::byte, 2> flr{std::byte{0x10}, std::byte{0xa8}};
    const std::vector<IrqSink> sinks(4, [this](uint32_t) { ++delivered; });
    note(device.write(Region::kConfig, 4, master));
    note(device.read(Region::kConfig, 0, word));
    note(device.read(Region::kBar5, 0, word));
    note(device.write(Region::kBar5, 0, word));
    note(device.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 4, sinks));
    note(device.dma_map(1, memory(0x100000), 4096));
    note(device.dma_map(2, memory(0x200000), 4096));
    note(device.allocate_dma_buffer(65536, 0));
    d->raise(1);
    device.pump();
    note(device.write(Region::kConfig, 0x98, flr));
    note(device.dma_unmap(1));
    note(device.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 0, {}));
    delivered = 0;
    d->enabled[0] = 0xff;
    d->raise(1);
    device.pump();
    EXPECT_EQ(delivered, 0u) << "delivered after disable";
    note(device.reset());
    const BudgetUse& use = device.budget_use();
    EXPECT_EQ(use.mappings, d->dma.size() + (d->buffer ? 1 : 0)) << "accounting and dext disagree";
    InspectNode root;
    device.inspect(root);
  }
};

class FailureSweep : public testing::TestWithParam<io_return::Code> {};

TEST_P(FailureSweep, EveryCallOfASessionMayFail) {
  uint64_t n = 0;
  for (;;) {
    Session session;
    session.d->fail_at = ++n;
    session.d->fail_with = GetParam();
    SCOPED_TRACE(testing::Message() << "call " << n);
    session.run();
    if (testing::Test::HasFailure()) return;
    ASSERT_LT(n, 2000u);
    if (session.d->fail_at != 0) break;  // never reached: the session was clean
  }
  EXPECT_GT(n, 60u) << "the sweep covered a session";
}

INSTANTIATE_TEST_SUITE_P(Codes, FailureSweep,
                         testing::Values(io_return::kIOError, io_return::kNoDevice, io_return::kNotFound,
                                         io_return::kNoMemory, io_return::kTimeout, io_return::kNotPermitted));

TEST(Device, EveryErrorOfACallKeepsItsCode) {
  auto d = FakeDevice::usual();
  d->fail_at = 2;  // claim
  d->fail_with = io_return::kExclusiveAccess;
  const auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(d), {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().io_return, io_return::kExclusiveAccess);
  EXPECT_THAT(opened.error().sentence, testing::HasSubstr("claiming the device"));
}

TEST(Device, AFailedOpenLeavesTheDeviceQuiet) {
  for (uint64_t n = 3; n < 60; ++n) {
    auto d = FakeDevice::usual();
    d->fail_at = n;
    const auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(d), {});
    if (opened) continue;
    EXPECT_FALSE(d->bus_master()) << "call " << n;
    EXPECT_TRUE(d->closed);
  }
}

}  // namespace
}  // namespace dartboard::backend
