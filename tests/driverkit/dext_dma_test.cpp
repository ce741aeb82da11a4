// tests/driverkit/dext_dma_test.cpp - DMA buffer and regions of VFIOUserPCIDriver, with the device as witness.
#include "sim/macos/root_context.h"
#include "tests/driverkit/mac.h"

namespace dartboard::driverkit {
namespace {

namespace reg = model::test_register;
using model::TestDmaCommand;

std::byte g_ram alignas(16384)[4 * kMiB];
uint64_t ram(uint64_t offset) {
  return reinterpret_cast<uintptr_t>(g_ram) + offset;
}

class DextDma : public Mac {
 protected:
  void boot_and_claim() { boot_and_claim(default_profile()); }
  void boot_and_claim(sim::Profile wanted) {
    boot_with(std::move(wanted));
    connection_.emplace_back(open());
    ASSERT_EQ(client().claim(), io_return::kSuccess);
  }
  void TearDown() override {
    connection_.clear();
    Mac::TearDown();
  }
  static sim::Profile default_profile() { return *sim::load_profile("m4pro-tb5"); }
  /// 4 KiB pages, no guards, no limits.
  static sim::Profile wide_profile() {
    const Result<sim::Profile> loaded = sim::load_profile("linux-iommu");
    if (!loaded) ADD_FAILURE() << loaded.error().sentence;
    sim::Profile wide = loaded ? *loaded : default_profile();
    wide.ports[0].mapper.mappings_max = 0;
    wide.ports[0].mapper.mapped_bytes_max = 0;
    wide.ports[0].mapper.policy = macos::IovaPolicy::kFirstFit;
    return wide;
  }
  Connection& client() { return connection_.front(); }
  Answer map(uint64_t key, uint64_t offset, uint64_t size) {
    return client().call(kSelectorRegisterDMARegion, {key, ram(offset), size}, 3);
  }
  io_return::Code unmap(uint64_t key) { return client().call(kSelectorUnregisterDMARegion, {key}).code; }
  const macos::MapperStats& mapper() { return kernel().mapper(0).stats(); }

  void write32(uint64_t offset, uint32_t value) {
    ASSERT_EQ(client().call(kSelectorMMIOWrite, {0, offset, 4, value}).code, io_return::kSuccess);
  }
  /// The device fills host memory; what it says of the transfer.
  uint64_t fill_host(uint64_t bus_address, uint32_t length, uint32_t pattern) {
    write32(reg::kControl, reg::kControlImmediate);
    write32(reg::kDmaPattern, pattern);
    write32(reg::kDmaDestination, static_cast<uint32_t>(bus_address));
    write32(reg::kDmaDestination + 4, static_cast<uint32_t>(bus_address >> 32));
    write32(reg::kDmaLength, length);
    write32(reg::kDmaCommand, static_cast<uint32_t>(TestDmaCommand::kFillHost));
    return client().call(kSelectorMMIORead, {0, reg::kDmaError, 4}, 1).out.at(0);
  }

