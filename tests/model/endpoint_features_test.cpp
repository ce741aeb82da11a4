// tests/model/endpoint_features_test.cpp - expansion ROM, resizable BARs, ATS, vendor capabilities, power and reset
// times.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "model/capabilities.h"
#include "tests/model/full_endpoint.h"
#include "tests/model/one_fault.h"

namespace dartboard::model::test {
namespace {

class Features : public testing::Test {
 protected:
  Features() : Features(full_declaration()) {}
  explicit Features(const EndpointDeclaration& d) : device(d), bus(device) {
    device.attach(&upstream);
    device.reset(ResetKind::kPowerOn);
    place(bus);
  }
  uint32_t extended(uint16_t id) { return device.config().find_extended_capability(id); }
  void power(uint32_t state) { bus.config_write(bus.capability(pm::kId) + pm::kControlStatus, state, 2); }
  uint64_t power() { return bus.config_read(bus.capability(pm::kId) + pm::kControlStatus, 2) & pm::kPowerStateMask; }
  FakeUpstream upstream;
  FullEndpoint device;
  Bus bus;
};

// Expansion ROM -------------------------------------------------------------------------------------------------------

TEST_F(Features, TheRomBarSizesLikeABar) {
  bus.config_write(cfg::kRomBar, 0xffff'f800, 4);
  EXPECT_EQ(bus.config_read(cfg::kRomBar, 4), 0xffff'f000u) << "4 KiB holds the image";
  bus.config_write(cfg::kRomBar, 0xffff'ffff, 4);
  EXPECT_EQ(bus.config_read(cfg::kRomBar, 4), 0xffff'f001u) << "and the enable bit";
}

TEST_F(Features, TheRomNeedsItsEnableAndMemorySpace) {
  const struct {
    uint32_t enable;
    uint16_t command;
    Outcome outcome;
  } rows[] = {
      {0, cfg::kCommandMemory, Outcome::kUnsupportedRequest},
      {1, 0, Outcome::kUnsupportedRequest},
      {1, cfg::kCommandMemory, Outcome::kSuccess},
  };
  for (const auto& row : rows) {
    bus.config_write(cfg::kRomBar, kFullRom | row.enable, 4);
    bus.config_write(cfg::kCommand, row.command, 2);
    bus.read(kFullRom, 4);
    EXPECT_EQ(bus.outcome, row.outcome);
  }
}

TEST_F(Features, TheRomHoldsTheImageThenAllOnesAndIgnoresWrites) {
  bus.config_write(cfg::kRomBar, kFullRom | 1, 4);
  EXPECT_EQ(bus.read(kFullRom, 4), 0x5a5a'aa55u);
  EXPECT_EQ(bus.read(kFullRom + 2998, 4), 0xffff'5a5au);
  EXPECT_EQ(bus.read(kFullRom + 4092, 4), 0xffff'ffffu);
  bus.write(kFullRom, 0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
  EXPECT_EQ(bus.read(kFullRom, 2), 0xaa55u);
  uint32_t value = 0x1111'1111;
  bus.send_enabled(TlpKind::kMemRead, kFullRom, &value, 4, {0, 0xff, 0, 0});
  EXPECT_EQ(value, 0x1111'aa11u);
  bus.read(kFullRom + 4094, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest) << "over its end";
}

// Resizable BAR -------------------------------------------------------------------------------------------------------

class Resizable : public Features {
 protected:
  void resize(uint32_t code) {
    const uint32_t at = extended(rebar::kId) + rebar::kControl;
    bus.config_write(at, code << rebar::kSizeShift, 4);
  }
  uint64_t sized() {
    bus.config_write(cfg::kBar0 + 8, ~uint64_t{0}, 8);
    const uint64_t mask = bus.config_read(cfg::kBar0 + 8, 8) & ~uint64_t{0xf};
    return ~mask + 1;
  }
};

TEST_F(Resizable, TheCapabilityShowsSizesIndexCountAndSize) {
  const uint32_t at = extended(rebar::kId);
  ASSERT_NE(at, 0u);
  EXPECT_EQ(bus.config_read(at + rebar::kCapability, 4), (1u << 1 | 1u << 4 | 1u << 13) << 4);
  EXPECT_EQ(bus.config_read(at + rebar::kControl, 4), 2u | 1u << 5 | 4u << 8) << "BAR2, one of them, 16 MiB";
}

TEST_F(Resizable, EverySizeSizesTheBar) {
  for (const uint32_t code : {1u, 4u, 13u}) {
    resize(code);
    EXPECT_EQ(sized(), kMiB << code);
    EXPECT_EQ(bus.config_read(cfg::kBar0 + 8, 4) & 0xf, 0xcu) << "64-bit prefetchable all the same";
  }
}

TEST_F(Resizable, ASizeThatIsNotOfferedIsIgnored) {
  for (const uint32_t code : {0u, 2u, 14u, 43u, 63u}) {
    resize(code);
    EXPECT_EQ(sized(), 16 * kMiB) << code;
  }
}

TEST_F(Resizable, TheDecoderFollowsTheSize) {
  bus.config_write(cfg::kCommand, 0, 2);
  resize(1);
  place(bus);
  bus.write(kFullBar2 + 2 * kMiB - 4, 0x1234, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
  bus.read(kFullBar2 + 2 * kMiB, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
  EXPECT_FALSE(device.direct_memory(2, 2 * kMiB, 4)) << "no way past the size by pointer";
  resize(13);
  bus.config_write(cfg::kBar0 + 8, 0x40'0000'0000, 8);
  bus.read(0x40'0000'0000 + 8 * kGiB - 4, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
  EXPECT_TRUE(device.direct_memory(2, 4 * kGiB, 4));
}

TEST_F(Resizable, GrowingDropsTheAddressBitsBelowTheSize) {
  bus.config_write(cfg::kBar0 + 8, 0x12'3456'7000, 8);
  resize(13);
  EXPECT_EQ(bus.config_read(cfg::kBar0 + 8, 8), 0x12'0000'000cu);
}

// Software must not do this (PCIe 6.0 s7.8.6.3); if it does, decoding follows the register at once.
TEST_F(Resizable, ASizeThatChangesWhileDecodeIsOnIsDecodedAtOnce) {
  bus.config_write(cfg::kCommand, 0, 2);
  resize(4);
  place(bus);
  bus.read(kFullBar2 + 2 * kMiB, 4);
  ASSERT_EQ(bus.outcome, Outcome::kSuccess);
  resize(1);
  bus.read(kFullBar2 + 2 * kMiB, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest) << "outside now";
  EXPECT_FALSE(device.direct_memory(2, 2 * kMiB, 4));
  bus.read(kFullBar2, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess) << "the address holds";
  resize(4);
  bus.read(kFullBar2 + 2 * kMiB, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess);
}

TEST_F(Resizable, AResetBringsTheDeclaredSizeBack) {
  for (const ResetKind kind : {ResetKind::kFlr, ResetKind::kHotReset, ResetKind::kPowerOn}) {
    resize(13);
    device.reset(kind);
    EXPECT_EQ(sized(), 16 * kMiB) << to_string(kind);
  }
}

// ATS, vendor, absent functions
// -----------------------------------------------------------------------------------------

TEST_F(Features, AtsIsVisibleAndCannotBeEnabled) {
  const uint32_t at = extended(ats::kId);
  ASSERT_NE(at, 0u);
  bus.config_write(at + ats::kControl, 0xffff, 2);
  EXPECT_EQ(bus.config_read(at + ats::kControl, 2), 0x001fu);
}

TEST_F(Features, TheVendorCapabilityHasAStickyScratch) {
  const uint32_t at = extended(vsec::kId);
  ASSERT_NE(at, 0u);
  EXPECT_EQ(bus.config_read(at + 4, 4), 0x0101'00dbu);
  bus.config_write(at + vsec::kScratch, 1, 4);
  bus.config_write(at + vsec::kSticky, 2, 4);
  device.reset(ResetKind::kHotReset);
  EXPECT_EQ(bus.config_read(at + vsec::kScratch, 4), 0u);
  EXPECT_EQ(bus.config_read(at + vsec::kSticky, 4), 2u);
}

TEST_F(Features, TheExtendedChainIsAcyclicAndEndsIn4KiB) {
  unsigned count = 0;
  uint32_t last = 0;
  for (uint32_t at = kFirstExtendedOffset; at != 0;) {
    ASSERT_GT(at, last);
    ASSERT_LT(at, kConfigBytes);
    last = at;
    at = static_cast<uint32_t>(bus.config_read(at, 4) >> 20);
    ++count;
  }
  EXPECT_EQ(count, 5u) << "AER, serial number, resizable BAR, ATS, vendor";
}

TEST_F(Features, AnAbsentFunctionIsUnsupportedAndRecordedByTheOneThatIsThere) {
  const uint32_t status = bus.capability(pcie::kId) + pcie::kDeviceStatus;
  const uint32_t aer = extended(aer::kId);
  bus.config_write(aer + aer::kCorrectableMask, 0, 4);
  bus.completer = Rid(1, 0, 3);
  EXPECT_EQ(bus.config_read(0, 4), 0xffff'ffffu);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
  bus.config_write(0x3c, 1, 1);
  bus.completer = Rid(1, 0, 0);
  EXPECT_EQ(bus.config_read(status, 2), pcie::kCorrectableDetected | pcie::kUnsupportedRequestDetected) << "advisory";
  EXPECT_EQ(bus.config_read(aer + aer::kUncorrectableStatus, 4), aer::kUnsupportedRequest);
  EXPECT_EQ(bus.config_read(aer + aer::kHeaderLog + 8, 4) >> 16, 0x0103u) << "the function that was looked for";
  EXPECT_TRUE(upstream.errors.empty()) << "and told to nobody while reporting is off";
  EXPECT_EQ(bus.config_read(0x3c, 1), 0u);
  EXPECT_EQ(device.rid(), Rid(1, 0, 0)) << "not captured either";
}

// Errors at the completer ---------------------------------------------------------------------------------------------

TEST_F(Features, ACompleterAbortIsSignaledRecordedAndLogged) {
  const uint32_t at = extended(aer::kId);
  bus.config_write(at + aer::kCorrectableMask, 0, 4);
  bus.config_write(bus.capability(pcie::kId) + pcie::kDeviceControl, 0xf, 2);
  device.answer = Outcome::kCompleterAbort;
  bus.read(kFullBar0 + 0x10, 4);
  EXPECT_NE(bus.config_read(cfg::kStatus, 2) & cfg::kStatusSignaledTargetAbort, 0u);
  EXPECT_EQ(bus.config_read(at + aer::kUncorrectableStatus, 4), aer::kCompleterAbort);
  EXPECT_EQ(bus.config_read(at + aer::kControl, 4) & 0x1f, 15u);
  EXPECT_EQ(bus.config_read(at + aer::kHeaderLog, 4), 0x0000'0001u) << "MRd, 3 dwords of header, 1 of data";
  EXPECT_EQ(bus.config_read(at + aer::kHeaderLog + 8, 4), kFullBar0 + 0x10);
  EXPECT_EQ(upstream.errors, std::vector<ErrorMessage>{ErrorMessage::kCorrectable});
}

TEST_F(Features, ACompleterAbortOfAPostedWriteIsSignaledToo) {
  bus.config_write(cfg::kStatus, 0xffff, 2);
  device.answer = Outcome::kCompleterAbort;
  bus.write(kFullBar0 + 0x10, 1, 4);
  EXPECT_NE(bus.config_read(cfg::kStatus, 2) & cfg::kStatusSignaledTargetAbort, 0u);
}

TEST_F(Features, TheHeaderOfATimedOutRequestIsLoggedAndThatIsDeclared) {
  EXPECT_NE(bus.config_read(extended(aer::kId) + aer::kControl, 4) & 1u << 12, 0u);
}

// PCIe 6.0 s5.3.1.4.1: the link goes back to L0 for the message if it must.
TEST_F(Features, InD3hotAFunctionTellsErrorsOfWhatItReceives) {
  bus.config_write(extended(aer::kId) + aer::kCorrectableMask, 0, 4);
  bus.config_write(bus.capability(pcie::kId) + pcie::kDeviceControl, 0xf, 2);
  power(pm::kPowerStateD3Hot);
  bus.read(kFullBar0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
  EXPECT_EQ(upstream.errors, std::vector<ErrorMessage>{ErrorMessage::kCorrectable});
}

TEST_F(Features, InD3hotAFunctionAssertsNoLine) {
  device.set_intx(true);
  ASSERT_EQ(upstream.intx.size(), 1u);
  power(pm::kPowerStateD3Hot);
  ASSERT_EQ(upstream.intx.size(), 2u);
  EXPECT_FALSE(upstream.intx.back().second) << "released";
  device.set_intx(false);
  device.set_intx(true);
  EXPECT_EQ(upstream.intx.size(), 2u);
}

TEST_F(Features, AReturnFromD3hotCanBeCalledOff) {
  power(pm::kPowerStateD3Hot);
  power(0);
  upstream.timeline().advance(kFullD3ExitNs / 2);
  power(pm::kPowerStateD3Hot);
  upstream.timeline().advance(kFullD3ExitNs);
  EXPECT_EQ(power(), pm::kPowerStateD3Hot);
}

TEST_F(Features, ARefusedPostedWriteOfTheDeviceLeavesNoMarkInIt) {
  std::byte data[4] = {};
  upstream.dma_outcome = Outcome::kUnsupportedRequest;
  EXPECT_EQ(device.dma_write(Iova(FakeUpstream::kMemoryBase), data, 4), Outcome::kUnsupportedRequest);
  EXPECT_EQ(bus.config_read(cfg::kStatus, 2) & cfg::kStatusReceivedMasterAbort, 0u);
  EXPECT_EQ(device.dma_read(Iova(FakeUpstream::kMemoryBase), data, 4), Outcome::kUnsupportedRequest);
  EXPECT_NE(bus.config_read(cfg::kStatus, 2) & cfg::kStatusReceivedMasterAbort, 0u);
}

TEST_F(Features, PoisonedDataSetsTheParityBits) {
  std::byte data[4] = {};
  upstream.dma_outcome = Outcome::kPoisoned;
  device.dma_read(Iova(FakeUpstream::kMemoryBase), data, 4);
  EXPECT_EQ(bus.config_read(cfg::kStatus, 2) & 0x8100, cfg::kStatusDetectedParityError);
  bus.config_write(cfg::kCommand, cfg::kCommandBusMaster | cfg::kCommandParityResponse, 2);
  device.dma_read(Iova(FakeUpstream::kMemoryBase), data, 4);
  EXPECT_EQ(bus.config_read(cfg::kStatus, 2) & 0x8100,
            cfg::kStatusDetectedParityError | cfg::kStatusMasterDataParityError);
}

TEST_F(Features, DmaIsCountedAtTheSizesOfDeviceControl) {
  const uint32_t control = bus.capability(pcie::kId) + pcie::kDeviceControl;
  const struct {
    uint32_t value;
    uint16_t payload, request;
  } rows[] = {{0x2000, 128, 512}, {0x5020, 256, 4096}, {0x00a0, 4096, 128}, {0x70e0, 4096, 4096}};
  std::vector<std::byte> data(16);
  for (const auto& row : rows) {
    bus.config_write(control, row.value, 2);
    device.dma_write(Iova(FakeUpstream::kMemoryBase), data.data(), 16);
    EXPECT_EQ(upstream.last_packet_bytes, row.payload);
    device.dma_read(Iova(FakeUpstream::kMemoryBase), data.data(), 16);
    EXPECT_EQ(upstream.last_packet_bytes, row.request);
  }
}

// Power and resets that do not go well
// ----------------------------------------------------------------------------------

TEST_F(Features, TheReturnFromD3hotTakesItsTime) {
  power(pm::kPowerStateD3Hot);
  power(0);
  EXPECT_EQ(power(), pm::kPowerStateD3Hot);
  upstream.timeline().advance(kFullD3ExitNs - 1);
  EXPECT_EQ(power(), pm::kPowerStateD3Hot);
  bus.read(kFullBar0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kUnsupportedRequest);
  upstream.timeline().advance(1);
  EXPECT_EQ(power(), 0u);
  EXPECT_EQ(bus.config_read(cfg::kBar0, 4), 0u) << "reset on the way";
}

TEST_F(Features, AReturnFromD3hotCanBeLate) {
  power(pm::kPowerStateD3Hot);
  const OneFault late(FaultKind::kResetD3Late, 1, 70 * kNsPerMs);
  power(0);
  upstream.timeline().advance(70 * kNsPerMs - 1);
  EXPECT_EQ(power(), pm::kPowerStateD3Hot);
  upstream.timeline().advance(1);
  EXPECT_EQ(power(), 0u);
}

class NoSoftReset : public Features {
 protected:
  static EndpointDeclaration keeps() {
    EndpointDeclaration d = full_declaration();
    d.no_soft_reset = true;
    d.d3_exit_ns = 0;
    return d;
  }
  NoSoftReset() : Features(keeps()) {}
};

TEST_F(NoSoftReset, ThePromiseCanBeBroken) {
  power(pm::kPowerStateD3Hot);
  power(0);
  EXPECT_EQ(bus.config_read(cfg::kBar0, 4), kFullBar0);
  const OneFault lost(FaultKind::kResetConfigLost);
  power(pm::kPowerStateD3Hot);
  power(0);
  EXPECT_EQ(bus.config_read(cfg::kBar0, 4), 0u);
}

TEST_F(Features, AnFlrCanNeverFinish) {
  const uint32_t control = bus.capability(pcie::kId) + pcie::kDeviceControl;
  {
    const OneFault never(FaultKind::kResetFlrNever);
    bus.config_write(control, pcie::kInitiateFlr, 2);
  }
  upstream.timeline().advance(10 * kNsPerS);
  bus.config_read(0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kRequestRetry);
  device.reset(ResetKind::kHotReset);
  bus.config_read(0, 4);
  EXPECT_EQ(bus.outcome, Outcome::kSuccess) << "a conventional reset helps";
}

TEST_F(Features, AnFlrCanLeaveTheDeviceDirty) {
  const uint32_t control = bus.capability(pcie::kId) + pcie::kDeviceControl;
  device.own_state = 7;
  {
    const OneFault dirty(FaultKind::kResetFlrDirty);
    bus.config_write(control, pcie::kInitiateFlr, 2);
  }
  EXPECT_EQ(bus.config_read(cfg::kCommand, 2), 0u) << "the function is reset";
  EXPECT_EQ(device.own_state, 7) << "the device is not";
  bus.config_write(control, pcie::kInitiateFlr, 2);
  EXPECT_EQ(device.own_state, 0);
}

class SlowFlr : public Features {
 protected:
  static EndpointDeclaration slow() {
    EndpointDeclaration d = full_declaration();
    d.reset_ready_ns = 300 * kNsPerMs;
    d.flr_ready_ns = 90 * kNsPerMs;
    return d;
  }
  SlowFlr() : Features(slow()) {}
};

TEST_F(SlowFlr, EachResetHasItsOwnReadyWindow) {
  const struct {
    ResetKind kind;
    uint64_t ns;
  } rows[] = {{ResetKind::kFlr, 90 * kNsPerMs},
              {ResetKind::kHotReset, 300 * kNsPerMs},
              {ResetKind::kPerst, 300 * kNsPerMs},
              {ResetKind::kLinkDown, 300 * kNsPerMs},
              {ResetKind::kD3ToD0, 0},
              {ResetKind::kPowerOn, 0}};
  for (const auto& row : rows) {
    device.reset(row.kind);
    if (row.ns != 0) {
      upstream.timeline().advance(row.ns - 1);
      bus.config_read(0, 4);
      EXPECT_EQ(bus.outcome, Outcome::kRequestRetry) << to_string(row.kind);
      upstream.timeline().advance(1);
    }
    bus.config_read(0, 4);
    EXPECT_EQ(bus.outcome, Outcome::kSuccess) << to_string(row.kind);
  }
}

// Declarations --------------------------------------------------------------------------------------------------------

TEST(FullDeclarationTest, ImpossibleFeaturesAreRefusedWithASentence) {
  struct Row {
    const char* part_of_sentence;
    std::function<void(EndpointDeclaration&)> spoil;
  };
  const Row rows[] = {
      {"expansion ROM has 3000 bytes", [](auto& d) { d.rom_bytes = 3000; }},
      {"expansion ROM has 2048 bytes for an image of 3000", [](auto& d) { d.rom_bytes = 2048; }},
      {"expansion ROM has 1024 bytes", [](auto& d) { d.rom_image.clear(), d.rom_bytes = 1024; }},
      {"none of the sizes", [](auto& d) { d.bars[2].size_bytes = 4 * kMiB; }},
      {"offers the sizes 0x1080000", [](auto& d) { d.bars[2].resizable_sizes = 512 * kKiB | 16 * kMiB; }},
      {"BAR0 (mem32) offers", [](auto& d) { d.bars[0].resizable_sizes = 4 * kGiB; }},
      {"does not fit in BAR2 of 2097152", [](auto& d) { d.msix_table_bar = 2, d.msix_table_offset = 4 * kMiB; }},
      {"need the PCI Express capability",
       [](auto& d) {
         d.pcie = d.flr = d.aer = false;
         d.serial_number.reset();
       }},
  };
  ASSERT_TRUE(full_declaration().validate().has_value());
  for (const Row& row : rows) {
    EndpointDeclaration d = full_declaration();
    row.spoil(d);
    const auto result = d.validate();
    ASSERT_FALSE(result.has_value()) << row.part_of_sentence;
    EXPECT_NE(result.error().sentence.find(row.part_of_sentence), std::string::npos) << result.error().sentence;
  }
}

TEST(FullDeclarationTest, TheRomBarIsTheLeastThatHoldsTheImage) {
  EndpointDeclaration d = full_declaration();
  const struct {
    size_t image;
    uint64_t declared, bytes;
  } rows[] = {{0, 0, 0}, {1, 0, 2048}, {2048, 0, 2048}, {2049, 0, 4096}, {100, 65536, 65536}};
  for (const auto& row : rows) {
    d.rom_image.assign(row.image, std::byte{0});
    d.rom_bytes = row.declared;
    EXPECT_EQ(d.rom_bar_bytes(), row.bytes);
  }
}

}  // namespace
}  // namespace dartboard::model::test
