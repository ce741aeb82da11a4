// sim/core/tape.h - the choice tape: every decision of a run is a draw that can be recorded and played back.
//
// seed -> generator -> draws of (draw id, bound, value). A run driven by a recorded tape makes the same choices whatever
// the generator; a run driven by a seed writes the tape that reproduces it. No draw inside assertions or logging.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/inspect.h"

namespace dartboard::sim {

/// Who draws. A new kind of choice gets a new id at the end, so that old tapes stay readable.
enum class DrawId : uint16_t { kIovaPolicy = 1, kTimingJitter = 2, kWorkload = 3, kFault = 4, kTest = 5, kDevice = 6 };

struct Draw {
  DrawId id;
  uint64_t bound;    ///< value < bound
  uint64_t value;
  friend bool operator==(const Draw&, const Draw&) = default;
};

class Tape {
 public:
  /// Draws come from a generator seeded with `seed`; each DrawId has a stream of its own, so that a new draw in one
  /// component does not shift the others.
  void start_seeded(uint64_t seed);
  /// Draws come from `draws`, in order. A draw whose id or bound differs, or one past the end, falls back to value 0
  /// and sets diverged().
  void start_replay(std::vector<Draw> draws);

  /// A value in [0, bound). bound 0 is a programmer error.
  uint64_t draw(DrawId id, uint64_t bound);

  bool diverged() const { return diverged_; }
  uint64_t seed() const { return seed_; }
  const std::vector<Draw>& recorded() const { return recorded_; }
  /// Turn recording off for runs of unbounded length (default: on).
  void set_recording(bool recording) { recording_ = recording; }
  void inspect(InspectNode& node) const;

 private:
  uint64_t seed_ = 0;
  uint64_t streams_[16] = {};
  bool replaying_ = false;
  bool recording_ = true;
  bool diverged_ = false;
  size_t position_ = 0;
  std::vector<Draw> source_;
  std::vector<Draw> recorded_;
};

/// Tape as text, one "id bound value" per line, and back.
std::string to_text(const std::vector<Draw>& draws);
Result<std::vector<Draw>> draws_from_text(const std::string& text);

}  // namespace dartboard::sim
