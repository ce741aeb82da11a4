// tests/dma/main.cpp - test main; property tests draw from a fixed seed unless RC_PARAMS says otherwise.
#include <cstdlib>

#include <gtest/gtest.h>

// The client library brings the simulated Mac along, and SystemC's library wants this to link.
extern "C" int sc_main(int, char**) {
  return 0;
}

int main(int argc, char** argv) {
  setenv("RC_PARAMS", "seed=20261123 max_success=300", 0);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
