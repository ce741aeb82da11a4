// tests/fuzz/fuzz_byte_source.cpp - libFuzzer's entry: any bytes as a file that may be compressed, read as bytes and as
// lines. Both see the same, up to damage.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "traces/byte_source.h"

using namespace dartboard::traces;

namespace {

constexpr uint64_t kDecodedBytesMax = uint64_t{64} << 20;  // of an input that decodes to far more: it is no better
constexpr uint64_t kLineBytesMax = 100;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  auto source = ByteSource::of(bytes, "input");
  const auto head = source->peek(1000);
  require(head.has_value());
  const size_t head_bytes = head->size();
  std::array<std::byte, 4096> buffer;
  uint64_t total = 0, newlines = 0;
  bool ended = false;
  std::byte last{0};
  while (total < kDecodedBytesMax) {
    const auto count = source->read(buffer);
    require(count.has_value() && *count <= buffer.size());
    if (*count == 0) {
      ended = true;
      break;
    }
    newlines += static_cast<uint64_t>(std::count(buffer.begin(), buffer.begin() + *count, std::byte{'\n'}));
    last = buffer[*count - 1];
    total += *count;
  }
  require(total >= std::min<size_t>(head_bytes, kDecodedBytesMax));
  require(source->bytes_read() <= size);
  if (!ended) return 0;

  Lines lines(ByteSource::of(bytes, "input"), kLineBytesMax);
  uint64_t count = 0;
  std::string_view line;
  for (;;) {
    const auto more = lines.next(&line);
    require(more.has_value());
    if (!*more) break;
    ++count;
    require(line.size() <= kLineBytesMax && line.find('\n') == std::string_view::npos && lines.number() == count);
    require(lines.overlong() ? line.size() == kLineBytesMax : true);
  }
  // Of damaged data, how far a library gets may depend on the sizes of its calls (liblzma's does).
  if (!source->damage()) require(count == newlines + (total != 0 && last != std::byte{'\n'} ? 1 : 0));
  require(lines.source().damage().has_value() == source->damage().has_value());
  return 0;
}
