// cli/advice.cpp - what a comparison's figures say, put into words. Nothing here knows a strategy by name but *direct*,
// whose figures hold for a guest that fits.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/comparison.h"
#include "cli/output.h"

namespace dartboard::cli {
namespace {

std::string main_cause(const TimeSplit& t) {
  const std::pair<uint64_t, const char*> causes[] = {
      {t.copy_ns, "copying"}, {t.exits_ns, "guest exits"}, {t.calls_ns, "calls"}};
  const auto most = std::max_element(std::begin(causes), std::end(causes),
                                     [](const auto& a, const auto& b) { return a.first < b.first; });
  return most->first == 0 ? "" : fmt::format(", mostly {}", most->second);
}

bool needs_nothing(const Figures& f) {
  const auto info = strategy_info(f.strategy);
  return info && (*info)->guest_needs == "nothing";
}

std::string times(double factor) {
  return factor < 1.005 ? "as long" : fmt::format("{:.{}f}x", factor, factor < 10 ? 2 : factor < 100 ? 1 : 0);
}

std::string why_not(const Figures& f) {
  if (f.not_started)
    return f.not_started->name == ErrorName::kNotSupported ? "not on this host"
                                                           : fmt::format("refused: {}", to_string(f.not_started->name));
  if (f.run.stopped)
    return f.run.stopped->name == ErrorName::kHostPanic ? "the host panicked"
                                                        : std::string(to_string(f.run.stopped->name));
  if (f.run.lost != 0) return fmt::format("{} checks found a wrong byte", with_commas(f.run.lost));
  if (f.faults != 0 || f.run.transfers_failed != 0)
    return fmt::format("{} of {} transfers failed", with_commas(f.run.transfers_failed), with_commas(f.run.transfers));
  if (f.run.refused != 0) {
    const auto most = std::max_element(f.run.refusals.begin(), f.run.refusals.end(),
                                       [](const auto& a, const auto& b) { return a.count < b.count; });
    return fmt::format("{} of {} requests refused, {} as {}", with_commas(f.run.refused),
                       with_commas(f.run.refused + f.counters.maps + f.counters.coherent_allocations),
                       with_commas(most->count), most->name);
  }
  if (f.left_mappings != 0 || f.run.leaked != 0) return "something stayed mapped";
  return "an error";
}

}  // namespace

std::string advise(const Comparison& comparison) {
  std::vector<const Figures*> served;
  std::vector<std::string> others;
  for (const Figures& row : comparison.rows) {
    if (row.served())
      served.push_back(&row);
    else
      others.push_back(fmt::format("{} ({})", row.strategy, why_not(row)));
  }
  std::stable_sort(served.begin(), served.end(), [](const Figures* a, const Figures* b) {
    if (a->time.total_ns() != b->time.total_ns()) return a->time.total_ns() < b->time.total_ns();
    return needs_nothing(*a) && !needs_nothing(*b);
  });
  std::string text;
  if (served.empty()) {
    text = fmt::format("Of these, none serves all of {} on {}.", comparison.workload->name, comparison.profile->name);
  } else {
    const Figures& best = *served.front();
    const auto info = strategy_info(best.strategy);
    text = fmt::format("Take {}: {} on top of {} on the link{}, at most {} in {} mapping{}; it needs in the guest: {}.",
                       best.strategy, duration_text(best.time.overhead_ns()), duration_text(best.time.link_ns),
                       main_cause(best.time), bytes_text(best.peak_bytes), with_commas(best.peak_mappings),
                       best.peak_mappings == 1 ? "" : "s", info ? (*info)->guest_needs : "");
    std::vector<std::string> slower;
    for (size_t i = 1; i < served.size(); ++i) {
      const double factor = static_cast<double>(served[i]->time.total_ns()) /
                            static_cast<double>(std::max<uint64_t>(1, best.time.total_ns()));
      slower.push_back(fmt::format("{} with {}{}", times(factor), served[i]->strategy,
                                   factor < 1.005 ? "" : main_cause(served[i]->time)));
    }
    const uint64_t limit = comparison.profile->ports.front().mapper.mapped_bytes_max;
    if (best.strategy == "direct" && limit != 0) {
      text += fmt::format(" That holds for a guest of at most {}", bytes_text(limit));
      text += served.size() > 1 ? fmt::format("; with more RAM, {} is next.", served[1]->strategy) : ".";
    }
    if (!slower.empty()) text += fmt::format(" The same work takes {}.", fmt::join(slower, "; "));
  }
  if (!others.empty()) text += fmt::format(" Not all of it is served by {}.", fmt::join(others, "; "));
  return text;
}

}  // namespace dartboard::cli
