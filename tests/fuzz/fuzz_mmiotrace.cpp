// tests/fuzz/fuzz_mmiotrace.cpp - libFuzzer's entry: any bytes as an mmiotrace text.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/reader_contract.h"
#include "traces/import/mmiotrace.h"

using namespace dartboard;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::read_bytes({data, size}, traces::detect_mmiotrace, traces::open_mmiotrace);
  return 0;
}
