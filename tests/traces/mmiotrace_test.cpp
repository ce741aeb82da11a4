// tests/traces/mmiotrace_test.cpp - Linux's mmiotrace text: whose BAR an address is, losses, and there and back.
#include "traces/import/mmiotrace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "imported.h"

namespace dartboard::traces {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kHeader =
    "VERSION 20070824\n"
    "PCIDEV 0018 80862918 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 \n"
    // BAR0 16 MiB, BAR1 128 MiB of 64 bits, BAR3 32 MiB of 64 bits, BAR5 ports, a ROM
    "PCIDEV 0100 10de0a20 10 d0000000 c000000c 0 ce000004 0 9001 cb000000 1000000 8000000 0 2000000 0 80 80000 "
    "nouveau\n"
    "PCIDEV 0200 10ec8168 11 e001 0 fbeff00c 0 fbef800c 0 0 100 0 1000 0 4000 0 0 r8169\n";

TEST(Mmiotrace, ReadsAccessesOfTheDevicesThatAreListed) {
  const WholeTrace trace =
      read_whole(open_mmiotrace, std::string(kHeader) +
                                     "MAP 1.000001 1 0xd0000000 0xffffc90005c80000 0x1000000 0x0 0\n"
                                     "R 4 1.000010 1 0xd0000010 0xcafe 0x0 0\n"
                                     "W 1 1.000020 1 0xc0000003 0xff 0x0 0\n"
                                     "W 8 1.000030 1 0xce000008 0x1122334455667788 0x0 0\n"
                                     "R 2 1.000040 1 0xcb000000 0xaa55 0x0 0\n"
                                     "R 4 1.000050 2 0xfbeff040 0x1 0x0 0\n"
                                     "UNMAP 1.000060 1 0x0 0\n"
                                     "MARK 1.000070 X is up\n");
  EXPECT_THAT(to_text(trace),
              ElementsAre("map-bar 0/0 d0000000 1000000 @1000001000", "mmio-read 0/0+10 4 = cafe @1000010000",
                          "mmio-write 0/1+3 1 = ff @1000020000", "mmio-write 0/3+8 8 = 1122334455667788 @1000030000",
                          "mmio-read 0/6+0 2 = aa55 @1000040000", "mmio-read 1/2+40 4 = 1 @1000050000",
                          "mark 0 X is up @1000070000"));
  ASSERT_EQ(trace.info.devices.size(), 2u);  // those with accesses
  const TraceDevice& card = trace.info.devices[0];
  EXPECT_EQ(card.address, "0000:01:00.0");
  EXPECT_EQ(card.description.vendor_id, 0x10de);
  EXPECT_EQ(card.description.device_id, 0x0a20);
  EXPECT_EQ(card.description.bars[0].size, 0x1000000u);
  EXPECT_FALSE(card.description.bars[0].is_64bit);
  EXPECT_TRUE(card.description.bars[1].is_64bit);
  EXPECT_TRUE(card.description.bars[1].prefetchable);
  EXPECT_FALSE(card.description.bars[3].prefetchable);
  EXPECT_FALSE(card.description.has_bar(5)) << "ports are not traced";
  EXPECT_TRUE(parse_device_description(format_device_description(card.description), "test"));
  EXPECT_EQ(trace.info.devices[1].address, "0000:02:00.0");
  EXPECT_EQ(trace.info.clock, Clock::kMonotonic);
  EXPECT_FALSE(trace.info.lossy);
  EXPECT_EQ(trace.report.unknown, 0u);
  EXPECT_EQ(trace.accounted(), trace.report.records);
}

TEST(Mmiotrace, AnAddressThatNoDeviceHasBelongsToItsMap) {
  const WholeTrace trace = read_whole(open_mmiotrace,
                                      "VERSION 20070824\n"
                                      "R 4 1.000000 1 0xd0000010 0x1 0x0 0\n"
                                      "MAP 1.000001 1 0xd0000000 0x0 0x3000 0x0 0\n"
                                      "MAP 1.000002 2 0xe0000000 0x0 0x1000 0x0 0\n"
                                      "R 4 1.000003 1 0xd0000010 0x2 0x0 0\n"
                                      "W 4 1.000004 2 0xe0000010 0x3 0x0 0\n");
  EXPECT_THAT(to_text(trace),
              ElementsAre("map-bar 0/0 d0000000 3000 @1000001000", "map-bar 0/1 e0000000 1000 @1000002000",
                          "mmio-read 0/0+10 4 = 2 @1000003000", "mmio-write 0/1+10 4 = 3 @1000004000"));
  EXPECT_EQ(trace.info.devices[0].description.bars[0].size, 0x4000u);
  EXPECT_EQ(trace.count("R", "no BAR and no map"), 1u);
  EXPECT_THAT(trace.info.notes, Contains(HasSubstr("0xd0000000: taken for BAR0 of a device without identity")));
}

TEST(Mmiotrace, WhatTheKernelLostMakesTheTraceLossy) {
  const WholeTrace trace = read_whole(open_mmiotrace, std::string(kHeader) +
                                                          "R 4 1.000010 1 0xd0000010 0xcafe 0x0 0\n"
                                                          "MARK 0.000000 Lost 120 events.\n"
                                                          "UNKNOWN 1.000020 1 0xd0000014 f3,a5,00 0x0 0\n"
                                                          "R 4 1.000030 1 0xd0000010 0xcafe 0x0 0\n");
  EXPECT_TRUE(trace.info.lossy);
  EXPECT_EQ(trace.info.dropped_events, 121u);
  EXPECT_EQ(trace.events.size(), 2u);
  EXPECT_EQ(trace.count("UNKNOWN", "did not decode"), 1u);
  ASSERT_EQ(trace.report.warnings.size(), 1u);  // the fake time is no disorder
  EXPECT_THAT(trace.report.warnings[0], HasSubstr("lost 120 events before line 6"));
}

struct Bad {
  const char* what;
  std::string line;
};
class BadMmiotrace : public testing::TestWithParam<Bad> {};
TEST_P(BadMmiotrace, IsCountedAsNotUnderstood) {
  const WholeTrace trace = read_whole(
      open_mmiotrace, std::string(kHeader) + GetParam().line + "\n" + "R 4 1.000010 1 0xd0000010 0xcafe 0x0 0\n");
  EXPECT_THAT(to_text(trace), ElementsAre("mmio-read 0/0+10 4 = cafe @1000010000"));
  EXPECT_EQ(trace.report.unknown, 1u);
  ASSERT_EQ(trace.report.first_unknown.size(), 1u);
  EXPECT_EQ(trace.report.first_unknown[0].first, 5u);
  EXPECT_EQ(trace.accounted(), trace.report.records);
}
INSTANTIATE_TEST_SUITE_P(
    Lines, BadMmiotrace,
    testing::Values(Bad{"another program's line", "nouveau 0000:01:00.0: DRM: enabled"},
                    Bad{"an address of more than 64 bits", "R 4 1.000000 1 0x1d0000000000000010 0x1 0x0 0"},
                    Bad{"a width of 3", "R 3 1.000000 1 0xd0000010 0x1 0x0 0"},
                    Bad{"a width of 0", "R 0 1.000000 1 0xd0000010 0x1 0x0 0"},
                    Bad{"a negative width", "R -4 1.000000 1 0xd0000010 0x1 0x0 0"},
                    Bad{"a value wider than its access", "W 1 1.000000 1 0xd0000010 0x100 0x0 0"},
                    Bad{"a time without its six digits", "R 4 1.0000 1 0xd0000010 0x1 0x0 0"},
                    Bad{"seconds that do not fit", "R 4 99999999999999.000000 1 0xd0000010 0x1 0x0 0"},
                    Bad{"a line that was cut", "R 4 1.000000 1 0xd00"},
                    Bad{"more than a line has", "R 4 1.000000 1 0xd0000010 0x1 0x0 0 0"},
                    Bad{"a map without bytes", "MAP 1.000000 1 0xd0000000 0x0 0x0 0x0 0"},
                    Bad{"a map beyond all addresses", "MAP 1.000000 1 0xfffffffffffff000 0x0 0x2000 0x0 0"},
                    Bad{"a BAR beyond all addresses",
                        "PCIDEV 0300 10de0a20 10 fffffffffffff00c 0 0 0 0 0 0 2000 0 0 0 0 0 0 x"},
                    Bad{"a device with five numbers", "PCIDEV 0300 10de0a20 10 0 0 0 0 0"},
                    Bad{"ids of nine digits", "PCIDEV 0300 10de0a201 10 0 0 0 0 0 0 0 0 0 0 0 0 0 0 x"},
                    Bad{"zero bytes", std::string("R 4 1.000000\0 1 0xd0000010 0x1 0x0 0", 37)},
                    Bad{"a very long line", "MARK 1.000000 " + std::string(size_t{3} << 20, 'x')}),
    [](const auto& info) {
      std::string name = info.param.what;
      for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
      return name;
    });

TEST(Mmiotrace, LinesMayEndInCrLf) {
  std::string text = std::string(kHeader) + "W 4 1.000010 1 0xd0000010 0xcafe 0x0 0\n";
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.replace(at, 1, "\r\n");
  const WholeTrace trace = read_whole(open_mmiotrace, text);
  EXPECT_THAT(to_text(trace), ElementsAre("mmio-write 0/0+10 4 = cafe @1000010000"));
  EXPECT_EQ(trace.report.unknown, 0u);
}

TEST(Mmiotrace, BarsThatCannotBeAreLeftOutAndNoted) {
  const WholeTrace trace =
      read_whole(open_mmiotrace,
                 "VERSION 20070824\n"
                 "PCIDEV 0100 12345678 0 1000 1800 0 0 0 0 0 1000 1000 0 0 0 0 0 \n"                    // overlap
                 "PCIDEV 0200 12345678 0 100000000000000c 0 0 0 0 0 0 4000000000000000 0 0 0 0 0 0 \n"  // huge
                 "PCIDEV 0300 12345678 0 200000 0 0 0 0 0 0 1800 0 0 0 0 0 0 \n"                        // odd
                 "PCIDEV 0400 12345678 0 30000004 31000000 0 0 0 0 0 1000 1000 0 0 0 0 0 \n"            // upper half
                 "R 4 1.000000 1 0x1ffc 0x0 0x0 0\n"
                 "R 4 1.000000 1 0x201000 0x0 0x0 0\n"
                 "R 4 1.000000 1 0x30000000 0x0 0x0 0\n"
                 "R 4 1.000000 1 0x31000000 0x0 0x0 0\n"
                 "R 4 1.000000 1 0x1ffe 0x0 0x0 0\n"  // runs out of its BAR
                 "R 4 1.000000 1 0xfffffffffffffffe 0x0 0x0 0\n");
  EXPECT_THAT(to_text(trace), ElementsAre("mmio-read 0/0+ffc 4 = 0 @1000000000", "mmio-read 1/0+1000 4 = 0 @1000000000",
                                          "mmio-read 2/0+0 4 = 0 @1000000000"));
  EXPECT_EQ(trace.count("R", "no BAR and no map"), 3u);
  for (const char* note : {"BAR 1 of 01:00.0 overlaps", "BAR 0 of 02:00.0 has 4611686018427387904 bytes",
                           "no power of two: taken for 8192", "BAR 1 of 04:00.0 is the upper half"}) {
    EXPECT_THAT(trace.info.notes, Contains(HasSubstr(note)));
  }
  for (const TraceDevice& device : trace.info.devices) {
    EXPECT_TRUE(parse_device_description(format_device_description(device.description), "test"));
  }
}

TEST(Mmiotrace, TimeThatRunsBackwardsIsWarnedOf) {
  const WholeTrace trace =
      read_whole(open_mmiotrace, std::string(kHeader) + "W 4 2.000010 1 0xd0000010 0xcafe 0x0 0\n" +
                                     "W 4 1.000010 1 0xd0000010 0xcafe 0x0 0\n");
  EXPECT_THAT(trace.report.warnings, ElementsAre(HasSubstr("backwards 1 times, first in line 6")));
}

TEST(Mmiotrace, ABlankLineIsCountedOnce) {
  const WholeTrace trace = read_whole(open_mmiotrace, "VERSION 20070824\n\n   \n");
  EXPECT_EQ(trace.count("(empty line)"), 2u);
  EXPECT_EQ(trace.accounted(), trace.report.records);
}

TEST(Mmiotrace, AnEmptyFileHasADeviceAndNoEvents) {
  const WholeTrace trace = read_whole(open_mmiotrace, "VERSION 20070824\n");
  EXPECT_THAT(trace.events, IsEmpty());
  EXPECT_EQ(trace.info.devices.size(), 1u);
}

TEST(Mmiotrace, WhatIsExportedComesBackAsItWas) {
  Recording r;
  r.map_bar(0, 0xe0000000, 65536);
  r.map_bar(2, 0xf0000000, 4096);
  for (const uint64_t width : {1, 2, 4, 8}) {
    r.write(0, 8 * width, width, 0x0123456789abcdef);
    r.read(2, 8 * width, width, 0xfedcba9876543210);
  }
  r.mark("half way");
  r.write(0, 3, 4, 5);  // not aligned
  const Exported out = export_to(create_mmiotrace, "back.mmiotrace", r.batch, r.info);
  ASSERT_TRUE(out.left_out.empty());
  const WholeTrace back = read_whole(open_mmiotrace, out.text);
  WholeTrace original;
  original.events = r.batch.events;
  original.replies = r.batch.replies;
  std::vector<std::string> events = to_text(back);
  // BAR5 was never mapped: a mark of the exporter's says where it put it.
  std::erase_if(events, [](const std::string& text) { return text.find("Dartboard: ") != std::string::npos; });
  EXPECT_EQ(events, to_text(original));
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(back.info.devices[0].description.bars[i].size, r.info.devices[0].description.bars[i].size);
    EXPECT_EQ(back.info.devices[0].description.bars[i].is_64bit, r.info.devices[0].description.bars[i].is_64bit);
  }
  EXPECT_EQ(back.info.devices[0].address, "0000:01:00.0");
  // And what comes back goes out as the same file.
  const Exported again = export_to(create_mmiotrace, "again.mmiotrace", back.batch(), back.info);
  EXPECT_EQ(to_text(read_whole(open_mmiotrace, again.text)), to_text(back));
}

