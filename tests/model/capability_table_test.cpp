// tests/model/capability_table_test.cpp - the documentation says what the model has, and the model has what it says.
#include "model/capability_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "model/reset_matrix.h"
#include "model/root_port.h"
#include "tests/model/full_endpoint.h"

namespace dartboard::model::test {
namespace {

constexpr const char* kFile = DARTBOARD_SOURCE_DIR "/docs/pcie-capabilities.md";

std::string rendered() {
  std::string out =
      "# What the PCIe model does\n\n"
      "*Behaviour*: it does what the specification says. *Registers only*: software finds the registers, nothing is "
      "behind them.\nThe tables are data (`model/capability_table.cpp`, `model/reset_matrix.h`); `tests/model` holds "
      "this page equal to them.\nWith `DARTBOARD_WRITE_DOCS=1` the test writes the page.\n\n"
      "## Capabilities\n\n| id | capability | depth | specification | what |\n|---|---|---|---|---|\n";
  for (const FeatureRow& row : feature_rows()) {
    if (row.capability_id == 0) continue;
    out += fmt::format("| {:0{}X}h{} | {} | {} | {} | {} |\n", row.capability_id, row.extended ? 4 : 2,
                       row.extended ? " ext." : "", row.name, to_string(row.depth), row.spec, row.what);
  }
  out += "\n## Rules\n\n| rule | depth | specification | what |\n|---|---|---|---|\n";
  for (const FeatureRow& row : feature_rows()) {
    if (row.capability_id != 0) continue;
    out += fmt::format("| {} | {} | {} | {} |\n", row.name, to_string(row.depth), row.spec, row.what);
  }
  out +=
      "\n## Reset matrix\n\nEach field of each register declares one of the first four rows as its class; the other "
      "rows "
      "are state that is no register.\n\n| |";
  const auto kinds = [](auto&& cell) {
    std::string line;
    for (unsigned k = 0; k < kResetKindCount; ++k) line += fmt::format(" {} |", cell(static_cast<ResetKind>(k)));
    return line + "\n";
  };
  out += kinds([](ResetKind k) { return to_string(k); }) + "|---|---|---|---|---|---|---|\n";
  for (unsigned c = 0; c < kResetClassCount; ++c) {
    const auto reset_class = static_cast<ResetClass>(c);
    out += fmt::format("| field: {} |", to_string(reset_class)) +
           kinds([&](ResetKind k) { return to_string(effect(k, reset_class)); });
  }
  for (const ResetStateDecl& row : reset_states()) {
    out += fmt::format("| {} |", row.name) + kinds([&](ResetKind k) { return to_string(effect(k, row.state)); });
  }
  return out;
}

TEST(CapabilityTable, TheDocumentationIsTheTable) {
  if (std::getenv("DARTBOARD_WRITE_DOCS") != nullptr) std::ofstream(kFile) << rendered();
  std::ifstream file(kFile);
  ASSERT_TRUE(file) << kFile;
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), rendered()) << "run this test once with DARTBOARD_WRITE_DOCS=1";
}

bool has_row(uint16_t id, bool extended) {
  for (const FeatureRow& row : feature_rows()) {
    if (row.capability_id == id && row.extended == extended) return true;
  }
  return false;
}

TEST(CapabilityTable, EveryCapabilityThatCanBeShownHasARow) {
  struct Nobody final : RootPortOwner {
    void secondary_reset(bool) override {}
    void link_disabled(bool) override {}
  } nobody;
  const RootPort port(nobody);
  const FullEndpoint device(full_declaration());
  for (const ConfigSpace* config : {&port.config(), &device.config()}) {
    for (const ConfigSpace::PlacedCapability& placed : config->capabilities()) {
      EXPECT_TRUE(has_row(placed.decl.id, placed.decl.extended)) << placed.decl.name;
    }
  }
}

TEST(CapabilityTable, EveryRowsCapabilityExists) {
  const FullEndpoint device(full_declaration());
  for (const FeatureRow& row : feature_rows()) {
    if (row.capability_id == 0) continue;
    const uint32_t at = row.extended ? device.config().find_extended_capability(row.capability_id)
                                     : device.config().find_capability(static_cast<uint8_t>(row.capability_id));
    EXPECT_NE(at, 0u) << row.name;
  }
}

}  // namespace
}  // namespace dartboard::model::test
