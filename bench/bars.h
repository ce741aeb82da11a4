// bench/bars.h - the bars that the project promises to keep: ratios against a baseline measured in the same process.
//
// Absolute times move with the machine; ratios between interleaved medians of one run do not (much).
#pragma once

#include <map>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace dartboard::bench {

/// How a figure is made from two benchmarks (or one) and which side of the bar is good.
enum class Figure {
  kTimeRatioAtMost,     ///< time(subject) / time(baseline) <= bar
  kSpeedRatioAtLeast,   ///< time(baseline) / time(subject) >= bar
  kTwoThreadsAtLeast,   ///< the same by 2 * time(baseline) / time(subject): both are CPU time of a thread
  kItemsPerSecondAtLeast,
  kItemRatioAtLeast,    ///< items/s(subject) / items/s(baseline) >= bar: for what runs in processes of its own
  kEntriesAtMost,       ///< the benchmark's counter "entries": a figure that does not depend on the machine
};

struct Bar {
  std::string what;
  std::string subject;    ///< benchmark name
  std::string baseline;   ///< benchmark name; empty for rates and counts
  Figure figure;
  double bar;
};

/// Collects medians while printing as usual, then prints the table of bars.
class BarReporter final : public benchmark::ConsoleReporter {
 public:
  BarReporter() : ConsoleReporter(OO_None) {}
  void ReportRuns(const std::vector<Run>& runs) override;
  /// Prints the table; returns how many bars were missed. A bar whose benchmarks did not run is listed as "not run".
  int print(const std::vector<Bar>& bars) const;

 private:
  struct Median {
    double seconds = 0;   ///< per iteration
    double items_per_second = 0;
    double entries = 0;
  };
  std::map<std::string, Median> medians_;
};

}  // namespace dartboard::bench