TEST(Mmiotrace, TheShippedSessionComesBackAsTheFormatKeepsIt) {
  const Session& session = shipped_session();
  EventBatch batch;
  uint64_t accesses = 0;
  for (const Event& event : session.events) {
    batch.events.push_back(event);
    const bool is_access = event.kind == EventKind::kMmioRead || event.kind == EventKind::kMmioWrite;
    accesses += is_access && event.length <= 8;
  }
  batch.replies = session.replies;
  TraceInfo info;
  info.devices.push_back({"", session.device});
  info.clock = Clock::kMonotonic;
  const WholeTrace back =
      read_whole(open_mmiotrace, export_to(create_mmiotrace, "shipped.mmiotrace", batch, info).text);
  EXPECT_EQ(back.report.unknown, 0u);
  // In order, every access that is one line: offset, width, bytes.
  size_t at = 0;
  uint64_t equal = 0;
  for (const Event& event : session.events) {
    if ((event.kind != EventKind::kMmioRead && event.kind != EventKind::kMmioWrite) || event.length > 8) continue;
    for (; at < back.events.size(); ++at) {
      const Event& b = back.events[at];
      if (b.kind != event.kind || b.target != event.target || b.address != event.address || b.length != event.length) {
        continue;
      }
      const Payload& was = event.kind == EventKind::kMmioRead ? session.reply_of(event)->data : event.data;
      const Payload& is = b.kind == EventKind::kMmioRead ? back.reply_of(b)->data : b.data;
      ASSERT_EQ(value_of(was), value_of(is));
      EXPECT_EQ(b.time_ns, event.time_ns / 1000 * 1000);
      ++equal;
      ++at;
      break;
    }
  }
  EXPECT_EQ(equal, accesses);
}

TEST(Mmiotrace, IsFoundByItsContent) {
  EXPECT_EQ(detect_mmiotrace(kHeader), 100);
  EXPECT_EQ(detect_mmiotrace("R 4 1.000010 1 0xd0000010 0xcafe 0x0 0\nW 4 1.000010 1 0xd0000010 0xcafe 0x0 0\n"), 90);
  EXPECT_EQ(detect_mmiotrace("Read me\nWrite me\n"), 0);
  EXPECT_EQ(detect_mmiotrace(""), 0);
}

}  // namespace
}  // namespace dartboard::traces
