// tests/cli/program_test.cpp - the program from outside: exit codes, help, what it prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "support.h"

namespace dartboard::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Json = nlohmann::json;

TEST(Program, HelpTeachesByExampleAndDocumentsTheExitCodes) {
  const ProgramRun help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part : {"replay", "profiles", "devices", "inspect", "Examples:", "Exit codes:",
                           "4  the simulated Mac panicked", "sim[:PROFILE]", "iokit:[ROOT/]BB:DD.F"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
  EXPECT_EQ(help.err, "");
}

TEST(Program, EveryCommandHasHelp) {
  for (const char* command : {"replay", "profiles", "devices", "inspect", "faults", "sweep", "conformance", "fdt", "compare"}) {
    const ProgramRun help = run({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("--json")) << command;
    EXPECT_THAT(help.out, HasSubstr("Exit codes:")) << command;
  }
}

TEST(Program, TheManPageKnowsEveryCommandAndExitCode) {
  const std::string page = read_file(DARTBOARD_MAN_PAGE);
  for (const char* part : {".TH DARTBOARD 1", "replay", "profiles", "devices", "inspect", "fdt", "compare", "\\-\\-device\\-session", "\\-\\-record\\-at",
                           "EXIT STATUS", "NO_COLOR"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
}

TEST(Program, AnUnknownCommandIsNamedWithThoseThatAre) {
  const struct {
    std::vector<std::string> arguments;
    const char* sentence;
  } cases[] = {
      {{}, "dartboard: 'dartboard' needs a command; there are replay, profiles, "},
      {{""}, "dartboard: unknown command ''; there are replay, profiles, "},
      {{"fly", "x"}, "dartboard: unknown command 'fly'; there are replay, profiles, "},
      {{"--fly"}, "dartboard: unknown option '--fly'; there are replay, profiles, "},
      {{"trace"},
       "dartboard: 'dartboard trace' needs a command; there are info, stat, dump, grep, cut, convert, diff, "},
      {{"trace", "fly", "x"},
       "dartboard: unknown command 'trace fly'; there are info, stat, dump, grep, cut, convert, "},
      {{"trace", "\x1b[31m"}, "dartboard: unknown command 'trace ?[31m'; there are info, "},
  };
  for (const auto& c : cases) {
    const ProgramRun refused = run(c.arguments);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, StartsWith(c.sentence));
    EXPECT_THAT(refused.err, EndsWith("--help' shows what there is.\n"));
  }
}

TEST(Program, AReplayThatComparesNothingSaysSo) {
  const ProgramRun refused = run({"replay", shipped_session(), "--from", "20ms", "--until", "10ms"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--from 20ms does not lie before --until 10ms: nothing would be compared"));
  const ProgramRun beyond = run({"replay", shipped_session(), "-q", "--from", "90000", "--until", "2s"});
  EXPECT_EQ(beyond.exit_code, 0) << beyond.err;
  EXPECT_THAT(beyond.out, HasSubstr("note                Nothing was compared: --from 90000 lies behind the "));
  EXPECT_THAT(run({"replay", shipped_session(), "-q", "--from", "5", "--until", "10"}).out,
              Not(HasSubstr("Nothing was compared")));
}

TEST(Program, APageThatCannotBeWrittenDoesNotTakeTheReplayAway) {
  const ProgramRun replay =
      run({"replay", shipped_session(), "-q", "--until", "100", "--report", "/nowhere/page.html"});
  EXPECT_EQ(replay.exit_code, 2);
  EXPECT_THAT(replay.err, HasSubstr("/nowhere/page.html: the report cannot be written"));
  EXPECT_THAT(replay.out, HasSubstr("divergences         0"));
}

TEST(Program, NumbersAndSizesAreNotNegative) {
  const std::string record = write_file("never-recorded.dbt", "");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"inspect", "--depth", "-1"},
        {"sweep", shipped_session(), "--sites", "-1"},
        {"compare", "--seed", "-1"},
        {"compare", "--pool", "-64M"},
        {"replay", shipped_session(), "--record", record, "--record-events-max", "-1"},
        {"replay", shipped_session(), "--record", record, "--record-bytes-max", "-1"}}) {
    const ProgramRun refused = run(arguments);
    EXPECT_EQ(refused.exit_code, 2) << arguments.back();
    EXPECT_THAT(refused.err, HasSubstr("'" + arguments.back() + "' is not what was expected: a ")) << refused.err;
  }
  EXPECT_EQ(run({"inspect", "--depth", "0x1", "--path", "dart"}).exit_code, 0);
}

TEST(Program, OutputThatCannotBeWrittenIsToldInOneSentence) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"},
        {"profiles"},
        {"faults", "--json"},
        {"devices"},
        {"inspect"},
        {"conformance", "--list"},
        {"replay", shipped_session(), "--until", "100"},
        {"trace", "info", shipped_session()},
        {"trace", "stat", shipped_session(), "--json"},
        {"trace", "dump", shipped_session()},
        {"trace", "report", shipped_session(), "--json"},
        {"trace", "diff", shipped_session(), DARTBOARD_SESSIONS "/qemu-ati.log"}}) {
    const ProgramRun full = run(arguments, "/dev/full");
    EXPECT_EQ(full.exit_code, 2) << arguments.back();
    EXPECT_THAT(full.err, HasSubstr("dartboard: standard output cannot be written")) << arguments.back();
    EXPECT_THAT(full.err, Not(HasSubstr("internal error"))) << arguments.back();
  }
  // Where nothing can be told, the exit code still tells.
  EXPECT_EQ(run({"trace", "info", "/nowhere"}, "", "/dev/full").exit_code, 2);
  EXPECT_EQ(run({"profiles"}, "", "/dev/full").exit_code, 0);
}

