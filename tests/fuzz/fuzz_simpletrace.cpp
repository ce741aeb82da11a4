// tests/fuzz/fuzz_simpletrace.cpp - libFuzzer's entry: any bytes as a binary trace of QEMU.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/reader_contract.h"
#include "traces/import/simpletrace.h"

using namespace dartboard;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::read_bytes({data, size}, traces::detect_simpletrace, traces::open_simpletrace);
  return 0;
}
