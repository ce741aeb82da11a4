// sim/faults/plan.cpp - see plan.h.
#include "sim/faults/plan.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include <fmt/format.h>

namespace dartboard::sim {
namespace {

std::array<uint64_t, kFaultKindCount> strikes_of_process{};

/// Sites are few and keys are structured: one multiply spreads them well enough, and equality is checked on the site.
uint64_t mix(FaultKind kind, uint64_t key) {
  return (key + 1) * 0x9e37'79b9'7f4a'7c15 ^ static_cast<uint64_t>(kind) << 56 ^ static_cast<uint64_t>(kind);
}

bool parse_number(std::string_view* text, uint64_t* value) {
  const bool hex = text->starts_with("0x");
  const char* const begin = text->data() + (hex ? 2 : 0);
  const auto [end, error] = std::from_chars(begin, text->data() + text->size(), *value, hex ? 16 : 10);
  if (error != std::errc() || end == begin) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

tl::unexpected<Error> bad_rule(std::string_view text, std::string_view why) {
  return fail(ErrorName::kBadArgument,
              fmt::format("fault rule '{:.60}': {}; expected KIND[@KEY][+SKIP][xTIMES][=AMOUNT][>NS][%ONE_IN], with a "
                          "kind that `dartboard faults` lists",
                          text, why));
}

}  // namespace

Result<FaultRule> parse_fault_rule(std::string_view text) {
  const std::string_view whole = text;
  const size_t name_end = text.find_first_of("@+=>%");
  std::string_view name = text.substr(0, name_end);
  // 'x' also occurs in names: "KINDxTIMES" is taken apart from the right.
  std::string_view times;
  if (const size_t x = name.rfind('x'); x != name.npos && !fault_by_name(name) && fault_by_name(name.substr(0, x))) {
    times = name.substr(x);
    name = name.substr(0, x);
  }
  const std::optional<FaultKind> kind = fault_by_name(name);
  if (!kind) return bad_rule(whole, fmt::format("there is no kind '{:.40}'", name));
  FaultRule rule;
  rule.kind = *kind;
  text.remove_prefix(name.size());
  while (!text.empty()) {
    const char what = text.front();
    text.remove_prefix(1);
    uint64_t value = 0;
    if (!parse_number(&text, &value)) return bad_rule(whole, fmt::format("no number after '{}'", what));
    switch (what) {
      case '@': rule.key = value; break;
      case '+': rule.skip = value; break;
      case 'x': rule.times = value; break;
      case '=': rule.amount = value; break;
      case '>': rule.from_ns = value; break;
      case '%': rule.one_in = value; break;
      default: return bad_rule(whole, fmt::format("'{}' means nothing here", what));
    }
  }
  return rule;
}

std::string to_string(const FaultRule& rule) {
  std::string text(info(rule.kind).name);
  if (rule.key) text += fmt::format("@{:#x}", *rule.key);
  if (rule.skip != 0) text += fmt::format("+{}", rule.skip);
  if (rule.times != 1) text += fmt::format("x{}", rule.times);
  if (rule.amount) text += fmt::format("={}", *rule.amount);
  if (rule.from_ns != 0) text += fmt::format(">{}", rule.from_ns);
  if (rule.one_in != 0) text += fmt::format("%{}", rule.one_in);
  return text;
}

FaultPlan::~FaultPlan() { remove(); }

void FaultPlan::set_rules(std::vector<FaultRule> rules) {
  rules_.clear();
  wanted_.fill(false);
  for (FaultRule& rule : rules) {
    wanted_[static_cast<unsigned>(rule.kind)] = true;
    rules_.push_back({std::move(rule)});
  }
}

void FaultPlan::install() {
  for (LiveRule& live : rules_) live.skipped = live.struck = 0;
  sites_.clear();
  site_index_.clear();
  passes_by_kind_.fill(0);
  strikes_by_kind_.fill(0);
  model::install_faults(this);
}

void FaultPlan::remove() {
  if (model::detail::fault_injector == this) model::install_faults(nullptr);
}

uint64_t FaultPlan::strikes() const {
  return std::accumulate(strikes_by_kind_.begin(), strikes_by_kind_.end(), uint64_t{0});
}

bool FaultPlan::decide(LiveRule& live, uint64_t key) {
  const FaultRule& rule = live.rule;
  if (rule.key && *rule.key != key) return false;
  if (live.struck >= rule.times || timeline_.now().value < rule.from_ns) return false;
  if (live.skipped < rule.skip) {
    ++live.skipped;
    return false;
  }
  if (rule.one_in != 0 && tape_.draw(DrawId::kFault, rule.one_in) != 0) return false;
  ++live.struck;
  return true;
}

FaultSite& FaultPlan::site_of(FaultKind kind, uint64_t key) {
  for (uint64_t mixed = mix(kind, key);; ++mixed) {   // two sites that mix alike lie side by side
    const auto [place, fresh] = site_index_.try_emplace(mixed, sites_.size());
    if (fresh) sites_.push_back({kind, key});
    FaultSite& site = sites_[place->second];
    if (site.kind == kind && site.key == key) return site;
  }
}

bool FaultPlan::strikes(FaultKind kind, uint64_t key) {
  const auto index = static_cast<unsigned>(kind);
  ++passes_by_kind_[index];
  FaultSite* site = nullptr;
  if (census_ && sites_.size() < kSitesMax) {
    site = &site_of(kind, key);
    ++site->passes;
  }
  if (!wanted_[index]) return false;
  for (LiveRule& live : rules_) {
    if (live.rule.kind != kind || !decide(live, key)) continue;
    ++strikes_by_kind_[index];
    ++strikes_of_process[index];
    if (site != nullptr) ++site->strikes;
    hash_.add(timeline_.now().value, TraceKind::kInjected, static_cast<uint8_t>(kind), key);
    return true;
  }
  return false;
}

uint64_t FaultPlan::amount(FaultKind kind, uint64_t standard) {
  for (const LiveRule& live : rules_) {
    if (live.rule.kind == kind && live.rule.amount) return *live.rule.amount;
  }
  return standard;
}

void FaultPlan::inspect(InspectNode& node) const {
  for (const LiveRule& live : rules_) {
    node.child(to_string(live.rule), fmt::format("{} strikes", live.struck), std::string(info(live.rule.kind).what));
  }
  for (unsigned i = 0; i < kFaultKindCount; ++i) {
    if (passes_by_kind_[i] == 0) continue;
    node.child(std::string(fault_catalogue()[i].name),
               fmt::format("{} passes, {} strikes", passes_by_kind_[i], strikes_by_kind_[i]));
  }
}

const std::array<uint64_t, kFaultKindCount>& fault_strikes_of_process() { return strikes_of_process; }

}  // namespace dartboard::sim
