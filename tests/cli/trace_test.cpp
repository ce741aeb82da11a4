// tests/cli/trace_test.cpp - `dartboard trace ...` from outside: exit codes, what is printed, files that come out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <nlohmann/json.hpp>

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
        Refused{"UnknownCommand", {"fly", "x"}, "'dartboard trace --help'"},
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
