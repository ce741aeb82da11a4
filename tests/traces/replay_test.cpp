// tests/traces/replay_test.cpp - strict replay against a fake that answers from the session.
#include "traces/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"
#include "traces/inference.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kOneOfEach =
    R"({"t":1,"cmd":"PROBE","a0":0,"a1":8,"a2":4660,"data":"ffff000078560000","st":0,"r0":5,"r1":1,"ret":"613a303a30"}
{"t":2,"cmd":"MAP_BAR","bar":0,"st":0,"r0":0,"r1":65536}
{"t":3,"cmd":"RESIZE_BAR","bar":0,"st":1,"r0":2,"r1":0,"ret":"6e6f"}
{"t":4,"cmd":"CFG_WRITE","a0":4,"a1":2,"a2":6,"st":0}
{"t":5,"cmd":"CFG_READ","a0":4,"a1":2,"st":0,"r0":6}
{"t":6,"cmd":"MMIO_WRITE","bar":5,"a0":16,"a1":4,"data":"01020304"}
{"t":7,"cmd":"MMIO_READ","bar":5,"a0":16,"a1":4,"st":0,"r0":4,"ret":"aabbccdd"}
{"t":8,"cmd":"MMIO_WRITE","bar":0,"a0":0,"a1":8,"data":"0102030405060708"}
{"t":9,"cmd":"MMIO_READ","bar":0,"a0":256,"a1":32,"st":0,"r0":32,"ret":{"fill":0,"len":32}}
{"t":10,"cmd":"MAP_SYSMEM","a0":8192,"st":0,"r0":16,"r1":3,"ret":"00001000000000000010100000000000"}
{"t":11,"cmd":"SYSMEM_WRITE","bar":3,"a0":0,"a1":4,"data":"11223344"}
{"t":12,"cmd":"SYSMEM_READ","bar":3,"a0":4096,"a1":4,"st":0,"r0":4,"ret":"00000500"}
{"t":13,"cmd":"MMIO_READ","bar":5,"a0":20,"a1":4,"st":0,"r0":4,"ret":"00000000"}
{"t":14,"cmd":"PING","st":0}
{"t":15,"cmd":"RESET","st":0}
)";

ReplayReport replay_on_fake(const Session& guest, const Session& device) {
  FakeTarget target(device);
  return replay(guest, device, target);
}

/// kOneOfEach with one piece of text replaced, as the guest's side.
ReplayReport replay_changed(std::string_view from, std::string_view to) {
  std::string lines = kOneOfEach;
  const size_t at = lines.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  lines.replace(at, from.size(), to);
  const Session device = session_of(kOneOfEach);
  const Session guest = session_of(lines);
  return replay_on_fake(guest, device);
}

TEST(Replay, ASessionAgainstItselfHasNoDivergence) {
  const Session session = session_of(kOneOfEach);
  const ReplayReport report = replay_on_fake(session, session);
  EXPECT_EQ(report.requests, 15u);
  EXPECT_EQ(report.divergences, 0u) << report.first[0].expected << " / " << report.first[0].got;
  EXPECT_FALSE(report.stopped);
}

TEST(Replay, TheShippedSessionHas27207RequestsAndNoDivergence) {
  FakeTarget target(shipped_session());
  const ReplayReport report = replay(shipped_session(), target);
  EXPECT_EQ(report.requests, 27207u);
  EXPECT_EQ(report.divergences, 0u);
}

struct Change {
  const char* what;
  const char* from;
  const char* to;
  uint64_t index;
  Layer layer;
  const char* expected;
  const char* got;
};

class OneChange : public testing::TestWithParam<Change> {};

TEST_P(OneChange, IsOneDivergenceAtThatRequest) {
  const Change& change = GetParam();
  const ReplayReport report = replay_changed(change.from, change.to);
  ASSERT_EQ(report.divergences, 1u);
  ASSERT_EQ(report.first.size(), 1u);
  EXPECT_EQ(report.first[0].index, change.index);
  EXPECT_EQ(to_string(report.first[0].layer), to_string(change.layer));
  EXPECT_EQ(report.first[0].expected, change.expected);
  EXPECT_THAT(report.first[0].got, StartsWith(change.got));
  EXPECT_EQ(report.requests, 15u);
}