 private:
  std::vector<Connection> connection_;
};

// Buffer --------------------------------------------------------------------------------------------------------------

TEST_F(DextDma, BufferSizes) {
  boot_and_claim();
  const struct {
    uint64_t size, alignment;
    io_return::Code code;
  } table[] = {
      {0, 0, io_return::kBadArgument},          {kDartboardDMABufferBytesMax + 1, 0, io_return::kBadArgument},
      {UINT64_MAX, 0, io_return::kBadArgument}, {1, 0, io_return::kSuccess},
      {64 * kMiB, 16384, io_return::kSuccess},
  };
  for (const auto& row : table) {
    EXPECT_EQ(client().call(kSelectorAllocateDMABuffer, {row.size, row.alignment}, 6).code, row.code) << row.size;
  }
}

TEST_F(DextDma, BufferIsOneSegmentThatTheDeviceWrites) {
  boot_and_claim();
  const Answer answer = client().call(kSelectorAllocateDMABuffer, {65536, 0}, 6);
  ASSERT_EQ(answer.code, io_return::kSuccess);
  EXPECT_EQ(answer.out[0], 65536u);
  EXPECT_EQ(answer.out[1], 3u) << "direction In and Out";
  EXPECT_EQ(answer.out[2], 1u);
  EXPECT_EQ(answer.out[4], 65536u);
  macos::Ref<macos::MemoryObject> memory;
  ASSERT_EQ(client().memory(kMemoryTypeDMABuffer, &memory), io_return::kSuccess);
  ASSERT_EQ(fill_host(answer.out[3], 65536, 0xa5a5a5a5), 0u);
  EXPECT_EQ(memory->ranges()[0].base[65535], std::byte{0xa5});
}

TEST_F(DextDma, SecondBufferFreesTheFirst) {
  boot_and_claim();
  ASSERT_EQ(client().call(kSelectorAllocateDMABuffer, {65536, 0}, 6).code, io_return::kSuccess);
  ASSERT_EQ(client().call(kSelectorAllocateDMABuffer, {32768, 0}, 6).code, io_return::kSuccess);
  EXPECT_EQ(mapper().mappings, 1u);
  EXPECT_EQ(mapper().mapped_bytes, 32768u);
  EXPECT_EQ(client().call(kSelectorFreeDMABuffer).code, io_return::kSuccess);
  EXPECT_EQ(mapper().mappings, 0u);
}

// Regions -------------------------------------------------------------------------------------------------------------

TEST_F(DextDma, DeviceWritesReachTheClientsOwnBytes) {
  boot_and_claim();
  const Answer answer = map(0x4000'0000, 16384, 32768);
  ASSERT_EQ(answer.code, io_return::kSuccess);
  EXPECT_EQ(answer.out[0], 1u);
  EXPECT_EQ(answer.out[2], 32768u);
  std::memset(g_ram, 0, sizeof g_ram);
  ASSERT_EQ(fill_host(answer.out[1] + 4096, 4096, 0x11223344), 0u);
  uint32_t word = 0;
  std::memcpy(&word, g_ram + 16384 + 4096, 4);
  EXPECT_EQ(word, 0x11223344u);
  EXPECT_EQ(g_ram[16384 + 4095], std::byte{0});
}

TEST_F(DextDma, BadRegions) {
  boot_and_claim();
  const struct {
    uint64_t address, size;
    io_return::Code code;
  } table[] = {
      {ram(0), 0, io_return::kBadArgument},
      {0, 16384, io_return::kBadArgument},
      {UINT64_MAX - 100, 16384, io_return::kBadArgument},
      {16384, kDartboardDMAChunkBytes * kDartboardDMAChunksMax + 1, io_return::kNoSpace},
  };
  for (const auto& row : table) {
    EXPECT_EQ(client().call(kSelectorRegisterDMARegion, {1, row.address, row.size}, 3).code, row.code) << row.size;
  }
  EXPECT_EQ(mapper().mappings, 0u);
}

TEST_F(DextDma, KeysAreUnique) {
  boot_and_claim();
  for (uint64_t key : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
    ASSERT_EQ(map(key, 0, 16384).code, io_return::kSuccess) << key;
    EXPECT_EQ(map(key, 16384, 16384).code, io_return::kStillOpen) << key;
    EXPECT_EQ(unmap(key), io_return::kSuccess) << key;
    EXPECT_EQ(unmap(key), io_return::kNotFound) << key;
    EXPECT_EQ(map(key, 0, 16384).code, io_return::kSuccess) << key;
  }
}

TEST_F(DextDma, ProbeReadsThroughTheDextsMapping) {
  boot_and_claim();
  const uint64_t word = 0x0123456789abcdef;
  std::memcpy(g_ram + 16384 - 8, &word, 8);
  ASSERT_EQ(map(7, 0, 16384).code, io_return::kSuccess);
  EXPECT_EQ(client().call(kSelectorProbeDMARegion, {7, 16384 - 8}, 1).out.at(0), word);
  for (uint64_t offset : {uint64_t{16384 - 7}, uint64_t{16384}, UINT64_MAX, UINT64_MAX - 7}) {
    EXPECT_EQ(client().call(kSelectorProbeDMARegion, {7, offset}, 1).code, io_return::kOverrun) << offset;
  }
}

TEST_F(DextDma, RefusedRegionLeavesNothingAndRoomIsUsableAgain) {
  sim::Profile small = default_profile();
  small.ports[0].mapper.mapped_bytes_max = 64 * kKiB;
  boot_and_claim(small);
  ASSERT_EQ(map(1, 0, 48 * kKiB).code, io_return::kSuccess);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(map(2, 64 * kKiB, 32 * kKiB).code, small.ports[0].mapper.exhausted_code);
    EXPECT_EQ(mapper().mappings, 1u);
    EXPECT_EQ(mapper().mapped_bytes, 48 * kKiB);
    EXPECT_EQ(unmap(2), io_return::kNotFound);
  }
  ASSERT_EQ(unmap(1), io_return::kSuccess);
  EXPECT_EQ(mapper().mappings, 0u);
  EXPECT_EQ(map(2, 64 * kKiB, 32 * kKiB).code, io_return::kSuccess);
}

TEST_F(DextDma, RefusedRegionsLeakNoDescriptorsInTheKernel) {
  sim::Profile small = default_profile();
  small.ports[0].mapper.mapped_bytes_max = 64 * kKiB;
  boot_and_claim(small);
  ASSERT_EQ(map(1, 0, 64 * kKiB).code, io_return::kSuccess);
  for (int i = 0; i < 5; ++i) EXPECT_NE(map(2, 64 * kKiB, 32 * kKiB).code, io_return::kSuccess);
  client().close();
  EXPECT_EQ(nub().root_context().descriptors_leaked, 0u);
}

TEST_F(DextDma, FailedBufferLeavesNothing) {
  sim::Profile small = default_profile();
  small.ports[0].mapper.mapped_bytes_max = 64 * kKiB;
  boot_and_claim(small);
  EXPECT_EQ(client().call(kSelectorAllocateDMABuffer, {kMiB, 0}, 6).code, small.ports[0].mapper.exhausted_code);
  EXPECT_EQ(mapper().mappings, 0u);
  macos::Ref<macos::MemoryObject> memory;
  EXPECT_EQ(client().memory(kMemoryTypeDMABuffer, &memory), io_return::kNotReady);
  EXPECT_EQ(client().call(kSelectorAllocateDMABuffer, {32 * kKiB, 0}, 6).code, io_return::kSuccess);
  client().close();
  EXPECT_EQ(nub().root_context().descriptors_leaked, 0u);
}

TEST_F(DextDma, SixtyThousandRegionsByKeyInAnyOrder) {
  boot_and_claim(wide_profile());
  constexpr uint64_t kCount = 60'000;
  for (uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(map(i << 14, (i % 512) * 4096, 4096).code, io_return::kSuccess) << i;
  }
  EXPECT_EQ(mapper().mappings, kCount);
  for (uint64_t i = 1; i < kCount; i += 2) ASSERT_EQ(unmap(i << 14), io_return::kSuccess) << i;
  for (uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(client().call(kSelectorProbeDMARegion, {i << 14, 0}, 1).code,
              i % 2 == 0 ? io_return::kSuccess : io_return::kNotFound)
        << i;
  }
  client().close();
  EXPECT_EQ(mapper().mappings, 0u);
}

TEST_F(DextDma, SlotsEndAtSixtyFiveThousandFiveHundredThirtySix) {
  boot_and_claim(wide_profile());
  for (uint64_t i = 0; i < kDartboardDMARegionsMax; ++i) {
    ASSERT_EQ(map(i, (i % 512) * 4096, 4096).code, io_return::kSuccess) << i;
  }
  EXPECT_EQ(map(kDartboardDMARegionsMax, 0, 4096).code, io_return::kNoSpace);
  ASSERT_EQ(unmap(5), io_return::kSuccess);
  EXPECT_EQ(map(kDartboardDMARegionsMax, 0, 4096).code, io_return::kSuccess);
}

TEST_F(DextDma, CloseUnmapsEverything) {
  boot_and_claim();
  ASSERT_EQ(client().call(kSelectorAllocateDMABuffer, {65536, 0}, 6).code, io_return::kSuccess);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_EQ(map(i, i * 16384, 16384).code, io_return::kSuccess);
  client().close();
  EXPECT_EQ(mapper().mappings, 0u);
  EXPECT_EQ(mapper().mapped_bytes, 0u);
}

TEST_F(DextDma, OthersKeepBusMasteringWhenAClientWithRegionsCloses) {
  boot_and_claim();
  Connection other = open();
  ASSERT_EQ(other.claim(), io_return::kSuccess);
  ASSERT_EQ(other.call(kSelectorRegisterDMARegion, {1, ram(0), 16384}, 3).code, io_return::kSuccess);
  other.close();
  EXPECT_EQ(client().call(kSelectorConfigRead, {4, 2}, 1).out.at(0) & 4, 4u);
}

TEST_F(DextDma, DeviceThatKeepsWritingDoesNotPanicTheMacWhenItsClientCloses) {
  boot_and_claim();
  const Answer answer = map(1, 0, 16384);
  ASSERT_EQ(answer.code, io_return::kSuccess);
  write32(reg::kControl, 0);
  write32(reg::kDmaDelayNs, 1000);
  write32(reg::kDmaDestination, static_cast<uint32_t>(answer.out[1]));
  write32(reg::kDmaDestination + 4, static_cast<uint32_t>(answer.out[1] >> 32));
  write32(reg::kDmaLength, 4096);
  write32(reg::kDmaCommand, static_cast<uint32_t>(TestDmaCommand::kFillHost));
  client().close();
  kernel().timeline().advance(10'000);
  EXPECT_FALSE(kernel().panicked());
}

}  // namespace
}  // namespace dartboard::driverkit
