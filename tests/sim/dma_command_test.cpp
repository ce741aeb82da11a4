// tests/sim/dma_command_test.cpp - IODMACommand's rules and quirks, row by row.
#include "sim/macos/dma_command.h"

#include <gtest/gtest.h>

#include "rig.h"
#include "tests/model/one_fault.h"

namespace dartboard::macos {
namespace {

using model::FaultKind;
using model::test::OneFault;
using sim_test::ClientMemory;
using sim_test::kPage;
using sim_test::RigTest;
using sim_test::test_profile;

constexpr uint64_t kWindow = 0x8000'0000;

class DmaCommandTest : public RigTest {
 protected:
  void SetUp() override { boot(); }
  Ref<DmaCommand> command(uint64_t bits = 64) {
    Ref<DmaCommand> c;
    EXPECT_EQ(DmaCommand::create(nub(), 0, bits, &c), io_return::kSuccess);
    return c;
  }
  io_return::Code prepare(const Ref<DmaCommand>& c, const Ref<MemoryObject>& memory, uint64_t offset = 0,
                          uint64_t length = 0, uint32_t room = kDmaSegmentsMax) {
    count_ = room;
    return c->prepare(0, memory, offset, length, &flags_, &count_, segments_);
  }
  /// A machine whose mapper takes one page.
  void boot_tiny() {
    sim::Profile profile = test_profile();
    profile.ports[0].mapper.mapped_bytes_max = kPage;
    boot(profile);
  }
  ClientMemory memory_{16 * kPage};
  DmaSegment segments_[kDmaSegmentsMax] = {};
  uint64_t flags_ = 0;
  uint32_t count_ = 0;
};

struct CreateCase {
  uint64_t options, bits;
  io_return::Code code;
};
class DmaCommandCreate : public DmaCommandTest, public testing::WithParamInterface<CreateCase> {};
TEST_P(DmaCommandCreate, Answers) {
  Ref<DmaCommand> c;
  EXPECT_EQ(DmaCommand::create(nub(), GetParam().options, GetParam().bits, &c), GetParam().code);
}
INSTANTIATE_TEST_SUITE_P(DmaCommand, DmaCommandCreate,
                         testing::Values(CreateCase{0, 0, io_return::kSuccess}, CreateCase{0, 14, io_return::kSuccess},
                                         CreateCase{0, 255, io_return::kSuccess},
                                         CreateCase{1, 64, io_return::kBadArgument},
                                         CreateCase{0, 256, io_return::kBadArgument},
                                         CreateCase{0, 1, io_return::kNoMemory},
                                         CreateCase{0, 13, io_return::kNoMemory}));

TEST_F(DmaCommandTest, TheWholeDescriptorIsOneSegment) {
  ClientMemory memory(4 * kPage, 0x10);
  ASSERT_EQ(prepare(command(), memory.object(2 * kPage)), io_return::kSuccess);
  EXPECT_EQ(count_, 1u);
  EXPECT_EQ(segments_[0].address, kWindow + 0x10);
  EXPECT_EQ(segments_[0].length, 2 * kPage);
}

class DmaCommandFlags : public DmaCommandTest, public testing::WithParamInterface<MemoryDirection> {};
TEST_P(DmaCommandFlags, AreTheDescriptorsDirection) {
  flags_ = 77;
  ASSERT_EQ(prepare(command(), memory_.object(16, GetParam())), io_return::kSuccess);
  EXPECT_EQ(flags_, static_cast<uint64_t>(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(DmaCommand, DmaCommandFlags,
                         testing::Values(MemoryDirection::kIn, MemoryDirection::kOut, MemoryDirection::kInOut));

TEST_F(DmaCommandTest, TheWholeDescriptorIsMappedWithItsDirection) {
  sim::Profile profile = test_profile();
  profile.on_dart_fault = sim::FaultPolicy::kAbort;
  boot(profile);
  claim();
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(kPage, MemoryDirection::kOut)), io_return::kSuccess);
  EXPECT_FALSE(device_writes(Iova(segments_[0].address), 4));
}

TEST_F(DmaCommandTest, APartIsAlwaysMappedForBothDirections) {
  claim();
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(2 * kPage, MemoryDirection::kOut), 0, kPage), io_return::kSuccess);
  EXPECT_TRUE(device_writes(Iova(segments_[0].address), 4));
}

TEST_F(DmaCommandTest, AnAlignedPartIsOneSegment) {
  ASSERT_EQ(prepare(command(), memory_.object(4 * kPage), kPage, 2 * kPage), io_return::kSuccess);
  EXPECT_EQ(count_, 1u);
}

TEST_F(DmaCommandTest, AnUnalignedPartIsOneSegmentAPage) {
  ASSERT_EQ(prepare(command(), memory_.object(4 * kPage), 16, 2 * kPage), io_return::kSuccess);
  ASSERT_EQ(count_, 3u);
  EXPECT_EQ(segments_[0].length, kPage - 16);
  EXPECT_EQ(segments_[2].length, 16u);
}

TEST_F(DmaCommandTest, MoreSegmentsThanRoomAreSilentlyCutOff) {
  ASSERT_EQ(prepare(command(), memory_.object(4 * kPage), 16, 2 * kPage, 2), io_return::kSuccess);
  EXPECT_EQ(count_, 2u);
}

TEST_F(DmaCommandTest, OptionsAndMissingMemoryAreBadArguments) {
  const Ref<DmaCommand> c = command();
  EXPECT_EQ(prepare(c, nullptr), io_return::kBadArgument);
  count_ = 32;
  EXPECT_EQ(c->prepare(1, memory_.object(16), 0, 0, &flags_, &count_, segments_), io_return::kBadArgument);
}

TEST_F(DmaCommandTest, TheMemorysOwnFailureIsReturnedAsItIs) {
  const Ref<MemoryObject> bad = MemoryObject::from_client({{nullptr, 16}}, MemoryDirection::kIn, false);
  EXPECT_EQ(prepare(command(), bad), io_return::kVMError);
}

TEST_F(DmaCommandTest, AnotherDescriptorWhilePreparedIsBusyAndUnwired) {
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(16)), io_return::kSuccess);
  const Ref<MemoryObject> other = memory_.object(16);
  EXPECT_EQ(prepare(c, other), io_return::kBusy);
  EXPECT_EQ(other->wire_count(), 0u);
}

