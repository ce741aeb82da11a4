// tests/cli/replay_test.cpp - `dartboard replay` beyond the plain strict replay: modes, gaps, rebasing, parts, traces
// with several devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support.h"

namespace dartboard::cli {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

Json replay(std::vector<std::string> arguments, int exit_code = 0) {
  arguments.insert(arguments.begin(), "replay");
  arguments.push_back("--json");
  const ProgramRun ran = run(arguments);
  EXPECT_EQ(ran.exit_code, exit_code) << ran.err << ran.out;
  Json json = Json::parse(ran.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << ran.out << ran.err;
  return json;
}
std::string log(const std::string& name) {
  return std::string(DARTBOARD_SESSIONS) + "/" + name;
}

/// What it was when sessions were replayed from memory: the batches change nothing that happens.
constexpr const char* kShippedHash = "474dd60e9c1df429d74d0e8b1cde693e";

TEST(Replay, TheShippedSessionHasTheSameHashInEveryMode) {
  for (const char* mode : {"strict", "registers"}) {
    const Json json = replay({shipped_session(), "--mode", mode});
    EXPECT_EQ(json["divergences"], 0) << mode;
    EXPECT_EQ(json["requests"], 27207) << mode;
    EXPECT_EQ(json["requests_recorded"], 27207) << mode;
    EXPECT_EQ(json["trace_hash"], kShippedHash) << mode;
    EXPECT_EQ(json["differences_by_policy"], 0) << mode;
  }
}

TEST(Replay, TheShippedSessionWaitsForTheDevicesDmaFourTimes) {
  const Json json = replay({shipped_session()});
  EXPECT_EQ(json["waits"]["count"], 4);
  EXPECT_EQ(json["waits"]["first"][0]["last_request"], 27131);
  EXPECT_EQ(json["waits"]["first"][0]["ended_by"], "dma");
  EXPECT_EQ(json["interrupts"]["recorded"], 0);
}

TEST(Replay, RegistersAreClassified) {
  const Json json = replay({shipped_session(), "--mode", "registers"});
  uint64_t all = 0;
  for (const auto& [name, count] : json["register_classes"].items()) all += count.get<uint64_t>();
  EXPECT_EQ(all, json["registers"].size());
  EXPECT_GT(json["register_classes"]["ram"], 0);
  EXPECT_GT(json["register_classes"]["read-only"], 0);
  EXPECT_GT(json["register_classes"]["queue"], 0);
}

TEST(Replay, ARegisterThatIsPolledOnceMoreDivergesInOrderAndNotByRegister) {
  const std::string read = R"({"t":1,"cmd":"MMIO_READ","bar":5,"a0":16,"a1":4,"st":0,"r0":4,"ret":")";
  const std::string once = read + "00000000\"}\n" + read + "01000000\"}\n";
  const std::string twice = read + "00000000\"}\n" + read + "00000000\"}\n" + read + "01000000\"}\n";
  const std::string guest = write_session("polls-guest", twice), device = write_session("polls-device", once);
  EXPECT_GT(replay({guest, "--device-session", device}, 1)["divergences"], 0);
  EXPECT_EQ(replay({guest, "--device-session", device, "--mode", "registers"})["divergences"], 0);
  EXPECT_EQ(replay({device, "--device-session", guest, "--mode", "registers"})["divergences"], 0);
}

TEST(Replay, RebasedTheShippedSessionRunsWhereItsAddressesDoNotExist) {
  const Json json = replay({shipped_session(), "--iova", "rebase", "--dext", "sim:m4pro-tb5"});
  EXPECT_EQ(json["divergences"], 0) << json["first_divergences"].dump(1);
  EXPECT_EQ(json["requests"], 27207);
  EXPECT_EQ(json["faults"], 0);
  EXPECT_EQ(json["rebase"]["ranges"], 37);
  EXPECT_GT(json["rebase"]["forms"]["page"], 24'000);
  EXPECT_EQ(json["rebase"]["forms"]["packet"], 2);
  EXPECT_EQ(json["rebase"]["first"][0]["request"], 614);
  EXPECT_EQ(json["rebase"]["first"][0]["form"], "page");
  EXPECT_EQ(json["rebase"]["reported"], 4);
}

TEST(Replay, WithoutASayPagesAreRebasedWhereNoneCanBePlacedAsRecorded) {
  const Json mac = replay({shipped_session(), "--dext", "sim:m4pro-tb5"});
  EXPECT_EQ(mac["iova"], "rebase");
  EXPECT_EQ(mac["divergences"], 0);
  EXPECT_THAT(mac["notes"].dump(), HasSubstr("recorded bus addresses were rewritten, because"));
  EXPECT_EQ(replay({shipped_session()})["iova"], "recorded");
}

TEST(Replay, GapsAreSimulatedTime) {
  const uint64_t none = replay({shipped_session()})["simulated_ns"];
  const Json least = replay({shipped_session(), "--gap", "min:10us"});
  EXPECT_EQ(least["gap_ns"], 40'000);
  EXPECT_GE(least["simulated_ns"], none + 40'000);
  const Json recorded = replay({shipped_session(), "--gap", "recorded"});
  EXPECT_GT(recorded["gap_ns"], 4'000'000'000);
  EXPECT_EQ(recorded["divergences"], 0);
}

TEST(Replay, PartsAreReplayed) {
  const Json until = replay({shipped_session(), "--until", "20000"});
  EXPECT_EQ(until["requests"], 20000);
  EXPECT_EQ(until["ended_by"], "--until");
  EXPECT_EQ(until["divergences"], 0);
  const std::string changed = write_session("parts", with_change(shipped_lines(), 5, "00020000", "00020001"));
  const Json from = replay({changed, "--device-session", shipped_session(), "--from", "6"});
  EXPECT_EQ(from["divergences"], 0);
  EXPECT_EQ(from["differences_before_from"], 1);
  const Json stop = replay({changed, "--device-session", shipped_session(), "--stop-on-divergence"}, 1);
  EXPECT_EQ(stop["requests"], 6);
}

struct Refused {
  std::vector<std::string> arguments;
  const char* sentence;
};

TEST(Replay, WhatMakesNoSenseIsRefusedWithWhatWasExpected) {
  const Refused rows[] = {
      {{"--gap", "some"}, "--gap 'some': expected none, recorded, min or min:TIME"},
      {{"--gap", "min:5"}, "--gap 'min:5'"},
      {{"--from", "x"}, "--from 'x': expected the number of a request"},
      {{"--until", "5 h"}, "--until '5 h'"},
      {{"--mode", "loose"}, "--mode"},
      {{"--iova", "somewhere"}, "--iova"},
      {{"--device-index", "1"}, "has no device 1. It has: 0"},
      {{"--device-address", "00:05.0"}, "has no device at '00:05.0'"},
      {{"--device", "gpu", "--mode", "registers"}, "--device answers by itself"},
  };
  for (const Refused& row : rows) {
    std::vector<std::string> arguments = {"replay", shipped_session()};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const ProgramRun refused = run(arguments);
    EXPECT_EQ(refused.exit_code, 2) << row.sentence;
    EXPECT_THAT(refused.err, HasSubstr(row.sentence));
  }
}

// Logs of QEMU --------------------------------------------------------------------------------------------------------

class QemuLog : public testing::TestWithParam<const char*> {};

TEST_P(QemuLog, EveryDeviceReplaysWithoutDivergenceInBothModes) {
  const std::string path = log(GetParam());
  for (unsigned device = 0; device < 64; ++device) {
    const ProgramRun probe = run({"replay", path, "--device-index", std::to_string(device), "--json"});
    if (probe.err.find("has no device " + std::to_string(device)) != std::string::npos) {
      EXPECT_GT(device, 0u);
      return;
    }
    for (const char* mode : {"strict", "registers"}) {
      const Json json = replay({path, "--device-index", std::to_string(device), "--mode", mode});
      if (!json.is_object()) continue;
      EXPECT_EQ(json["divergences"], 0) << device << " " << mode << json["first_divergences"].dump(1);
      EXPECT_EQ(json["requests"], json["requests_recorded"]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Replay, QemuLog,
                         testing::Values("nvidia-ad104-vfio-head.log", "qemu-ati.log", "qemu-pcicfg_ts.log",
                                         "qemu-vfiouser_qtest.log", "qemu-vfiouser_ts.log"));

}  // namespace
}  // namespace dartboard::cli
