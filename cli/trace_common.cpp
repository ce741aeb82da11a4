// cli/trace_common.cpp - see trace_common.h.
#include "cli/trace_common.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/whole_number.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;
using traces::FilterSpec;
using traces::NumberRange;

constexpr uint64_t kRedrawNs = 50'000'000;

std::string format_list() {
  std::string list;
  for (const traces::Format& format : traces::formats()) {
    if (format.open != nullptr) list += (list.empty() ? "" : ", ") + std::string(format.name);
  }
  return list;
}

std::string range_text(const NumberRange& range, bool hexadecimal) {
  const auto number = [&](uint64_t value) { return hexadecimal ? fmt::format("{:#x}", value) : with_commas(value); };
  if (range.last == UINT64_MAX) return number(range.first) + " on";
  return range.first == range.last ? number(range.first) : number(range.first) + " to " + number(range.last);
}

}  // namespace

void add_input(CLI::App& command, TraceInput* input, const char* json_help) {
  command.add_option("FILE", input->file, "The trace, in any format that can be read")->required();
  command.add_option("--from", input->from, "Its format, if the content does not tell: " + format_list());
  command.add_option("--device-description", input->device,
                     "What the device is, for formats that do not say (default: FILE.device.json beside it)");
  command.add_option("--event-names", input->event_names,
                     "For simpletrace before version 4: the trace-events-all of the QEMU that wrote it");
  command.add_flag("--json", input->json, json_help);
  command.add_flag("-q,--quiet", input->quiet, "No progress");
}

void add_names(CLI::App& command, NamesOptions* options) {
  auto* const names = command.add_option(
      "--names", options->file, "Names of registers (docs/register-names.md; default: FILE.names.json beside it)");
  command.add_flag("--no-names", options->none, "No names, even if there are some beside the trace")->excludes(names);
}

void add_filter(CLI::App& command, FilterOptions* o) {
  const std::string group = "Which events (all that are given must hold)";
  command.add_option("--bar", o->bars, "Accesses of these: 0 to 5, rom or config")->group(group);
  command.add_option("--offset", o->offsets, "Accesses that touch these bytes: 0x100-0x1ff, 0x100+16, 0x100-, 0x100")
      ->group(group);
  command.add_option("--reg", o->registers, "Registers by name, with * and ?: 'PSP_*'")->group(group);
  auto* const reads = command.add_flag("--reads", o->reads, "Only what was read")->group(group);
  command.add_flag("--writes", o->writes, "Only what was written")->group(group)->excludes(reads);
  command.add_option("--kind", o->kinds, "Kinds of events: mmio-read, dma-map, interrupt, mark ...")->group(group);
  command.add_option("--value", o->value, "Accesses with this value (after --mask)")->group(group);
  command.add_option("--mask", o->mask, "Bits of the value that count for --value")->group(group);
  command.add_option("--events", o->events, "By number, from 0: 100-200, 100-, -200, 100+50")->group(group);
  command.add_option("--time", o->time, "Since the first event: 1.5s-2s, 100ms-, 2us+10us")->group(group);
  command.add_option("--dev", o->devices, "Devices by index, in a trace of several")
      ->transform(whole_number())
      ->group(group);
  command.add_flag("--invert", o->invert, "What does not match (--events and --time hold as they are)")->group(group);
}

Result<FilterSpec> filter_spec(const FilterOptions& o) {
  FilterSpec spec;
  for (const std::string& text : o.bars) {
    const auto space = traces::parse_space(text);
    if (!space) {
      return fail(ErrorName::kBadArgument,
                  fmt::format("--bar '{}': expected 0 to 5, rom or config", traces::printable(text, 40)));
    }
    spec.spaces.push_back(*space);
  }
  for (const std::string& text : o.offsets) {
    const auto range = traces::parse_range(text, "--offset");
    if (!range) return tl::unexpected(range.error());
    spec.offsets.push_back(*range);
  }
  for (const std::string& text : o.kinds) {
    const auto kind = traces::parse_kind(text);
    if (!kind) return tl::unexpected(kind.error());
    spec.kinds.push_back(*kind);
  }
  for (const auto& [text, option, to] :
       {std::tuple(&o.value, "--value", &spec.value), std::tuple(&o.mask, "--mask", &spec.mask)}) {
    if (text->empty()) continue;
    *to = traces::parse_number(*text);
    if (*to) continue;
    return fail(ErrorName::kBadArgument,
                fmt::format("{} '{}': expected a number, decimal or 0x", option, traces::printable(*text, 40)));
  }
  if (spec.mask && !spec.value)
    return fail(ErrorName::kBadArgument, "--mask says which bits count for --value: give both");
  if (spec.mask && (*spec.value & ~*spec.mask) != 0) {
    return fail(ErrorName::kBadArgument, "--value has bits outside --mask, so nothing can match");
  }
  if (!o.events.empty()) {
    const auto range = traces::parse_range(o.events, "--events");
    if (!range) return tl::unexpected(range.error());
    spec.events = *range;
  }
  if (!o.time.empty()) {
    const auto range = traces::parse_time_range(o.time);
    if (!range) return tl::unexpected(range.error());
    spec.times_ns = *range;
  }
  if (o.invert && o.bars.empty() && o.offsets.empty() && o.registers.empty() && o.kinds.empty() && o.devices.empty() &&
      !o.reads && !o.writes && !spec.value) {
    return fail(
        ErrorName::kBadArgument,
        "--invert is for what does not match, and there is nothing to match: give --bar, --kind or another of them "
        "(--events and --time hold as they are)");
  }
  spec.registers = o.registers;
  spec.devices = o.devices;
  if (o.reads) spec.direction = traces::Direction::kRead;
  if (o.writes) spec.direction = traces::Direction::kWrite;
  spec.invert = o.invert;
  return spec;
}