INSTANTIATE_TEST_SUITE_P(
    Replay, OneChange,
    testing::Values(
        Change{"ProbeCount", R"("r0":5,"r1":1)", R"("r0":5,"r1":2)", 0, Layer::kReply, "count 0x2", "count 0x1"},
        Change{"MapBarSize", R"("r1":65536)", R"("r1":65537)", 1, Layer::kReply, "size 0x10001", "size 0x10000"},
        Change{"ResizeBarStatus", R"("st":1,"r0":2,"r1":0,"ret":"6e6f")", R"("st":0)", 2, Layer::kReply, "status 0",
               "status 1: no Resizable BAR"},
        Change{"ConfigReadValue", R"("st":0,"r0":6)", R"("st":0,"r0":7)", 4, Layer::kReply, "value 0x7", "value 0x6"},
        Change{"ConfigWriteStatus", R"("a2":6,"st":0)", R"("a2":6,"st":1)", 3, Layer::kReply, "status 1", "status 0"},
        Change{"RegisterWrite", R"("01020304")", R"("01020305")", 5, Layer::kEndpoint, "written", "something else"},
        Change{"RegisterWriteOffset", R"("a0":16,"a1":4,"data")", R"("a0":24,"a1":4,"data")", 5, Layer::kEndpoint,
               "mmio-write", "mmio-write"},
        Change{"RegisterRead", R"("aabbccdd")", R"("aabbccde")", 6, Layer::kReply, "aabbccde", "aabbccdd"},
        Change{"RegisterReadOffset", R"("a0":20,"a1":4)", R"("a0":28,"a1":4)", 12, Layer::kEndpoint, "mmio-read",
               "mmio-read"},
        Change{"MemoryBarWrite", R"("0102030405060708")", R"("0102030405060709")", 7, Layer::kMemory, "+0x4: 05060708",
               "+0x4: 05060709"},
        Change{"MemoryBarRead", R"({"fill":0,"len":32})", R"({"fill":1,"len":32})", 8, Layer::kReply,
               "+0x0: 01010101 01010101 01010101 01010101", "+0x0: 00000000"},
        Change{"BusAddress", "0010100000000000", "0020100000000000", 9, Layer::kReply, "page 1 at 0x102000",
               "page 1 at 0x101000"},
        Change{"HostWrite", R"("11223344")", R"("11223345")", 10, Layer::kMemory, "11223344", "11223345"},
        Change{"HostRead", R"("00000500")", R"("00000501")", 11, Layer::kReply, "00000501", "00000500"}),
    [](const auto& info) { return std::string(info.param.what); });

/// The request of the shipped session that changes, and how.
struct ShippedChange {
  const char* what;
  uint64_t index;
  Layer layer;
};
class OneByteOfTheShippedSession : public testing::TestWithParam<ShippedChange> {};

TEST_P(OneByteOfTheShippedSession, IsOneDivergenceAtThatIndex) {
  Session guest = load_shipped_session();
  for (Event& event : guest.events) {
    if (!event.is_request() || event.request != GetParam().index) continue;
    Payload& payload = event.reply == kNoReply ? event.data : guest.replies[event.reply].data;
    std::byte* const changed = guest.arena.allocate(payload.length);
    payload.copy_to(0, {changed, payload.length});
    changed[payload.length / 2] ^= std::byte{0x40};
    payload.bytes = changed;
  }
  const ReplayReport report = replay_on_fake(guest, shipped_session());
  ASSERT_EQ(report.divergences, 1u);
  EXPECT_EQ(report.first[0].index, GetParam().index);
  EXPECT_EQ(to_string(report.first[0].layer), to_string(GetParam().layer));
  EXPECT_EQ(report.requests, 27207u);
}

INSTANTIATE_TEST_SUITE_P(
    Replay, OneByteOfTheShippedSession,
    testing::Values(ShippedChange{"RegisterRead", 5, Layer::kReply}, ShippedChange{"DiscoveryTable", 6, Layer::kReply},
                    ShippedChange{"RegisterWrite", 176, Layer::kEndpoint}, ShippedChange{"Fence", 185, Layer::kReply},
                    ShippedChange{"FirmwareWrite", 183, Layer::kMemory},
                    ShippedChange{"BulkFill", 26977, Layer::kMemory}, ShippedChange{"InputData", 27124, Layer::kMemory},
                    ShippedChange{"Doorbell", 27130, Layer::kEndpoint},
                    ShippedChange{"CopiedData", 27144, Layer::kReply}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Replay, ARequestThatTheGuestLeftOutIsSeenByTheDevice) {
  std::string lines = kOneOfEach;
  const size_t begin = lines.find(R"({"t":6)");
  lines.replace(begin, lines.find('\n', begin) - begin, R"({"t":6,"cmd":"PING","st":0})");
  const Session device = session_of(kOneOfEach);
  const Session guest = session_of(lines);
  const ReplayReport report = replay_on_fake(guest, device);
  ASSERT_EQ(report.divergences, 1u);
  EXPECT_EQ(report.first[0].index, 6u);  // where the device first sees that something is missing
  EXPECT_EQ(report.first[0].layer, Layer::kEndpoint);
}

TEST(Replay, AccessesThatNeverCameAreReportedAtTheEnd) {
  std::string lines = kOneOfEach;
  lines.resize(lines.find(R"({"t":13)"));
  const Session device = session_of(kOneOfEach);
  const Session guest = session_of(lines);
  const ReplayReport report = replay_on_fake(guest, device);
  ASSERT_EQ(report.divergences, 1u);
  EXPECT_EQ(report.first[0].got, "the end of the replay");
}

TEST(Replay, TheFirstTenDivergencesAreKeptAndAllAreCounted) {
  std::string recorded, changed;
  for (int i = 0; i < 25; ++i) {
    recorded += R"({"t":1,"cmd":"MMIO_READ","bar":5,"a0":0,"a1":4,"st":0,"r0":4,"ret":"00000000"})"
                "\n";
    changed += R"({"t":1,"cmd":"MMIO_READ","bar":5,"a0":0,"a1":4,"st":0,"r0":4,"ret":"01000000"})"
               "\n";
  }
  const Session device = session_of(recorded);
  const Session guest = session_of(changed);
  const ReplayReport report = replay_on_fake(guest, device);
  EXPECT_EQ(report.divergences, 25u);
  ASSERT_EQ(report.first.size(), kDivergencesKept);
  EXPECT_EQ(report.first.back().index, 9u);
}

TEST(Replay, APageThatCannotBePlacedEndsTheReplay) {
  const Session session = session_of(kOneOfEach);
  FakeTarget target(session);
  target.refuse_placement = true;
  const ReplayReport report = replay(session, target);
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->name, ErrorName::kPlacement);
  EXPECT_EQ(report.stopped_at, 9u);
}