TEST_F(DmaCommandTest, PreparingAgainFreesTheOldMappingAndLeaksAWiring) {
  const Ref<DmaCommand> c = command();
  const Ref<MemoryObject> memory = memory_.object(16);
  ASSERT_EQ(prepare(c, memory), io_return::kSuccess);
  ASSERT_EQ(prepare(c, memory), io_return::kSuccess);
  EXPECT_EQ(mapper().stats().mappings, 1u);
  EXPECT_EQ(c->complete(0), io_return::kSuccess);
  EXPECT_EQ(memory->wire_count(), 1u);
}

TEST_F(DmaCommandTest, AMapperFailurePoisonsTheCommand) {
  boot_tiny();
  const Ref<DmaCommand> c = command();
  const Ref<MemoryObject> large = memory_.object(2 * kPage);
  EXPECT_EQ(prepare(c, large), io_return::kNoResources);
  EXPECT_EQ(large->wire_count(), 0u);
  EXPECT_EQ(c->complete(0), io_return::kNotReady);
  EXPECT_EQ(prepare(c, memory_.object(16)), io_return::kBusy);
}

TEST_F(DmaCommandTest, APoisonedCommandWorksWithTheSameDescriptor) {
  boot_tiny();
  const Ref<DmaCommand> c = command();
  const Ref<MemoryObject> large = memory_.object(2 * kPage);
  ASSERT_EQ(prepare(c, large), io_return::kNoResources);
  EXPECT_EQ(prepare(c, large, 0, kPage), io_return::kSuccess);
  EXPECT_EQ(c->complete(0), io_return::kSuccess);
}

TEST_F(DmaCommandTest, APoisonedCommandLeaksItsDescriptor) {
  boot_tiny();
  {
    const Ref<DmaCommand> c = command();
    ASSERT_EQ(prepare(c, memory_.object(2 * kPage)), io_return::kNoResources);
  }
  EXPECT_EQ(kernel().root(0).descriptors_leaked, 1u);
}

