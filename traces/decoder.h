// traces/decoder.h - compressed bytes to bytes: zstd, gzip and xz behind one step function, in bounded memory.
//
// A file says how much memory its decompression takes (zstd's window, xz's dictionary), so a small file could ask for
// gigabytes: more than kDecoderBytesMax is refused as damage.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace dartboard::traces {

inline constexpr size_t kDecoderBytesMax = size_t{128} << 20;

class Decoder {
 public:
  struct Step {
    size_t consumed = 0;  ///< bytes of input that are done with
    size_t produced = 0;
    bool whole = true;              ///< all that was consumed is whole frames: the input may end here
    const char* problem = nullptr;  ///< null, or what the library says is wrong; nothing follows
  };

  virtual ~Decoder() = default;
  virtual std::string_view name() const = 0;  ///< "zstd"
  /// One step. `at_end`: nothing follows `in`. A step that neither consumes nor produces wants more input.
  virtual Step step(std::span<const std::byte> in, std::span<std::byte> out, bool at_end) = 0;

  /// The one that `head` (the first bytes of a file) asks for; null: plain.
  static std::unique_ptr<Decoder> for_content(std::span<const std::byte> head);
};

}  // namespace dartboard::traces