struct Refused {
  const char* what;
  std::vector<std::string> arguments;
  int exit_code;
  const char* sentence;  // part of standard error
};
class RefusedRun : public testing::TestWithParam<Refused> {};

TEST_P(RefusedRun, SaysWhyAndDoesNothing) {
  const ProgramRun refused = run(GetParam().arguments);
  EXPECT_EQ(refused.exit_code, GetParam().exit_code);
  EXPECT_THAT(refused.err, HasSubstr(GetParam().sentence));
  EXPECT_EQ(refused.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    Program, RefusedRun,
    testing::Values(
        Refused{"NoCommand", {}, 2, "needs a command"},
        Refused{"UnknownCommand", {"fly"}, 2, "'dartboard --help' shows what there is."},
        Refused{"NoFile", {"replay"}, 2, "FILE is required"},
        Refused{"UnknownOption", {"replay", "x", "--fast"}, 2, "--fast"},
        Refused{"MissingFile",
                {"replay", "/nowhere/x.jsonl.zst"},
                2,
                "dartboard: /nowhere/x.jsonl.zst: cannot be opened: No such file or directory."},
        Refused{"UnknownWorld",
                {"replay", "x", "--dext", "qemu"},
                2,
                "--dext 'qemu' is no world; expected 'sim[:PROFILE]' or 'iokit[:[ROOT/]BB:DD.F]'."},
        Refused{"UnknownProfile", {"replay", shipped_session(), "--dext", "sim:m9-tb9"}, 2, "m9-tb9"},
        Refused{"UnknownProfileToInspect", {"inspect", "--profile", "m9-tb9"}, 2, "m9-tb9"},
        Refused{"UnknownProfileForDevices", {"devices", "--dext", "sim:m9-tb9"}, 2, "m9-tb9"},
        Refused{"UnknownStrategy",
                {"compare", "--strategy", "hope"},
                2,
                "there is no strategy 'hope'; there are companion"},
        Refused{
            "UnknownWorkload", {"compare", "--workload", "floppy"}, 2, "there is no workload 'floppy'; there are llm"},
        Refused{"WorkloadOfAnotherSuffix",
                {"compare", "--workload", "boot.dbt"},
                2,
                "and any recorded session (a file with /"},
        Refused{"UnknownProfileToCompare", {"compare", "--profile", "m9-tb9"}, 2, "m9-tb9"},
        Refused{"TooSmallAGuest",
                {"compare", "--workload", "nic", "--guest-memory", "8M"},
                2,
                "wants a guest of at least 32 MiB"},
        Refused{"UnknownEndpoint", {"inspect", "--device", "floppy"}, 2, "there is no device 'floppy'"},
        Refused{"ADeviceIsNamed", {"inspect", "--device", "floppy"}, 2, "nvme, script:FILE.lua, test or rtl."},
        Refused{"ScriptWithoutName", {"inspect", "--device", "script:"}, 2, "'script:' names no file"},
        Refused{"StorageOfNoScript", {"inspect", "--storage", "1M"}, 2, "--storage is for a device that is a script"},
        Refused{"WavesOfAScript", {"inspect", "--device", "edu", "--wave", "x.vcd"}, 2, "and the device is 'edu'"},
        Refused{"WavesOfARecording",
                {"replay", shipped_session(), "--wave", "x.vcd"},
                2,
                "the recording answers: give --device rtl"},
        Refused{"TwoDeviceSides",
                {"replay", shipped_session(), "--device", "gpu", "--device-session", shipped_session()},
                2,
                "give one of them"},
        Refused{"OptionOfACommand", {"inspect", "--dpth", "1"}, 2, "'dartboard inspect --help'"},
        Refused{"MissingScript", {"inspect", "--device", "script:/none.lua"}, 2, "script /none.lua"},
        Refused{"MissingStorage", {"inspect", "--device", "nvme", "--storage", "/none.img"}, 2, "storage /none.img"},
        Refused{
            "NothingMatches", {"inspect", "--path", "flux capacitor"}, 2, "--path 'flux capacitor' matches nothing"}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Program, CompareWritesAPageAndPrintsOneObject) {
  const std::string page = write_file("compare.html", "");
  const ProgramRun compared = run({"compare", "--workload", "nic", "--strategy", "pool", "viommu", "--profile", "m4pro-tb5",
                                   "--guest-memory", "64M", "--pool", "4M", "--json", "--html", page});
  EXPECT_EQ(compared.exit_code, 0) << compared.err;
  const Json json = Json::parse(compared.out);
  const Json& rows = json["comparisons"][0]["rows"];
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["outcome"], "served");
  EXPECT_EQ(rows[0]["run"]["lost"], 0);
  EXPECT_EQ(rows[1]["outcome"], "host panic");
  EXPECT_THAT(rows[1]["why_faults"].get<std::string>(), HasSubstr("the DART has no entry for what the guest chose"));
  EXPECT_THAT(read_file(page), HasSubstr("<svg"));
}

#ifndef __APPLE__
TEST(Program, IokitOffAMacIsTheWrongPlatform) {
  for (const char* world : {"iokit", "iokit:01:00.0", "iokit:pcic1-bridge/01:00.0"}) {
    const ProgramRun refused = run({"replay", shipped_session(), "--dext", world});
    EXPECT_EQ(refused.exit_code, 3) << world;
    EXPECT_THAT(refused.err, HasSubstr("needs a Mac with the dext installed")) << world;
    EXPECT_EQ(refused.out, "");
  }
}
#endif

TEST(Program, ATruncatedFileIsBadInput) {
  const std::string whole = read_file(shipped_session());
  write_session("cut", "");
  const std::string path = write_file("cut.jsonl.zst", whole.substr(0, whole.size() / 2));
  const ProgramRun refused = run({"replay", path});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("cut.jsonl.zst: the zstd data ends in its middle: the file is truncated"));
  EXPECT_EQ(refused.out, "");
}

