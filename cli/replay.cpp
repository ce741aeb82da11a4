// cli/replay.cpp - `dartboard replay`: the main job.
#include <charconv>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/replay_report.h"
#include "cli/replay_target.h"
#include "cli/replay_trace.h"
#include "cli/summary.h"
#include "cli/trace_common.h"
#include "cli/trace_copy.h"
#include "cli/world.h"

namespace dartboard::cli {

namespace {

/// Long enough for what a trapping recorder hides: devices were seen to need 242 us where their driver did not wait.
constexpr uint64_t kGapMinNs = 250'000;

struct Unit {
  std::string_view name;
  uint64_t ns;
};
constexpr Unit kUnits[] = {{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};

Error bad(std::string sentence) {
  return Error{ErrorName::kBadArgument, io_return::kBadArgument, std::move(sentence)};
}

/// A whole number with or without a unit of time.
std::optional<traces::ReplayPoint> parse_point(std::string_view text) {
  traces::ReplayPoint point;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), point.value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  point.unit = traces::ReplayPoint::Unit::kRequest;
  if (unit.empty()) return point;
  for (const Unit& known : kUnits) {
    if (known.name != unit || point.value > UINT64_MAX / known.ns) continue;
    point.unit = traces::ReplayPoint::Unit::kTime;
    point.value *= known.ns;
    return point;
  }
  return std::nullopt;
}

Result<void> parse_gap(const std::string& text, traces::ReplayOptions* out) {
  if (text == "none") return {};
  if (text == "recorded") {
    out->gap = traces::GapMode::kRecorded;
    return {};
  }
  out->gap = traces::GapMode::kMin;
  out->gap_ns = kGapMinNs;
  if (text == "min") return {};
  if (text.starts_with("min:")) {
    const auto point = parse_point(std::string_view(text).substr(4));
    if (point && point->unit == traces::ReplayPoint::Unit::kTime) {
      out->gap_ns = point->value;
      return {};
    }
  }
  return tl::unexpected(
      bad(fmt::format("--gap '{:.40}': expected none, recorded, min or min:TIME, such as min:10us", text)));
}

Result<traces::ReplayOptions> driver_options(const ReplayOptions& options) {
  traces::ReplayOptions out;
  if (auto gap = parse_gap(options.gap, &out); !gap) return tl::unexpected(gap.error());
  for (const auto& [name, text, point] :
       {std::tuple{"--from", &options.from, &out.from}, std::tuple{"--until", &options.until, &out.until}}) {
    if (text->empty()) continue;
    const auto parsed = parse_point(*text);
    if (!parsed) {
      return tl::unexpected(
          bad(fmt::format("{} '{:.40}': expected the number of a request, or a time since the first "
                          "one with its unit (ns, us, ms, s), such as 20ms",
                          name, *text)));
    }
    *point = *parsed;
  }
  if (out.from.unit == out.until.unit && out.from.unit != traces::ReplayPoint::Unit::kNowhere &&
      out.from.value >= out.until.value) {
    return tl::unexpected(bad(fmt::format("--from {} does not lie before --until {}: nothing would be compared",
                                          options.from, options.until)));
  }
  out.stop_on_divergence = options.stop_on_divergence;
  out.by_register = options.mode == "registers";
  return out;
}

Result<DeviceChoice> device_choice(const ReplayOptions& options) {
  DeviceChoice choice;
  choice.address = options.device_address;
  if (options.device_index.empty()) return choice;
  const auto parsed = parse_point(options.device_index);
  if (!parsed || parsed->unit != traces::ReplayPoint::Unit::kRequest || parsed->value > UINT16_MAX) {
    return tl::unexpected(bad(fmt::format("--device-index '{:.40}': expected a number, from 0", options.device_index)));
  }
  choice.index = static_cast<uint32_t>(parsed->value);
  return choice;
}

Result<WorldChoice> world_choice(const ReplayOptions& options) {
  auto choice = parse_world(options.dext, kReplayProfile);
  if (!choice || options.device.empty()) return choice;
  if (choice->kind != WorldChoice::Kind::kSim) {
    return tl::unexpected(
        bad("--device puts a device into the slot of a simulated Mac: leave it out, or use --dext sim"));
  }
  if (!options.device_session.empty()) {
    return tl::unexpected(bad("--device and --device-session both name the device's side: give one of them"));
  }
  if (options.mode != "strict") {
    return tl::unexpected(bad("--device answers by itself, and --mode says how a recording answers: give one of them"));
  }
  choice->endpoint = options.device;
  choice->storage = options.storage;
  return choice;
}

ExitCode finish(const ReplaySummary& summary, bool json) {
  if (json) {
    fmt::print("{}\n", to_json(summary));
  } else {
    print_text(summary, stdout);
  }
  ExitCode code = summary.report.divergences == 0 ? ExitCode::kOk : ExitCode::kDivergence;
  if (summary.panic) code = ExitCode::kHostPanic;
  return summary.recorded ? summary.recorded->exit_code(code) : code;
}

/// Requests that a replay which ended early did not reach.
uint64_t count_rest(traces::EventReader& reader) {
  traces::EventBatch batch;
  uint64_t requests = 0;
  for (;;) {
    const auto more = reader.next(&batch);
    if (!more || !*more) return requests;
    for (const traces::Event& event : batch.events) requests += event.is_request() ? 1 : 0;
  }
}

/// Everything of a replay that is read or built before the first request, and can be again.
class Run {
 public:
  Run(World& world, ReplayTrace& guest, ReplayTrace* other, traces::RegisterBook* book, const ReplayOptions& options,
      traces::ReplayOptions replay_options, ReplaySummary* summary)
      : world_(world),
        guest_(guest),
        other_(other),
        book_(book),
        options_(options),
        replay_options_(std::move(replay_options)),
        summary_(*summary) {}

