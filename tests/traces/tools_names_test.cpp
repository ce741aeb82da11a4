// tests/traces/tools_names_test.cpp - names of registers: what a file may say, and what an access is called.
#include "traces/tools/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tools_support.h"
#include "traces/tools/access.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;

constexpr const char* kGood = R"({
  "schema": "dartboard-names-1",
  "name": "a device",
  "registers": [
    {"bar": 5, "offset": "0x10", "name": "STATUS", "fields": [
      {"name": "BUSY", "bits": 31},
      {"name": "MODE", "bits": "5:4", "values": {"0": "off", "2": "fast"}},
      {"name": "COUNT", "bits": "3:0"}]},
    {"bar": 5, "offset": 64, "name": "RING", "count": 4, "stride": 16},
    {"bar": 5, "offset": 68, "name": "TAIL", "count": 4, "stride": 16},
    {"bar": 2, "offset": 0, "name": "DOORBELL", "width": 8},
    {"bar": "config", "offset": 4, "name": "COMMAND", "width": 2}
  ],
  "indexed": [{"name": "SMN", "bar": 5, "index": "0x200", "data": "0x204", "increment": 4,
               "registers": [{"index": "0x100", "name": "FENCE"}]}],
  "memory": [{"handle": 3, "name": "ring memory"}]
})";

RegisterNames good() {
  auto names = parse_register_names(kGood, "good");
  EXPECT_TRUE(names) << names.error().sentence;
  return names ? std::move(*names) : RegisterNames();
}

struct Place {
  uint32_t space;
  uint64_t offset;
  const char* name;
};
class NameOf : public testing::TestWithParam<Place> {};

