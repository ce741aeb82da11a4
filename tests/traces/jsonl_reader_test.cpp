// tests/traces/jsonl_reader_test.cpp - what a session file may say, and the sentence for everything it may not.
#include "traces/jsonl_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "support.h"

namespace dartboard::traces {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr const char* kRead =
    R"({"t":7,"cmd":"MMIO_READ","bar":5,"a0":16,"a1":4,"st":0,"r0":4,"dt":9,"ret":"aabbccdd"})";
constexpr const char* kMap = R"({"t":1,"cmd":"MAP_SYSMEM","a0":4096,"st":0,"r0":8,"r1":3,"ret":"0000100000000000"})"
                             "\n";

std::string sentence_of(std::string_view lines) {
  const auto session = read_lines(lines);
  if (session) return "(accepted)";
  EXPECT_EQ(session.error().name, ErrorName::kFileCorrupt);
  return session.error().sentence;
}

TEST(JsonlReader, ReadsARequestWithItsReply) {
  const auto session = read_lines(kRead);
  ASSERT_TRUE(session) << session.error().sentence;
  ASSERT_EQ(session->events.size(), 1u);
  const Event& event = session->events[0];
  EXPECT_EQ(event.kind, EventKind::kMmioRead);
  EXPECT_EQ(event.source, Source::kGuest);
  EXPECT_EQ(event.time_ns, 7u);
  EXPECT_EQ(event.request, 0u);
  EXPECT_EQ(event.target, 5u);
  EXPECT_EQ(event.address, 16u);
  EXPECT_EQ(event.length, 4u);
  const Reply* const reply = session->reply_of(event);
  ASSERT_NE(reply, nullptr);
  EXPECT_EQ(reply->status, 0u);
  EXPECT_EQ(reply->duration_ns, 9u);
  EXPECT_EQ(reply->data.at(3), std::byte{0xdd});
}

TEST(JsonlReader, APostedWriteHasNoReply) {
  const auto session = read_lines(R"({"t":1,"cmd":"MMIO_WRITE","bar":5,"a0":0,"a1":4,"data":"01020304"})");
  ASSERT_TRUE(session) << session.error().sentence;
  EXPECT_EQ(session->reply_of(session->events[0]), nullptr);
}

TEST(JsonlReader, AFillTakesNoMemory) {
  const auto session =
      read_lines(R"({"t":1,"cmd":"MMIO_WRITE","bar":0,"a0":0,"a1":65536,"data":{"fill":255,"len":65536}})");
  ASSERT_TRUE(session) << session.error().sentence;
  EXPECT_TRUE(session->events[0].data.is_fill());
  EXPECT_EQ(session->events[0].data.at(65535), std::byte{0xff});
  EXPECT_EQ(session->arena.used_bytes(), 0u);
}

TEST(JsonlReader, HexMayBeUpperCase) {
  const auto session = read_lines(R"({"t":1,"cmd":"MMIO_WRITE","bar":5,"a0":0,"a1":2,"data":"aBCd"})");
  ASSERT_TRUE(session) << session.error().sentence;
  EXPECT_EQ(session->events[0].data.at(0), std::byte{0xab});
  EXPECT_EQ(session->events[0].data.at(1), std::byte{0xcd});
}

TEST(JsonlReader, MemorySurvivesMovingTheSession) {
  auto session = read_lines(kRead);
  ASSERT_TRUE(session);
  const Session moved = std::move(*session);
  EXPECT_EQ(moved.replies[0].data.at(0), std::byte{0xaa});
}

TEST(JsonlReader, TheShippedSessionHas27207Requests) {
  const Session& session = shipped_session();
  EXPECT_EQ(session.requests, 27207u);
  uint64_t by_kind[kEventKindCount] = {};
  for (const Event& event : session.events) {
    if (event.is_request()) ++by_kind[static_cast<unsigned>(event.kind)];
  }
  EXPECT_EQ(by_kind[static_cast<unsigned>(EventKind::kMmioWrite)], 25489u);
  EXPECT_EQ(by_kind[static_cast<unsigned>(EventKind::kMmioRead)], 1657u);
  EXPECT_EQ(by_kind[static_cast<unsigned>(EventKind::kDmaMap)], 37u);
  EXPECT_EQ(by_kind[static_cast<unsigned>(EventKind::kHostRead)], 9u);
  EXPECT_EQ(by_kind[static_cast<unsigned>(EventKind::kHostWrite)], 7u);
}

struct Bad {
  const char* what;
  std::string lines;
  const char* sentence;  // after the file's name
};
class BadLine : public testing::TestWithParam<Bad> {};

TEST_P(BadLine, IsRefusedWithOneClearSentence) {
  EXPECT_THAT(sentence_of(GetParam().lines), EndsWith(std::string("lines.jsonl: ") + GetParam().sentence));
}

INSTANTIATE_TEST_SUITE_P(
    JsonlReader, BadLine,
    testing::Values(
        Bad{"Empty", "", "is empty; expected a trace."},
        Bad{"NotATrace", "#!/bin/sh\n",
            "line 1 is not JSON at column 1."},
        Bad{"NotJson", "{\"t\": 1,}\n", "line 1 is not JSON at column 9."},
        Bad{"SecondLineEmpty", std::string(kRead) + "\n\n", "line 2 is not JSON at column 1."},
        Bad{"SecondLineIsNumber", std::string(kRead) + "\n5\n", "line 2 is 5; expected a JSON object."},
        Bad{"SecondLineIsArray", std::string(kRead) + "\n[[[[\n", "line 2 is an array; expected a JSON object."},
        Bad{"CutShort", std::string(kRead) + "\n{\"t\": 1",
            "line 2 is not JSON at column 8 (the file ends here without a newline: truncated?)."},
        Bad{"TwoObjects", "{} {}\n", "line 1 is not JSON at column 4."},
        Bad{"NoTime",
            R"({"cmd":"PING","st":0})"
            "\n",
            "line 1, field 't': is missing; every request has it."},
        Bad{"NoCommand",
            R"({"t":1})"
            "\n",
            "line 1, field 'cmd': is missing; every request has it."},
        Bad{"UnknownCommand",
            R"({"t":1,"cmd":"FLY\n","st":0})"
            "\n",
            "line 1, field 'cmd': unknown command 'FLY?'; expected one of PROBE, MAP_BAR, CFG_READ, CFG_WRITE, RESET, "
            "MMIO_READ, MMIO_WRITE, MAP_SYSMEM, SYSMEM_READ, SYSMEM_WRITE, RESIZE_BAR, PING."},
        Bad{"UnknownField",
            R"({"t":1,"cmd":"PING","st":0,"x":1})"
            "\n",
            "line 1, unknown field 'x'."},
        Bad{"FieldTwice",
            R"({"t":1,"t":2})"
            "\n",
            "line 1, field 't': is there twice."},
        Bad{"NegativeNumber",
            R"({"t":-1})"
            "\n",
            "line 1, field 't': is -1; expected an unsigned integer."},
        Bad{"Fraction",
            R"({"t":1.5})"
            "\n",
            "line 1, field 't': is 1.5; expected an unsigned integer."},
        Bad{"HugeNumber",
            R"({"t":99999999999999999999999})"
            "\n",
            "line 1, field 't': is 99999999999999999999999; expected an unsigned integer."},
        Bad{"TextForNumber",
            R"({"t":"1"})"
            "\n",
            "line 1, field 't': is the text '1'; expected an unsigned integer."},
        Bad{"NumberForCommand",
            R"({"cmd":4})"
            "\n",
            "line 1, field 'cmd': is 4; expected a command name."},
        Bad{"NullPayload",
            R"({"data":null})"
            "\n",
            "line 1, field 'data': is null; expected hex text or {\"fill\": byte, \"len\": n}."},
        Bad{"DeepPayload",
            R"({"data":{"fill":{"fill":{}}}})"
            "\n",
            "line 1, field 'data': 'fill' is an object; expected an unsigned integer."},
        Bad{"OddHex",
            R"({"data":"abc"})"
            "\n",
            "line 1, field 'data': has 3 hex digits; expected an even number."},
        Bad{"BadHex",
            R"({"data":"00zz"})"
            "\n",
            "line 1, field 'data': 'z' is not a hex digit, at digit 2."},
        Bad{"FillTooLarge",
            R"({"data":{"fill":256,"len":1}})"
            "\n",
            "line 1, field 'data': 'fill' is 256; expected a byte, 0-255."},
        Bad{"FillWithoutLength",
            R"({"data":{"fill":1}})"
            "\n",
            "line 1, field 'data': has no 'len'; expected {\"fill\": byte, \"len\": n}."},
        Bad{"FillWithMore",
            R"({"data":{"fill":1,"len":1,"x":1}})"
            "\n",
            "line 1, field 'data': unknown member 'x'; expected 'fill' and 'len'."},
        Bad{"AbsurdFill",
            R"({"data":{"fill":0,"len":18446744073709551615}})"
            "\n",
            "line 1, field 'data': has 18446744073709551615 bytes; expected at most 67108864."},
        Bad{"OtherDevice",
            R"({"t":1,"cmd":"PING","dev":1,"st":0})"
            "\n",
            "line 1, field 'dev': is 1; expected 0: a session is of one device."},
        Bad{"ReadWithoutReply",
            R"({"t":1,"cmd":"MMIO_READ","bar":5,"a0":0,"a1":4})"
            "\n",
            "line 1, field 'st': is missing; MMIO_READ is answered."},
        Bad{"WriteWithReply",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":5,"a0":0,"a1":1,"data":"00","st":0})"
            "\n",
            "line 1, field 'st': is there; expected none: MMIO_WRITE is posted."},
        Bad{"ResultWithoutStatus",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":5,"a0":0,"a1":1,"data":"00","ret":"00"})"
            "\n",
            "line 1, field 'ret': belongs to a reply, and there is no 'st'."},
        Bad{"NoSuchBar",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":1,"a0":0,"a1":1,"data":"00"})"
            "\n",
            "line 1, field 'bar': is 1, which the device does not have; expected one of BAR0, BAR2, BAR5."},
        Bad{"BarBeyondAll",
            R"({"t":1,"cmd":"MAP_BAR","bar":4294967296,"st":0})"
            "\n",
            "line 1, field 'bar': is 4294967296, which the device does not have; expected one of BAR0, BAR2, BAR5."},
        Bad{"OffsetOutsideBar",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":2,"a0":4095,"a1":2,"data":"0000"})"
            "\n",
            "line 1, field 'a0': offset 0xfff with length 2 is outside BAR2 (0x1000 bytes)."},
        Bad{"OffsetWraps",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":2,"a0":18446744073709551615,"a1":1,"data":"00"})"
            "\n",
            "line 1, field 'a0': offset 0xffffffffffffffff with length 1 is outside BAR2 (0x1000 bytes)."},
        Bad{"LengthZero",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":2,"a0":0,"a1":0,"data":""})"
            "\n",
            "line 1, field 'a1': is 0; expected a length of at least 1."},
        Bad{"AbsurdLength",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":2,"a0":0,"a1":99999999999,"data":""})"
            "\n",
            "line 1, field 'a1': is 99999999999; expected at most 67108864."},
        Bad{"LengthDoesNotMatchData",
            R"({"t":1,"cmd":"MMIO_WRITE","bar":2,"a0":0,"a1":4,"data":"000000"})"
            "\n",
            "line 1, field 'data': has 3 bytes; expected 4 ('a1')."},
        Bad{"LengthDoesNotMatchReply",
            R"({"t":1,"cmd":"MMIO_READ","bar":2,"a0":0,"a1":4,"st":0,"r0":4,"ret":"0000000000"})"
            "\n",
            "line 1, field 'ret': has 5 bytes; expected 4 ('a1')."},
        Bad{"FailureWithoutItsText",
            R"({"t":1,"cmd":"PING","st":1,"r0":4})"
            "\n",
            "line 1, field 'ret': has 0 bytes; expected 4 ('r0')."},
        Bad{"ReadWithData",
            R"({"t":1,"cmd":"MMIO_READ","bar":2,"a0":0,"a1":1,"data":"00","st":0,"ret":"00"})"
            "\n",
            "line 1, field 'data': is there; MMIO_READ carries none."},
        Bad{"ConfigWidth",
            R"({"t":1,"cmd":"CFG_READ","a0":0,"a1":3,"st":0})"
            "\n",
            "line 1, field 'a1': is 3; expected a width of 1, 2 or 4."},
        Bad{"ConfigOutside",
            R"({"t":1,"cmd":"CFG_READ","a0":4094,"a1":4,"st":0})"
            "\n",
            "line 1, field 'a0': offset 0xffe with length 4 is outside configuration space (0x1000 bytes)."},
        Bad{"ConfigValueTooWide",
            R"({"t":1,"cmd":"CFG_WRITE","a0":4,"a1":2,"a2":65536,"st":0})"
            "\n",
            "line 1, field 'a2': is 0x10000; expected a value of 2 bytes."},
        Bad{"ProbeFilters",
            R"({"t":1,"cmd":"PROBE","a1":4,"data":"00000000","st":0})"
            "\n",
            "line 1, field 'data': has 4 bytes; expected pairs of 32-bit mask and id."},
        Bad{"PagesMissing",
            R"({"t":1,"cmd":"MAP_SYSMEM","a0":8192,"st":0,"r0":8,"r1":0,"ret":"0000100000000000"})"
            "\n",
            "line 1, field 'ret': has 8 bytes; expected 16, a bus address for each of 2 pages."},
        Bad{"PageNotAligned",
            R"({"t":1,"cmd":"MAP_SYSMEM","a0":1,"st":0,"r0":8,"r1":0,"ret":"0100100000000000"})"
            "\n",
            "line 1, field 'ret': page 0 is at 0x100001; expected a multiple of 4096."},
        Bad{"AbsurdMemory",
            R"({"t":1,"cmd":"MAP_SYSMEM","a0":18446744073709551615,"st":0})"
            "\n",
            "line 1, field 'a0': is 18446744073709551615; expected 1 to 68719476736 bytes of memory."},
        Bad{"HandleTwice", std::string(kMap) + kMap,
            "line 2, field 'r1': handle 3 is in use or too large; expected a new one."},
        Bad{"UnknownHandle",
            R"({"t":1,"cmd":"SYSMEM_WRITE","bar":9,"a0":0,"a1":1,"data":"00"})"
            "\n",
            "line 1, field 'bar': is 9; expected the handle of an earlier MAP_SYSMEM."},
        Bad{"OutsideMemory",
            std::string(kMap) + R"({"t":1,"cmd":"SYSMEM_WRITE","bar":3,"a0":4096,"a1":1,"data":"00"})"
                                "\n",
            "line 2, field 'a0': offset 0x1000 with length 1 is outside memory 3 (0x1000 bytes)."}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(JsonlReader, DeepJsonStopsAtTheFirstLevelThatIsWrong) {
  EXPECT_THAT(sentence_of("{\"data\":" + std::string(1'000'000, '[')), HasSubstr("field 'data': is an array"));
}

/// A write of `bytes` bytes, with something between its payload and what stands around it.
std::string long_write(size_t bytes, std::string_view before = "", std::string_view after = "") {
  std::string data;
  for (size_t i = 0; i < bytes; ++i) data += fmt::format("{:02x}", i % 251);
  return fmt::format(R"({{{}"t":1,"cmd":"MMIO_WRITE","bar":2,"a0":0,"a1":{},"data":"{}"{}}})", before, bytes, data,
                     after) +
         "\n";
}

TEST(JsonlReader, ALongPayloadIsReadLikeAShortOne) {
  constexpr size_t kBytes = 4096;  // all of BAR2: with blanks, more than the lines that are taken as a whole
  for (const size_t blanks : {size_t{0}, size_t{10'000}}) {
    std::string line = long_write(kBytes, std::string(blanks, ' '));
    if (blanks != 0) line.replace(line.find("MMIO_"), 5, "MMIO\\u005f");  // an escape before it
    const auto session = read_jsonl(write_file("long.jsonl", line), small_device());
    ASSERT_TRUE(session) << session.error().sentence;
    ASSERT_EQ(session->events.size(), 1u);
    const Payload& data = session->events[0].data;
    ASSERT_EQ(data.length, kBytes);
    for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(std::to_integer<size_t>(data.at(i)), i % 251) << i;
  }
}

TEST(JsonlReader, WhatIsWrongInALongLineIsToldAsInAShortOne) {
  const std::string blanks(10'000, ' ');
  const std::string whole = long_write(4096, blanks);
  const size_t data = whole.find("\"data\":\"") + 8;  // bytes before the digits
  std::string no_hex = whole, longer = long_write(4096, blanks, R"(,"data":"00")");
  no_hex[data + 5000] = 'x';
  const struct {
    const char* what;
    std::string lines, sentence;
  } cases[] = {
      {"a digit", no_hex, "line 1, field 'data': 'x' is not a hex digit, at digit 5000."},
      {"an odd digit", std::string(whole).erase(data, 1),
       "line 1, field 'data': has 8191 hex digits; expected an even number."},
      {"a comma behind", long_write(4096, blanks, ","),
       fmt::format("line 1 is not JSON at column {}.", data + 8192 + 3)},
      {"cut in the payload", whole.substr(0, data + 6000),
       fmt::format("line 1 is not JSON at column {} (the file ends here without a newline: truncated?).", data + 6001)},
      {"twice", longer, "line 1, field 'data': is there twice."},
      {"a name", "{" + blanks + "\"" + std::string(8000, 'a') + "\":1}\n",
       "line 1, unknown field '" + std::string(32, 'a') + "...'."},
      {"a command", "{" + blanks + "\"t\":1,\"cmd\":\"" + std::string(8000, 'a') + "\"}\n",
       "line 1, field 'cmd': unknown command '" + std::string(32, 'a')},
      {"escapes before", long_write(4096, blanks + R"("\"\\":1,)"), "line 1, unknown field '\"\\'."},
      {"much beside", long_write(4096, std::string(70'000, ' ')),
       "line 1 has more than 65536 bytes beside its payloads; expected one request."},
  };
  for (const auto& c : cases) EXPECT_THAT(sentence_of(c.lines), HasSubstr(c.sentence)) << c.what;
}

TEST(JsonlReader, ALineThatMakesNoSenseInADamagedFileIsDamage) {
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += std::string(kRead) + "\n";
  lines += "{nonsense\n";
  std::string packed = zstd(lines);
  packed.back() = static_cast<char>(packed.back() ^ 1);  // the checksum
  const auto session = read_jsonl(write_file("damaged.jsonl.zst", packed), small_device());
  ASSERT_FALSE(session);
  EXPECT_THAT(session.error().sentence, HasSubstr("damaged.jsonl.zst: the zstd data is damaged"));
}

TEST(JsonlReader, LimitsAreKept) {
  struct Case {
    const char* what;
    ReaderLimits limits;
    std::string sentence;
  };
  const std::string lines = std::string(kRead) + "\n" + kRead + "\n";
  const std::string path = write_file("limits.jsonl", lines);
  const Case cases[] = {
      {"line", {.line_bytes_max = 40}, "line 1 is longer than 40 bytes, the longest allowed."},
      {"requests", {.requests_max = 1}, "line 2 is one too many: a session holds at most 1 requests."},
      {"arena", {.arena_bytes_max = 7}, "line 2 brings the payloads above 7 bytes, the most allowed."},
      {"registers",
       {.register_bytes_max = 4},
       "line 2, field 'a1': brings the register accesses above 4 bytes, the most allowed."},
      {"payload", {.payload_bytes_max = 3}, "line 1, field 'ret': has 4 bytes; expected at most 3."},
  };
  for (const Case& c : cases) {
    const auto session = read_jsonl(path, small_device(), c.limits);
    ASSERT_FALSE(session) << c.what;
    EXPECT_THAT(session.error().sentence, EndsWith("limits.jsonl: " + c.sentence)) << c.what;
  }
}

}  // namespace
}  // namespace dartboard::traces