  /// Replays from power-on. An error is a reason why nothing could be tried.
  Result<void> from_power_on(bool rebase) {
    replay_options_.rebase = rebase;
    summary_.iova = rebase ? "rebase" : "recorded";
    auto guest_reader = guest_.read();
    if (!guest_reader) return tl::unexpected(guest_reader.error());
    std::unique_ptr<traces::EventReader> device_reader;
    if (other_ != nullptr) {
      auto reader = other_->read();
      if (!reader) return tl::unexpected(reader.error());
      device_reader = std::move(*reader);
    }
    const ReplayTrace& device_side = other_ != nullptr ? *other_ : guest_;
    const traces::DeviceDescription& recorded = device_side.device().description;
    const RecordedSide side{&recorded, device_side.path(), !rebase, book_};
    if (auto powered = world_.power_on(&side); !powered) return powered;
    MachineReplayTarget::Options target_options;
    target_options.keep_memory_space = !options_.device.empty() && !recorded.memory_decode_gated_by_command;
    target_options.recorded = &recorded;
    target_options.rebase = rebase;
    auto recording = Recording::make(options_.record, world_);
    if (!recording) return tl::unexpected(recording.error());
    auto target = MachineReplayTarget::open(world_, target_options);
    if (!target) return tl::unexpected(target.error());
    {
      Progress progress("replaying", guest_.requests().value_or(0), options_.quiet || options_.json);
      replay_options_.progress = [&](uint64_t done) { progress.update(done); };
      const uint64_t from_ns = wall_clock_ns();
      summary_.report =
          traces::replay(**guest_reader, device_reader.get(), cli::recorded(world_, **target), replay_options_);
      summary_.recorded = cli::finish(*recording);
      summary_.wall_ns = wall_clock_ns() - from_ns;
    }
    summary_.counters = world_.counters();
    summary_.panic = world_.host_panic();
    summary_.notes = summary_.description.notes;
    for (const auto& more : {world_.notes(), (*target)->notes(), guest_.info().notes}) {
      summary_.notes.insert(summary_.notes.end(), more.begin(), more.end());
    }
    summary_.requests_recorded = guest_.requests();
    if (!summary_.requests_recorded && summary_.report.ended_by.empty()) {
      summary_.requests_recorded =
          summary_.report.requests + (summary_.report.stopped ? count_rest(**guest_reader) : 0);
    }
    if (summary_.report.ended_by.empty() && !summary_.report.stopped) {
      for (const auto* reader : {guest_reader->get(), device_reader.get()}) {
        if (reader == nullptr) continue;
        const traces::ReadReport& read = reader->report();
        if (read.truncated) return tl::unexpected(truncated(read));
        summary_.notes.insert(summary_.notes.end(), read.warnings.begin(), read.warnings.end());
      }
    }
    return {};
  }

