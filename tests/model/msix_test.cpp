// tests/model/msix_test.cpp - mask, pend, unmask, function mask; table and PBA access of every width.
#include "model/msix.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/model/register_conformance.h"

namespace dartboard::model {
namespace {

using Messages = std::vector<std::pair<uint64_t, uint32_t>>;

struct RecordingSender final : MessageSender {
  void send_message(uint64_t address, uint32_t data) override { messages.emplace_back(address, data); }
  Messages messages;
};

class Msix : public testing::Test {
 protected:
  static constexpr uint64_t kDoorbell = 0xffff'f000;

  void write(uint32_t offset, uint64_t value, uint32_t length) {
    table_.write_table(offset, reinterpret_cast<const std::byte*>(&value), length);
  }
  uint64_t read(uint32_t offset, uint32_t length) {
    uint64_t value = 0;
    table_.read_table(offset, reinterpret_cast<std::byte*>(&value), length);
    return value;
  }
  uint64_t pba(uint32_t offset, uint32_t length) {
    uint64_t value = 0;
    table_.read_pba(offset, reinterpret_cast<std::byte*>(&value), length);
    return value;
  }
  void program(uint32_t vector, bool masked) {
    write(vector * 16, kDoorbell, 8);
    write(vector * 16 + 8, 100 + vector, 4);
    write(vector * 16 + 12, masked ? 1 : 0, 4);
  }

  RecordingSender sender_;
  MsixTable table_{70, sender_};
};

TEST_F(Msix, TableEntriesHaveTheirDeclaredAccess) {
  RegisterFile file(kMsixEntryBytes);
  file.declare(kMsixEntryRegisters);
  test::expect_declared_access(file);
  test::expect_partial_writes(file);
}

TEST_F(Msix, SizesFollowTheVectorCount) {
  EXPECT_EQ(table_.table_bytes(), 1120u);
  EXPECT_EQ(table_.pba_bytes(), 16u);
}

TEST_F(Msix, VectorsAreMaskedAfterEveryReset) {
  for (const ResetKind kind : test::kResetKinds) {
    program(3, false);
    table_.reset(kind);
    EXPECT_EQ(read(3 * 16 + 12, 4), 1u) << static_cast<int>(kind);
  }
}

TEST_F(Msix, AnUnmaskedVectorIsSentAtOnce) {
  program(2, false);
  table_.set_gate(true, true);
  table_.raise(2);
  EXPECT_EQ(sender_.messages, (Messages{{kDoorbell, 102}}));
  EXPECT_FALSE(table_.pending(2));
}

TEST_F(Msix, AMaskedVectorPendsOnceAndIsSentOnUnmask) {
  program(2, true);
  table_.set_gate(true, true);
  table_.raise(2);
  table_.raise(2);
  EXPECT_TRUE(sender_.messages.empty());
  EXPECT_EQ(pba(0, 8), 1u << 2);
  write(2 * 16 + 12, 0, 4);
  EXPECT_EQ(sender_.messages, (Messages{{kDoorbell, 102}}));
  EXPECT_EQ(pba(0, 8), 0u);
}

TEST_F(Msix, UnmaskingOneVectorLeavesOthersPending) {
  program(2, true);
  program(69, true);
  table_.set_gate(true, true);
  table_.raise(2);
  table_.raise(69);
  write(69 * 16 + 12, 0, 4);
  EXPECT_EQ(sender_.messages, (Messages{{kDoorbell, 169}}));
  EXPECT_EQ(pba(0, 8), 1u << 2);
}

TEST_F(Msix, FunctionMaskPendsAndItsRemovalSendsUnmaskedVectorsInOrder) {
  program(65, false);
  program(1, false);
  program(5, true);
  table_.set_gate(true, false);
  for (const uint32_t v : {65u, 5u, 1u}) table_.raise(v);
  EXPECT_TRUE(sender_.messages.empty());
  EXPECT_EQ(pba(8, 8), 1u << 1) << "vector 65 is in the second qword";
  table_.set_gate(true, true);
  EXPECT_EQ(sender_.messages, (Messages{{kDoorbell, 101}, {kDoorbell, 165}}));
  EXPECT_EQ(pba(0, 8), 1u << 5);
}

TEST_F(Msix, MessagesGoToTheAddressProgrammedLast) {
  program(0, true);
  table_.set_gate(true, true);
  table_.raise(0);
  write(0, 0x1'2345'6788, 8);
  write(8, 7, 4);
  write(12, 0, 4);
  EXPECT_EQ(sender_.messages, (Messages{{0x1'2345'6788, 7}}));
}

TEST_F(Msix, WhileDisabledNothingIsSentOrPending) {
  program(2, false);
  table_.raise(2);
  table_.set_gate(true, true);
  EXPECT_TRUE(sender_.messages.empty());
}

TEST_F(Msix, AVectorOutsideTheTableIsNothing) {
  table_.set_gate(true, true);
  for (const uint32_t v : {70u, 2048u, UINT32_MAX}) table_.raise(v);
  EXPECT_TRUE(sender_.messages.empty());
  EXPECT_EQ(pba(0, 8) | pba(8, 8), 0u);
}

TEST_F(Msix, QwordAndDwordAccessesAreEquivalent) {
  write(16, 0xaaaa'aaaa'5555'5554, 8);
  EXPECT_EQ(read(16, 4), 0x5555'5554u);
  EXPECT_EQ(read(20, 4), 0xaaaa'aaaau);
  // Data and Vector Control in one qword, as some drivers write it.
  write(24, 0x0000'0000'0000'0011, 8);
  EXPECT_EQ(read(24, 8), 0x11u);
  EXPECT_FALSE(table_.masked(1));
}

TEST_F(Msix, AccessesPastTheTableAndThePbaReadZero) {
  EXPECT_EQ(read(1120, 8), 0u);
  EXPECT_EQ(pba(16, 8), 0u);
  write(1120, ~uint64_t{0}, 8);
  EXPECT_EQ(read(1120, 8), 0u);
}

TEST_F(Msix, ResetForgetsPendingVectors) {
  program(2, true);
  table_.set_gate(true, true);
  table_.raise(2);
  table_.reset(ResetKind::kFlr);
  program(2, false);
  table_.set_gate(true, true);
  EXPECT_TRUE(sender_.messages.empty());
}

}  // namespace
}  // namespace dartboard::model
