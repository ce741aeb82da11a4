// cli/replay_trace.cpp - see replay_trace.h.
#include "cli/replay_trace.h"

#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "traces/formats.h"
#include "traces/inference.h"

namespace dartboard::cli {

namespace {

/// The format that has no place for a device: requests alone do not tell who answered, and how.
constexpr std::string_view kUndescribedSource = "tinygpu-jsonl";

/// Only the events of one device, and those of no device in particular.
class OneDevice final : public traces::EventReader {
 public:
  OneDevice(std::unique_ptr<traces::EventReader> source, uint16_t device)
      : source_(std::move(source)), device_(device) {}
  const traces::TraceInfo& info() const override { return source_->info(); }
  const traces::ReadReport& report() const override { return source_->report(); }
  Result<bool> next(traces::EventBatch* batch) override {
    for (;;) {
      auto more = source_->next(batch);
      if (!more || !*more) return more;
      std::erase_if(batch->events, [this](const traces::Event& event) { return event.device != device_; });
      if (!batch->events.empty()) return true;
    }
  }

 private:
  std::unique_ptr<traces::EventReader> source_;
  const uint16_t device_;
};

bool is_file(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

/// A format that describes its devices before their events.
bool is_described(const traces::TraceInfo& info) {
  if (info.devices.size() != 1) return false;
  const traces::DeviceDescription& device = info.devices.front().description;
  return device.vendor_id != 0 && device.bar_list() != "no BAR";
}

}  // namespace

Result<ReplayTrace> ReplayTrace::open(const std::string& path, const DeviceChoice& choice, bool twice) {
  ReplayTrace trace;
  trace.path_ = path;
  auto reader = traces::open_trace(path);
  if (!reader) return tl::unexpected(reader.error());
  trace.opened_ = std::move(*reader);
  trace.info_ = trace.opened_->info();
  const bool needs_scan = !is_described(trace.info_);
  if ((needs_scan || twice) && !is_file(path)) {
    return fail(
        ErrorName::kNotSupported,
        fmt::format("{}: must be read twice and is no file: {}. Convert it first (dartboard trace convert)", path,
                    needs_scan ? "only its end tells what its devices are"
                               : "--mode registers learns from all of it before the replay begins"));
  }
  if (needs_scan) {
    if (auto scanned = trace.scan(); !scanned) return tl::unexpected(scanned.error());
  }
  if (auto chosen = trace.choose(choice); !chosen) return tl::unexpected(chosen.error());
  if (trace.info_.source == kUndescribedSource && trace.device().description.vendor_id == 0) {
    return fail(ErrorName::kFileUnreadable,
                fmt::format("{}: cannot be opened, and nothing else says what device answered {}",
                            traces::device_description_path(path), path));
  }
  return trace;
}

bool ReplayTrace::can_be_read_again() const {
  return is_file(path_);
}

Result<void> ReplayTrace::scan() {
  traces::EventBatch batch;
  for (;;) {
    const auto more = opened_->next(&batch);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    for (const traces::Event& event : batch.events) {
      if (event.device >= events_.size()) {
        events_.resize(event.device + 1u);
        requests_by_device_.resize(event.device + 1u);
      }
      ++events_[event.device];
      requests_by_device_[event.device] += event.is_request() ? 1 : 0;
    }
  }
  info_ = opened_->info();
  opened_.reset();
  events_.resize(info_.devices.size());
  requests_by_device_.resize(info_.devices.size());
  return {};
}

Result<void> ReplayTrace::choose(const DeviceChoice& choice) {
  const auto& devices = info_.devices;
  const auto list = [&] {
    std::string out;
    for (size_t i = 0; i < devices.size(); ++i) {
      out += fmt::format("{}{} {} ({:04x}:{:04x})", i == 0 ? "" : ", ", i, devices[i].address,
                         devices[i].description.vendor_id, devices[i].description.device_id);
    }
    return out;
  };
  if (devices.empty()) return fail(ErrorName::kNotFound, fmt::format("{}: shows no device", path_));
  if (!choice.address.empty()) {
    const auto found = std::find_if(devices.begin(), devices.end(),
                                    [&](const auto& device) { return device.address == choice.address; });
    if (found == devices.end()) {
      return fail(ErrorName::kNotFound,
                  fmt::format("{}: has no device at '{:.40}'. It has: {}", path_, choice.address, list()));
    }
    device_ = static_cast<uint16_t>(found - devices.begin());
    chosen_ = "by its address";
  } else if (choice.index) {
    if (*choice.index >= devices.size()) {
      return fail(ErrorName::kNotFound, fmt::format("{}: has no device {}. It has: {}", path_, *choice.index, list()));
    }
    device_ = static_cast<uint16_t>(*choice.index);
    chosen_ = "by its index";
  } else if (devices.size() > 1) {
    const auto most = std::max_element(events_.begin(), events_.end());
    device_ = static_cast<uint16_t>(most - events_.begin());
    chosen_ = "the one with most events";
  }
  chosen_ = devices.size() > 1 ? fmt::format("{} of {}, {}{}", device_, devices.size(), chosen_,
                                             devices[device_].address.empty() ? "" : ": " + devices[device_].address)
                               : std::string();
  if (!requests_by_device_.empty()) requests_ = requests_by_device_[device_];
  return {};
}

Result<std::unique_ptr<traces::EventReader>> ReplayTrace::reopen() {
  std::unique_ptr<traces::EventReader> reader = std::move(opened_);
  if (reader == nullptr) {
    auto again = traces::open_trace(path_);
    if (!again) return again;
    reader = std::move(*again);
  }
  if (info_.devices.size() > 1) reader = std::make_unique<OneDevice>(std::move(reader), device_);
  return reader;
}

Result<std::unique_ptr<traces::EventReader>> ReplayTrace::read() {
  auto reader = reopen();
  if (!reader) return reader;
  return std::make_unique<traces::InferenceReader>(std::move(*reader), info_.devices, path_);
}

Result<std::unique_ptr<traces::RegisterBook>> ReplayTrace::learn() {
  auto reader = reopen();
  if (!reader) return tl::unexpected(reader.error());
  auto book = std::make_unique<traces::RegisterBook>(device().description);
  traces::EventBatch batch;
  uint64_t requests = 0;
  for (;;) {
    const auto more = (*reader)->next(&batch);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    for (const traces::Event& event : batch.events) requests += event.is_request() ? 1 : 0;
    if (auto learned = book->learn(batch); !learned) {
      return tl::unexpected(Error{learned.error().name, learned.error().io_return,
                                  fmt::format("{}: {}", path_, learned.error().sentence)});
    }
  }
  requests_ = requests;
  book->learned();
  return book;
}

}  // namespace dartboard::cli
