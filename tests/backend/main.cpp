// tests/backend/main.cpp - test main; property tests draw from a fixed seed unless RC_PARAMS says otherwise.
#include <cstdlib>

#include <gtest/gtest.h>

int main(int argc, char** argv) {
  setenv("RC_PARAMS", "seed=20261123 max_success=300", 0);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
