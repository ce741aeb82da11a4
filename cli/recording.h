// cli/recording.h - --record: what a run does to its device goes into a .dbt, seen at the backend API or at the
// user-client seam.
//
// A World carries the recording, and open_device() hands it the first device that is opened: every command that runs a
// device records without knowing how. A run that is recorded is the same run: nothing is asked of a simulated device
// for the recording's sake, and simulated time is the recording's clock. Names of hosts, files and folders, and
// addresses in this process stay out of the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "backend/passthrough_device.h"
#include "cli/exit_code.h"
#include "cli/world.h"
#include "dext/client/client.h"
#include "traces/recorder.h"
#include "traces/replay.h"

namespace CLI {
class App;
}

namespace dartboard::cli {

class RecordingObserver;
struct SeenDevice;

enum class RecordAt : uint8_t { kBackend, kClient };

struct RecordOptions {
  std::string file;  ///< empty: nothing is recorded
  RecordAt at = RecordAt::kBackend;
  traces::RecorderOptions what;
  bool at_was_given = false;
};

/// Adds --record and the options that go with it to a command.
void add_record_options(CLI::App& command, RecordOptions& options);

/// What became of a recording.
struct RecordingResult {
  std::string file;
  RecordAt at = RecordAt::kBackend;
  traces::RecorderCounts counts;

  /// "recorded 1,234 events to FILE (0 dropped)".
  std::string line() const;
  nlohmann::ordered_json json() const;
  /// `code`, or if the run was fine and the recording was not, the failure's. Says why on standard error.
  ExitCode exit_code(ExitCode code) const;
};

class Recording {
 public:
  /// Checks that the file can be created, and makes `world` carry the recording. Null: nothing is to be recorded.
  /// kFileUnreadable. The world outlives the recording.
  static Result<std::unique_ptr<Recording>> make(const RecordOptions& options, World& world);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // For whoever opens devices.
  /// The way to the device: `client`, or one that records. Only the first device is recorded.
  std::unique_ptr<dext::Client> client(std::unique_ptr<dext::Client> client);
  /// The device behind the last client() is open. Writes the header of the file.
  void opened(backend::PassthroughDevice& device);
  /// The same where no backend is: the client is what the run drives.
  void opened(dext::Client& client);

  /// What a replay is to drive: `target`, which holds the device that was opened, or one that records what it is asked.
  /// At the client seam that is not needed.
  traces::ReplayTarget& target(traces::ReplayTarget& target);

  /// Ends the recording and completes the file.
  RecordingResult finish();

 private:
  Recording(const RecordOptions& options, World& world);
  traces::TraceInfo info(const traces::ConfigImage& config) const;

  const RecordOptions options_;
  World& world_;
  std::shared_ptr<traces::Recorder> recorder_;
  std::shared_ptr<SeenDevice> seen_;
  std::shared_ptr<RecordingObserver> observer_;
  std::unique_ptr<traces::ReplayTarget> target_;
  traces::ConfigImage view_;                      ///< configuration space as the guest sees it
  bool taken_ = false;                            ///< a device is recorded
  backend::PassthroughDevice* device_ = nullptr;  ///< that one, until a replay drives it
};

/// finish(), or nothing.
std::optional<RecordingResult> finish(const std::unique_ptr<Recording>& recording);

/// For a replay: what `world`'s recording makes of `target`, or `target`.
traces::ReplayTarget& recorded(World& world, traces::ReplayTarget& target);

}  // namespace dartboard::cli
