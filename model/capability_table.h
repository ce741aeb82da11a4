// model/capability_table.h - what this model does about each capability and rule of PCI Express, as data.
//
// Two answers are possible: behaviour (it does what the specification says), or registers only (software finds the
// registers, nothing is behind them). docs/pcie-capabilities.md is this table; a test holds them equal, and holds that
// every capability a function or the root port can show has its row.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dartboard::model {

enum class Depth : uint8_t { kBehaviour, kRegistersOnly };
std::string_view to_string(Depth depth);

struct FeatureRow {
  std::string_view name;
  uint16_t capability_id;  ///< 0: a rule, not a capability
  bool extended;
  Depth depth;
  std::string_view spec;
  std::string_view what;  ///< what of it there is, and what is left out
};

std::span<const FeatureRow> feature_rows();

}  // namespace dartboard::model
