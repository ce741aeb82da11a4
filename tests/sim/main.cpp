// tests/sim/main.cpp - test main: SystemC wants an sc_main to link; modules are built by static fixtures.
#include <gtest/gtest.h>

#include <systemc>

int sc_main(int, char**) {
  return 0;
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
