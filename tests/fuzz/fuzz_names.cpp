// tests/fuzz/fuzz_names.cpp - libFuzzer's entry: any bytes as a file of register names.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "traces/tools/names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static_cast<void>(
      dartboard::traces::parse_register_names({reinterpret_cast<const char*>(data), size}, "input"));
  return 0;
}