TEST_P(NameOf, AnOffset) {
  const RegisterNames names = good();
  EXPECT_EQ(names.at(GetParam().space, GetParam().offset).text(), GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(Names, NameOf,
                         testing::Values(Place{5, 0x10, "STATUS"}, Place{5, 0x12, "STATUS+2"}, Place{5, 0x14, ""},
                                         Place{5, 0xf, ""}, Place{5, 64, "RING[0]"}, Place{5, 64 + 48, "RING[3]"},
                                         Place{5, 64 + 64, ""}, Place{5, 68 + 16, "TAIL[1]"}, Place{2, 7, "DOORBELL+7"},
                                         Place{0, 0x10, ""}, Place{kConfigSpace, 4, "COMMAND"},
                                         Place{kConfigSpace, 6, ""}));

TEST(Names, FieldsAreShownByNameAndValue) {
  const RegisterNames names = good();
  const RegisterName& status = *names.at(5, 0x10).reg;
  EXPECT_EQ(fields_text(status, 0x80000023), "{ BUSY, MODE = fast, COUNT = 0x3 }");
  EXPECT_EQ(fields_text(status, 0), "{ MODE = off }");
  EXPECT_EQ(fields_text(status, 0x10), "{ MODE = 0x1 }");
  EXPECT_EQ(fields_text(*names.at(2, 0).reg, 7), "");
}

TEST(Names, TheDataRegisterIsWhatTheIndexSays) {
  const RegisterNames names = good();
  NameTracker tracker(&names);
  TraceBuilder trace;
  trace.read(5, 0x204, 1).write(5, 0x200, 0x100).read(5, 0x204, 1).read(5, 0x204, 1).write(5, 0x200, 0x100);
  trace.write(5, 0x204, 9);
  std::vector<std::string> seen;
  for (const auto& e : trace.entries) seen.push_back(tracker.see(e.event, e.replied ? &e.reply : nullptr).text());
  EXPECT_THAT(seen, testing::ElementsAre("", "", "SMN:FENCE", "SMN[0x104]", "", "SMN:FENCE"));
}

TEST(Names, TheIndexOfOneDeviceIsNotThatOfAnother) {
  const RegisterNames names = good();
  NameTracker tracker(&names);
  TraceBuilder trace;
  trace.write(5, 0x200, 0x100).read(5, 0x204, 1).device(1);
  tracker.see(trace.entries[0].event, nullptr);
  EXPECT_EQ(tracker.see(trace.entries[1].event, &trace.entries[1].reply).text(), "");
}

TEST(Names, AResetForgetsTheIndex) {
  const RegisterNames names = good();
  NameTracker tracker(&names);
  TraceBuilder trace;
  trace.write(5, 0x200, 0x100).read(5, 0x204, 1);
  tracker.see(trace.entries[0].event, nullptr);
  Event reset;
  reset.kind = EventKind::kReset;
  tracker.see(reset, nullptr);
  EXPECT_EQ(tracker.see(trace.entries[1].event, &trace.entries[1].reply).text(), "");
}

TEST(Names, OfAnotherDeviceAreNotUsed) {
  RegisterNames names = good();
  names.vendor_id = 0x1002;
  names.device_id = 0x74a1;
  TraceInfo info;
  info.devices.resize(2);
  info.devices[0].description.vendor_id = 0x1002;
  info.devices[0].description.device_id = 0x74a1;
  info.devices[1].description.vendor_id = 0x8086;
  NameTracker tracker(&names, &info);
  TraceBuilder trace;
  trace.read(5, 0x10, 1).read(5, 0x10, 1).device(1);
  EXPECT_EQ(tracker.see(trace.entries[0].event, &trace.entries[0].reply).text(), "STATUS");
  EXPECT_EQ(tracker.see(trace.entries[1].event, &trace.entries[1].reply).text(), "");
}

TEST(Names, MemoryHasNamesByHandle) {
  const RegisterNames names = good();
  EXPECT_EQ(names.memory_name(3), "ring memory");
  EXPECT_EQ(names.memory_name(4), "");
}

TEST(Names, TheFileThatShipsIsGood) {
  const auto names = read_register_names(DARTBOARD_SESSIONS "/amd-am-boot-copy.names.json");
  ASSERT_TRUE(names) << names.error().sentence;
  EXPECT_EQ(names->at(5, 0x378c).text(), "CONFIG_MEMSIZE");
}

struct Bad {
  const char* what;
  std::string inner;  // members after the schema
  const char* sentence;
};
class BadNames : public testing::TestWithParam<Bad> {};

TEST_P(BadNames, AreRefusedWithOneClearSentence) {
  const auto names = parse_register_names("{\"schema\":\"dartboard-names-1\"," + GetParam().inner + "}", "n.json");
  ASSERT_FALSE(names);
  EXPECT_EQ(names.error().name, ErrorName::kFileCorrupt);
  EXPECT_THAT(names.error().sentence, HasSubstr(std::string("n.json: ") + GetParam().sentence));
}

std::string reg(const std::string& rest) {
  return R"("registers":[{"bar":0,"offset":0,"name":"A")" + rest + "}]";
}
std::string field(const std::string& rest) {
  return reg(",\"fields\":[{\"name\":\"F\"" + rest + "}]");
}

INSTANTIATE_TEST_SUITE_P(
    Names, BadNames,
    testing::Values(
        Bad{"NotJson", "x", "line 1 is not JSON"},
        Bad{"UnknownMember", "\"regs\":[]", "field 'regs': is not part of the schema; expected one of schema"},
        Bad{"RegistersNoArray", "\"registers\":{}", "field 'registers': expected an array"},
        Bad{"NoObject", "\"registers\":[1]", "field 'registers[0]': expected an object"},
        Bad{"NoBar", R"("registers":[{"offset":0,"name":"A"}])", "field 'registers[0].bar': is missing"},
        Bad{"BadBar", R"("registers":[{"bar":6,"offset":0,"name":"A"}])", "field 'registers[0].bar': expected 0 to 5"},
        Bad{"NegativeOffset", R"("registers":[{"bar":0,"offset":-4,"name":"A"}])",
            "field 'registers[0].offset': expected a number from 0"},
        Bad{"WrappingOffset", R"("registers":[{"bar":0,"offset":"0xffffffffffffffff","name":"A"}])",
            "field 'registers[0].offset': expected a number from 0"},
        Bad{"ControlInName", R"("registers":[{"bar":0,"offset":0,"name":"A\u001b[31m"}])",
            "field 'registers[0].name': expected printable text"},
        Bad{"Width3", reg(",\"width\":3"), "field 'registers[0].width': expected 1, 2, 4 or 8 bytes"},
        Bad{"StrideAlone", reg(",\"stride\":8"), "field 'registers[0].stride': is for an array"},
        Bad{"NarrowStride", reg(",\"count\":2,\"stride\":2"), "field 'registers[0].stride': expected a number from 4"},
        Bad{"HugeArray", reg(",\"count\":10000000"), "field 'registers[0].count': expected a number from 1"},
        Bad{"NoBits", field(""), "field 'registers[0].fields[0].bits': is missing"},
        Bad{"BitOutside", field(",\"bits\":32"),
            "field 'registers[0].fields[0].bits': expected a bit, or \"high:low\""},
        Bad{"BitsSwapped", field(",\"bits\":\"0:3\""), "field 'registers[0].fields[0].bits': expected a bit"},
        Bad{"ValueTooLarge", field(R"(,"bits":"1:0","values":{"4":"x"})"),
            "field 'registers[0].fields[0].values.4': expected a number of 2 bits"},
        Bad{"ValueTwice", field(R"(,"bits":"3:0","values":{"10":"x","0xa":"y"})"),
            "field 'registers[0].fields[0].values': has 10 twice"},
        Bad{"FieldsOverlap", reg(R"(,"fields":[{"name":"F","bits":"3:0"},{"name":"G","bits":"4:3"}])"),
            "field 'registers[0].fields[1].bits': overlaps field 'F'"},
        Bad{"RegistersOverlap", R"("registers":[{"bar":0,"offset":0,"name":"A"},{"bar":0,"offset":2,"name":"B"}])",
            "'A' and 'B' overlap at BAR0+0x2"},
        Bad{"PairOfOne", R"("indexed":[{"name":"P","bar":0,"index":0,"data":0}])",
            "field 'indexed[0].data': is the index register too"},
        Bad{"HandleTwice", R"("memory":[{"handle":1,"name":"a"},{"handle":1,"name":"b"}])",
            "field 'memory': has handle 1"}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Names, NestedTooDeepIsRefused) {
  const auto names = parse_register_names(std::string(100, '[') + std::string(100, ']'), "n.json");
  ASSERT_FALSE(names);
  EXPECT_THAT(names.error().sentence, HasSubstr("deeper"));
}

TEST(Printable, ControlsAndBrokenUtf8BecomeQuestionMarks) {
  EXPECT_EQ(printable("a\x1b[31m\xc3\xa4\xff\xc3", 100), "a?[31m\xc3\xa4??");
  EXPECT_EQ(printable("\xc0\xaf\xed\xa0\x80", 100), "?????");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace dartboard::traces