struct CleanCase {
  uint64_t offset;
  uint32_t room;
  uint64_t bits;
  io_return::Code code;
};
class DmaCommandCleanFailure : public DmaCommandTest, public testing::WithParamInterface<CleanCase> {};
TEST_P(DmaCommandCleanFailure, LeavesTheCommandUsable) {
  const Ref<DmaCommand> c = command(GetParam().bits);
  const Ref<MemoryObject> memory = memory_.object(kPage);
  EXPECT_EQ(prepare(c, memory, GetParam().offset, 0, GetParam().room), GetParam().code);
  EXPECT_EQ(mapper().stats().mappings, 0u);
  EXPECT_EQ(memory->wire_count(), 0u);
  EXPECT_EQ(c->complete(0), io_return::kNotReady);
  const Ref<MemoryObject> other = memory_.object(kPage);
  EXPECT_NE(prepare(c, other), io_return::kBusy);
}
INSTANTIATE_TEST_SUITE_P(DmaCommand, DmaCommandCleanFailure,
                         testing::Values(CleanCase{0, 0, 64, io_return::kBadArgument},
                                         CleanCase{kPage, 32, 64, io_return::kOverrun},
                                         CleanCase{0, 32, 31, io_return::kMessageTooLarge}));

TEST_F(DmaCommandTest, ThirtyTwoAddressBitsReachTheWindow) {
  EXPECT_EQ(prepare(command(32), memory_.object(kPage)), io_return::kSuccess);
}

TEST_F(DmaCommandTest, CompleteFreesAndUnwires) {
  const Ref<DmaCommand> c = command();
  const Ref<MemoryObject> memory = memory_.object(16);
  ASSERT_EQ(prepare(c, memory), io_return::kSuccess);
  EXPECT_EQ(c->complete(1), io_return::kBadArgument);
  EXPECT_EQ(c->complete(0), io_return::kSuccess);
  EXPECT_EQ(memory->wire_count(), 0u);
  EXPECT_EQ(mapper().stats().mappings, 0u);
  EXPECT_EQ(c->complete(0), io_return::kNotReady);
}

TEST_F(DmaCommandTest, TheLastReleaseCompletes) {
  const Ref<MemoryObject> memory = memory_.object(16);
  ASSERT_EQ(prepare(command(), memory), io_return::kSuccess);
  EXPECT_EQ(memory->wire_count(), 0u);
  EXPECT_EQ(mapper().stats().mappings, 0u);
}

TEST_F(DmaCommandTest, ACommandMayOutliveTheRun) {
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(16)), io_return::kSuccess);
  boot();
  EXPECT_EQ(mapper().stats().mappings, 0u);
}

TEST_F(DmaCommandTest, PreparationIsWhatWasPrepared) {
  const Ref<DmaCommand> c = command();
  uint64_t offset = 0, length = 0;
  Ref<MemoryObject> found;
  EXPECT_EQ(c->preparation(&offset, &length, &found), io_return::kNotReady);
  const Ref<MemoryObject> memory = memory_.object(2 * kPage);
  ASSERT_EQ(prepare(c, memory, kPage, kPage), io_return::kSuccess);
  ASSERT_EQ(c->preparation(&offset, &length, &found), io_return::kSuccess);
  EXPECT_EQ(offset, kPage);
  EXPECT_EQ(length, kPage);
  EXPECT_TRUE(found == memory);
}

// Address bits --------------------------------------------------------------------------------------------------------

