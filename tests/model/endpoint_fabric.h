// tests/model/endpoint_fabric.h - the fabric with a test endpoint in its slot, enumerated, and a page that it can
// reach.
#pragma once

#include <optional>
#include <vector>

#include "model/capabilities.h"
#include "model/endpoint/test.h"
#include "tests/model/fabric.h"
#include "tests/model/one_fault.h"

namespace dartboard::model::test {

/// The test endpoint with its way up in the open.
class OpenTestEndpoint final : public TestEndpoint {
 public:
  using Endpoint::upstream;
};

class EndpointFabricTest : public testing::Test {
 protected:
  static constexpr uint64_t kDevice = Fabric::kBus;  // ECAM
  static constexpr uint64_t kBar2 = 0x7000'0000;     // in the prefetchable window
  static constexpr uint64_t kRegisters = kMmioBase + Fabric::kBar;
  static constexpr uint64_t kMemory = kMmioBase + kBar2;
  static constexpr Iova kIova{0x8000'0000};
  static constexpr uint32_t kDmaBytes = 4096;

  void SetUp() override { begin(RootComplexConfig()); }
  void TearDown() override {
    install_faults(nullptr);
    fabric.root.plug(nullptr);
  }
  void begin(const RootComplexConfig& config) {
    fabric.start(config);
    fabric.root.plug(&device);
    enumerate();
    pages.emplace(16 * kKiB, std::byte{0x77});
    tables.emplace(fabric.memory, fabric.root.dart().geometry(), 2);
    fabric.set_stream(Sid(1), tables->root());
    tables->map(kIova, fabric.memory.wire(pages->data(), pages->size(), 16 * kKiB));
    fabric.root.map_stream(Fabric::kRid, Sid(1));
    fabric.observer->tlps.clear();
  }
  /// Also after a reset or a replug: windows, BARs, error reporting on, status bits clear.
  void enumerate() {
    fabric.enumerate();
    fabric.config_write(bridge::kMemoryBase, 0x6ff0'4000, 4);
    fabric.config_write(bridge::kPrefetchBase, 0x7ff1'7001, 4);
    fabric.config_write(bridge::kBridgeControl, bridge::kSerrEnable, 2);
    fabric.config_write(bridge::kSecondaryStatus, 0xffff, 2);
    fabric.config_write(root_pcie() + pcie::kDeviceControl, 0xf, 2);
    for (const uint32_t status : {aer::kUncorrectableStatus, aer::kCorrectableStatus, aer::kRootStatus}) {
      fabric.config_write(root_aer() + status, 0xffff'ffff, 4);
    }
    fabric.config_write(root_aer() + aer::kCorrectableMask, 0, 4);
    fabric.config_write(root_aer() + aer::kRootCommand, 7, 4);
    fabric.config_write(kDevice + cfg::kBar0, Fabric::kBar, 4);
    fabric.config_write(kDevice + cfg::kBar0 + 8, kBar2, 4);
    fabric.config_write(kDevice + pcie_at() + pcie::kDeviceControl, 0xf, 2);
    fabric.config_write(kDevice + aer_at() + aer::kCorrectableMask, 0, 4);
    fabric.config_write(kDevice + cfg::kCommand, cfg::kCommandMemory | cfg::kCommandBusMaster, 2);
    fabric.sink->links.clear();
    fabric.sink->errors.clear();
  }
  uint32_t root_pcie() { return fabric.root.root_port().config().find_capability(pcie::kId); }
  uint32_t root_aer() { return fabric.root.root_port().config().find_extended_capability(aer::kId); }
  uint32_t pcie_at() { return device.config().find_capability(pcie::kId); }
  uint32_t aer_at() { return device.config().find_extended_capability(aer::kId); }
  uint32_t root_register(uint32_t offset) { return fabric.config_read(root_aer() + offset); }
  /// What the device's own registers hold, whether the link is up or not.
  uint32_t device_register(uint32_t offset) { return device.config().file().peek32(aer_at() + offset); }
  uint32_t interrupt_status() { return fabric.port_read(port_reg::kInterruptStatus); }

  /// A DMA of the endpoint's engine, all in one go. Returns DMA_ERROR as the device has it.
  TestDmaError dma(TestDmaCommand command) {
    namespace reg = test_register;
    const bool to_device = command == TestDmaCommand::kHostToDevice;
    fabric.write(kRegisters + reg::kControl, reg::kControlImmediate);
    fabric.write(kRegisters + reg::kDmaSource, static_cast<uint32_t>(to_device ? kIova.value : 0));
    fabric.write(kRegisters + reg::kDmaDestination, static_cast<uint32_t>(to_device ? 0 : kIova.value));
    fabric.write(kRegisters + reg::kDmaLength, kDmaBytes);
    fabric.write(kRegisters + reg::kDmaCommand, static_cast<uint32_t>(command));
    return static_cast<TestDmaError>(device.registers().peek32(reg::kDmaError));
  }
  /// The fabric works: configuration, MMIO and DMA, after enumeration.
  void expect_alive() {
    Outcome outcome;
    EXPECT_EQ(fabric.read(kEcamBase + kDevice, 4, &outcome), 0x00db'1b36u);
    EXPECT_EQ(outcome, Outcome::kSuccess);
    EXPECT_EQ(fabric.read(kRegisters, 4, &outcome), test_register::kIdValue);
    EXPECT_EQ(outcome, Outcome::kSuccess);
    EXPECT_EQ(dma(TestDmaCommand::kHostToDevice), TestDmaError::kNone);
  }

  Upstream& upstream() { return *device.upstream(); }

  Fabric& fabric = Fabric::instance();
  OpenTestEndpoint device;
  std::optional<Pages> pages;
  std::optional<TableWriter> tables;
};

}  // namespace dartboard::model::test
