// tests/cli/trace_test.cpp - `dartboard trace ...` from outside: exit codes, what is printed, files that come out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <zstd.h>

#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "support.h"

namespace dartboard::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Json = nlohmann::json;

Json json_of(const std::vector<std::string>& arguments, int exit_code = 0) {
  const ProgramRun run_of = run(arguments);
  EXPECT_EQ(run_of.exit_code, exit_code) << run_of.err;
  return Json::parse(run_of.out, nullptr, false);
}

/// A path in the tests' directory where nothing is yet.
std::string new_path(const std::string& name) {
  const std::string path = write_file(name, "");
  std::filesystem::remove(path);
  return path;
}

TEST(Trace, EveryCommandHasHelpWithExamplesAndExitCodes) {
  EXPECT_THAT(run({"trace", "--help"}).out, HasSubstr("Examples:"));
  for (const char* command : {"info", "stat", "dump", "grep", "cut", "convert", "diff"}) {
    const ProgramRun help = run({"trace", command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    for (const char* part : {"--json", "Example", "  dartboard trace ", "Exit codes:"}) {
      EXPECT_THAT(help.out, HasSubstr(part)) << command;
    }
    EXPECT_THAT(read_file(DARTBOARD_MAN_PAGE), HasSubstr(std::string("trace ") + command));
  }
}

TEST(Trace, InfoTellsDeviceAndLength) {
  const Json json = json_of({"trace", "info", shipped_session(), "--json"});
  EXPECT_EQ(json["events"], 27207);
  EXPECT_EQ(json["info"]["devices"][0]["description"]["identity"]["device_id"], "0x74a1");
  EXPECT_EQ(json["report"]["unknown"], 0);
  const ProgramRun text = run({"trace", "info", shipped_session()});
  EXPECT_THAT(text.out, HasSubstr("27,207 events"));
  EXPECT_THAT(text.out, HasSubstr("BAR0    512 MiB  memory, 64 bit, prefetchable"));
  EXPECT_THAT(text.out, Not(HasSubstr("\x1b"))) << "no colours off a terminal";
}

TEST(Trace, StatCountsAsTheSessionWasRecorded) {
  const Json json = json_of({"trace", "stat", shipped_session(), "--json"});
  EXPECT_EQ(json["kinds"]["mmio-read"]["count"], 1657);
  EXPECT_EQ(json["kinds"]["mmio-write"]["count"], 25489);
  EXPECT_EQ(json["dma"]["maps"], 37);
  EXPECT_EQ(json["hottest_too_low_by_at_most"], 0);
  EXPECT_EQ(json["hottest"].size(), 20u);
  bool named = false;
  for (const Json& row : json["hottest"]) named = named || row["name"] == "HDP_FLUSH_POINTER";
  EXPECT_TRUE(named);
  EXPECT_THAT(run({"trace", "stat", shipped_session()}).out,
              HasSubstr("106             0          0          0  BAR5+0x3934"));
}

TEST(Trace, DumpPrintsEveryEventAndUsesTheNamesBesideIt) {
  const ProgramRun dump = run({"trace", "dump", shipped_session(), "--events", "301-304"});
  EXPECT_EQ(dump.exit_code, 0) << dump.err;
  EXPECT_THAT(dump.out, StartsWith("     #301 "));
  EXPECT_THAT(dump.out, HasSubstr("BAR5+0x058a68  W32 <= 0x00000000 SMU_RESPONSE { RESULT = busy }\n"));
  EXPECT_THAT(dump.out, HasSubstr("BAR5+0x058a68  R32 => 0x00000001 SMU_RESPONSE { RESULT = ok }\n"));
  EXPECT_THAT(dump.out, HasSubstr("SLEEP 0.126ms\n"));
  const ProgramRun bare = run({"trace", "dump", shipped_session(), "--events", "301-304", "--no-names", "--no-sleep"});
  EXPECT_THAT(bare.out, Not(HasSubstr("SMU")));
  EXPECT_THAT(bare.out, Not(HasSubstr("SLEEP")));
  const ProgramRun all = run({"trace", "dump", shipped_session(), "--json"});
  EXPECT_EQ(std::count(all.out.begin(), all.out.end(), '\n'), 27207);
  EXPECT_EQ(Json::parse(all.out.substr(0, all.out.find('\n')))["kind"], "probe");
}

TEST(Trace, GrepFindsByNameValueAndPlace) {
  const ProgramRun by_name = run({"trace", "grep", shipped_session(), "--reg", "SMU_MESSAGE", "-c"});
  EXPECT_EQ(by_name.out, "31\n");
  const Json by_value = json_of({"trace", "grep", shipped_session(), "--bar", "5", "--offset", "0x58a08", "--value",
                                 "0xe", "--writes", "-c", "--json"});
  EXPECT_EQ(by_value["events"], 27207);
  EXPECT_GE(by_value["matches"], 1);
  const ProgramRun first = run({"trace", "grep", shipped_session(), "--reg", "SMU_MESSAGE", "--max", "1"});
  EXPECT_THAT(first.out, HasSubstr("#303 "));
  EXPECT_EQ(run({"trace", "grep", shipped_session(), "--kind", "reset"}).out, "");
}

TEST(Trace, ConvertAndBackChangesNothing) {
  const std::string dbt = new_path("whole.dbt"), cut = new_path("part.dbt");
  const Json converted = json_of({"trace", "convert", shipped_session(), dbt, "--json"});
  EXPECT_EQ(converted["events"], 27207);
  EXPECT_EQ(converted["format"], "dbt");
  EXPECT_EQ(converted["bytes"], std::filesystem::file_size(dbt));
  const Json same = json_of({"trace", "diff", shipped_session(), dbt, "--json", "--times"});
  EXPECT_EQ(same["differences"], 0);
  EXPECT_EQ(same["same"], 27207);
  EXPECT_EQ(json_of({"trace", "info", dbt, "--json"})["info"]["devices"],
            json_of({"trace", "info", shipped_session(), "--json"})["info"]["devices"]);
  // A cut of it holds what it should, says so, and nothing else.
  EXPECT_EQ(json_of({"trace", "cut", dbt, "-o", cut, "--events", "100+50", "--json"})["events"], 50);
  const Json info = json_of({"trace", "info", cut, "--json"});
  EXPECT_EQ(info["events"], 50);
  EXPECT_THAT(info["info"]["notes"].back().get<std::string>(), HasSubstr("events 100 to 149"));
  const Json parts = json_of({"trace", "diff", shipped_session(), cut, "--json"}, 1);
  EXPECT_EQ(parts["same"], 50);
}

TEST(Trace, AConversionMayLeavePayloadsOut) {
  const std::string hash = new_path("hash.dbt"), none = new_path("none.dbt");
  EXPECT_EQ(json_of({"trace", "convert", shipped_session(), hash, "--payload", "hash", "--json"})["payloads"], "hash");
  EXPECT_EQ(json_of({"trace", "diff", shipped_session(), hash, "--json"})["differences"], 0);
  json_of({"trace", "convert", hash, none, "--payload", "none", "--json"});
  EXPECT_EQ(json_of({"trace", "info", none, "--json"})["info"]["payloads"], "none");
  EXPECT_EQ(json_of({"trace", "diff", shipped_session(), none, "--json"})["differences"], 0);
  // What was not kept does not come back.
  const std::string full = new_path("full.dbt");
  EXPECT_EQ(json_of({"trace", "convert", none, full, "--json"})["payloads"], "none");
}

TEST(Trace, DiffOfTheSessionFindsExactlyTheThreeThatWereMade) {
  // One value (the size of memory), one order (events 9 and 10), one poll read more (of event 302's register).
  std::string lines = with_change(shipped_lines(), 5, "00020000", "00040000");
  const auto line_at = [&](unsigned index) {
    size_t begin = 0;
    for (unsigned i = 0; i < index; ++i) begin = lines.find('\n', begin) + 1;
    return std::pair(begin, lines.find('\n', begin) + 1);
  };
  const auto [nine, ten] = line_at(9);
  const size_t end = line_at(10).second;
  std::rotate(lines.begin() + static_cast<long>(nine), lines.begin() + static_cast<long>(ten),
              lines.begin() + static_cast<long>(end));
  const auto [from, to] = line_at(304);
  lines.insert(to, lines.substr(from, to - from));
  const std::string changed = write_session("three", lines);

  const Json json = json_of({"trace", "diff", shipped_session(), changed, "--json"}, 1);
  EXPECT_EQ(json["differences"], 3);
  const Json& shown = json["shown"];
  ASSERT_EQ(shown.size(), 3u);
  EXPECT_EQ(shown[0]["kind"], "changed");
  EXPECT_EQ(shown[0]["a"]["event"], 5);
  EXPECT_EQ(shown[0]["a"]["name"], "CONFIG_MEMSIZE");
  EXPECT_EQ(shown[0]["a"]["value"], 0x200);
  EXPECT_EQ(shown[0]["b"]["value"], 0x400);
  EXPECT_EQ(shown[1]["kind"], "moved");
  EXPECT_EQ(shown[1]["a"]["event"], 9);
  EXPECT_EQ(shown[1]["b"]["event"], 10);
  EXPECT_EQ(shown[2]["kind"], "count");
  EXPECT_EQ(shown[2]["b"]["event"], 305);
  EXPECT_EQ(shown[2]["b"]["name"], "SMU_RESPONSE");

  const ProgramRun text = run({"trace", "diff", shipped_session(), changed});
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_THAT(text.out,
              HasSubstr("changed   A#5 B#5: mmio-read BAR5+0x378c CONFIG_MEMSIZE => 0x00000200; in B 0x00000400\n"));
  EXPECT_THAT(text.out, HasSubstr("3 differences: 1 changed, 1 moved, 1 count; A has 27,207 events, B 27,208"));
  const ProgramRun one = run({"trace", "diff", shipped_session(), changed, "--max", "1"});
  EXPECT_THAT(one.out, HasSubstr("and 2 differences more; --all shows them"));
  // Whoever says that the size is noise does not see it.
  EXPECT_EQ(
      json_of({"trace", "diff", shipped_session(), changed, "--ignore-values", "CONFIG_*", "--json"}, 1)["differences"],
      2);
}

TEST(Trace, ConvertCountsWhatIsInTheNewFileAndWhatIsNot) {
  const std::string log = DARTBOARD_SESSIONS "/qemu-ati.log";
  for (const char* name : {"counts.jsonl", "counts.mmiotrace"}) {
    const std::string out = new_path(name);
    const Json json = json_of({"trace", "convert", log, out, "--json"});
    uint64_t left_out = 0;
    for (const Json& each : json["left_out"]) left_out += each["count"].get<uint64_t>();
    EXPECT_GT(left_out, 0u) << name;
    EXPECT_EQ(json["of_events"], json_of({"trace", "info", log, "--json"})["events"]) << name;
    EXPECT_EQ(json["events"].get<uint64_t>() + left_out, json["of_events"]) << name;
    if (std::string_view(name) == "counts.jsonl") {
      EXPECT_EQ(json_of({"trace", "info", out, "--json"})["events"], json["events"]);
    }
    const ProgramRun text = run({"trace", "convert", log, out});
    EXPECT_THAT(text.out, HasSubstr(fmt::format("{}: {} of {} events, ", out, with_commas(json["events"]),
                                                with_commas(json["of_events"]))))
        << name;
  }
}

TEST(Trace, WhatMatchesNothingIsAWarningAndNoError) {
  const std::string out = new_path("nothing.dbt");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"grep", shipped_session(), "--kind", "reset"},
        {"grep", shipped_session(), "--kind", "reset", "--count"},
        {"dump", shipped_session(), "--events", "900000-"},
        {"cut", shipped_session(), "-o", out, "--events", "900000-", "--setup"},
        {"cut", shipped_session(), "-o", out, "--kind", "reset"}}) {
    std::vector<std::string> all = {"trace"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProgramRun nothing = run(all);
    EXPECT_EQ(nothing.exit_code, 0) << nothing.err;
    EXPECT_THAT(nothing.err, HasSubstr("warning: " + shipped_session() + ": no event matches: ")) << arguments[0];
    EXPECT_THAT(nothing.err, HasSubstr("27,207 events were looked at")) << arguments[0];
  }
  EXPECT_EQ(run({"trace", "grep", shipped_session(), "--kind", "probe"}).err, "");
  EXPECT_THAT(run({"trace", "dump", out}).err, HasSubstr("has no events"));
  // What matches may be nothing that the format holds.
  const ProgramRun none =
      run({"trace", "cut", shipped_session(), "-o", new_path("none.mmiotrace"), "--kind", "dma-map"});
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_THAT(none.out, HasSubstr("none.mmiotrace: 0 of 27,207 events"));
  EXPECT_THAT(none.err, HasSubstr("none of the 37 events that match is in "));
  const ProgramRun whole = run({"trace", "convert", out, new_path("none.jsonl")});
  EXPECT_THAT(whole.err, HasSubstr("has no events"));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsOurs = false;
#elif defined(__has_feature)
constexpr bool kMemoryIsOurs = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool kMemoryIsOurs = true;
#endif

/// `head`, then `mebibytes` MiB of `fill`, then `tail`, compressed: what it unpacks to is never in this process.
std::string packed(std::string_view head, char fill, unsigned mebibytes, std::string_view tail) {
  const auto frame = [](std::string_view text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
    return out;
  };
  const std::string middle = frame(std::string(1 << 20, fill));
  std::string out = frame(head);
  for (unsigned i = 0; i < mebibytes; ++i) out += middle;
  return out + frame(tail);
}

TEST(Trace, PayloadsOf60MebibytesCostLessThan450MebibytesOfMemory) {
  if (!kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has more memory than the program";
  constexpr unsigned kMebibytes = 60;
  const std::string map = R"({"t":1,"cmd":"MAP_BAR","bar":0,"st":0,"r0":0,"r1":536870912,"dt":1})";
  const std::string write = R"({"t":2,"cmd":"MMIO_WRITE","bar":0,"a0":0,"a1":62914560,"data":")";
  std::string lines = packed(map + "\n" + write, 'a', 2 * kMebibytes, "\"}\n");
  for (int i = 0; i < 2; ++i) lines += packed(write, 'a', 2 * kMebibytes, "\"}\n");
  const std::string path = write_file("payload.jsonl.zst", lines), out = new_path("payload.dbt");
  const ProgramRun converted = run({"trace", "convert", path, out});
  EXPECT_EQ(converted.exit_code, 0) << converted.err;
  EXPECT_THAT(converted.out, HasSubstr("4 events"));
  EXPECT_LT(converted.peak_bytes, uint64_t{450} << 20);
}

TEST(Trace, ALineOf100MebibytesOfAnythingCostsLessThan512MebibytesOfMemory) {
  if (!kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has more memory than the program";
  const char* const formats[] = {"jsonl", "mmiotrace", "qemu-log", "register-log"};
  for (const char* format : formats) {
    for (const auto& [head, fill] : {std::pair(R"({"t":1,"cmd":")", 'x'),
                                     {R"({"t":)", '1'},
                                     {R"({"t":1, "data": ")", '\\'},
                                     {"", '\x01'},
                                     {"R 4 ", '['}}) {
      const std::string path = write_file("line.zst", packed(head, fill, 100, "\n"));
      const ProgramRun info = run({"trace", "info", path, "--from", format});
      EXPECT_LE(info.exit_code, 2) << format << fill;
      EXPECT_GE(info.exit_code, 0) << format << fill;
      EXPECT_LT(info.peak_bytes, uint64_t{512} << 20) << format << fill;
    }
  }
}

struct Refused {
  const char* what;
  std::vector<std::string> arguments;
  const char* sentence;
};
class RefusedTrace : public testing::TestWithParam<Refused> {};

TEST_P(RefusedTrace, SaysWhyAndWritesNothing) {
  std::vector<std::string> arguments = {"trace"};
  arguments.insert(arguments.end(), GetParam().arguments.begin(), GetParam().arguments.end());
  const ProgramRun refused = run(arguments);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr(GetParam().sentence));
  EXPECT_EQ(refused.out, "");
  EXPECT_FALSE(std::filesystem::exists("never.dbt"));
}

INSTANTIATE_TEST_SUITE_P(
    Trace, RefusedTrace,
    testing::Values(
        Refused{"NoCommand", {}, "'dartboard trace --help'"},
        Refused{"UnknownCommand", {"fly", "x"}, "unknown command 'trace fly'; there are info, stat"},
        Refused{"MissingFile", {"info", "/nowhere/x.dbt"}, "/nowhere/x.dbt"},
        Refused{"UnknownFormat", {"info", shipped_session(), "--from", "wax"}, "wax"},
        Refused{"UnknownBar", {"grep", shipped_session(), "--bar", "9"}, "--bar '9': expected 0 to 5, rom or config"},
        Refused{"UnknownKind", {"grep", shipped_session(), "--kind", "tick"}, "there is no kind of event 'tick'"},
        Refused{"BadRange", {"dump", shipped_session(), "--events", "7-5"}, "--events '7-5': expected FIRST-LAST"},
        Refused{"BadTime", {"grep", shipped_session(), "--time", "5"}, "with a unit"},
        Refused{"MaskAlone", {"grep", shipped_session(), "--mask", "1"}, "give both"},
        Refused{"MaskedAway", {"grep", shipped_session(), "--value", "2", "--mask", "1"}, "nothing can match"},
        Refused{"NamesOfNothing", {"grep", shipped_session(), "--reg", "A*", "--no-names"}, "give --names"},
        Refused{"MissingNames", {"dump", shipped_session(), "--names", "/none.json"}, "/none.json: cannot be opened"},
        Refused{
            "FileBehindValues",
            {"grep", "--bar", "5", shipped_session(), "-c"},
            "FILE is required (if it was given: --bar takes all values behind it, so put it first, or -- before it)"},
        Refused{"NegativeMax",
                {"grep", shipped_session(), "--max", "-1"},
                "--max: '-1' is not what was expected: a whole number"},
        Refused{"NegativeDevice",
                {"grep", shipped_session(), "--dev", "-1"},
                "--dev: '-1' is not what was expected: a whole number"},
        Refused{"HalfAGap",
                {"stat", shipped_session(), "--gap", "1.5"},
                "--gap: '1.5' is not what was expected: a whole number from 0 to 18446744073709551"},
        Refused{"TextForANumber", {"dump", shipped_session(), "--max", "all"}, "--max: 'all' is not what was expected"},
        Refused{"SleepAndNone", {"dump", shipped_session(), "--sleep", "5", "--no-sleep"}, "excludes"},
        Refused{"InvertOfNothing",
                {"cut", shipped_session(), "-o", "never.dbt", "--invert"},
                "--invert is for what does not match, and there is nothing to match"},
        Refused{"InvertOfEvents",
                {"cut", shipped_session(), "-o", "never.dbt", "--invert", "--events", "1-2"},
                "there is nothing to match"},
        Refused{
            "TimeNamesItsOption", {"grep", shipped_session(), "--time", "2s-1s"}, "--time '2s-1s': expected FROM-TO"},
        Refused{"JsonOfAnotherKind",
                {"info", DARTBOARD_SESSIONS "/amd-am-boot-copy.device.json"},
                "looks like no trace that dartboard reads"},
        Refused{"CutOfAll", {"cut", shipped_session(), "-o", "never.dbt"}, "nothing is cut: say which events"},
        Refused{"CutOntoItself",
                {"cut", shipped_session(), "-o", shipped_session(), "--events", "1"},
                "write to another file"},
        Refused{"NoSuffix", {"convert", shipped_session(), "never"}, "its suffix names no format; give --to"},
        Refused{"NoSuchFormat",
                {"convert", shipped_session(), "never.dbt", "--to", "wax"},
                "--to 'wax': there is no such format"},
        Refused{"NoSuchPayload",
                {"convert", shipped_session(), "never.dbt", "--payload", "some"},
                "expected full, hash or none"},
        Refused{"OutNowhere", {"convert", shipped_session(), "/nowhere/never.dbt"}, "/nowhere/never.dbt"},
        Refused{"NothingToIgnore",
                {"diff", shipped_session(), shipped_session(), "--ignore-values", "A", "--no-names"},
                "--ignore-values takes names of registers"}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Trace, ATruncatedTraceIsReadAsFarAsItGoesAndWarned) {
  const std::string dbt = new_path("long.dbt");
  ASSERT_EQ(run({"trace", "convert", shipped_session(), dbt}).exit_code, 0);
  const std::string whole = read_file(dbt);
  const std::string cut = write_file("short.dbt", whole.substr(0, whole.size() - whole.size() / 4));
  const ProgramRun info = run({"trace", "stat", cut});
  EXPECT_EQ(info.exit_code, 0);
  EXPECT_THAT(info.err, HasSubstr("dartboard: warning: "));
  EXPECT_THAT(info.err, HasSubstr("short.dbt"));
}

TEST(Trace, AReplayOfATraceWithoutAWholeRequestCountsNone) {
  const std::string dbt = new_path("one-chunk.dbt");
  ASSERT_EQ(run({"trace", "cut", shipped_session(), "-o", dbt, "--events", "0-99"}).exit_code, 0);
  const std::string whole = read_file(dbt);
  const ProgramRun replay = run({"replay", write_file("in-chunk.dbt", whole.substr(0, whole.size() / 2 + 400)), "-q"});
  EXPECT_EQ(replay.exit_code, 2);
  EXPECT_THAT(replay.err, HasSubstr("the file ends inside it"));
  EXPECT_THAT(replay.err, HasSubstr("No request before it is whole."));
}

TEST(Trace, ADeviceIsCutOutOfSeveralAndIsTheOnlyOneThen) {
  const std::string log = DARTBOARD_SESSIONS "/qemu-ati.log", out = new_path("ati.dbt");
  const ProgramRun cut = run({"trace", "cut", log, "-o", out, "--dev", "1"});
  ASSERT_EQ(cut.exit_code, 0) << cut.err;
  const Json json = json_of({"trace", "info", out, "--json"});
  ASSERT_EQ(json["info"]["devices"].size(), 1u);
  EXPECT_EQ(json["info"]["devices"][0]["description"]["identity"]["device_id"], "0x5046");
  EXPECT_EQ(json["events"], 4579);
  EXPECT_EQ(run({"replay", out, "-q"}).exit_code, 0);
  const ProgramRun none = run({"trace", "cut", log, "-o", new_path("none.dbt"), "--dev", "9"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("has no device 9; its 5 devices are numbered from 0"));
}

TEST(Trace, TwoDashesEndTheValuesOfAnOption) {
  EXPECT_EQ(run({"trace", "grep", "-c", "--kind", "probe", "--", shipped_session()}).out, "1\n");
}

TEST(Trace, ADeviceThatIsNotThereIsToldWhoeverAsks) {
  const ProgramRun grep = run({"trace", "grep", shipped_session(), "--dev", "1"});
  EXPECT_EQ(grep.exit_code, 2);
  EXPECT_THAT(grep.err, HasSubstr("has no device 1; its only one is number 0"));
}

TEST(Trace, StandardOutputMayBeTheNewFileAndIsNotMixedWithWords) {
  const std::string out = new_path("stdout.csv");
  write_file("stdout.csv", "");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"trace", "convert", shipped_session(), out, "-q"},
        {"trace", "cut", shipped_session(), "-o", out, "--events", "0-99", "-q"}}) {
    const ProgramRun converted = run(arguments, out);
    EXPECT_EQ(converted.exit_code, 0) << converted.err;
    EXPECT_THAT(converted.err, HasSubstr(" in csv\n")) << "what is said goes to standard error";
    const std::string csv = read_file(out);
    EXPECT_THAT(csv, StartsWith("event,"));
    EXPECT_THAT(csv, Not(HasSubstr(" events")));
  }
  const ProgramRun report = run({"trace", "report", shipped_session(), "--out", out}, out);
  EXPECT_EQ(report.exit_code, 2);
  EXPECT_THAT(report.err, HasSubstr("is standard output, which this command prints to"));
}

