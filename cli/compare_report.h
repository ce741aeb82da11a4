// cli/compare_report.h - what `dartboard compare` prints: text, JSON, Markdown for docs, and one HTML page.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "cli/comparison.h"

namespace dartboard::cli {

void print_text(const std::vector<Comparison>& all, std::FILE* out);
/// {"guest_bytes", "profiles": [{name, timings, assumed}], "workloads": [{name, about, parameters}], "comparisons":
/// [{profile, workload, advice, rows: [...]}]}. Everything but host_cpu_ns is the same on every run.
std::string to_json(const std::vector<Comparison>& all, const ComparisonOptions& options);
/// A table and the advice for each comparison.
std::string to_markdown(const std::vector<Comparison>& all);
/// One page that needs nothing else: no network, no script. Light and dark.
std::string to_html(const std::vector<Comparison>& all, const ComparisonOptions& options);

/// "served", "not on this host: ...", "host panic": one or a few words for a table.
std::string outcome_text(const Figures& figures);
/// The figures behind `timings` and which of them nobody published, as sentences.
std::vector<std::string> timing_notes(const sim::Profile& profile);

}  // namespace dartboard::cli
