// tests/sim/memory_object_test.cpp - what descriptors accept, alias, copy and count.
#include "sim/macos/memory_object.h"

#include <cstring>

#include <gtest/gtest.h>

#include "rig.h"

namespace dartboard::macos {
namespace {

using sim_test::ClientMemory;

TEST(MemoryObject, ClientMemoryIsTheClientsBytes) {
  ClientMemory memory(100);
  const Ref<MemoryObject> object = memory.object(100);
  ASSERT_EQ(object->ranges().size(), 1u);
  EXPECT_EQ(object->ranges()[0].base, memory.data());
  EXPECT_EQ(object->length(), 100u);
}

TEST(MemoryObject, ABadClientRangeFailsAtPrepareNotAtCreation) {
  const Ref<MemoryObject> null = MemoryObject::from_client({{nullptr, 16}}, MemoryDirection::kIn, false);
  ASSERT_TRUE(null);
  EXPECT_EQ(null->prepare(), io_return::kVMError);
  auto* const top = reinterpret_cast<std::byte*>(~uintptr_t{0xff});
  EXPECT_EQ(MemoryObject::from_client({{top, 0x1000}}, MemoryDirection::kIn, false)->prepare(), io_return::kVMError);
}

TEST(MemoryObject, CopyOnWriteMemoryIsTheClientsForDma) {
  ClientMemory memory(100, 0x123);
  const Ref<MemoryObject> object = MemoryObject::from_client({{memory.data(), 100}}, MemoryDirection::kOut, true);
  EXPECT_TRUE(object->copy_on_write());
  EXPECT_EQ(object->ranges()[0].base, memory.data());
}

TEST(MemoryObject, AMappingOfCopyOnWriteMemoryHasPagesOfItsOwn) {
  ClientMemory memory(100, 0x123);
  memory.data()[10] = std::byte{1};
  const Ref<MemoryObject> object =
      MemoryObject::from_client({{memory.data(), 20}, {memory.data() + 50, 50}}, MemoryDirection::kOut, true);
  const Ref<MemoryObject> copy = object->copy_for_mapping(5, 40);
  ASSERT_TRUE(copy);
  ASSERT_EQ(copy->ranges().size(), 1u) << "scattered memory is mapped as one range";
  EXPECT_EQ(copy->ranges()[0].base[5], std::byte{1});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(copy->ranges()[0].base) % sim_test::kPage, 0x128u) << "the page offset stays";
  copy->ranges()[0].base[5] = std::byte{2};
  EXPECT_EQ(memory.data()[10], std::byte{1});
  EXPECT_FALSE(object->copy_for_mapping(60, 20)) << "past the end";
}

TEST(MemoryObject, WindowsAndJoinsOfCopyOnWriteMemoryAreCopyOnWrite) {
  ClientMemory memory(100);
  const Ref<MemoryObject> object = MemoryObject::from_client({{memory.data(), 100}}, MemoryDirection::kOut, true);
  EXPECT_TRUE(MemoryObject::sub(object, 10, 10, MemoryDirection::kOut)->copy_on_write());
  EXPECT_TRUE(MemoryObject::concatenation({memory.object(4), object}, MemoryDirection::kOut)->copy_on_write());
}

TEST(MemoryObject, AddressBitsAreOnlyEverLowered) {
  ClientMemory memory(16);
  const Ref<MemoryObject> object = memory.object(16);
  EXPECT_EQ(object->lower_address_bits(40), 40u);
  EXPECT_EQ(object->lower_address_bits(64), 40u);
  EXPECT_EQ(object->lower_address_bits(32), 32u);
}

TEST(MemoryObject, ABufferIsZeroedAndPageAligned) {
  const Ref<MemoryObject> buffer = MemoryObject::buffer(100, 0, MemoryDirection::kInOut);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->ranges()[0].base) % sim_test::kPage, 0u);
  EXPECT_EQ(buffer->ranges()[0].base[99], std::byte{0});
}

TEST(MemoryObject, ABufferTakesLargerAlignments) {
  const Ref<MemoryObject> buffer = MemoryObject::buffer(100, kMiB, MemoryDirection::kInOut);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->ranges()[0].base) % kMiB, 0u);
}