std::string describe(const FilterSpec& spec) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (spec.events.first != 0 || spec.events.last != UINT64_MAX) add("events " + range_text(spec.events, false));
  if (spec.times_ns.first != 0 || spec.times_ns.last != UINT64_MAX) {
    add(fmt::format("time {} to {}", duration_text(spec.times_ns.first),
                    spec.times_ns.last == UINT64_MAX ? "the end" : duration_text(spec.times_ns.last)));
  }
  if (spec.invert) add("not matching");
  for (const uint64_t device : spec.devices) add(fmt::format("device {}", device));
  for (const uint32_t space : spec.spaces) add(traces::space_name(space));
  for (const NumberRange& range : spec.offsets) add("offsets " + range_text(range, true));
  for (const std::string& name : spec.registers) add("registers " + traces::printable(name, 60));
  for (const traces::EventKind kind : spec.kinds) add("kind " + std::string(traces::to_string(kind)));
  if (spec.direction) add(*spec.direction == traces::Direction::kRead ? "reads" : "writes");
  if (spec.value) add(fmt::format("value {:#x}", *spec.value));
  if (spec.mask) add(fmt::format("mask {:#x}", *spec.mask));
  return out.empty() ? "everything" : out;
}

Result<std::unique_ptr<traces::EventReader>> open_input(const TraceInput& input) {
  traces::ReadOptions options;
  options.device_description = input.device;
  options.event_names = input.event_names;
  return traces::open_trace(input.file, input.from, options);
}

Result<std::optional<traces::RegisterNames>> load_names(const NamesOptions& options, const std::string& trace) {
  using Names = std::optional<traces::RegisterNames>;
  if (options.none) return Names();
  std::vector<std::string> places = {options.file};
  if (options.file.empty()) {
    // Beside the trace, as its .device.json is; and by the name without its last suffix.
    constexpr std::string_view kDevice = ".device.json";
    std::string beside = traces::device_description_path(trace);
    beside.resize(beside.size() - kDevice.size());
    places = {beside + ".names.json", std::filesystem::path(trace).replace_extension(".names.json").string()};
    std::erase_if(places, [](const std::string& path) {
      std::error_code ignored;
      return !std::filesystem::is_regular_file(path, ignored);
    });
    if (places.empty()) return Names();
  }
  auto names = traces::read_register_names(places.front());
  if (!names) return tl::unexpected(names.error());
  return Names(std::move(*names));
}

EventProgress::EventProgress(std::string what, bool quiet)
    : what_(std::move(what)), active_(!quiet && is_terminal(stderr)) {}

EventProgress::~EventProgress() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
}

void EventProgress::update(uint64_t events) {
  if (!active_) return;
  const uint64_t now = wall_clock_ns();
  if (now - last_ns_ < kRedrawNs) return;
  last_ns_ = now;
  drawn_ = true;
  fmt::print(stderr, "\r{}  {} events", what_, with_commas(events));
  std::fflush(stderr);
}

Result<void> read_all(traces::EventReader& reader, const TraceInput& input,
                      const std::function<void(const traces::EventBatch&)>& take) {
  EventProgress progress("reading " + input.file, input.quiet);
  traces::EventBatch batch;
  uint64_t events = 0;
  for (;;) {
    const auto more = reader.next(&batch);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return {};
    take(batch);
    progress.update(events += batch.events.size());
  }
}

Result<void> devices_are_there(const std::string& file, const FilterSpec& spec, const traces::TraceInfo& info) {
  for (const uint64_t device : spec.devices) {
    if (device < info.devices.size()) continue;
    return fail(ErrorName::kNotFound, info.devices.size() == 1
                                          ? fmt::format("{}: has no device {}; its only one is number 0", file, device)
                                          : fmt::format("{}: has no device {}; its {} devices are numbered from 0",
                                                        file, device, info.devices.size()));
  }
  return {};
}

