// tests/model/msi_test.cpp - the doorbell: what is an interrupt, what is not.
#include "model/msi.h"

#include "tests/model/fabric.h"

namespace dartboard::model::test {
namespace {

constexpr uint32_t kDoorbell = port_reg::kMsiDoorbell;

class MsiTest : public FabricTest {
 protected:
  Outcome ring(uint32_t data, uint32_t length = 4, uint64_t address = kDoorbell) {
    uint64_t value = data;
    return fabric.dma(address, &value, length, true);
  }
};

TEST_F(MsiTest, EachVectorIsDeliveredWithoutStreamOrDart) {
  for (uint32_t vector = 0; vector < port_reg::kMsiVectors; ++vector) {
    EXPECT_EQ(ring(vector), Outcome::kSuccess);
    EXPECT_EQ(fabric.root.msi().delivered(vector), 1u);
  }
  ASSERT_EQ(fabric.sink->msis.size(), 32u);
  EXPECT_EQ(fabric.sink->msis[31], 31u);
  EXPECT_EQ(fabric.observer->msis, fabric.sink->msis);
  EXPECT_EQ(fabric.root.dart().stats().faults, 0u);
}

TEST_F(MsiTest, BadDataIsIgnoredAndCounted) {
  for (const uint32_t data : {32u, 0x1'0000u, 0xffff'ffffu}) EXPECT_EQ(ring(data), Outcome::kSuccess);
  EXPECT_TRUE(fabric.sink->msis.empty());
  EXPECT_EQ(fabric.root.msi().bad_data(), 3u);
  EXPECT_NE(fabric.port_read(port_reg::kInterruptStatus) & port_reg::kMsiBadData, 0u);
}

TEST_F(MsiTest, OnlyAFourByteWriteToTheDoorbellIsAnMsi) {
  fabric.root.map_stream(Fabric::kRid, Sid(1));
  EXPECT_EQ(ring(1, 2), Outcome::kUnsupportedRequest);
  EXPECT_EQ(ring(1, 8), Outcome::kUnsupportedRequest);
  EXPECT_EQ(ring(1, 4, kDoorbell + 4), Outcome::kUnsupportedRequest);
  uint32_t word = 0;
  EXPECT_EQ(fabric.dma(kDoorbell, &word, 4, false), Outcome::kUnsupportedRequest);
  EXPECT_TRUE(fabric.sink->msis.empty());
  EXPECT_EQ(fabric.root.dart().stats().faults, 4u) << "they go to the DART";
}

TEST_F(MsiTest, NeedsBusMasterOfTheRootPort) {
  fabric.config_write(cfg::kCommand, cfg::kCommandMemory, 2);
  EXPECT_EQ(ring(1), Outcome::kUnsupportedRequest);
  EXPECT_TRUE(fabric.sink->msis.empty());
}

TEST_F(MsiTest, PortRegistersSayWhereAndHowMany) {
  fabric.write(kPortBase + port_reg::kMsiConfig, 3u << 4 | 1);  // 8 vectors
  fabric.write(kPortBase + port_reg::kMsiAddress, 0xfeed'0000);
  ring(7, 4, 0xfeed'0000);
  ring(8, 4, 0xfeed'0000);
  EXPECT_EQ(fabric.sink->msis, std::vector<uint32_t>{7});
  EXPECT_EQ(fabric.root.msi().bad_data(), 1u);
  fabric.write(kPortBase + port_reg::kMsiConfig, 0);
  EXPECT_EQ(ring(7, 4, 0xfeed'0000), Outcome::kUnsupportedRequest) << "disabled: an address like any other";
}

}  // namespace
}  // namespace dartboard::model::test
