// tests/backend/observer_test.cpp - who observes a device hears of every call once, with its result, and of interrupts.
#include "backend/observer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Writes what it hears as text: "begun: what -> ok".
class Listener final : public Observer {
 public:
  explicit Listener(bool calls = true) : calls_(calls) {}
  bool wants_calls() const override { return calls_; }
  uint64_t on_begin() override { return ++begun_; }
  void on_read(uint64_t begun, Region region, uint64_t offset, std::span<const std::byte> data,
               const Result<void>& result) override {
    hear(begun,
         fmt::format("read {} {:#x} {} first {:#x}", static_cast<int>(region), offset, data.size(),
                     std::to_integer<int>(data[0])),
         result.has_value());
  }
  void on_write(uint64_t begun, Region region, uint64_t offset, std::span<const std::byte> data,
                const Result<void>& result) override {
    hear(begun, fmt::format("write {} {:#x} {}", static_cast<int>(region), offset, data.size()), result.has_value());
  }
  void on_set_irqs(uint64_t begun, IrqKind kind, IrqAction action, uint32_t start, uint32_t count,
                   std::span<const IrqSink> sinks, const Result<void>& result) override {
    hear(begun,
         fmt::format("irqs {} {} {} {} {}", static_cast<int>(kind), static_cast<int>(action), start, count,
                     sinks.size()),
         result.has_value());
  }
  void on_reset(uint64_t begun, const Result<void>& result) override { hear(begun, "reset", result.has_value()); }
  void on_dma_map(uint64_t begun, uint64_t key, uint64_t size, const Result<DmaMapping>& result) override {
    hear(begun, fmt::format("map {} {}", key, size), result.has_value());
  }
  void on_dma_unmap(uint64_t begun, uint64_t key, const Result<void>& result) override {
    hear(begun, fmt::format("unmap {}", key), result.has_value());
  }
  void on_dma_buffer(uint64_t begun, uint64_t size, const Result<dext::DmaBuffer>& result) override {
    hear(begun, fmt::format("buffer {}", size), result.has_value());
  }
  void on_dma_buffer_freed(uint64_t begun, const Result<void>& result) override {
    hear(begun, "free", result.has_value());
  }
  void on_interrupt(IrqKind kind, uint32_t vector) override {
    heard.push_back(fmt::format("interrupt {} {}", static_cast<int>(kind), vector));
  }

  std::vector<std::string> heard;

 private:
  void hear(uint64_t begun, const std::string& what, bool ok) {
    heard.push_back(fmt::format("{}: {} -> {}", begun, what, ok ? "ok" : "failed"));
  }
  bool calls_;
  uint64_t begun_ = 0;
};

std::byte* memory(uint64_t address) {
  return reinterpret_cast<std::byte*>(address);
}  // never touched

void use(PassthroughDevice& device, const std::shared_ptr<FakeDevice>& d) {
  std::byte bytes[4] = {};
  (void)device.read(Region::kConfig, 0, bytes);
  (void)device.read(Region::kBar0, 8, bytes);
  (void)device.write(Region::kBar0, 8, bytes);
  (void)device.write(Region::kConfig, 0x3c, std::span(bytes).first(1));
  (void)device.read(Region::kRom, 0, bytes);
  (void)device.dma_map(7, memory(0x100000), 4096);
  (void)device.dma_unmap(7);
  (void)device.dma_unmap(7);
  (void)device.allocate_dma_buffer(8192, 0);
  (void)device.free_dma_buffer();
  const IrqSink sinks[] = {[](uint32_t) {}, [](uint32_t) {}};
  (void)device.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 2, sinks);
  d->raise(1);
  device.pump();
  (void)device.reset();
}

TEST(Observer, HearsOfEveryCallOnceWithItsResult) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  const auto listener = std::make_shared<Listener>();
  device->set_observer(listener);
  use(*device, d);
  EXPECT_THAT(listener->heard,
              ElementsAre("1: read 7 0x0 4 first 0x2 -> ok", "2: read 0 0x8 4 first 0x0 -> ok",
                          "3: write 0 0x8 4 -> ok", "4: write 7 0x3c 1 -> ok", "5: read 6 0x0 4 first 0x0 -> failed",
                          "6: map 7 4096 -> ok", "7: unmap 7 -> ok", "8: unmap 7 -> failed", "9: buffer 8192 -> ok",
                          "10: free -> ok", "11: irqs 2 2 0 2 2 -> ok", "interrupt 2 1", "12: reset -> ok"));
}

TEST(Observer, ThatWantsNoCallsHearsOfInterruptsAlone) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  const auto listener = std::make_shared<Listener>(false);
  device->set_observer(listener);
  use(*device, d);
  EXPECT_THAT(listener->heard, ElementsAre("interrupt 2 1"));
}

TEST(Observer, ThatWasTakenAwayHearsNothing) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  const auto listener = std::make_shared<Listener>();
  device->set_observer(listener);
  device->set_observer(nullptr);
  use(*device, d);
  EXPECT_THAT(listener->heard, IsEmpty());
}

TEST(Observer, ChangesNothingOfWhatReachesTheDevice) {
  std::vector<std::string> calls[2];
  for (int observed = 0; observed < 2; ++observed) {
    auto d = FakeDevice::usual();
    auto device = open_fake(d);
    if (observed != 0) device->set_observer(std::make_shared<Listener>());
    use(*device, d);
    for (const auto& call : d->calls) {
      calls[observed].push_back(fmt::format("{} {:#x} {:#x} {:#x}", call.name, call.a, call.b, call.c));
    }
  }
  EXPECT_EQ(calls[0], calls[1]);
}

TEST(ConfigView, IsWhatAGuestReads) {
  auto d = FakeDevice::usual();
  auto device = open_fake(d);
  for (uint16_t at = 0; at < 4096; ++at) {
    const auto view = device->config_view(at, d->config[at]);
    ASSERT_TRUE(view) << at;
    ASSERT_EQ(*view, cfg_read(*device, at, 1)) << fmt::format("{:#x}", at);
  }
  EXPECT_FALSE(device->config_view(4096, std::nullopt));
  EXPECT_FALSE(device->config_view(0, std::nullopt)) << "the vendor id is the device's to tell";
  EXPECT_TRUE(device->config_view(0x10, std::nullopt)) << "BARs are the guest's own";
}

}  // namespace
}  // namespace dartboard::backend
