// cli/progress.cpp - see progress.h.
#include "cli/progress.h"

#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "cli/output.h"

namespace dartboard::cli {

namespace {
constexpr uint64_t kRedrawNs = 50'000'000;
constexpr unsigned kWidth = 30;
}  // namespace

uint64_t wall_clock_ns() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

Progress::Progress(std::string what, uint64_t total, bool quiet)
    : what_(std::move(what)), total_(total), active_(!quiet && total != 0 && is_terminal(stderr)) {}

Progress::~Progress() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::update(uint64_t done) {
  if (!active_) return;
  const uint64_t now = wall_clock_ns();
  if (drawn_ && now - last_ns_ < kRedrawNs && done < total_) return;
  last_ns_ = now;
  drawn_ = true;
  const unsigned filled = static_cast<unsigned>(done * kWidth / total_);
  fmt::print(stderr, "\r{} [{:#<{}}{:.<{}}] {:3}%  {} of {}", what_, "", filled, "", kWidth - filled,
             done * 100 / total_, with_commas(done), with_commas(total_));
  std::fflush(stderr);
}

}  // namespace dartboard::cli
