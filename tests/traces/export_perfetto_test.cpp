// tests/traces/export_perfetto_test.cpp - the Perfetto file as protoc reads it: every field known, and the tracks,
// slices and flows that timeline.h promises. Needs protoc (protobuf-compiler).
#include <cstdio>
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "export_support.h"

namespace dartboard::traces {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// protoc's text of the file, a line for every field.
std::string decode(const std::string& path) {
  const std::string command = "'" DARTBOARD_PROTOC "' --proto_path='" DARTBOARD_TRACE_TESTS
                              "' --decode=dartboard.perfetto_subset.Trace perfetto_subset.proto < '" +
                              path + "' 2>&1";
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::string text;
  char piece[65536];
  for (size_t count; (count = std::fread(piece, 1, sizeof piece, pipe)) != 0;) text.append(piece, count);
  EXPECT_EQ(pclose(pipe), 0) << text.substr(0, 1000);
  return text;
}

/// protoc prints a field that the schema lacks by its number, and enumerators that it lacks too.
std::string first_unknown_field(const std::string& text) {
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    const std::string_view line(text.data() + begin, end - begin);
    const size_t name = line.find_first_not_of(' ');
    if (name != std::string_view::npos && std::isdigit(static_cast<unsigned char>(line[name])) != 0) {
      return std::string(line);
    }
    begin = end + 1;
  }
  return {};
}

/// The packets that have `field` ("track_event"), each as its text.
std::vector<std::string> packets_with(const std::string& text, std::string_view field) {
  std::vector<std::string> out;
  for (size_t at = text.find("packet {"); at != std::string::npos;) {
    const size_t next = text.find("\npacket {", at);
    std::string packet = text.substr(at, next == std::string::npos ? next : next + 1 - at);
    if (packet.find("  " + std::string(field) + " {") != std::string::npos) out.push_back(std::move(packet));
    at = next == std::string::npos ? next : next + 1;
  }
  return out;
}

std::string field_of(const std::string& packet, const std::string& name) {
  std::smatch match;
  // Only as deep as the event itself: two levels.
  return std::regex_search(packet, match, std::regex("\n    " + name + ": ([^\n]*)")) ? match[1].str() : "";
}

TEST(PerfettoExport, TheShippedSessionHasNoUnknownField) {
  const Session& session = shipped_session();
  EventBatch batch;
  batch.events = session.events;
  batch.replies = session.replies;
  TraceInfo info;
  info.devices.push_back({"0000:03:00.0", session.device});
  info.clock = Clock::kMonotonic;
  const Exported out = export_to(create_perfetto, "shipped.pftrace", batch, info);
  const std::string text = decode(out.path);
  EXPECT_EQ(first_unknown_field(text), "");
  // Everything is drawn: each event is an instant or the beginning of a slice.
  uint64_t drawn = 0;
  for (const std::string& packet : packets_with(text, "track_event")) {
    const std::string type = field_of(packet, "type");
    drawn += type == "TYPE_INSTANT" || type == "TYPE_SLICE_BEGIN";
  }
  EXPECT_EQ(drawn, session.events.size());
}

TEST(PerfettoExport, TracksStandInTheOrderOfTheLayout) {
  Recording r = Recording::small();
  for (uint32_t bar = 0; bar < 7; ++bar) r.read(bar, 0, 4, 1);
  const Exported out = export_to(create_perfetto, "order.pftrace", r.batch, r.info);
  std::map<int, std::string> by_rank;
  std::string process;
  const std::string text = decode(out.path);
  for (const std::string& packet : packets_with(text, "track_descriptor")) {
    if (packet.find("process_name") != std::string::npos) {
      process = packet;
    } else if (field_of(packet, "parent_uuid") == std::to_string(uint64_t{1} << 32)) {
      by_rank[std::stoi("0" + field_of(packet, "sibling_order_rank"))] = field_of(packet, "name");
    }
  }
  EXPECT_THAT(process, HasSubstr("process_name: \"0000:01:00.0 1234:5678\""));
  EXPECT_THAT(process, HasSubstr("child_ordering: EXPLICIT"));
  std::vector<std::string> names;
  for (const auto& [rank, name] : by_rank) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("\"config\"", "\"BAR0\"", "\"BAR1\"", "\"BAR2\"", "\"BAR3\"", "\"BAR4\"", "\"BAR5\"",
                                 "\"ROM\"", "\"DMA maps\"", "\"IRQ vectors\"", "\"resets and marks\"",
                                 "\"mapped bytes\"", "\"MMIO/s\"", "\"outstanding reads\""));
}

