// tests/conformance/main.cpp - test main: the bench must exist before the first test lets time pass.
#include <gtest/gtest.h>

#include <systemc>

#include "conformance/bench.h"

int sc_main(int, char**) { return 0; }

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  dartboard::conformance::Bench::instance();
  return RUN_ALL_TESTS();
}
