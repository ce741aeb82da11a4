// tests/model/port_registers_test.cpp - the port's register file and its RID to SID table.
#include "model/port_registers.h"

#include "tests/model/fabric.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model::test {
namespace {

using namespace port_reg;

class PortTest : public testing::Test, protected PortOwner {
 protected:
  void perst_changed(bool asserted) override { perst.push_back(asserted); }
  PortRegisters port{*this};
  std::vector<bool> perst;
};

TEST_F(PortTest, EveryFieldHasItsDeclaredAccess) {
  RegisterFile file(kFileBytes);
  for (const RegisterFile::Placed& placed : port.registers().registers()) file.declare({placed.decl, 1}, placed.base);
  expect_declared_access(file);
}

TEST_F(PortTest, InterruptStatusIsClearedByWritingOnes) {
  port.raise(kLinkDown | kMsiBadData);
  port.write(kInterruptStatus, kLinkDown, 4);
  EXPECT_EQ(port.read(kInterruptStatus, 4), kMsiBadData);
}

TEST_F(PortTest, IntxIsALevelThatSoftwareCannotClear) {
  EXPECT_TRUE(port.set_intx(2, true));
  EXPECT_FALSE(port.set_intx(2, true)) << "no change";
  port.write(kInterruptStatus, 0xffff'ffff, 4);
  EXPECT_EQ(port.read(kInterruptStatus, 4), 1u << 2);
  EXPECT_TRUE(port.set_intx(2, false));
  EXPECT_EQ(port.read(kInterruptStatus, 4), 0u);
}

TEST_F(PortTest, PerstTellsItsEdges) {
  port.write(kPerst, 0, 4);
  port.write(kPerst, 0, 4);
  port.write(kPerst, kPerstReleased, 4);
  EXPECT_EQ(perst, (std::vector<bool>{true, false}));
}

// Linux pcie-apple.c: t602x where it differs from the t8103.
TEST_F(PortTest, RegistersAreWhereTheT602xHasThem) {
  constexpr struct {
    uint32_t offset;
    uint64_t after_reset;
  } kRows[] = {{0x124, 0x51}, {0x16c, 0xffff'f000}, {0x170, 0}, {0x804, 1}, {0x82c, 1}, {0x3000, 0}};
  for (const auto& row : kRows) EXPECT_EQ(port.read(row.offset, 4), row.after_reset) << row.offset;
  EXPECT_EQ(port.read(0x168, 4), 0u) << "the t8103's MSIADDR";
}

TEST_F(PortTest, TheDoorbellIsWhereBothHalvesOfItsAddressSay) {
  EXPECT_TRUE(port.is_doorbell(0xffff'f000));
  port.write(0x16c, 0x8000'0000, 4);
  EXPECT_TRUE(port.is_doorbell(0x8000'0000));
  EXPECT_FALSE(port.is_doorbell(0xffff'f000));
  port.write(0x170, 0x1, 4);
  EXPECT_TRUE(port.is_doorbell(0x1'8000'0000));
  EXPECT_FALSE(port.is_doorbell(0x8000'0000));
}

TEST_F(PortTest, StreamOfIsWhatTheTableSays) {
  EXPECT_EQ(port.stream_of(Rid(1, 0, 0)), -1);
  EXPECT_TRUE(port.map_stream(Rid(1, 0, 0), Sid(7)));
  EXPECT_TRUE(port.map_stream(Rid(2, 3, 4), Sid(200)));
  EXPECT_EQ(port.stream_of(Rid(1, 0, 0)), 7);
  EXPECT_EQ(port.stream_of(Rid(2, 3, 4)), 200);
  EXPECT_EQ(port.stream_of(Rid(2, 3, 5)), -1);
  EXPECT_TRUE(port.map_stream(Rid(1, 0, 0), Sid(9))) << "the same entry again";
  EXPECT_EQ(port.stream_of(Rid(1, 0, 0)), 9);
  port.unmap_stream(Rid(1, 0, 0));
  EXPECT_EQ(port.stream_of(Rid(1, 0, 0)), -1);
  EXPECT_EQ(port.stream_of(Rid(2, 3, 4)), 200);
}

TEST_F(PortTest, WritingTheTableItselfWorksToo) {
  EXPECT_EQ(port.stream_of(Rid(5, 0, 1)), -1);
  port.write(kRidToSid + 4 * 3, kRidToSidValid | 0x11u << 16 | Rid(5, 0, 1).value, 4);
  EXPECT_EQ(port.stream_of(Rid(5, 0, 1)), 0x11);
  EXPECT_EQ(port.stream_of(Rid(0)), -1) << "an empty entry does not map requester 0";
}

TEST_F(PortTest, TableHasTheConfiguredNumberOfEntries) {
  for (const unsigned entries : {16u, 64u}) {
    port.configure(entries);
    for (unsigned i = 0; i < entries; ++i) EXPECT_TRUE(port.map_stream(Rid(static_cast<uint16_t>(i)), Sid(1)));
    EXPECT_FALSE(port.map_stream(Rid(0xffff), Sid(1)));
    port.unmap_stream(Rid(5));
    EXPECT_TRUE(port.map_stream(Rid(0xffff), Sid(1)));
  }
}

}  // namespace
}  // namespace dartboard::model::test
