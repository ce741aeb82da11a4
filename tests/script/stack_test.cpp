// tests/script/stack_test.cpp - drivers for edu and nvme through backend, client, dext, macOS, DART; resets and hashes.
#include <array>
#include <cstdio>

#include <gtest/gtest.h>

#include "tests/script/drivers.h"

namespace dartboard::script_test {
namespace {

// The simulated IOMMU gives addresses beyond edu's 28 bits, as a Mac's does.
model::ScriptSource wide_edu() { return shipped("edu", "(1 << 28) - 1", "(1 << 48) - 1"); }

TEST(EduThroughTheStack, IsWhatQemuDocuments) {
  Stack stack(shipped("edu"));
  EXPECT_EQ(stack.config32(0), 0x11e8'1234u);
  EXPECT_EQ(stack.read32(0x00), 0x0100'00edu);
  stack.write32(0x04, 0x1234'5678);
  EXPECT_EQ(stack.read32(0x04), ~0x1234'5678u);
  EXPECT_EQ(stack.read32(0x0c), 0xffff'ffffu);
  EXPECT_EQ(stack.read32(0x60), 0xffff'ffffu);
}

TEST(EduThroughTheStack, ComputesAFactorialWhileStatusSaysSo) {
  Stack stack(shipped("edu"));
  stack.write32(0x08, 10);
  EXPECT_EQ(stack.read32(0x20) & 1, 1u);
  stack.write32(0x08, 3);   // busy: lost
  stack.advance(1'000'000);
  EXPECT_EQ(stack.read32(0x20) & 1, 0u);
  EXPECT_EQ(stack.read32(0x08), 3628800u);
}

TEST(EduThroughTheStack, FactorialIsModulo32Bits) {
  Stack stack(shipped("edu"));
  for (const auto& [n, expected] : {std::pair{13u, 1932053504u}, {0u, 1u}, {33u, 2147483648u}, {34u, 0u}, {0xffffffffu, 0u}}) {
    stack.write32(0x08, n);
    stack.advance(1'000'000);
    EXPECT_EQ(stack.read32(0x08), expected) << n;
  }
}

TEST(EduThroughTheStack, RaisesAndAcknowledgesByMsi) {
  Stack stack(shipped("edu"));
  stack.enable_interrupts(backend::IrqKind::kMsi, 1);
  stack.write32(0x60, 0x30);
  stack.advance(1000);
  EXPECT_EQ(stack.read32(0x24), 0x30u);
  EXPECT_EQ(stack.interrupts(), std::vector<uint32_t>{0});
  stack.write32(0x64, 0x10);
  EXPECT_EQ(stack.read32(0x24), 0x20u);
  stack.write32(0x64, 0x20);
  EXPECT_EQ(stack.read32(0x24), 0u);
}

TEST(EduThroughTheStack, InterruptsWhenAFactorialIsDone) {
  Stack stack(shipped("edu"));
  stack.enable_interrupts(backend::IrqKind::kMsi, 1);
  stack.write32(0x20, 0x80);
  stack.write32(0x08, 5);
  stack.advance(1'000'000);
  stack.advance(1000);
  EXPECT_EQ(stack.read32(0x24), 1u);
  EXPECT_EQ(stack.interrupts().size(), 1u);
}

TEST(EduThroughTheStack, CopiesToItsBufferAndBack) {
  Stack stack(wide_edu());
  stack.enable_interrupts(backend::IrqKind::kMsi, 1);
  EduDriver edu(stack);
  for (uint32_t i = 0; i < 100; ++i) stack.store<uint8_t>(i, static_cast<uint8_t>(i * 7));
  edu.dma(false, 0, 16, 100);
  EXPECT_EQ(stack.read64(0x98) & 1, 1u);
  stack.advance(200'000'000);
  EXPECT_EQ(stack.read64(0x98) & 1, 0u);
  edu.dma(true, 0x2000, 16, 100, true);
  stack.advance(200'000'000);
  EXPECT_EQ(std::memcmp(stack.memory(0), stack.memory(0x2000), 100), 0);
  EXPECT_EQ(stack.read32(0x24), 0x100u);
  stack.advance(1000);
  EXPECT_EQ(stack.interrupts().size(), 1u);
}

TEST(EduThroughTheStack, ReachesOnly28BitsUnlessToldOtherwise) {
  Stack stack(shipped("edu"));
  ASSERT_GE(stack.iova(0), uint64_t{1} << 28) << "this test needs an IOVA that edu cannot reach";
  EduDriver edu(stack);
  stack.store<uint64_t>(0, 0x5555);
  edu.dma(false, 0, 0, 8);
  stack.advance(200'000'000);
  edu.dma(true, 0x1000, 0, 8);
  stack.advance(200'000'000);
  EXPECT_EQ(stack.load<uint64_t>(0x1000), 0u);
  EXPECT_FALSE(stack.scripted().script_error().has_value());
}

// NVMe ----------------------------------------------------------------------------------------------------------------

class Nvme : public testing::Test {
 protected:
  Nvme() : stack(shipped("nvme")), nvme(stack) {
    stack.enable_interrupts(backend::IrqKind::kMsix, 4);
    nvme.start();
  }
  Stack stack;
  NvmeDriver nvme;
  /// A list of the pages of [offset, +bytes) after the first one, at kList.
  void list_pages(uint64_t offset, uint64_t bytes) {
    for (uint64_t page = 1; page < bytes / 4096; ++page) {
      stack.store<uint64_t>(NvmeDriver::kList + 8 * (page - 1), stack.iova(offset + 4096 * page));
    }
  }
};

TEST_F(Nvme, BecomesReadyAndNotReady) {
  EXPECT_EQ(stack.read32(0x1c) & 3, 1u);
  stack.write32(0x14, 0);
  EXPECT_EQ(stack.read32(0x1c) & 3, 0u);
}

TEST_F(Nvme, ShutsDown) {
  stack.write32(0x14, 4u << 20 | 6u << 16 | 1 << 14 | 1);
  EXPECT_EQ(stack.read32(0x1c) & 0xc, 8u);
}

TEST_F(Nvme, IdentifiesControllerAndNamespace) {
  ASSERT_EQ(nvme.admin({.opcode = 6, .prp1 = stack.iova(NvmeDriver::kPage), .cdw10 = 1}).status, 0);
  EXPECT_EQ(stack.load<uint16_t>(NvmeDriver::kPage), 0x1b36);
  EXPECT_EQ(std::memcmp(stack.memory(NvmeDriver::kPage + 24), "Dartboard NVMe  ", 16), 0);
  EXPECT_EQ(stack.load<uint8_t>(NvmeDriver::kPage + 77), 5);
  EXPECT_EQ(stack.load<uint8_t>(NvmeDriver::kPage + 512), 0x66);
  EXPECT_EQ(stack.load<uint32_t>(NvmeDriver::kPage + 516), 1u);
  ASSERT_EQ(nvme.admin({.opcode = 6, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kPage), .cdw10 = 0}).status, 0);
  EXPECT_EQ(stack.load<uint64_t>(NvmeDriver::kPage), 2048u);
  EXPECT_EQ(stack.load<uint32_t>(NvmeDriver::kPage + 128), 9u << 16);
  ASSERT_EQ(nvme.admin({.opcode = 6, .prp1 = stack.iova(NvmeDriver::kPage), .cdw10 = 2}).status, 0);
  EXPECT_EQ(stack.load<uint32_t>(NvmeDriver::kPage), 1u);
}

TEST_F(Nvme, Writes64KiBWithAListAndReadsThemBack) {
  nvme.create_queues();
  constexpr uint32_t kBytes = 64 * kKiB;
  for (uint32_t i = 0; i < kBytes / 8; ++i) stack.store<uint64_t>(NvmeDriver::kData + 8 * i, i * 0x9e37'79b9'7f4a'7c15);
  list_pages(NvmeDriver::kData, kBytes);
  ASSERT_EQ(nvme.io({.opcode = 1, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kData),
                     .prp2 = stack.iova(NvmeDriver::kList), .cdw10 = 100, .cdw12 = kBytes / 512 - 1}).status, 0);
  list_pages(NvmeDriver::kBack, kBytes);
  ASSERT_EQ(nvme.io({.opcode = 2, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kBack),
                     .prp2 = stack.iova(NvmeDriver::kList), .cdw10 = 100, .cdw12 = kBytes / 512 - 1}).status, 0);
  EXPECT_EQ(std::memcmp(stack.memory(NvmeDriver::kData), stack.memory(NvmeDriver::kBack), kBytes), 0);
}

TEST_F(Nvme, InterruptsByTheVectorOfItsCompletionQueue) {
  nvme.create_queues();
  stack.advance(1000);
  const auto before = stack.interrupts().size();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(nvme.io({.opcode = 0, .nsid = 1}).status, 0);
    stack.advance(1000);
  }
  const std::vector<uint32_t> since(stack.interrupts().begin() + static_cast<long>(before), stack.interrupts().end());
  EXPECT_EQ(since, (std::vector<uint32_t>{1, 1, 1}));
}

TEST_F(Nvme, TakesUnalignedPrp1AndASecondPage) {
  nvme.create_queues();
  for (uint32_t i = 0; i < 4096; ++i) stack.store<uint8_t>(NvmeDriver::kData + 2048 + i, static_cast<uint8_t>(i * 3 + i / 256));
  ASSERT_EQ(nvme.io({.opcode = 1, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kData + 2048),
                     .prp2 = stack.iova(NvmeDriver::kData + 4096), .cdw10 = 0, .cdw12 = 7}).status, 0);
  ASSERT_EQ(nvme.io({.opcode = 2, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kBack), .cdw10 = 0, .cdw12 = 7}).status, 0);
  EXPECT_EQ(std::memcmp(stack.memory(NvmeDriver::kData + 2048), stack.memory(NvmeDriver::kBack), 4096), 0);
}

TEST_F(Nvme, FollowsAListOverAPageBorder) {
  nvme.create_queues();
  constexpr uint32_t kPages = 6;
  for (uint32_t i = 0; i < kPages * 512; ++i) stack.store<uint64_t>(NvmeDriver::kData + 8 * i, i + 1);
  // Two entries fit before the end of the list page: data page 1, then a pointer to the rest of the list.
  const uint64_t list = NvmeDriver::kList + 4096 - 16;
  stack.store<uint64_t>(list, stack.iova(NvmeDriver::kData + 4096));
  stack.store<uint64_t>(list + 8, stack.iova(NvmeDriver::kList + 8192));
  for (uint32_t page = 2; page < kPages; ++page) {
    stack.store<uint64_t>(NvmeDriver::kList + 8192 + 8 * (page - 2), stack.iova(NvmeDriver::kData + 4096 * page));
  }
  ASSERT_EQ(nvme.io({.opcode = 1, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kData), .prp2 = stack.iova(list),
                     .cdw12 = kPages * 8 - 1}).status, 0);
  ASSERT_EQ(nvme.io({.opcode = 2, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kBack), .cdw10 = 40, .cdw12 = 7}).status, 0);
  EXPECT_EQ(stack.load<uint64_t>(NvmeDriver::kBack), 5u * 512 + 1);
}

TEST_F(Nvme, WrapsItsQueues) {
  nvme.create_queues();
  for (uint32_t i = 0; i < 100; ++i) {
    stack.store<uint64_t>(NvmeDriver::kData, i);
    ASSERT_EQ(nvme.io({.opcode = 1, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kData), .cdw10 = i}).status, 0) << i;
  }
  ASSERT_EQ(nvme.io({.opcode = 2, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kBack), .cdw10 = 99}).status, 0);
  EXPECT_EQ(stack.load<uint64_t>(NvmeDriver::kBack), 99u);
}