struct BufferCase {
  uint64_t capacity, alignment;
};
class BadBuffer : public testing::TestWithParam<BufferCase> {};
TEST_P(BadBuffer, IsNull) {
  EXPECT_FALSE(MemoryObject::buffer(GetParam().capacity, GetParam().alignment, MemoryDirection::kIn));
}
INSTANTIATE_TEST_SUITE_P(MemoryObject, BadBuffer,
                         testing::Values(BufferCase{0, 0}, BufferCase{16, 3}, BufferCase{UINT64_MAX, 0},
                                         BufferCase{16, uint64_t{1} << 63}));

TEST(MemoryObject, SetLengthStaysWithinTheCapacity) {
  const Ref<MemoryObject> buffer = MemoryObject::buffer(100, 0, MemoryDirection::kIn);
  EXPECT_EQ(buffer->set_length(101), io_return::kBadArgument);
  EXPECT_EQ(buffer->set_length(40), io_return::kSuccess);
  EXPECT_EQ(buffer->length(), 40u);
  EXPECT_EQ(buffer->set_length(100), io_return::kSuccess);
}

TEST(MemoryObject, SetLengthIsForBuffers) {
  ClientMemory memory(16);
  EXPECT_EQ(memory.object(16)->set_length(8), io_return::kUnsupported);
}

TEST(MemoryObject, ASubDescriptorIsAWindowAcrossRanges) {
  ClientMemory memory(64);
  std::byte* const m = memory.data();
  const Ref<MemoryObject> parent = MemoryObject::from_client({{m, 16}, {m + 32, 16}}, MemoryDirection::kIn, false);
  const Ref<MemoryObject> sub = MemoryObject::sub(parent, 8, 16, MemoryDirection::kIn);
  ASSERT_EQ(sub->ranges().size(), 2u);
  EXPECT_EQ(sub->ranges()[0].base, m + 8);
  EXPECT_EQ(sub->ranges()[1].base, m + 32);
  EXPECT_EQ(sub->ranges()[1].length, 8u);
}

TEST(MemoryObject, ASubDescriptorPastTheEndIsNull) {
  ClientMemory memory(64);
  const Ref<MemoryObject> parent = memory.object(64);
  EXPECT_FALSE(MemoryObject::sub(parent, 60, 8, MemoryDirection::kIn));
  EXPECT_FALSE(MemoryObject::sub(parent, UINT64_MAX, 8, MemoryDirection::kIn));
  EXPECT_FALSE(MemoryObject::sub(nullptr, 0, 8, MemoryDirection::kIn));
}

TEST(MemoryObject, ASubDescriptorKeepsItsParent) {
  Ref<MemoryObject> buffer = MemoryObject::buffer(64, 0, MemoryDirection::kIn);
  const Ref<MemoryObject> sub = MemoryObject::sub(buffer, 0, 64, MemoryDirection::kIn);
  buffer.reset();
  std::memset(sub->ranges()[0].base, 1, 64);  // the address sanitizer sees it if the buffer went
  EXPECT_EQ(sub->ranges()[0].base[63], std::byte{1});
}

TEST(MemoryObject, AConcatenationIsThePartsEndToEnd) {
  ClientMemory a(16), b(16);
  const Ref<MemoryObject> both = MemoryObject::concatenation({a.object(16), b.object(8)}, MemoryDirection::kIn);
  EXPECT_EQ(both->length(), 24u);
  EXPECT_EQ(both->ranges()[1].base, b.data());
  EXPECT_FALSE(MemoryObject::concatenation({}, MemoryDirection::kIn));
  EXPECT_FALSE(MemoryObject::concatenation({a.object(16), nullptr}, MemoryDirection::kIn));
}

TEST(MemoryObject, PrepareAndCompleteCount) {
  ClientMemory memory(16);
  const Ref<MemoryObject> object = memory.object(16);
  EXPECT_EQ(object->complete(), io_return::kNotReady);
  object->prepare();
  object->prepare();
  EXPECT_EQ(object->complete(), io_return::kSuccess);
  EXPECT_EQ(object->wire_count(), 1u);
}

}  // namespace
}  // namespace dartboard::macos