TEST(PerfettoExport, AFlowLeadsFromTheDoorbellOverTheDmaToTheInterrupt) {
  const Recording r = Recording::small();
  const Exported out = export_to(create_perfetto, "flow.pftrace", r.batch, r.info);
  std::set<std::string> names;
  for (const std::string& packet : packets_with(decode(out.path), "track_event")) {
    if (field_of(packet, "flow_ids") == "1") names.insert(field_of(packet, "name"));
  }
  EXPECT_THAT(names, ElementsAre("\"device write 0x100040\"", "\"interrupt\"", "\"write 0x20\""));
}

TEST(PerfettoExport, ReadsAreSlicesAndMappingsLiveFromMapToUnmap) {
  const Recording r = Recording::small();
  const std::string text = decode(export_to(create_perfetto, "slices.pftrace", r.batch, r.info).path);
  std::vector<std::string> slices;
  for (const std::string& packet : packets_with(text, "track_event")) {
    const std::string type = field_of(packet, "type");
    std::smatch time;
    std::regex_search(packet, time, std::regex("timestamp: (\\d+)"));
    if (type == "TYPE_SLICE_BEGIN") slices.push_back(time[1].str() + " " + field_of(packet, "name"));
    if (type == "TYPE_SLICE_END") slices.push_back(time[1].str() + " end");
    if (type == "TYPE_COUNTER") slices.push_back(time[1].str() + " = " + field_of(packet, "counter_value"));
  }
  EXPECT_THAT(slices,
              ElementsAre("1003000 \"map 7\"", "1003000 = 8192", "1004000 \"read 0x10\"", "1004500 end", "1004000 = 1",
                          "1004500 = 0", "1009000 end", "1009000 = 0", "1000000 = 3000", "2000000 = 0"));
}

TEST(PerfettoExport, WithoutTimesAnEventIsAMicrosecondAndANoteSaysSo) {
  Recording r;
  r.info.clock = Clock::kNone;
  r.read(2, 0, 4, 1);
  r.read(2, 8, 4, 1);
  r.batch.first_event = 10;
  const std::string text = decode(export_to(create_perfetto, "notime.pftrace", r.batch, r.info).path);
  EXPECT_THAT(text, HasSubstr("timestamp: 11000"));
  EXPECT_THAT(text, HasSubstr("The recording has no times"));
}

TEST(PerfettoExport, AReadThatOverlapsTheOneBeforeIsDrawnShorter) {
  Recording r;
  r.read(2, 0, 4, 1, 1500);
  r.read(2, 4, 4, 1, 1500);
  const Exported out = export_to(create_perfetto, "overlap.pftrace", r.batch, r.info);
  const std::string text = decode(out.path);
  EXPECT_EQ(text.find("timestamp: 1002500"), text.rfind("timestamp: 1002500"));  // the counter alone
  EXPECT_EQ(count_of(out.left_out, "end of a read"), 1u);
}

TEST(PerfettoExport, TextThatIsNoUtf8IsReplaced) {
  Recording r;
  r.mark("\xff\xfe bad");
  EXPECT_EQ(first_unknown_field(decode(export_to(create_perfetto, "utf8.pftrace", r.batch, r.info).path)), "");
}

}  // namespace
}  // namespace dartboard::traces
