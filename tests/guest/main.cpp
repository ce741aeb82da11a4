// tests/guest/main.cpp - test main: SystemC wants an sc_main to link.
#include <gtest/gtest.h>

extern "C" int sc_main(int, char**) {
  return 0;
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
