// tests/fuzz/fuzz_jsonl.cpp - libFuzzer's entry: any bytes as a .jsonl recording and as the description beside it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "tests/fuzz/reader_contract.h"
#include "traces/device_description.h"
#include "traces/jsonl_reader.h"

using namespace dartboard;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (auto reader = traces::open_jsonl(traces::ByteSource::of(bytes, "input"), {})) fuzz::drain(**reader);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto device = traces::parse_device_description(text, "input")) {
    if (!traces::parse_device_description(traces::format_device_description(*device), "again")) std::abort();
  }
  return 0;
}
