// conformance/suite.h - runs the rules and holds the results; JUnit XML.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "conformance/rule.h"
#include "model/device.h"

namespace dartboard::conformance {

struct Row {
  const Rule* rule = nullptr;
  Verdict verdict;
};

struct Report {
  std::string device;          ///< what was tried, as a person names it
  std::vector<Row> rows;       ///< one for each rule tried, in order
  uint64_t count(Status status) const;
  const Row* find(std::string_view id) const;
};

/// Tries rules on a device of ours, on the bench, each from power-on. `rules`: empty for all.
Report run_on_bench(std::string name, model::PcieDevice& device, std::span<const Rule* const> rules = {});

/// Tries the safe rules on a target; the others are skipped.
Report run_safe(std::string name, Target& target, std::span<const Rule* const> rules = {});

/// The rules with these ids or groups; empty for all. kNotFound: nothing has that name.
Result<std::vector<const Rule*>> select_rules(const std::vector<std::string>& names);

/// The report as a JUnit <testsuites> document.
std::string junit_xml(const Report& report);

}  // namespace dartboard::conformance
