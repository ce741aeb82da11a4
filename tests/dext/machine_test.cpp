// tests/dext/machine_test.cpp - the client, the real driver and a test endpoint: every call's way down and back.
#include <cstring>
#include <vector>

#include "dext/abi.h"
#include "dext/client/client.h"
#include "model/endpoint/test.h"
#include "sim/machine.h"

#include <gtest/gtest.h>

namespace dartboard::dext {
namespace {

namespace reg = model::test_register;

class OnTheMachine : public testing::Test {
 protected:
  void SetUp() override {
    const Result<sim::Profile> profile = sim::load_profile("m4pro-tb5");
    ASSERT_TRUE(profile) << profile.error().sentence;
    sim::PowerOn what;
    what.profile = &*profile;
    what.devices = {&endpoint};
    const Result<void> on = machine().power_on(what);
    ASSERT_TRUE(on) << on.error().sentence;
    Result<std::unique_ptr<Client>> opened = open_vfio_user_pci({});
    ASSERT_TRUE(opened) << opened.error().sentence;
    client = std::move(*opened);
  }
  void TearDown() override {
    client.reset();
    machine().power_off();
  }
  static sim::Machine& machine() { return sim::Machine::instance(); }
  void claim() { ASSERT_TRUE(client->claim()); }
  uint8_t registers() { return client->bar_info(model::kTestRegisterBar)->memory_index; }
  uint64_t read(uint32_t offset) {
    uint64_t value = 0;
    EXPECT_EQ(client->mmio_read(registers(), offset, 4, &value), io_return::kSuccess);
    return value;
  }
  void write(uint32_t offset, uint64_t value, unsigned width = 4) {
    EXPECT_EQ(client->mmio_write(registers(), offset, width, value), io_return::kSuccess);
  }
  /// An interrupt takes its time from the device to the driver's queue.
  void settle() {
    machine().timeline().advance(kNsPerMs);
    client->pump();
  }
  /// One DMA of the endpoint, done when this returns.
  void dma(model::TestDmaCommand command, uint64_t source, uint64_t destination, uint32_t length) {
    write(reg::kControl, reg::kControlImmediate | reg::kControlIrqEnable);
    write(reg::kDmaSource, source, 8);
    write(reg::kDmaDestination, destination, 8);
    write(reg::kDmaLength, length);
    write(reg::kDmaCommand, static_cast<uint32_t>(command));
  }