TEST_F(DmaCommandTest, TheWholeDescriptorKeepsTheFewestAddressBitsItWasEverPreparedWith) {
  sim::Profile profile = test_profile();
  profile.ports[0].mapper.window_base = Iova(0x4000'0000);
  profile.ports[0].mapper.policy = IovaPolicy::kTopDown;
  boot(profile);
  const Ref<MemoryObject> memory = memory_.object(2 * kPage);
  const Ref<DmaCommand> narrow = command(31);
  ASSERT_EQ(prepare(narrow, memory), io_return::kSuccess);
  EXPECT_LT(segments_[0].address, 0x8000'0000u);
  ASSERT_EQ(narrow->complete(0), io_return::kSuccess);
  const Ref<DmaCommand> wide = command(64), part = command(64);
  ASSERT_EQ(prepare(wide, memory), io_return::kSuccess);
  EXPECT_LT(segments_[0].address, 0x8000'0000u) << "31 bits stay with the memory";
  ASSERT_EQ(prepare(part, memory, 0, kPage), io_return::kSuccess);
  EXPECT_GT(segments_[0].address, 0x8000'0000u) << "a part goes by its command";
}

// Copy-on-write memory ------------------------------------------------------------------------------------------------

TEST_F(DmaCommandTest, TheDevicesWritesToCopyOnWriteMemoryReachTheClient) {
  claim();
  const Ref<MemoryObject> memory =
      MemoryObject::from_client({{memory_.data(), kPage}}, MemoryDirection::kInOut, true);
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory), io_return::kSuccess);
  ASSERT_TRUE(device_writes(Iova(segments_[0].address), 64));
  EXPECT_EQ(memory_.data()[63], std::byte{0xa5});
}

TEST_F(DmaCommandTest, AnInputStructIsWrittenByTheDeviceOnlyWhereWriteProtectionIsNotEnforced) {
  for (const bool enforced : {true, false}) {
    sim::Profile profile = test_profile();
    profile.on_dart_fault = sim::FaultPolicy::kAbort;
    profile.ports[0].root.dart.enforce_write_protect = enforced;
    boot(profile);
    claim();
    memory_.data()[0] = std::byte{0};
    // A structure argument above 4096 bytes: direction Out, copy-on-write (IOUserClient.cpp).
    const Ref<MemoryObject> input =
        MemoryObject::from_client({{memory_.data(), 8192}}, MemoryDirection::kOut, true);
    const Ref<DmaCommand> c = command();
    ASSERT_EQ(prepare(c, input), io_return::kSuccess);
    EXPECT_EQ(device_writes(Iova(segments_[0].address), 4), !enforced);
    EXPECT_EQ(memory_.data()[0], enforced ? std::byte{0} : std::byte{0xa5}) << "the client's page, not a copy";
  }
}

TEST_F(DmaCommandTest, ScatteredClientMemoryIsOneSegment) {
  claim();
  std::byte* const m = memory_.data();
  const Ref<MemoryObject> memory = MemoryObject::from_client(
      {{m + 4 * kPage, 2 * kPage}, {m, kPage}, {m + 9 * kPage, 100}}, MemoryDirection::kInOut, false);
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory), io_return::kSuccess);
  EXPECT_EQ(count_, 1u);
  ASSERT_TRUE(device_writes(Iova(segments_[0].address), 3 * kPage + 100));
  EXPECT_EQ(m[kPage - 1], std::byte{0xa5});
  EXPECT_EQ(m[9 * kPage + 99], std::byte{0xa5});
  EXPECT_EQ(m[9 * kPage + 100], std::byte{0});
}

// Faults --------------------------------------------------------------------------------------------------------------

TEST_F(DmaCommandTest, InjectedPoisonIsThatOfAFailedMapper) {
  const Ref<DmaCommand> c = command();
  const Ref<MemoryObject> memory = memory_.object(kPage);
  {
    OneFault fault(FaultKind::kApplePoisonedCommand);
    EXPECT_EQ(prepare(c, memory), io_return::kNoResources);
  }
  EXPECT_EQ(c->complete(0), io_return::kNotReady);
  EXPECT_EQ(prepare(c, memory_.object(kPage)), io_return::kBusy);
  EXPECT_EQ(prepare(c, memory), io_return::kSuccess);
  EXPECT_EQ(c->complete(0), io_return::kSuccess);
}

TEST_F(DmaCommandTest, InjectedMessageTooLargeLeavesTheCommandUsable) {
  const Ref<DmaCommand> c = command();
  {
    OneFault fault(FaultKind::kAppleMessageTooLarge);
    EXPECT_EQ(prepare(c, memory_.object(kPage)), io_return::kMessageTooLarge);
  }
  EXPECT_EQ(mapper().stats().mappings, 0u);
  EXPECT_EQ(prepare(c, memory_.object(kPage)), io_return::kSuccess);
}

TEST_F(DmaCommandTest, InjectedSegmentsArePagesAndInjectedTruncationDropsSome) {
  {
    OneFault fault(FaultKind::kMapMultiSegment);
    const Ref<DmaCommand> c = command();
    ASSERT_EQ(prepare(c, memory_.object(4 * kPage)), io_return::kSuccess);
    EXPECT_EQ(count_, 4u);
    EXPECT_EQ(segments_[3].address, segments_[0].address + 3 * kPage);
  }
  OneFault fault(FaultKind::kMapTruncated, 1, 3);
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(4 * kPage)), io_return::kSuccess);
  EXPECT_EQ(count_, 3u) << "12 of 16 pages, and nobody says so";
}

