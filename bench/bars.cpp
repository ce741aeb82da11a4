// bench/bars.cpp - medians, ratios and the table.
#include "bench/bars.h"

#include <fmt/format.h>

namespace dartboard::bench {

void BarReporter::ReportRuns(const std::vector<Run>& runs) {
  ConsoleReporter::ReportRuns(runs);
  for (const Run& run : runs) {
    if (run.iterations == 0) continue;   // failed; the field that says so changed its name between releases
    const bool median = run.run_type == Run::RT_Aggregate && run.aggregate_name == "median";
    const bool single = run.run_type == Run::RT_Iteration && run.repetitions <= 1;
    if (!median && !single) continue;
    Median m;
    m.seconds = run.GetAdjustedCPUTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
    if (const auto it = run.counters.find("items_per_second"); it != run.counters.end()) {
      m.items_per_second = it->second.value;
    }
    if (const auto it = run.counters.find("entries"); it != run.counters.end()) m.entries = it->second.value;
    medians_[run.run_name.str()] = m;
  }
}

int BarReporter::print(const std::vector<Bar>& bars) const {
  int missed = 0;
  fmt::print("\n{:<68} {:>14} {:>18}  {}\n", "what", "measured", "bar", "met");
  for (const Bar& bar : bars) {
    const auto subject = medians_.find(bar.subject);
    const auto baseline = medians_.find(bar.baseline);
    const bool alone = bar.figure == Figure::kItemsPerSecondAtLeast || bar.figure == Figure::kEntriesAtMost;
    if (subject == medians_.end() || (!alone && baseline == medians_.end())) {
      fmt::print("{:<68} {:>14}\n", bar.what, "not run");
      continue;
    }
    double value = 0;
    bool met = false;
    std::string measured, wanted;
    switch (bar.figure) {
      case Figure::kTimeRatioAtMost:
        value = subject->second.seconds / baseline->second.seconds;
        met = value <= bar.bar;
        measured = fmt::format("{:.2f}x", value);
        wanted = fmt::format("at most {}x", bar.bar);
        break;
      case Figure::kSpeedRatioAtLeast:
        value = baseline->second.seconds / subject->second.seconds;
        met = value >= bar.bar;
        measured = fmt::format("{:.2f}x", value);
        wanted = fmt::format("at least {}x", bar.bar);
        break;
      case Figure::kTwoThreadsAtLeast:
        // Of two threads on a machine that has two processors for them. Threads that wait for each other's lock or cache
        // lines spend CPU time on it; processors that are busy with something else do not change this figure.
        value = 2 * baseline->second.seconds / subject->second.seconds;
        met = value >= bar.bar;
        measured = fmt::format("{:.2f}x", value);
        wanted = fmt::format("at least {}x", bar.bar);
        break;
      case Figure::kItemsPerSecondAtLeast:
        value = subject->second.items_per_second;
        met = value >= bar.bar;
        measured = fmt::format("{:.0f}/s", value);
        wanted = fmt::format("at least {:.0f}/s", bar.bar);
        break;
      case Figure::kItemRatioAtLeast:
        value = subject->second.items_per_second / baseline->second.items_per_second;
        met = value >= bar.bar;
        measured = fmt::format("{:.2f}x", value);
        wanted = fmt::format("at least {}x", bar.bar);
        break;
      case Figure::kEntriesAtMost:
        value = subject->second.entries;
        met = value <= bar.bar;
        measured = fmt::format("{:.0f}", value);
        wanted = fmt::format("at most {:.0f}", bar.bar);
        break;
    }
    fmt::print("{:<68} {:>14} {:>18}  {}\n", bar.what, measured, wanted, met ? "yes" : "NO");
    missed += met ? 0 : 1;
  }
  return missed;
}

}  // namespace dartboard::bench
