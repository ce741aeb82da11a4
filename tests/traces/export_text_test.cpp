// tests/traces/export_text_test.cpp - JSONL, CSV, mmiotrace, VCD and Chrome JSON: what each writes, to the byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>
#include <nlohmann/json.hpp>

#include "export_support.h"
#include "traces/export/text.h"
#include "traces/jsonl_reader.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;

std::string unzstd(const std::string& bytes) {
  std::string out(size_t{256} << 20, '\0');
  ZSTD_DCtx* const context = ZSTD_createDCtx();
  ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  while (from.pos < from.size && ZSTD_isError(ZSTD_decompressStream(context, &to, &from)) == 0) {
  }
  ZSTD_freeDCtx(context);
  out.resize(to.pos);
  return out;
}

/// Requests only: what the protocol keeps.
EventBatch batch_of(const Session& session, bool requests_only) {
  EventBatch batch;
  for (const Event& event : session.events) {
    if (event.is_request() || !requests_only) batch.events.push_back(event);
  }
  batch.replies = session.replies;
  return batch;
}

TraceInfo info_of(const Session& session) {
  TraceInfo info;
  info.devices.push_back({"", session.device});
  info.clock = Clock::kMonotonic;
  return info;
}

TEST(JsonlExport, TheShippedSessionIsTheSameFileByteForByte) {
  const Session& session = shipped_session();
  const std::string original = unzstd(contents_of(DARTBOARD_SESSIONS "/amd-am-boot-copy.jsonl.zst"));
  ASSERT_GT(original.size(), 1'000'000u);
  for (const char* name : {"again.jsonl", "again.jsonl.zst"}) {
    const Exported out = export_to(create_jsonl, name, batch_of(session, true), info_of(session));
    const std::string text = out.path.ends_with(".zst") ? unzstd(out.text) : out.text;
    EXPECT_TRUE(text == original) << name << ": " << text.size() << " bytes, expected " << original.size();
    EXPECT_TRUE(out.left_out.empty());
    const auto description = read_device_description(device_description_path(out.path));
    ASSERT_TRUE(description) << description.error().sentence;
    EXPECT_EQ(*description, session.device);
  }
}

TEST(JsonlExport, WhatTheDeviceDidIsLeftOutAndCounted) {
  const Session& session = shipped_session();
  const Exported out = export_to(create_jsonl, "inferred.jsonl", batch_of(session, false), info_of(session));
  uint64_t left_out = 0;
  for (const RecordCount& c : out.left_out) left_out += c.count;
  EXPECT_GT(left_out, 0u);
  EXPECT_EQ(left_out, session.events.size() - session.requests);
}

TEST(JsonlExport, WritesWhatItsReaderTakes) {
  const Recording r = Recording::small();
  const Exported out = export_to(create_jsonl, "small.jsonl", r.batch, r.info);
  const auto session = read_jsonl(out.path, small_device());
  ASSERT_TRUE(session) << session.error().sentence;
  EXPECT_EQ(session->requests, 8u);
  EXPECT_EQ(count_of(out.left_out, "dma-unmap"), 1u);
  EXPECT_EQ(count_of(out.left_out, "interrupt"), 1u);
  EXPECT_EQ(count_of(out.left_out, "device-dma-write"), 1u);
  EXPECT_EQ(count_of(out.left_out, "mark"), 1u);
  // A map at one address is spelt out by page.
  EXPECT_THAT(out.text, HasSubstr(R"("st": 0, "r0": 16, "r1": 7, "dt": 0, "ret": "00001000000000000010100000000000")"));
}

TEST(JsonlExport, LeavesOutWhatTheProtocolCannotAsk) {
  struct Case {
    const char* what;
    void (*add)(Recording&);
  };
  const Case cases[] = {
      {"another device", [](Recording& r) { r.read(2, 0, 4, 1), r.batch.events.back().device = 1; }},
      {"the ROM", [](Recording& r) { r.read(6, 0, 4, 1); }},
      {"eight bytes of configuration space", [](Recording& r) { r.config_read(0, 8, 1); }},
      {"bytes that were not recorded",
       [](Recording& r) { r.write(2, 0, 4, 1), r.batch.events.back().data = Payload::omitted(4); }},
      {"a map off a page", [](Recording& r) { r.dma_map(1, 0x123, 4096); }},
  };
  for (const Case& c : cases) {
    Recording r;
    c.add(r);
    const Exported out = export_to(create_jsonl, "cannot.jsonl", r.batch, r.info);
    EXPECT_EQ(out.text, "") << c.what;
    ASSERT_EQ(out.left_out.size(), 1u) << c.what;
    EXPECT_EQ(out.left_out[0].count, 1u) << c.what;
  }
}

