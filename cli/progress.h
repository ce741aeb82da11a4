// cli/progress.h - a progress bar on standard error, on a terminal only.
#pragma once

#include <cstdint>
#include <string>

namespace dartboard::cli {

class Progress {
 public:
  /// `total`: what update() counts up to. `quiet` switches the bar off on a terminal too.
  Progress(std::string what, uint64_t total, bool quiet);
  ~Progress();  ///< takes the bar away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Draws at most every 50 ms.
  void update(uint64_t done);

 private:
  std::string what_;
  uint64_t total_;
  bool active_;
  bool drawn_ = false;
  uint64_t last_ns_ = 0;
};

/// Monotonic wall clock in ns; for people and reports, never for decisions.
uint64_t wall_clock_ns();

}  // namespace dartboard::cli
