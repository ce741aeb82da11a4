// tests/faults/doc_test.cpp - docs/faults.md has the catalogue's rows, all of them and no others.
#include <cctype>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim/faults/catalogue.h"

namespace dartboard::faults_test {
namespace {

std::vector<std::string> catalogue_lines() {
  std::vector<std::string> lines;
  char group = 0;
  for (const sim::FaultInfo& info : sim::fault_catalogue()) {
    if (info.group != group) {
      group = info.group;
      std::string name(sim::group_name(group));
      name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
      lines.push_back("### " + name);
    }
    lines.push_back("| `" + std::string(info.name) + "` | " + std::string(to_string(info.effect)) + " | " +
                    std::string(info.what) + " | " + std::string(info.duty) + " |");
  }
  return lines;
}

TEST(Document, HasTheCatalogue) {
  std::ifstream file(DARTBOARD_FAULTS_DOC);
  ASSERT_TRUE(file) << DARTBOARD_FAULTS_DOC;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("### ") || line.starts_with("| `")) lines.push_back(line);
  }
  const std::vector<std::string> wanted = catalogue_lines();
  for (size_t i = 0; i < wanted.size() && i < lines.size(); ++i) {
    ASSERT_EQ(lines[i], wanted[i]) << "docs/faults.md differs from sim/faults/catalogue.cpp";
  }
  EXPECT_EQ(lines.size(), wanted.size());
}

}  // namespace
}  // namespace dartboard::faults_test
