// tests/faults/main.cpp - test main. What the ledgers find fails the test it happened in; at the end the table of all
// kinds of fault and how often each struck in this program is printed.
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>
#include <systemc>

#include "sim/faults/plan.h"
#include "tests/support/world.h"

int sc_main(int, char**) { return 0; }

namespace {

constexpr unsigned kKindsWanted = 70;

class Strikes final : public testing::Environment {
 public:
  void TearDown() override {
    unsigned kinds = 0;
    for (unsigned i = 0; i < dartboard::sim::kFaultKindCount; ++i) {
      const uint64_t strikes = dartboard::sim::fault_strikes_of_process()[i];
      kinds += strikes != 0;
      std::printf("%-30s %8llu\n", std::string(dartboard::sim::fault_catalogue()[i].name).c_str(),
                  static_cast<unsigned long long>(strikes));
    }
    std::printf("%u of %u kinds struck\n", kinds, dartboard::sim::kFaultKindCount);
    const bool all_tests_ran = std::strcmp(testing::GTEST_FLAG(filter).c_str(), "*") == 0;
    if (all_tests_ran) {
      EXPECT_GE(kinds, kKindsWanted);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new Strikes);
  dartboard::support::on_violation([](const std::string& what) { ADD_FAILURE() << what; });
  return RUN_ALL_TESTS();
}
