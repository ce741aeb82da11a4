// conformance/suite.cpp - see suite.h.
#include "conformance/suite.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "conformance/bench.h"
#include "conformance/stimulus.h"

namespace dartboard::conformance {
namespace {

std::vector<const Rule*> chosen(std::span<const Rule* const> rules) {
  if (!rules.empty()) return {rules.begin(), rules.end()};
  std::vector<const Rule*> all;
  for (const Rule& rule : all_rules()) all.push_back(&rule);
  return all;
}

}  // namespace

std::string_view to_string(Status status) {
  switch (status) {
    case Status::kPass: return "pass";
    case Status::kFail: return "fail";
    case Status::kSkip: return "skip";
  }
  return "?";
}

std::span<const Rule> all_rules() {
  static const std::vector<Rule> rules = [] {
    std::vector<Rule> joined;
    for (const auto shelf : {identity_rules(), config_rules(), bar_rules(), rom_rules(), capability_rules(),
                             intx_rules(), msi_rules(), msix_table_rules(), msix_delivery_rules(), express_rules(),
                             error_rules(), power_rules(), reset_rules()}) {
      joined.insert(joined.end(), shelf.begin(), shelf.end());
    }
    return joined;
  }();
  return rules;
}

const Rule* find_rule(std::string_view id) {
  for (const Rule& rule : all_rules()) {
    if (rule.id == id) return &rule;
  }
  return nullptr;
}

uint64_t Report::count(Status status) const {
  return static_cast<uint64_t>(
      std::count_if(rows.begin(), rows.end(), [status](const Row& row) { return row.verdict.status == status; }));
}

const Row* Report::find(std::string_view id) const {
  for (const Row& row : rows) {
    if (row.rule->id == id) return &row;
  }
  return nullptr;
}

Report run_on_bench(std::string name, model::PcieDevice& device, std::span<const Rule* const> rules) {
  Bench& bench = Bench::instance();
  bench.plug(&device, nullptr);
  bench.start();
  const uint32_t id = bench.config32(model::cfg::kVendorId);
  const auto stimulus = make_stimulus(static_cast<uint16_t>(id), static_cast<uint16_t>(id >> 16));
  bench.plug(&device, stimulus.get());
  Report report{std::move(name), {}};
  for (const Rule* rule : chosen(rules)) {
    bench.start();
    report.rows.push_back({rule, rule->safe != nullptr ? rule->safe(bench) : rule->bus(bench)});
  }
  bench.plug(nullptr, nullptr);
  return report;
}

Report run_safe(std::string name, Target& target, std::span<const Rule* const> rules) {
  Report report{std::move(name), {}};
  for (const Rule* rule : chosen(rules)) {
    report.rows.push_back({rule, rule->safe != nullptr
                                     ? rule->safe(target)
                                     : skipped("needs the function on a bench: it writes outside what is documented")});
  }
  return report;
}

Result<std::vector<const Rule*>> select_rules(const std::vector<std::string>& names) {
  std::vector<const Rule*> found;
  for (const std::string& name : names) {
    const size_t before = found.size();
    for (const Rule& rule : all_rules()) {
      if (rule.id == name || rule.group == name) found.push_back(&rule);
    }
    if (found.size() == before) {
      return fail(ErrorName::kNotFound, fmt::format("There is no conformance rule or group '{:.60}'; 'dartboard "
                                                    "conformance --list' shows them.",
                                                    name));
    }
  }
  return found;
}

std::string junit_xml(const Report& report) {
  const std::string counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"", report.rows.size(),
                                         report.count(Status::kFail), report.count(Status::kSkip));
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += fmt::format("<testsuites {}>\n  <testsuite name=\"{}\" {}>\n", counts, escaped_markup(report.device), counts);
  for (const Row& row : report.rows) {
    const Rule& rule = *row.rule;
    out += fmt::format("    <testcase classname=\"conformance.{}\" name=\"{}\"", rule.group, rule.id);
    switch (row.verdict.status) {
      case Status::kPass: out += "/>\n"; continue;
      case Status::kFail:
        out += fmt::format(">\n      <failure message=\"{}\">{} ({}): {}</failure>\n    </testcase>\n",
                           escaped_markup(row.verdict.seen), escaped_markup(rule.sentence), escaped_markup(rule.spec),
                           escaped_markup(row.verdict.seen));
        break;
      case Status::kSkip:
        out += fmt::format(">\n      <skipped message=\"{}\"/>\n    </testcase>\n", escaped_markup(row.verdict.seen));
        break;
    }
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

}  // namespace dartboard::conformance