TEST(Program, ACorruptFileIsBadInput) {
  std::string damaged = read_file(shipped_session());
  for (size_t i = damaged.size() / 2; i < damaged.size() / 2 + 64; ++i) damaged[i] = '\x5a';
  write_session("damaged", "");
  const ProgramRun refused = run({"replay", write_file("damaged.jsonl.zst", damaged)});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("damaged.jsonl.zst: the zstd data is damaged"));
}

TEST(Program, AFileThatIsNoTraceIsBadInput) {
  const ProgramRun refused = run({"replay", write_file("not.jsonl", "hello\n")});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("not.jsonl: looks like no trace that dartboard reads"));
  EXPECT_THAT(refused.err, HasSubstr("name its format to 'dartboard trace convert --from'."));  // replay's is another
}

TEST(Program, WithoutADescriptionTheRequestsDescribeTheDevice) {
  const ProgramRun replay = run({"replay", write_file("alone.jsonl", shipped_lines())});
  EXPECT_EQ(replay.exit_code, 0) << replay.err;
  EXPECT_THAT(replay.out, HasSubstr("divergences         0"));
  EXPECT_THAT(replay.out, HasSubstr("1002:74a1"));
}

TEST(Program, AnUnknownCommandInTheFileNamesItsLine) {
  const std::string path = write_session("unknown", with_change(shipped_lines(), 13, "CFG_READ", "CFG_PEEK"));
  const ProgramRun refused = run({"replay", path});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("unknown.jsonl: line 14, field 'cmd': unknown command 'CFG_PEEK'"));
}

