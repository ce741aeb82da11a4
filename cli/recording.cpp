// cli/recording.cpp - see recording.h.
#include "cli/recording.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/recording_client.h"
#include "cli/recording_observer.h"
#include "traces/recording_target.h"

namespace dartboard::cli {

namespace {

constexpr uint64_t kRevision = 0x08, kSubsystemVendor = 0x2c, kSubsystem = 0x2e;  // PCIe 6.0 s7.5.1
constexpr uint64_t kExtendedBegin = 0x100;                                        // s7.6
constexpr uint32_t kResizableBarCapability = 0x0015;                              // s7.8.6
constexpr size_t kHeaderBytes = 64;

bool is_64bit(dext::BarType type) {
  return type == dext::BarType::kM64 || type == dext::BarType::kM64Prefetchable;
}
bool is_prefetchable(dext::BarType type) {
  return type == dext::BarType::kM32Prefetchable || type == dext::BarType::kM64Prefetchable;
}

bool has_resizable_bar(const traces::ConfigImage& config) {
  uint64_t at = kExtendedBegin;
  for (unsigned i = 0; i < 960 && at >= kExtendedBegin && config.known(at, 4); ++i) {
    const uint32_t header = config.value(at, 4);
    if ((header & 0xffff) == kResizableBarCapability) return true;
    at = header >> 20 & 0xffc;
  }
  return false;
}

/// The name of a profile that may have been given as a file.
std::string without_path(std::string_view name) {
  if (const size_t slash = name.find_last_of('/'); slash != name.npos) name.remove_prefix(slash + 1);
  return std::string(name);
}

}  // namespace

Recording::Recording(const RecordOptions& options, World& world)
    : options_(options),
      world_(world),
      recorder_(std::make_shared<traces::Recorder>(
          options.file, options.what, world.clock_reader(),
          world.clock() == traces::Clock::kSimulated ? traces::Recorders::kOneThread : traces::Recorders::kThreads)),
      seen_(std::make_shared<SeenDevice>()) {}

Result<std::unique_ptr<Recording>> Recording::make(const RecordOptions& options, World& world) {
  if (options.file.empty()) return std::unique_ptr<Recording>();
  // What stands in the file goes only when there is something to replace it with.
  std::FILE* const file = std::fopen(options.file.c_str(), "ab");
  if (file == nullptr) {
    return fail(ErrorName::kFileUnreadable,
                fmt::format("--record {}: it cannot be created: {}", options.file, std::strerror(errno)));
  }
  std::fclose(file);
  std::unique_ptr<Recording> recording(new Recording(options, world));
  world.record(recording.get());
  return recording;
}

Recording::~Recording() {
  world_.record(nullptr);
  finish();
}

std::unique_ptr<dext::Client> Recording::client(std::unique_ptr<dext::Client> client) {
  if (taken_) return client;
  taken_ = true;
  return std::make_unique<RecordingClient>(std::move(client), seen_,
                                           options_.at == RecordAt::kClient ? recorder_ : nullptr);
}

void Recording::opened(backend::PassthroughDevice& device) {
  if (observer_ != nullptr) return;
  observer_ = std::make_shared<RecordingObserver>(recorder_);
  if (options_.at == RecordAt::kBackend) {
    if (world_.clock() == traces::Clock::kMonotonic) {
      // Of a real device the header is worth 16 reads. A simulated run must stay the run it is.
      std::array<std::byte, kHeaderBytes> header;
      (void)device.read(backend::Region::kConfig, 0, header);
    }
    for (uint16_t at = 0; at < traces::ConfigImage::kBytes; ++at) {
      std::optional<uint8_t> raw;
      if (seen_->config.known(at)) raw = seen_->config.at(at);
      if (const auto byte = device.config_view(at, raw)) view_.learn(at, 1, *byte);
    }
    device.set_observer(observer_);
    device_ = &device;
  }
  recorder_->open(info(options_.at == RecordAt::kBackend ? view_ : seen_->config));
}

void Recording::opened(dext::Client& client) {
  // Through the recording client, which keeps what it hears; these calls make no events.
  (void)client.identity();
  for (unsigned bar = 0; bar < 6; ++bar) {
    const auto asked = client.bar_info(bar);
    if (asked && asked->size != 0 && is_64bit(asked->type)) ++bar;
  }
  recorder_->open(info(seen_->config));
}

traces::ReplayTarget& Recording::target(traces::ReplayTarget& target) {
  if (options_.at != RecordAt::kBackend || device_ == nullptr) return target;
  // What the recorded device sends is recorded as it is sent. One that acts by itself shows its interrupts only where
  // they arrive.
  const bool recorded_device = world_.recorded_device() != nullptr;
  observer_->interrupts_only();
  device_->set_observer(recorded_device ? nullptr : observer_);
  device_ = nullptr;
  // A device that is not the recording's acts by itself: nothing is done in its name.
  target_ = std::make_unique<traces::RecordingTarget>(
      target, *recorder_, recorded_device ? traces::Source::kInferred : traces::Source::kGuest);
  return *target_;
}

traces::TraceInfo Recording::info(const traces::ConfigImage& config) const {
  traces::TraceInfo out;
  out.source = "dartboard";
  out.profile = without_path(world_.profile_name());
  out.clock = world_.clock();
  out.payloads = options_.what.payloads;
  traces::TraceDevice& device = out.devices.emplace_back();
  const dext::Identity& id = seen_->identity;
  device.address = fmt::format("0000:{:02x}:{:02x}.{:x}", id.bus, id.device, id.function);
  if (world_.recorded_device() != nullptr) {
    device.description = *world_.recorded_device();
    return out;
  }
  traces::DeviceDescription& d = device.description;
  d.name = fmt::format("PCI device {:04x}:{:04x}", id.vendor_id, id.device_id);
  d.vendor_id = id.vendor_id;
  d.device_id = id.device_id;
  d.class_code = id.class_code & 0xff'ffff;
  d.revision_id = config.at(kRevision);
  d.subsystem_vendor_id = static_cast<uint16_t>(config.value(kSubsystemVendor, 2));
  d.subsystem_id = static_cast<uint16_t>(config.value(kSubsystem, 2));
  d.resizable_bar = has_resizable_bar(config);
  for (unsigned bar = 0; bar < d.bars.size(); ++bar) {
    const SeenDevice::Bar& seen = seen_->bars[bar];
    if (seen.info.size == 0) continue;
    d.bars[bar].size = seen.info.size;
    d.bars[bar].is_64bit = is_64bit(seen.info.type);
    d.bars[bar].prefetchable = is_prefetchable(seen.info.type);
    // On a Mac registers can be mapped too; what may be prefetched has no side effects (PCIe 6.0 s7.5.1.2.1).
    const bool memory = seen.accessible && (world_.clock() == traces::Clock::kSimulated || d.bars[bar].prefetchable);
    d.bars[bar].kind = memory ? traces::BarKind::kMemory : traces::BarKind::kRegisters;
  }
  d.config = config;
  d.msix = msix_of(config);
  if (d.msix.entries == 0) d.msix = {};
  return out;
}

RecordingResult Recording::finish() {
  traces::ConfigImage config = options_.at == RecordAt::kBackend ? view_ : seen_->config;
  if (options_.at == RecordAt::kBackend && observer_ != nullptr) {
    const traces::ConfigImage& read = observer_->config();
    for (uint64_t at = 0; at < traces::ConfigImage::kBytes; ++at) {
      if (read.known(at)) config.learn(at, 1, read.at(at));
    }
  }
  recorder_->close(info(config));
  return {options_.file, options_.at, recorder_->counts()};
}

std::string RecordingResult::line() const {
  if (counts.error) return fmt::format("the recording to {} failed", file);
  return fmt::format("recorded {} events to {} ({} dropped)", with_commas(counts.events), file,
                     with_commas(counts.dropped_events));
}

nlohmann::ordered_json RecordingResult::json() const {
  return {{"file", file},
          {"at", at == RecordAt::kBackend ? "backend" : "client"},
          {"events", counts.events},
          {"dropped_events", counts.dropped_events},
          {"dropped_bytes", counts.dropped_bytes},
          {"file_bytes", counts.file_bytes},
          {"error", counts.error ? nlohmann::ordered_json(counts.error->sentence) : nlohmann::ordered_json()}};
}

ExitCode RecordingResult::exit_code(ExitCode code) const {
  if (!counts.error) return code;
  Error error = *counts.error;
  error.sentence =
      fmt::format("--record {} The run went on without it; what stands in the file can be read.", error.sentence);
  const ExitCode failure = report(error);
  return code == ExitCode::kOk ? failure : code;
}

std::optional<RecordingResult> finish(const std::unique_ptr<Recording>& recording) {
  if (recording == nullptr) return std::nullopt;
  return recording->finish();
}

traces::ReplayTarget& recorded(World& world, traces::ReplayTarget& target) {
  return world.recording() != nullptr ? world.recording()->target(target) : target;
}

}  // namespace dartboard::cli
