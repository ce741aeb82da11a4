// traces/export/exporters.h - writers for the formats of other tools. What each keeps stands beside its file.
//
//   perfetto   .pftrace     timeline for ui.perfetto.dev (timeline.h says which track shows what)
//   chrome     .trace.json  the same timeline for chrome://tracing, Speedscope and others
//   csv        .csv         a row for every event, nothing left out
//   mmiotrace  .mmiotrace   Linux's text format: accesses to BARs, maps and marks
//   vcd        .vcd         a few signals of each device for GTKWave or Surfer
//   jsonl      .jsonl(.zst) requests and replies of the TinyGPU protocol, with FILE.device.json beside it
//
// Each takes what it cannot carry out and counts it: EventWriter::left_out(). None grows with the trace. A recording
// without times gets one microsecond an event where the format cannot do without, and says so in the file.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::traces {

/// All of them create or replace `path`: kFileUnreadable when the system refuses.
Result<std::unique_ptr<EventWriter>> create_perfetto(const std::string& path, const TraceInfo& info,
                                                     const WriteOptions& options);
Result<std::unique_ptr<EventWriter>> create_chrome(const std::string& path, const TraceInfo& info,
                                                   const WriteOptions& options);
Result<std::unique_ptr<EventWriter>> create_csv(const std::string& path, const TraceInfo& info,
                                                const WriteOptions& options);
Result<std::unique_ptr<EventWriter>> create_mmiotrace(const std::string& path, const TraceInfo& info,
                                                      const WriteOptions& options);
Result<std::unique_ptr<EventWriter>> create_vcd(const std::string& path, const TraceInfo& info,
                                                const WriteOptions& options);
/// Compressed when `path` ends in ".zst". kBadArgument for a payload policy other than full: the protocol's requests
/// and replies carry their bytes.
Result<std::unique_ptr<EventWriter>> create_jsonl(const std::string& path, const TraceInfo& info,
                                                  const WriteOptions& options);

}  // namespace dartboard::traces
