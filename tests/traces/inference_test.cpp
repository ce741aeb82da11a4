// tests/traces/inference_test.cpp - what the device did, concluded from what the driver read.
#include "traces/inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace dartboard::traces {
namespace {

/// Two pages at bus addresses 0x100000 and 0x300000, handle 1.
constexpr const char* kMapScattered =
    R"({"t":1,"cmd":"MAP_SYSMEM","a0":8192,"st":0,"r0":16,"r1":1,"ret":"00001000000000000000300000000000"})"
    "\n";

std::vector<Event> inferred(const Session& session) {
  std::vector<Event> out;
  for (const Event& event : session.events) {
    if (event.source == Source::kInferred) out.push_back(event);
  }
  return out;
}
std::vector<Event> inferred_from(const std::string& lines) {
  static Session session;  // keeps the payloads of the last call alive
  session = session_of(lines);
  return inferred(session);
}

TEST(Inference, AReadOfWhatTheCpuWroteShowsNothing) {
  EXPECT_TRUE(inferred_from(std::string(kMapScattered) +
                            R"({"t":2,"cmd":"SYSMEM_WRITE","bar":1,"a0":8,"a1":4,"data":"01020304"}
{"t":3,"cmd":"SYSMEM_READ","bar":1,"a0":8,"a1":4,"st":0,"r0":4,"ret":"01020304"}
{"t":4,"cmd":"SYSMEM_READ","bar":1,"a0":4096,"a1":4,"st":0,"r0":4,"ret":"00000000"}
)")
                  .empty());
}

TEST(Inference, AReadOfOtherBytesIsADmaWriteBeforeIt) {
  const Session session =
      session_of(std::string(kMapScattered) +
                 R"({"t":5,"cmd":"SYSMEM_READ","bar":1,"a0":4104,"a1":8,"st":0,"r0":8,"ret":"0000000000010000"}
)");
  ASSERT_EQ(session.events.size(), 3u);
  const Event& event = session.events[1];
  EXPECT_EQ(event.kind, EventKind::kDeviceDmaWrite);
  EXPECT_EQ(event.source, Source::kInferred);
  EXPECT_EQ(event.request, 1u);
  EXPECT_EQ(event.time_ns, 5u);
  EXPECT_EQ(event.address, 0x30000cu);  // page 1, offset 8, and the word that changed
  EXPECT_EQ(event.value, 4108u);
  EXPECT_EQ(event.length, 4u);
  EXPECT_EQ(event.data.at(1), std::byte{1});
  EXPECT_EQ(session.requests, 2u);
}

TEST(Inference, ADmaWriteIsCutWhereBusAddressesAreNotContiguous) {
  const auto events = inferred_from(
      std::string(kMapScattered) +
      R"({"t":2,"cmd":"SYSMEM_READ","bar":1,"a0":4088,"a1":16,"st":0,"r0":16,"ret":"ffffffffffffffffffffffffffffffff"}
)");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].address, 0x100ff8u);
  EXPECT_EQ(events[0].length, 8u);
  EXPECT_EQ(events[1].address, 0x300000u);
  EXPECT_EQ(events[1].length, 8u);
}

TEST(Inference, WhatWasReadOnceIsKnown) {
  const std::string read = R"({"t":2,"cmd":"SYSMEM_READ","bar":1,"a0":0,"a1":4,"st":0,"r0":4,"ret":"01000000"})"
                           "\n";
  EXPECT_EQ(inferred_from(kMapScattered + read + read).size(), 1u);
}

TEST(Inference, ABytesReadUnalignedStaysInsideTheRead) {
  const auto events = inferred_from(std::string(kMapScattered) +
                                    R"({"t":2,"cmd":"SYSMEM_READ","bar":1,"a0":5,"a1":2,"st":0,"r0":2,"ret":"0101"}
)");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].address, 0x100005u);
  EXPECT_EQ(events[0].length, 2u);
}

TEST(Inference, AMemoryBarReadOfOtherBytesIsAChangeOfDeviceMemory) {
  const auto events = inferred_from(R"({"t":1,"cmd":"MMIO_WRITE","bar":0,"a0":16,"a1":8,"data":"0102030405060708"}
{"t":2,"cmd":"MMIO_READ","bar":0,"a0":16,"a1":8,"st":0,"r0":8,"ret":"0102030405060709"}
)");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kDeviceMemory);
  EXPECT_EQ(events[0].target, 0u);
  EXPECT_EQ(events[0].address, 20u);
  EXPECT_EQ(events[0].length, 4u);
  EXPECT_EQ(events[0].request, 1u);
}

TEST(Inference, RegisterBarsAreNotMemory) {
  EXPECT_TRUE(
      inferred_from(R"({"t":1,"cmd":"MMIO_READ","bar":5,"a0":0,"a1":4,"st":0,"r0":4,"ret":"01020304"})").empty());
}

TEST(Inference, AFailedReadShowsNothing) {
  EXPECT_TRUE(
      inferred_from(R"({"t":1,"cmd":"MMIO_READ","bar":0,"a0":0,"a1":4,"st":1,"r0":4,"ret":"01020304"})").empty());
}

TEST(Inference, ChangesMoreThanAPageApartAreTwo) {
  const std::string ret = "01" + std::string(2 * 12286, '0') + "01";
  const auto events =
      inferred_from(R"({"t":1,"cmd":"MMIO_READ","bar":0,"a0":0,"a1":12288,"st":0,"r0":12288,"ret":")" + ret + "\"}");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].length, 4u);
  EXPECT_EQ(events[1].address, 12284u);
}

TEST(Inference, AShadowHasALimit) {
  auto session = read_lines(R"({"t":1,"cmd":"MMIO_WRITE","bar":0,"a0":0,"a1":65536,"data":{"fill":1,"len":65536}})");
  ASSERT_TRUE(session);
  const auto counts = infer_device_events(&*session, 8192);
  ASSERT_FALSE(counts);
  EXPECT_EQ(counts.error().name, ErrorName::kFileCorrupt);
}

// Counted independently with a dictionary of bytes: 4 host reads show DMA (three fences of 27131, 27137, 27143 and the
// 16 KiB that the copy engine wrote, 27144). BAR0: the discovery table that was never written (6) and 14 values of the
// security processor's fence at 0x86000 (185 to 299), each after the driver's zero or the value before it.
TEST(Inference, TheShippedSessionShowsFourDmaWritesAndFifteenMemoryChanges) {
  std::vector<uint64_t> dma, memory;
  for (const Event& event : inferred(shipped_session())) {
    (event.kind == EventKind::kDeviceDmaWrite ? dma : memory).push_back(event.request);
  }
  EXPECT_THAT(dma, testing::ElementsAre(27131, 27137, 27143, 27144));
  EXPECT_THAT(memory, testing::ElementsAre(6, 185, 194, 203, 212, 221, 230, 239, 248, 257, 266, 275, 284, 293, 299));
}

TEST(Inference, TheCopiedDataIsOneDmaWriteOf16KiB) {
  const auto events = inferred(shipped_session());
  EXPECT_EQ(events.back().length, 16384u);
  EXPECT_EQ(events.back().address, 0x102002000u);
}

}  // namespace
}  // namespace dartboard::traces