TEST(Trace, WhatIsNoFileHasNoSizeAndNoDescriptionBesideIt) {
  const ProgramRun text = run({"trace", "convert", shipped_session(), "/dev/null", "--to", "jsonl"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("/dev/null: 27,207 events in jsonl\n"));
  EXPECT_THAT(text.out, HasSubstr("left out: 1 device description: "));
  EXPECT_FALSE(std::filesystem::exists("/dev/null.device.json"));
  const Json json = json_of({"trace", "convert", shipped_session(), "/dev/null", "--to", "jsonl", "--json"});
  EXPECT_TRUE(json["bytes"].is_null());
}

TEST(Trace, AFileThatCannotBeWrittenSaysWhatIsLeft) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  for (const char* format : {"dbt", "csv"}) {
    const ProgramRun full = run({"trace", "convert", shipped_session(), "/dev/full", "--to", format});
    EXPECT_EQ(full.exit_code, 2);
    EXPECT_THAT(full.err, HasSubstr("/dev/full: cannot be written")) << format;
    EXPECT_THAT(full.err, Not(HasSubstr("readable"))) << format;
  }
}

TEST(Trace, LossesOfUnknownSizeAreNotToldAsNone) {
  const std::string lines = shipped_lines();
  const ProgramRun info = run({"trace", "info", write_session("losses", lines.substr(0, 100'000))});
  EXPECT_THAT(info.out, HasSubstr("losses events are missing; how many is not known\n"));
}

TEST(Trace, NothingIsWrittenOverTheTraceThatIsRead) {
  const std::string path = new_path("own.dbt");
  ASSERT_EQ(run({"trace", "convert", shipped_session(), path}).exit_code, 0);
  const std::string before = read_file(path);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"trace", "report", path, "--out", path},
        {"replay", path, "-q", "--report", path},
        {"replay", path, "-q", "--record", path},
        {"trace", "convert", path, path}}) {
    const ProgramRun refused = run(arguments);
    EXPECT_EQ(refused.exit_code, 2) << arguments[1];
    EXPECT_THAT(refused.err, HasSubstr("is the trace that is read; write to another file"));
    EXPECT_EQ(read_file(path), before);
  }
}

TEST(Trace, AMappingThatNoMapperGivesIsRefusedBeforeAPageListIsMade) {
  const std::string log = write_file("huge.log",
                                     "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n"
                                     "vfio_listener_region_add_ram region_add [ram] 0x0 - 0x7fffffffffff [0x7f00]\n");
  const ProgramRun refused = run({"replay", log, "-q"});
  EXPECT_EQ(refused.exit_code, 2) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("maps 140737488355328 bytes for DMA at once"));
}

TEST(Trace, ARecordingThatEndsInALineIsReadUpToIt) {
  const std::string lines = shipped_lines();
  const ProgramRun info = run({"trace", "info", write_session("half", lines.substr(0, 2'000'000))});
  EXPECT_EQ(info.exit_code, 0) << info.err;
  EXPECT_THAT(info.out, HasSubstr("13,986 events"));
  EXPECT_THAT(info.out + info.err, HasSubstr("truncated?"));
}

}  // namespace
}  // namespace dartboard::cli
