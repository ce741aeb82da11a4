// tests/cli/recording_test.cpp - --record: the same run, a file that replays it, at both seams, and nothing private in
// it.
#include "cli/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zstd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/op_script.h"
#include "cli/sim_world.h"
#include "support.h"
#include "traces/formats.h"

namespace dartboard::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

constexpr const char* kShippedHash = "474dd60e9c1df429d74d0e8b1cde693e";

struct Trace {
  traces::Session session;
  traces::TraceInfo info;
};
Trace read_trace(const std::string& path) {
  Trace out;
  auto reader = traces::open_trace(path);
  EXPECT_TRUE(reader) << reader.error().sentence;
  if (!reader) return out;
  auto session = traces::read_session(**reader, path);
  EXPECT_TRUE(session) << session.error().sentence;
  if (!session) return out;
  out.session = std::move(*session);
  out.info = (*reader)->info();
  EXPECT_FALSE((*reader)->report().truncated);
  return out;
}

Json replay_json(const std::string& file, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"replay", file, "--json"});
  const ProgramRun run = cli::run(more);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return Json::parse(run.out, nullptr, false);
}

TEST(Record, ARecordedReplayIsTheSameRunAndReplaysToTheSameTraceHash) {
  const std::string file = write_file("r.dbt", ""), again = write_file("again.dbt", "");
  const Json recorded = replay_json(shipped_session(), {"--record", file});
  EXPECT_EQ(recorded["trace_hash"], kShippedHash);
  EXPECT_EQ(recorded["divergences"], 0);
  EXPECT_EQ(recorded["recorded"]["dropped_events"], 0);
  EXPECT_EQ(recorded["recorded"]["at"], "backend");
  EXPECT_TRUE(recorded["recorded"]["error"].is_null());
  EXPECT_EQ(recorded["recorded"]["events"], read_trace(file).session.events.size());
  EXPECT_EQ(recorded["recorded"]["file_bytes"], read_file(file).size());

  const Json replayed = replay_json(file, {"--record", again});
  EXPECT_EQ(replayed["trace_hash"], kShippedHash);
  EXPECT_EQ(replayed["divergences"], 0);
  EXPECT_EQ(replayed["device"], recorded["device"]);
  EXPECT_TRUE(read_file(file) == read_file(again)) << "the recording of a recording is the same file";
}

TEST(Record, AtTheClientSeamItIsTheSameRunToo) {
  const std::string file = write_file("client.dbt", "");
  const Json recorded = replay_json(shipped_session(), {"--record", file, "--record-at", "client"});
  EXPECT_EQ(recorded["trace_hash"], kShippedHash);
  EXPECT_EQ(recorded["recorded"]["at"], "client");
  const Trace trace = read_trace(file);
  uint64_t reads = 0, writes = 0, maps = 0;
  for (const traces::Event& event : trace.session.events) {
    reads += event.kind == traces::EventKind::kMmioRead;
    writes += event.kind == traces::EventKind::kMmioWrite;
    maps += event.kind == traces::EventKind::kDmaMap;
    if (event.kind == traces::EventKind::kDmaMap) EXPECT_NE(trace.session.reply_of(event)->value0, 0u);
  }
  // As the summary counts the calls of the same run.
  EXPECT_EQ(reads, recorded["user_client_calls"]["MMIORead"]);
  EXPECT_EQ(writes, recorded["user_client_calls"]["MMIOWrite"]);
  EXPECT_EQ(maps, recorded["user_client_calls"]["RegisterDMARegion"]);
}

