// tests/fuzz/fuzz_dbt.cpp - libFuzzer's entry: any bytes as a .dbt, as a decompressed chunk, and as its metadata.
//
// Checksums stand before everything in a .dbt, so that bytes changed at random only ever reach them. The first byte of
// the input picks what the rest is taken for.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "tests/fuzz/reader_contract.h"
#include "traces/dbt/chunk.h"
#include "traces/dbt/metadata.h"
#include "traces/dbt/reader.h"

using namespace dartboard;

namespace {

void chunk(std::span<const std::byte> raw, uint64_t first_time_ns) {
  if (raw.size() < 4) return;
  traces::dbt::ChunkHead head;
  head.events = static_cast<uint32_t>(traces::dbt::get(raw.data(), 4));  // what a whole chunk would say
  head.first_time_ns = first_time_ns;
  traces::EventBatch batch;
  uint64_t unknown = 0;
  if (!traces::dbt::decode_chunk(raw, head, &batch, &unknown)) return;
  fuzz::require(batch.events.size() + unknown == head.events);
  volatile uint64_t keep = fuzz::touch(batch);
  static_cast<void>(keep);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      if (auto reader = traces::open_dbt(traces::ByteSource::of(std::as_bytes(rest), "input"), {})) fuzz::drain(**reader);
      break;
    case 1:
      static_cast<void>(traces::dbt::parse_metadata({reinterpret_cast<const char*>(rest.data()), rest.size()}, "input"));
      break;
    default: chunk(std::as_bytes(rest), data[0]); break;
  }
  return 0;
}
