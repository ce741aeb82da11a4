// sim/faults/plan.h - which faults happen in a run: rules, draws from the tape, or none and only a count of the sites.
//
// A site is a kind of fault and a key (an address, a selector, a vector), and is passed any number of times. A census
// (a plan without rules) lists the sites that a run passes, in the order of their first pass; a rule then strikes at
// one of them. That is how a sweep visits every site once, and why any row of it can be run again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/inspect.h"
#include "model/timeline.h"
#include "sim/core/tape.h"
#include "sim/core/trace_hash.h"
#include "sim/faults/catalogue.h"

namespace dartboard::sim {

/// When a fault strikes. All that is set must hold.
struct FaultRule {
  FaultKind kind = FaultKind::kLinkBounce;
  std::optional<uint64_t> key;        ///< only at sites with this key
  uint64_t skip = 0;                  ///< matching passes that go by first
  uint64_t times = 1;                 ///< strikes; UINT64_MAX: every matching pass from then on
  uint64_t from_ns = 0;               ///< not before this simulated time
  std::optional<uint64_t> amount;     ///< what model::fault_amount() answers
  uint64_t one_in = 0;                ///< not 0: each matching pass strikes with probability 1/one_in, from the tape
};

/// "KIND[@KEY][+SKIP][xTIMES][=AMOUNT][>NS][%ONE_IN]", such as "completion-abort@0x1040+2" or "time-jitter%16x9". Numbers are
/// decimal or 0x hexadecimal.
Result<FaultRule> parse_fault_rule(std::string_view text);
std::string to_string(const FaultRule& rule);

struct FaultSite {
  FaultKind kind;
  uint64_t key;
  uint64_t passes = 0;
  uint64_t strikes = 0;
};

class FaultPlan final : public model::FaultInjector {
 public:
  /// `tape`, `hash` and `timeline` are the machine's and outlive the plan. Strikes are events of the trace hash.
  FaultPlan(Tape& tape, TraceHash& hash, model::Timeline& timeline) : tape_(tape), hash_(hash), timeline_(timeline) {}
  ~FaultPlan();
  FaultPlan(const FaultPlan&) = delete;
  FaultPlan& operator=(const FaultPlan&) = delete;

  void set_rules(std::vector<FaultRule> rules);
  /// Keep a list of the sites that are passed (a census). Costs a lookup a pass.
  void set_census(bool on) { census_ = on; }
  /// Makes this plan the process's injector, or takes it out. Counts start from zero.
  void install();
  void remove();

  const std::vector<FaultSite>& sites() const { return sites_; }   ///< in the order of their first pass
  uint64_t strikes(FaultKind kind) const { return strikes_by_kind_[static_cast<unsigned>(kind)]; }
  uint64_t passes(FaultKind kind) const { return passes_by_kind_[static_cast<unsigned>(kind)]; }
  uint64_t strikes() const;
  void inspect(InspectNode& node) const;

  // model::FaultInjector
  bool strikes(FaultKind kind, uint64_t key) override;
  uint64_t amount(FaultKind kind, uint64_t standard) override;

 private:
  struct LiveRule {
    FaultRule rule;
    uint64_t skipped = 0, struck = 0;
  };
  static constexpr size_t kSitesMax = 100'000;   ///< a run that passes more is counted by kind only
  bool decide(LiveRule& live, uint64_t key);
  FaultSite& site_of(FaultKind kind, uint64_t key);

  Tape& tape_;
  TraceHash& hash_;
  model::Timeline& timeline_;
  std::vector<LiveRule> rules_;
  std::array<bool, kFaultKindCount> wanted_{};
  bool census_ = false;
  std::vector<FaultSite> sites_;
  std::unordered_map<uint64_t, size_t> site_index_;   // by mixed kind and key; looked up only, never walked
  std::array<uint64_t, kFaultKindCount> passes_by_kind_{}, strikes_by_kind_{};
};

/// Strikes of every kind since the process began, whatever plan they came from: what a test suite reports.
const std::array<uint64_t, kFaultKindCount>& fault_strikes_of_process();

}  // namespace dartboard::sim