TEST(Record, NothingPrivateEntersTheFile) {
  char host[256] = {}, folder[4096] = {};
  ASSERT_EQ(gethostname(host, sizeof host - 1), 0);
  ASSERT_NE(getcwd(folder, sizeof folder), nullptr);
  std::string profile_text = read_file(DARTBOARD_PROFILES "/linux-iommu.dts");
  const size_t included = profile_text.find("linux-slot.dtsi");
  ASSERT_NE(included, std::string::npos);
  profile_text.insert(included, DARTBOARD_PROFILES "/");
  const std::string profile_source = write_file("private-profile.dts", profile_text);
  for (const char* seam : {"backend", "client"}) {
    const std::string file = write_file(std::string("private-") + seam + ".dbt", "");
    const std::string session = write_session("secret-name", shipped_lines());
    (void)replay_json(session, {"--record", file, "--record-at", seam, "--dext", "sim:" + profile_source});
    const std::string packed = read_file(file);
    std::string all = packed;  // what stands in skippable frames is not compressed
    ZSTD_DCtx* const context = ZSTD_createDCtx();
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    std::string part(1 << 20, '\0');
    while (in.pos < in.size) {
      ZSTD_outBuffer out{part.data(), part.size(), 0};
      const size_t left = ZSTD_decompressStream(context, &out, &in);
      if (ZSTD_isError(left) != 0) break;  // the trailer behind the last frame
      all.append(part, 0, out.pos);
    }
    ZSTD_freeDCtx(context);
    EXPECT_GT(all.size(), packed.size()) << "something was decompressed";
    EXPECT_THAT(read_trace(file).info.profile, "private-profile.dts");
    for (const std::string& secret :
         {std::string(host), std::string(folder), file, session, std::string("secret-name"), std::string("/tmp/"),
          profile_source, std::string("/home/"), std::string(DARTBOARD_SESSIONS)}) {
      EXPECT_EQ(all.find(secret), std::string::npos) << seam << ": " << secret;
    }
  }
}

/// Runs small.ops on the test endpoint, recorded.
struct OpsRun {
  Trace trace;
  std::string hash;
  uint64_t differences = 0;
};
OpsRun run_small(const std::string& file, RecordAt at) {
  OpsRun out;
  const auto ops = parse_ops(read_file(DARTBOARD_SMALL_OPS), "small.ops");
  EXPECT_TRUE(ops);
  auto world = make_sim_world("m4pro-tb5");
  EXPECT_TRUE(world);
  EXPECT_TRUE((*world)->power_on(nullptr));
  RecordOptions options;
  options.file = file;
  options.at = at;
  auto recording = Recording::make(options, **world);
  EXPECT_TRUE(recording);
  auto device = open_device(**world);
  EXPECT_TRUE(device);
  const ScenarioResult result = run_ops(*ops, std::move(*device), **world);
  EXPECT_FALSE(result.stopped);
  out.differences = result.differences;
  const auto recorded = finish(*recording);
  if (recorded) EXPECT_FALSE(recorded->counts.error);
  out.hash = (*world)->counters().trace_hash;
  if (!file.empty()) out.trace = read_trace(file);
  return out;
}

/// What both seams must agree on: accesses to registers of BAR0 (calls at both), mappings with their addresses,
/// interrupts and what set them up, resets.
std::vector<std::string> common(const Trace& trace) {
  std::vector<std::string> out;
  for (const traces::Event& e : trace.session.events) {
    const traces::Reply* const reply = trace.session.reply_of(e);
    const auto bytes = [](const traces::Payload& p) {
      return p.length == 0   ? 0
             : p.length == 8 ? p.le64(0)
                             : [&] {
                                 uint64_t v = 0;
                                 for (uint64_t i = p.length; i-- > 0;) v = v << 8 | std::to_integer<uint64_t>(p.at(i));
                                 return v;
                               }();
    };
    switch (e.kind) {
      case traces::EventKind::kMmioRead:
        if (e.target == 0) out.push_back(fmt::format("read {:#x} {} = {:#x}", e.address, e.length, bytes(reply->data)));
        break;
      case traces::EventKind::kMmioWrite:
        if (e.target == 0) out.push_back(fmt::format("write {:#x} {} {:#x}", e.address, e.length, bytes(e.data)));
        break;
      case traces::EventKind::kDmaMap:
        out.push_back(fmt::format("map {} key {} {} at {:#x}", e.target, e.address, e.length, reply->value0));
        break;
      case traces::EventKind::kDmaUnmap: out.push_back(fmt::format("unmap {}", e.target)); break;
      case traces::EventKind::kInterrupt: out.push_back(fmt::format("interrupt {} {}", e.target, e.value)); break;
      default: break;
    }
  }
  return out;
}

