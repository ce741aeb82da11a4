// tests/invariants/doc_test.cpp - docs/invariants.md lists what the ledgers check, in their words.
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "sim/invariants/invariant.h"

namespace dartboard::invariants_test {
namespace {

TEST(Document, ListsEveryInvariantThatIsChecked) {
  std::ifstream file(DARTBOARD_INVARIANTS_DOC);
  ASSERT_TRUE(file) << DARTBOARD_INVARIANTS_DOC;
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (unsigned i = 0; i < sim::kInvariantCount; ++i) {
    const auto invariant = static_cast<sim::Invariant>(i);
    const std::string row =
        "| " + std::string(sim::number(invariant)) + " | " + std::string(sim::statement(invariant)) + " | ";
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace dartboard::invariants_test
