// tests/script/main.cpp - test main, and the fresh process of the reset proof: "--fresh-run NAME" prints one run's hash.
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>
#include <systemc>

#include "tests/script/stack.h"

int sc_main(int, char**) { return 0; }

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--fresh-run") == 0) {
    std::printf("%s\n", dartboard::script_test::run_and_hash(argv[2]).c_str());
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  dartboard::script_test::set_program(argv[0]);
  dartboard::sim::Machine::instance();   // its modules must exist before the first test lets time pass
  return RUN_ALL_TESTS();
}