TEST(Record, BothSeamsAgreeWhereTheyMust) {
  const OpsRun plain = run_small("", RecordAt::kBackend);
  const OpsRun backend = run_small(write_file("ops-backend.dbt", ""), RecordAt::kBackend);
  const OpsRun client = run_small(write_file("ops-client.dbt", ""), RecordAt::kClient);
  EXPECT_EQ(plain.differences, 0u);
  EXPECT_EQ(backend.hash, plain.hash) << "recording changes nothing";
  EXPECT_EQ(client.hash, plain.hash);
  const auto expected = common(backend.trace);
  EXPECT_GT(expected.size(), 35u);
  EXPECT_THAT(expected, testing::Contains(testing::HasSubstr("interrupt 2 2")));
  EXPECT_EQ(common(client.trace), expected);

  // Below the backend are its own accesses, above it the guest's: the script's config writes are two.
  const auto count = [](const Trace& trace, traces::EventKind kind) {
    return std::count_if(trace.session.events.begin(), trace.session.events.end(),
                         [kind](const traces::Event& e) { return e.kind == kind; });
  };
  EXPECT_EQ(count(backend.trace, traces::EventKind::kConfigWrite), 2);
  EXPECT_EQ(count(backend.trace, traces::EventKind::kConfigRead), 4);
  EXPECT_EQ(count(backend.trace, traces::EventKind::kReset), 1);
  EXPECT_GT(count(client.trace, traces::EventKind::kConfigRead), 20);
}

TEST(Record, TheDeviceIsDescribed) {
  const Trace trace = run_small(write_file("described.dbt", ""), RecordAt::kBackend).trace;
  EXPECT_EQ(trace.info.source, "dartboard");
  EXPECT_EQ(trace.info.profile, "m4pro-tb5");
  EXPECT_EQ(trace.info.clock, traces::Clock::kSimulated);
  ASSERT_EQ(trace.info.devices.size(), 1u);
  EXPECT_EQ(trace.info.devices[0].address, "0000:01:00.0");
  const traces::DeviceDescription& d = trace.info.devices[0].description;
  EXPECT_EQ(d.vendor_id, 0x1b36);
  EXPECT_EQ(d.device_id, 0x00db);
  EXPECT_EQ(d.bars[0].kind, traces::BarKind::kRegisters);
  EXPECT_EQ(d.bars[2].kind, traces::BarKind::kMemory);
  EXPECT_TRUE(d.bars[2].is_64bit);
  EXPECT_NE(d.msix.entries, 0u);
  EXPECT_EQ(d.msix.table_bar, 4u);
  EXPECT_EQ(d.config.value(0, 4), 0x00db1b36u);
  EXPECT_EQ(d.config.value(4, 2), 0u) << "as it was before the guest switched it on";
  EXPECT_EQ(d.config.at(0x34), 0x40);
}

TEST(Record, OnlyTheFirstDeviceIsRecorded) {
  auto world = make_sim_world("m4pro-tb5");
  ASSERT_TRUE(world && (*world)->power_on(nullptr).has_value());
  RecordOptions options;
  options.file = write_file("first-only.dbt", "");
  auto recording = Recording::make(options, **world);
  ASSERT_TRUE(recording);
  for (int i = 0; i < 2; ++i) {
    auto device = open_device(**world);
    ASSERT_TRUE(device);
    std::byte bytes[4];
    EXPECT_TRUE((*device)->read(backend::Region::kConfig, 0, bytes));
  }
  EXPECT_EQ(finish(*recording)->counts.events, 1u);
}

TEST(Record, CapsAndPoliciesComeFromTheArguments) {
  const std::string file = write_file("capped.dbt", "");
  const Json capped =
      replay_json(shipped_session(), {"--record", file, "--record-events-max", "1000", "--record-payloads", "hash"});
  EXPECT_EQ(capped["trace_hash"], kShippedHash);
  EXPECT_EQ(capped["recorded"]["events"], 1000);
  EXPECT_GT(capped["recorded"]["dropped_events"], 26000);
  const Trace trace = read_trace(file);
  EXPECT_TRUE(trace.info.lossy);
  EXPECT_EQ(trace.info.payloads, traces::PayloadPolicy::kHash);
  EXPECT_EQ(trace.info.dropped_events, capped["recorded"]["dropped_events"]);
  EXPECT_EQ(trace.session.events.back().kind, traces::EventKind::kMark);
  const Json small = replay_json(shipped_session(), {"--record", file, "--record-bytes-max", "4K"});
  EXPECT_GT(small["recorded"]["dropped_bytes"], 100000);
}