void warn(const std::string& file, std::string_view sentence) {
  // What a reader says of its file often names it already.
  const std::string prefix = sentence.starts_with(file + ":") ? "" : file + ": ";
  print_error_line(fmt::format("{} {}{}{}", Style(stderr).note("dartboard: warning:"), prefix, sentence,
                               sentence.ends_with('.') ? "" : "."));
}

void warn_no_match(const std::string& file, const FilterSpec& spec, const traces::FilteredReader& filtered) {
  if (filtered.seen() == 0 && !filtered.stopped_early()) return warn(file, "has no events");
  warn(file, fmt::format("no event matches: {}; {} events were looked at{}", describe(spec),
                         with_commas(filtered.seen()), filtered.stopped_early() ? ", and none behind can match" : ""));
}

void warn_about(const std::string& file, const traces::ReadReport& report, const traces::TraceInfo& info) {
  for (const std::string& text : report.warnings) warn(file, text);
  if (report.truncated && report.warnings.empty()) warn(file, "the file ends early; what stood before was read");
  if (report.unknown != 0) {
    warn(file, fmt::format("{} of {} records were not understood; 'dartboard trace info' shows the first",
                           with_commas(report.unknown), with_commas(report.records)));
  }
  if (info.lossy) {
    warn(file, info.dropped_events == 0
                   ? "the recording misses events"
                   : fmt::format("the recording misses {} events", with_commas(info.dropped_events)));
  }
}

void print_json(const Json& json) {
  print_json(stdout, json);
}

void print_json(std::FILE* to, const Json& json) {
  fmt::print(to, "{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

Json to_json(const traces::ReadReport& report) {
  Json kinds = Json::array();
  for (const traces::RecordCount& kind : report.kinds) {
    kinds.push_back({{"name", kind.name}, {"count", kind.count}});
    if (!kind.why.empty()) kinds.back()["why_not"] = kind.why;
  }
  Json unknown = Json::array();
  for (const auto& [number, text] : report.first_unknown) unknown.push_back({{"record", number}, {"text", text}});
  return {{"records", report.records}, {"kinds", std::move(kinds)},   {"unknown", report.unknown},
          {"first_unknown", unknown},  {"warnings", report.warnings}, {"truncated", report.truncated}};
}

Json to_json(const traces::TraceInfo& info) {
  Json devices = Json::array();
  for (const traces::TraceDevice& device : info.devices) {
    // Its own document, as --device-description takes it.
    Json description = Json::parse(traces::format_device_description(device.description), nullptr, false);
    devices.push_back({{"address", device.address}, {"description", std::move(description)}});
  }
  return {{"source", info.source},
          {"profile", info.profile},
          {"clock", traces::to_string(info.clock)},
          {"payloads", traces::to_string(info.payloads)},
          {"lossy", info.lossy},
          {"dropped_events", info.dropped_events},
          {"dropped_bytes", info.dropped_bytes},
          {"devices", std::move(devices)},
          {"notes", info.notes}};
}

std::string place_text(const traces::Event& event, const traces::Named& named, const traces::RegisterNames* names) {
  const uint32_t space = traces::space_of(event);
  std::string out;
  if (space != traces::kNoSpace) {
    out = fmt::format("{}+{:#x}", traces::space_name(space), event.address);
    if (named) out += " " + named.text();
    return out;
  }
  switch (event.kind) {
    case traces::EventKind::kDmaMap:
    case traces::EventKind::kDmaUnmap: out = fmt::format("DMA#{} of {}", event.target, bytes_text(event.length)); break;
    case traces::EventKind::kHostRead:
    case traces::EventKind::kHostWrite: out = fmt::format("DMA#{}+{:#x}", event.target, event.address); break;
    case traces::EventKind::kDeviceDmaRead:
    case traces::EventKind::kDeviceDmaWrite: out = fmt::format("DMA#{}+{:#x}", event.target, event.value); break;
    case traces::EventKind::kMapBar:
    case traces::EventKind::kResizeBar: return fmt::format("BAR{}", event.target);
    case traces::EventKind::kInterrupt:
    case traces::EventKind::kIrqSetup:
      return fmt::format("{} vector {}",
                         traces::to_string(static_cast<traces::IrqKind>(std::min<uint32_t>(event.target, 4))),
                         event.kind == traces::EventKind::kInterrupt ? event.value : event.address);
    default: return "";
  }
  if (names != nullptr && !names->memory_name(event.target).empty()) {
    out += " " + std::string(names->memory_name(event.target));
  }
  return out;
}

}  // namespace dartboard::cli
