// tests/devicetree/main.cpp - test main.
#include <cstdlib>

#include <gtest/gtest.h>

int main(int argc, char** argv) {
  setenv("RC_PARAMS", "max_success=1000", 0);  // a layout costs a fraction of a millisecond
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
