// tests/invariants/main.cpp - test main: what the ledgers of a World find fails the test.
#include <gtest/gtest.h>
#include <systemc>

#include "tests/support/world.h"

int sc_main(int, char**) { return 0; }

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  dartboard::support::on_violation([](const std::string& what) { ADD_FAILURE() << what; });
  return RUN_ALL_TESTS();
}