TEST(Program, ReplaysTheShippedSession) {
  const ProgramRun replay = run({"replay", shipped_session()});
  EXPECT_EQ(replay.exit_code, 0) << replay.err;
  for (const char* part : {"27,207", "divergences         0", "MMIORead", "RegisterDMARegion", "TLB hits", "trace hash",
                           "did not gate memory decode"}) {
    EXPECT_THAT(replay.out, HasSubstr(part));
  }
  EXPECT_THAT(replay.out, Not(HasSubstr("\x1b"))) << "colours where there is no terminal";
  EXPECT_EQ(replay.err, "") << "a progress bar where there is no terminal";
}

TEST(Program, JsonHasTheKeysAndTheNumbers) {
  const ProgramRun replay = run({"replay", shipped_session(), "--json"});
  ASSERT_EQ(replay.exit_code, 0) << replay.err;
  const Json json = Json::parse(replay.out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  for (const char* key : {"requests", "divergences", "user_client_calls", "tlps", "dart_walks", "tlb_hits", "faults",
                          "mapped_bytes_peak", "mappings_peak", "simulated_ns", "wall_ns", "trace_hash", "notes"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["requests"], 27207);
  EXPECT_EQ(json["divergences"], 0);
  EXPECT_EQ(json["mapped_bytes_peak"], 100'675'584);
  EXPECT_EQ(json["mappings_peak"], 37);
  EXPECT_EQ(json["faults"], 0);
  EXPECT_GT(json["dart_walks"], 0);
  EXPECT_EQ(json["user_client_calls"]["RegisterDMARegion"], 37);
  EXPECT_EQ(json["user_client_calls"]["MMIORead"], 449);
  EXPECT_EQ(json["user_client_calls"]["MMIOWrite"], 738);
  EXPECT_EQ(json["trace_hash"].get<std::string>().size(), 32u);
}

TEST(Program, TheSameReplayHasTheSameHash) {
  const ProgramRun first = run({"replay", shipped_session(), "--json"});
  const ProgramRun second = run({"replay", shipped_session(), "--json"});
  ASSERT_EQ(first.exit_code, 0);
  const Json a = Json::parse(first.out, nullptr, false), b = Json::parse(second.out, nullptr, false);
  EXPECT_EQ(a["trace_hash"], b["trace_hash"]);
  EXPECT_EQ(a["simulated_ns"], b["simulated_ns"]);
}

// The script of the GPU satisfies the recorded driver to the end, copies by SDMA included. The one difference is that its
// discovery table has the checksums that the recorded mock leaves zero.
TEST(Program, TheGpuScriptSatisfiesTheRecordedDriver) {
  const ProgramRun replay = run({"replay", shipped_session(), "--device", "gpu", "--json"});
  EXPECT_EQ(replay.exit_code, 1) << replay.err;
  EXPECT_EQ(replay.err, "");
  const Json json = Json::parse(replay.out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["answered_by"], "gpu");
  EXPECT_EQ(json["requests"], 27207);
  EXPECT_EQ(json["divergences"], 1) << json["first_divergences"].dump(1);
  EXPECT_EQ(json["first_divergences"][0]["index"], 6);
  EXPECT_GT(json["dart_walks"], 0) << "nothing was copied";
}

TEST(Program, ADeviceThatIsNotTheRecordedOneDiverges) {
  const ProgramRun replay = run({"replay", shipped_session(), "--device", "test", "--json"});
  EXPECT_EQ(replay.exit_code, 1);
  const Json json = Json::parse(replay.out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["requests"], 27207);
  EXPECT_GT(json["divergences"], 1000);
}

TEST(Program, AScriptErrorIsToldOnceHoweverOftenItIsMet) {
  const std::string script = write_file("broken.lua", R"(
device { vendor = 1, device = 2, class = 0xff0000, bars = { [0] = bar { size = 4096, registers = {
  register { "A", 0, access = "rw", on_read = function() return nil + 1 end } } } } })");
  const ProgramRun tried = run({"conformance", "--device", "script:" + script});
  EXPECT_EQ(tried.exit_code, 1);
  const size_t at = tried.err.find("attempt to perform arithmetic");
  ASSERT_NE(at, std::string::npos) << tried.err;
  EXPECT_EQ(tried.err.find("attempt to perform arithmetic", at + 1), std::string::npos) << tried.err;
}

TEST(Program, WavesAreWrittenWhereverTheRtlDeviceRuns) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"inspect"}, {"devices"}, {"conformance", "--rule", "bar"}, {"conformance", "--dext", "sim"},
        {"replay", shipped_session()}}) {
    const std::string file = write_file("wave.vcd", "");
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--device", "rtl", "--wave", file});
    const ProgramRun ran = run(arguments);
    EXPECT_LE(ran.exit_code, 1) << command.front() << ran.err;
    EXPECT_THAT(read_file(file), HasSubstr("$enddefinitions")) << command.front();
  }
}

