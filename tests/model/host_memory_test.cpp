// tests/model/host_memory_test.cpp - frames: who owns them, where they lie, and that nothing outlives its owner.
#include "model/host_memory.h"

#include <algorithm>
#include <map>

#include "tests/model/fabric.h"

namespace dartboard::model::test {
namespace {

TEST(HostMemoryTest, WiredBytesAreTheCallersBytes) {
  HostMemory memory(1 * kMiB);
  Pages pages(3 * kFrameBytes);
  const Hpa address = memory.wire(pages.data(), pages.size(), kFrameBytes);
  ASSERT_NE(address, Hpa(0));
  EXPECT_GE(address, kHostMemoryBase);
  EXPECT_EQ(memory.at(address), pages.data());
  EXPECT_EQ(memory.at(address + 2 * kFrameBytes + 5), pages.data() + 2 * kFrameBytes + 5);
  EXPECT_EQ(memory.at(address + 3 * kFrameBytes), nullptr) << "the neighbour frame is nobody's";
}

TEST(HostMemoryTest, AddressesWithoutAFrameAreNull) {
  HostMemory memory(1 * kMiB);
  for (const uint64_t address :
       {uint64_t{0}, kHostMemoryBase.value - 1, kHostMemoryBase.value, kHostMemoryBase.value + 1 * kMiB, UINT64_MAX}) {
    EXPECT_EQ(memory.at(Hpa(address)), nullptr) << std::hex << address;
    EXPECT_EQ(memory.contiguous(Hpa(address), 16), 0u);
  }
}

TEST(HostMemoryTest, UnwireTakesTheFramesAwayAndChangesTheGeneration) {
  HostMemory memory(1 * kMiB);
  Pages pages(kFrameBytes);
  const Hpa address = memory.wire(pages.data(), kFrameBytes, kFrameBytes);
  const uint64_t generation = memory.generation();
  memory.unwire(address, kFrameBytes);
  EXPECT_EQ(memory.at(address), nullptr);
  EXPECT_NE(memory.generation(), generation);
}

TEST(HostMemoryTest, AlignmentIsKept) {
  HostMemory memory(64 * kMiB);
  Pages pages(kFrameBytes);
  for (uint64_t align = kFrameBytes; align <= 8 * kMiB; align *= 2) {
    const Hpa address = memory.wire(pages.data(), kFrameBytes, align);
    ASSERT_NE(address, Hpa(0));
    EXPECT_EQ(address.value % align, 0u) << align;
  }
}

TEST(HostMemoryTest, TwoWiringsNeverShareADartPage) {
  HostMemory memory(1 * kMiB);
  Pages pages(2 * kFrameBytes);
  const Hpa first = memory.wire(pages.data(), kFrameBytes, kFrameBytes);
  const Hpa second = memory.wire(pages.data() + kFrameBytes, kFrameBytes, kFrameBytes);
  EXPECT_NE(round_down(first.value, kWiringBytes), round_down(second.value, kWiringBytes));
}

TEST(HostMemoryTest, ExhaustionIsAnAnswerAndRoomComesBack) {
  HostMemory memory(1 * kMiB);
  Pages pages(1 * kMiB);
  EXPECT_EQ(memory.wire(pages.data(), 2 * kMiB, kFrameBytes), Hpa(0));
  const Hpa whole = memory.wire(pages.data(), 1 * kMiB, kFrameBytes);
  ASSERT_NE(whole, Hpa(0)) << "an exact fit";
  EXPECT_EQ(memory.wire(pages.data(), kFrameBytes, kFrameBytes), Hpa(0));
  EXPECT_EQ(memory.allocate(kFrameBytes, kFrameBytes), Hpa(0));
  memory.unwire(whole, 1 * kMiB);
  EXPECT_EQ(memory.wire(pages.data(), 1 * kMiB, kFrameBytes), whole);
}

TEST(HostMemoryTest, NothingIsAskedNothingIsGiven) {
  HostMemory memory(1 * kMiB);
  Pages pages(kFrameBytes);
  EXPECT_EQ(memory.wire(pages.data(), 0, kFrameBytes), Hpa(0));
  EXPECT_EQ(memory.allocate(0, kFrameBytes), Hpa(0));
  EXPECT_EQ(memory.allocate(UINT64_MAX, kFrameBytes), Hpa(0));
}

TEST(HostMemoryTest, KernelBlocksAreZeroedSmallAndLarge) {
  HostMemory memory(64 * kMiB);
  for (const uint64_t bytes : {uint64_t{1}, 16 * kKiB, 16 * kKiB + 1, 1 * kMiB, 3 * kMiB}) {
    for (int round = 0; round < 2; ++round) {  // the second time the memory comes back dirty
      const Hpa address = memory.allocate(bytes, 16 * kKiB);
      ASSERT_NE(address, Hpa(0));
      std::byte* block = memory.at(address);
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(memory.contiguous(address, bytes), bytes);
      EXPECT_EQ(std::count(block, block + bytes, std::byte{0}), static_cast<std::ptrdiff_t>(bytes));
      std::fill(block, block + bytes, std::byte{0x5a});
      memory.release(address, bytes);
      EXPECT_EQ(memory.at(address), nullptr);
    }
  }
}

TEST(HostMemoryTest, ContiguousEndsWhereTheBytesDo) {
  HostMemory memory(1 * kMiB);
  Pages pages(64 * kKiB);
  const Hpa first = memory.wire(pages.data(), 16 * kKiB, 16 * kKiB);
  const Hpa second = memory.wire(pages.data() + 32 * kKiB, 16 * kKiB, 16 * kKiB);
  ASSERT_EQ(second, first + 16 * kKiB) << "the test needs neighbours";
  EXPECT_EQ(memory.contiguous(first + 100, 1000), 1000u);
  EXPECT_EQ(memory.contiguous(first + 100, 32 * kKiB), 16 * kKiB - 100);
  EXPECT_EQ(memory.contiguous(second, 64 * kKiB), 16 * kKiB);
}

TEST(HostMemoryTest, ResetIsPowerOn) {
  HostMemory memory(16 * kMiB);
  const std::string fresh = inspect_text(memory);
  Pages pages(64 * kKiB);
  const Hpa first = memory.wire(pages.data(), 64 * kKiB, kFrameBytes);
  const Hpa block = memory.allocate(2 * kMiB, kFrameBytes);
  memory.unwire(memory.wire(pages.data(), kFrameBytes, kFrameBytes), kFrameBytes);
  memory.reset();
  EXPECT_EQ(inspect_text(memory), fresh);
  EXPECT_EQ(memory.at(first), nullptr);
  EXPECT_EQ(memory.at(block), nullptr);
  EXPECT_EQ(memory.wire(pages.data(), 64 * kKiB, kFrameBytes), first) << "the same choices as after power-on";
}

TEST(HostMemoryTest, RandomWiringsNeverOverlapAndMergeWhenGone) {
  constexpr uint64_t kSpace = 256 * kMiB;
  HostMemory memory(kSpace);
  Pages pages(1 * kMiB);
  std::map<uint64_t, uint64_t> live;  // address -> bytes
  uint64_t state = 0x9e3779b97f4a7c15ull;
  const auto random = [&state](uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  for (int step = 0; step < 20'000; ++step) {
    if (live.empty() || random(5) < 3) {
      const uint64_t bytes = kFrameBytes * (1 + random(random(8) == 0 ? 256 : 6));
      const uint64_t align = kFrameBytes << random(6);
      const Hpa address = memory.wire(pages.data(), bytes, align);
      if (address == Hpa(0)) continue;
      ASSERT_EQ(address.value % align, 0u);
      const auto next = live.lower_bound(address.value);
      if (next != live.end()) {
        ASSERT_LE(address.value + bytes, next->first);
      }
      if (next != live.begin()) {
        ASSERT_LE(std::prev(next)->first + std::prev(next)->second, address.value);
      }
      live.emplace(address.value, bytes);
    } else {
      auto victim = live.lower_bound(kHostMemoryBase.value + random(kSpace));
      if (victim == live.end()) victim = live.begin();
      memory.unwire(Hpa(victim->first), victim->second);
      live.erase(victim);
    }
  }
  for (const auto& [address, bytes] : live) {
    ASSERT_EQ(memory.at(Hpa(address)), pages.data());
    memory.unwire(Hpa(address), bytes);
  }
  Pages all(1 * kMiB);
  EXPECT_NE(memory.allocate(kSpace, kFrameBytes), Hpa(0)) << "free extents did not merge";
}

}  // namespace
}  // namespace dartboard::model::test
