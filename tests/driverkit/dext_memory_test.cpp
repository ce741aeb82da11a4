// tests/driverkit/dext_memory_test.cpp - the eight memory types of VFIOUserPCIDriver.
#include "tests/driverkit/mac.h"

namespace dartboard::driverkit {
namespace {

using DextMemory = Mac;
using macos::MemoryKind;
using macos::MemoryObject;
using macos::Ref;

TEST_F(DextMemory, TypesBeforeClaim) {
  boot();
  Connection connection = open();
  const struct {
    uint32_t type;
    io_return::Code code;
  } table[] = {
      {kMemoryTypeDMABuffer, io_return::kNotReady},
      {kMemoryTypeBAR0, io_return::kNotOpen},
      {kMemoryTypeBAR0 + 1, io_return::kNotFound},
      {kMemoryTypeBAR0 + 2, io_return::kNotOpen},
      {kMemoryTypeBAR0 + 5, io_return::kNotFound},
      {kMemoryTypeIRQPage, io_return::kNotReady},
      {8, io_return::kUnsupported},
      {0xffffffff, io_return::kUnsupported},
  };
  for (const auto& row : table) {
    Ref<MemoryObject> memory;
    EXPECT_EQ(connection.memory(row.type, &memory), row.code) << row.type;
    EXPECT_FALSE(memory) << row.type;
  }
}

TEST_F(DextMemory, BarsAfterClaim) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  const struct {
    uint32_t bar;
    uint64_t length;
    uint8_t index;
  } table[] = {{0, 16 * kKiB, 0}, {2, kMiB, 1}, {4, 4 * kKiB, 2}};
  for (const auto& row : table) {
    Ref<MemoryObject> memory;
    ASSERT_EQ(connection.memory(kMemoryTypeBAR0 + row.bar, &memory), io_return::kSuccess) << row.bar;
    EXPECT_EQ(memory->kind(), MemoryKind::kDevice);
    EXPECT_EQ(memory->length(), row.length);
    EXPECT_EQ(memory->memory_index(), row.index);
  }
}

TEST_F(DextMemory, UnmapAsksAgainAndGetsTheSameDescriptor) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  ASSERT_EQ(connection.call(kSelectorAllocateDMABuffer, {65536, 0}, 6).code, io_return::kSuccess);
  ASSERT_EQ(connection.call(kSelectorSetupInterrupts, {}, 1).code, io_return::kSuccess);
  for (uint32_t type : {0u, 1u, 3u, 7u}) {
    Ref<MemoryObject> first, second;
    ASSERT_EQ(connection.memory(type, &first), io_return::kSuccess) << type;
    ASSERT_EQ(connection.memory(type, &second), io_return::kSuccess) << type;
    EXPECT_EQ(first, second) << type;
  }
}

TEST_F(DextMemory, SecondUnclaimedClientGetsTheFirstsDescriptor) {
  boot();
  Connection first = open(), second = open();
  ASSERT_EQ(first.claim(), io_return::kSuccess);
  Ref<MemoryObject> mine, theirs;
  ASSERT_EQ(first.memory(kMemoryTypeBAR0, &mine), io_return::kSuccess);
  ASSERT_EQ(second.memory(kMemoryTypeBAR0, &theirs), io_return::kSuccess);
  EXPECT_EQ(mine, theirs);
}

TEST_F(DextMemory, BuffersAreTheClientsOwn) {
  boot();
  Connection first = open(), second = open();
  ASSERT_EQ(first.claim(), io_return::kSuccess);
  ASSERT_EQ(first.call(kSelectorAllocateDMABuffer, {65536, 0}, 6).code, io_return::kSuccess);
  Ref<MemoryObject> memory;
  EXPECT_EQ(second.memory(kMemoryTypeDMABuffer, &memory), io_return::kNotReady);
}

TEST_F(DextMemory, IrqPageIsSixteenKibWithEverythingEnabled) {
  boot();
  Connection connection = open();
  ASSERT_EQ(connection.claim(), io_return::kSuccess);
  ASSERT_EQ(connection.call(kSelectorSetupInterrupts, {}, 1).code, io_return::kSuccess);
  Ref<MemoryObject> page;
  ASSERT_EQ(connection.memory(kMemoryTypeIRQPage, &page), io_return::kSuccess);
  ASSERT_EQ(page->length(), kDartboardIRQPageBytes);
  const auto* words = reinterpret_cast<const uint64_t*>(page->ranges()[0].base);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(words[i], 0u);
  for (int i = 4; i < 8; ++i) EXPECT_EQ(words[i], UINT64_MAX);
}

}  // namespace
}  // namespace dartboard::driverkit
