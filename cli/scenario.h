// cli/scenario.h - something that can be run again and again on a simulated Mac: a recorded session, or a script of
// operations. What a sweep injects its faults into.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "cli/world.h"

namespace dartboard::cli {

struct ScenarioResult {
  uint64_t steps = 0;            ///< requests or operations that were run
  uint64_t differences = 0;      ///< answers other than the expected ones
  std::string first_difference;  ///< the first one, for people
  std::optional<Error> stopped;  ///< why the run ended early
  bool gone = false;             ///< the backend says that the device is gone
};

class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual std::string name() const = 0;
  virtual World& world() = 0;
  /// Powers on, once.
  virtual Result<void> power_on() = 0;
  /// From power-on state: opens the device, does everything, closes it.
  virtual ScenarioResult run() = 0;
};

/// A session (.jsonl, .jsonl.zst), or a script of operations (.ops, see cli/op_script.h), in the given world.
/// kFileUnreadable, kFileCorrupt, kProfileInvalid.
Result<std::unique_ptr<Scenario>> load_scenario(const std::string& file, const std::string& profile);

}  // namespace dartboard::cli