TEST(JsonlExport, APayloadPolicyIsRefused) {
  WriteOptions options;
  options.payloads = PayloadPolicy::kHash;
  const auto writer = create_jsonl(write_file("policy.jsonl", ""), {}, options);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().name, ErrorName::kBadArgument);
}

TEST(Export, EventsOfWhichNothingIsInTheFileAreCounted) {
  Recording r = Recording::small();
  r.map_bar(2, 0xf0000000, 4096);  // a second time
  r.dma_unmap(7);
  r.add(EventKind::kDmaMap);
  r.reply({5, 0, 0, 0, {}});
  const struct {
    Create create;
    const char* name;
    uint64_t events_left_out;
  } cases[] = {
      {create_csv, "counted.csv", 0},
      {create_chrome, "counted.trace.json", 0},
      {create_perfetto, "counted.pftrace", 0},
      // dma-unmap twice, device-dma-write, interrupt, mark
      {create_jsonl, "counted.jsonl", 5},
      // config-read, config-write, dma-map and dma-unmap twice, device-dma-write, interrupt, reset, the second map-bar
      {create_mmiotrace, "counted.mmiotrace", 10},
      // config-read, config-write, map-bar twice, the write, the read without a round trip, reset, mark, the map that
      // failed, the unmap of nothing
      {create_vcd, "counted.vcd", 10},
  };
  for (const auto& c : cases) {
    const Exported out = export_to(c.create, c.name, r.batch, r.info);
    EXPECT_EQ(out.events_left_out, c.events_left_out) << c.name;
    uint64_t told = 0;
    for (const RecordCount& each : out.left_out) told += each.count;
    EXPECT_EQ(told, c.events_left_out) << c.name;
  }
}

TEST(Export, AFileThatCannotBeCreatedIsAnError) {
  for (const Create create : {create_perfetto, create_chrome, create_csv, create_mmiotrace, create_vcd, create_jsonl}) {
    const auto writer = create("/nonexistent/directory/file", {}, {});
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().name, ErrorName::kFileUnreadable);
  }
}

TEST(Export, AFullDiskIsAnError) {
  Recording r;
  for (unsigned i = 0; i < 20000; ++i) r.write(2, 0, 4, i);
  for (const Create create : {create_perfetto, create_chrome, create_csv, create_mmiotrace, create_vcd, create_jsonl}) {
    auto writer = create("/dev/full", r.info, {});
    ASSERT_TRUE(writer);
    const bool refused = !(*writer)->write(r.batch) || !(*writer)->finish(r.info);
    EXPECT_TRUE(refused);
  }
}

TEST(CsvExport, WritesARowForEveryEvent) {
  const Recording r = Recording::small();
  const Exported out = export_to(create_csv, "small.csv", r.batch, r.info);
  EXPECT_EQ(out.text,
            "event,request,time_ns,device,source,kind,target,address,length,value,status,result0,result1,duration_ns,"
            "data,reply_data\r\n"
            "0,0,1000000,0,guest,config-read,,0x0,4,0x56781234,0,0x56781234,0x0,0,,\r\n"
            "1,1,1001000,0,guest,config-write,,0x10,4,0xe0000000,0,0x0,0x0,0,,\r\n"
            "2,2,1002000,0,guest,map-bar,2,,,,0,0xf0000000,0x1000,0,,\r\n"
            "3,3,1003000,0,guest,dma-map,7,0x0,8192,0x0,0,0x100000,0x7,0,,\r\n"
            "4,4,1004000,0,guest,mmio-read,2,0x10,4,0xcafe,0,0x4,0x0,500,,\r\n"
            "5,5,1005000,0,guest,mmio-write,2,0x20,4,0x1,,,,,,\r\n"
            "6,,1006000,0,device,device-dma-write,7,0x100040,64,0x0,,,,,fill:00x64,\r\n"
            "7,,1007000,0,device,interrupt,MSI-X,,,0x3,,,,,,\r\n"
            "8,6,1008000,0,guest,mmio-read,2,0x14,4,0x0,0,0x4,0x0,0,,\r\n"
            "9,7,1009000,0,guest,dma-unmap,7,,0,,0,0x0,0x0,0,,\r\n"
            "10,8,1010000,0,guest,reset,,,,,0,0x0,0x0,0,,\r\n"
            "11,,1011000,0,recorder,mark,,,,,,,,,\"the end, \"\"really\"\"\",\r\n");
  EXPECT_TRUE(out.left_out.empty());
}

