// tests/model/endpoint_test.cpp - what PCIe asks of a function: decode, gating, interrupts, resets, errors.
#include "model/endpoint.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "model/capabilities.h"
#include "tests/model/fake_upstream.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model {
namespace {

using test::Bus;
using test::FakeUpstream;

constexpr uint64_t kBar0 = 0x8000'0000;        // registers, with the MSI-X table at 2000h and the PBA at 3000h
constexpr uint64_t kBar2 = 0x12'0000'0000;     // memory
constexpr uint64_t kBar1 = 0xe000;             // I/O

EndpointDeclaration declaration() {
  EndpointDeclaration d;
  d.vendor_id = 0x1b36;
  d.device_id = 0x7777;
  d.subsystem_vendor_id = 0x1af4;
  d.subsystem_id = 0x1100;
  d.class_code = 0x02'0000;
  d.interrupt_pin = 2;
  d.bars[0] = {BarKind::kMem32, 16 * kKiB, BarRole::kRegisters};
  d.bars[1] = {BarKind::kIo, 32, BarRole::kRegisters};
  d.bars[2] = {BarKind::kMem64Prefetchable, kMiB, BarRole::kMemory};
  d.msix_vectors = 4;
  d.msix_table_offset = 0x2000;
  d.msix_pba_offset = 0x3000;
  d.msi_vectors = 4;
  d.serial_number = 0x0123'4567'89ab'cdef;
  d.vendor_capability = true;
  return d;
}

/// Register BARs are plain bytes; every call is counted.
class ByteDevice final : public Endpoint {
 public:
  explicit ByteDevice(const EndpointDeclaration& d) : Endpoint(d), bytes(16 * kKiB) {}
  std::string_view kind() const override { return "byte device"; }

  Outcome read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) override {
    calls.push_back({bar, offset, length, false});
    std::memcpy(data, bytes.data() + offset, length);
    return answer;
  }
  Outcome write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) override {
    calls.push_back({bar, offset, length, true});
    std::memcpy(bytes.data() + offset, data, length);
    return answer;
  }
  using Endpoint::bus_master;
  using Endpoint::dma_read;
  using Endpoint::dma_write;
  using Endpoint::last_dma_ns;
  using Endpoint::raise;
  using Endpoint::set_intx;
  using Endpoint::set_transactions_pending;
  using Endpoint::stop_responding;

  struct Call {
    unsigned bar;
    uint64_t offset;
    uint32_t length;
    bool is_write;
    bool operator==(const Call&) const = default;
  };
  std::vector<std::byte> bytes;
  std::vector<Call> calls;
  Outcome answer = Outcome::kSuccess;
};

class EndpointTest : public testing::Test {
 protected:
  EndpointTest() : EndpointTest(declaration()) {}
  explicit EndpointTest(const EndpointDeclaration& d) : device(d), bus(device) {
    device.attach(&upstream);
    device.reset(ResetKind::kPowerOn);
    place();
  }
  void place() {
    bus.config_write(0x10, kBar0, 4);
    bus.config_write(0x14, kBar1, 4);
    bus.config_write(0x18, kBar2, 8);
    command(cfg::kCommandMemory | cfg::kCommandIo | cfg::kCommandBusMaster);
  }
  void command(uint16_t value) { bus.config_write(cfg::kCommand, value, 2); }
  uint16_t status() { return static_cast<uint16_t>(bus.config_read(cfg::kStatus, 2)); }
  void clear_status() { bus.config_write(cfg::kStatus, 0xffff, 2); }

  FakeUpstream upstream;
  ByteDevice device;
  Bus bus;
};

// Configuration -------------------------------------------------------------------------------------------------------

