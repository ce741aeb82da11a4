// tests/machine/main.cpp - test main, and the fresh process of the determinism proof: "--random-run SEED" does one run
// and prints its hash.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>
#include <systemc>

#include "tests/machine/fresh_process.h"

int sc_main(int, char**) { return 0; }

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--random-run") == 0) {
    return dartboard::machine_test::print_random_run(std::strtoull(argv[2], nullptr, 10));
  }
  testing::InitGoogleTest(&argc, argv);
  dartboard::machine_test::set_program(argv[0]);
  return RUN_ALL_TESTS();
}
