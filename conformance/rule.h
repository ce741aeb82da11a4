// conformance/rule.h - a rule as data: what a PCIe function must do, where the specification says so, and how to see it.
//
// Two kinds of check. A safe one only reads configuration space, so it may be tried on any device, a real one in use
// included. A bus one owns the function on a bench of its own (bench.h): it writes, resets and breaks things at will and
// leaves nothing to clean up, because every rule starts from power-on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace dartboard::conformance {

class Target;
class Bench;

enum class Status : uint8_t { kPass, kFail, kSkip };
std::string_view to_string(Status status);

struct Verdict {
  Status status = Status::kPass;
  std::string seen;   ///< failed: what was seen and what was expected; skipped: why
};

inline Verdict passed() { return {}; }
template <class... Args>
Verdict failed(fmt::format_string<Args...> text, Args&&... args) {
  return {Status::kFail, fmt::format(text, std::forward<Args>(args)...)};
}
template <class... Args>
Verdict skipped(fmt::format_string<Args...> text, Args&&... args) {
  return {Status::kSkip, fmt::format(text, std::forward<Args>(args)...)};
}

using SafeCheck = Verdict (*)(Target& target);
using BusCheck = Verdict (*)(Bench& bench);

struct Rule {
  std::string_view id;         ///< stable: scripts and reports name it ("cfg-ro-vendor")
  std::string_view group;      ///< "config", "bar", ...
  std::string_view spec;       ///< section of the specification
  std::string_view sentence;   ///< what must hold
  SafeCheck safe = nullptr;    ///< exactly one of the two
  BusCheck bus = nullptr;
};

/// Every rule, in the order in which they run: header, BARs, ROM, capabilities, INTx, MSI, MSI-X, PCI Express, AER,
/// power, resets.
std::span<const Rule> all_rules();
/// The rule with this id, or null.
const Rule* find_rule(std::string_view id);

// The rooms' shelves; all_rules() joins them.
std::span<const Rule> identity_rules();
std::span<const Rule> config_rules();
std::span<const Rule> bar_rules();
std::span<const Rule> rom_rules();
std::span<const Rule> capability_rules();
std::span<const Rule> intx_rules();
std::span<const Rule> msi_rules();
std::span<const Rule> msix_table_rules();
std::span<const Rule> msix_delivery_rules();
std::span<const Rule> express_rules();
std::span<const Rule> error_rules();
std::span<const Rule> power_rules();
std::span<const Rule> reset_rules();

}  // namespace dartboard::conformance