TEST_F(DmaCommandTest, APlatformMayGiveASegmentAPage) {
  sim::Profile profile = test_profile();
  profile.ports[0].mapper.segment_per_page = true;
  boot(profile);
  ASSERT_EQ(prepare(command(), memory_.object(3 * kPage)), io_return::kSuccess);
  EXPECT_EQ(count_, 3u);
}

TEST_F(DmaCommandTest, InjectedCopyHidesTheDevicesWritesFromTheClient) {
  claim();
  memory_.data()[0] = std::byte{1};
  OneFault fault(FaultKind::kAppleCopyOnWriteUnseen);
  const Ref<MemoryObject> memory =
      MemoryObject::from_client({{memory_.data(), kPage}}, MemoryDirection::kInOut, true);
  EXPECT_EQ(fault.hits, 1u);
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory), io_return::kSuccess);
  ASSERT_TRUE(device_writes(Iova(segments_[0].address), 4));
  EXPECT_EQ(memory_.data()[0], std::byte{1});
}

TEST_F(DmaCommandTest, NoMemoryForABufferIsNull) {
  OneFault fault(FaultKind::kResourceNoMemory);
  EXPECT_FALSE(MemoryObject::buffer(kPage, 0, MemoryDirection::kInOut));
  EXPECT_TRUE(MemoryObject::buffer(kPage, 0, MemoryDirection::kInOut));
}

struct PerformCase {
  uint64_t options, dma_offset, length, data_offset;
  io_return::Code code;
};
class DmaCommandPerform : public DmaCommandTest, public testing::WithParamInterface<PerformCase> {};
TEST_P(DmaCommandPerform, Answers) {
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(64)), io_return::kSuccess);
  const Ref<MemoryObject> data = MemoryObject::buffer(32, 0, MemoryDirection::kInOut);
  const PerformCase& p = GetParam();
  EXPECT_EQ(c->perform(p.options, p.dma_offset, p.length, p.data_offset, data.get()), p.code);
}
INSTANTIATE_TEST_SUITE_P(
    DmaCommand, DmaCommandPerform,
    testing::Values(PerformCase{1, 0, 32, 0, io_return::kSuccess}, PerformCase{2, 32, 32, 0, io_return::kSuccess},
                    PerformCase{4, 0, 64, 0, io_return::kSuccess}, PerformCase{0, 0, 1, 0, io_return::kBadArgument},
                    PerformCase{3, 0, 1, 0, io_return::kBadArgument}, PerformCase{1, 0, 33, 0, io_return::kBadArgument},
                    PerformCase{1, 0, 32, 1, io_return::kBadArgument}, PerformCase{1, 40, 32, 0, io_return::kUnderrun},
                    PerformCase{4, 1, UINT64_MAX, 0, io_return::kBadArgument}));

TEST_F(DmaCommandTest, PerformCopiesBothWays) {
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(64)), io_return::kSuccess);
  const Ref<MemoryObject> data = MemoryObject::buffer(8, 0, MemoryDirection::kInOut);
  memory_.data()[10] = std::byte{7};
  ASSERT_EQ(c->perform(1, 10, 1, 3, data.get()), io_return::kSuccess);
  EXPECT_EQ(data->ranges()[0].base[3], std::byte{7});
  ASSERT_EQ(c->perform(2, 20, 1, 3, data.get()), io_return::kSuccess);
  EXPECT_EQ(memory_.data()[20], std::byte{7});
}

TEST_F(DmaCommandTest, AfterAPanicNothingAnswers) {
  const Ref<DmaCommand> c = command();
  ASSERT_EQ(prepare(c, memory_.object(16)), io_return::kSuccess);
  kernel().panic(PanicCause::kDextWatchdog, "test");
  EXPECT_EQ(c->complete(0), io_return::kNotResponding);
  EXPECT_EQ(prepare(c, memory_.object(16)), io_return::kNotResponding);
  Ref<DmaCommand> other;
  EXPECT_EQ(DmaCommand::create(nub(), 0, 64, &other), io_return::kNotResponding);
}

}  // namespace
}  // namespace dartboard::macos
