// cli/trace_common.h - what the trace commands share: their options, opening files, names of registers, progress,
// warnings.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "cli/exit_code.h"
#include "traces/event_stream.h"
#include "traces/formats.h"
#include "traces/tools/filter.h"
#include "traces/tools/names.h"

namespace CLI {
class App;
}

namespace dartboard::cli {

/// One trace to read.
struct TraceInput {
  std::string file;
  std::string from;    ///< format; empty: by content
  std::string device;  ///< its .device.json; empty: the one beside it
  std::string event_names;  ///< trace-events-all, for simpletrace before version 4
  bool quiet = false;
  bool json = false;
};
/// FILE, --from, --device-description, --event-names, -q and --json.
void add_input(CLI::App& command, TraceInput* input, const char* json_help);

struct NamesOptions {
  std::string file;  ///< empty: FILE.names.json beside the trace, if there is one
  bool none = false;
};
void add_names(CLI::App& command, NamesOptions* options);

/// The options of a filter as they were written.
struct FilterOptions {
  std::vector<std::string> bars, offsets, registers, kinds;
  std::vector<uint64_t> devices;
  std::string value, mask, events, time;
  bool reads = false, writes = false, invert = false;
};
void add_filter(CLI::App& command, FilterOptions* options);
Result<traces::FilterSpec> filter_spec(const FilterOptions& options);
/// "BAR5, offsets 0x0 to 0xff, writes" for notes and reports.
std::string describe(const traces::FilterSpec& spec);

Result<std::unique_ptr<traces::EventReader>> open_input(const TraceInput& input);
/// None where no names were asked for and none lie beside `trace`.
Result<std::optional<traces::RegisterNames>> load_names(const NamesOptions& options, const std::string& trace);

/// "reading FILE  12,345,678 events" on standard error, on a terminal only; taken away at the end.
class EventProgress {
 public:
  EventProgress(std::string what, bool quiet);
  ~EventProgress();
  EventProgress(const EventProgress&) = delete;
  EventProgress& operator=(const EventProgress&) = delete;
  void update(uint64_t events);  ///< draws at most every 50 ms

 private:
  std::string what_;
  bool active_;
  bool drawn_ = false;
  uint64_t last_ns_ = 0;
};

/// All of `reader`, the trace of `input`, a batch at a time, with progress.
Result<void> read_all(traces::EventReader& reader, const TraceInput& input,
                      const std::function<void(const traces::EventBatch&)>& take);

/// kNotFound: `spec` asks for a device by a number that none has. To be asked at the end: some formats name devices as
/// they go.
Result<void> devices_are_there(const std::string& file, const traces::FilterSpec& spec, const traces::TraceInfo& info);

/// "dartboard: warning: FILE: SENTENCE." on standard error.
void warn(const std::string& file, std::string_view sentence);
/// That no event matched, and what was asked for.
void warn_no_match(const std::string& file, const traces::FilterSpec& spec, const traces::FilteredReader& filtered);
/// Losses, truncation and what was not understood, as warnings on standard error.
void warn_about(const std::string& file, const traces::ReadReport& report, const traces::TraceInfo& info);

/// What a command prints for programs.
void print_json(const nlohmann::ordered_json& json);
void print_json(std::FILE* to, const nlohmann::ordered_json& json);
nlohmann::ordered_json to_json(const traces::ReadReport& report);
nlohmann::ordered_json to_json(const traces::TraceInfo& info);

/// "BAR5+0x58a68 SMU_STATUS" or "DMA#3+0x10 ring": where an event goes, in few words.
std::string place_text(const traces::Event& event, const traces::Named& named, const traces::RegisterNames* names);

// One for each command.
void add_trace_info(CLI::App& trace, std::function<ExitCode()>* chosen);
void add_trace_stat(CLI::App& trace, std::function<ExitCode()>* chosen);
void add_trace_dump(CLI::App& trace, std::function<ExitCode()>* chosen);
void add_trace_grep(CLI::App& trace, std::function<ExitCode()>* chosen);
void add_trace_cut(CLI::App& trace, std::function<ExitCode()>* chosen);
void add_trace_convert(CLI::App& trace, std::function<ExitCode()>* chosen);
void add_trace_diff(CLI::App& trace, std::function<ExitCode()>* chosen);

}  // namespace dartboard::cli