TEST_F(EndpointTest, ConfigRequestsReachTheDeclaredIdentity) {
  EXPECT_EQ(bus.config_read(0x00, 4), 0x7777'1b36u);
  EXPECT_EQ(bus.config_read(0x08, 4), 0x0200'0000u);
  EXPECT_EQ(bus.config_read(0x2c, 4), 0x1100'1af4u);
  EXPECT_EQ(bus.config_read(0x3d, 1), 2u);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
}

TEST_F(EndpointTest, EveryConfigRegisterHasItsDeclaredAccessThroughRequests) {
  const RegisterFile& file = device.config().file();
  test::for_each_field(file, [&](const RegisterDecl& decl, const FieldDecl& field, uint32_t offset, uint32_t element) {
    // What has an effect beyond its bits is tested by name.
    if (decl.name == "Power Management Control/Status" || field.access == Access::kWO) return;
    SCOPED_TRACE(test::label(decl, field, element));
    const unsigned width = decl.width_bytes;
    const uint64_t writable = file.writable_bits(offset, width) & mask_of(field);
    uint64_t flr_safe = low_bits(8 * width);
    if (decl.name == "Device Control") flr_safe &= ~uint64_t{pcie::kInitiateFlr};
    const uint64_t before = bus.config_read(offset, width) & mask_of(field);
    bus.config_write(offset, flr_safe, width);
    EXPECT_EQ(bus.config_read(offset, width) & mask_of(field), before | writable);
    bus.config_write(offset, 0, width);
    EXPECT_EQ(bus.config_read(offset, width) & mask_of(field), before & ~writable);
    device.reset(ResetKind::kPowerOn);
  });
}

TEST_F(EndpointTest, ConfigByteEnablesSelectBytes) {
  uint32_t value = 0xffff'ffff;
  EXPECT_EQ(bus.send_enabled(TlpKind::kCfgWrite0, 0x10, &value, 4, {0, 0, 0xff, 0}), Outcome::kSuccess);
  EXPECT_EQ(bus.config_read(0x10, 4), 0x80ff'0000u);
  value = 0x1111'1111;
  bus.send_enabled(TlpKind::kCfgRead0, 0x10, &value, 4, {0, 0, 0xff, 0});
  EXPECT_EQ(value, 0x11ff'1111u) << "bytes that are not enabled are left alone";
}

TEST_F(EndpointTest, ItsRequesterIdIsCapturedFromConfigWritesOnly) {
  bus.completer = Rid(5, 3, 0);
  bus.config_read(0, 4);
  EXPECT_EQ(device.rid(), Rid(1, 0, 0));
  bus.config_write(0x3c, 1, 1);
  EXPECT_EQ(device.rid(), Rid(5, 3, 0));
  uint32_t word = 0;
  device.dma_read(Iova(FakeUpstream::kMemoryBase), reinterpret_cast<std::byte*>(&word), 4);
  EXPECT_EQ(upstream.last_requester, Rid(5, 3, 0));
}

struct BadRequest {
  const char* what;
  TlpKind kind;
  uint64_t address;
  uint32_t length;
};

TEST_F(EndpointTest, RequestsThatNoFunctionAnswersAreUnsupported) {
  constexpr BadRequest kRows[] = {
      {"type 1 configuration read", TlpKind::kCfgRead1, 0, 4},
      {"type 1 configuration write", TlpKind::kCfgWrite1, 0, 4},
      {"configuration request beyond 4 KiB", TlpKind::kCfgRead0, 0x1000, 4},
      {"configuration request over the end", TlpKind::kCfgRead0, 0xffe, 4},
      {"configuration request of 16 bytes", TlpKind::kCfgRead0, 0, 16},
      {"configuration request of 0 bytes", TlpKind::kCfgRead0, 0, 0},
      {"memory outside every BAR", TlpKind::kMemRead, 0x4000, 4},
      {"memory over the end of a BAR", TlpKind::kMemRead, kBar0 + 16 * kKiB - 2, 4},
      {"memory at the top of the address space", TlpKind::kMemWrite, UINT64_MAX - 1, 4},
      {"I/O outside every BAR", TlpKind::kIoRead, 0x100, 4},
      {"I/O request at a memory address", TlpKind::kIoRead, kBar0, 4},
  };
  for (const BadRequest& row : kRows) {
    uint8_t data[16] = {};
    EXPECT_EQ(bus.send(row.kind, row.address, data, row.length), Outcome::kUnsupportedRequest) << row.what;
    if (is_read(row.kind)) {
      for (uint32_t i = 0; i < row.length; ++i) EXPECT_EQ(data[i], 0xff) << row.what;
    }
  }
  EXPECT_TRUE(device.calls.empty());
}

TEST_F(EndpointTest, AnUnsupportedRequestIsRecorded) {
  const uint32_t pcie_at = bus.capability(pcie::kId);
  const uint32_t aer_at = device.config().find_extended_capability(aer::kId);
  bus.read(0x4000, 4);
  EXPECT_EQ(bus.config_read(pcie_at + pcie::kDeviceStatus, 2),
            pcie::kUnsupportedRequestDetected | pcie::kCorrectableDetected);
  EXPECT_EQ(bus.config_read(aer_at + aer::kUncorrectableStatus, 4), 0u) << "advisory errors are masked after power-on";
  EXPECT_EQ(bus.config_read(aer_at + aer::kCorrectableStatus, 4), aer::kAdvisoryNonFatal);
  bus.config_write(aer_at + aer::kCorrectableMask, 0, 4);
  bus.read(0x4000, 4);
  EXPECT_EQ(bus.config_read(aer_at + aer::kUncorrectableStatus, 4), aer::kUnsupportedRequest);
  EXPECT_EQ(bus.config_read(aer_at + aer::kHeaderLog + 8, 4), 0x4000u);
  bus.config_write(pcie_at + pcie::kDeviceStatus, pcie::kUnsupportedRequestDetected, 2);
  EXPECT_EQ(bus.config_read(pcie_at + pcie::kDeviceStatus, 2), pcie::kCorrectableDetected);
  bus.write(0x4000, 0, 4);
  EXPECT_NE(bus.config_read(pcie_at + pcie::kDeviceStatus, 2) & pcie::kNonFatalDetected, 0u) << "posted";
}

// Memory and I/O ------------------------------------------------------------------------------------------------------

TEST_F(EndpointTest, RegisterBarsReachTheDeviceWithBarAndOffset) {
  bus.write(kBar0 + 0x10, 0xdead'beef, 4);
  EXPECT_EQ(bus.read(kBar0 + 0x10, 4), 0xdead'beefu);
  bus.write(TlpKind::kIoWrite, kBar1 + 4, 0x55, 1);
  EXPECT_EQ(bus.read(TlpKind::kIoRead, kBar1 + 4, 1), 0x55u);
  EXPECT_EQ(device.calls, (std::vector<ByteDevice::Call>{
                              {0, 0x10, 4, true}, {0, 0x10, 4, false}, {1, 4, 1, true}, {1, 4, 1, false}}));
}

TEST_F(EndpointTest, ByteEnablesBecomeOneCallPerRun) {
  uint64_t value = 0x8877'6655'4433'2211;
  EXPECT_EQ(bus.send_enabled(TlpKind::kMemWrite, kBar0, &value, 8, {0xff, 0xff, 0, 0, 0xff, 0, 0, 0xff}),
            Outcome::kSuccess);
  EXPECT_EQ(device.calls,
            (std::vector<ByteDevice::Call>{{0, 0, 2, true}, {0, 4, 1, true}, {0, 7, 1, true}}));
  EXPECT_EQ(bus.read(kBar0, 8), 0x8800'0055'0000'2211u);
}

TEST_F(EndpointTest, AShortByteEnableArrayRepeats) {
  uint32_t value = 0xffff'ffff;
  bus.send_enabled(TlpKind::kMemWrite, kBar0, &value, 4, {0xff, 0});
  EXPECT_EQ(bus.read(kBar0, 4), 0x00ff'00ffu);
}

TEST_F(EndpointTest, AZeroLengthReadSucceedsAndTouchesNothing) {
  EXPECT_EQ(bus.send(TlpKind::kMemRead, kBar0, nullptr, 0), Outcome::kSuccess);
  EXPECT_TRUE(device.calls.empty());
}

TEST_F(EndpointTest, AMessageIsAccepted) {
  EXPECT_EQ(bus.send(TlpKind::kMessage, 0, nullptr, 0), Outcome::kSuccess);
}

TEST_F(EndpointTest, StreamingIsUnsupported) {
  uint64_t value = 0;
  bus.tlp.request(TlpKind::kMemWrite, Rid(), kBar0, &value, 8);
  bus.tlp.set_streaming_width(4);
  sc_core::sc_time delay;
  device.b_transport(bus.tlp, delay);
  EXPECT_EQ(bus.tlp.outcome(), Outcome::kUnsupportedRequest);
}

TEST_F(EndpointTest, APlainTlmPayloadIsAMemoryRequest) {
  uint32_t value = 0x1234'5678;
  tlm::tlm_generic_payload payload;
  payload.set_write();
  payload.set_address(kBar2 + 8);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(4);
  payload.set_streaming_width(4);
  sc_core::sc_time delay;
  device.b_transport(payload, delay);
  EXPECT_EQ(payload.get_response_status(), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(bus.read(kBar2 + 8, 4), 0x1234'5678u);
  payload.set_address(0x4000);
  device.b_transport(payload, delay);
  EXPECT_EQ(payload.get_response_status(), tlm::TLM_ADDRESS_ERROR_RESPONSE);
}

TEST_F(EndpointTest, TheDevicesOwnOutcomeIsTheCompletion) {
  clear_status();
  device.answer = Outcome::kCompleterAbort;
  EXPECT_EQ(bus.read(kBar0, 4), 0xffff'ffffu);
  EXPECT_EQ(bus.outcome, Outcome::kCompleterAbort);
  EXPECT_NE(status() & cfg::kStatusSignaledTargetAbort, 0);
}

TEST_F(EndpointTest, CommandGatesMemoryAndIoSeparately) {
  command(cfg::kCommandIo);
  bus.read(kBar0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
  bus.read(kBar2, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
  bus.read(TlpKind::kIoRead, kBar1, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
  command(cfg::kCommandMemory);
  bus.read(kBar0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
  bus.read(TlpKind::kIoRead, kBar1, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
}

class UngatedEndpoint : public EndpointTest {
 protected:
  static EndpointDeclaration ungated() {
    EndpointDeclaration d = declaration();
    d.memory_decode_ungated = true;
    return d;
  }
  UngatedEndpoint() : EndpointTest(ungated()) {}
};

TEST_F(UngatedEndpoint, AnUngatedDeviceAnswersMemoryWhateverCommandSays) {
  command(0);
  bus.read(kBar0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
}

TEST_F(EndpointTest, MemoryBarsHoldBytesOfAnyLength) {
  std::vector<uint8_t> pattern(10'000);
  for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<uint8_t>(i * 7);
  bus.send(TlpKind::kMemWrite, kBar2 + 123, pattern.data(), static_cast<uint32_t>(pattern.size()));
  std::vector<uint8_t> back(pattern.size());
  bus.send(TlpKind::kMemRead, kBar2 + 123, back.data(), static_cast<uint32_t>(back.size()));
  EXPECT_EQ(back, pattern);
}

TEST_F(EndpointTest, DirectMemoryIsTheSameMemory) {
  const DirectMemory direct = device.direct_memory(2, 0x100, 0x1000);
  ASSERT_TRUE(direct);
  bus.write(kBar2 + 0x104, 0xcafe'f00d, 4);
  uint32_t value = 0;
  std::memcpy(&value, direct.base + 4, 4);
  EXPECT_EQ(value, 0xcafe'f00du);
}

TEST_F(EndpointTest, OnlyMemoryInsideABarIsDirect) {
  EXPECT_FALSE(device.direct_memory(0, 0, 4)) << "registers";
  EXPECT_FALSE(device.direct_memory(3, 0, 4)) << "upper half";
  EXPECT_FALSE(device.direct_memory(6, 0, 4)) << "no such BAR";
  EXPECT_FALSE(device.direct_memory(2, kMiB - 2, 4)) << "over the end";
  EXPECT_FALSE(device.direct_memory(2, UINT64_MAX, 2)) << "wraps";
  EXPECT_FALSE(device.direct_memory(2, 0, 0)) << "nothing";
}

TEST_F(EndpointTest, MemoryIsClearedByPowerOnOnly) {
  const DirectMemory direct = device.direct_memory(2, 0, kMiB);
  for (const ResetKind kind : {ResetKind::kFlr, ResetKind::kHotReset, ResetKind::kPerst}) {
    direct.base[kMiB - 1] = std::byte{0xaa};
    device.reset(kind);
    EXPECT_EQ(direct.base[kMiB - 1], std::byte{0xaa});
  }
  direct.base[0] = std::byte{0xbb};
  device.reset(ResetKind::kPowerOn);
  EXPECT_EQ(direct.base[kMiB - 1], std::byte{0}) << "written through the pointer";
  EXPECT_EQ(direct.base[0], std::byte{0});
  place();
  bus.write(kBar2 + 64, 1, 4);
  device.reset(ResetKind::kPowerOn);
  EXPECT_EQ(direct.base[64], std::byte{0}) << "written by a request";
}

// DMA -----------------------------------------------------------------------------------------------------------------

TEST_F(EndpointTest, DmaIsGatedByBusMasterEnable) {
  uint32_t value = 0x1234;
  command(cfg::kCommandMemory);
  const uint64_t before = upstream.requests;
  EXPECT_EQ(device.dma_write(Iova(FakeUpstream::kMemoryBase), reinterpret_cast<std::byte*>(&value), 4),
            Outcome::kUnsupportedRequest);
  EXPECT_EQ(upstream.requests, before) << "nothing left the device";
  command(cfg::kCommandBusMaster);
  EXPECT_EQ(device.dma_write(Iova(FakeUpstream::kMemoryBase), reinterpret_cast<std::byte*>(&value), 4),
            Outcome::kSuccess);
  EXPECT_EQ(upstream.memory[0], std::byte{0x34});
}

TEST_F(EndpointTest, FailedDmaSetsTheStatusBitOfItsOutcome) {
  struct Row {
    Outcome outcome;
    uint16_t status;
    uint32_t aer;
  };
  constexpr Row kRows[] = {
      {Outcome::kUnsupportedRequest, cfg::kStatusReceivedMasterAbort, 0},
      {Outcome::kCompleterAbort, cfg::kStatusReceivedTargetAbort, 0},
      {Outcome::kCompletionTimeout, 0, aer::kCompletionTimeout},
      {Outcome::kPoisoned, cfg::kStatusDetectedParityError, aer::kPoisoned},
      {Outcome::kLinkDown, 0, 0},
  };
  const uint32_t aer_at = device.config().find_extended_capability(aer::kId);
  std::byte data[4] = {};
  for (const Row& row : kRows) {
    clear_status();
    bus.config_write(aer_at + aer::kUncorrectableStatus, 0xffff'ffff, 4);
    upstream.dma_outcome = row.outcome;
    EXPECT_EQ(device.dma_read(Iova(FakeUpstream::kMemoryBase), data, 4), row.outcome);
    EXPECT_EQ(status() & 0xf900, row.status) << to_string(row.outcome);
    EXPECT_EQ(bus.config_read(aer_at + aer::kUncorrectableStatus, 4), row.aer) << to_string(row.outcome);
  }
}

TEST_F(EndpointTest, AnUnpluggedDeviceGetsLinkDown) {
  std::byte data[4] = {};
  device.attach(nullptr);
  EXPECT_EQ(device.dma_read(Iova(FakeUpstream::kMemoryBase), data, 4), Outcome::kLinkDown);
}

// MSI-X ---------------------------------------------------------------------------------------------------------------

class MsixEndpoint : public EndpointTest {
 protected:
  MsixEndpoint() : at_(bus.capability(msix::kId)) {
    for (uint32_t v = 0; v < 4; ++v) {
      bus.write(entry(v), FakeUpstream::kDoorbell, 8);
      bus.write(entry(v) + 8, 0x40 + v, 8);   // data and an unmasked Vector Control
    }
  }
  static uint64_t entry(uint32_t vector) { return kBar0 + 0x2000 + 16 * vector; }
  uint64_t pba() { return bus.read(kBar0 + 0x3000, 8); }
  void control(uint16_t value) { bus.config_write(at_ + msix::kControl, value, 2); }
  uint32_t at_;
};

TEST_F(MsixEndpoint, TheCapabilitySaysWhereTableAndPbaAre) {
  EXPECT_EQ(bus.config_read(at_ + msix::kControl, 2), 3u);
  EXPECT_EQ(bus.config_read(at_ + msix::kTable, 4), 0x2000u);
  EXPECT_EQ(bus.config_read(at_ + msix::kPba, 4), 0x3000u);
}

TEST_F(MsixEndpoint, TableAndPbaAreTakenOutOfTheBar) {
  EXPECT_EQ(bus.read(entry(1), 8), FakeUpstream::kDoorbell);
  EXPECT_EQ(bus.read(entry(1) + 8, 4), 0x41u);
  pba();
  EXPECT_TRUE(device.calls.empty());
  bus.read(kBar0 + 0x2040, 4);
  bus.read(kBar0 + 0x3008, 4);
  EXPECT_EQ(device.calls.size(), 2u) << "behind the structures the BAR is the device's";
}

TEST_F(MsixEndpoint, AnAccessAcrossTheBordersIsCutThere) {
  std::vector<uint8_t> data(32, 0x77);
  bus.send(TlpKind::kMemWrite, kBar0 + 0x1ff8, data.data(), 32);
  EXPECT_EQ(device.calls, (std::vector<ByteDevice::Call>{{0, 0x1ff8, 8, true}}));
  EXPECT_EQ(bus.read(entry(0), 4), 0x7777'7774u);
  device.calls.clear();
  bus.send(TlpKind::kMemRead, kBar0 + 0x2ff8, data.data(), 32);
  EXPECT_EQ(device.calls, (std::vector<ByteDevice::Call>{{0, 0x2ff8, 8, false}, {0, 0x3008, 16, false}}));
}

TEST_F(MsixEndpoint, ThePbaIsReadOnly) {
  control(msix::kEnable | msix::kFunctionMask);
  device.raise(1);
  bus.write(kBar0 + 0x3000, 0, 8);
  EXPECT_EQ(pba(), 2u);
  bus.write(kBar0 + 0x3000, ~uint64_t{0}, 8);
  EXPECT_EQ(pba(), 2u);
  EXPECT_EQ(bus.read(kBar0 + 0x3000, 1), 2u);
  EXPECT_EQ(bus.read(kBar0 + 0x3004, 4), 0u);
}

TEST_F(MsixEndpoint, VectorsAreSentWhenEnabledAndPendOtherwise) {
  control(msix::kEnable);
  device.raise(2);
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{0x42});
  bus.write(entry(2) + 12, 1, 4);
  device.raise(2);
  EXPECT_EQ(pba(), 4u);
  bus.write(entry(2) + 12, 0, 4);
  EXPECT_EQ(upstream.messages, (std::vector<uint32_t>{0x42, 0x42}));
  EXPECT_EQ(pba(), 0u);
}

TEST_F(MsixEndpoint, FunctionMaskHoldsEverythingBack) {
  control(msix::kEnable | msix::kFunctionMask);
  device.raise(0);
  device.raise(3);
  EXPECT_TRUE(upstream.messages.empty());
  EXPECT_EQ(pba(), 9u);
  control(msix::kEnable);
  EXPECT_EQ(upstream.messages, (std::vector<uint32_t>{0x40, 0x43}));
}

TEST_F(MsixEndpoint, BusMasterOffHoldsMessagesBack) {
  control(msix::kEnable);
  command(cfg::kCommandMemory);
  device.raise(1);
  EXPECT_TRUE(upstream.messages.empty());
  EXPECT_EQ(pba(), 2u);
  command(cfg::kCommandMemory | cfg::kCommandBusMaster);
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{0x41});
}

TEST_F(MsixEndpoint, MemorySpaceDoesNotGateMessages) {
  control(msix::kEnable);
  command(cfg::kCommandBusMaster);
  device.raise(1);
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{0x41});
}

TEST_F(MsixEndpoint, ResetsForgetTheTableTheEnableAndWhatWasPending) {
  for (const ResetKind kind : {ResetKind::kFlr, ResetKind::kHotReset, ResetKind::kPowerOn}) {
    control(msix::kEnable | msix::kFunctionMask);
    device.raise(1);
    device.reset(kind);
    place();
    EXPECT_EQ(bus.config_read(at_ + msix::kControl, 2), 3u);
    EXPECT_EQ(pba(), 0u);
    EXPECT_EQ(bus.read(entry(1) + 12, 4), 1u) << "masked";
    EXPECT_EQ(bus.read(entry(1), 8), 0u);
  }
}

// MSI -----------------------------------------------------------------------------------------------------------------

class MsiEndpoint : public EndpointTest {
 protected:
  MsiEndpoint() : at_(bus.capability(msi::kId)) {
    bus.config_write(at_ + msi::kAddressLow, FakeUpstream::kDoorbell, 4);
    bus.config_write(at_ + msi::kAddressHigh, 0, 4);
    bus.config_write(at_ + msi::kData, 0x10, 2);
  }
  void enable(unsigned granted_log2) {
    bus.config_write(at_ + msi::kControl, msi::kEnable | (granted_log2 << msi::kMultipleMessageEnableShift), 2);
  }
  uint32_t at_;
};

TEST_F(MsiEndpoint, TheVectorIsInTheLowBitsOfTheData) {
  enable(2);
  device.raise(3);
  device.raise(0);
  EXPECT_EQ(upstream.messages, (std::vector<uint32_t>{0x13, 0x10}));
}

TEST_F(MsiEndpoint, VectorsShareMessagesWhenFewerAreGranted) {
  enable(1);
  device.raise(3);
  enable(0);
  device.raise(3);
  EXPECT_EQ(upstream.messages, (std::vector<uint32_t>{0x11, 0x10}));
}

TEST_F(MsiEndpoint, MoreGrantedThanCapableIsLimited) {
  enable(7);
  device.raise(31);
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{0x13});
}

TEST_F(MsiEndpoint, AMaskedVectorPendsAndIsSentOnUnmask) {
  enable(2);
  bus.config_write(at_ + msi::kMask, 0xffff'ffff, 4);
  EXPECT_EQ(bus.config_read(at_ + msi::kMask, 4), 0xfu) << "only existing vectors have a mask bit";
  device.raise(1);
  device.raise(2);
  EXPECT_EQ(bus.config_read(at_ + msi::kPending, 4), 6u);
  bus.config_write(at_ + msi::kPending, 0xffff'ffff, 4);
  EXPECT_EQ(bus.config_read(at_ + msi::kPending, 4), 6u) << "read-only";
  bus.config_write(at_ + msi::kMask, 0x4, 4);
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{0x11});
  EXPECT_EQ(bus.config_read(at_ + msi::kPending, 4), 4u);
}

TEST_F(MsiEndpoint, BusMasterOffHoldsMessagesBack) {
  enable(0);
  command(cfg::kCommandMemory);
  device.raise(0);
  EXPECT_TRUE(upstream.messages.empty());
  command(cfg::kCommandBusMaster);
  EXPECT_EQ(upstream.messages, std::vector<uint32_t>{0x10});
}

// INTx ----------------------------------------------------------------------------------------------------------------

using IntxLog = std::vector<std::pair<unsigned, bool>>;

TEST_F(EndpointTest, IntxIsALevelOnTheDeclaredPin) {
  device.set_intx(true);
  device.set_intx(true);
  EXPECT_NE(status() & cfg::kStatusInterrupt, 0);
  device.set_intx(false);
  EXPECT_EQ(status() & cfg::kStatusInterrupt, 0);
  EXPECT_EQ(upstream.intx, (IntxLog{{1, true}, {1, false}}));
}

TEST_F(EndpointTest, InterruptDisableHoldsTheLineButNotTheStatus) {
  device.set_intx(true);
  command(cfg::kCommandIntxDisable);
  EXPECT_NE(status() & cfg::kStatusInterrupt, 0);
  command(0);
  EXPECT_EQ(upstream.intx, (IntxLog{{1, true}, {1, false}, {1, true}}));
}

TEST_F(EndpointTest, EnablingMsixReleasesTheLine) {
  device.set_intx(true);
  bus.config_write(bus.capability(msix::kId) + msix::kControl, msix::kEnable, 2);
  EXPECT_EQ(upstream.intx, (IntxLog{{1, true}, {1, false}}));
}

TEST_F(EndpointTest, RaiseWithoutMsiAssertsTheLine) {
  device.raise(7);
  EXPECT_EQ(upstream.intx, (IntxLog{{1, true}}));
}

TEST_F(EndpointTest, ResetAndUnplugReleaseTheLine) {
  device.set_intx(true);
  device.reset(ResetKind::kFlr);
  device.set_intx(true);
  device.attach(nullptr);
  EXPECT_EQ(upstream.intx, (IntxLog{{1, true}, {1, false}, {1, true}, {1, false}}));
}

// Resets and power ----------------------------------------------------------------------------------------------------

TEST_F(EndpointTest, InitiateFlrResetsTheFunctionAndReadsZero) {
  const uint32_t at = bus.capability(pcie::kId) + pcie::kDeviceControl;
  bus.config_write(0x3c, 0x0b, 1);
  bus.config_write(at, 0x8000 | 0x0020, 2);
  EXPECT_EQ(bus.config_read(cfg::kCommand, 2), 0u);
  EXPECT_EQ(bus.config_read(0x10, 4), 0u);
  EXPECT_EQ(bus.config_read(0x3c, 1), 0u);
  EXPECT_EQ(bus.config_read(at, 2) & 0x8000, 0u);
  EXPECT_EQ(bus.config_read(at, 2) & 0x00e0, 0x0020u) << "Max_Payload_Size survives";
  EXPECT_EQ(device.rid(), Rid(1, 0, 0));
}

class NoFlrEndpoint : public EndpointTest {
 protected:
  static EndpointDeclaration no_flr() {
    EndpointDeclaration d = declaration();
    d.flr = false;
    return d;
  }
  NoFlrEndpoint() : EndpointTest(no_flr()) {}
};

TEST_F(NoFlrEndpoint, WithoutTheCapabilityInitiateFlrDoesNothing) {
  const uint32_t at = bus.capability(pcie::kId);
  EXPECT_EQ(bus.config_read(at + pcie::kDeviceCapabilities, 4) & pcie::kFlrCapable, 0u);
  bus.config_write(at + pcie::kDeviceControl, 0x8000, 2);
  EXPECT_EQ(bus.config_read(0x10, 4), kBar0);
}

TEST_F(EndpointTest, FunctionsInD3hotAnswerConfigurationOnly) {
  const uint32_t at = bus.capability(pm::kId) + pm::kControlStatus;
  bus.config_write(at, pm::kPowerStateD3Hot, 2);
  bus.read(kBar0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
  EXPECT_FALSE(device.bus_master());
  EXPECT_EQ(bus.config_read(at, 2), 3u);
  EXPECT_EQ(bus.config_read(0x10, 4), kBar0);
}

TEST_F(EndpointTest, ReturnFromD3hotResetsUnlessNoSoftReset) {
  const uint32_t at = bus.capability(pm::kId) + pm::kControlStatus;
  bus.config_write(at, 3, 2);
  bus.config_write(at, 0, 2);
  EXPECT_EQ(bus.config_read(at, 2), 0u);
  EXPECT_EQ(bus.config_read(0x10, 4), 0u);
}

TEST_F(EndpointTest, UnsupportedPowerStatesAreDiscarded) {
  const uint32_t at = bus.capability(pm::kId) + pm::kControlStatus;
  for (const uint64_t state : {1u, 2u}) {
    bus.config_write(at, state, 2);
    EXPECT_EQ(bus.config_read(at, 2), 0u);
  }
}

class NoSoftResetEndpoint : public EndpointTest {
 protected:
  static EndpointDeclaration no_soft_reset() {
    EndpointDeclaration d = declaration();
    d.no_soft_reset = true;
    return d;
  }
  NoSoftResetEndpoint() : EndpointTest(no_soft_reset()) {}
};

TEST_F(NoSoftResetEndpoint, ReturnFromD3hotKeepsEverything) {
  const uint32_t at = bus.capability(pm::kId) + pm::kControlStatus;
  bus.config_write(at, 3, 2);
  bus.config_write(at, 0, 2);
  EXPECT_EQ(bus.config_read(at, 2), pm::kNoSoftReset);
  bus.read(kBar0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
}

class SlowEndpoint : public EndpointTest {
 protected:
  static constexpr uint64_t kReadyNs = 20 * kNsPerMs;
  static EndpointDeclaration slow() {
    EndpointDeclaration d = declaration();
    d.reset_ready_ns = kReadyNs;
    return d;
  }
  SlowEndpoint() : EndpointTest(slow()) {}
};

TEST_F(SlowEndpoint, AnswersRequestRetryUntilReadyAfterAReset) {
  for (const ResetKind kind : {ResetKind::kFlr, ResetKind::kHotReset}) {
    device.reset(kind);
    EXPECT_EQ(bus.config_read(0, 4), 0xffff'ffffu);
    EXPECT_EQ(bus.outcome, Outcome::kRequestRetry);
    upstream.timeline().advance(kReadyNs - 1);
    bus.config_read(0, 4);
    EXPECT_EQ(bus.outcome, Outcome::kRequestRetry);
    upstream.timeline().advance(1);
    EXPECT_EQ(bus.config_read(0, 4), 0x7777'1b36u);
    EXPECT_EQ(bus.outcome, Outcome::kSuccess);
  }
}

TEST_F(EndpointTest, AFunctionThatStoppedRespondingComesBackWithAConventionalReset) {
  device.stop_responding();
  EXPECT_EQ(bus.config_read(0, 4), 0xffff'ffffu);
  EXPECT_EQ(bus.outcome, Outcome::kRequestRetry);
  EXPECT_EQ(bus.read(kBar0, 4), 0xffff'ffffu);
  EXPECT_FALSE(device.direct_memory(2, 0, 4));
  device.reset(ResetKind::kFlr);
  bus.config_read(0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kRequestRetry);
  device.reset(ResetKind::kHotReset);
  bus.config_read(0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
}

TEST_F(EndpointTest, TransactionsPendingIsShown) {
  const uint32_t at = bus.capability(pcie::kId) + pcie::kDeviceStatus;
  device.set_transactions_pending(true);
  EXPECT_EQ(bus.config_read(at, 2), pcie::kTransactionsPending);
  device.set_transactions_pending(false);
  EXPECT_EQ(bus.config_read(at, 2), 0u);
}

TEST_F(EndpointTest, PowerOnAfterAnyHistoryEqualsAFreshFunction) {
  ByteDevice fresh(declaration());
  const uint32_t msix_at = bus.capability(msix::kId);
  bus.config_write(msix_at + msix::kControl, msix::kEnable, 2);
  device.raise(1);
  bus.read(0x4000, 4);
  for (uint32_t offset = 0; offset < 0x200; offset += 4) bus.config_write(offset, 0xffff'7fff, 4);
  device.reset(ResetKind::kPowerOn);
  for (uint32_t offset = 0; offset < kConfigBytes; offset += 4) {
    EXPECT_EQ(device.config().file().peek32(offset), fresh.config().file().peek32(offset)) << offset;
  }
  EXPECT_EQ(device.rid(), fresh.rid());
}

TEST_F(EndpointTest, InspectShowsConfigurationBarsAndMsix) {
  InspectNode node;
  device.inspect(node);
  std::vector<std::string> names;
  for (const InspectNode& child : node.children) names.push_back(child.name);
  EXPECT_EQ(names, (std::vector<std::string>{"requester id", "state", "BARs", "configuration space", "MSI-X table"}));
  EXPECT_EQ(node.children[0].value, "01:00.0");
  EXPECT_EQ(node.children[2].children[0].value, "0x80000000, 16384 bytes");
  EXPECT_EQ(node.children[3].children[2].name, "0x004 Command");
  EXPECT_EQ(node.children[3].children[2].value, "0x0007");
}

// Declarations --------------------------------------------------------------------------------------------------------

TEST(EndpointDeclarationTest, ImpossibleFunctionsAreRefusedWithASentence) {
  struct Row {
    const char* part_of_sentence;
    std::function<void(EndpointDeclaration&)> spoil;
  };
  const Row rows[] = {
      {"vendor id is 0xffff", [](auto& d) { d.vendor_id = 0xffff; }},
      {"more than 24 bits", [](auto& d) { d.class_code = 0x100'0000; }},
      {"interrupt pin is 5", [](auto& d) { d.interrupt_pin = 5; }},
      {"power of two", [](auto& d) { d.bars[0].size_bytes = 5000; }},
      {"MSI vectors is 3", [](auto& d) { d.msi_vectors = 3; }},
      {"MSI vectors is 64", [](auto& d) { d.msi_vectors = 64; }},
      {"MSI-X vectors is 2049", [](auto& d) { d.msix_vectors = 2049; }},
      {"table is in BAR1, which is not a memory", [](auto& d) { d.msix_table_bar = 1; }},
      {"PBA is in BAR9, which is not a memory", [](auto& d) { d.msix_pba_bar = 9; }},
      {"expected a multiple of 8", [](auto& d) { d.msix_table_offset = 0x2004; }},
      {"does not fit in BAR0", [](auto& d) { d.msix_table_offset = 0x3ff8; }},
      {"does not fit in BAR0", [](auto& d) { d.msix_pba_offset = 0xffff'fff8; }},
      {"table and PBA overlap", [](auto& d) { d.msix_pba_offset = 0x2038; }},
      {"need the PCI Express capability", [](auto& d) { d.pcie = false; }},
  };
  EXPECT_TRUE(declaration().validate().has_value());
  for (const Row& row : rows) {
    EndpointDeclaration d = declaration();
    row.spoil(d);
    const auto result = d.validate();
    ASSERT_FALSE(result.has_value()) << row.part_of_sentence;
    EXPECT_NE(result.error().sentence.find(row.part_of_sentence), std::string::npos) << result.error().sentence;
  }
}

TEST(EndpointDeclarationTest, AConventionalFunctionHasNoExtendedCapabilities) {
  EndpointDeclaration d = declaration();
  d.pcie = d.flr = d.aer = false;
  d.serial_number.reset();
  ASSERT_TRUE(d.validate().has_value());
  ByteDevice device(d);
  EXPECT_EQ(device.config().find_capability(pcie::kId), 0u);
  EXPECT_EQ(device.config().file().peek32(kFirstExtendedOffset), 0u);
}

}  // namespace
}  // namespace dartboard::model