  model::TestEndpoint endpoint;
  std::unique_ptr<Client> client;
};

TEST_F(OnTheMachine, TheDeviceIsFoundWithItsRoot) {
  const auto list = list_devices();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().identity.vendor_id, model::kTestVendorId);
  EXPECT_EQ(list->front().identity.device_id, model::kTestDeviceId);
  EXPECT_EQ(list->front().root, machine().profile().ports[0].name);
}

TEST_F(OnTheMachine, BeforeTheClaimNothingOfTheDeviceIsSeen) {
  uint64_t value = 0;
  (void)client->mmio_read(0, reg::kId, 4, &value);
  EXPECT_NE(value, reg::kIdValue);
  EXPECT_EQ(client->allocate_dma_buffer(4096, 0).error().name, ErrorName::kNotClaimed);
}

TEST_F(OnTheMachine, ConfigurationSpaceIsTheDevices) {
  claim();
  EXPECT_EQ(client->config_read(0, 4).value_or(0), uint32_t{model::kTestDeviceId} << 16 | model::kTestVendorId);
}

TEST_F(OnTheMachine, RegistersAreReadAndWritten) {
  claim();
  EXPECT_EQ(read(reg::kId), reg::kIdValue);
  write(reg::kScratch, 0xfeedface);
  EXPECT_EQ(read(reg::kScratch), 0xfeedfaceu);
}

TEST_F(OnTheMachine, ARegisterBarIsMappedWithoutAccess) {
  claim();
  const Result<Mapping> mapping = client->map_bar(model::kTestRegisterBar);
  ASSERT_TRUE(mapping) << mapping.error().sentence;
  EXPECT_EQ(mapping->size, client->bar_info(model::kTestRegisterBar)->size);
  EXPECT_FALSE(mapping->accessible);
}

using OnTheMachineDeathTest = OnTheMachine;
TEST_F(OnTheMachineDeathTest, AStrayLoadFromARegisterBarFaults) {
  claim();
  const Result<Mapping> mapping = client->map_bar(model::kTestRegisterBar);
  ASSERT_TRUE(mapping);
  EXPECT_DEATH({ (void)*reinterpret_cast<volatile uint32_t*>(mapping->base); }, "");
}

TEST_F(OnTheMachine, AMemoryBarIsMappedToTheDevicesBytes) {
  claim();
  const Result<Mapping> mapping = client->map_bar(model::kTestMemoryBar);
  ASSERT_TRUE(mapping) << mapping.error().sentence;
  ASSERT_TRUE(mapping->accessible);
  const uint32_t pattern = 0x12345678;
  std::memcpy(mapping->base + 0x40, &pattern, sizeof pattern);
  uint64_t value = 0;
  const uint8_t index = client->bar_info(model::kTestMemoryBar)->memory_index;
  EXPECT_EQ(client->mmio_read(index, 0x40, 4, &value), io_return::kSuccess);
  EXPECT_EQ(value, pattern);
}

TEST_F(OnTheMachine, AnAbsentBarIsNotMapped) {
  claim();
  EXPECT_FALSE(client->map_bar(1));
  EXPECT_FALSE(client->bar_info(1));
}

TEST_F(OnTheMachine, TheDeviceReachesARegisteredRegion) {
  claim();
  alignas(16384) static std::array<uint32_t, 4096> memory;
  memory.fill(0);
  const Result<DmaRegion> region = client->register_dma_region(0x1000, memory.data(), sizeof memory);
  ASSERT_TRUE(region) << region.error().sentence;
  write(reg::kDmaPattern, 0xabad1dea);
  dma(model::TestDmaCommand::kFillHost, 0, region->iova.value + 256, 64);
  EXPECT_EQ(read(reg::kDmaError), 0u);
  EXPECT_EQ(memory[64], 0xabad1deau);
  EXPECT_EQ(memory[80], 0u);
  EXPECT_EQ(client->probe_dma_region(0x1000, 256).value_or(0) & 0xffffffff, 0xabad1deau);
  EXPECT_TRUE(client->unregister_dma_region(0x1000));
}

TEST_F(OnTheMachine, TheDmaBufferIsSharedWithTheDevice) {
  claim();
  const Result<DmaBuffer> buffer = client->allocate_dma_buffer(64 * kKiB, 0);
  ASSERT_TRUE(buffer) << buffer.error().sentence;
  write(reg::kDmaPattern, 0x77);
  dma(model::TestDmaCommand::kFillHost, 0, buffer->iova.value, 4);
  EXPECT_EQ(buffer->base[0], std::byte{0x77});
  EXPECT_TRUE(client->free_dma_buffer());
}

TEST_F(OnTheMachine, AnInterruptArrivesThroughThePump) {
  claim();
  ASSERT_TRUE(client->setup_interrupts());
  std::vector<VectorSet> seen;
  ASSERT_TRUE(client->watch_interrupts([&](const VectorSet& set) { seen.push_back(set); }));
  write(reg::kRaise, 5);
  EXPECT_TRUE(seen.empty());
  settle();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0], (VectorSet{1u << 5, 0, 0, 0}));
  write(reg::kRaise, 0);
  settle();
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(OnTheMachine, AMaskedVectorDoesNotArrive) {
  claim();
  ASSERT_TRUE(client->setup_interrupts());
  int arrived = 0;
  ASSERT_TRUE(client->watch_interrupts([&](const VectorSet&) { ++arrived; }));
  ASSERT_TRUE(client->set_irq_mask({~uint64_t{1 << 5}, 0, 0, 0}));
  write(reg::kRaise, 5);
  settle();
  EXPECT_EQ(arrived, 0);
  write(reg::kRaise, 6);
  settle();
  EXPECT_EQ(arrived, 1);
}

TEST_F(OnTheMachine, AResetClearsTheDevice) {
  claim();
  write(reg::kScratch, 1);
  const Result<void> reset = client->reset();
  ASSERT_TRUE(reset) << reset.error().sentence;
  EXPECT_EQ(read(reg::kScratch), 0u);
}

TEST_F(OnTheMachine, UnpluggingIsReported) {
  claim();
  bool gone = false;
  client->on_gone([&] { gone = true; });
  machine().kernel().device_removed(0);
  client->pump();
  EXPECT_TRUE(gone);
  EXPECT_EQ(client->claim().error().name, ErrorName::kDeviceGone);
}

TEST_F(OnTheMachine, ClosingGivesTheClaimBack) {
  claim();
  client.reset();
  Result<std::unique_ptr<Client>> again = open_vfio_user_pci({});
  ASSERT_TRUE(again) << again.error().sentence;
  EXPECT_TRUE((*again)->claim());
}

TEST_F(OnTheMachine, AClientFromBeforeAMachineResetIsGoneAndMayBeClosed) {
  claim();
  ASSERT_TRUE(machine().reset());
  EXPECT_EQ(client->claim().error().name, ErrorName::kDeviceGone);
  client.reset();
  EXPECT_TRUE(open_vfio_user_pci({}));
}

}  // namespace
}  // namespace dartboard::dext