TEST(CsvExport, PayloadsFollowThePolicy) {
  Recording r;
  r.write(0, 0, 4, 1);
  r.batch.events.back().length = 12;
  r.batch.events.back().data = r.copied("hello, world");
  struct Case {
    PayloadPolicy policy;
    std::string data;
  };
  const std::string hash = fmt::format("xxh3:{:016x}", *hash_of(r.batch.events[0].data));
  for (const Case& c : {Case{PayloadPolicy::kFull, "68656c6c6f2c20776f726c64"}, Case{PayloadPolicy::kHash, hash},
                        Case{PayloadPolicy::kNone, "omitted"}}) {
    WriteOptions options;
    options.payloads = c.policy;
    const Exported out = export_to(create_csv, "policy.csv", r.batch, r.info, options);
    EXPECT_THAT(out.text, HasSubstr("," + c.data + ",\r\n")) << to_string(c.policy);
  }
}

TEST(CsvExport, AFillHasTheHashOfItsBytes) {
  const std::string bytes(10000, 'x');
  EXPECT_EQ(hash_of(Payload::filled(std::byte{'x'}, bytes.size())),
            hash_of(Payload::of(std::as_bytes(std::span(bytes)))));
  EXPECT_EQ(hash_of(Payload::omitted(7)), std::nullopt);
}

TEST(CsvExport, ARecordingWithoutTimesHasNone) {
  Recording r;
  r.info.clock = Clock::kNone;
  r.read(2, 0, 4, 1);
  EXPECT_THAT(export_to(create_csv, "notime.csv", r.batch, r.info).text, HasSubstr("\r\n0,0,,0,guest,mmio-read"));
}

TEST(MmiotraceExport, WritesTheLinesOfTheKernel) {
  const Recording r = Recording::small();
  const Exported out = export_to(create_mmiotrace, "small.mmiotrace", r.batch, r.info);
  EXPECT_EQ(out.text,
            "VERSION 20070824\n"
            "PCIDEV 0100 12345678 0 1000000000c 0 f0000000 0 0 80000000 0 10000 0 1000 0 0 2000 0 \n"
            "MARK 0.001002 Dartboard: device 0 BAR 0 is at 0x10000000000 for this file only; the recording does not "
            "tell its address.\n"
            "MARK 0.001002 Dartboard: device 0 BAR 5 is at 0x80000000 for this file only; the recording does not "
            "tell its address.\n"
            "MAP 0.001002 1 0xf0000000 0xf0000000 0x1000 0x0 0\n"
            "R 4 0.001004 1 0xf0000010 0xcafe 0x0 0\n"
            "W 4 0.001005 1 0xf0000020 0x1 0x0 0\n"
            "R 4 0.001008 1 0xf0000014 0x0 0x0 0\n"
            "MARK 0.001011 the end, \"really\"\n"
            "UNMAP 0.001011 1 0x0 0\n");
  for (const char* name :
       {"config-read", "config-write", "dma-map", "dma-unmap", "device-dma-write", "interrupt", "reset"}) {
    EXPECT_EQ(count_of(out.left_out, name), 1u) << name;
  }
}

TEST(MmiotraceExport, ABarStandsWhereItsRegisterWasWritten) {
  Recording r;
  r.config_write(0x10, 4, 0xffffffff);  // asks for the size
  r.config_write(0x14, 4, 0xffffffff);
  r.config_write(0x10, 4, 0xe0000000);
  r.config_write(0x14, 4, 0x2);
  r.config_write(0x18, 4, 0xd0000000);
  r.write(0, 0x40, 8, 0x1122334455667788);
  r.write(2, 0x40, 2, 0x7788);
  const Exported out = export_to(create_mmiotrace, "registers.mmiotrace", r.batch, r.info);
  EXPECT_THAT(out.text, HasSubstr("W 8 0.001005 1 0x2e0000040 0x1122334455667788 0x0 0\n"));
  EXPECT_THAT(out.text, HasSubstr("W 2 0.001006 2 0xd0000040 0x7788 0x0 0\n"));
}