TEST(Replay, DeviceWorkThatCannotBeDoneIsADivergenceOfTheDevice) {
  Session session = session_of(kOneOfEach);
  for (Event& event : session.events) {
    if (event.kind == EventKind::kDeviceDmaWrite) event.address = 0xdead0000;
  }
  const ReplayReport report = replay_on_fake(session, session);
  ASSERT_EQ(report.divergences, 1u);
  EXPECT_EQ(report.first[0].layer, Layer::kDevice);
  EXPECT_EQ(report.first[0].index, 11u);
  EXPECT_THAT(report.first[0].got, HasSubstr("not mapped"));
}

TEST(Replay, FillsAreCutAtAlignedWords) {
  // 64 KiB in pieces of 64 KiB less the misalignment: the register accesses below stay whole.
  const Session session = session_of(
      R"({"t":1,"cmd":"MMIO_WRITE","bar":0,"a0":4,"a1":65532,"data":{"fill":170,"len":65532}}
{"t":2,"cmd":"MMIO_READ","bar":0,"a0":0,"a1":8,"st":0,"r0":8,"ret":"00000000aaaaaaaa"}
)");
  FakeTarget target(session);
  const ReplayReport report = replay(session, target);
  EXPECT_EQ(report.divergences, 0u);
  EXPECT_EQ(target.region_writes, 1u);  // 4 + 65532 ends at the cut
}

TEST(Replay, ProgressIsToldUpToTheEnd) {
  const Session session = session_of(kOneOfEach);
  FakeTarget target(session);
  std::vector<uint64_t> seen;
  ReplayOptions options;
  options.progress = [&](uint64_t done) { seen.push_back(done); };
  options.progress_every = 5;
  replay(session, target, options);
  EXPECT_THAT(seen, testing::ElementsAre(5, 10, 15, 15));
}

TEST(Replay, WhateverTheReaderAcceptsCanBeReplayed) {
  // Bytes of the session changed, doubled and left out by a fixed generator: most are refused, none may do harm.
  uint32_t state = 20261123;
  const auto draw = [&](uint32_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % bound;
  };
  constexpr std::string_view kAlphabet = "0123456789abcdef\"{}[]:,-.MIORWDASYBTEFGPN \n";
  unsigned accepted = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string lines = kOneOfEach;
    for (uint32_t changes = 1 + draw(2); changes > 0; --changes) {
      const size_t at = draw(static_cast<uint32_t>(lines.size()));
      switch (draw(4)) {
        case 0: lines[at] = kAlphabet[draw(lines[at] <= 0x39 && lines[at] >= 0x30 ? 10 : kAlphabet.size())]; break;
        case 1: lines.erase(at, 1 + draw(4)); break;
        case 2: lines.insert(at, 1, kAlphabet[draw(kAlphabet.size())]); break;
        default: lines.insert(at, lines.substr(draw(static_cast<uint32_t>(lines.size())), draw(200))); break;
      }
    }
    auto session = read_lines(lines);
    if (!session) {
      EXPECT_FALSE(session.error().sentence.empty());
      continue;
    }
    ++accepted;
    ASSERT_TRUE(infer_device_events(&*session));
    EXPECT_EQ(replay_on_fake(*session, *session).requests, session->requests);
  }
  EXPECT_GT(accepted, 20u) << "the changes are too wild to test anything";
}

TEST(ProbeQuery, MatchesVendorClassAndAnyFilter) {
  const std::byte filter[] = {std::byte{0xf0}, std::byte{0xff}, {}, {}, std::byte{0x70}, std::byte{0x56}, {}, {}};
  const ProbeQuery query{0x03, 0x1234, Payload::of(filter)};
  EXPECT_TRUE(query.matches(0x1234, 0x5678, 0x030000));
  EXPECT_FALSE(query.matches(0x1234, 0x5688, 0x030000));
  EXPECT_FALSE(query.matches(0x1235, 0x5678, 0x030000));
  EXPECT_FALSE(query.matches(0x1234, 0x5678, 0x020000));
}

}  // namespace
}  // namespace dartboard::traces