TEST_F(Nvme, AFullCompletionQueueHoldsCommandsBack) {
  nvme.create_queues();
  for (int round = 0; round < 2; ++round) {
    for (unsigned i = 0; i < 10; ++i) nvme.put(1, {.opcode = 0, .nsid = 1});
    nvme.ring(1);
    if (round == 0) continue;
    unsigned taken = 0;
    while (nvme.take(1).status == 0) ++taken;
    EXPECT_EQ(taken, 20u);   // 15 fit; the rest came as the heads were given back
  }
}

struct Refusal {
  const char* what;
  bool admin;
  NvmeDriver::Command command;
  uint16_t status;
};
class NvmeRefuses : public Nvme, public testing::WithParamInterface<Refusal> {};
TEST_P(NvmeRefuses, WithTheStatusOfTheStandard) {
  nvme.create_queues();
  NvmeDriver::Command command = GetParam().command;
  command.prp1 = command.prp1 == 0 ? stack.iova(NvmeDriver::kData) : command.prp1;
  EXPECT_EQ((GetParam().admin ? nvme.admin(command) : nvme.io(command)).status, GetParam().status) << GetParam().what;
  EXPECT_FALSE(stack.scripted().script_error().has_value());
}
INSTANTIATE_TEST_SUITE_P(
    Table, NvmeRefuses,
    testing::Values(Refusal{"unknown admin command", true, {.opcode = 0x7f}, 0x01},
                    Refusal{"unknown I/O command", false, {.opcode = 0x55, .nsid = 1}, 0x01},
                    Refusal{"unknown CNS", true, {.opcode = 6, .cdw10 = 0x77}, 0x02},
                    Refusal{"namespace 2", false, {.opcode = 2, .nsid = 2}, 0x0b},
                    Refusal{"beyond the end", false, {.opcode = 2, .nsid = 1, .cdw10 = 2048}, 0x80},
                    Refusal{"across the end", false, {.opcode = 2, .nsid = 1, .cdw10 = 2047, .cdw12 = 1}, 0x80},
                    Refusal{"a negative LBA", false, {.opcode = 2, .nsid = 1, .cdw10 = 1, .cdw11 = 0x8000'0000}, 0x80},
                    Refusal{"longer than MDTS", false, {.opcode = 2, .nsid = 1, .cdw12 = 256}, 0x02},
                    Refusal{"second page unaligned", false, {.opcode = 2, .nsid = 1, .prp2 = 0x10, .cdw12 = 15}, 0x13},
                    Refusal{"queue exists", true, {.opcode = 5, .cdw10 = 15u << 16 | 1, .cdw11 = 3}, 0x101},
                    Refusal{"queue id 0", true, {.opcode = 5, .cdw10 = 15u << 16, .cdw11 = 3}, 0x101},
                    Refusal{"queue too long", true, {.opcode = 5, .cdw10 = 0xffffu << 16 | 2, .cdw11 = 3}, 0x102},
                    Refusal{"no such CQ", true, {.opcode = 1, .cdw10 = 15u << 16 | 2, .cdw11 = 7u << 16 | 1}, 0x100},
                    Refusal{"vector too high", true, {.opcode = 5, .cdw10 = 15u << 16 | 2, .cdw11 = 99u << 16 | 3}, 0x108},
                    Refusal{"CQ in use", true, {.opcode = 4, .cdw10 = 1}, 0x10c},
                    Refusal{"unknown log page", true, {.opcode = 2, .cdw10 = 0x3f'00c0}, 0x109},
                    Refusal{"unknown feature", true, {.opcode = 0x0a, .cdw10 = 0x55}, 0x02}));

TEST_F(Nvme, DeletesQueuesInOrder) {
  nvme.create_queues();
  EXPECT_EQ(nvme.admin({.opcode = 0, .cdw10 = 1}).status, 0);
  EXPECT_EQ(nvme.admin({.opcode = 4, .cdw10 = 1}).status, 0);
  EXPECT_EQ(nvme.admin({.opcode = 4, .cdw10 = 1}).status, 0x101);
}

TEST_F(Nvme, TellsHowManyQueuesItHas) {
  EXPECT_EQ(nvme.admin({.opcode = 9, .cdw10 = 7, .cdw11 = 0x3f'003f}).result, 0x7'0007u);
}

TEST_F(Nvme, HoldsFourEventRequests) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(nvme.admin({.opcode = 0x0c}).status, 0xffff);
  EXPECT_EQ(nvme.admin({.opcode = 0x0c}).status, 0x105);
}

TEST_F(Nvme, DataWhereNothingIsMappedIsATransferError) {
  nvme.create_queues();
  EXPECT_EQ(nvme.io({.opcode = 2, .nsid = 1, .prp1 = 0x7777'0000'0000}).status, 0x04);
  EXPECT_EQ(nvme.io({.opcode = 2, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kBack)}).status, 0);
}

TEST_F(Nvme, AQueueWhereNothingIsMappedIsFatal) {
  stack.write32(0x14, 0);
  stack.write64(0x28, 0x7777'0000'0000);
  stack.write32(0x14, 4u << 20 | 6u << 16 | 1);
  stack.write32(0x1000, 1);
  EXPECT_EQ(stack.read32(0x1c) & 2, 2u);
  EXPECT_FALSE(stack.scripted().script_error().has_value());
}

TEST_F(Nvme, SurvivesAFunctionLevelReset) {
  nvme.create_queues();
  ASSERT_TRUE(stack.device().reset().has_value());
  const uint16_t command = 6;
  ASSERT_TRUE(stack.device().write(backend::Region::kConfig, 4, std::as_bytes(std::span(&command, 1))).has_value());
  EXPECT_EQ(stack.read32(0x1c), 0u);
  NvmeDriver again(stack);
  std::memset(stack.memory(0), 0, Stack::kMemoryBytes);
  again.start();
  again.create_queues();
  EXPECT_EQ(again.io({.opcode = 0, .nsid = 1}).status, 0);
}

// Hostile -------------------------------------------------------------------------------------------------------------

// The host has no window for the giant BAR and leaves the device's memory unusable; these tests are about the rest.
model::ScriptSource small_hostile() { return shipped("hostile", "1 << 40", "1 << 20"); }

TEST(HostileThroughTheStack, DmaToWhatIsNotMappedIsRefused) {
  Stack stack(small_hostile());
  stack.write64(0x08, 0x7777'0000'0000);
  stack.write32(0x14, 0xee);
  EXPECT_NE(stack.read32(0x04), 0u);
  EXPECT_GT(stack.machine().tlps().dart_faults + stack.machine().tlps().failed, 0u);
}

TEST(HostileThroughTheStack, OpensAndClosesWhileItLies) {
  Stack stack(shipped("hostile"));
  stack.write32(0x28, 1);
  stack.write32(0x2c, 1);
  for (int i = 0; i < 100; ++i) (void)stack.config32((i * 4) % 256);
  (void)stack.device().reset();
  EXPECT_FALSE(stack.scripted().script_error().has_value());
}

TEST(HostileThroughTheStack, ADeadDeviceReadsAllOnes) {
  Stack stack(small_hostile());
  stack.write32(0x38, 1);
  EXPECT_TRUE(stack.scripted().script_error().has_value());
  EXPECT_EQ(stack.read32(0x00), 0xffff'ffffu);
}

// Determinism ---------------------------------------------------------------------------------------------------------

class ShippedRun : public testing::TestWithParam<const char*> {};

std::string hash_in_fresh_process(const std::string& name) {
  const std::string command = "'" + program() + "' --fresh-run " + name;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::array<char, 64> line{};
  std::string text = std::fgets(line.data(), line.size(), pipe) != nullptr ? line.data() : "";
  if (::pclose(pipe) != 0) return {};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

TEST_P(ShippedRun, AfterResetHashesAsInAFreshProcess) {
  const std::string fresh = hash_in_fresh_process(GetParam());
  ASSERT_EQ(fresh.size(), 32u);
  Stack stack(shipped(GetParam()));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run_and_hash(stack, GetParam()), fresh) << "run " << i;
    stack.restart();
  }
}
INSTANTIATE_TEST_SUITE_P(Table, ShippedRun, testing::Values("edu", "nvme", "hostile", "gpu"));

}  // namespace
}  // namespace dartboard::script_test