  /// A verdict about half a recording would be taken for one about all of it.
  Error truncated(const traces::ReadReport& read) const {
    const std::string what = read.warnings.empty() ? guest_.path() + ": is truncated" : read.warnings.front();
    const uint64_t whole = summary_.report.requests;
    const std::string rest =
        whole == 0 ? "No request before it is whole"
                   : fmt::format("The {} requests before it had {} divergences; --until {} replays them alone", whole,
                                 summary_.report.divergences, whole);
    return Error{ErrorName::kFileCorrupt, io_return::kSuccess,
                 fmt::format("{}{} {}", what, what.ends_with('.') ? "" : ".", rest)};
  }

  /// No page at all could be put where it was.
  bool nothing_placed() const {
    const auto& stopped = summary_.report.stopped;
    return stopped && stopped->name == ErrorName::kPlacement && summary_.counters.mappings_peak == 0 &&
           guest_.can_be_read_again() && (other_ == nullptr || other_->can_be_read_again());
  }

 private:
  World& world_;
  ReplayTrace& guest_;
  ReplayTrace* const other_;
  traces::RegisterBook* const book_;
  const ReplayOptions& options_;
  traces::ReplayOptions replay_options_;
  ReplaySummary& summary_;
};

}  // namespace

ExitCode run_replay(const ReplayOptions& options) {
  // Everything that can be wrong with the input is found before anything is powered on.
  const auto choice = world_choice(options);
  if (!choice) return report(choice.error());
  const auto replay_options = driver_options(options);
  if (!replay_options) return report(replay_options.error());
  const auto which = device_choice(options);
  if (!which) return report(which.error());
  for (const std::string& in : {options.file, options.device_session}) {
    for (const std::string& out : {options.report, options.record.file}) {
      if (auto other = not_the_same_file(in, out); !other) return report(other.error());
    }
  }
  if (!options.report.empty() && options.report == options.record.file) {
    return report(bad("--report and --record name the same file: give each its own"));
  }
  auto world = make_world(*choice);
  if (!world) return report(world.error());

  const uint64_t reading_from_ns = wall_clock_ns();
  const bool learns = replay_options->by_register;
  auto guest = ReplayTrace::open(options.file, *which, learns && options.device_session.empty());
  if (!guest) return report(guest.error());
  std::optional<ReplayTrace> other;
  if (!options.device_session.empty()) {
    auto opened = ReplayTrace::open(options.device_session, *which, learns);
    if (!opened) return report(opened.error());
    other.emplace(std::move(*opened));
  }
  std::unique_ptr<traces::RegisterBook> book;
  if (learns) {
    auto learned = (other ? *other : *guest).learn();
    if (!learned) return report(learned.error());
    book = std::move(*learned);
  }

  ReplaySummary summary;
  summary.origin = guest->path();
  summary.description = guest->device().description;
  summary.chosen = guest->chosen();
  summary.device_session = options.device_session;
  summary.device = options.device;
  summary.mode = options.mode;
  summary.gap = options.gap;
  summary.world = (*world)->name();
  summary.world_description = (*world)->description();
  summary.reading_ns = wall_clock_ns() - reading_from_ns;
  if (book != nullptr) {
    summary.registers = book->entries();
    summary.register_classes = book->counts();
  }

  Run run(**world, *guest, other ? &*other : nullptr, book.get(), options, *replay_options, &summary);
  if (auto ran = run.from_power_on(options.iova == "rebase"); !ran) return report(ran.error());
  if (options.iova == "auto" && run.nothing_placed()) {
    const std::string why = summary.report.stopped->sentence;
    if (auto ran = run.from_power_on(true); !ran) return report(ran.error());
    summary.notes.push_back(fmt::format("recorded bus addresses were rewritten, because {}", why));
  }
  const auto& stopped = summary.report.stopped;
  if (stopped && stopped->name != ErrorName::kHostPanic) {
    return report(
        Error{stopped->name, stopped->io_return,
              fmt::format("{}: request {}: {}", summary.origin, summary.report.stopped_at, stopped->sentence)});
  }
  if (!options.from.empty() && summary.report.not_compared == summary.report.requests && !stopped) {
    summary.notes.insert(summary.notes.begin(),
                         fmt::format("Nothing was compared: --from {} lies behind the {} requests that were performed.",
                                     options.from, with_commas(summary.report.requests)));
  }
  Result<void> page;
  if (!options.report.empty()) page = write_replay_report(options.report, *guest, summary);
  // A page that cannot be written does not take away what the replay found.
  const ExitCode code = finish(summary, options.json);
  if (page) return code;
  const ExitCode failure = report(page.error());
  return code == ExitCode::kOk ? failure : code;
}

}  // namespace dartboard::cli
