// tests/fuzz/fuzz_register_log.cpp - libFuzzer's entry: any bytes as a register trace.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/reader_contract.h"
#include "traces/import/register_log.h"

using namespace dartboard;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::read_bytes({data, size}, traces::detect_register_log, traces::open_register_log);
  return 0;
}
