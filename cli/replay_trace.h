// cli/replay_trace.h - a trace file as a replay needs it: one device of it, fully described, read as often as it takes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "traces/event_stream.h"
#include "traces/replay_registers.h"

namespace dartboard::cli {

/// Which device of a trace with several.
struct DeviceChoice {
  std::optional<uint32_t> index;
  std::string address;  ///< as the trace calls it; empty: by index, or the one with most events
};

class ReplayTrace {
 public:
  /// Opens `path` and finds out about its devices; reads it as a whole where only its end tells. kNotSupported for a
  /// pipe that would have to be read twice; kNotFound when it has no such device. `twice`: it will be read again in any
  /// case. Errors of the file as in traces/formats.h.
  static Result<ReplayTrace> open(const std::string& path, const DeviceChoice& choice, bool twice);

  /// Only the events of the chosen device, with what it did by itself. The first call is free, each other one opens
  /// the file again.
  Result<std::unique_ptr<traces::EventReader>> read();
  /// Reads it all to learn about registers.
  Result<std::unique_ptr<traces::RegisterBook>> learn();

  /// Not so a pipe.
  bool can_be_read_again() const;
  const std::string& path() const { return path_; }
  const traces::TraceInfo& info() const { return info_; }
  uint16_t device_index() const { return device_; }
  const traces::TraceDevice& device() const { return info_.devices[device_]; }
  /// Requests of the device; none if the file was not read as a whole.
  std::optional<uint64_t> requests() const { return requests_; }
  /// How the device was chosen, for people; empty when there is only one.
  const std::string& chosen() const { return chosen_; }

 private:
  ReplayTrace() = default;
  Result<void> scan();
  Result<void> choose(const DeviceChoice& choice);
  Result<std::unique_ptr<traces::EventReader>> reopen();

  std::string path_;
  std::unique_ptr<traces::EventReader> opened_;  // not read yet
  traces::TraceInfo info_;
  std::vector<uint64_t> events_, requests_by_device_;
  uint16_t device_ = 0;
  std::optional<uint64_t> requests_;
  std::string chosen_;
};

}  // namespace dartboard::cli