TEST(Record, AFullDiskIsToldAndTheRunGoesOn) {
  const ProgramRun full = run({"replay", shipped_session(), "--record", "/dev/full"});
  EXPECT_EQ(full.exit_code, 2);
  EXPECT_THAT(full.err, HasSubstr("--record /dev/full: cannot be written"));
  EXPECT_THAT(full.err, HasSubstr("The run went on without it; what stands in the file can be read."));
  EXPECT_THAT(full.out, HasSubstr(kShippedHash));
  EXPECT_THAT(full.out, HasSubstr("the recording to /dev/full failed"));
}

TEST(Record, EveryCommandThatRunsADeviceRecords) {
  const struct {
    const char* name;
    std::vector<std::string> arguments;
  } kRuns[] = {
      {"inspect", {"inspect", "--open", "--depth", "1", "--record-at", "client"}},
      {"sweep", {"sweep", DARTBOARD_SMALL_OPS, "--fault", "completion-timeout@9999"}},
      {"sweep-session", {"sweep", shipped_session(), "--fault", "completion-timeout@9999"}},
      {"conformance", {"conformance", "--dext", "sim"}},
      {"compare",
       {"compare", "--workload", "nic", "--strategy", "pool", "--profile", "m4pro-tb5", "--guest-memory", "64M",
        "--pool", "4M", "-q"}},
  };
  for (const auto& one : kRuns) {
    const std::string file = write_file(std::string("by-") + one.name + ".dbt", "");
    SCOPED_TRACE(one.name);
    std::vector<std::string> arguments = one.arguments;
    arguments.insert(arguments.end(), {"--record", file});
    const ProgramRun recorded = run(arguments);
    EXPECT_EQ(recorded.exit_code, 0) << one.name << recorded.err;
    EXPECT_THAT(recorded.out, HasSubstr("events to " + file + " (0 dropped)")) << one.name;
    const Trace trace = read_trace(file);
    EXPECT_GT(trace.session.events.size(), 5u) << one.name;
    ASSERT_EQ(trace.info.devices.size(), 1u);
    EXPECT_NE(trace.info.devices[0].description.vendor_id, 0);
  }
}

TEST(Record, ASweepsRunKeepsItsHash) {
  const std::vector<std::string> arguments = {"sweep", DARTBOARD_SMALL_OPS, "--fault", "completion-timeout@9999",
                                              "--json"};
  std::vector<std::string> recording = arguments;
  recording.insert(recording.end(), {"--record", write_file("sweep-hash.dbt", "")});
  EXPECT_EQ(Json::parse(run(arguments).out)["trace_hash"], Json::parse(run(recording).out)["trace_hash"]);
}

TEST(Record, RefusesWhatItCannotRecord) {
  const struct {
    std::vector<std::string> arguments;
    const char* sentence;
  } kRefused[] = {
      {{"inspect", "--record", "x.dbt"}, "give --open too"},
      {{"sweep", DARTBOARD_SMALL_OPS, "--record", "x.dbt"}, "give --fault too"},
      {{"conformance", "--record", "x.dbt"}, "give --dext too"},
      {{"conformance", "--dext", "sim", "--record", "x.dbt", "--record-at", "backend"},
       "leave --record-at backend out"},
      {{"compare", "--record", "x.dbt"}, "name one workload, one strategy and one profile"},
      {{"replay", shipped_session(), "--record-at", "client"}, "--record-at requires --record"},
      {{"replay", shipped_session(), "--record", "/nowhere/r.dbt"}, "--record /nowhere/r.dbt: it cannot be created"},
      {{"devices", "--record", "x.dbt"}, "--record"},
  };
  for (const auto& one : kRefused) {
    const ProgramRun refused = run(one.arguments);
    EXPECT_EQ(refused.exit_code, 2) << one.sentence;
    EXPECT_THAT(refused.err, HasSubstr(one.sentence));
    EXPECT_EQ(refused.out, "");
  }
}

}  // namespace
}  // namespace dartboard::cli
