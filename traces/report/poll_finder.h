// traces/report/poll_finder.h - loops of reads with nothing in between, found as they pass.
//
// A driver that waits reads one register over and over, or a few in turn (a status and a time). Reads repeat with a
// period when each is of the place that was read `period` reads before. The smallest period that fits counts.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

namespace dartboard::traces {

class PollFinder {
 public:
  static constexpr unsigned kPeriodMax = 4;
  /// Reads of each place that make a loop.
  static constexpr uint64_t kRoundsMin = 3;

  struct Read {
    uint32_t track = 0;
    uint64_t address = 0, length = 0, value = 0;
    uint64_t event = 0, from_ns = 0, to_ns = 0;
    bool same_place(const Read& other) const {
      return track == other.track && address == other.address && length == other.length;
    }
  };
  struct Loop {
    std::span<const Read> round;  ///< the first, `period` reads
    uint64_t reads = 0;
    Read last;
    bool changed = false;  ///< the last read gave another value than the read of the same place before it
  };

  explicit PollFinder(std::function<void(const Loop&)> found) : found_(std::move(found)) {}
  void read(const Read& read);
  /// Something else than a read happened, or nothing follows.
  void other();

 private:
  bool repeats(unsigned period) const;  // the last `period` reads of history_ are those before
  void end_loop();
  const Read& back(uint64_t n) const { return history_[(count_ - n) % history_.size()]; }

  std::function<void(const Loop&)> found_;
  std::array<Read, 16> history_;  // the last reads, a ring
  uint64_t count_ = 0;            // reads since other()
  unsigned period_ = 0;           // of the loop under way; 0: none
  uint64_t reads_ = 0;
  std::array<Read, kPeriodMax> round_;
};

}  // namespace dartboard::traces