TEST(MmiotraceExport, LongAccessesAreTakenApartAndVeryLongOnesCounted) {
  Recording r;
  r.map_bar(0, 0x100000, 65536);
  r.write(0, 0x4, 4, 0);
  r.batch.events.back().data = Payload::filled(std::byte{0xab}, 14);
  r.write(0, 0, 4, 0);
  r.batch.events.back().data = Payload::filled(std::byte{0}, 4097);
  const Exported out = export_to(create_mmiotrace, "long.mmiotrace", r.batch, r.info);
  EXPECT_THAT(out.text, HasSubstr("W 4 0.001001 1 0x100004 0xabababab 0x0 0\n"
                                  "W 8 0.001001 1 0x100008 0xabababababababab 0x0 0\n"
                                  "W 2 0.001001 1 0x100010 0xabab 0x0 0\nUNMAP"));
  EXPECT_EQ(count_of(out.left_out, "mmio-write"), 1u);
}

TEST(MmiotraceExport, LossesAreTold) {
  Recording r;
  r.info.dropped_events = 12;
  EXPECT_THAT(export_to(create_mmiotrace, "lossy.mmiotrace", r.batch, r.info).text,
              testing::EndsWith("MARK 0.000000 Lost 12 events.\n"));
}

TEST(VcdExport, ShowsInterruptsDmaAndReadsUnderWay) {
  const Recording r = Recording::small();
  const Exported out = export_to(create_vcd, "small.vcd", r.batch, r.info);
  EXPECT_EQ(out.text,
            "$comment Dartboard; time 0 is 1000000 ns of the recording (monotonic clock) $end\n"
            "$timescale 1 ns $end\n"
            "$scope module device0_0000_01_00_0 $end\n"
            "$var wire 1 ! irq $end\n"
            "$var wire 16 \" irq_vector $end\n"
            "$var wire 1 # dma $end\n"
            "$var wire 1 $ busy $end\n"
            "$var wire 64 % mapped_bytes $end\n"
            "$upscope $end\n"
            "$enddefinitions $end\n"
            "#0\n$dumpvars\n0!\nb0 \"\n0#\n0$\nb0 %\n$end\n"
            "#3000\nb10000000000000 %\n"
            "#4000\n1$\n"
            "#4500\n0$\n"
            "#6000\n1#\n"
            "#7000\n0#\n1!\nb11 \"\n"
            "#8000\n0!\n"
            "#9000\nb0 %\n");
  EXPECT_EQ(count_of(out.left_out, "mark"), 1u);
}

TEST(VcdExport, TimeNeverGoesBack) {
  Recording r;
  r.interrupt(IrqKind::kMsi, 0);
  r.read(2, 0, 4, 0, 5000);
  r.interrupt(IrqKind::kMsi, 1);
  r.batch.events.back().time_ns = 5;
  r.interrupt(IrqKind::kMsi, 2);
  r.read(2, 0, 4, 0, UINT64_MAX);
  const Exported out = export_to(create_vcd, "back.vcd", r.batch, r.info);
  uint64_t latest = 0;
  for (size_t at = out.text.find("\n#"); at != std::string::npos; at = out.text.find("\n#", at + 1)) {
    const uint64_t time = std::stoull(out.text.substr(at + 2));
    EXPECT_GE(time, latest);
    latest = time;
  }
  EXPECT_EQ(count_of(out.left_out, "time"), 1u);
}

TEST(ChromeExport, IsJsonWithTheTracksInOrder) {
  const Recording r = Recording::small();
  const Exported out = export_to(create_chrome, "small.trace.json", r.batch, r.info);
  const auto root = nlohmann::json::parse(out.text);
  std::map<std::string, unsigned> phases;
  std::map<std::string, int> order;
  for (const auto& event : root["traceEvents"]) {
    ++phases[event["ph"].get<std::string>()];
    if (event["name"] == "thread_name") order[event["args"]["name"]] = event["tid"];
    if (event["name"] == "process_name") {
      EXPECT_EQ(event["args"]["name"], "0000:01:00.0 1234:5678");
    }
  }
  EXPECT_LT(order.at("config"), order.at("BAR2"));
  EXPECT_LT(order.at("BAR2"), order.at("DMA maps"));
  EXPECT_LT(order.at("DMA maps"), order.at("resets and marks"));
  EXPECT_EQ(phases["X"], 1u);  // the read with a duration
  EXPECT_EQ(phases["b"], 1u);
  EXPECT_EQ(phases["e"], 1u);
  EXPECT_EQ(phases["s"], 1u);
  EXPECT_EQ(phases["t"], 1u);
  EXPECT_EQ(phases["f"], 1u);
  EXPECT_EQ(root["otherData"]["base_ns"], "1000000");
}

}  // namespace
}  // namespace dartboard::traces
