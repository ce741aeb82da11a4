// tests/fuzz/fuzz_machine.cpp - libFuzzer's entry. One input is one run of a machine from power-on.
#include <cstddef>
#include <cstdint>
#include <span>

#include <systemc>

#include "tests/fuzz/operations.h"

int sc_main(int, char**) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dartboard::fuzz::run(std::span(data, size));
  return 0;
}
