// tests/model/root_complex_test.cpp - the whole fabric: what the CPU and the device ask, and how each request ends.
#include <functional>

#include "model/capabilities.h"
#include "model/root_complex.h"
#include "tests/model/fabric.h"

namespace dartboard::model::test {
namespace {

constexpr uint64_t kDevice = Fabric::kBus;            // ECAM address of the device
constexpr uint64_t kMmio = kMmioBase + Fabric::kBar;  // CPU address of a register in the window

class RootComplexTest : public FabricTest {
 protected:
  uint32_t interrupt_status() { return fabric.port_read(port_reg::kInterruptStatus); }
};

// Configuration requests
// ---------------------------------------------------------------------------------------------------

TEST_F(RootComplexTest, ConfigurationReachesTheDeviceAsType0) {
  fabric.device->config[0x10] = 0x5a;
  EXPECT_EQ(fabric.config_read(kDevice + 0x10, 1), 0x5au);
  fabric.config_write(kDevice + 0x12, 0xbeef, 2);
  ASSERT_EQ(fabric.device->requests.size(), 2u);
  EXPECT_EQ(fabric.device->requests[0].kind, TlpKind::kCfgRead0);
  EXPECT_EQ(fabric.device->requests[0].address, 0x10u);
  EXPECT_EQ(fabric.device->requests[0].completer, Rid(1, 0, 0));
  EXPECT_EQ(fabric.device->requests[1].kind, TlpKind::kCfgWrite0);
  EXPECT_EQ(fabric.device->requests[1].length, 2u);
}

TEST_F(RootComplexTest, AbsentFunctionsReadAllOnes) {
  for (const uint64_t ecam : {uint64_t{1} << 15, uint64_t{1} << 12, kDevice + (1 << 15),
                              uint64_t{2} << 20, uint64_t{255} << 20}) {
    Outcome outcome;
    EXPECT_EQ(fabric.read(kEcamBase + ecam, 4, &outcome), 0xffff'ffffu) << std::hex << ecam;
    EXPECT_EQ(outcome, Outcome::kUnsupportedRequest);
  }
  EXPECT_TRUE(fabric.device->requests.empty());
}

TEST_F(RootComplexTest, FunctionsOfTheDeviceAndBusesBehindItAreTheDevicesBusiness) {
  fabric.config_read(kDevice + (3 << 12));
  fabric.config_write(bridge::kSubordinateBus, 3, 1);
  fabric.config_read((uint64_t{2} << 20) + (5 << 15));
  ASSERT_EQ(fabric.device->requests.size(), 2u);
  EXPECT_EQ(fabric.device->requests[0].kind, TlpKind::kCfgRead0);
  EXPECT_EQ(fabric.device->requests[0].completer, Rid(1, 0, 3));
  EXPECT_EQ(fabric.device->requests[1].kind, TlpKind::kCfgRead1);
  EXPECT_EQ(fabric.device->requests[1].completer, Rid(2, 5, 0));
}

TEST_F(RootComplexTest, ByteEnablesReachTheRootPortsRegisters) {
  unsigned char enables[] = {TLM_BYTE_DISABLED, TLM_BYTE_ENABLED, TLM_BYTE_DISABLED, TLM_BYTE_DISABLED};
  uint32_t value = 0x00'44'33'22;
  tlm::tlm_generic_payload payload;
  payload.set_command(tlm::TLM_WRITE_COMMAND);
  payload.set_address(kEcamBase + bridge::kPrimaryBus);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(4);
  payload.set_streaming_width(4);
  payload.set_byte_enable_ptr(enables);
  payload.set_byte_enable_length(4);
  sc_core::sc_time delay;
  fabric.cpu.socket->b_transport(payload, delay);
  EXPECT_TRUE(payload.is_response_ok());
  EXPECT_EQ(fabric.config_read(bridge::kPrimaryBus), 0x01'33'00u);
  payload.set_command(tlm::TLM_READ_COMMAND);
  value = 0x7777'7777;
  fabric.cpu.socket->b_transport(payload, delay);
  EXPECT_EQ(value, 0x7777'3377u);
}

TEST_F(RootComplexTest, MisshapenConfigurationRequestsAreRefused) {
  const struct {
    uint64_t offset;
    uint32_t length;
  } rows[] = {{0, 8}, {0, 3}, {1, 2}, {2, 4}, {3, 2}};
  for (const auto& row : rows) {
    uint64_t value = 0;
    EXPECT_EQ(fabric.request(kEcamBase + kDevice + row.offset, &value, row.length, false),
              Outcome::kUnsupportedRequest);
  }
  EXPECT_TRUE(fabric.device->requests.empty());
}

TEST_F(RootComplexTest, PlainPayloadsAreConfigurationRequestsToo) {
  fabric.device->config[0] = 0x12;
  tlm::tlm_generic_payload payload;
  uint32_t value = 0;
  payload.set_command(tlm::TLM_READ_COMMAND);
  payload.set_address(kEcamBase + kDevice);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(4);
  payload.set_streaming_width(4);
  sc_core::sc_time delay;
  fabric.cpu.socket->b_transport(payload, delay);
  EXPECT_TRUE(payload.is_response_ok());
  EXPECT_EQ(value, 0x12u);
  EXPECT_EQ(fabric.device->requests.at(0).kind, TlpKind::kCfgRead0);
}

TEST_F(RootComplexTest, RetryShowsAsVendorId1WithVisibilityOnly) {
  fabric.device->outcome = Outcome::kRequestRetry;
  Outcome outcome;
  EXPECT_EQ(fabric.read(kDevice, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kRequestRetry);
  const uint32_t pcie = fabric.root.root_port().config().find_capability(0x10);
  fabric.config_write(pcie + bridge::kRootControl, bridge::kRrsVisibility, 2);
  EXPECT_EQ(fabric.read(kDevice, 4, &outcome), 0xffff'0001u);
  EXPECT_EQ(fabric.read(kDevice + 4, 4, &outcome), 0xffff'ffffu) << "Vendor ID only";
}

// Memory requests
// ----------------------------------------------------------------------------------------------------------

TEST_F(RootComplexTest, MemoryRequestsReachTheDeviceAtTheirBusAddress) {
  Outcome outcome;
  EXPECT_EQ(fabric.read(kMmio + 0x10, 4, &outcome), 0x5566'7788u);
  EXPECT_EQ(outcome, Outcome::kSuccess);
  EXPECT_EQ(fabric.write(kMmio + 0x20, 1), Outcome::kSuccess);
  ASSERT_EQ(fabric.device->requests.size(), 2u);
  EXPECT_EQ(fabric.device->requests[0].address, Fabric::kBar + 0x10);
  EXPECT_EQ(fabric.device->requests[1].kind, TlpKind::kMemWrite);
}

TEST_F(RootComplexTest, TheRootPortSupportsThePayloadOfItsPath) {
  for (const auto& [bytes, code] : {std::pair{128u, 0u}, {256u, 1u}, {4096u, 5u}}) {
    RootComplexConfig config;
    config.max_payload_bytes = bytes;
    fabric.root.configure(config, nullptr, nullptr);
    fabric.root.reset();
    const uint32_t at = fabric.config_read(cfg::kCapabilitiesPointer, 1) + pcie::kDeviceCapabilities;
    EXPECT_EQ(fabric.config_read(at, 4) & 7, code) << bytes;
  }
}

TEST_F(RootComplexTest, AddressesNoWindowClaimsAreRefused) {
  fabric.config_write(cfg::kCommand, 0, 2);
  Outcome outcome;
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0xffff'ffffu) << "Memory Space Enable";
  EXPECT_EQ(outcome, Outcome::kUnsupportedRequest);
  fabric.config_write(cfg::kCommand, cfg::kCommandMemory, 2);
  EXPECT_EQ(fabric.read(kMmioBase + 0x8000'0000, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kUnsupportedRequest);
  EXPECT_TRUE(fabric.device->requests.empty());
}

TEST_F(RootComplexTest, EveryOutcomeOfTheDeviceEndsTheRequest) {
  const struct {
    Outcome outcome;
    uint32_t status;
    uint16_t secondary;
  } rows[] = {
      {Outcome::kUnsupportedRequest, 0, bridge::kReceivedMasterAbort},
      {Outcome::kCompleterAbort, port_reg::kCompleterAbort, bridge::kReceivedTargetAbort},
      {Outcome::kPoisoned, 0, bridge::kDetectedParityError},
      {Outcome::kCompletionTimeout, port_reg::kCompletionTimeout, 0},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(to_string(row.outcome)));
    fabric.start();
    fabric.enumerate();
    fabric.device->outcome = row.outcome;
    Outcome outcome;
    EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0xffff'ffffu);
    EXPECT_EQ(outcome, row.outcome);
    EXPECT_EQ(interrupt_status(), row.status);
    EXPECT_EQ(fabric.config_read(bridge::kSecondaryStatus, 2), row.secondary);
  }
}

TEST_F(RootComplexTest, DeviceThatNeverAnswersIsACompletionTimeout) {
  fabric.device->answer = false;
  const uint64_t before = fabric.timeline.now().value;
  Outcome outcome;
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kCompletionTimeout);
  EXPECT_EQ(fabric.timeline.now().value - before, 50 * kNsPerMs);
  EXPECT_NE(interrupt_status() & port_reg::kCompletionTimeout, 0u);
  EXPECT_EQ(fabric.write(kMmio, 1), Outcome::kSuccess) << "a posted write waits for nothing";
}

TEST_F(RootComplexTest, PlainTlmAnswersAreUnderstood) {
  fabric.device->tlm_only = true;
  Outcome outcome;
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0x5566'7788u);
  EXPECT_EQ(outcome, Outcome::kSuccess);
  fabric.device->outcome = Outcome::kUnsupportedRequest;
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kUnsupportedRequest);
}

TEST_F(RootComplexTest, AccessesTakeTheirConfiguredTime) {
  fabric.start(RootComplexConfig{
      .cfg_latency_ns = 7, .mmio_read_latency_ns = 100, .mmio_write_latency_ns = 30, .dma_ns_per_kib = 1000});
  fabric.enumerate();
  const struct {
    std::function<void()> access;
    uint64_t ns;
  } rows[] = {
      {[&] { fabric.config_read(kDevice); }, 7},
      {[&] { fabric.read(kMmio); }, 100},
      {[&] { fabric.write(kMmio, 1); }, 30},
      {[&] { fabric.dart_read(0); }, 0},
  };
  for (const auto& row : rows) {
    const uint64_t before = fabric.timeline.now().value;
    row.access();
    EXPECT_EQ(fabric.timeline.now().value - before, row.ns);
  }
  std::vector<std::byte> data(2048);
  uint64_t delay_ns = 0;
  const uint64_t before = fabric.timeline.now().value;
  fabric.dma(0x8000'0000, data.data(), 2048, true, Fabric::kRid, &delay_ns);
  EXPECT_EQ(delay_ns, 2000u) << "DMA is charged to the device's delay";
  EXPECT_EQ(fabric.timeline.now().value, before);
}

TEST_F(RootComplexTest, RegisterFilesTakeDwordsAndQwordsOnly) {
  uint64_t value = 0;
  EXPECT_EQ(fabric.request(kDartBase + dart_reg::kErrorAddressLow, &value, 8, false), Outcome::kSuccess);
  const struct {
    uint64_t address;
    uint32_t length;
  } bad[] = {
      {kDartBase, 1},
      {kDartBase, 2},
      {kDartBase + 2, 4},
      {kDartBase + 4, 8},
      {kDartBase + dart_reg::kFileBytes, 4},
      {kPortBase + port_reg::kFileBytes, 4},
      {kPortBase - 4, 4},
      {kMmioBase - 4, 4},
  };
  for (const auto& row : bad) {
    EXPECT_EQ(fabric.request(row.address, &value, row.length, false), Outcome::kUnsupportedRequest)
        << std::hex << row.address;
  }
}

TEST_F(RootComplexTest, EachRequestIsToldOnceWithItsFacts) {
  fabric.read(kMmio + 4);
  fabric.write(kMmio + 8, 0xcafe, 2);
  fabric.config_read(kDevice + 0x10);
  std::vector<std::byte> data(300, std::byte{0x33});
  fabric.dma(0x8000'0010, data.data(), 300, true);
  ASSERT_EQ(fabric.observer->tlps.size(), 4u);
  const TlpEvent& read = fabric.observer->tlps[0];
  EXPECT_EQ(read.kind, TlpKind::kMemRead);
  EXPECT_EQ(read.direction, Direction::kDownstream);
  EXPECT_EQ(read.address, Fabric::kBar + 4);
  EXPECT_EQ(read.data, 0x5566'7788u);
  EXPECT_EQ(fabric.observer->tlps[1].data, 0xcafeu);
  EXPECT_EQ(fabric.observer->tlps[1].length, 2u);
  EXPECT_EQ(fabric.observer->tlps[2].kind, TlpKind::kCfgRead0);
  EXPECT_EQ(fabric.observer->tlps[2].address, kDevice + 0x10);
  const TlpEvent& dma = fabric.observer->tlps[3];
  EXPECT_EQ(dma.direction, Direction::kUpstream);
  EXPECT_EQ(dma.outcome, Outcome::kUnsupportedRequest);
  EXPECT_EQ(dma.packets, 3u);
  EXPECT_EQ(dma.requester, Fabric::kRid);
  EXPECT_EQ(dma.data, 0x3333'3333'3333'3333u);
}

// DMA
// ----------------------------------------------------------------------------------------------------------------------

class DmaTest : public RootComplexTest {
 protected:
  void SetUp() override {
    RootComplexTest::SetUp();
    map();
  }
  void map() {
    hpa = fabric.memory.wire(pages.data(), pages.size(), 16 * kKiB);
    tables.emplace(fabric.memory, fabric.root.dart().geometry(), 2);
    fabric.set_stream(Sid(1), tables->root());
    tables->map(kIova, hpa);
    fabric.root.map_stream(Fabric::kRid, Sid(1));
  }
  static constexpr Iova kIova{0x8000'0000};
  Pages pages{16 * kKiB};
  Hpa hpa;
  std::optional<TableWriter> tables;
  uint32_t word = 0xdead'beef;
};

TEST_F(DmaTest, GoesThroughStreamAndDart) {
  EXPECT_EQ(fabric.dma(kIova.value + 4, &word, 4, true), Outcome::kSuccess);
  EXPECT_EQ(std::memcmp(pages.data() + 4, &word, 4), 0);
  uint32_t back = 0;
  EXPECT_EQ(fabric.dma(kIova.value + 4, &back, 4, false), Outcome::kSuccess);
  EXPECT_EQ(back, word);
  EXPECT_EQ(fabric.root.dart().stats().walks, 1u);
}

TEST_F(DmaTest, UnknownRequesterIsAMapError) {
  EXPECT_EQ(fabric.dma(kIova.value, &word, 4, true, Rid(1, 0, 1)), Outcome::kUnsupportedRequest);
  EXPECT_EQ(interrupt_status(), port_reg::kRidToSidMapError);
  EXPECT_EQ(fabric.root.dart().stats().faults, 0u) << "it never came to the DART";
  EXPECT_TRUE(pages.all(std::byte{0}));
}

TEST_F(DmaTest, RefusedReadsAreAllOnes) {
  uint32_t value = 0;
  EXPECT_EQ(fabric.dma(kIova.value, &value, 4, false, Rid(9, 0, 0)), Outcome::kUnsupportedRequest);
  EXPECT_EQ(value, 0xffff'ffffu);
}

TEST_F(DmaTest, InboundAddressLimitIsReported) {
  fabric.start(RootComplexConfig{.inbound_address_bits = 32});
  fabric.enumerate();
  map();
  EXPECT_EQ(fabric.dma(0xffff'fffc, &word, 4, true), Outcome::kUnsupportedRequest)
      << "at the limit: the DART's business";
  EXPECT_TRUE(fabric.sink->overflows.empty());
  EXPECT_EQ(fabric.dma(0x1'0000'0000, &word, 4, true), Outcome::kUnsupportedRequest);
  EXPECT_EQ(fabric.dma(0xffff'fffe, &word, 4, true), Outcome::kUnsupportedRequest);
  EXPECT_EQ(fabric.sink->overflows, (std::vector<uint64_t>{0x1'0000'0000, 0xffff'fffe}));
  EXPECT_EQ(interrupt_status(), port_reg::kAddressOverflow);
}

TEST_F(DmaTest, AddressThatWrapsIsReported) {
  EXPECT_EQ(fabric.dma(UINT64_MAX - 1, &word, 4, true), Outcome::kUnsupportedRequest);
  EXPECT_EQ(fabric.sink->overflows.size(), 1u);
}

TEST_F(DmaTest, RootPortWithoutBusMasterForwardsNothing) {
  fabric.config_write(cfg::kCommand, cfg::kCommandMemory, 2);
  EXPECT_EQ(fabric.dma(kIova.value, &word, 4, true), Outcome::kUnsupportedRequest);
  EXPECT_TRUE(pages.all(std::byte{0}));
}

TEST_F(DmaTest, OnlyMemoryRequestsGoUp) {
  for (const TlpKind kind : {TlpKind::kIoRead, TlpKind::kIoWrite, TlpKind::kCfgRead0, TlpKind::kCfgWrite1}) {
    Tlp tlp;
    tlp.request(kind, Fabric::kRid, kIova.value, &word, 4);
    sc_core::sc_time delay;
    fabric.device->upstream->b_transport(tlp, delay);
    EXPECT_EQ(tlp.outcome(), Outcome::kUnsupportedRequest) << to_string(kind);
  }
}

TEST_F(DmaTest, PlainPayloadIsTheDevicesOwnRequest) {
  tlm::tlm_generic_payload payload;
  payload.set_command(tlm::TLM_WRITE_COMMAND);
  payload.set_address(kIova.value);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&word));
  payload.set_data_length(4);
  payload.set_streaming_width(4);
  sc_core::sc_time delay;
  fabric.device->upstream->b_transport(payload, delay);
  EXPECT_TRUE(payload.is_response_ok());
  EXPECT_EQ(std::memcmp(pages.data(), &word, 4), 0);
}

TEST_F(DmaTest, ARefusalMarksTheRootPortAsCompleter) {
  const uint32_t aer = fabric.root.root_port().config().find_extended_capability(aer::kId);
  const uint32_t pcie = fabric.root.root_port().config().find_capability(pcie::kId);
  constexpr uint32_t kAdvisory = pcie::kCorrectableDetected;
  constexpr uint32_t kNonFatal = pcie::kNonFatalDetected;
  const struct {
    bool abort, writing;
    uint16_t secondary;
    uint32_t device_status;  // a refused read is the requester's business: advisory
  } rows[] = {
      {false, false, 0, kAdvisory | pcie::kUnsupportedRequestDetected},
      {false, true, 0, kNonFatal | pcie::kUnsupportedRequestDetected},
      {true, false, bridge::kSignaledTargetAbort, kAdvisory},
      {true, true, bridge::kSignaledTargetAbort, kNonFatal},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(&row - rows);
    fabric.start(RootComplexConfig{.dart = {.completer_abort = row.abort}});
    fabric.enumerate();
    map();
    fabric.config_write(aer + aer::kCorrectableMask, 0, 4);
    EXPECT_EQ(fabric.dma(kIova.value + 16 * kKiB, &word, 4, row.writing),
              row.abort ? Outcome::kCompleterAbort : Outcome::kUnsupportedRequest);
    EXPECT_EQ(fabric.config_read(bridge::kSecondaryStatus, 2), row.secondary);
    EXPECT_EQ(fabric.config_read(cfg::kStatus, 2) &
                  (cfg::kStatusSignaledTargetAbort | cfg::kStatusReceivedTargetAbort | cfg::kStatusReceivedMasterAbort),
              0u)
        << "that is the primary side's";
    EXPECT_EQ(fabric.config_read(pcie + pcie::kDeviceStatus, 2), row.device_status);
    EXPECT_EQ(fabric.config_read(aer + aer::kUncorrectableStatus),
              row.abort ? aer::kCompleterAbort : aer::kUnsupportedRequest);
    fabric.config_write(bridge::kSecondaryStatus, row.secondary, 2);
    EXPECT_EQ(fabric.config_read(bridge::kSecondaryStatus, 2), 0u) << "RW1C";
  }
}

TEST_F(DmaTest, ARequestWithoutEnabledBytesMovesNothing) {
  const unsigned char disabled = TLM_BYTE_DISABLED;
  for (const auto command : {tlm::TLM_READ_COMMAND, tlm::TLM_WRITE_COMMAND}) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(kIova.value);
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(&word));
    payload.set_data_length(4);
    payload.set_streaming_width(4);
    payload.set_byte_enable_ptr(const_cast<unsigned char*>(&disabled));
    payload.set_byte_enable_length(1);
    sc_core::sc_time delay;
    fabric.device->upstream->b_transport(payload, delay);
    EXPECT_TRUE(payload.is_response_ok()) << "a zero-length read only flushes";
    EXPECT_EQ(word, 0xdead'beefu);
  }
  EXPECT_TRUE(pages.all(std::byte{0}));
  EXPECT_EQ(fabric.dma(kIova.value, &word, 0, false), Outcome::kSuccess);
}

TEST_F(DmaTest, ByteEnablesWriteTheEnabledBytesOnly) {
  unsigned char enables[] = {TLM_BYTE_ENABLED, TLM_BYTE_DISABLED};
  tlm::tlm_generic_payload payload;
  payload.set_command(tlm::TLM_WRITE_COMMAND);
  payload.set_address(kIova.value);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&word));
  payload.set_data_length(4);
  payload.set_streaming_width(4);
  payload.set_byte_enable_ptr(enables);
  payload.set_byte_enable_length(2);
  sc_core::sc_time delay;
  fabric.device->upstream->b_transport(payload, delay);
  EXPECT_TRUE(payload.is_response_ok());
  const unsigned char expected[] = {0xef, 0, 0xad, 0};
  EXPECT_EQ(std::memcmp(pages.data(), expected, 4), 0);
}

TEST_F(DmaTest, NothingMovesWhileTheLinkIsDown) {
  fabric.root.link().take_down();
  EXPECT_EQ(fabric.dma(kIova.value, &word, 4, true), Outcome::kLinkDown);
  uint32_t value = 0;
  EXPECT_EQ(fabric.dma(kIova.value, &value, 4, false), Outcome::kLinkDown);
  EXPECT_EQ(value, 0xffff'ffffu);
  EXPECT_TRUE(pages.all(std::byte{0}));
}

// Link, resets, slot
// -------------------------------------------------------------------------------------------------------

TEST_F(RootComplexTest, LinkDownReadsAllOnesAndLosesWrites) {
  fabric.root.link().take_down();
  Outcome outcome;
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
  EXPECT_EQ(fabric.write(kMmio, 1), Outcome::kLinkDown);
  EXPECT_EQ(fabric.read(kDevice, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
  EXPECT_TRUE(fabric.device->requests.empty());
  EXPECT_EQ(fabric.sink->links, std::vector<bool>{false});
  EXPECT_EQ(fabric.device->resets, std::vector<ResetKind>{ResetKind::kLinkDown});
  EXPECT_NE(interrupt_status() & port_reg::kLinkDown, 0u);
  fabric.root.link().bring_up();
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0x5566'7788u);
  EXPECT_EQ(fabric.sink->links, (std::vector<bool>{false, true}));
}

TEST_F(RootComplexTest, SecondaryBusResetResetsTheDeviceWhenItIsReleased) {
  const uint32_t pcie = fabric.root.root_port().config().find_capability(0x10);
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  EXPECT_EQ(fabric.config_read(kDevice), 0xffff'ffffu);
  EXPECT_EQ(fabric.config_read(pcie + bridge::kLinkStatus, 2) & bridge::kDataLinkActive, 0u);
  EXPECT_TRUE(fabric.device->resets.empty());
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  EXPECT_EQ(fabric.device->resets, std::vector<ResetKind>{ResetKind::kHotReset});
  EXPECT_EQ(fabric.observer->resets, std::vector<ResetKind>{ResetKind::kHotReset});
  EXPECT_NE(fabric.config_read(pcie + bridge::kLinkStatus, 2) & bridge::kDataLinkActive, 0u);
  EXPECT_EQ(fabric.config_read(kDevice), 0u);
  EXPECT_TRUE(fabric.sink->links.empty()) << "whoever resets knows";
}

TEST_F(RootComplexTest, PerstResetsTheDeviceWhenItIsReleased) {
  fabric.write(kPortBase + port_reg::kPerst, 0);
  EXPECT_FALSE(fabric.root.link().up());
  fabric.write(kPortBase + port_reg::kPerst, port_reg::kPerstReleased);
  EXPECT_TRUE(fabric.root.link().up());
  EXPECT_EQ(fabric.device->resets, std::vector<ResetKind>{ResetKind::kPerst});
}

TEST_F(RootComplexTest, SurpriseRemovalTellsThePlatformAndLetsGoOfTheDevice) {
  fabric.root.plug(nullptr);
  EXPECT_EQ(fabric.device->upstream, nullptr);
  EXPECT_EQ(fabric.sink->links, std::vector<bool>{false});
  Outcome outcome;
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
  fabric.device->resets.clear();
  fabric.root.plug(fabric.device.get());
  EXPECT_EQ(fabric.device->resets, std::vector<ResetKind>{ResetKind::kPowerOn});
  EXPECT_EQ(fabric.sink->links, (std::vector<bool>{false, true}));
  EXPECT_EQ(fabric.read(kMmio, 4, &outcome), 0x5566'7788u);
}

TEST_F(RootComplexTest, IntxIsALevelAndDropsWithTheLink) {
  fabric.device->upstream->set_intx(1, true);
  fabric.device->upstream->set_intx(1, true);
  fabric.device->upstream->set_intx(9, true);  // no such pin: ignored
  EXPECT_EQ(interrupt_status(), 1u << 1);
  fabric.root.link().take_down();
  EXPECT_EQ(interrupt_status() & 0xf, 0u);
  fabric.device->upstream->set_intx(1, true);  // cannot be sent
  const std::vector<std::pair<unsigned, bool>> expected = {{1, true}, {1, false}};
  EXPECT_EQ(fabric.sink->intx, expected);
}

TEST_F(RootComplexTest, TheLinkTrainsToTheTargetSpeed) {
  const uint32_t pcie = fabric.root.root_port().config().find_capability(0x10);
  EXPECT_EQ(fabric.config_read(pcie + 44), 0xfu << 1) << "Link Capabilities 2: 2.5 to 16 GT/s";
  const auto speed = [&] { return fabric.config_read(pcie + bridge::kLinkStatus, 2) & 0xf; };
  const auto retrain = [&] { fabric.config_write(pcie + bridge::kLinkControl, bridge::kRetrainLink, 2); };
  EXPECT_EQ(fabric.config_read(pcie + bridge::kLinkControl2, 2), 4u);
  for (const uint32_t target : {1u, 3u, 2u, 4u}) {
    const uint32_t before = speed();
    fabric.config_write(pcie + bridge::kLinkControl2, target, 2);
    EXPECT_EQ(speed(), before) << "not before it trains";
    retrain();
    EXPECT_EQ(speed(), target);
  }
  fabric.config_write(pcie + bridge::kLinkControl2, 1, 2);
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  fabric.config_write(bridge::kBridgeControl, 0, 2);
  EXPECT_EQ(speed(), 1u) << "a hot reset trains too";
  for (const uint32_t reserved : {0u, 5u, 15u}) {
    fabric.config_write(pcie + bridge::kLinkControl2, reserved, 2);
    retrain();
    EXPECT_EQ(speed(), 4u) << "reserved: no limit";
  }
}

TEST_F(RootComplexTest, IntxDropsWhileSoftwareHoldsTheLinkDown) {
  const uint32_t link_control = fabric.root.root_port().config().find_capability(0x10) + bridge::kLinkControl;
  const struct {
    const char* what;
    std::function<void()> hold, let_go;
  } rows[] = {
      {"Secondary Bus Reset", [&] { fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2); },
       [&] { fabric.config_write(bridge::kBridgeControl, 0, 2); }},
      {"PERST", [&] { fabric.write(kPortBase + port_reg::kPerst, 0); },
       [&] { fabric.write(kPortBase + port_reg::kPerst, port_reg::kPerstReleased); }},
      {"Link Disable", [&] { fabric.config_write(link_control, bridge::kLinkDisable, 2); },
       [&] { fabric.config_write(link_control, 0, 2); }},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    fabric.sink->intx.clear();
    fabric.device->upstream->set_intx(0, true);
    row.hold();
    EXPECT_EQ(interrupt_status() & 0xf, 0u) << "the wire is a state of the link";
    fabric.device->upstream->set_intx(0, true);
    EXPECT_EQ(interrupt_status() & 0xf, 0u) << "and cannot be sent over one that is down";
    row.let_go();
    EXPECT_EQ(interrupt_status() & 0xf, 0u);
    const std::vector<std::pair<unsigned, bool>> expected = {{0, true}, {0, false}};
    EXPECT_EQ(fabric.sink->intx, expected) << "each edge is told once";
  }
}

TEST_F(RootComplexTest, DirectMemoryNeedsLinkWindowCommandAndBar) {
  const uint32_t bar = Fabric::kBar | 4;  // 64-bit
  std::memcpy(fabric.device->config.data() + cfg::kBar0, &bar, 4);
  const auto granted = [&](uint64_t address, uint64_t length) {
    return bool(fabric.root.direct_memory(address, length));
  };
  EXPECT_FALSE(granted(Fabric::kBar, 16)) << "Memory Space Enable of the device";
  fabric.device->config[cfg::kCommand] = cfg::kCommandMemory;
  EXPECT_EQ(fabric.root.direct_memory(Fabric::kBar + 32, 16).base, fabric.device->bar0.data() + 32);
  EXPECT_FALSE(granted(Fabric::kBar + 64 * kKiB - 8, 16)) << "past the BAR";
  EXPECT_FALSE(granted(Fabric::kBar - 8, 16));
  EXPECT_FALSE(granted(Fabric::kBar, 0));
  EXPECT_FALSE(granted(0x8000'0000, 16)) << "outside the windows";
  fabric.root.link().take_down();
  EXPECT_FALSE(granted(Fabric::kBar, 16));
  fabric.root.link().bring_up();
  fabric.config_write(cfg::kCommand, 0, 2);
  EXPECT_FALSE(granted(Fabric::kBar, 16)) << "Memory Space Enable of the root port";
  EXPECT_TRUE(fabric.observer->tlps.empty()) << "nobody is told";
}

TEST_F(RootComplexTest, EmptySlotAnswersLikeALinkThatIsDown) {
  fabric.root.plug(nullptr);
  fabric.root.reset();
  fabric.enumerate();
  Outcome outcome;
  EXPECT_EQ(fabric.read(kDevice, 4, &outcome), 0xffff'ffffu);
  EXPECT_EQ(outcome, Outcome::kLinkDown);
  EXPECT_FALSE(fabric.root.direct_memory(Fabric::kBar, 4));
}

TEST_F(DmaTest, ResetIsPowerOn) {
  fabric.start();
  const std::string fresh = inspect_text(fabric.root);
  fabric.enumerate();
  map();
  EXPECT_EQ(fabric.dma(kIova.value, &word, 4, true), Outcome::kSuccess);
  fabric.dma(kIova.value + 16 * kKiB, &word, 4, true);
  fabric.dma(port_reg::kMsiDoorbell, &word, 4, true);
  word = 3;
  fabric.dma(port_reg::kMsiDoorbell, &word, 4, true);
  fabric.device->upstream->set_intx(0, true);
  fabric.write(kPortBase + port_reg::kPerst, 0);
  fabric.root.link().take_down();
  fabric.config_write(bridge::kBridgeControl, bridge::kSecondaryBusReset, 2);
  fabric.root.reset();
  EXPECT_EQ(inspect_text(fabric.root), fresh);
  EXPECT_TRUE(fabric.root.link().up());
  EXPECT_EQ(fabric.device->resets.back(), ResetKind::kPowerOn);
}

TEST(RootComplexConfigTest, EachImpossibleConfigurationHasItsSentence) {
  EXPECT_EQ(problem(RootComplexConfig()), "");
  const RootComplexConfig bad[] = {
      {.dart = {.page_shift = 13}}, {.inbound_address_bits = 31}, {.inbound_address_bits = 65},
      {.max_payload_bytes = 100},   {.max_payload_bytes = 8192},  {.rid_to_sid_entries = 0},
      {.rid_to_sid_entries = 65},
  };
  for (const RootComplexConfig& config : bad) EXPECT_NE(problem(config), "") << &config - bad;
}

}  // namespace
}  // namespace dartboard::model::test