struct Changed {
  const char* what;
  unsigned index;
  const char* from;
  const char* to;
  const char* layer;
};
class OneChangedByte : public testing::TestWithParam<Changed> {};

TEST_P(OneChangedByte, IsOneDivergenceAtThatIndex) {
  const Changed& change = GetParam();
  const std::string path = write_session("changed", with_change(shipped_lines(), change.index, change.from, change.to));
  const ProgramRun replay = run({"replay", path, "--device-session", shipped_session(), "--json"});
  EXPECT_EQ(replay.exit_code, 1) << replay.err;
  const Json json = Json::parse(replay.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << replay.out;
  ASSERT_EQ(json["divergences"], 1) << json["first_divergences"].dump(1);
  EXPECT_EQ(json["first_divergences"][0]["index"], change.index);
  EXPECT_EQ(json["first_divergences"][0]["layer"], change.layer);
  EXPECT_EQ(json["requests"], 27207);
}

INSTANTIATE_TEST_SUITE_P(
    Program, OneChangedByte,
    testing::Values(Changed{"ConfigRead", 15, R"("r0": 4)", R"("r0": 6)", "reply"},
                    Changed{"RegisterRead", 5, R"("ret": "00020000")", R"("ret": "00020001")", "reply"},
                    Changed{"RegisterWrite", 176, R"("data": "00000200")", R"("data": "00000201")", "endpoint"},
                    Changed{"MemoryBarRead", 185, R"("ret": "01000000")", R"("ret": "01000001")", "reply"},
                    Changed{"Doorbell", 27130, R"("data": "44000000)", R"("data": "45000000)", "endpoint"},
                    Changed{"InputData", 27124, R"("data": "3031)", R"("data": "3131)", "memory"},
                    Changed{"HostRead", 27144, R"("ret": "3031)", R"("ret": "3131)", "reply"},
                    Changed{"BarSize", 3, R"("r1": 8192)", R"("r1": 8191)", "reply"},
                    Changed{"ProbeCount", 0, R"("r1": 1)", R"("r1": 2)", "reply"}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Program, APageThatCannotBePlacedAsRecordedIsBadInput) {
  const ProgramRun refused = run({"replay", shipped_session(), "--dext", "sim:m4pro-tb5", "--iova", "recorded"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("request 592: memory 0: pages 0 to 4095 cannot be placed at bus address "
                                     "0x100000000 as recorded: the IOVA window of m4pro-tb5 is 0x80000000 to "
                                     "0xfff00000."));
  EXPECT_EQ(refused.out, "");
}

TEST(Program, TwoMemoriesCannotBeAtOnePlace) {
  const std::string map = R"({"t":1,"cmd":"MAP_SYSMEM","a0":4096,"st":0,"r0":8,"ret":"0000000001000000")";
  const ProgramRun refused = run({"replay", write_session("twice", map + ",\"r1\":0}\n" + map + ",\"r1\":1}\n")});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("request 1: memory 1: pages 0 to 0 cannot be placed at bus address 0x100000000 as "
                                     "recorded: memory 0 is there."));
}

/// A guest that never maps the memory that the device writes to.
std::vector<std::string> stray_dma(const std::string& profile) {
  const std::string device = write_session(
      "stray-device", R"({"t":1,"cmd":"CFG_WRITE","a0":4,"a1":2,"a2":6,"st":0})"
                      "\n"
                      R"({"t":1,"cmd":"MAP_SYSMEM","a0":16384,"st":0,"r0":32,"r1":0,"ret":")"
                      "0000009000000000"
                      "0010009000000000"
                      "0020009000000000"
                      "0030009000000000"
                      "\"}\n"
                      R"({"t":2,"cmd":"SYSMEM_READ","bar":0,"a0":0,"a1":4,"st":0,"r0":4,"ret":"01020304"})"
                      "\n");
  const std::string guest = write_session("stray-guest", R"({"t":1,"cmd":"CFG_WRITE","a0":4,"a1":2,"a2":6,"st":0})"
                                                         "\n"
                                                         R"({"t":1,"cmd":"PING","st":0})"
                                                         "\n"
                                                         R"({"t":2,"cmd":"PING","st":0})"
                                                         "\n");
  return {"replay", guest, "--device-session", device, "--dext", "sim:" + profile};
}

TEST(Program, APanicOfTheSimulatedMacIsReported) {
  const ProgramRun replay = run(stray_dma("m4pro-tb5"));
  EXPECT_EQ(replay.exit_code, 4) << replay.err;
  EXPECT_THAT(replay.out, HasSubstr("the simulated Mac panicked"));
  EXPECT_THAT(replay.out, HasSubstr("dart-fault"));
}

TEST(Program, AFaultThatTheHostSurvivesIsADivergenceOfTheDevice) {
  const ProgramRun replay = run(stray_dma("linux-iommu"));
  EXPECT_EQ(replay.exit_code, 1) << replay.err;
  EXPECT_THAT(replay.out, HasSubstr("request 2 (device)"));
  EXPECT_THAT(replay.out, HasSubstr("1 faults"));
}

TEST(Program, AFaultThatTheHostTellsTheDriverOfIsCounted) {
  const ProgramRun replay = run(stray_dma("m4max-tb5"));
  EXPECT_EQ(replay.exit_code, 1) << replay.err;
  EXPECT_THAT(replay.out, HasSubstr("1 faults, 1 told to the driver"));
  EXPECT_THAT(replay.out, testing::Not(HasSubstr("panicked")));
}

TEST(Program, ProfilesSayWhatADartFaultDoes) {
  const Json json = Json::parse(run({"profiles", "--json"}).out, nullptr, false);
  ASSERT_TRUE(json.is_array());
  std::map<std::string, std::string> faults;
  for (const Json& profile : json) faults[profile["name"]] = profile["dart_fault"];
  EXPECT_EQ(faults["m4pro-tb5"], "panic");
  EXPECT_EQ(faults["linux-iommu"], "abort");
  EXPECT_EQ(faults["m4max-tb5"], "event");
}

TEST(Program, ProfilesListsThePlatforms) {
  const ProgramRun text = run({"profiles"});
  EXPECT_EQ(text.exit_code, 0);
  for (const char* name : {"linux-iommu", "m1-tb4", "m4pro-tb5"}) EXPECT_THAT(text.out, HasSubstr(name));
  const ProgramRun object = run({"profiles", "--json"});
  const Json json = Json::parse(object.out, nullptr, false);
  ASSERT_TRUE(json.is_array());
  EXPECT_GE(json.size(), 3u);
  EXPECT_TRUE(json[0].contains("ports"));
}

TEST(Program, DevicesListsTheTestEndpoint) {
  const ProgramRun text = run({"devices"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("1b36:00db"));
  const Json json = Json::parse(run({"devices", "--json", "--dext", "sim:linux-iommu"}).out, nullptr, false);
  ASSERT_TRUE(json.is_array());
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["vendor_id"], 0x1b36);
}

TEST(Program, DevicesListsTheScriptsThatShip) {
  const ProgramRun text = run({"devices"});
  for (const char* name : {"edu", "gpu", "hostile", "nvme", "script:FILE.lua"}) EXPECT_THAT(text.out, HasSubstr(name));
}

TEST(Program, AScriptedDeviceCanBeInTheSlot) {
  const ProgramRun text = run({"inspect", "--device", "nvme", "--storage", "1M", "--path", "slot/bar0 registers"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("CSTS"));
  const Json json = Json::parse(run({"devices", "--json", "--device", "edu"}).out, nullptr, false);
  ASSERT_TRUE(json.is_array() && json.size() == 1);
  EXPECT_EQ(json[0]["device_id"], 0x11e8);
}

TEST(Program, InspectPrintsRegistersByNameAndField) {
  const ProgramRun text = run({"inspect"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("machine"));
  EXPECT_GT(std::count(text.out.begin(), text.out.end(), '\n'), 100);
}

TEST(Program, InspectShowsOnlyWhatIsAskedFor) {
  const ProgramRun all = run({"inspect"});
  const ProgramRun dart = run({"inspect", "--path", "dart"});
  EXPECT_EQ(dart.exit_code, 0) << dart.err;
  EXPECT_LT(dart.out.size(), all.out.size());
  const ProgramRun shallow = run({"inspect", "--depth", "1"});
  EXPECT_THAT(shallow.out, Not(HasSubstr("\n    ")));
  const Json json = Json::parse(run({"inspect", "--json", "--depth", "1"}).out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["name"], "machine");
}

TEST(Program, InspectOpenShowsTheBackend) {
  const ProgramRun text = run({"inspect", "--open", "--path", "backend"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("BAR0"));
}

}  // namespace
}  // namespace dartboard::cli
